//! All SQL on `switches`.

use db::{Row, Tx};
use kernel::{Cx, Result};

use super::{Position, Switch};

const POSITION: &str = "name, is_on, reason, actor, changed_at";

/// How a switch stands. One whose row is gone is off.
///
/// # Errors
/// Whatever the database says; nobody may take that for on.
pub fn find(tx: &mut Tx<'_>, switch: Switch) -> Result<Position> {
    let sql = format!("SELECT {POSITION} FROM switches WHERE name = $1");
    let row = tx.query_opt(&sql, &[switch.as_str().into()])?;
    row.map_or_else(|| Ok(Position::lost(switch)), |row| read(switch, &row))
}

/// How all of them stand.
///
/// # Errors
/// Whatever the database says.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Position>> {
    let rows = tx.query(&format!("SELECT {POSITION} FROM switches"), &[])?;
    let position = |switch: Switch| {
        for row in &rows {
            if row.get::<String>("name")? == switch.as_str() {
                return read(switch, row);
            }
        }
        Ok(Position::lost(switch))
    };
    Switch::ALL.into_iter().map(position).collect()
}

/// Writes how a switch stands from now on, also where its row was gone.
pub(super) fn save(tx: &mut Tx<'_>, cx: &Cx, position: &Position) -> Result<()> {
    tx.execute(
        "INSERT INTO switches (name, is_on, reason, actor, changed_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO UPDATE SET is_on = $2, reason = $3, actor = $4, changed_at = $5",
        &[
            position.name.as_str().into(),
            position.is_on.into(),
            position.reason.clone().into(),
            position.actor.clone().into(),
            cx.now.into(),
        ],
    )?;
    Ok(())
}

fn read(name: Switch, row: &Row) -> Result<Position> {
    Ok(Position {
        name,
        is_on: row.get("is_on")?,
        reason: row.get("reason")?,
        actor: row.get("actor")?,
        changed_at: row.get("changed_at")?,
    })
}
