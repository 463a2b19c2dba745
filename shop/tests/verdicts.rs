//! The state machine of an order as a table: where it stands × what is known of its payment → what should be true now.
//!
//! The table is `verdicts.txt` beside this file. A changed rule is a changed line there, which a reviewer sees. To take
//! over what the code says now: `ACCEPT=1 cargo test -p shop --test verdicts`.

use std::fmt::Write;
use std::path::PathBuf;

use kernel::{Currency, Timestamp};
use shop::catalog::ProductKind;
use shop::orders::{
    Amounts, CancelReason, Line, Order, PaymentFacts, PaymentStatus, Returned, Review, ReviewKind, State,
    Verdict, WaitsFor, decide,
};
use stripe::{
    Asked, ChargeFact, DisputeFact, DisputeState, DisputeStatus, Fact, Failure, IntentFact, RefundFact,
    RefundStatus, Seen, SessionFact, SessionPayment, SessionStatus, Source,
};

const AT: Timestamp = Timestamp::from_seconds(1_790_000_000);
const ASKED: Asked = Asked { ticket: 1, at: AT };
const PRICE: i64 = 1500;

#[test]
fn the_table_is_the_one_that_was_agreed_upon() {
    let table = table();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, &table).expect("the table can be written");
        return;
    }
    let agreed = std::fs::read_to_string(&file).expect("the table is there");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (agreed, now) = (lines(&agreed), lines(&table));
    let gone: Vec<_> = agreed.iter().filter(|line| !now.contains(line)).collect();
    let new: Vec<_> = now.iter().filter(|line| !agreed.contains(line)).collect();
    assert!(agreed == now, "the rules have changed; ACCEPT=1 if this is meant\nwas: {gone:#?}\nis: {new:#?}");
}

#[test]
fn the_verdict_does_not_depend_on_the_order_in_which_facts_came() {
    for (_, order) in orders() {
        for (name, facts) in everything_known() {
            let expected = decide(&order, &PaymentFacts::new(facts.clone()));
            let mut turned = facts.clone();
            for _ in 0..facts.len() {
                turned.rotate_left(1);
                assert_eq!(decide(&order, &PaymentFacts::new(turned.clone())), expected, "{name}");
                let back = turned.iter().rev().cloned();
                assert_eq!(decide(&order, &PaymentFacts::new(back)), expected, "{name}, backwards");
            }
        }
    }
}

#[test]
fn money_that_is_there_never_cancels_an_order() {
    for (state, order) in orders() {
        for (name, facts) in everything_known() {
            let with_money = facts.into_iter().chain([paid_session("cs_2", PRICE)]);
            let verdict = decide(&order, &PaymentFacts::new(with_money));
            assert!(
                !matches!(verdict, Verdict::Cancel(_) | Verdict::Note(_)),
                "{state}, {name}: {verdict:?}"
            );
        }
    }
}

fn table() -> String {
    let mut text = String::from(
        "# Where an order stands, what is known of its payment, and what should be true now.\n\
         # Printed by shop/tests/verdicts.rs from shop/src/orders/verdict.rs. The order costs 15.00 usd.\n\
         # What stands not under a state changes nothing there.\n\n\
         what may be known\n",
    );
    for (name, _) in everything_known() {
        writeln!(text, "  {name}").expect("a text grows");
    }
    for (state, order) in orders() {
        write!(text, "\n{state}\n").expect("a text grows");
        for (name, facts) in everything_known() {
            match decide(&order, &PaymentFacts::new(facts)) {
                Verdict::Already => {}
                verdict => writeln!(text, "  {name:<58} {}", say(verdict)).expect("a text grows"),
            }
        }
    }
    text
}

fn say(verdict: Verdict) -> String {
    match verdict {
        Verdict::Already => "nothing".into(),
        Verdict::Note(status) => format!("note that the payment is {}", status.as_str()),
        Verdict::HandOver => "hand over".into(),
        Verdict::Hold(waits_for) => format!("hold, waits for {}", waits_for.as_str()),
        Verdict::Suspect(why) => format!("hold for review: {why}"),
        Verdict::Cancel(reason) => format!("cancel: {}", reason.as_str()),
        Verdict::TakeBack(Returned::Refunded) => "take back: refunded".into(),
        Verdict::TakeBack(Returned::DisputeLost) => "take back: the dispute was lost".into(),
    }
}

// ---- where an order may stand

