//! All SQL on `event_readings`.

use db::{Row, Tx};
use kernel::{Error, Result, Timestamp};

use crate::inbox::reading::{Part, Reader, Reading, Readings};

/// What is known of a reader's readings, locked until the end of the transaction; nothing while somebody holds them.
pub(in crate::inbox) fn find_free(
    tx: &mut Tx<'_>,
    reader: Reader,
    now: Timestamp,
) -> Result<Option<Readings>> {
    tx.execute(
        "INSERT INTO event_readings (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
        &[reader.as_str().into()],
    )?;
    let sql = format!("SELECT * FROM event_readings WHERE name = $1{}", tx.dialect().for_update());
    let row = tx.query_one(&sql, &[reader.as_str().into()])?;
    let held_until: Option<Timestamp> = row.get("held_until")?;
    if held_until.is_some_and(|until| now < until) { Ok(None) } else { read(&row).map(Some) }
}

fn read(row: &Row) -> Result<Readings> {
    let since: Option<Timestamp> = row.get("since")?;
    let began_at: Option<Timestamp> = row.get("began_at")?;
    let cut_off = since.zip(began_at).map(|(since, began_at)| {
        let (newest_seen, older_than) = (row.get("newest_seen")?, row.get("older_than")?);
        Ok::<_, Error>(Part { since, began_at, newest_seen, older_than })
    });
    Ok(Readings {
        newest_created: row.get("newest_created")?,
        finished_at: row.get("finished_at")?,
        looked_back_at: row.get("looked_back_at")?,
        cut_off: cut_off.transpose()?,
    })
}

/// Begins a reading, or goes on with one: it is held until then.
pub(in crate::inbox) fn hold(tx: &mut Tx<'_>, reading: &Reading, until: Timestamp) -> Result<()> {
    let part = &reading.part;
    tx.execute(
        "UPDATE event_readings SET holder = $1, held_until = $2, since = $3, began_at = $4, newest_seen = $5,
           older_than = $6 WHERE name = $7",
        &[
            reading.holder.into(),
            until.into(),
            part.since.into(),
            part.began_at.into(),
            part.newest_seen.into(),
            part.older_than.clone().into(),
            reading.reader.as_str().into(),
        ],
    )?;
    Ok(())
}

/// Writes down how far a reading is, and holds it for longer. Whoever gets on does not fail.
///
/// # Errors
/// Busy when it was taken over by another process.
pub(in crate::inbox) fn go_on(tx: &mut Tx<'_>, reading: &Reading, until: Timestamp) -> Result<()> {
    let part = &reading.part;
    let touched = tx.execute(
        "UPDATE event_readings SET held_until = $1, newest_seen = $2, older_than = $3, failing_since = NULL,
           last_error = NULL WHERE name = $4 AND holder = $5",
        &[
            until.into(),
            part.newest_seen.into(),
            part.older_than.clone().into(),
            reading.reader.as_str().into(),
            reading.holder.into(),
        ],
    )?;
    still_held(touched)
}

fn still_held(touched: u64) -> Result<()> {
    match touched {
        1 => Ok(()),
        _ => Err(Error::Busy("another process reads Stripe's events now".into())),
    }
}

/// Ends a reading that has come to its end.
///
/// # Errors
/// Busy when it was taken over by another process.
pub(in crate::inbox) fn finish(tx: &mut Tx<'_>, reading: &Reading) -> Result<()> {
    let looked_back_at = reading.looks_back.then_some(reading.part.began_at);
    let touched = tx.execute(
        "UPDATE event_readings SET newest_created = COALESCE($1, newest_created), finished_at = $2,
           looked_back_at = COALESCE($3, looked_back_at), since = NULL, began_at = NULL, newest_seen = NULL,
           older_than = NULL, holder = NULL, held_until = NULL WHERE name = $4 AND holder = $5",
        &[
            reading.newest_created().into(),
            reading.part.began_at.into(),
            looked_back_at.into(),
            reading.reader.as_str().into(),
            reading.holder.into(),
        ],
    )?;
    still_held(touched)?;
    // Whoever it was that has read the list: it can be read.
    tx.execute(
        "UPDATE event_readings SET failing_since = NULL, last_error = NULL WHERE failing_since IS NOT NULL",
        &[],
    )?;
    Ok(())
}

/// Lets go of a reading that does not get on, and writes down why. One that was taken over is not ours to let go.
pub(in crate::inbox) fn let_go(tx: &mut Tx<'_>, reading: &Reading, now: Timestamp, why: &str) -> Result<()> {
    tx.execute(
        "UPDATE event_readings SET holder = NULL, held_until = NULL, failing_since = COALESCE(failing_since, $1),
           last_error = $2 WHERE name = $3 AND holder = $4",
        &[now.into(), why.into(), reading.reader.as_str().into(), reading.holder.into()],
    )?;
    Ok(())
}
