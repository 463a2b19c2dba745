//! Why somebody has no access, as a table: what was found × what it amounts to.
//!
//! The table is `cases.txt` beside this file. A changed rule is a changed line there, which a reviewer sees. To take over
//! what the code says now: `ACCEPT=1 cargo test -p shop --test cases`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use kernel::{Currency, Duration, Money, Timestamp};
use shop::cases::{Account, AtStripe, Evidence, Held, Place, Purchase, Situation, WaitingEvent, judge, next};
use shop::catalog::ProductKind;
use shop::checkout::{Checkout, CheckoutState};
use shop::entitlements::{Grant, OrderGrant};
use shop::ids::{EntitlementId, OrderId, ProfileId};
use shop::inbox::EventStatus;
use shop::orders::{
    Amounts, CancelReason, Dispute, KnownFact, Line, Order, Payment, PaymentStatus, Review, ReviewKind,
    State, WaitsFor,
};
use shop::refunds::{Refund, RefundStatus};
use stripe::{Asked, DisputeFact, DisputeState, DisputeStatus, Fact, RefundFact, Seen, Source};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const COURSE: &str = "rust-course";
const MUG: &str = "mug";

#[test]
fn the_table_is_the_one_that_was_agreed_upon() {
    let table = table();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, &table).expect("the table can be written");
        return;
    }
    let agreed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(table, agreed, "the rules have changed; ACCEPT=1 if this is meant");
}

#[test]
fn every_place_of_the_closed_list_is_reached() {
    let reached: BTreeSet<Place> = situations().iter().map(|(_, found)| judge(found, NOW).0.place).collect();
    assert_eq!(reached, BTreeSet::from(Place::ALL));
}

#[test]
fn the_verdict_does_not_depend_on_the_order_in_which_things_were_found() {
    for (name, found) in situations() {
        let expected = judge(&found, NOW).0;
        let mut turned = found.clone();
        for _ in 0..found.purchases.len() {
            turned.purchases.rotate_left(1);
            turned.held.reverse();
            let verdict = judge(&turned, NOW).0;
            assert_eq!((verdict.place, verdict.says), (expected.place, expected.says.clone()), "{name}");
        }
    }
}

#[test]
fn what_is_broken_says_what_mends_it_wherever_something_does() {
    for (name, found) in situations() {
        let verdict = judge(&found, NOW).0;
        let mends = match verdict.place {
            Place::HasAccess
            | Place::NotPaid
            | Place::WaitsForRefund
            | Place::Refunded
            | Place::NoSuchPurchase => false,
            Place::EventNotReceived
            | Place::EventFailed
            | Place::UnderReview
            | Place::WaitsForStock
            | Place::Disputed
            | Place::AccessRemoved
            | Place::NotClaimed
            | Place::WrongAccount => true,
        };
        assert_eq!(verdict.mend.is_some(), mends, "{name}: {verdict:?}");
    }
}

fn table() -> String {
    let mut text = String::from(
        "# What was found, the one place that is broken, what is said of it, and what mends it.\n\
         # Printed by shop/tests/cases.rs from shop/src/cases/verdict.rs. Asked about ada@example.com, whose account is ADA.\n",
    );
    for (name, found) in situations() {
        let (verdict, goods) = judge(&found, NOW);
        writeln!(text, "\n{name}\n  {}\n  {}", verdict.place.as_str(), named(&verdict.says))
            .expect("a text grows");
        if let Some(mend) = &verdict.mend {
            writeln!(text, "  mend: {}", named(&mend.command)).expect("a text grows");
        }
        for good in goods.iter().filter(|_| goods.len() > 1) {
            let product = good.product.as_deref().unwrap_or_default();
            writeln!(text, "    {product}: {}", good.place.as_str()).expect("a text grows");
        }
    }
    text.push_str("\n# What should happen next with an order, the most urgent first.\n");
    for (name, of) in orders_and_what_is_known() {
        let (checkout, facts) = (of.page.as_ref().map(checkout), known(&of));
        let situation = Situation {
            order: &of.order,
            checkout: checkout.as_ref(),
            facts: &facts,
            refund: of.refund.as_ref(),
            now: NOW,
        };
        writeln!(text, "\n{name}").expect("a text grows");
        for step in next(&situation) {
            writeln!(text, "  - {}", named(&step.to_string())).expect("a text grows");
        }
    }
    text
}

