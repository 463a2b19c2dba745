//! Claims a guest's purchase: by the link that was mailed, which proves the email, or by a profile that has proved it.

use db::{Tx, TxResult};
use kernel::{Cx, Result};
use ops::audit::{self, Entry};
use ops::{Actor, token_hash};

use super::store::{self, How, PurchaseClaim, Standing};
use crate::customers::{self, Profile, folded, identity};
use crate::ids::{OrderId, ProfileId};
use crate::orders::{self, Claim, Order, claimable};
use crate::seam::Seam;

/// A purchase that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which.
    pub order: OrderId,
    /// Whose it is now.
    pub profile: ProfileId,
    /// What the browser is to hold: whoever has proved the email is signed in.
    pub session: String,
}

/// Why a purchase was not claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimError {
    /// The link leads nowhere: it is too old, or a newer one was sent, or it is no link of ours.
    NoSuchLink,
    /// It was claimed before.
    Claimed,
    /// Its money went back.
    GoneBack,
    /// It is not confirmed.
    NotYet,
}

/// Uses a link up: the email is proved, its profile gets the purchase and is signed in.
///
/// # Errors
/// Whatever the database says; why it was not claimed is the inner error.
pub async fn claim_by_link(
    seam: &Seam,
    secret: &str,
    address: &str,
    browser: &str,
) -> Result<std::result::Result<Claimed, ClaimError>> {
    let (cx, secret) = (seam.cx(), secret.to_owned());
    let (address, browser) = (address.to_owned(), browser.to_owned());
    let claimed = seam.db.write("claims.claim", move |tx| {
        let Some(known) = store::of_link(tx, &token_hash(&secret))? else {
            return Ok(Err(ClaimError::NoSuchLink));
        };
        if !known.is_open_at(cx.now) {
            let claimed = known.status == Standing::Claimed;
            return Ok(Err(if claimed { ClaimError::Claimed } else { ClaimError::NoSuchLink }));
        }
        // Looked at before anything is made: a link to what went back makes no profile.
        let Some(order) = orders::find(tx, known.order)? else { return Ok(Err(ClaimError::NoSuchLink)) };
        if let Some(error) = why_not(&claimable(&order, None)) {
            return Ok(Err(error));
        }
        let profile = identity::of_proved_email(tx, &cx, &known.email)?;
        match take(tx, &cx, &known, &profile, How::Link)? {
            Claim::Theirs => {}
            other => return Ok(Err(why_not(&other).unwrap_or(ClaimError::Claimed))),
        }
        let session = identity::begin_session(tx, &cx, profile.id, &address, &browser)?;
        Ok(Ok(Claimed { order: known.order, profile: profile.id, session }))
    });
    // Should the answer be lost, a second click finds that it was claimed, and signing in shows it.
    claimed.await.must_be_looked_up()
}

fn why_not(claim: &Claim) -> Option<ClaimError> {
    match claim {
        Claim::Theirs => None,
        Claim::Already | Claim::Taken => Some(ClaimError::Claimed),
        Claim::GoneBack => Some(ClaimError::GoneBack),
        Claim::NotYet => Some(ClaimError::NotYet),
    }
}

/// Binds the purchase and writes it down, in one transaction. The claim's row is the first that both of two clicks want.
fn take(tx: &mut Tx<'_>, cx: &Cx, known: &PurchaseClaim, profile: &Profile, how: How) -> Result<Claim> {
    let buyer = Actor::buyer(&known.email);
    let claim = orders::claim(tx, cx, known.order, profile.id, &buyer)?;
    if claim != Claim::Theirs {
        return Ok(claim);
    }
    store::close(tx, cx, known.order, profile.id, how)?;
    let entry = Entry::new("purchase_claim_completed", buyer, "order", known.order)
        .order(known.order)
        .with(serde_json::json!({ "profile": profile.id, "how": how.as_str() }));
    audit::record(tx, cx, vec![entry])?;
    Ok(claim)
}

/// How many purchases of one person are looked at.
const PURCHASES: i64 = 100;

/// What was bought as a guest with the email that this profile has proved, and waits for it.
///
/// # Errors
/// Whatever the database says.
pub fn waiting_for(tx: &mut Tx<'_>, profile: &Profile) -> Result<Vec<Order>> {
    let Some(proved) = &profile.proved_email else { return Ok(Vec::new()) };
    let mut waiting = orders::of_email(tx, proved, PURCHASES)?;
    waiting.retain(|order| {
        let same = order.email.as_deref().is_some_and(|email| folded(email) == *proved);
        same && claimable(order, Some(profile.id)) == Claim::Theirs
    });
    Ok(waiting)
}

/// Gives a profile everything that waits for it; says how many purchases those were.
///
/// # Errors
/// Whatever the database says.
pub async fn claim_all(seam: &Seam, profile: ProfileId) -> Result<usize> {
    let cx = seam.cx();
    let claimed = seam.db.write("claims.claim", move |tx| {
        let Some(profile) = customers::find(tx, profile)? else { return Ok(0) };
        let mut count = 0;
        let mut waiting = waiting_for(tx, &profile)?;
        // Orders are locked in the order of their ids, wherever several are.
        waiting.sort_by_key(|order| order.id);
        for order in waiting {
            let email = order.email.clone().unwrap_or_default();
            let known = PurchaseClaim {
                order: order.id,
                email,
                status: Standing::Open,
                generation: 0,
                asked: 0,
                link_expires_at: None,
                profile: None,
                claimed_at: None,
                created_at: cx.now,
            };
            if take(tx, &cx, &known, &profile, How::Email)? == Claim::Theirs {
                count += 1;
            }
        }
        Ok(count)
    });
    // What was claimed is claimed; a second time finds nothing that waits.
    claimed.await.safe_to_repeat()
}
