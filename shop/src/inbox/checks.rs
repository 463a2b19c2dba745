//! What must be true of events.

use db::{Row, Tx};
use kernel::{Duration, Result, Timestamp};
use ops::{Check, Found, Mend, Severity};

/// The inbox's checks.
pub const CHECKS: [Check; 4] = [NOT_FINALIZED, UNMATCHED, NOT_MAPPED, NOT_READ];

/// How long an event may take before someone has to look.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

const NOT_FINALIZED: Check = Check {
    name: "events_not_finalized",
    severity: Severity::Page,
    must: "every event is processed or ignored within ten minutes",
    means: "Stripe has said something that is not acted on. The event's last error says why; replay it when the cause \
            is gone, or ignore it when it is nothing of ours.",
    find: |tx, now, most| {
        open(
            tx,
            "status IN ('received', 'retry') AND received_at < $1",
            "status = 'error' AND received_at < $1",
            now - PATIENCE,
            most,
        )
    },
};

const UNMATCHED: Check = Check {
    name: "events_unmatched",
    severity: Severity::Ticket,
    must: "no event names an order that is not here",
    means: "A payment names an order that this database does not know: another environment with the same account, or a \
            restored backup. It is matched by itself when the order appears; makegood events ignore says that it is nothing \
            of ours.",
    find: |tx, now, most| {
        let known = "status = 'unmatched' AND COALESCE(last_error_kind, '') <> 'price_not_mapped' AND received_at < $1";
        open(tx, known, "1 = 0 AND received_at < $1", now, most)
    },
};

const NOT_MAPPED: Check = Check {
    name: "prices_not_mapped",
    severity: Severity::Page,
    must: "whatever a Payment Link of this shop sold is known here by its price",
    means: "Somebody has paid, and no order can be made of it: a price at Stripe stands for no price here. Map it, and the \
            purchase becomes an order by itself.",
    find: |tx, now, most| {
        // The first condition is the index's own, word for word, so that both engines take the index.
        let sql = "SELECT stripe_event_id, object_id, last_error, received_at FROM stripe_events
                   WHERE last_error_kind = 'price_not_mapped' AND status = 'unmatched' AND received_at < $1
                   ORDER BY received_at LIMIT $2";
        tx.query(sql, &[now.into(), most.into()])?.iter().map(not_mapped).collect()
    },
};

fn not_mapped(row: &Row) -> Result<Found> {
    let (session, why): (Option<String>, Option<String>) = (row.get("object_id")?, row.get("last_error")?);
    let why = why.unwrap_or_default();
    // Behind the word itself.
    let price = why.split_whitespace().nth(1).filter(|price| price.starts_with("price_"));
    let mend = price.map(|price| Mend {
        operation: "prices.map",
        input: serde_json::json!({ "stripe_price": price }),
        command: format!("makegood prices map PRICE_ID {price}"),
    });
    Ok(Found {
        text: format!("{} was paid: {why}", session.unwrap_or_default()),
        since: row.get("received_at")?,
        mend,
        subject: row.get("stripe_event_id")?,
    })
}

/// How long Stripe's list of events may not be readable before someone has to look: longer than Stripe is ever away.
const READING_PATIENCE: Duration = Duration::from_secs(60 * 60);

const NOT_READ: Check = Check {
    name: "events_not_read",
    severity: Severity::Ticket,
    must: "Stripe's list of events can be read",
    means: "What no webhook brings is not found. The error says why; mostly the API key may not read events. Stripe keeps \
            them for 30 days.",
    find: |tx, now, _| {
        let rows = tx.query(
            "SELECT name, failing_since, last_error FROM event_readings WHERE failing_since < $1",
            &[(now - READING_PATIENCE).into()],
        )?;
        rows.iter()
            .map(|row| {
                let why: Option<String> = row.get("last_error")?;
                Ok(Found {
                    subject: row.get("name")?,
                    text: why.unwrap_or_default(),
                    since: row.get("failing_since")?,
                    mend: None,
                })
            })
            .collect()
    },
};

fn open(tx: &mut Tx<'_>, first: &str, second: &str, before: Timestamp, most: i64) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    for condition in [first, second] {
        let sql = format!(
            "SELECT stripe_event_id, type, status, attempts, last_error, received_at FROM stripe_events
             WHERE status IN ('received', 'retry', 'error', 'unmatched') AND {condition} ORDER BY received_at LIMIT $2"
        );
        for row in tx.query(&sql, &[before.into(), most.into()])? {
            all.push(found(&row)?);
        }
    }
    Ok(all)
}

fn found(row: &Row) -> Result<Found> {
    let (id, kind, status): (String, String, String) =
        (row.get("stripe_event_id")?, row.get("type")?, row.get("status")?);
    let error: Option<String> = row.get("last_error")?;
    Ok(Found {
        text: format!(
            "{kind} is {status} after {} attempts: {}",
            row.get::<i64>("attempts")?,
            error.unwrap_or_default()
        ),
        since: row.get("received_at")?,
        mend: Some(Mend {
            operation: "events.replay",
            input: serde_json::json!({ "event": id }),
            command: format!("makegood events replay {id}"),
        }),
        subject: id,
    })
}
