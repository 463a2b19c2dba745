//! The right of a profile to the course, by one prepared statement on one connection of the driver's own.

use db::Value;
use kernel::{Error, Result};
use shop::ids::ProfileId;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::super::place::{Bare, Place, bug};

const RIGHT: &str = "SELECT status FROM entitlements WHERE holder = $1 AND product_id = 'course'";

/// A bare connection.
pub struct Session {
    bare: Bare,
    prepared: Option<Statement>,
}

impl Session {
    /// A new one on this database.
    pub async fn open(place: &Place) -> Result<Session> {
        let bare = place.connect().await?;
        let prepared = match &bare {
            Bare::Sqlite(_) => None,
            Bare::Postgres(client) => Some(client.prepare(RIGHT).await.map_err(bug)?),
        };
        Ok(Session { bare, prepared })
    }

    /// Reads it; it must be there.
    pub async fn read(&self, profile: &ProfileId) -> Result<()> {
        let holder = Value::Text(profile.uuid().to_string());
        let status: String = match (&self.bare, &self.prepared) {
            (Bare::Postgres(client), Some(statement)) => {
                let values: [&(dyn ToSql + Sync); 1] = [&holder];
                client.query_one(statement, &values).await.map_err(bug)?.get(0)
            }
            (Bare::Sqlite(connection), _) => {
                let mut statement = connection.prepare_cached(RIGHT).map_err(bug)?;
                statement.query_row([&holder], |row| row.get(0)).map_err(bug)?
            }
            (Bare::Postgres(_), None) => return Err(Error::bug("nothing was prepared")),
        };
        if status == "active" { Ok(()) } else { Err(Error::bug("a right that does not count")) }
    }
}
