//! Why does this buyer have no access? One line, the evidence, and what mends it.

use std::collections::BTreeSet;
use std::ops::Deref;

use kernel::Result;
use ops::{By, Done, Effect, Progress, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ask::{self, Whose};
use super::evidence;
use super::key::Key;
use super::verdict::{AtStripe, Evidence, Purchase, Verdict, judge};
use crate::inbox::{self, EventStatus, StoredEvent};
use crate::orders;
use crate::seam::Seam;

/// Say in one line whether a buyer has access, and if not, the one place that is broken and what mends it
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// The buyer's email, or any id that leads to the buyer or to the purchase, Stripe's or ours
    #[arg(value_name = "EMAIL|ID")]
    pub who: String,
    /// Only about this product
    #[arg(long)]
    #[serde(default)]
    pub course: Option<String>,
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Case {
    const NAME: &'static str = "case";
    const SUBJECT: Option<&'static str> = Some("who");
    const COLUMNS: &'static [&'static str] = &[];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let (evidence, verdict, goods) =
                verdict_on(on, &self.who, self.course.as_deref(), progress).await?;
            Ok(Done::new(shown(&evidence, &verdict, &goods)).findings(u64::from(!verdict.is_fine())))
        })
    }
}

/// Gathers what is known of somebody or something, asks Stripe for what is not, and judges: the verdict as a whole, and on
/// each good.
///
/// # Errors
/// Invalid when `who` is empty, or begins like an id of ours and is none.
pub async fn verdict_on(
    seam: &Seam,
    who: &str,
    course: Option<&str>,
    progress: &dyn Progress,
) -> Result<(Evidence, Verdict, Vec<Verdict>)> {
    let key = Key::parse("who", who)?;
    let mut evidence = gather(seam, &key, course, progress).await?;
    progress.at(1, None, "Stripe is asked");
    ask::ask(seam, &mut evidence).await;
    let (verdict, goods) = judge(&evidence, seam.now());
    Ok((evidence, verdict, goods))
}

/// From this database; and where it knows nothing, from whatever order Stripe says is meant.
async fn gather(seam: &Seam, key: &Key, course: Option<&str>, progress: &dyn Progress) -> Result<Evidence> {
    progress.at(0, None, "what is here is gathered");
    let (found, waits) = (read(seam, key, course).await?, sale_that_waits(seam, key).await?);
    if let Some(evidence) = found {
        return Ok(Evidence { note: evidence.note.or(waits), ..evidence });
    }
    if let Some(note) = waits {
        return Ok(nothing_of(key, course, note));
    }
    progress.at(0, None, "it is not known here; Stripe is asked");
    let note = match ask::whose(seam, key).await? {
        Whose::Order(order) => {
            let found = read(seam, &Key::Order(order), course).await?;
            let asked = key.shown();
            if let Some(found) = found {
                let note = Some(format!("{asked} is known at Stripe and not here; it belongs to {order}"));
                return Ok(Evidence { asked, note, ..found });
            }
            String::new()
        }
        Whose::NotOurs(note) | Whose::Nothing(note) => note,
    };
    let note = if note.is_empty() { key.looked().to_owned() } else { note };
    Ok(nothing_of(key, course, note))
}

fn nothing_of(key: &Key, course: Option<&str>, note: String) -> Evidence {
    Evidence {
        asked: key.shown(),
        accounts: Vec::new(),
        purchases: Vec::new(),
        held: Vec::new(),
        only: course.map(str::to_owned).into_iter().collect::<BTreeSet<String>>(),
        note: Some(note),
    }
}

/// A purchase of which no order could be made, because nobody here knows what was sold.
async fn sale_that_waits(seam: &Seam, key: &Key) -> Result<Option<String>> {
    let key = key.clone();
    let events = seam.db.read("cases.waiting_sale", move |tx| match &key {
        Key::Email(email) => inbox::unsold_to(tx, email),
        Key::Object(_, id) => inbox::waiting_about(tx, &[id]),
        Key::Event(id) => Ok(inbox::find(tx, id)?.into_iter().collect()),
        _ => Ok(Vec::new()),
    });
    let waits = |event: &StoredEvent| {
        event.status == EventStatus::Unmatched && event.last_error_kind.as_deref() == Some(orders::NOT_MAPPED)
    };
    Ok(events.await?.into_iter().find(waits).map(|event| {
        let (session, why) = (event.object_id.unwrap_or_default(), event.last_error.unwrap_or_default());
        format!("{session} was paid and waits ({why}): makegood prices map PRICE_ID STRIPE_PRICE_ID makes it an order")
    }))
}

