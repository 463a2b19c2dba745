//! Why somebody has no access, in one line. This file decides, over evidence that was gathered before; plain values only.

use std::collections::BTreeSet;

use kernel::{Money, Timestamp};
use serde::Serialize;
use stripe::DisputeFact;

use super::remedy::Remedy;
use crate::catalog::ProductKind;
use crate::claims::PurchaseClaim;
use crate::entitlements::{Grant, OrderGrant};
use crate::ids::{OrderId, ProfileId};
use crate::inbox::EventStatus;
use crate::mails::Mail;
use crate::orders::{Dispute, Order, Payment, PaymentStatus, State, WaitsFor};

/// The one place that is broken: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Nothing is broken.
    HasAccess,
    /// The money is not there.
    NotPaid,
    /// Stripe has the money, and nothing of it has reached us.
    EventNotReceived,
    /// Stripe's event is here and was not acted on.
    EventFailed,
    /// A person has to look first.
    UnderReview,
    /// The pieces ran out, and the whole order waits for them.
    WaitsForStock,
    /// The money is on its way back, and nothing is shipped meanwhile.
    WaitsForRefund,
    /// The money went back.
    Refunded,
    /// A bank wants the money back, or has it.
    Disputed,
    /// An operator has taken it away, or the rows do not say what the order says.
    AccessRemoved,
    /// It was bought, and somebody else holds it.
    WrongAccount,
    /// A guest bought it, and has not claimed it.
    NotClaimed,
    /// Nothing of the kind was ever bought.
    NoSuchPurchase,
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 13] = [
        Place::HasAccess,
        Place::NotPaid,
        Place::EventNotReceived,
        Place::EventFailed,
        Place::UnderReview,
        Place::WaitsForStock,
        Place::WaitsForRefund,
        Place::Refunded,
        Place::Disputed,
        Place::AccessRemoved,
        Place::WrongAccount,
        Place::NotClaimed,
        Place::NoSuchPurchase,
    ];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::HasAccess => "has access",
            Place::NotPaid => "not paid",
            Place::EventNotReceived => "event not received",
            Place::EventFailed => "event failed",
            Place::UnderReview => "under review",
            Place::WaitsForStock => "waits for stock",
            Place::WaitsForRefund => "waits for its refund",
            Place::Refunded => "refunded",
            Place::Disputed => "disputed",
            Place::AccessRemoved => "access removed",
            Place::WrongAccount => "wrong account",
            Place::NotClaimed => "not claimed",
            Place::NoSuchPurchase => "no such purchase",
        }
    }
}

/// Everything that was found about one person, or about one purchase.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What was asked for.
    pub asked: String,
    /// The accounts that ought to have access: all with the email that was asked for, or the buyer's.
    pub accounts: Vec<Account>,
    /// Every purchase that may matter, the newest first.
    pub purchases: Vec<Purchase>,
    /// What these accounts hold, whoever gave it.
    pub held: Vec<Held>,
    /// Only these goods are asked about; all when there are none.
    pub only: BTreeSet<String>,
    /// What Stripe said about an id that is not known here, or why it could not be asked.
    pub note: Option<String>,
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Which.
    pub id: ProfileId,
    /// Its email.
    pub email: String,
}

/// What an account holds of one product.
#[derive(Debug, Clone)]
pub struct Held {
    /// Who.
    pub account: ProfileId,
    /// What.
    pub product: String,
    /// Whether it counts now.
    pub active: bool,
    /// By what.
    pub grants: Vec<Grant>,
}

/// One order, with what may stand in its way.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// The order.
    pub order: Order,
    /// The email of the profile that bought it.
    pub account_email: Option<String>,
    /// What is known here of the money.
    pub payment: Payment,
    /// Its disputes.
    pub disputes: Vec<DisputeFact>,
    /// What it has granted.
    pub grants: Vec<OrderGrant>,
    /// Stripe's events about it that are not processed, the oldest first.
    pub waiting: Vec<WaitingEvent>,
    /// Where the buyer may still pay, and until when.
    pub page: Option<(String, Timestamp)>,
    /// Whether a guest's has become somebody's.
    pub claim: Option<PurchaseClaim>,
    /// What the buyer was told of it, the oldest first.
    pub mails: Vec<Mail>,
    /// What Stripe says of the money now.
    pub at_stripe: AtStripe,
}

