//! Which cause a runbook picks, as a table: what was seen × what it amounts to, and what mends it.
//!
//! The table is `runbook_causes.txt` beside this file. A changed rule is a changed line there, which a reviewer sees. To take
//! over what the code says now: `ACCEPT=1 cargo test -p shop --test runbook_causes`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use kernel::Id;
use kernel::{Currency, Duration, Money, Timestamp};
use ops::{ApiToken, Finding, Mend, Severity};
use serde_json::json;
use shop::RUNBOOKS;
use shop::cases::{Account, AtStripe, Evidence, Purchase, WaitingEvent, judge};
use shop::catalog::ProductKind;
use shop::content::Fault;
use shop::entitlements::{Grant, OrderGrant};
use shop::ids::{AssetId, EntitlementId, OrderId, ProfileId, RefundId, ReservationId};
use shop::inbox::{EventSource, EventStatus, StoredEvent};
use shop::inventory::{Books, Reservation, ReservationStatus};
use shop::media::{Asset, AssetStatus};
use shop::orders::{
    Amounts, CancelReason, Dispute, Line, Order, Payment, PaymentStatus, Review, ReviewKind, State, WaitsFor,
};
use shop::refunds::{Refund, RefundStatus};
use shop::runbooks::{Diagnosis, Difference, Facts, JobSeen, Missing, SecretSeen};
use shop::switches::{Position, Switch};
use stripe::{Asked, DisputeFact, DisputeState, DisputeStatus, Seen, Source};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

#[test]
fn the_table_is_the_one_that_was_agreed_upon() {
    let table = table();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runbook_causes.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, &table).expect("the table can be written");
    }
    let agreed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(table == agreed, "the table has changed; ACCEPT=1 takes it over:\n{table}");
}

/// A cause that nothing leads to is a promise that nobody keeps.
#[test]
fn every_cause_of_every_runbook_is_reached() {
    let reached: BTreeSet<(&str, &str)> =
        situations().iter().map(|(_, id, facts)| (*id, picked(id, facts).cause)).collect();
    let all = RUNBOOKS.iter().flat_map(|runbook| runbook.causes.iter().map(|cause| (runbook.id, cause.name)));
    // What has no order of its own is refused before a cause is picked, or leads to this one everywhere.
    let missing: Vec<_> = all.filter(|cause| !reached.contains(cause)).collect();
    assert_eq!(missing, Vec::<(&str, &str)>::new());
}

#[test]
fn what_is_picked_is_listed_and_mended_by_what_the_cause_names() {
    for (what, id, facts) in situations() {
        let runbook = shop::runbooks::find(id).expect("a runbook");
        let picked = picked(id, &facts);
        let cause = runbook.cause(picked.cause).unwrap_or_else(|| panic!("{id}: {what}: {}", picked.cause));
        let fits = picked.mend.as_ref().is_none_or(|mend| cause.mend.contains(&mend.operation));
        assert!(fits && !picked.because.is_empty(), "{id}: {what}: {picked:?}");
        assert!(
            !facts.shown().is_empty() || facts.missing.is_none(),
            "{id}: {what}: what was seen is not shown"
        );
    }
}

/// Money that does not fit is never tried again, whatever else is known.
#[test]
fn an_amount_that_does_not_fit_is_never_mended_by_settling_it() {
    let both = flagged(flagged(paid(WaitsFor::Review), ReviewKind::Operator), ReviewKind::AmountMismatch);
    for runbook in RUNBOOKS {
        let picked = (runbook.pick)(&of(both.clone()));
        let settles = ["orders.confirm", "orders.review.clear", "events.replay", "orders.mend"];
        let mend = picked.mend.as_ref().map(|mend| mend.operation);
        assert!(!mend.is_some_and(|mend| settles.contains(&mend)), "{}: {picked:?}", runbook.id);
    }
}

fn picked(id: &str, facts: &Facts) -> ops::Picked {
    (shop::runbooks::find(id).expect("a runbook").pick)(facts)
}

