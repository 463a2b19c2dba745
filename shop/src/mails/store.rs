//! All SQL on `mails`.

use db::{NewestFirst, Row, Tx, Value};
use kernel::{Cx, Result, Timestamp};

use super::{Mail, MailKind, MailStatus, NewMail};
use crate::ids::{MailId, OrderId};

pub(super) fn insert(tx: &mut Tx<'_>, cx: &Cx, id: MailId, new: &NewMail) -> Result<bool> {
    forget_what_ended(tx, cx.now)?;
    let written = tx.execute(
        "INSERT INTO mails (id, kind, unique_key, recipient, subject, body_text, body_html, secret, has_secret, status,
           attempts, order_id, profile_id, useless_after, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', 0, $10, $11, $12, $13, $13)
         ON CONFLICT (unique_key) DO NOTHING",
        &[
            id.into(),
            new.kind.as_str().into(),
            new.key.clone().into(),
            new.to.clone().into(),
            new.letter.subject.clone().into(),
            new.letter.text.clone().into(),
            new.letter.html.clone().into(),
            new.link.clone().into(),
            new.link.is_some().into(),
            new.order.into(),
            new.profile.into(),
            new.useless_after.into(),
            cx.now.into(),
        ],
    )?;
    Ok(written == 1)
}

/// A link that leads nowhere any more is kept for nobody: its mail is not sent again.
fn forget_what_ended(tx: &mut Tx<'_>, now: Timestamp) -> Result<()> {
    let sql = "UPDATE mails SET secret = NULL
               WHERE secret IS NOT NULL AND useless_after <= $1 AND status IN ('failed', 'unknown')";
    tx.execute(sql, &[now.into()])?;
    Ok(())
}

pub(super) fn is_written(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    Ok(tx.query_opt("SELECT id FROM mails WHERE unique_key = $1", &[key.into()])?.is_some())
}

/// One mail with the link that stands in it, locked until the end of the transaction.
pub(super) fn lock(tx: &mut Tx<'_>, id: MailId) -> Result<Option<(Mail, Option<String>)>> {
    let sql = format!("SELECT * FROM mails WHERE id = $1{}", tx.dialect().for_update());
    let row = tx.query_opt(&sql, &[id.into()])?;
    row.map(|row| Ok((read(&row)?, row.get("secret")?))).transpose()
}

/// Writes down that it is handed over now: from here on nobody knows, until somebody does.
pub(super) fn sending(tx: &mut Tx<'_>, now: Timestamp, id: MailId) -> Result<()> {
    tx.execute(
        "UPDATE mails SET status = 'sending', attempts = attempts + 1, updated_at = $1 WHERE id = $2 AND status = 'queued'",
        &[now.into(), id.into()],
    )?;
    Ok(())
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Sent,
    Later(String),
    Failed(String),
    Unknown(String),
}

/// What was sent is sent, whoever says something else afterwards. The link in it is kept only as long as it may still be sent.
pub(super) fn end(tx: &mut Tx<'_>, now: Timestamp, id: MailId, ended: &Ended) -> Result<()> {
    let (status, error, sent_at) = match ended {
        Ended::Sent => ("sent", None, Some(now)),
        Ended::Later(why) => ("queued", Some(why.as_str()), None),
        Ended::Failed(why) => ("failed", Some(why.as_str()), None),
        Ended::Unknown(why) => ("unknown", Some(why.as_str()), None),
    };
    tx.execute(
        "UPDATE mails SET status = $1, last_error = $2, sent_at = $3, updated_at = $4,
           secret = CASE WHEN $1 = 'sent' OR ($1 <> 'queued' AND useless_after <= $4) THEN NULL ELSE secret END
         WHERE id = $5 AND status IN ('queued', 'sending')",
        &[status.into(), error.into(), sent_at.into(), now.into(), id.into()],
    )?;
    Ok(())
}

/// Lets a mail be sent again; false when it cannot be, or is about to be.
pub(super) fn queue_again(tx: &mut Tx<'_>, now: Timestamp, id: MailId) -> Result<bool> {
    let touched = tx.execute(
        "UPDATE mails SET status = 'queued', attempts = 0, last_error = NULL, sent_at = NULL, updated_at = $1
         WHERE id = $2 AND status IN ('sent', 'failed', 'unknown') AND (secret IS NOT NULL OR NOT has_secret)",
        &[now.into(), id.into()],
    )?;
    Ok(touched == 1)
}

/// One mail.
pub fn find(tx: &mut Tx<'_>, id: MailId) -> Result<Option<Mail>> {
    tx.query_opt("SELECT * FROM mails WHERE id = $1", &[id.into()])?.as_ref().map(read).transpose()
}

/// The mails about an order, the oldest first.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Mail>> {
    let sql = "SELECT * FROM mails WHERE order_id IS NOT NULL AND order_id = $1 ORDER BY id";
    tx.query(sql, &[order.into()])?.iter().map(read).collect()
}

/// The mails about these orders, the oldest first.
pub fn of_orders(tx: &mut Tx<'_>, orders: &[OrderId]) -> Result<Vec<Mail>> {
    let among = tx.dialect().any("order_id", 1);
    let sql = format!("SELECT * FROM mails WHERE order_id IS NOT NULL AND {among} ORDER BY id");
    tx.query(&sql, &[Value::array(orders.iter().copied())])?.iter().map(read).collect()
}

/// Mails that were not sent and changed since then, the oldest first.
pub(super) fn in_trouble(tx: &mut Tx<'_>, since: Timestamp, most: i64) -> Result<Vec<Mail>> {
    let sql = "SELECT * FROM mails WHERE status IN ('failed', 'unknown') AND updated_at > $1
               ORDER BY updated_at LIMIT $2";
    tx.query(sql, &[since.into(), most.into()])?.iter().map(read).collect()
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    equal: &[(&str, Value)],
    before: Option<MailId>,
    limit: i64,
) -> Result<Vec<Mail>> {
    let mut params = vec![limit.into()];
    let mut conditions = String::from("1 = 1");
    for (column, value) in equal {
        params.push(value.clone());
        conditions.push_str(&format!(" AND {column} = ${}", params.len()));
    }
    let newest = NewestFirst { table: "mails", made_at: "created_at", filtered: !equal.is_empty() };
    if let Some(before) = before {
        params.push(before.into());
        conditions.push_str(&format!(" AND {}", newest.after(params.len())));
    }
    let sql = format!("SELECT * FROM mails WHERE {conditions} ORDER BY {} LIMIT $1", newest.order());
    tx.query(&sql, &params)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Mail> {
    let (secret, has_secret): (Option<String>, bool) = (row.get("secret")?, row.get("has_secret")?);
    Ok(Mail {
        id: row.get("id")?,
        kind: MailKind::parse(&row.get::<String>("kind")?)?,
        to: row.get("recipient")?,
        subject: row.get("subject")?,
        text: row.get("body_text")?,
        html: row.get("body_html")?,
        status: MailStatus::parse(&row.get::<String>("status")?)?,
        attempts: row.get("attempts")?,
        last_error: row.get("last_error")?,
        order_id: row.get("order_id")?,
        profile_id: row.get("profile_id")?,
        is_whole: secret.is_some() || !has_secret,
        useless_after: row.get("useless_after")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        sent_at: row.get("sent_at")?,
    })
}
