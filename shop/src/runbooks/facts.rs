//! The facts by which the cause of a fault is picked. This file decides nothing but how they are shown; plain values only.

use kernel::{Money, Timestamp};
use ops::{ApiToken, Finding, Mend};
use serde::Serialize;
use serde_json::{Value, json};
use stripe::DisputeFact;

use crate::cases::{Remedy, Verdict};
use crate::content::Fault;
use crate::entitlements::OrderGrant;
use crate::ids::OrderId;
use crate::inbox::StoredEvent;
use crate::inventory::{Books, Reservation};
use crate::media::Asset;
use crate::orders::{Order, State};
use crate::refunds::Refund;
use crate::switches::Position;

/// Something that is at Stripe otherwise than here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Why it differs, as the comparison calls it.
    pub cause: String,
    /// The object at Stripe.
    pub subject: String,
    /// What was seen.
    pub text: String,
    /// The order that it concerns.
    pub order: Option<OrderId>,
}

/// Events that Stripe has and the inbox has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// How many.
    pub count: u64,
    /// Since when was looked, as it is typed.
    pub since: &'static str,
    /// A few of them.
    pub newest: Vec<String>,
}

/// A secret, as it is known without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretSeen {
    /// Its key in the configuration.
    pub name: String,
    /// Where it lies.
    pub source: String,
    /// Whether it can change while the server runs.
    pub changes: bool,
    /// Why it could not be read again.
    pub trouble: Option<String>,
    /// That signatures matched nothing since it came to count.
    pub unmatched: Option<String>,
}

/// Something around the shop that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// What was looked at, like `webhook.reachable`.
    pub id: String,
    /// Whether it is wrong now; it may work, and not for ever.
    pub is_error: bool,
    /// What was seen.
    pub seen: String,
    /// What to do.
    pub fix: String,
}