async fn read(seam: &Seam, key: &Key, course: Option<&str>) -> Result<Option<Evidence>> {
    let (key, course) = (key.clone(), course.map(str::to_owned));
    seam.db.read("cases.evidence", move |tx| evidence::gather(tx, &key, course.as_deref())).await
}

fn shown(evidence: &Evidence, verdict: &Verdict, goods: &[Verdict]) -> Value {
    let line = match verdict.is_fine() {
        true => format!("has access: {}", verdict.says),
        false => format!("no access: {} — {}", verdict.place.as_str(), verdict.says),
    };
    json!({
        "object": "case",
        "asked": evidence.asked,
        "access": verdict.is_fine(),
        "place": verdict.place,
        "verdict": line,
        "product": verdict.product,
        "order": verdict.order,
        "mend": verdict.mend,
        "goods": goods,
        "accounts": evidence.accounts,
        "note": evidence.note,
        "evidence": evidence.purchases.iter().flat_map(rows).collect::<Vec<_>>(),
    })
}

/// What was found of one purchase, a row for each thing.
fn rows(purchase: &Purchase) -> Vec<Value> {
    let order = purchase.order.id;
    let row = |kind: &str, id: &str, status: &str, says: String| json!({ "kind": kind, "id": id, "order": order, "status": status, "says": says });
    let hit = super::hit::of_order(&purchase.order);
    let paid = purchase.order.payment_status.as_str();
    let mut rows =
        vec![row("order", &hit.id, purchase.order.state.status(), format!("{}; {paid}", hit.what))];
    for review in purchase.order.reviews.iter().filter(|review| review.is_open()) {
        rows.push(row("review", review.kind.as_str(), "open", review.detail.clone()));
    }
    for dispute in &purchase.disputes {
        let state = dispute.state.now();
        let status = state.map_or("unknown", |state| state.status.as_str());
        let due = state.filter(|state| state.status.needs_response()).and_then(|state| state.due_by);
        let due = due.map_or(String::new(), |due| format!("an answer counts until {}", due.in_words()));
        rows.push(row("dispute", &dispute.id, status, due));
    }
    for event in &purchase.waiting {
        rows.push(row("event", &event.id, event.status.as_str(), event.error.clone().unwrap_or_default()));
    }
    for grant in &purchase.grants {
        let to = grant.profile.map_or("a guest".to_owned(), |profile| profile.to_string());
        let says = format!("{} to {to}, by {}: {}", grant.product, grant.grant.actor, grant.grant.reason);
        rows.push(row("grant", &grant.entitlement.to_string(), &grant.grant.status, says));
    }
    rows.extend(purchase.claim.iter().map(|claim| {
        let says = match (claim.profile, claim.claimed_at, claim.link_expires_at) {
            (Some(profile), Some(at), _) => format!("by {profile}, {}", at.in_words()),
            (_, _, Some(until)) => format!("the link for {} counts until {}", claim.email, until.in_words()),
            _ => format!("no link was made for {}", claim.email),
        };
        row("claim", &order.to_string(), claim.status.as_str(), says)
    }));
    rows.extend(purchase.mails.iter().map(|mail| {
        let (what, error) = (mail.kind.as_str().replace('_', " "), mail.last_error.as_deref());
        let why = error.map(|error| format!(": {error}")).unwrap_or_default();
        let at = mail.sent_at.unwrap_or(mail.created_at).in_words();
        row("mail", &mail.id.to_string(), mail.status.as_str(), format!("{what} to {}, {at}{why}", mail.to))
    }));
    let session = purchase.order.session.as_deref().unwrap_or("no session");
    let (status, says) = match &purchase.at_stripe {
        AtStripe::NotAsked => return rows,
        AtStripe::CouldNotBeAsked(why) => ("unknown", format!("Stripe could not be asked: {why}")),
        AtStripe::NotPaid => ("not paid", "Stripe has not got the money".to_owned()),
        AtStripe::NoSuchSession => ("missing", "Stripe has no such session".to_owned()),
        AtStripe::WentBack(sum) => ("refunded", format!("Stripe had {sum}, and it went back")),
        AtStripe::Paid(sum) => {
            ("paid", sum.map_or("Stripe has the money".to_owned(), |sum| format!("Stripe has {sum}")))
        }
    };
    rows.push(row("stripe", session, status, says));
    rows
}