fn orders() -> Vec<(&'static str, Order)> {
    let paid = |waits_for| State::Paid { waits_for };
    let cancelled = || State::Cancelled { reason: CancelReason::SessionExpired, at: AT };
    let open = |kind| review(kind, None);
    let cleared = |kind| review(kind, Some(AT));
    vec![
        ("pending", order(State::Pending)),
        ("pending, known to be processing", with_status(State::Pending, PaymentStatus::Processing)),
        ("pending, flagged by an operator", flagged(State::Pending, open(ReviewKind::Operator))),
        (
            "paid, waits for review of the amount",
            flagged(paid(WaitsFor::Review), open(ReviewKind::AmountMismatch)),
        ),
        ("paid, the review of the amount was cleared", {
            flagged(paid(WaitsFor::Review), cleared(ReviewKind::AmountMismatch))
        }),
        ("paid, waits for review by an operator's flag", {
            flagged(paid(WaitsFor::Review), open(ReviewKind::Operator))
        }),
        ("paid, waits for stock", order(paid(WaitsFor::Stock))),
        ("paid, waits for the session to explain the amount", order(paid(WaitsFor::Breakdown))),
        ("confirmed", order(State::Confirmed { at: AT })),
        ("completed", order(State::Completed { confirmed_at: AT, at: AT })),
        ("cancelled", order(cancelled())),
        ("cancelled, flagged by an operator", flagged(cancelled(), open(ReviewKind::Operator))),
        ("refunded", order(State::Refunded { at: AT })),
        ("completed, flagged by an early fraud warning", {
            let completed = State::Completed { confirmed_at: AT, at: AT };
            flagged(completed, open(ReviewKind::EarlyFraudWarning))
        }),
        ("pending, flagged by Radar", flagged(State::Pending, open(ReviewKind::RadarReview))),
        ("completed, marked by an operator as refunded long ago", {
            let completed = State::Completed { confirmed_at: AT, at: AT };
            Order { refund_marked_at: Some(AT), ..order(completed) }
        }),
        ("refunded, as an operator had marked it", {
            Order { refund_marked_at: Some(AT), ..order(State::Refunded { at: AT }) }
        }),
    ]
}

fn order(state: State) -> Order {
    let usd = currency("usd");
    Order {
        id: "ord_01994d0aa00070008000000000000001".parse().expect("an id"),
        profile: None,
        email: Some("buyer@example.com".into()),
        seller: None,
        state,
        payment_status: PaymentStatus::Unpaid,
        amounts: Amounts { currency: usd, subtotal: PRICE, discount: 0, tax: 0, shipping: 0 },
        paid_amount: None,
        refunded_amount: 0,
        refund_marked_at: None,
        dispute: None,
        payment_intent: None,
        session: Some("cs_1".into()),
        webhook_processed_at: None,
        shipped: None,
        lines: vec![Line {
            product_id: "mug".into(),
            kind: ProductKind::Physical,
            name: "A mug".into(),
            sku: Some("MUG".into()),
            quantity: 1,
            unit_amount: PRICE,
        }],
        reviews: Vec::new(),
        created_at: AT,
        updated_at: AT,
    }
}

fn with_status(state: State, payment_status: PaymentStatus) -> Order {
    Order { payment_status, ..order(state) }
}

fn flagged(state: State, review: Review) -> Order {
    Order { reviews: vec![review], ..order(state) }
}

fn review(kind: ReviewKind, cleared_at: Option<Timestamp>) -> Review {
    let cleared_by = cleared_at.map(|_| "ada".to_owned());
    Review { kind, detail: "seen before".into(), opened_at: AT, cleared_at, cleared_by }
}

// ---- what may be known of its payment

fn refunded_charge(id: &str, intent: &str, refunded: i64) -> Fact {
    let Fact::Charge(charge) = charge(true) else { unreachable!("a charge") };
    let refunded = Seen::new(refunded, Source::Fetched(ASKED));
    Fact::Charge(ChargeFact { id: id.into(), payment_intent: Some(intent.into()), refunded, ..charge })
}

fn refund(status: Seen<RefundStatus>, amount: i64) -> Fact {
    Fact::Refund(RefundFact {
        id: "re_1".into(),
        charge: Some("ch_1".into()),
        payment_intent: Some("pi_1".into()),
        amount,
        currency: currency("usd"),
        ours: None,
        status,
    })
}

