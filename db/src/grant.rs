//! What a program may do at run time, on PostgreSQL: a role that reads and writes, owns nothing, and can only add to the
//! tables that only grow. Their triggers can be dropped by whoever owns them; such a role cannot.

use kernel::{Error, Result};

use crate::{Db, Dialect, Tx, TxResult};

/// Tables of which the program keeps its own books; at run time nobody writes them.
const SCHEMA: &str = "schema_migrations";
/// What a program needs of a table of which nothing else is said.
const ALL: &str = "SELECT, INSERT, UPDATE, DELETE";

impl Db {
    /// The statements that give `role` what a program needs at run time: to do with the tables in
    /// `limited` what stands beside them, and to read and write all others. What else it could do to these is taken from it.
    ///
    /// # Errors
    /// Invalid when there are no roles (SQLite), no such role, or the role could take back whatever is taken from it: it is
    /// a superuser, or owns the tables.
    pub async fn grants(
        &self,
        role: &str,
        limited: &'static [(&'static str, &'static str)],
    ) -> Result<Vec<String>> {
        if self.dialect() == Dialect::Sqlite {
            return Err(wrong("SQLite has no roles: who may write its file may change it".into()));
        }
        let role = role.to_owned();
        self.read("db.grants", move |tx| {
            must_be_able_to_lose(tx, &role)?;
            statements(tx, &role, limited)
        })
        .await
    }

    /// Runs such statements, all or none.
    ///
    /// # Errors
    /// When the connected role may not grant.
    pub async fn grant(&self, statements: Vec<String>) -> Result<()> {
        let run = move |tx: &mut Tx<'_>| {
            statements.iter().try_for_each(|statement| tx.execute(statement, &[]).map(drop))
        };
        self.write("db.grant", run).await.safe_to_repeat()
    }
}

fn wrong(why: String) -> Error {
    Error::invalid("role", why)
}

fn must_be_able_to_lose(tx: &mut Tx<'_>, role: &str) -> Result<()> {
    let known = tx.query_opt(
        "SELECT rolsuper, (SELECT MIN(c.relname::text) FROM pg_class c
           WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
             AND pg_has_role(r.oid, c.relowner, 'MEMBER')) AS owns
         FROM pg_roles r WHERE rolname::text = $1",
        &[role.into()],
    )?;
    let Some(row) = known else {
        return Err(wrong(format!(
            "there is no role `{role}`; make it first: CREATE ROLE {} LOGIN",
            quoted(role)
        )));
    };
    if row.get("rolsuper")? {
        return Err(wrong(format!("`{role}` is a superuser, who may do anything; make a role of its own")));
    }
    match row.get::<Option<String>>("owns")? {
        None => Ok(()),
        Some(table) => Err(wrong(format!(
            "`{role}` owns {table} or belongs to its owner, and could give itself back what is taken; make a role of its own"
        ))),
    }
}

fn statements(tx: &mut Tx<'_>, role: &str, limited: &[(&str, &str)]) -> Result<Vec<String>> {
    let schema: String = tx.query_one("SELECT current_schema()::text", &[])?.first()?;
    let rows = tx.query(
        "SELECT relname::text AS name, relkind::text AS kind FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v') ORDER BY relname",
        &[],
    )?;
    let (role, schema) = (quoted(role), quoted(&schema));
    let mut all = vec![format!("GRANT USAGE ON SCHEMA {schema} TO {role}")];
    for row in &rows {
        let (name, kind): (String, String) = (row.get("name")?, row.get("kind")?);
        let table = format!("{schema}.{}", quoted(&name));
        let limit = limited.iter().find(|(table, _)| *table == name).map(|(_, may)| *may);
        let may = match name.as_str() {
            SCHEMA => "SELECT",
            _ if kind == "v" => "SELECT",
            _ => limit.unwrap_or(ALL),
        };
        if may != ALL {
            all.push(format!("REVOKE ALL ON {table} FROM {role}"));
        }
        all.push(format!("GRANT {may} ON {table} TO {role}"));
    }
    Ok(all)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted("shop"), "\"shop\"");
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