/// An event that was not acted on.
#[derive(Debug, Clone)]
pub struct WaitingEvent {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Where it stands.
    pub status: EventStatus,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it was not processed.
    pub error: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
}

/// What Stripe says of a payment that is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtStripe {
    /// There is nothing to ask.
    NotAsked,
    /// It did not answer, and why.
    CouldNotBeAsked(String),
    /// The session is there, and not paid.
    NotPaid,
    /// There is no such session: another account, or another mode.
    NoSuchSession,
    /// The money is there.
    Paid(Option<Money>),
    /// The payment, and all of it went back to the buyer.
    WentBack(Money),
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Where it is broken.
    pub place: Place,
    /// Of which product.
    pub product: Option<String>,
    /// By which order.
    pub order: Option<OrderId>,
    /// What is so, in one sentence.
    pub says: String,
    /// What mends it, where something does.
    pub mend: Option<Remedy>,
    /// An order that was never paid and is over: a basket that was left behind.
    #[serde(skip)]
    abandoned: bool,
}

impl Verdict {
    fn new(place: Place, says: impl Into<String>) -> Self {
        Verdict { place, product: None, order: None, says: says.into(), mend: None, abandoned: false }
    }
    fn mend(self, remedy: Remedy) -> Self {
        Verdict { mend: Some(remedy), ..self }
    }
    /// Whether nothing is broken.
    pub fn is_fine(&self) -> bool {
        self.place == Place::HasAccess
    }
}

/// The verdict on everything that was asked about, and on each good by itself.
pub fn judge(evidence: &Evidence, now: Timestamp) -> (Verdict, Vec<Verdict>) {
    let goods: Vec<Verdict> =
        goods(evidence).into_iter().map(|product| of_good(evidence, &product, now)).collect();
    (overall(evidence, &goods), goods)
}

fn goods(evidence: &Evidence) -> BTreeSet<String> {
    let bought = evidence.purchases.iter().flat_map(|purchase| &purchase.order.lines);
    let all = bought.map(|line| &line.product_id).chain(evidence.held.iter().map(|held| &held.product));
    all.filter(|product| evidence.only.is_empty() || evidence.only.contains(*product)).cloned().collect()
}

/// What is broken comes before what is fine, and of several the newest purchase first. A basket that was left behind is
/// the answer only where there is no other.
fn overall(evidence: &Evidence, goods: &[Verdict]) -> Verdict {
    let broken = goods.iter().filter(|verdict| !verdict.is_fine() && !verdict.abandoned);
    let worst = broken.max_by_key(|verdict| verdict.order.map(|order| order.uuid()));
    if let Some(worst) = worst {
        return worst.clone();
    }
    let fine: Vec<&Verdict> = goods.iter().filter(|verdict| verdict.is_fine()).collect();
    match (fine.as_slice(), goods.first()) {
        ([], Some(abandoned)) => abandoned.clone(),
        ([], None) => nothing_bought(evidence),
        ([one], _) => (*one).clone(),
        (all, _) => {
            let says: Vec<&str> = all.iter().map(|verdict| verdict.says.as_str()).collect();
            Verdict { says: says.join("; "), product: None, order: None, ..all[0].clone() }
        }
    }
}

fn nothing_bought(evidence: &Evidence) -> Verdict {
    let only: Vec<&str> = evidence.only.iter().map(String::as_str).collect();
    let what = if only.is_empty() { String::new() } else { format!(" of {}", only.join(" or ")) };
    let note = evidence.note.as_ref().map_or(String::new(), |note| format!("; {note}"));
    Verdict::new(Place::NoSuchPurchase, format!("no purchase{what} is known for {}{note}", evidence.asked))
}