fn dispute(status: DisputeStatus) -> Fact {
    let state = DisputeState { status, amount: PRICE, due_by: None, reason: None };
    Fact::Dispute(DisputeFact {
        id: "dp_1".into(),
        charge: Some("ch_1".into()),
        payment_intent: Some("pi_1".into()),
        currency: currency("usd"),
        state: Seen::new(state, Source::Fetched(ASKED)),
    })
}

fn everything_known() -> Vec<(&'static str, Vec<Fact>)> {
    vec![
        ("nothing", vec![]),
        ("the session is open", vec![session("cs_1", SessionStatus::Open)]),
        ("the buyer is through, the money is on its way", vec![session("cs_1", SessionStatus::Complete)]),
        ("an attempt failed", vec![failed_intent()]),
        ("an attempt failed, then the session expired", {
            vec![failed_intent(), session("cs_1", SessionStatus::Expired)]
        }),
        ("the bank debit failed", vec![failed_debit()]),
        ("the intent was cancelled", vec![canceled_intent()]),
        ("the session expired", vec![session("cs_1", SessionStatus::Expired)]),
        ("the session is paid", vec![paid_session("cs_1", PRICE)]),
        ("the intent is paid", vec![paid_intent("pi_1", PRICE)]),
        ("the charge is paid", vec![charge(true)]),
        ("the charge is only authorised", vec![charge(false)]),
        ("session, intent and charge are paid", {
            vec![paid_session("cs_1", PRICE), paid_intent("pi_1", PRICE), charge(true)]
        }),
        ("nothing was to pay", vec![free_session()]),
        ("nothing is to pay, the session is open", vec![free_session_that_is(SessionStatus::Open)]),
        ("nothing was to pay, the session expired", vec![free_session_that_is(SessionStatus::Expired)]),
        ("an attempt failed, the next one paid", {
            vec![failed_intent(), paid_intent("pi_1", PRICE), paid_session("cs_1", PRICE)]
        }),
        ("one session expired, another is paid", {
            vec![session("cs_0", SessionStatus::Expired), paid_session("cs_1", PRICE)]
        }),
        ("paid twice, one sum is right", {
            vec![paid_session("cs_1", PRICE), paid_intent("pi_1", PRICE), paid_intent("pi_2", 1)]
        }),
        ("the session is paid, 5.00 too little", vec![paid_session("cs_1", PRICE - 500)]),
        ("the session is paid, tax and shipping explain it", vec![taxed_session()]),
        ("the session is paid, with a discount nobody gave", vec![discounted_session()]),
        ("the session is paid in another currency", vec![foreign_session()]),
        ("the intent is paid, 5.00 too much, no session seen", vec![paid_intent("pi_1", PRICE + 500)]),
        ("the intent is paid, 5.00 too much, the session is open", {
            vec![paid_intent("pi_1", PRICE + 500), session("cs_1", SessionStatus::Open)]
        }),
        ("the intent is paid, 5.00 too much, the session expired", {
            vec![paid_intent("pi_1", PRICE + 500), session("cs_1", SessionStatus::Expired)]
        }),
        ("the intent is paid in another currency, no session seen", vec![foreign_intent()]),
        ("paid, 5.00 were refunded", vec![refunded_charge("ch_1", "pi_1", 500)]),
        ("paid, all of it was refunded", vec![refunded_charge("ch_1", "pi_1", PRICE)]),
        ("paid, a refund of all of it was told by an event", {
            vec![charge(true), refund(Seen::new(RefundStatus::Succeeded, Source::Told(AT)), PRICE)]
        }),
        ("paid, the refund of all of it failed", {
            let failed = Seen::new(RefundStatus::Failed, Source::Fetched(ASKED));
            vec![refunded_charge("ch_1", "pi_1", 0), refund(failed, PRICE)]
        }),
        ("paid twice, one of both was refunded", {
            let other = refunded_charge("ch_2", "pi_2", PRICE);
            vec![paid_intent("pi_1", PRICE), paid_intent("pi_2", PRICE), other]
        }),
        ("paid at two sessions, one of both was refunded", {
            let other = SessionFact { payment_intent: Some("pi_2".into()), ..paid("cs_2", PRICE) };
            let back = refunded_charge("ch_1", "pi_1", PRICE);
            vec![paid_session("cs_1", PRICE), back, Fact::Session(other)]
        }),
        ("paid 5.00 too little, and refunded", {
            vec![paid_session("cs_1", PRICE - 500), refunded_charge("ch_1", "pi_1", PRICE)]
        }),
        ("a bank inquires", vec![charge(true), dispute(DisputeStatus::WarningNeedsResponse)]),
        ("a bank disputes it", vec![charge(true), dispute(DisputeStatus::NeedsResponse)]),
        ("the dispute was lost", vec![charge(true), dispute(DisputeStatus::Lost)]),
        ("the dispute was lost, an appeal is decided", {
            vec![charge(true), dispute(DisputeStatus::AppealUnderReview)]
        }),
        ("the dispute was won", vec![charge(true), dispute(DisputeStatus::Won)]),
        ("a dispute is lost, of a payment that nobody has seen", vec![dispute(DisputeStatus::Lost)]),
    ]
}

