//! All SQL on `purchase_claims`.

use db::{Row, Tx};
use kernel::{Cx, Error, Result, Timestamp};
use serde::Serialize;

use crate::ids::{OrderId, ProfileId};

/// Whether a purchase has its buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It waits.
    Open,
    /// It is somebody's.
    Claimed,
}

impl Standing {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Claimed => "claimed",
        }
    }
}

/// How a purchase was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By the link that was mailed.
    Link,
    /// By a profile that had proved the email.
    Email,
}

impl How {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Link => "link",
            How::Email => "email",
        }
    }
}

/// A guest's purchase, and whose it has become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurchaseClaim {
    /// The purchase.
    pub order: OrderId,
    /// The email that the guest gave.
    pub email: String,
    /// Whether it has its buyer.
    pub status: Standing,
    /// Counts the links that were made.
    pub generation: i64,
    /// The newest link that an operator has asked for; until it is made, the one before counts.
    #[serde(skip)]
    pub asked: i64,
    /// Until when the newest link leads somewhere.
    pub link_expires_at: Option<Timestamp>,
    /// Whose it is.
    pub profile: Option<ProfileId>,
    /// Since when.
    pub claimed_at: Option<Timestamp>,
    /// Since when it waits.
    pub created_at: Timestamp,
}

impl PurchaseClaim {
    /// The newest link that was made or asked for.
    pub(super) fn newest(&self) -> i64 {
        self.generation.max(self.asked)
    }

    /// Whether a link leads somewhere now.
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        self.status == Standing::Open && self.link_expires_at.is_some_and(|end| end > now)
    }
}

/// Asks for another link than the newest; opens the claim where nobody has yet. Its number.
pub(super) fn ask(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, email: &str) -> Result<i64> {
    let number = of_order(tx, order)?.map_or(0, |claim| claim.newest()) + 1;
    tx.execute(
        "INSERT INTO purchase_claims (order_id, email, status, generation, asked, created_at, updated_at)
         VALUES ($1, $2, 'open', 0, $3, $4, $4)
         ON CONFLICT (order_id) DO UPDATE SET asked = excluded.asked, updated_at = excluded.updated_at",
        &[order.into(), email.into(), number.into(), cx.now.into()],
    )?;
    Ok(number)
}

/// A link by its number: what is kept of its secret, and until when it leads somewhere.
pub(super) struct Link {
    pub number: i64,
    pub hash: String,
    pub until: Timestamp,
}

/// Opens a claim with this link, or gives it to an open one; false when a newer one was made, or somebody has claimed it.
pub(super) fn open(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, email: &str, link: &Link) -> Result<bool> {
    let written = tx.execute(
        "INSERT INTO purchase_claims (order_id, email, status, generation, hash, link_expires_at, created_at, updated_at)
         VALUES ($1, $2, 'open', $3, $4, $5, $6, $6)
         ON CONFLICT (order_id) DO UPDATE SET email = excluded.email, generation = excluded.generation,
           hash = excluded.hash, link_expires_at = excluded.link_expires_at, updated_at = excluded.updated_at
         WHERE purchase_claims.status = 'open' AND purchase_claims.generation < excluded.generation",
        &[
            order.into(),
            email.into(),
            link.number.into(),
            link.hash.clone().into(),
            link.until.into(),
            cx.now.into(),
        ],
    )?;
    Ok(written == 1)
}

/// The purchase has its buyer. The link stays known, so that who clicks again is told so.
pub(super) fn close(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, profile: ProfileId, how: How) -> Result<()> {
    tx.execute(
        "UPDATE purchase_claims SET status = 'claimed', profile_id = $1, how = $2, claimed_at = $3, updated_at = $3
         WHERE order_id = $4 AND status = 'open'",
        &[profile.into(), how.as_str().into(), cx.now.into(), order.into()],
    )?;
    Ok(())
}

const COLUMNS: &str =
    "order_id, email, status, generation, asked, link_expires_at, profile_id, claimed_at, created_at";

/// The claim of an order.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Option<PurchaseClaim>> {
    let sql = format!("SELECT {COLUMNS} FROM purchase_claims WHERE order_id = $1");
    tx.query_opt(&sql, &[order.into()])?.as_ref().map(read).transpose()
}

/// Which claim a link is for, by the hash of its secret, whether it still counts or not.
pub fn of_link(tx: &mut Tx<'_>, hash: &str) -> Result<Option<PurchaseClaim>> {
    let sql = format!("SELECT {COLUMNS} FROM purchase_claims WHERE hash IS NOT NULL AND hash = $1");
    tx.query_opt(&sql, &[hash.into()])?.as_ref().map(read).transpose()
}

/// Claims, the newest order first.
pub(super) fn list(
    tx: &mut Tx<'_>,
    only_open: bool,
    before: Option<OrderId>,
    limit: i64,
) -> Result<Vec<PurchaseClaim>> {
    let mut params = vec![limit.into()];
    let mut conditions = String::from(if only_open { "status = 'open'" } else { "1 = 1" });
    if let Some(before) = before {
        params.push(before.into());
        conditions.push_str(" AND order_id < $2");
    }
    let sql =
        format!("SELECT {COLUMNS} FROM purchase_claims WHERE {conditions} ORDER BY order_id DESC LIMIT $1");
    tx.query(&sql, &params)?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<PurchaseClaim> {
    let status = match row.get::<String>("status")?.as_str() {
        "open" => Standing::Open,
        "claimed" => Standing::Claimed,
        other => return Err(Error::bug(format!("a claim is `{other}`"))),
    };
    Ok(PurchaseClaim {
        order: row.get("order_id")?,
        email: row.get("email")?,
        status,
        generation: row.get("generation")?,
        asked: row.get("asked")?,
        link_expires_at: row.get("link_expires_at")?,
        profile: row.get("profile_id")?,
        claimed_at: row.get("claimed_at")?,
        created_at: row.get("created_at")?,
    })
}