fn of_good(evidence: &Evidence, product: &str, now: Timestamp) -> Verdict {
    let having: Vec<&Held> =
        evidence.held.iter().filter(|held| held.active && held.product == product).collect();
    let mut purchases: Vec<&Purchase> =
        evidence.purchases.iter().filter(|purchase| purchase.sells(product)).collect();
    let verdict = if having.is_empty() {
        // Of several purchases the one that came farthest explains it; of those the newest.
        purchases.sort_by_key(|purchase| (purchase.distance(), std::cmp::Reverse(purchase.order.id)));
        match purchases.first() {
            Some(purchase) => of_purchase(evidence, purchase, product, now),
            None => taken_away(evidence, product),
        }
    } else {
        of_held(evidence, &having, &purchases, product)
    };
    Verdict { product: Some(product.to_owned()), ..verdict }
}

/// Somebody has it. An open review of any order that granted it still stops delivery.
fn of_held(evidence: &Evidence, having: &[&Held], purchases: &[&Purchase], product: &str) -> Verdict {
    let mut granting = purchases.iter().filter(|purchase| purchase.is_granting(product));
    if let Some(purchase) = granting.find(|purchase| purchase.order.open_review().is_some()) {
        return under_review(purchase);
    }
    let holders: Vec<ProfileId> = having.iter().map(|held| held.account).collect();
    let without = evidence.accounts.iter().find(|account| !holders.contains(&account.id));
    if let (Some(without), [with, ..]) = (without, holders.as_slice()) {
        let says = format!("{with} has {product}, and {} with the same email has not", without.id);
        return Verdict::new(Place::WrongAccount, says).mend(Remedy::grant(
            Some(without.id),
            product,
            first_order(having),
        ));
    }
    let order = first_order(having);
    let by = order.map_or("an operator's hand".to_owned(), |order| format!("order {order}"));
    let goes_back = |purchase: &&&Purchase| purchase.order.payment_status == PaymentStatus::RefundPending;
    let back = purchases.iter().filter(|purchase| purchase.is_granting(product)).find(goes_back);
    let back = back.map_or("", |_| ", until its refund is through");
    let order = order.or_else(|| purchases.first().map(|purchase| purchase.order.id));
    Verdict { order, ..Verdict::new(Place::HasAccess, format!("{product}, by {by}{back}")) }
}

fn first_order(having: &[&Held]) -> Option<OrderId> {
    let active = having.iter().flat_map(|held| &held.grants).filter(|grant| grant.status == "active");
    active.filter_map(|grant| grant.order_id).next()
}

/// Nobody bought it and nobody has it: it was given by hand, and taken away.
fn taken_away(evidence: &Evidence, product: &str) -> Verdict {
    let held = evidence.held.iter().find(|held| held.product == product);
    let grant = held.and_then(|held| held.grants.last());
    let by =
        grant.map_or(String::new(), |grant| format!(", which {} had given ({})", grant.actor, grant.reason));
    let verdict = Verdict::new(Place::AccessRemoved, format!("access to {product}{by} was taken away"));
    let order = grant.and_then(|grant| grant.order_id);
    match held {
        Some(held) => verdict.mend(Remedy::grant(Some(held.account), product, order)),
        None => verdict,
    }
}

impl Purchase {
    fn sells(&self, product: &str) -> bool {
        self.order.lines.iter().any(|line| line.product_id == product)
    }

    fn kind(&self, product: &str) -> Option<ProductKind> {
        self.order.lines.iter().find(|line| line.product_id == product).map(|line| line.kind)
    }

    fn is_granting(&self, product: &str) -> bool {
        self.grants.iter().any(|grant| grant.product == product && grant.grant.status == "active")
    }