impl Diagnosis {
    /// Whether it is of this kind: `webhook`, or exactly `webhook.reachable`.
    pub fn is_of(&self, kind: &str) -> bool {
        self.id.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Background work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSeen {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: String,
    /// `queued` or `failed`.
    pub status: String,
    /// How often it was tried.
    pub attempts: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// Everything that was read about a subject.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What was asked about.
    pub asked: String,
    /// When.
    pub now: Timestamp,
    /// What the checks of the runbook find of it.
    pub findings: Vec<Finding>,
    /// The order that it leads to.
    pub order: Option<Order>,
    /// The payment that the order's timeline knows.
    pub told_intent: Option<String>,
    /// Until when the buyer may pay.
    pub page_until: Option<Timestamp>,
    /// The event that was asked about.
    pub event: Option<StoredEvent>,
    /// The refund that was asked for last.
    pub refund: Option<Refund>,
    /// The order's disputes.
    pub disputes: Vec<DisputeFact>,
    /// What the order has granted.
    pub grants: Vec<OrderGrant>,
    /// What is or was set aside for the order.
    pub reservations: Vec<Reservation>,
    /// The job that was asked about, unless it is done: then it is gone.
    pub job: Option<JobSeen>,
    /// The books of the stock that was asked about.
    pub stock: Option<(String, Books)>,
    /// How the switch stands that was asked about.
    pub switch: Option<Position>,
    /// How delivery stands.
    pub delivery: Option<Position>,
    /// What of its content is not as it must be, where that was looked at.
    pub content: Option<Vec<Fault>>,
    /// The verdict on the buyer's case, where it was asked for.
    pub case: Option<Verdict>,
    /// What Stripe's objects show otherwise, where they were compared.
    pub differs: Vec<Difference>,
    /// Why Stripe could not be compared with.
    pub not_compared: Option<String>,
    /// The object of an event that cannot be read, once it was compared to its end.
    pub compared: Option<String>,
    /// Events that are missing, where Stripe's list was read.
    pub missing: Option<Missing>,
    /// The picture that was asked about, and whether its store has taken another since.
    pub picture: Option<(Asset, bool)>,
    /// The token that was asked about.
    pub token: Option<ApiToken>,
    /// The secrets, where they were asked for.
    pub secrets: Vec<SecretSeen>,
    /// What is wrong around the shop, where that was looked at; what is wrong now stands first.
    pub diagnoses: Option<Vec<Diagnosis>>,
    /// What could not be looked at around the shop, and why.
    pub not_looked_at: Vec<String>,
}

impl Facts {
    /// Nothing is known of it.
    pub fn empty(asked: &str, now: Timestamp) -> Facts {
        Facts {
            asked: asked.to_owned(),
            now,
            findings: Vec::new(),
            order: None,
            told_intent: None,
            page_until: None,
            event: None,
            refund: None,
            disputes: Vec::new(),
            grants: Vec::new(),
            reservations: Vec::new(),
            job: None,
            stock: None,
            switch: None,
            delivery: None,
            content: None,
            case: None,
            differs: Vec::new(),
            not_compared: None,
            compared: None,
            missing: None,
            picture: None,
            token: None,
            secrets: Vec::new(),
            diagnoses: None,
            not_looked_at: Vec::new(),
        }
    }

    /// Only what is wrong around the shop.
    pub fn around(asked: &str, now: Timestamp, diagnoses: Vec<Diagnosis>) -> Facts {
        Facts { diagnoses: Some(diagnoses), ..Facts::empty(asked, now) }
    }

    /// The first finding of this check.
    pub fn found(&self, check: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check)
    }

    /// The first thing of its content that is not as it must be, by one of these causes.
    pub fn lacks(&self, causes: &[&str]) -> Option<&Fault> {
        self.content.iter().flatten().find(|fault| causes.contains(&fault.cause))
    }

    /// The first difference with one of these causes.
    pub fn differs_by(&self, causes: &[&str]) -> Option<&Difference> {
        self.differs.iter().find(|difference| causes.contains(&difference.cause.as_str()))
    }

    /// What mends a difference: to compare the whole order, or the object where no order is known, and learn it.
    pub fn learn(&self, difference: &Difference) -> Mend {
        match difference.order.or(self.order.as_ref().map(|order| order.id)) {
            Some(order) => Remedy::compare(order).into(),
            None => Mend {
                operation: "reconcile",
                input: json!({ "only": difference.subject, "apply": true }),
                command: format!("makegood reconcile --only {} --apply", difference.subject),
            },
        }
    }

    /// The order's state in a few words.
    pub fn standing(&self) -> String {
        let Some(order) = &self.order else { return "no order is known".to_owned() };
        let waits = match &order.state {
            State::Paid { waits_for } => format!(", waits for {}", waits_for.as_str()),
            State::Cancelled { reason, .. } => format!(" ({})", reason.as_str()),
            _ => String::new(),
        };
        let (status, money) = (order.state.status(), order.payment_status.as_str());
        format!("order {} is {status}{waits}; payment {money}", order.id)
    }

    /// What was seen, a line for each fact.
    pub fn shown(&self) -> Vec<Value> {
        let mut lines = Lines::default();
        lines.of_order(self);
        if let Some(event) = &self.event {
            let why = event.last_error.as_deref().map_or(String::new(), |why| format!(": {why}"));
            let (id, kind, attempts) = (&event.id, &event.kind, event.attempts);
            lines.add(
                "event",
                format!("{id} ({kind}) is {}, {attempts} attempts{why}", event.status.as_str()),
            );
        }
        if let Some(job) = &self.job {
            let why = job.last_error.as_deref().map_or(String::new(), |why| format!(": {why}"));
            lines.add(
                "job",
                format!("{} ({}) is {}, {} attempts{why}", job.id, job.kind, job.status, job.attempts),
            );
        }
        if let Some((sku, books)) = &self.stock {
            lines.add(
                "stock",
                format!(
                    "{sku}: the counter says {}, the ledger {}; set aside {}, reservations {}",
                    books.stock_count, books.ledger, books.reserved_count, books.reserved
                ),
            );
        }
        if let Some((asset, works)) = &self.picture {
            let why = asset.last_error.as_deref().map_or(String::new(), |why| format!(": {why}"));
            lines.add("picture", format!("{} on {} is {}{why}", asset.id, asset.disk, asset.status.as_str()));
            if *works {
                lines.add("store", format!("{} has taken a picture since", asset.disk));
            }
        }
        if let Some(token) = &self.token {
            let ends = token.expires_at.map_or("never ends".to_owned(), |at| format!("ends at {at}"));
            let used = token.last_used_at.map_or("never used".to_owned(), |at| format!("last used at {at}"));
            lines.add("token", format!("{} of {}, {}, {ends}, {used}", token.id, token.name, token.role));
        }
        if let Some(off) = self.delivery.as_ref().filter(|position| !position.is_on) {
            lines.add("delivery", format!("downloads are {}", off.in_words()));
        }
        for found in self.diagnoses.iter().flatten() {
            lines.add(&found.id, format!("{}; {}", found.seen, found.fix));
        }
        for why in &self.not_looked_at {
            lines.add("not looked at", why.clone());
        }
        for fault in self.content.iter().flatten() {
            lines.add("content", format!("{}: {}: {}", fault.course, fault.cause, fault.text));
        }
        if let Some(switch) = &self.switch {
            lines.add("switch", format!("{} is {}", switch.name.as_str(), switch.in_words()));
        }
        if let Some(missing) = &self.missing {
            let (count, since) = (missing.count, missing.since);
            lines.add("events", format!("Stripe has {count} of the last {since} that are not here"));
        }
        for secret in &self.secrets {
            let wrong = secret.trouble.as_ref().or(secret.unmatched.as_ref());
            let standing = wrong.map_or("nothing is wrong with it", String::as_str);
            lines.add("secret", format!("{} in {}: {standing}", secret.name, secret.source));
        }
        if let Some(case) = &self.case {
            lines.add("case", format!("{}: {}", case.place.as_str(), case.says));
        }
        self.differs.iter().for_each(|d| lines.add("stripe", format!("{}: {}", d.cause, d.text)));
        self.not_compared.iter().for_each(|why| lines.add("stripe", format!("could not be asked: {why}")));
        self.compared.iter().for_each(|id| {
            let said =
                if self.differs.is_empty() { "nothing of ours differs there" } else { "differs from here" };
            lines.add("object", format!("{id}: {said}"));
        });
        self.findings.iter().for_each(|f| lines.add("check", format!("{}: {}", f.check, f.text)));
        lines.0
    }
}

/// Facts as they are shown.
#[derive(Default)]
struct Lines(Vec<Value>);

impl Lines {
    fn add(&mut self, fact: &str, seen: String) {
        self.0.push(json!({ "fact": fact, "seen": seen }));
    }