/// Ids by names that a reader can keep in mind.
fn named(text: &str) -> String {
    let mut text = text.replace(&ada().to_string(), "ADA").replace(&eve().to_string(), "EVE");
    for n in 1..=9 {
        text = text.replace(&order_id(n).to_string(), &format!("ORDER-{n}"));
    }
    text
}

// ---- who and what

fn ada() -> ProfileId {
    ProfileId::from_uuid(uuid::Uuid::from_u128(0xada))
}

fn eve() -> ProfileId {
    ProfileId::from_uuid(uuid::Uuid::from_u128(0xe7e))
}

fn order_id(n: u128) -> OrderId {
    OrderId::from_uuid(uuid::Uuid::from_u128(0x0199_0000 + n))
}

fn usd() -> Currency {
    "usd".parse().expect("a currency")
}

fn order(n: u128, state: State) -> Order {
    Order {
        id: order_id(n),
        profile: Some(ada()),
        email: Some("ada@example.com".into()),
        seller: None,
        state,
        payment_status: PaymentStatus::Unpaid,
        amounts: Amounts { currency: usd(), subtotal: 4900, discount: 0, tax: 0, shipping: 0 },
        paid_amount: None,
        refunded_amount: 0,
        refund_marked_at: None,
        dispute: None,
        payment_intent: None,
        session: Some("cs_1".into()),
        webhook_processed_at: None,
        shipped: None,
        lines: vec![line(COURSE, ProductKind::Course)],
        reviews: Vec::new(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn line(product: &str, kind: ProductKind) -> Line {
    let sku = match kind {
        ProductKind::Physical => Some("MUG".to_owned()),
        ProductKind::Course | ProductKind::Download => None,
    };
    let (product_id, name) = (product.to_owned(), product.to_owned());
    Line { product_id, kind, name, sku, quantity: 1, unit_amount: 4900 }
}

fn completed() -> State {
    State::Completed { confirmed_at: NOW, at: NOW }
}

fn cancelled() -> State {
    State::Cancelled { reason: CancelReason::SessionExpired, at: NOW }
}

fn purchase(order: Order) -> Purchase {
    Purchase {
        order,
        account_email: Some("ada@example.com".into()),
        payment: Payment::None,
        disputes: Vec::new(),
        grants: Vec::new(),
        waiting: Vec::new(),
        page: None,
        claim: None,
        mails: vec![],
        at_stripe: AtStripe::NotAsked,
    }
}

/// A purchase that has granted the course so, to whom it was sold or to somebody else.
fn granting(order: Order, status: &str, to: Option<ProfileId>) -> Purchase {
    let grants = vec![OrderGrant {
        entitlement: EntitlementId::from_uuid(uuid::Uuid::from_u128(7)),
        profile: to,
        product: COURSE.into(),
        grant: grant("order", Some(order.id), status),
        changed_at: NOW,
    }];
    Purchase { grants, ..purchase(order) }
}

/// The same, and an operator has given it to this account on behalf of the order.
fn granting_too(purchase: Purchase, to: ProfileId) -> Purchase {
    let given = OrderGrant {
        entitlement: EntitlementId::from_uuid(uuid::Uuid::from_u128(8)),
        profile: Some(to),
        product: COURSE.into(),
        grant: grant("operator", Some(purchase.order.id), "active"),
        changed_at: NOW,
    };
    let grants = purchase.grants.iter().cloned().chain([given]).collect();
    Purchase { grants, ..purchase }
}

fn grant(source: &str, order_id: Option<OrderId>, status: &str) -> Grant {
    let (actor, reason) = match source {
        "operator" => ("grace", "a gift"),
        _ => ("worker", "order confirmed"),
    };
    Grant {
        source: source.into(),
        order_id,
        status: status.into(),
        actor: actor.into(),
        reason: reason.into(),
        created_at: NOW,
    }
}

fn has(account: ProfileId, by: Option<OrderId>) -> Held {
    let source = if by.is_some() { "order" } else { "operator" };
    Held { account, product: COURSE.into(), active: true, grants: vec![grant(source, by, "active")] }
}

fn had(account: ProfileId) -> Held {
    Held { active: false, grants: vec![grant("operator", None, "revoked")], ..has(account, None) }
}

fn waits(status: EventStatus, attempts: i64, error: Option<&str>) -> Vec<WaitingEvent> {
    vec![WaitingEvent {
        id: "evt_1".into(),
        kind: "checkout.session.completed".into(),
        status,
        attempts,
        error: error.map(str::to_owned),
        received_at: NOW,
    }]
}

fn dispute(status: DisputeStatus) -> Vec<DisputeFact> {
    let due_by = Some(NOW + Duration::from_secs(7 * 86_400));
    let state = DisputeState { status, amount: 4900, due_by, reason: None };
    vec![DisputeFact {
        id: "dp_1".into(),
        charge: None,
        payment_intent: Some("pi_1".into()),
        currency: usd(),
        state: Seen::new(state, Source::Fetched(Asked { ticket: 1, at: NOW })),
    }]
}

fn flagged(order: Order, kind: ReviewKind) -> Order {
    let review =
        Review { kind, detail: "look at it".into(), opened_at: NOW, cleared_at: None, cleared_by: None };
    Order { reviews: vec![review], ..order }
}

fn refunding(order: Order) -> Order {
    Order { payment_status: PaymentStatus::RefundPending, ..order }
}

fn guest(order: Order) -> Order {
    Order { profile: None, ..order }
}

fn found(purchases: Vec<Purchase>, held: Vec<Held>) -> Evidence {
    Evidence {
        asked: "ada@example.com".into(),
        accounts: vec![Account { id: ada(), email: "ada@example.com".into() }],
        purchases,
        held,
        only: BTreeSet::new(),
        note: None,
    }
}

// ---- what may be found

fn situations() -> Vec<(&'static str, Evidence)> {
    let pending = || order(1, State::Pending);
    let done = || order(1, completed());
    let one = |purchase: Purchase| found(vec![purchase], vec![]);
    let mug = |state| Order { lines: vec![line(MUG, ProductKind::Physical)], ..order(1, state) };
    let open = |order: Order| Order { dispute: Some(Dispute::Open), ..order };
    let paid = |waits_for| order(1, State::Paid { waits_for });
    let until = NOW + Duration::from_secs(600);
    vec![
        // nothing
        ("an account, and nothing else", found(vec![], vec![])),
        ("a payment that Stripe has and that names no order", {
            Evidence {
                asked: "pi_1".into(),
                accounts: vec![],
                note: Some("Stripe has it, and it names no order".into()),
                ..found(vec![], vec![])
            }
        }),
        ("another product than the one asked about", {
            Evidence {
                only: BTreeSet::from(["free-course".into()]),
                ..found(vec![granting(done(), "active", Some(ada()))], vec![has(ada(), Some(order_id(1)))])
            }
        }),
        // not paid
        ("pending, nobody has paid", one(purchase(pending()))),
        (
            "pending, the page is open",
            one(Purchase {
                page: Some(("https://pay.example/1".into(), until)),
                at_stripe: AtStripe::NotPaid,
                ..purchase(pending())
            }),
        ),
        (
            "pending, a bank debit is on its way",
            one(Purchase { payment: Payment::Processing, ..purchase(pending()) }),
        ),
        ("pending, the card was declined", one(Purchase { payment: Payment::Failed, ..purchase(pending()) })),
        (
            "pending, and Stripe does not answer",
            one(Purchase {
                at_stripe: AtStripe::CouldNotBeAsked("connection refused".into()),
                ..purchase(pending())
            }),
        ),
        (
            "pending, and Stripe does not know the session",
            one(Purchase { at_stripe: AtStripe::NoSuchSession, ..purchase(pending()) }),
        ),
        (
            "cancelled, the session expired",
            one(Purchase { payment: Payment::Expired, ..purchase(order(1, cancelled())) }),
        ),
        (
            "cancelled, the bank debit failed",
            one(Purchase { payment: Payment::FailedForGood, ..purchase(order(1, cancelled())) }),
        ),
        // the event
        (
            "pending, and Stripe has the money",
            one(Purchase { at_stripe: AtStripe::Paid(Some(Money::new(4900, usd()))), ..purchase(pending()) }),
        ),
        (
            "cancelled, and Stripe has the money",
            one(Purchase { at_stripe: AtStripe::Paid(None), ..purchase(order(1, cancelled())) }),
        ),
        ("paid, the session was never seen", one(purchase(paid(WaitsFor::Breakdown)))),
        (
            "pending, its event has just come",
            one(Purchase { waiting: waits(EventStatus::Received, 0, None), ..purchase(pending()) }),
        ),
        (
            "pending, its event is tried again",
            one(Purchase { waiting: waits(EventStatus::Retry, 3, Some("busy")), ..purchase(pending()) }),
        ),
        ("pending, its event cannot be read, and Stripe has the money", {
            let waiting = waits(EventStatus::Error, 1, Some("data.object.amount is missing"));
            one(Purchase { waiting, at_stripe: AtStripe::Paid(None), ..purchase(pending()) })
        }),
        // held back
        (
            "paid, the sum is wrong",
            one(purchase(flagged(paid(WaitsFor::Review), ReviewKind::AmountMismatch))),
        ),
        ("paid, the review is cleared and nobody settled it", one(purchase(paid(WaitsFor::Review)))),
        ("paid, a mug of the same order ran out", {
            let lines = vec![line(COURSE, ProductKind::Course), line(MUG, ProductKind::Physical)];
            one(purchase(Order { lines, ..paid(WaitsFor::Stock) }))
        }),
        ("granted, and then an issuer warned of fraud", {
            let order = flagged(done(), ReviewKind::EarlyFraudWarning);
            found(vec![granting(order, "active", Some(ada()))], vec![has(ada(), Some(order_id(1)))])
        }),
        // back
        ("a mug that is to be shipped, and a refund is under way", {
            one(purchase(refunding(mug(State::Confirmed { at: NOW }))))
        }),
        ("paid, waits for stock, and a refund is under way", {
            one(purchase(refunding(mug(State::Paid { waits_for: WaitsFor::Stock }))))
        }),
        ("granted, and a refund is under way", {
            let purchase = granting(refunding(done()), "active", Some(ada()));
            found(vec![purchase], vec![has(ada(), Some(order_id(1)))])
        }),
        ("a mug that was shipped, and a refund is under way", {
            one(purchase(refunding(Order { shipped: Some((NOW, None)), ..mug(completed()) })))
        }),
        ("refunded", one(granting(order(1, State::Refunded { at: NOW }), "returned", Some(ada())))),
        (
            "a dispute is open",
            one(Purchase {
                disputes: dispute(DisputeStatus::NeedsResponse),
                ..granting(open(done()), "suspended", Some(ada()))
            }),
        ),
        (
            "the bank looks at the answer",
            one(Purchase {
                disputes: dispute(DisputeStatus::UnderReview),
                ..granting(open(done()), "suspended", Some(ada()))
            }),
        ),
        ("a dispute was lost", {
            let order = Order {
                payment_status: PaymentStatus::Disputed,
                dispute: Some(Dispute::Lost),
                ..order(1, State::Refunded { at: NOW })
            };
            one(Purchase {
                disputes: dispute(DisputeStatus::Lost),
                ..granting(order, "returned", Some(ada()))
            })
        }),
        // removed
        ("an operator took it away", one(granting(done(), "revoked", Some(ada())))),
        ("an operator had given it, and took it away", found(vec![], vec![had(ada())])),
        ("fulfilled, and never granted", one(purchase(done()))),
        ("fulfilled, and returned all the same", one(granting(done(), "returned", Some(ada())))),
        (
            "granted to the right one, and the entitlement says no",
            one(granting(done(), "active", Some(ada()))),
        ),
        // somebody else
        ("bought as a guest", one(granting(guest(done()), "active", None))),
        (
            "bought as a guest, given to somebody else by hand",
            one(granting_too(granting(guest(done()), "active", None), eve())),
        ),
        (
            "bought as a guest without an account, given to somebody by hand",
            Evidence {
                accounts: vec![],
                ..one(granting_too(granting(guest(done()), "active", None), eve()))
            },
        ),
        (
            "bought as a guest, and there is no account",
            Evidence { accounts: vec![], ..one(granting(guest(done()), "active", None)) },
        ),
        ("bought by another account", {
            let order = Order { profile: Some(eve()), ..done() };
            one(Purchase {
                account_email: Some("eve@example.com".into()),
                ..granting(order, "active", Some(eve()))
            })
        }),
        ("two accounts with one email, one of them has it", {
            let accounts = [ada(), eve()].map(|id| Account { id, email: "ada@example.com".into() });
            let order = Order { profile: Some(eve()), ..done() };
            Evidence {
                accounts: accounts.into(),
                ..found(vec![granting(order, "active", Some(eve()))], vec![has(eve(), Some(order_id(1)))])
            }
        }),
        // fine
        (
            "bought and granted",
            found(vec![granting(done(), "active", Some(ada()))], vec![has(ada(), Some(order_id(1)))]),
        ),
        ("given by hand", found(vec![], vec![has(ada(), None)])),
        ("a mug that is to be shipped", one(purchase(mug(State::Confirmed { at: NOW })))),
        ("a mug that was shipped", one(purchase(Order { shipped: Some((NOW, None)), ..mug(completed()) }))),
        // several
        ("a basket left behind, then bought", {
            let left = purchase(order(1, cancelled()));
            found(
                vec![granting(order(2, completed()), "active", Some(ada())), left],
                vec![has(ada(), Some(order_id(2)))],
            )
        }),
        ("refunded once, bought again", {
            let first = granting(order(1, State::Refunded { at: NOW }), "returned", Some(ada()));
            found(
                vec![granting(order(2, completed()), "active", Some(ada())), first],
                vec![has(ada(), Some(order_id(2)))],
            )
        }),
        ("refunded, then a basket left behind", {
            let first = granting(order(1, State::Refunded { at: NOW }), "returned", Some(ada()));
            found(vec![purchase(order(2, cancelled())), first], vec![])
        }),
        ("a course that is there, and a newer one whose event failed", {
            let newer =
                Order { lines: vec![line("free-course", ProductKind::Course)], ..order(2, State::Pending) };
            let newer = Purchase { waiting: waits(EventStatus::Error, 12, Some("boom")), ..purchase(newer) };
            found(vec![newer, granting(done(), "active", Some(ada()))], vec![has(ada(), Some(order_id(1)))])
        }),
        ("a course that is there, and another basket left behind", {
            let left =
                Order { lines: vec![line("free-course", ProductKind::Course)], ..order(2, cancelled()) };
            found(
                vec![purchase(left), granting(done(), "active", Some(ada()))],
                vec![has(ada(), Some(order_id(1)))],
            )
        }),
        ("a course and a mug of one order", {
            let lines = vec![line(COURSE, ProductKind::Course), line(MUG, ProductKind::Physical)];
            let order = Order { lines, ..order(1, State::Confirmed { at: NOW }) };
            found(vec![granting(order, "active", Some(ada()))], vec![has(ada(), Some(order_id(1)))])
        }),
    ]
}

// ---- what should happen next

/// An order, and all that its next step depends on.
struct Stands {
    order: Order,
    page: Option<Timestamp>,
    facts: Vec<Fact>,
    refund: Option<Refund>,
}

fn stands(order: Order) -> Stands {
    Stands { order, page: None, facts: Vec::new(), refund: None }
}

fn known(of: &Stands) -> Vec<KnownFact> {
    let known = |fact: &Fact| KnownFact { order: of.order.id, fact: fact.clone(), updated_at: NOW };
    of.facts.iter().map(known).collect()
}

fn checkout(expires_at: &Timestamp) -> Checkout {
    Checkout {
        order: order_id(1),
        state: CheckoutState::Open,
        idempotency_key: "key".into(),
        request: serde_json::json!({}),
        session: Some("cs_1".into()),
        url: Some("https://pay.example/1".into()),
        expires_at: *expires_at,
    }
}

fn asked_for(status: RefundStatus) -> Option<Refund> {
    Some(Refund {
        id: "rfd_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().expect("an id"),
        order: order_id(1),
        status,
        generation: 1,
        sent_count: 1,
        sent_at: Some(NOW),
        payment_intent: "pi_1".into(),
        stripe_refund: None,
        amount: Money::new(4900, usd()),
        reason: "sorry".into(),
        actor: "grace".into(),
        last_error: (status == RefundStatus::Failed).then(|| "the charge is too old".into()),
        created_at: NOW,
        updated_at: NOW,
    })
}

fn orders_and_what_is_known() -> Vec<(&'static str, Stands)> {
    let confirmed =
        || Order { lines: vec![line(MUG, ProductKind::Physical)], ..order(1, State::Confirmed { at: NOW }) };
    let refunded = || order(1, State::Refunded { at: NOW });
    let paid = |waits_for| stands(order(1, State::Paid { waits_for }));
    let disputed = |status, order: Order| {
        let facts = dispute(status).into_iter().map(Fact::Dispute).collect();
        Stands { facts, ..stands(Order { dispute: Some(Dispute::Open), ..order }) }
    };
    let told = Fact::Refund(RefundFact {
        id: "re_1".into(),
        charge: None,
        payment_intent: Some("pi_1".into()),
        amount: 500,
        currency: usd(),
        ours: None,
        status: Seen::new(stripe::RefundStatus::Pending, Source::Told(NOW)),
    });
    let later = NOW + Duration::from_secs(600);
    vec![
        ("pending, the page is open", Stands { page: Some(later), ..stands(order(1, State::Pending)) }),
        ("pending, the page has expired", Stands { page: Some(NOW), ..stands(order(1, State::Pending)) }),
        ("pending, and no page", stands(order(1, State::Pending))),
        (
            "paid, under review",
            stands(flagged(
                order(1, State::Paid { waits_for: WaitsFor::Review }),
                ReviewKind::AmountMismatch,
            )),
        ),
        ("paid, its review is cleared", paid(WaitsFor::Review)),
        ("paid, waits for stock", paid(WaitsFor::Stock)),
        ("paid, waits for the session", paid(WaitsFor::Breakdown)),
        ("confirmed", stands(confirmed())),
        ("confirmed, flagged", stands(flagged(confirmed(), ReviewKind::RadarReview))),
        ("confirmed, a refund is asked for", {
            let order = Order { payment_status: PaymentStatus::RefundPending, ..confirmed() };
            Stands { refund: asked_for(RefundStatus::Requested), ..stands(order) }
        }),
        ("completed", stands(order(1, completed()))),
        (
            "completed, the answer to a refund was lost",
            Stands { refund: asked_for(RefundStatus::Unknown), ..stands(order(1, completed())) },
        ),
        (
            "completed, a refund is at the bank",
            Stands { refund: asked_for(RefundStatus::Pending), ..stands(order(1, completed())) },
        ),
        (
            "completed, a refund failed",
            Stands { refund: asked_for(RefundStatus::Failed), ..stands(order(1, completed())) },
        ),
        ("completed, a refund failed, and a bank asks", {
            let failed = Stands {
                refund: asked_for(RefundStatus::Failed),
                ..disputed(DisputeStatus::NeedsResponse, order(1, completed()))
            };
            Stands { order: Order { refunded_amount: 500, ..failed.order }, ..failed }
        }),
        ("completed, a part went back", stands(Order { refunded_amount: 500, ..order(1, completed()) })),
        (
            "completed, an event told of a refund",
            Stands { facts: vec![told], ..stands(order(1, completed())) },
        ),
        ("completed, a bank inquires", {
            Stands {
                order: order(1, completed()),
                ..disputed(DisputeStatus::WarningNeedsResponse, order(1, completed()))
            }
        }),
        ("confirmed, a dispute is open", disputed(DisputeStatus::NeedsResponse, confirmed())),
        (
            "completed, the bank looks at the answer",
            disputed(DisputeStatus::UnderReview, order(1, completed())),
        ),
        (
            "completed, a dispute was won",
            Stands { order: order(1, completed()), ..disputed(DisputeStatus::Won, order(1, completed())) },
        ),
        ("refunded", stands(refunded())),
        ("refunded, once flagged", stands(flagged(refunded(), ReviewKind::EarlyFraudWarning))),
        (
            "refunded, a dispute was lost and may be appealed",
            disputed(DisputeStatus::AppealNeedsResponse, refunded()),
        ),
        ("cancelled", stands(order(1, cancelled()))),
    ]
}