    /// How far from being handed over: a purchase with money in it explains more than one without.
    fn distance(&self) -> u8 {
        match self.order.state {
            State::Confirmed { .. } | State::Completed { .. } => 0,
            State::Paid { .. } | State::Refunded { .. } => 1,
            State::Pending | State::Cancelled { .. } => {
                let money = matches!(self.at_stripe, AtStripe::Paid(_) | AtStripe::WentBack(_))
                    || !self.waiting.is_empty();
                if money { 1 } else { 2 }
            }
        }
    }
}

fn of_purchase(evidence: &Evidence, purchase: &Purchase, product: &str, now: Timestamp) -> Verdict {
    let order = &purchase.order;
    let verdict = match &order.state {
        State::Pending | State::Cancelled { .. } => unpaid(purchase, now),
        State::Paid { .. } if order.payment_status == PaymentStatus::RefundPending => {
            waits_for_refund(order, product)
        }
        State::Paid { waits_for: WaitsFor::Review } => under_review(purchase),
        State::Paid { waits_for: WaitsFor::Stock } => waits_for_stock(order),
        State::Paid { waits_for: WaitsFor::Breakdown } => not_received(
            purchase,
            &format!("order {} is paid, and only its checkout session can explain the sum", order.id),
        ),
        State::Refunded { .. } if order.payment_status == PaymentStatus::Disputed => disputed(purchase),
        State::Refunded { at } => {
            Verdict::new(Place::Refunded, format!("order {} was refunded at {}", order.id, at.in_words()))
        }
        State::Confirmed { .. } | State::Completed { .. } => handed_over(evidence, purchase, product),
    };
    Verdict { order: Some(order.id), ..verdict }
}

fn unpaid(purchase: &Purchase, now: Timestamp) -> Verdict {
    let order = &purchase.order;
    if let Some(event) = purchase.waiting.first() {
        return event_failed(event);
    }
    if let AtStripe::Paid(sum) = &purchase.at_stripe {
        let sum = sum.map_or("the money".to_owned(), |sum| sum.to_string());
        return not_received(purchase, &format!("Stripe has {sum} for order {}", order.id));
    }
    if let AtStripe::WentBack(sum) = &purchase.at_stripe {
        return not_received(purchase, &format!("Stripe had {sum} for order {}, and it went back", order.id));
    }
    let why = match &purchase.payment {
        Payment::Processing => "the payment is on its way; the bank decides",
        Payment::Failed => "the last attempt to pay failed",
        Payment::FailedForGood => "the payment failed for good",
        Payment::Canceled => "the payment was called off at Stripe",
        Payment::Expired => "the checkout session expired before anybody paid",
        Payment::None | Payment::Captured { .. } | Payment::Returned { .. } => "nobody has paid yet",
    };
    let ended = match &order.state {
        State::Cancelled { reason, .. } => format!(", and it was cancelled ({})", reason.as_str()),
        _ => String::new(),
    };
    let page = purchase.page.as_ref().filter(|(_, until)| *until > now && order.state == State::Pending);
    let page = page.map_or(String::new(), |(url, until)| {
        format!("; the buyer may pay until {} at {url}", until.in_words())
    });
    let stripe = match &purchase.at_stripe {
        AtStripe::CouldNotBeAsked(why) => format!("; Stripe could not be asked ({why})"),
        AtStripe::NoSuchSession => "; Stripe has no such session: another account or mode".into(),
        AtStripe::NotAsked | AtStripe::NotPaid | AtStripe::Paid(_) | AtStripe::WentBack(_) => String::new(),
    };
    let abandoned = matches!(order.state, State::Cancelled { .. });
    let says = format!("order {}: {why}{ended}{page}{stripe}", order.id);
    Verdict { abandoned, ..Verdict::new(Place::NotPaid, says) }
}

