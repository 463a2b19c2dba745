//! The chain over the audit log. Each entry is sealed by a hash of itself and of the seal before, so that nobody changes,
//! removes or slips in an entry without breaking every seal that follows.
//!
//! Whoever writes an entry does not wait for its seal: a trigger notes the entry as unchained, and [`seal`] chains what is
//! noted, a moment later and one at a time. What is changed before that moment is not seen.
//!
//! The hash of a link is SHA-256 over the hash before it and the entry: each column with its length in front, times in
//! microseconds, JSON with sorted keys. Both engines give the same one.

use db::{Row, Tx, Value};
use kernel::{Result, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access::hex;
use crate::audit::AuditId;

/// One seal: its place in the chain, and its hash in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Counted from 1; 0 before the first.
    pub seq: i64,
    /// 64 hex digits.
    pub hash: String,
}

impl Default for Link {
    fn default() -> Self {
        Link { seq: 0, hash: "0".repeat(64) }
    }
}

/// The columns of an entry, in the order in which they are hashed.
const COLUMNS: [&str; 11] = [
    "id",
    "at",
    "event_type",
    "actor",
    "actor_type",
    "subject_type",
    "subject_id",
    "order_id",
    "reason",
    "request_id",
    "data",
];

/// Chains up to `most` entries that wait for it, by their ids; says how many those were. Nothing while another does the
/// same.
pub fn seal(tx: &mut Tx<'_>, most: i64) -> Result<u64> {
    let held = format!("SELECT seq, hash FROM audit_head WHERE id = 1{}", tx.dialect().skip_locked());
    let Some(row) = tx.query_opt(&held, &[])? else { return Ok(0) };
    let mut head = read_link(&row)?;
    let noted =
        tx.query("SELECT audit_id FROM audit_unchained ORDER BY audit_id LIMIT $1", &[most.into()])?;
    let noted: Vec<Uuid> = noted.iter().map(Row::first).collect::<Result<_>>()?;
    let noted = without_sealed(tx, noted)?;
    // By their ids, and not by a join: the log may hold millions.
    let wanted =
        format!("SELECT {} FROM audit_logs a WHERE {} ORDER BY a.id", columns(), tx.dialect().any("a.id", 1));
    let entries = tx.query(&wanted, &[Value::array(noted)])?;
    let mut links = Vec::with_capacity(entries.len());
    let mut ids = Vec::with_capacity(entries.len());
    for entry in &entries {
        let id: AuditId = entry.get("id")?;
        head = Link { seq: head.seq + 1, hash: next_hash(&head.hash, entry)? };
        links.push(vec![head.seq.into(), id.into(), (&head.hash).into()]);
        ids.push(Value::from(id));
    }
    if links.is_empty() {
        return Ok(0);
    }
    tx.insert_many("INSERT INTO audit_chain (seq, audit_id, hash)", "", &links)?;
    let chained = format!("DELETE FROM audit_unchained WHERE {}", tx.dialect().any("audit_id", 1));
    tx.execute(&chained, &[Value::Array(ids)])?;
    tx.execute(
        "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1",
        &[head.seq.into(), head.hash.into()],
    )?;
    Ok(links.len() as u64)
}

/// What is sealed already does not wait, whoever has noted it once more.
fn without_sealed(tx: &mut Tx<'_>, noted: Vec<Uuid>) -> Result<Vec<Uuid>> {
    let any = tx.dialect().any("audit_id", 1);
    let all = Value::array(noted.iter().copied());
    let sealed =
        tx.query(&format!("SELECT audit_id FROM audit_chain WHERE {any}"), std::slice::from_ref(&all))?;
    let sealed: Vec<Uuid> = sealed.iter().map(Row::first).collect::<Result<_>>()?;
    if sealed.is_empty() {
        return Ok(noted);
    }
    let again = Value::array(sealed.iter().copied());
    tx.execute(&format!("DELETE FROM audit_unchained WHERE {any}"), &[again])?;
    Ok(noted.into_iter().filter(|id| !sealed.contains(id)).collect())
}

/// Whether any entry waits to be chained.
pub fn is_waiting(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(tx.query_opt("SELECT audit_id FROM audit_unchained LIMIT 1", &[])?.is_some())
}

/// The end of the chain, as it was written down with the last seal; none when somebody has removed it.
pub fn head(tx: &mut Tx<'_>) -> Result<Option<Link>> {
    let row = tx.query_opt("SELECT seq, hash FROM audit_head WHERE id = 1", &[])?;
    row.as_ref().map(read_link).transpose()
}

