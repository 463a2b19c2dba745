//! One thing that was found, in a few words, and what to look at next.

use db::Tx;
use kernel::{Money, Result};
use ops::ApiToken;
use ops::users::User;
use serde::Serialize;
use serde_json::Value;
use stripe::{ChargeFact, DisputeFact, Fact, IntentFact, SessionFact, SessionPayment, SessionStatus};

use super::key::Object;
use crate::catalog::Product;
use crate::customers;
use crate::entitlements::{self, Entitlement};
use crate::ids::OrderId;
use crate::inbox::{EventStatus, StoredEvent};
use crate::inventory::Level;
use crate::mails::Mail;
use crate::orders::{KnownFact, Order};
use crate::refunds::Refund;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// What kind of thing.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// The order it belongs to.
    pub order: Option<OrderId>,
    /// Where it stands, in its own words.
    pub status: Option<String>,
    /// What it is.
    pub what: String,
    /// What to look at next.
    pub command: String,
}

/// What an order is among what was found.
pub(super) const ORDER: &str = "order";

pub(super) fn of_event(event: &StoredEvent) -> Hit {
    let stuck = match event.status {
        EventStatus::Error | EventStatus::Retry | EventStatus::Unmatched => true,
        EventStatus::Received | EventStatus::Processed | EventStatus::Ignored => false,
    };
    let why = event.last_error.as_deref().filter(|why| !why.is_empty());
    Hit {
        kind: "event",
        id: event.id.clone(),
        order: event.order_id,
        status: Some(event.status.as_str().to_owned()),
        what: why.map_or(event.kind.clone(), |why| format!("{}: {why}", event.kind)),
        command: format!("makegood events {} {}", if stuck { "replay" } else { "show" }, event.id),
    }
}

pub(super) fn of_profile(profile: &customers::Profile) -> Hit {
    Hit {
        kind: "profile",
        id: profile.id.to_string(),
        order: None,
        status: None,
        what: profile.email.clone(),
        command: format!("makegood case {}", profile.id),
    }
}

pub(super) fn of_entitlement(tx: &mut Tx<'_>, entitlement: &Entitlement) -> Result<Hit> {
    let grants = entitlements::grants_of(tx, entitlement.id)?;
    let newest = grants.last();
    let status = match newest {
        _ if entitlement.active => "active".to_owned(),
        Some(grant) => grant.status.clone(),
        None => "revoked".to_owned(),
    };
    let command = match (entitlement.profile_id, newest.and_then(|grant| grant.order_id)) {
        (Some(profile), _) => format!("makegood entitlements check {profile} {}", entitlement.product_id),
        (None, Some(order)) => format!("makegood orders explain {order}"),
        (None, None) => "makegood entitlements list".to_owned(),
    };
    Ok(Hit {
        kind: "entitlement",
        id: entitlement.id.to_string(),
        order: newest.and_then(|grant| grant.order_id),
        status: Some(status),
        what: entitlement.product_id.clone(),
        command,
    })
}

pub(super) fn of_refund(refund: &Refund) -> Hit {
    Hit {
        kind: "refund",
        id: refund.id.to_string(),
        order: Some(refund.order),
        status: Some(refund.status.as_str().to_owned()),
        what: format!("{}, asked for by {}", refund.amount, refund.actor),
        command: format!("makegood refunds show {}", refund.id),
    }
}

pub(super) fn of_order(order: &Order) -> Hit {
    let lines: Vec<String> =
        order.lines.iter().map(|line| format!("{} × {}", line.quantity, line.product_id)).collect();
    let mut what = format!("{}, {}", lines.join(", "), order.amounts.total());
    if let Some(email) = &order.email {
        what.push_str(&format!(", {email}"));
    }
    Hit {
        kind: ORDER,
        id: order.id.to_string(),
        order: Some(order.id),
        status: Some(order.state.status().to_owned()),
        what,
        command: format!("makegood orders explain {}", order.id),
    }
}

pub(super) fn of_mail(mail: &Mail) -> Hit {
    let why = mail.last_error.as_deref().map_or(String::new(), |why| format!(": {why}"));
    Hit {
        kind: "mail",
        id: mail.id.to_string(),
        order: mail.order_id,
        status: Some(mail.status.as_str().to_owned()),
        what: format!("{} to {}{why}", mail.subject, mail.to),
        command: format!("makegood mail show {}", mail.id),
    }
}

/// An entry of the audit log, as it is shown.
pub(super) fn of_entry(entry: &Value) -> Hit {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let why = entry["reason"].as_str().map_or(String::new(), |why| format!(": {why}"));
    Hit {
        kind: "audit_entry",
        id: text("id").to_owned(),
        order: text("order_id").parse().ok(),
        status: entry["status"].as_str().map(str::to_owned),
        what: format!("{} by {}{why}", text("event_type"), text("actor")),
        command: format!("makegood audit show {}", text("id")),
    }
}

/// A run of a task, as it is shown.
pub(super) fn of_run(run: &Value) -> Hit {
    let text = |name: &str| run[name].as_str().unwrap_or_default();
    Hit {
        kind: "run",
        id: text("id").to_owned(),
        order: run["input"]["order"].as_str().and_then(|order| order.parse().ok()),
        status: Some(text("status").to_owned()),
        what: format!("{} by {}", text("task"), text("actor")),
        command: format!("makegood runs show {}", text("id")),
    }
}

