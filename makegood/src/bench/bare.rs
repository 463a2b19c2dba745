//! Transactions with nothing of ours around them: prepared statements on one connection of the driver's own.

use std::collections::BTreeMap;

use db::Value;
use futures_util::future::try_join_all;
use kernel::Result;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::place::{Bare, Place, bug};

/// One statement and its values, `$1` first.
pub type Step = (&'static str, Vec<Value>);

/// A bare connection with its prepared statements.
pub struct Session {
    bare: Bare,
    /// Only on PostgreSQL; SQLite's driver keeps its own.
    prepared: BTreeMap<&'static str, Statement>,
    /// Only on SQLite: the text without PostgreSQL's casts.
    plain: BTreeMap<&'static str, String>,
}

impl Session {
    /// A new one on this database.
    pub async fn open(place: &Place) -> Result<Session> {
        Ok(Session { bare: place.connect().await?, prepared: BTreeMap::new(), plain: BTreeMap::new() })
    }

    /// Runs these statements as one transaction, on PostgreSQL all in one round trip; says how many rows each touched.
    pub async fn transaction(&mut self, steps: &[Step]) -> Result<Vec<u64>> {
        self.prepare(steps).await?;
        match &self.bare {
            Bare::Sqlite(connection) => {
                connection.prepare_cached("BEGIN IMMEDIATE").map_err(bug)?.execute([]).map_err(bug)?;
                let mut touched = Vec::with_capacity(steps.len());
                for (sql, values) in steps {
                    let mut statement = connection.prepare_cached(&self.plain[sql]).map_err(bug)?;
                    let count = statement.execute(rusqlite::params_from_iter(values)).map_err(bug)?;
                    touched.push(count as u64);
                }
                connection.prepare_cached("COMMIT").map_err(bug)?.execute([]).map_err(bug)?;
                Ok(touched)
            }
            Bare::Postgres(client) => {
                let work = try_join_all(steps.iter().map(|(sql, values)| async {
                    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
                    client.execute(&self.prepared[sql], &values).await
                }));
                // In this order, without waiting in between.
                let all = async {
                    tokio::try_join!(biased; client.batch_execute("BEGIN"), work, client.batch_execute("COMMIT"))
                };
                all.await.map(|((), touched, ())| touched).map_err(bug)
            }
        }
    }

    async fn prepare(&mut self, steps: &[Step]) -> Result<()> {
        for (sql, _) in steps {
            match &self.bare {
                Bare::Sqlite(_) => {
                    self.plain.entry(sql).or_insert_with(|| sql.replace("::text::jsonb", ""));
                }
                Bare::Postgres(client) if !self.prepared.contains_key(sql) => {
                    let statement = client.prepare(sql).await.map_err(bug)?;
                    self.prepared.insert(sql, statement);
                }
                Bare::Postgres(_) => {}
            }
        }
        Ok(())
    }
}
