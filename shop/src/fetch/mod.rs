//! Fetches objects from Stripe as they are now: what an event told of them is only a hint. Each question gets a number
//! before it is asked, so that of two answers everybody knows the later one, whatever their clocks say.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use db::{Tx, TxResult};
use futures_util::StreamExt;
use futures_util::stream;
use jobs::NewJob;
use kernel::{Error, Refusal, Result, Timestamp};
use serde_json::Value;
use stripe::checkout::list_line_items;
use stripe::lookup::{Page, disputed_charges, list_disputes};
use stripe::{Asked, Call, CallError, Fact, KeyTrouble, Proof, Reading, Target, key_trouble, read_object};

use crate::seam::Seam;

/// Objects that are asked for at once. Stripe allows 25 requests a second in test mode, each takes longer than a tenth.
const AT_ONCE: usize = 3;

/// Why an object is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSeen {
    /// Stripe has no such object: it belongs to another account, or was deleted. Asking again changes nothing.
    Gone,
    /// Stripe did not answer, limits our rate, or was not asked because it did so before.
    Unanswered,
    /// Stripe says no, mostly because of our key. Asking again helps once a person has seen to it.
    Refused(Refusal),
}

impl NotSeen {
    fn of(error: &Error) -> Self {
        match error {
            Error::NotFound { .. } => NotSeen::Gone,
            Error::Refused(refusal) => NotSeen::Refused(refusal.clone()),
            Error::Busy(_) | Error::Unknown(_) | Error::Invalid { .. } | Error::Bug(_) => NotSeen::Unanswered,
        }
    }

    /// Whether no other object is worth a question, after this error.
    fn ends_all(error: &Error) -> bool {
        matches!(error, Error::Busy(_) | Error::Unknown(_))
            || key_trouble(error) == Some(KeyTrouble::OpensNothing)
    }
}

/// Draws the number of a question that is about to be asked, in a transaction that commits before it is.
pub fn draw(tx: &mut Tx<'_>, at: Timestamp) -> Result<Asked> {
    Ok(Asked { ticket: store::draw(tx)?, at })
}

/// The same, in a transaction of its own. A number that was drawn in vain does no harm.
pub async fn question(seam: &Seam) -> Result<Asked> {
    let now = seam.now();
    seam.db.write("fetch.question", move |tx| draw(tx, now)).await.safe_to_repeat()
}

/// Fetches each of these once, in answer to one question. After one call that Stripe limits or does not answer, or whose key
/// it does not take, no further is begun: what is missing is asked for later.
pub async fn all(
    seam: &Seam,
    targets: BTreeSet<Target>,
    asked: Asked,
) -> BTreeMap<Target, std::result::Result<Proof, NotSeen>> {
    let stopped = OnceLock::new();
    let one = |target: Target| {
        let stopped = &stopped;
        async move {
            if let Some(why) = stopped.get() {
                return (target, Err(NotSeen::clone(why)));
            }
            let seen = answer(seam, &target, asked).await.map_err(|error| {
                let why = NotSeen::of(&error);
                if NotSeen::ends_all(&error) {
                    stopped.get_or_init(|| why.clone());
                }
                why
            });
            (target, seen)
        }
    };
    stream::iter(targets).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// Fetches one object, with those that stand inside of it.
///
/// # Errors
/// `NotFound` when Stripe has no such object; `Busy` or `Unknown` when it did not answer; refused when it says no.
pub async fn one(seam: &Seam, target: &Target) -> Result<Proof> {
    let asked = question(seam).await?;
    answer(seam, target, asked).await
}

async fn answer(seam: &Seam, target: &Target, asked: Asked) -> Result<Proof> {
    let mut object = object(seam, target.id(), target.call()).await?;
    all_lines(seam, &mut object).await?;
    whole(seam, &object, asked).await
}

/// Lines of one session; Stripe takes fewer.
const MOST_LINES: usize = 2_000;

/// Puts into a session that was fetched with its first lines the rest of them. One that names its order needs none.
///
/// # Errors
/// As [`one`].
pub async fn all_lines(seam: &Seam, object: &mut Value) -> Result<()> {
    let id = object["id"].as_str().unwrap_or_default().to_owned();
    if object["metadata"]["orderId"].is_string() {
        return Ok(());
    }
    let Some(list) = object.get_mut("line_items").filter(|list| list["has_more"] == true) else {
        return Ok(());
    };
    let mut lines = list["data"].as_array().cloned().unwrap_or_default();
    loop {
        let after = lines.last().and_then(|line| line["id"].as_str()).map(str::to_owned);
        let more = self::object(seam, &id, list_line_items(&id, after.as_deref())).await?;
        let page = Page::read(&more).map_err(|e| Error::Bug(Box::new(e)))?;
        lines.extend(page.items.iter().cloned());
        if !page.more || page.items.is_empty() {
            break;
        }
        if lines.len() > MOST_LINES {
            return Err(Error::bug(format!("{id} has more than {MOST_LINES} lines")));
        }
    }
    (list["data"], list["has_more"]) = (lines.into(), false.into());
    Ok(())
}

/// What an object proves that was fetched, and the disputes of the charges in it: whoever hands over because money came
/// must know in the same moment that a bank has taken it back.
///
/// # Errors
/// As [`one`].
pub async fn whole(seam: &Seam, object: &Value, asked: Asked) -> Result<Proof> {
    match read_object(object, asked).map_err(|e| Error::Bug(Box::new(e)))? {
        Reading::Proof(mut proof) => {
            proof.facts.extend(disputes(seam, object, asked).await?);
            Ok(proof)
        }
        Reading::NotHandled => Err(Error::bug(format!(
            "Stripe answered something else than was asked for: {}",
            object["object"]
        ))),
    }
}

/// The disputes of the charges in an object that was fetched.
///
/// # Errors
/// As [`one`].
pub async fn disputes(seam: &Seam, object: &Value, asked: Asked) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    // A dispute is what is asked for; its own charge says nothing new.
    let charges = if object["object"] == "dispute" { BTreeSet::new() } else { disputed_charges(object) };
    for charge in charges {
        let list = self::object(seam, &charge, list_disputes(&charge)).await?;
        let page = Page::read(&list).map_err(|e| Error::Bug(Box::new(e)))?;
        for dispute in page.items {
            if let Ok(Reading::Proof(proof)) = read_object(dispute, asked) {
                facts.extend(proof.facts);
            }
        }
    }
    Ok(facts)
}

/// The object as Stripe shows it.
///
/// # Errors
/// As [`one`].
pub async fn object(seam: &Seam, id: &str, call: Call) -> Result<Value> {
    match seam.stripe.call(call).await {
        Ok(object) => Ok(object),
        Err(CallError::Refused(error)) if error.status == 404 => {
            Err(Error::not_found("object at Stripe", id))
        }
        Err(error) => Err(error.into()),
    }
}

/// The job that fetches an object from Stripe of which only an event has told; handled by the inbox.
pub const FETCH: &str = "stripe.fetch";

/// That job, for this object.
pub fn job(at: Timestamp, target: &Target) -> NewJob {
    let payload = serde_json::json!({ "target": target });
    NewJob { kind: FETCH, key: Some(target.id().to_owned()), payload, run_at: at }
}