/// A comparison with Stripe, as it is shown.
pub(super) fn of_reconciliation(run: &Value) -> Hit {
    let text = |name: &str| run[name].as_str().unwrap_or_default();
    Hit {
        kind: "reconciliation",
        id: text("id").to_owned(),
        order: None,
        status: Some(text("status").to_owned()),
        what: format!("{} findings, by {}", run["remaining"], text("actor")),
        command: format!("makegood reconciliations show {}", text("id")),
    }
}

/// Whose token it is and what it may do, only admins see: they list them.
pub(super) fn of_token(token: &ApiToken) -> Hit {
    for_admins("token", token.id.to_string(), "a token of the admin API", "makegood tokens list")
}

/// The same holds for users.
pub(super) fn of_user(user: &User) -> Hit {
    let did = format!("makegood audit list --subject {}", user.name);
    for_admins("user", user.name.clone(), "somebody who signs in to the console", &did)
}

fn for_admins(kind: &'static str, id: String, what: &str, command: &str) -> Hit {
    Hit { kind, id, order: None, status: None, what: what.to_owned(), command: command.to_owned() }
}

pub(super) fn of_product(product: &Product) -> Hit {
    Hit {
        kind: "product",
        id: product.id.clone(),
        order: None,
        status: Some(if product.active { "active" } else { "inactive" }.to_owned()),
        what: product.name.clone(),
        command: "makegood products list".into(),
    }
}

pub(super) fn of_stock(level: &Level) -> Hit {
    Hit {
        kind: "stock",
        id: level.sku.clone(),
        order: None,
        status: None,
        what: format!("{} pieces, {} can be sold", level.stock_count, level.available),
        command: "makegood inventory list".into(),
    }
}

pub(super) fn of_fact(kind: Object, known: &KnownFact) -> Hit {
    let fact = &known.fact;
    let (status, mut what) = match fact {
        Fact::Session(session) => session_words(session),
        Fact::Intent(intent) => intent_words(intent),
        Fact::Charge(charge) => charge_words(charge),
        Fact::Refund(refund) => (word(fact), Money::new(refund.amount, refund.currency).to_string()),
        Fact::Dispute(dispute) => (word(fact), dispute_words(dispute)),
        Fact::Warning(warning) => ("open", warning.fraud_type.clone().unwrap_or("no reason given".into())),
        Fact::Review(review) => {
            let why = review.closed.as_ref().or(review.opened_reason.as_ref());
            (word(fact), why.cloned().unwrap_or("no reason given".into()))
        }
    };
    if fact.provisional().is_some() {
        what.push_str("; as an event told it");
    }
    let command = match fact {
        Fact::Dispute(dispute) => format!("makegood disputes show {}", dispute.id),
        _ => format!("makegood orders explain {}", known.order),
    };
    Hit {
        kind: kind.as_str(),
        id: fact.object_id().to_owned(),
        order: Some(known.order),
        status: Some(status.to_owned()),
        what,
        command,
    }
}

fn word(fact: &Fact) -> &'static str {
    fact.state().unwrap_or("unknown")
}

fn session_words(session: &SessionFact) -> (&'static str, String) {
    let status = match session.status {
        SessionStatus::Open => "open",
        SessionStatus::Expired => "expired",
        SessionStatus::Complete => "complete",
    };
    let paid = match session.payment {
        SessionPayment::Paid => "paid",
        SessionPayment::NothingToPay => "nothing to pay",
        SessionPayment::Unpaid => "not paid",
    };
    let sum = session.total.zip(session.currency).map(|(sum, currency)| Money::new(sum, currency));
    (status, sum.map_or(paid.to_owned(), |sum| format!("{sum}, {paid}")))
}

fn intent_words(intent: &IntentFact) -> (&'static str, String) {
    let asked = Money::new(intent.amount, intent.currency);
    match (intent.received, &intent.canceled, intent.processing, &intent.failed) {
        (Some(received), ..) => ("succeeded", format!("{} received", Money::new(received, intent.currency))),
        (None, Some(why), ..) => ("canceled", format!("{asked}; {why}")),
        (None, None, true, _) => ("processing", format!("{asked} on its way")),
        (None, None, false, Some(failure)) => {
            ("failed", format!("{asked}; {}", failure.code.as_deref().unwrap_or("the attempt failed")))
        }
        (None, None, false, None) => ("open", asked.to_string()),
    }
}

fn charge_words(charge: &ChargeFact) -> (&'static str, String) {
    let sum = Money::new(charge.captured_amount, charge.currency);
    let back = Money::new(charge.refunded_now(), charge.currency);
    let what = if back.minor > 0 { format!("{sum}, {back} went back") } else { sum.to_string() };
    (if charge.paid && charge.captured { "captured" } else { "not captured" }, what)
}

fn dispute_words(dispute: &DisputeFact) -> String {
    let Some(state) = dispute.state.now() else { return String::new() };
    let due = state.due_by.map_or(String::new(), |due| format!(", due by {}", due.in_words()));
    format!("{}{due}", Money::new(state.amount, dispute.currency))
}