/// An entry that waits to be chained.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Which entry.
    pub id: AuditId,
    /// When it was written; nothing when somebody has removed it since.
    pub at: Option<Timestamp>,
}

/// Up to `most` entries that wait to be chained, those with the oldest ids first.
pub fn waiting(tx: &mut Tx<'_>, most: i64) -> Result<Vec<Waiting>> {
    let rows = tx.query(
        "SELECT q.audit_id, (SELECT a.at FROM audit_logs a WHERE a.id = q.audit_id) AS at
         FROM audit_unchained q ORDER BY q.audit_id LIMIT $1",
        &[most.into()],
    )?;
    rows.iter().map(|row| Ok(Waiting { id: row.get("audit_id")?, at: row.get("at")? })).collect()
}

/// One place at which the audit log is not what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// `changed`, `deleted`, `link_missing`, `not_chained`, `cut_off`, `not_sealed`.
    pub what: &'static str,
    /// Where in the chain, where it is a place in the chain.
    pub seq: Option<i64>,
    /// Which entry, as far as that is known.
    pub entry: Option<AuditId>,
    /// What was seen and what was expected.
    pub text: String,
}

/// A stretch of the chain that was looked at.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Its links.
    pub links: Vec<Link>,
    /// What is broken in it.
    pub breaks: Vec<Break>,
}

/// Looks at up to `most` links after `before`, and computes each anew from its entry.
pub fn walk(tx: &mut Tx<'_>, before: &Link, most: i64) -> Result<Stretch> {
    let rows = tx.query(
        &format!(
            "SELECT c.seq, c.hash, c.audit_id, {} FROM audit_chain c LEFT JOIN audit_logs a ON a.id = c.audit_id
             WHERE c.seq > $1 ORDER BY c.seq LIMIT $2",
            columns()
        ),
        &[before.seq.into(), most.into()],
    )?;
    let (mut links, mut breaks): (Vec<Link>, Vec<Break>) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        let last = links.last().unwrap_or(before);
        let link = read_link(row)?;
        breaks.extend(broken(last, &link, row)?);
        links.push(link);
    }
    Ok(Stretch { links, breaks })
}

/// What is wrong with a link and its entry. After one that is broken the next is held against what stands there, so that
/// each break is told once.
fn broken(last: &Link, link: &Link, row: &Row) -> Result<Option<Break>> {
    let entry: AuditId = row.get("audit_id")?;
    let at = |what, text| Some(Break { what, seq: Some(link.seq), entry: Some(entry), text });
    Ok(if link.seq != last.seq + 1 {
        let missing = match link.seq - last.seq {
            2 => format!("link {} is missing", last.seq + 1),
            _ => format!("the links {} to {} are missing", last.seq + 1, link.seq - 1),
        };
        at("link_missing", missing)
    } else if row.get::<Option<Uuid>>("id")?.is_none() {
        at("deleted", "the entry was sealed and is gone".to_owned())
    } else if next_hash(&last.hash, row)? != link.hash {
        at("changed", "the entry or its seal is not what it was when it was sealed".to_owned())
    } else {
        None
    })
}

/// What the end of the chain says of its tail, when `last` is the last link that is there.
pub fn cut_off(tx: &mut Tx<'_>, last: &Link) -> Result<Option<Break>> {
    let text = match head(tx)? {
        Some(head) if head == *last => return Ok(None),
        None => format!("the chain ends at {}; how far it was sealed was removed", last.seq),
        Some(head) if head.seq > last.seq => {
            format!("the chain ends at {}; it was sealed up to {}", last.seq, head.seq)
        }
        Some(head) => format!(
            "the chain ends at {} with {}; written down are {} and {}",
            last.seq, last.hash, head.seq, head.hash
        ),
    };
    Ok(Some(Break { what: "cut_off", seq: Some(last.seq), entry: None, text }))
}

/// The last `most` links are looked at: cheap enough for every minute.
pub fn look_at_end(tx: &mut Tx<'_>, most: i64) -> Result<Vec<Break>> {
    let before = tx
        .query_opt("SELECT seq, hash FROM audit_chain ORDER BY seq DESC LIMIT 1 OFFSET $1", &[most.into()])?;
    let before = before.as_ref().map(read_link).transpose()?.unwrap_or_default();
    let stretch = walk(tx, &before, most)?;
    let mut breaks = stretch.breaks;
    breaks.extend(cut_off(tx, stretch.links.last().unwrap_or(&before))?);
    Ok(breaks)
}