    fn of_order(&mut self, facts: &Facts) {
        let Some(order) = &facts.order else { return };
        self.add("order", facts.standing());
        let money = |minor: i64| Money::new(minor, order.amounts.currency).to_string();
        let paid = order.paid_amount.map_or("nothing".to_owned(), money);
        let (total, back) = (order.amounts.total(), money(order.refunded_amount));
        self.add("money", format!("expects {total}, got {paid}, gave back {back}"));
        for review in order.reviews.iter().filter(|review| review.is_open()) {
            self.add("review", format!("{}: {}", review.kind.as_str(), review.detail));
        }
        for grant in &facts.grants {
            self.add("access", format!("{} is {}", grant.product, grant.grant.status));
        }
        for held in &facts.reservations {
            self.add(
                "reservation",
                format!("{}: {} × {} is {}", held.id, held.quantity, held.sku, held.status.as_str()),
            );
        }
        if let Some(refund) = &facts.refund {
            self.add(
                "refund",
                format!("{} is {}, asked for by {}", refund.id, refund.status.as_str(), refund.actor),
            );
        }
        for dispute in &facts.disputes {
            let state = dispute.state.now().map_or("unknown", |state| state.status.as_str());
            self.add("dispute", format!("{} is {state}", dispute.id));
        }
    }
}