fn currency(code: &str) -> Currency {
    code.parse().expect("a currency")
}

fn session_fact(id: &str, status: SessionStatus) -> SessionFact {
    SessionFact {
        id: id.into(),
        status,
        payment: SessionPayment::Unpaid,
        async_failed: false,
        mode: Some("payment".into()),
        currency: Some(currency("usd")),
        subtotal: Some(PRICE),
        total: Some(PRICE),
        discount: 0,
        tax: 0,
        shipping: 0,
        payment_intent: None,
        subscription: None,
        customer: None,
        email: None,
    }
}

fn session(id: &str, status: SessionStatus) -> Fact {
    Fact::Session(session_fact(id, status))
}

fn paid(id: &str, total: i64) -> SessionFact {
    SessionFact {
        payment: SessionPayment::Paid,
        total: Some(total),
        payment_intent: Some("pi_1".into()),
        ..session_fact(id, SessionStatus::Complete)
    }
}

fn paid_session(id: &str, total: i64) -> Fact {
    Fact::Session(paid(id, total))
}

fn failed_debit() -> Fact {
    Fact::Session(SessionFact { async_failed: true, ..session_fact("cs_1", SessionStatus::Complete) })
}

/// What Stripe says when the order, too, expects nothing; here it expects 15.00.
fn free_session() -> Fact {
    free_session_that_is(SessionStatus::Complete)
}

/// Stripe says that nothing is to pay from the beginning; that the buyer came through, only a complete session says.
fn free_session_that_is(status: SessionStatus) -> Fact {
    let free =
        SessionFact { status, payment: SessionPayment::NothingToPay, total: Some(0), ..paid("cs_1", 0) };
    Fact::Session(SessionFact { payment_intent: None, ..free })
}

fn taxed_session() -> Fact {
    Fact::Session(SessionFact { tax: 120, shipping: 500, ..paid("cs_1", PRICE + 620) })
}

fn discounted_session() -> Fact {
    Fact::Session(SessionFact { discount: 500, ..paid("cs_1", PRICE - 500) })
}

fn foreign_session() -> Fact {
    Fact::Session(SessionFact { currency: Some(currency("eur")), ..paid("cs_1", PRICE) })
}

fn intent(id: &str) -> IntentFact {
    IntentFact {
        id: id.into(),
        amount: PRICE,
        currency: currency("usd"),
        received: None,
        processing: false,
        failed: None,
        canceled: None,
        latest_charge: None,
        customer: None,
    }
}

fn paid_intent(id: &str, received: i64) -> Fact {
    Fact::Intent(IntentFact { received: Some(received), ..intent(id) })
}

fn foreign_intent() -> Fact {
    Fact::Intent(IntentFact { received: Some(PRICE), currency: currency("eur"), ..intent("pi_1") })
}

fn failed_intent() -> Fact {
    let failure = Failure { code: Some("card_declined".into()), ..Failure::default() };
    Fact::Intent(IntentFact { failed: Some(failure), ..intent("pi_0") })
}

fn canceled_intent() -> Fact {
    Fact::Intent(IntentFact { canceled: Some("abandoned".into()), ..intent("pi_1") })
}

fn charge(captured: bool) -> Fact {
    Fact::Charge(ChargeFact {
        id: "ch_1".into(),
        payment_intent: Some("pi_1".into()),
        amount: PRICE,
        currency: currency("usd"),
        captured_amount: if captured { PRICE } else { 0 },
        captured,
        paid: true,
        customer: None,
        refunded: stripe::Seen::default(),
    })
}