/// Entries that are neither chained nor noted to be.
#[derive(Debug, Clone)]
pub struct Unchained {
    /// How many entries were looked at.
    pub looked_at: u64,
    /// The last of them.
    pub last: Option<Uuid>,
    /// Those that nobody would ever chain.
    pub breaks: Vec<Break>,
}

/// Looks at up to `most` entries after `after`, by their ids.
pub fn unchained(tx: &mut Tx<'_>, after: Option<Uuid>, most: i64) -> Result<Unchained> {
    let rows = tx.query(
        "SELECT a.id, c.seq, q.audit_id FROM (SELECT id FROM audit_logs WHERE id > $1 ORDER BY id LIMIT $2) a
         LEFT JOIN audit_chain c ON c.audit_id = a.id LEFT JOIN audit_unchained q ON q.audit_id = a.id
         ORDER BY a.id",
        &[after.unwrap_or(Uuid::nil()).into(), most.into()],
    )?;
    let mut breaks = Vec::new();
    for row in &rows {
        let (seq, waits): (Option<i64>, Option<Uuid>) = (row.get("seq")?, row.get("audit_id")?);
        if seq.is_none() && waits.is_none() {
            let text = "the entry was never sealed, and nothing says that it waits for it".to_owned();
            breaks.push(Break { what: "not_chained", seq: None, entry: Some(row.get("id")?), text });
        }
    }
    let last = rows.last().map(|row| row.get("id")).transpose()?;
    Ok(Unchained { looked_at: rows.len() as u64, last, breaks })
}

fn read_link(row: &Row) -> Result<Link> {
    Ok(Link { seq: row.get("seq")?, hash: row.get("hash")? })
}

fn columns() -> String {
    COLUMNS.map(|column| format!("a.{column}")).join(", ")
}

fn next_hash(before: &str, entry: &Row) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(before.as_bytes());
    for column in COLUMNS {
        match plain(column, entry.get(column)?) {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
    }
    Ok(hex(&hash.finalize()))
}

/// A cell as text, the same from both engines. What cannot be read as its column's type is taken as it is: somebody has
/// changed it, and the hash will say so.
fn plain(column: &str, cell: Value) -> Option<String> {
    Some(match cell {
        Value::Null => return None,
        Value::Time(at) => at.micros().to_string(),
        Value::Uuid(id) => id.to_string(),
        Value::Json(text) => canonical(&text),
        Value::Text(text) => match column {
            "at" => text.parse().map_or(text, |at: Timestamp| at.micros().to_string()),
            "id" | "order_id" => text.parse().map_or(text, |id: Uuid| id.to_string()),
            "data" => canonical(&text),
            _ => text,
        },
        other => format!("{other:?}"),
    })
}

/// JSON with sorted keys and without anything that an engine may write in another way.
fn canonical(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |value| sorted(value).to_string())
}

fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(fields.into_iter().collect())
        }
        Json::Array(all) => Json::Array(all.into_iter().map(sorted).collect()),
        Json::Number(number) => whole(&number).map_or(Json::Number(number), Json::from),
        other => other,
    }
}

/// PostgreSQL writes 1e3 as 1000.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let float = number.as_f64().filter(|_| number.is_f64())?;
    (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_json_is_the_same_text_in_whatever_order_it_is_written() {
        let written = r#"{"b": [1.0, {"z": null, "a": "ü"}], "a": 1e3, "c": 0.5}"#;
        let kept = r#"{"a":1000,"b":[1.0,{"a":"\u00fc","z":null}],"c":0.5}"#;
        assert_eq!(canonical(written), canonical(kept));
        assert_eq!(canonical(kept), r#"{"a":1000,"b":[1,{"a":"ü","z":null}],"c":0.5}"#);
        assert_ne!(canonical(kept), canonical(&kept.replace("0.5", "0.25")));
    }

    #[test]
    fn a_cell_that_was_made_unreadable_is_not_what_it_was() {
        let at = Value::Text("2026-09-21T14:13:20.000000Z".into());
        assert_eq!(plain("at", at).as_deref(), Some("1790000000000000"));
        assert_eq!(plain("at", Value::Text("yesterday".into())).as_deref(), Some("yesterday"));
        assert_eq!(plain("data", Value::Text("{".into())).as_deref(), Some("{"));
        assert_eq!(plain("reason", Value::Null), None);
    }
}
