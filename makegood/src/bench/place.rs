//! Where a benchmark keeps its rows: a new file or a new database, gone afterwards.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use db::Target;
use kernel::{Error, Result};
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

/// An engine and where it may work.
#[derive(Debug, Clone)]
pub enum Engine {
    /// A new folder in this one.
    Sqlite(PathBuf),
    /// A new database on this server.
    Postgres(String),
}

impl Engine {
    /// As reports name it.
    pub fn name(&self) -> &'static str {
        match self {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }
}

/// A new, empty database that goes away with this value.
pub struct Place {
    target: Target,
    leftover: Leftover,
}

enum Leftover {
    Folder(PathBuf),
    Database { server: String, name: String },
}

impl Place {
    /// A new one on this engine.
    pub async fn new(engine: &Engine) -> Result<Place> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("makegood_throwaway_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        match engine {
            Engine::Sqlite(parent) => {
                let folder = parent.join(format!(".{name}"));
                std::fs::create_dir_all(&folder).map_err(bug)?;
                Ok(Place {
                    target: Target::Sqlite(folder.join("makegood.db")),
                    leftover: Leftover::Folder(folder),
                })
            }
            Engine::Postgres(server) => {
                let client = connect(server).await?;
                client.batch_execute(&format!("CREATE DATABASE {name}")).await.map_err(bug)?;
                let target = Target::Postgres(at_database(server, &name));
                Ok(Place { target, leftover: Leftover::Database { server: server.clone(), name } })
            }
        }
    }

    /// Its name, as [`db::Db::open`] takes it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its name, as `DATABASE_URL` takes it.
    pub fn url(&self) -> String {
        match &self.target {
            Target::Sqlite(path) => format!("sqlite:{}", path.display()),
            Target::Postgres(url) => url.clone(),
        }
    }

    /// A bare connection.
    pub async fn connect(&self) -> Result<Bare> {
        match &self.target {
            Target::Sqlite(path) => Ok(Bare::Sqlite(open_sqlite(path)?)),
            Target::Postgres(url) => Ok(Bare::Postgres(connect(url).await?)),
        }
    }
}

/// A connection with nothing of ours around it.
pub enum Bare {
    /// A file, opened with the same settings as ours: the log is flushed at each commit, and a thread of its own copies
    /// it back.
    Sqlite(Connection),
    /// A session.
    Postgres(Client),
}

fn open_sqlite(path: &std::path::Path) -> Result<Connection> {
    let connection = Connection::open(path).map_err(bug)?;
    connection.busy_timeout(std::time::Duration::from_secs(60)).map_err(bug)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=0;
             PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;",
        )
        .map_err(bug)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|error| {
        let why = error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned());
        Error::Busy(format!("PostgreSQL: {why}"))
    })?;
    tokio::spawn(connection);
    Ok(client)
}

/// Whatever stops a benchmark stops it; nobody handles it.
pub fn bug(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Bug(Box::new(error))
}

impl Drop for Place {
    fn drop(&mut self) {
        match &self.leftover {
            Leftover::Folder(folder) => {
                if let Err(error) = std::fs::remove_dir_all(folder) {
                    eprintln!("{} is left over: {error}", folder.display());
                }
            }
            Leftover::Database { server, name } => {
                // On a thread of its own, because this may run inside of a runtime.
                let (server, sql) = (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                let dropping = std::thread::spawn(move || drop_database(&server, &sql));
                if !matches!(dropping.join(), Ok(Ok(()))) {
                    eprintln!("the database {name} is left over");
                }
            }
        }
    }
}

fn drop_database(server: &str, sql: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(bug)?;
    runtime.block_on(async { connect(server).await?.batch_execute(sql).await.map_err(bug) })
}

/// The same server, another database.
fn at_database(url: &str, name: &str) -> String {
    let (server, options) = url.split_once('?').map_or((url, None), |(server, rest)| (server, Some(rest)));
    let authority = server.find("://").map_or(0, |at| at + 3);
    let end = server[authority..].find('/').map_or(server.len(), |slash| authority + slash);
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{}/{name}{options}", &server[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_on_the_same_server_keeps_the_options() {
        let url = at_database("postgres://u:p@h:5499/postgres?sslmode=disable", "x");
        assert_eq!(url, "postgres://u:p@h:5499/x?sslmode=disable");
        assert_eq!(at_database("postgres://h", "x"), "postgres://h/x");
    }
}