fn event_failed(event: &WaitingEvent) -> Verdict {
    let attempts = event.attempts;
    let how = match event.status {
        EventStatus::Received | EventStatus::Processed | EventStatus::Ignored => {
            format!("came at {} and is not processed yet", event.received_at.in_words())
        }
        EventStatus::Retry => format!("failed {attempts} times and will be tried again"),
        EventStatus::Error => format!("was given up after {attempts} attempts"),
        EventStatus::Unmatched => "names an order that is not here".to_owned(),
    };
    let why = event.error.as_deref().filter(|why| !why.is_empty());
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    Verdict::new(Place::EventFailed, format!("event {} ({}) {how}{why}", event.id, event.kind))
        .mend(Remedy::replay(&event.id))
}

fn not_received(purchase: &Purchase, what: &str) -> Verdict {
    Verdict::new(Place::EventNotReceived, format!("{what}, and its event never came"))
        .mend(Remedy::compare(purchase.order.id))
}

fn under_review(purchase: &Purchase) -> Verdict {
    let order = &purchase.order;
    match order.open_review() {
        Some(review) => {
            let kind = review.kind.as_str();
            let says = format!("order {} is under review ({kind}): {}", order.id, review.detail);
            Verdict { order: Some(order.id), ..Verdict::new(Place::UnderReview, says) }
                .mend(Remedy::clear(order.id, kind))
        }
        None => Verdict::new(
            Place::UnderReview,
            format!("order {}: its review is cleared, and it was not settled", order.id),
        )
        .mend(Remedy::settle(order.id)),
    }
}

fn waits_for_stock(order: &Order) -> Verdict {
    let skus: Vec<String> = order.pieces().into_iter().map(|(sku, _)| sku).collect();
    let says = format!("order {} is paid and waits for {}", order.id, skus.join(", "));
    let verdict = Verdict::new(Place::WaitsForStock, says);
    match skus.first() {
        Some(sku) => verdict.mend(Remedy::stock(sku)),
        None => verdict,
    }
}

fn disputed(purchase: &Purchase) -> Verdict {
    let order = &purchase.order;
    let told = purchase.disputes.iter().filter_map(|dispute| {
        let state = dispute.state.now()?;
        let due = state.due_by.filter(|_| state.status.needs_response());
        let due = due.map_or(String::new(), |due| format!(", an answer is due by {}", due.in_words()));
        Some((&dispute.id, format!("{} is {}{due}", dispute.id, state.status.as_str())))
    });
    let told: Vec<_> = told.collect();
    let why: Vec<&str> = told.iter().map(|(_, said)| said.as_str()).collect();
    let lost = order.dispute != Some(Dispute::Open);
    let how = if lost { "was taken back by the buyer's bank" } else { "is disputed" };
    let says = format!("the payment of order {} {how} ({})", order.id, why.join("; "));
    let verdict = Verdict::new(Place::Disputed, says);
    match told.first() {
        Some((dispute, _)) => verdict.mend(Remedy::look_at_dispute(dispute)),
        None => verdict,
    }
}

/// The order is fulfilled, and none of the accounts has it.
fn handed_over(evidence: &Evidence, purchase: &Purchase, product: &str) -> Verdict {
    let order = &purchase.order;
    if order.dispute == Some(Dispute::Open) {
        return disputed(purchase);
    }
    if order.open_review().is_some() {
        return under_review(purchase);
    }
    match purchase.kind(product) {
        Some(ProductKind::Physical) => shipped(order, product),
        Some(ProductKind::Course | ProductKind::Download) | None => not_held(evidence, purchase, product),
    }
}

fn shipped(order: &Order, product: &str) -> Verdict {
    let says = match &order.shipped {
        Some((at, _)) => format!("{product} of order {} was shipped at {}", order.id, at.in_words()),
        None if order.payment_status == PaymentStatus::RefundPending => {
            return waits_for_refund(order, product);
        }
        None => format!("{product} of order {} is paid and is to be shipped", order.id),
    };
    Verdict::new(Place::HasAccess, says)
}

