//! The few differences between the two engines, each with a name.

/// Which engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One file, one writer.
    Sqlite,
    /// A server, many writers.
    Postgres,
}

impl Dialect {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }

    /// `column` is one of the values in the array parameter `$n` (see [`crate::Value::array`]).
    pub fn any(self, column: &str, n: usize) -> String {
        match self {
            Dialect::Sqlite => format!("{column} IN (SELECT value FROM json_each(${n}))"),
            Dialect::Postgres => format!("{column} = ANY(${n})"),
        }
    }

    /// Rows that are read now and written later in the same transaction wait for each other.
    /// SQLite has one writer anyway.
    pub fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE",
        }
    }

    /// As [`Dialect::for_update`], but passing over rows that another worker holds.
    pub fn skip_locked(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// What makes transactions of one name wait for each other, from here to their end; the name is `$1`. SQLite has one
    /// writer anyway.
    pub fn one_at_a_time(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text"),
        }
    }

    /// The migration text is written with PostgreSQL's types; this is what each becomes. SQLite's tables are
    /// STRICT, so a wrong type is refused there too.
    pub(crate) fn column_type(self, postgres: &str) -> Option<&'static str> {
        if self == Dialect::Postgres {
            return None;
        }
        match postgres {
            "uuid" | "timestamptz" | "jsonb" => Some("TEXT"),
            "boolean" | "bigint" => Some("INTEGER"),
            "bytea" => Some("BLOB"),
            _ => None,
        }
    }

    /// SQLite numbers its parameters `?1`; rusqlite binds `$1` by position, which would swap them silently.
    pub(crate) fn parameters(sql: &str) -> String {
        let mut quoted = false;
        let mut out = String::with_capacity(sql.len());
        let mut copied = 0;
        for (at, byte) in sql.bytes().enumerate() {
            quoted ^= byte == b'\'';
            let number = || sql.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit);
            if byte == b'$' && !quoted && number() {
                out.push_str(&sql[copied..at]);
                out.push('?');
                copied = at + 1;
            }
        }
        out.push_str(&sql[copied..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_are_renumbered() {
        let sql = "SELECT json_extract(body, '$.a'), 'it''s $1', $2 FROM t WHERE a = $1";
        let expected = "SELECT json_extract(body, '$.a'), 'it''s $1', ?2 FROM t WHERE a = ?1";
        assert_eq!(Dialect::parameters(sql), expected);
    }
}