fn table() -> String {
    let (mut text, mut last) = (String::new(), "");
    for (what, id, facts) in situations() {
        let picked = picked(id, &facts);
        if id != last {
            let _ = writeln!(text, "{}{id}", if last.is_empty() { "" } else { "\n" });
            last = id;
        }
        let mend = picked.mend.map_or("-".to_owned(), |mend| mend.operation.to_owned());
        let _ = writeln!(text, "  {what:<58} {:<24} {mend}", picked.cause);
    }
    text
}

// ---- plain values

fn usd() -> Currency {
    "usd".parse().expect("a currency")
}

fn id() -> OrderId {
    "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().expect("an id")
}

fn ada() -> ProfileId {
    "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().expect("an id")
}

fn order(state: State) -> Order {
    Order {
        id: id(),
        profile: Some(ada()),
        email: Some("ada@example.com".into()),
        seller: None,
        state,
        payment_status: PaymentStatus::Unpaid,
        amounts: Amounts { currency: usd(), subtotal: 1500, discount: 0, tax: 0, shipping: 0 },
        paid_amount: None,
        refunded_amount: 0,
        refund_marked_at: None,
        dispute: None,
        payment_intent: Some("pi_1".into()),
        session: Some("cs_1".into()),
        webhook_processed_at: None,
        shipped: None,
        lines: vec![Line {
            product_id: "mug".into(),
            kind: ProductKind::Physical,
            name: "A mug".into(),
            sku: Some("MUG".into()),
            quantity: 1,
            unit_amount: 1500,
        }],
        reviews: Vec::new(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn pending() -> Order {
    order(State::Pending)
}
fn paid(waits_for: WaitsFor) -> Order {
    Order { payment_status: PaymentStatus::Paid, ..order(State::Paid { waits_for }) }
}
fn confirmed() -> Order {
    Order { payment_status: PaymentStatus::Paid, ..order(State::Confirmed { at: NOW }) }
}
fn refunded() -> Order {
    Order {
        payment_status: PaymentStatus::Refunded,
        refunded_amount: 1500,
        ..order(State::Refunded { at: NOW })
    }
}
fn cancelled(reason: CancelReason) -> Order {
    order(State::Cancelled { reason, at: NOW })
}
fn partly() -> Order {
    Order { refunded_amount: 500, ..confirmed() }
}

fn flagged(mut order: Order, kind: ReviewKind) -> Order {
    let detail = "look at it".to_owned();
    order.reviews.push(Review { kind, detail, opened_at: NOW, cleared_at: None, cleared_by: None });
    order
}

fn nothing(asked: &str) -> Facts {
    Facts::empty(asked, NOW)
}

fn picture(status: AssetStatus, cause: Option<&str>, works: bool) -> Facts {
    let asset = Asset {
        id: AssetId::from_uuid(uuid::Uuid::from_u128(9)),
        status,
        url: None,
        bytes: 70,
        width: Some(1),
        height: Some(1),
        content_type: "image/gif".into(),
        disk: "cloudinary".into(),
        sha256: "0".repeat(64),
        file_name: None,
        last_error: cause.map(|cause| format!("Cloudinary says no ({cause})")),
        cause: cause.map(str::to_owned),
        actor: "ada".into(),
        created_at: NOW,
        updated_at: NOW,
        key: "9.gif".into(),
        attempt: 1,
    };
    Facts { picture: Some((asset, works)), ..nothing("med_9") }
}

fn token(expires_at: Option<Timestamp>, revoked_at: Option<Timestamp>) -> Facts {
    let token = ApiToken {
        id: Id::from_uuid(uuid::Uuid::from_u128(8)),
        name: "uploads".into(),
        prefix: "mg_0123".into(),
        role: "operator".into(),
        created_at: NOW - Duration::from_secs(7200),
        expires_at,
        last_used_at: Some(NOW - Duration::from_secs(3600)),
        revoked_at,
    };
    Facts { token: Some(token), ..nothing("tok_8") }
}

fn of(order: Order) -> Facts {
    Facts { order: Some(order), ..nothing(&id().to_string()) }
}

fn differing(cause: &str, facts: Facts) -> Facts {
    let difference = Difference {
        cause: cause.to_owned(),
        subject: "re_1".into(),
        text: "re_1 is another".into(),
        order: Some(id()),
    };
    Facts { differs: vec![difference], ..facts }
}

fn silent(facts: Facts) -> Facts {
    Facts { not_compared: Some("Stripe does not answer".into()), ..facts }
}

fn finding(check: &'static str, mend: Option<&'static str>, facts: Facts) -> Facts {
    let input = json!({ "order": id() });
    let mend = mend.map(|operation| Mend { operation, input, command: format!("makegood {operation}") });
    let (severity, subject, text) = (Severity::Page, facts.asked.clone(), "it is not so".to_owned());
    Facts { findings: vec![Finding { check, severity, subject, text, since: None, mend }], ..facts }
}

fn stopped(facts: Facts) -> Facts {
    Facts { delivery: thrown(Switch::Downloads, false).switch, ..facts }
}

/// An order whose grant counts.
fn held_by(order: Order) -> Facts {
    let grant = OrderGrant {
        entitlement: "ent_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse::<EntitlementId>().expect("an id"),
        profile: Some(ada()),
        product: "course".into(),
        grant: Grant {
            source: "order".into(),
            order_id: Some(id()),
            status: "active".into(),
            reason: "bought".into(),
            actor: "stripe".into(),
            created_at: NOW,
        },
        changed_at: NOW,
    };
    Facts { grants: vec![grant], ..of(order) }
}

fn lacking(cause: &'static str, facts: Facts) -> Facts {
    let fault = Fault {
        course: "course".into(),
        cause,
        subject: "rsc_1".into(),
        text: "it is not as it must be".into(),
    };
    Facts { content: Some(vec![fault]), ..facts }
}

fn thrown(name: Switch, is_on: bool) -> Facts {
    let reason = Some("a file leaked".to_owned()).filter(|_| !is_on);
    let position = Position { name, is_on, reason, actor: Some("ada".into()), changed_at: Some(NOW) };
    Facts { switch: Some(position), ..nothing(name.as_str()) }
}

fn event(status: EventStatus, kind: Option<&str>) -> Facts {
    let event = StoredEvent {
        id: "evt_1".into(),
        kind: "checkout.session.completed".into(),
        api_version: None,
        created: NOW,
        livemode: false,
        object_id: Some("cs_1".into()),
        source: EventSource::Webhook,
        status,
        attempts: 3,
        next_attempt_at: None,
        last_error_kind: kind.map(str::to_owned),
        last_error: kind.map(str::to_owned),
        order_id: None,
        received_at: NOW,
        processed_at: None,
    };
    Facts { event: Some(event), ..nothing("evt_1") }
}

fn unread() -> Facts {
    event(EventStatus::Error, Some("missing_field"))
}

fn compared(facts: Facts) -> Facts {
    Facts { compared: Some("cs_1".into()), ..facts }
}

fn asked_for(status: RefundStatus, order: Order) -> Facts {
    let refund = Refund {
        id: "rfd_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse::<RefundId>().expect("an id"),
        order: id(),
        status,
        generation: 1,
        sent_count: 1,
        sent_at: Some(NOW),
        payment_intent: "pi_1".into(),
        stripe_refund: None,
        amount: Money::new(1500, usd()),
        reason: "asked for".into(),
        actor: "ada".into(),
        last_error: None,
        created_at: NOW,
        updated_at: NOW,
    };
    Facts { refund: Some(refund), ..of(order) }
}

fn disputed(status: DisputeStatus, order: Order) -> Facts {
    let due_by = Some(NOW + Duration::from_secs(7 * 86_400));
    let state = DisputeState { status, amount: 1500, due_by, reason: None };
    let dispute = DisputeFact {
        id: "dp_1".into(),
        charge: None,
        payment_intent: Some("pi_1".into()),
        currency: usd(),
        state: Seen::new(state, Source::Fetched(Asked { ticket: 1, at: NOW })),
    };
    Facts { disputes: vec![dispute], ..of(order) }
}

fn held(status: ReservationStatus, facts: Facts) -> Facts {
    let reservation = Reservation {
        id: "res_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse::<ReservationId>().expect("an id"),
        sku: "MUG".into(),
        quantity: 1,
        order_id: id(),
        status,
        expires_at: Some(NOW),
        created_at: NOW,
    };
    Facts { reservations: vec![reservation], ..facts }
}

fn books(stock_count: i64, ledger: i64, reserved_count: i64, reserved: i64) -> Facts {
    let books = Books { stock_count, ledger, reserved_count, reserved };
    Facts { stock: Some(("MUG".into(), books)), ..nothing("MUG") }
}

fn job(status: &str) -> Facts {
    let job = JobSeen {
        id: "job_1".into(),
        kind: "checkout.close".into(),
        status: status.into(),
        attempts: 12,
        last_error: Some("Stripe does not answer".into()),
    };
    Facts { job: Some(job), ..nothing("job_1") }
}

fn missing(count: u64) -> Facts {
    let newest = (0..count).map(|n| format!("evt_{n}")).collect();
    Facts { missing: Some(Missing { count, since: "24h", newest }), ..nothing("all") }
}

/// The buyer's case, judged where cases are judged.
/// The signing secret in this place, with what is wrong with it.
fn secret(source: &str, changes: bool, trouble: Option<&str>, unmatched: Option<&str>) -> Facts {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let name = "STRIPE_WEBHOOK_SECRET".to_owned();
    let seen = SecretSeen {
        name: name.clone(),
        source: source.into(),
        changes,
        trouble: text(trouble),
        unmatched: text(unmatched),
    };
    Facts { secrets: vec![seen], ..nothing(&name) }
}

/// What doctor finds: its names, those that are only warnings with a question mark.
fn diagnosed(found: &[&str]) -> Facts {
    let diagnosis = |id: &&str| Diagnosis {
        id: id.trim_end_matches('?').to_owned(),
        is_error: !id.ends_with('?'),
        seen: "it is not so".into(),
        fix: "make it so".into(),
    };
    Facts { diagnoses: Some(found.iter().map(diagnosis).collect()), ..nothing("all") }
}

fn case(order: Order, change: impl FnOnce(&mut Purchase)) -> Facts {
    let mut purchase = Purchase {
        order: order.clone(),
        account_email: Some("ada@example.com".into()),
        payment: Payment::None,
        disputes: Vec::new(),
        grants: Vec::new(),
        waiting: Vec::new(),
        page: None,
        claim: None,
        mails: vec![],
        at_stripe: AtStripe::NotAsked,
    };
    change(&mut purchase);
    Facts { case: Some(judged(vec![purchase])), ..of(order) }
}

fn judged(purchases: Vec<Purchase>) -> shop::cases::Verdict {
    let evidence = Evidence {
        asked: "ada@example.com".into(),
        accounts: vec![Account { id: ada(), email: "ada@example.com".into() }],
        purchases,
        held: Vec::new(),
        only: BTreeSet::new(),
        note: None,
    };
    judge(&evidence, NOW).0
}

fn course(order: Order) -> Order {
    let lines = order.lines.iter().map(|line| Line {
        product_id: "course".into(),
        kind: ProductKind::Course,
        sku: None,
        ..line.clone()
    });
    Order { lines: lines.collect(), ..order }
}

fn stuck(purchase: &mut Purchase) {
    purchase.waiting = vec![WaitingEvent {
        id: "evt_1".into(),
        kind: "checkout.session.completed".into(),
        status: EventStatus::Error,
        attempts: 12,
        error: Some("boom".into()),
        received_at: NOW,
    }];
}

fn at_stripe(purchase: &mut Purchase) {
    purchase.at_stripe = AtStripe::Paid(Some(Money::new(1500, usd())));
}

fn to_nobody(purchase: &mut Purchase) {
    purchase.grants = vec![OrderGrant {
        entitlement: "ent_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse::<EntitlementId>().expect("an id"),
        profile: None,
        product: "course".into(),
        grant: Grant {
            source: "order".into(),
            order_id: Some(id()),
            status: "active".into(),
            reason: "bought".into(),
            actor: "stripe".into(),
            created_at: NOW,
        },
        changed_at: NOW,
    }];
}

/// Another account with another email holds it.
fn to_another(purchase: &mut Purchase) {
    to_nobody(purchase);
    let another = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f79".parse().expect("an id");
    purchase.grants.iter_mut().for_each(|grant| grant.profile = Some(another));
    purchase.account_email = Some("bob@example.com".into());
}

/// What was seen, by which runbook it is looked at, and the facts.
fn situations() -> Vec<(&'static str, &'static str, Facts)> {
    use DisputeStatus::{NeedsResponse, UnderReview, Won};
    let same = |_: &mut Purchase| {};
    let refunded_case = || case(refunded(), same);
    let contested = || Order { dispute: Some(Dispute::Open), ..confirmed() };
    let late = || Facts { page_until: Some(NOW), ..of(pending()) };
    let unknown = || Order { payment_intent: None, ..confirmed() };
    let all: Vec<(&str, Vec<(&'static str, Facts)>)> = vec![
        (
            "paid-no-access",
            vec![
                ("shipped goods, paid", case(confirmed(), same)),
                ("pending, nothing at Stripe", case(pending(), same)),
                ("pending, Stripe has the money", case(pending(), at_stripe)),
                ("pending, its event was given up", case(pending(), stuck)),
                ("paid, flagged", case(flagged(paid(WaitsFor::Review), ReviewKind::AmountMismatch), same)),
                ("paid, its flag is cleared", case(paid(WaitsFor::Review), same)),
                ("paid, waits for stock", case(paid(WaitsFor::Stock), same)),
                (
                    "confirmed, its refund is under way",
                    case(Order { payment_status: PaymentStatus::RefundPending, ..confirmed() }, same),
                ),
                ("refunded", refunded_case()),
                (
                    "disputed",
                    case(contested(), |p| p.disputes = disputed(NeedsResponse, contested()).disputes),
                ),
                ("a course, never granted", case(course(confirmed()), same)),
                ("a course, bought as a guest", case(course(confirmed()), to_nobody)),
                ("a course, held by another account", case(course(confirmed()), to_another)),
                (
                    "nothing was ever bought",
                    Facts { case: Some(judged(Vec::new())), ..nothing("ada@example.com") },
                ),
            ],
        ),
        (
            "webhook-downtime",
            vec![
                ("Stripe's list cannot be read", finding("events_not_read", None, missing(0))),
                ("three events are missing", missing(3)),
                ("none is missing", missing(0)),
            ],
        ),
        (
            "webhook-failed",
            vec![
                ("received, not processed", event(EventStatus::Received, None)),
                ("tried again", event(EventStatus::Retry, Some("busy"))),
                ("given up", event(EventStatus::Error, Some("database"))),
                ("given up, a field is missing", event(EventStatus::Error, Some("missing_field"))),
                (
                    "a field is missing, its object differs",
                    compared(differing("payment_not_known_here", unread())),
                ),
                ("a field is missing, its object is known", compared(unread())),
                ("a field is missing, Stripe is silent", silent(unread())),
                ("its order is not here", event(EventStatus::Unmatched, None)),
                ("its price is not mapped", event(EventStatus::Unmatched, Some("price_not_mapped"))),
                ("it is a subscription", event(EventStatus::Unmatched, Some("mode_not_sold"))),
                ("processed", event(EventStatus::Processed, None)),
                ("not here", nothing("evt_1")),
            ],
        ),
        (
            "stuck-paid-orders",
            vec![
                ("paid, waits for stock", case(paid(WaitsFor::Stock), same)),
                ("paid, flagged", case(flagged(paid(WaitsFor::Review), ReviewKind::AmountMismatch), same)),
                ("paid, its flag is cleared", case(paid(WaitsFor::Review), same)),
                ("paid, its session was not seen", case(paid(WaitsFor::Breakdown), same)),
                ("pending, its event was given up", case(pending(), stuck)),
                ("pending, Stripe has the money", case(pending(), at_stripe)),
                ("cancelled, Stripe has the money", case(cancelled(CancelReason::SessionExpired), at_stripe)),
                ("pending, nothing at Stripe", case(pending(), same)),
                ("confirmed", case(confirmed(), same)),
                ("cancelled", case(cancelled(CancelReason::Operator), same)),
                ("refunded", refunded_case()),
                ("leads to no order", nothing("MUG")),
            ],
        ),
        (
            "refund-downgrade",
            vec![
                (
                    "refunded, the access stayed",
                    finding("grant_without_order", Some("orders.mend"), of(refunded())),
                ),
                ("access that was never sold", finding("grant_without_order", None, of(confirmed()))),
                ("a part went back", of(partly())),
                ("confirmed", of(confirmed())),
                (
                    "a refund is under way",
                    of(Order { payment_status: PaymentStatus::RefundPending, ..confirmed() }),
                ),
                ("refunded", of(refunded())),
                ("pending", of(pending())),
                ("leads to no order", nothing("MUG")),
            ],
        ),
        (
            "missed-refund",
            vec![
                ("refunded at Stripe only", differing("refund_not_known_here", of(confirmed()))),
                ("failed at Stripe only", differing("refund_failed_unnoticed", of(refunded()))),
                (
                    "only an event has told it",
                    finding("facts_provisional", Some("orders.mend"), of(refunded())),
                ),
                ("a part went back", of(partly())),
                (
                    "marked as refunded, and not sent",
                    finding("refund_marked_not_made", Some("refunds.create"), of(refunded())),
                ),
                ("refunded", of(refunded())),
                ("confirmed, nothing at Stripe", of(confirmed())),
                ("confirmed, Stripe does not answer", silent(of(confirmed()))),
                ("leads to no order", nothing("re_1")),
            ],
        ),
        (
            "refund-spike",
            vec![
                (
                    "asked for, at Stripe unheard",
                    differing("refund_unanswered", asked_for(RefundStatus::Unknown, confirmed())),
                ),
                (
                    "asked for an hour ago",
                    finding("refund_unsettled", None, asked_for(RefundStatus::Unknown, confirmed())),
                ),
                ("asked for just now", asked_for(RefundStatus::Requested, confirmed())),
                ("at Stripe, not at the bank", asked_for(RefundStatus::Pending, confirmed())),
                ("failed", asked_for(RefundStatus::Failed, confirmed())),
                ("failed, refunded otherwise", asked_for(RefundStatus::Failed, refunded())),
                ("done", asked_for(RefundStatus::Succeeded, refunded())),
                ("Stripe is away", silent(of(confirmed()))),
                ("refunded, nobody here asked", of(refunded())),
                ("confirmed", of(confirmed())),
                ("leads to no order", nothing("re_1")),
            ],
        ),
        (
            "dispute",
            vec![
                ("disputed at Stripe only", differing("dispute_not_known_here", of(confirmed()))),
                (
                    "won at Stripe only",
                    differing("dispute_verdict_missed", disputed(NeedsResponse, contested())),
                ),
                (
                    "access does not follow",
                    finding("grant_not_as_disputed", None, disputed(UnderReview, contested())),
                ),
                ("the bank waits for us", disputed(NeedsResponse, contested())),
                ("the bank decides", disputed(UnderReview, contested())),
                ("lost", of(Order { dispute: Some(Dispute::Lost), ..refunded() })),
                (
                    "lost over a part",
                    finding(
                        "dispute_lost_in_part",
                        None,
                        of(Order { dispute: Some(Dispute::Lost), ..refunded() }),
                    ),
                ),
                ("won", disputed(Won, confirmed())),
                ("no dispute", of(confirmed())),
                ("no dispute, Stripe does not answer", silent(of(confirmed()))),
                ("leads to no order", nothing("dp_1")),
            ],
        ),
        (
            "inventory-drift",
            vec![
                ("the counter is not the ledger's sum", books(8, 5, 0, 0)),
                ("the reserved counter is wrong", books(5, 5, 2, 1)),
                (
                    "refunded, its pieces are out",
                    finding("refunded_stock_out", Some("orders.mend"), of(refunded())),
                ),
                ("all agree", books(5, 5, 1, 1)),
                ("an order without pieces out", of(refunded())),
            ],
        ),
        (
            "stale-payments",
            vec![
                ("pending, Stripe has the money", differing("payment_not_known_here", of(pending()))),
                ("pending, its session has expired", differing("session_expired_unnoticed", of(pending()))),
                ("pending, past its time", late()),
                ("pending, past its time, Stripe does not answer", silent(late())),
                ("pending, in time", of(pending())),
                (
                    "cancelled, pieces still set aside",
                    held(ReservationStatus::Reserved, of(cancelled(CancelReason::Operator))),
                ),
                ("cancelled", held(ReservationStatus::Released, of(cancelled(CancelReason::Operator)))),
                ("confirmed", of(confirmed())),
                ("leads to no order", nothing("MUG")),
            ],
        ),
        (
            "review-hold",
            vec![
                ("another amount came", of(flagged(paid(WaitsFor::Review), ReviewKind::AmountMismatch))),
                ("paid twice", of(flagged(confirmed(), ReviewKind::PaidTwice))),
                ("the card's issuer warns", of(flagged(confirmed(), ReviewKind::EarlyFraudWarning))),
                ("Radar set it aside", of(flagged(confirmed(), ReviewKind::RadarReview))),
                ("an operator flagged it", of(flagged(confirmed(), ReviewKind::Operator))),
                (
                    "an operator flagged it, and another amount came",
                    of(flagged(
                        flagged(paid(WaitsFor::Review), ReviewKind::Operator),
                        ReviewKind::AmountMismatch,
                    )),
                ),
                ("its flag is cleared, it still waits", of(paid(WaitsFor::Review))),
                ("flagged, refunded since", of(flagged(refunded(), ReviewKind::AmountMismatch))),
                ("confirmed", of(confirmed())),
                ("leads to no order", nothing("MUG")),
            ],
        ),
        (
            "download-blocked-423",
            vec![
                ("the money does not fit", of(flagged(confirmed(), ReviewKind::AmountMismatch))),
                ("the card's issuer warns", of(flagged(confirmed(), ReviewKind::EarlyFraudWarning))),
                ("an operator flagged it", of(flagged(confirmed(), ReviewKind::Operator))),
                ("flagged, and delivery is off", stopped(of(flagged(confirmed(), ReviewKind::Operator)))),
                ("delivery is off", stopped(held_by(confirmed()))),
                ("it gives access", held_by(confirmed())),
                ("it gives none", of(refunded())),
                ("leads to no order", nothing("MUG")),
            ],
        ),
        (
            "download-link-expired",
            vec![
                ("delivery is off", stopped(held_by(confirmed()))),
                ("under review", of(flagged(confirmed(), ReviewKind::Operator))),
                ("the order gives no access", of(refunded())),
                ("the file is not there", lacking("file_missing", held_by(confirmed()))),
                ("a film is not there", lacking("film_missing", held_by(confirmed()))),
                ("all is there", held_by(confirmed())),
            ],
        ),
        (
            "content-check",
            vec![
                ("shows nothing", lacking("hollow", nothing("course"))),
                ("a file is missing", lacking("file_missing", nothing("course"))),
                ("a film is missing", lacking("film_missing", nothing("course"))),
                ("out of order", lacking("out_of_order", nothing("course"))),
                ("no price at Stripe", lacking("without_stripe_price", nothing("course"))),
                ("the disk is silent", lacking("not_asked", nothing("course"))),
                ("all is there", Facts { content: Some(Vec::new()), ..nothing("course") }),
            ],
        ),
        (
            "downloads-kill-switch",
            vec![
                ("downloads are off", thrown(Switch::Downloads, false)),
                ("checkout is off", thrown(Switch::Checkout, false)),
                ("refunds are off", thrown(Switch::Refunds, false)),
                ("downloads are on", thrown(Switch::Downloads, true)),
                ("asked about something else", of(confirmed())),
            ],
        ),
        (
            "payment-intent-backfill",
            vec![
                ("its timeline knows", Facts { told_intent: Some("pi_1".into()), ..of(unknown()) }),
                ("nobody knows", of(unknown())),
                ("it knows", of(confirmed())),
                ("pending, no payment", of(Order { payment_intent: None, ..pending() })),
                ("leads to no order", nothing("MUG")),
            ],
        ),
        (
            "media-upload-401",
            vec![
                ("the token ended a moment ago", token(Some(NOW), None)),
                ("the token ends tomorrow", token(Some(NOW + Duration::from_secs(86_400)), None)),
                ("the token never ends", token(None, None)),
                ("the token ended and was taken back", token(Some(NOW), Some(NOW))),
                ("no such token", nothing("tok_8")),
            ],
        ),
        (
            "media-upload-signature",
            vec![
                ("the secret is wrong", picture(AssetStatus::Refused, Some("wrong_secret"), false)),
                ("the secret holds blanks", picture(AssetStatus::Refused, Some("stray_whitespace"), false)),
                ("parameters were changed", picture(AssetStatus::Refused, Some("other_parameters"), false)),
                ("the key is unknown", picture(AssetStatus::Refused, Some("wrong_account"), false)),
                ("the clock is off", picture(AssetStatus::Refused, Some("clock"), false)),
                ("the bucket says no", picture(AssetStatus::Refused, Some("refused"), false)),
                ("the answer was lost", picture(AssetStatus::Pending, Some("unavailable"), false)),
                (
                    "refused, and one was taken since",
                    picture(AssetStatus::Refused, Some("wrong_secret"), true),
                ),
                ("it is there", picture(AssetStatus::Stored, None, false)),
                ("it was taken away again", picture(AssetStatus::Removed, None, false)),
                ("it was given up", picture(AssetStatus::Dropped, Some("unavailable"), false)),
                ("nothing was refused", nothing("all")),
            ],
        ),
        (
            "secret-rotation",
            vec![
                ("the file is gone", secret("/run/hook", true, Some("no such file"), None)),
                ("gone, and signatures match nothing", secret("/run/hook", true, Some("gone"), Some("3"))),
                ("signatures match nothing", secret("/run/hook", true, None, Some("3 matched nothing"))),
                (
                    "the same, in the environment",
                    secret("environment", false, None, Some("3 matched nothing")),
                ),
                ("nothing is wrong", secret("/run/hook", true, None, None)),
            ],
        ),
        (
            "checkout-failures",
            vec![
                ("the job gave up", job("failed")),
                ("the job is queued", job("queued")),
                ("Stripe refused to open a page", of(cancelled(CancelReason::CheckoutFailed))),
                ("the job is done and gone", nothing("job_1")),
            ],
        ),
        (
            "db-pool-exhausted",
            vec![
                ("no answer", diagnosed(&["database.reachable"])),
                ("a transaction is held open", diagnosed(&["database.transactions?"])),
                ("no connection is left", diagnosed(&["database.connections"])),
                ("more wait than there are", diagnosed(&["database.pool"])),
                ("nothing waits", diagnosed(&[])),
            ],
        ),
        (
            "bootstrap-db-uri",
            vec![
                ("another scheme", diagnosed(&["config.database", "config.forms"])),
                ("only another setting", diagnosed(&["config.forms"])),
                ("no answer", diagnosed(&["database.reachable"])),
                ("an old schema", diagnosed(&["database.migrated"])),
                ("MONGO_URI is set", diagnosed(&["config.other_database?"])),
                ("it serves", diagnosed(&[])),
            ],
        ),
        (
            "prelaunch",
            vec![
                ("a setting is missing", diagnosed(&["config.complete"])),
                ("no database", diagnosed(&["database.reachable"])),
                ("no worker", diagnosed(&["queue.workers"])),
                ("live money in the clear", diagnosed(&["security.https"])),
                ("a key of another mode", diagnosed(&["stripe.key"])),
                ("no account", diagnosed(&["stripe.account"])),
                ("no endpoint", diagnosed(&["webhook.endpoint"])),
                ("no bucket", diagnosed(&["storage.disk"])),
                ("no films", diagnosed(&["stream.films?"])),
                ("no price", diagnosed(&["content.prices"])),
                ("ready", diagnosed(&[])),
            ],
        ),
        (
            "security-checks",
            vec![
                ("a file is gone", diagnosed(&["secrets.readable", "secrets.files"])),
                ("everybody reads it", diagnosed(&["secrets.files"])),
                ("a short token", diagnosed(&["secrets.admin_token?"])),
                ("live money in the clear", diagnosed(&["security.https"])),
                ("a secret key in the browser", diagnosed(&["stripe.key"])),
                ("the endpoint answers to GET", diagnosed(&["webhook.reachable"])),
                ("anybody is a proxy", diagnosed(&["security.proxies?"])),
                ("a role that may do everything", diagnosed(&["database.role?"])),
                ("an index is gone", diagnosed(&["database.indexes?"])),
                ("a setting is no number", diagnosed(&["config.forms"])),
                ("nothing found", diagnosed(&[])),
            ],
        ),
    ];
    all.into_iter()
        .flat_map(|(id, rows)| rows.into_iter().map(move |(what, facts)| (what, id, facts)))
        .collect()
}