/// Should the refund not come about, the order goes on by itself.
fn waits_for_refund(order: &Order, product: &str) -> Verdict {
    let id = order.id;
    let says = format!(
        "all the money of order {id} is to go back, and {product} waits until it has; makegood orders explain {id}"
    );
    Verdict::new(Place::WaitsForRefund, says)
}

fn not_held(evidence: &Evidence, purchase: &Purchase, product: &str) -> Verdict {
    let id = purchase.order.id;
    let grant = purchase.grants.iter().find(|grant| grant.product == product);
    let account = evidence.accounts.first().map(|account| account.id);
    if let Some(holder) = given_to(evidence, purchase, product) {
        let says =
            format!("{product} of order {id}, bought as a guest, is with {holder}, by an operator's hand");
        return Verdict::new(Place::HasAccess, says);
    }
    match grant.map(|grant| (grant.grant.status.as_str(), grant)) {
        Some(("active", grant)) => wrong_account(evidence, purchase, grant, account),
        Some(("revoked", grant)) => {
            let holder = grant.profile.or(account);
            let at = grant.changed_at.in_words();
            let says = format!("an operator took {product} away at {at}; order {id} is paid");
            Verdict::new(Place::AccessRemoved, says).mend(Remedy::grant(holder, product, Some(id)))
        }
        Some((status, _)) => {
            let says = format!("{product} is {status}, and order {id} says that it should be active");
            Verdict::new(Place::AccessRemoved, says).mend(Remedy::mend(id))
        }
        None => {
            let says = format!("{product} was never granted, and order {id} is fulfilled");
            Verdict::new(Place::AccessRemoved, says).mend(Remedy::mend(id))
        }
    }
}

/// Who reads the mailbox that was given gets it: a link goes there, and nowhere else.
fn not_claimed(purchase: &Purchase, product: &str) -> Verdict {
    let (id, email) = (purchase.order.id, purchase.order.email.as_deref());
    let to = email.map_or("without an email".to_owned(), |email| format!("with {email}"));
    let says = format!("order {id} was bought as a guest {to}, and nobody has claimed {product}");
    let verdict = Verdict::new(Place::NotClaimed, says);
    match email {
        Some(_) => verdict.mend(Remedy::claim_link(id)),
        None => verdict.mend(Remedy::grant(None, product, Some(id))),
    }
}

/// To whom an operator has given what a guest has bought: somebody who is none of those that were asked about.
fn given_to(evidence: &Evidence, purchase: &Purchase, product: &str) -> Option<ProfileId> {
    if purchase.order.profile.is_some() {
        return None;
    }
    let active = purchase.grants.iter().filter(|g| g.product == product && g.grant.status == "active");
    let holder = active.filter_map(|grant| grant.profile).next()?;
    let is_asked = evidence.accounts.iter().any(|account| account.id == holder);
    (!is_asked).then_some(holder)
}

fn wrong_account(
    evidence: &Evidence,
    purchase: &Purchase,
    grant: &OrderGrant,
    account: Option<ProfileId>,
) -> Verdict {
    let (id, product) = (purchase.order.id, grant.product.as_str());
    let asked = account.map_or("an account".to_owned(), |account| account.to_string());
    let says =
        match (grant.profile, evidence.accounts.iter().find(|account| Some(account.id) == grant.profile)) {
            // The grant counts and the account is the right one: the entitlement's own row says otherwise.
            (Some(holder), Some(_)) => {
                let says = format!(
                    "{product} is granted to {holder} by order {id}, and the entitlement says it is not"
                );
                return Verdict::new(Place::AccessRemoved, says).mend(Remedy::grant(
                    Some(holder),
                    product,
                    Some(id),
                ));
            }
            (Some(holder), None) => {
                let email = purchase.account_email.as_deref().unwrap_or("no email");
                format!("order {id} gave {product} to {holder} ({email}), not to {asked}")
            }
            (None, _) => return not_claimed(purchase, product),
        };
    Verdict::new(Place::WrongAccount, says).mend(Remedy::grant(account, product, Some(id)))
}
