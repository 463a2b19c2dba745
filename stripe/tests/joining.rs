//! The laws of joining: facts end the same in whatever order, and however often, they come.

use kernel::{Currency, Timestamp};
use proptest::option;
use proptest::prelude::*;
use stripe::{
    Asked, ChargeFact, DisputeFact, DisputeState, DisputeStatus, Fact, Failure, IntentFact, RefundFact,
    RefundStatus, ReviewFact, Seen, SessionFact, SessionPayment, SessionStatus, WarningFact,
};

/// Few values, so that two facts are often equal in one field and differ in another.
fn word() -> impl Strategy<Value = Option<String>> {
    option::of(prop::sample::select(vec!["", "a", "b", "c"]).prop_map(str::to_owned))
}

fn amount() -> impl Strategy<Value = i64> {
    0..4_i64
}

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(vec!["eur", "usd"]).prop_filter_map("a currency", |code| code.parse().ok())
}

fn session() -> impl Strategy<Value = SessionFact> {
    let states = (
        prop::sample::select(vec![SessionStatus::Open, SessionStatus::Expired, SessionStatus::Complete]),
        prop::sample::select(vec![
            SessionPayment::Unpaid,
            SessionPayment::NothingToPay,
            SessionPayment::Paid,
        ]),
        any::<bool>(),
    );
    let amounts =
        (option::of(currency()), option::of(amount()), option::of(amount()), amount(), amount(), amount());
    let words = (word(), word(), word(), word(), word());
    (states, amounts, words).prop_map(|((status, payment, async_failed), amounts, words)| {
        let (currency, subtotal, total, discount, tax, shipping) = amounts;
        let (mode, payment_intent, subscription, customer, email) = words;
        SessionFact {
            id: "cs_1".to_owned(),
            status,
            payment,
            async_failed,
            mode,
            currency,
            subtotal,
            total,
            discount,
            tax,
            shipping,
            payment_intent,
            subscription,
            customer,
            email,
        }
    })
}

fn failure() -> impl Strategy<Value = Option<Failure>> {
    let failure = (word(), word(), word());
    option::of(failure.prop_map(|(code, decline_code, message)| Failure { code, decline_code, message }))
}

fn intent() -> impl Strategy<Value = IntentFact> {
    let settlement = (amount(), currency(), option::of(amount()), word());
    (settlement, any::<bool>(), failure(), word(), word()).prop_map(
        |((amount, currency, received, latest_charge), processing, failed, canceled, customer)| IntentFact {
            id: "pi_1".to_owned(),
            amount,
            currency,
            received,
            processing,
            failed,
            canceled,
            latest_charge,
            customer,
        },
    )
}

fn charge() -> impl Strategy<Value = ChargeFact> {
    (amount(), currency(), amount(), any::<bool>(), any::<bool>(), word(), word(), seen(0..4_i64)).prop_map(
        |(amount, currency, captured_amount, captured, paid, payment_intent, customer, refunded)| {
            ChargeFact {
                id: "ch_1".to_owned(),
                payment_intent,
                amount,
                currency,
                captured_amount,
                captured,
                paid,
                customer,
                refunded,
            }
        },
    )
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0..4_i64).prop_map(Timestamp::from_seconds)
}

fn seen<S: Clone + std::fmt::Debug + 'static>(
    state: impl Strategy<Value = S> + Clone + 'static,
) -> impl Strategy<Value = Seen<S>> {
    let asked = (0..4_i64, moment()).prop_map(|(ticket, at)| Asked { ticket, at });
    let (fetched, told) = (option::of((asked, state.clone())), option::of((state, moment())));
    (fetched, told).prop_map(|(fetched, told)| Seen { fetched, told })
}

fn refund_status() -> impl Strategy<Value = RefundStatus> + Clone {
    prop::sample::select(vec![RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed])
}

fn dispute_state() -> impl Strategy<Value = DisputeState> + Clone {
    let status = prop::sample::select(vec![
        DisputeStatus::WarningNeedsResponse,
        DisputeStatus::NeedsResponse,
        DisputeStatus::Lost,
        DisputeStatus::Won,
    ]);
    (status, 0..4_i64).prop_map(|(status, amount)| DisputeState {
        status,
        amount,
        due_by: None,
        reason: None,
    })
}

fn refund() -> impl Strategy<Value = RefundFact> {
    (word(), word(), amount(), currency(), word(), seen(refund_status())).prop_map(
        |(charge, payment_intent, amount, currency, ours, status)| RefundFact {
            id: "re_1".to_owned(),
            charge,
            payment_intent,
            amount,
            currency,
            ours,
            status,
        },
    )
}

fn dispute() -> impl Strategy<Value = DisputeFact> {
    (word(), word(), currency(), seen(dispute_state())).prop_map(
        |(charge, payment_intent, currency, state)| DisputeFact {
            id: "dp_1".to_owned(),
            charge,
            payment_intent,
            currency,
            state,
        },
    )
}

fn warning() -> impl Strategy<Value = WarningFact> {
    (word(), word(), word()).prop_map(|(charge, payment_intent, fraud_type)| WarningFact {
        id: "issfr_1".to_owned(),
        charge,
        payment_intent,
        fraud_type,
    })
}

fn review() -> impl Strategy<Value = ReviewFact> {
    (word(), word(), word(), word()).prop_map(|(charge, payment_intent, opened_reason, closed)| ReviewFact {
        id: "prv_1".to_owned(),
        charge,
        payment_intent,
        opened_reason,
        closed,
    })
}

fn three_of_one_object() -> impl Strategy<Value = [Fact; 3]> {
    fn three<T: std::fmt::Debug>(
        one: impl Strategy<Value = T> + Clone,
        wrap: fn(T) -> Fact,
    ) -> impl Strategy<Value = [Fact; 3]> {
        prop::array::uniform3(one.prop_map(wrap))
    }
    prop_oneof![
        three(session().boxed(), Fact::Session),
        three(intent().boxed(), Fact::Intent),
        three(charge().boxed(), Fact::Charge),
        three(refund().boxed(), Fact::Refund),
        three(dispute().boxed(), Fact::Dispute),
        three(warning().boxed(), Fact::Warning),
        three(review().boxed(), Fact::Review),
    ]
}

fn join(a: &Fact, b: &Fact) -> Fact {
    a.clone().join(b.clone()).unwrap_or_else(|| panic!("{a:?} and {b:?} are of one object"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn joining_does_not_depend_on_order_grouping_or_repetition([a, b, c] in three_of_one_object()) {
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&join(&a, &b), &b), join(&a, &b));
    }

    #[test]
    fn what_was_once_proven_stays_proven(a in session(), b in session(), p in intent(), q in intent()) {
        let both = a.clone().join(b);
        prop_assert!(both.status >= a.status && both.payment >= a.payment && both.async_failed >= a.async_failed);
        let both = p.clone().join(q);
        prop_assert!(both.received >= p.received && both.processing >= p.processing);
        prop_assert!(both.failed >= p.failed && both.canceled >= p.canceled);
    }
}

fn open_session() -> SessionFact {
    SessionFact {
        id: "cs_1".to_owned(),
        status: SessionStatus::Open,
        payment: SessionPayment::Unpaid,
        async_failed: false,
        mode: None,
        currency: "usd".parse().ok(),
        subtotal: Some(5000),
        total: Some(5000),
        discount: 0,
        tax: 0,
        shipping: 0,
        payment_intent: None,
        subscription: None,
        customer: None,
        email: None,
    }
}

#[test]
fn a_total_that_was_lowered_before_payment_does_not_survive_it() {
    let paid = SessionFact {
        status: SessionStatus::Complete,
        payment: SessionPayment::Paid,
        total: Some(4500),
        discount: 500,
        ..open_session()
    };
    for joined in [open_session().join(paid.clone()), paid.clone().join(open_session())] {
        assert_eq!(joined, paid);
    }
}

#[test]
fn a_session_that_waits_ends_paid_whatever_comes_first() {
    let waiting = SessionFact { status: SessionStatus::Complete, ..open_session() };
    let failed = SessionFact { async_failed: true, ..waiting.clone() };
    let paid = SessionFact { payment: SessionPayment::Paid, ..waiting.clone() };
    let joined = paid.join(failed).join(waiting);
    assert_eq!((joined.payment, joined.async_failed), (SessionPayment::Paid, true));
}

#[test]
fn the_charge_of_a_failed_attempt_does_not_stand_beside_the_money_of_another() {
    let intent = |received, charge: &str| IntentFact {
        id: "pi_1".to_owned(),
        amount: 4500,
        currency: "usd".parse().unwrap_or_else(|_| panic!("usd is a currency")),
        received,
        processing: false,
        failed: None,
        canceled: None,
        latest_charge: Some(charge.to_owned()),
        customer: None,
    };
    let joined = intent(None, "ch_z_declined").join(intent(Some(4500), "ch_a_paid"));
    assert_eq!(joined.latest_charge.as_deref(), Some("ch_a_paid"));
}

#[test]
fn facts_of_different_objects_do_not_join() {
    let other = SessionFact { id: "cs_2".to_owned(), ..open_session() };
    assert_eq!(Fact::Session(open_session()).join(Fact::Session(other)), None);
}

#[test]
fn what_was_fetched_outweighs_events_unless_one_is_younger_and_stronger() {
    let at = Timestamp::from_seconds;
    let fetched = |seconds, status| Seen {
        fetched: Some((Asked { ticket: seconds, at: at(seconds) }, status)),
        told: None,
    };
    let told = |seconds, status| Seen { fetched: None, told: Some((status, at(seconds))) };
    use RefundStatus::{Failed, Pending, Succeeded};
    for (facts, now, provisional) in [
        (vec![told(1, Pending), told(2, Succeeded)], Succeeded, true),
        (vec![fetched(5, Pending), told(3, Succeeded)], Pending, false),
        (vec![fetched(5, Pending), told(6, Succeeded)], Succeeded, true),
        (vec![fetched(5, Succeeded), told(6, Pending)], Succeeded, false),
        (vec![fetched(5, Failed), fetched(4, Succeeded)], Failed, false),
        (vec![fetched(5, Pending), told(6, Succeeded), fetched(7, Failed)], Failed, false),
    ] {
        for turned in [facts.clone(), facts.into_iter().rev().collect()] {
            let seen = turned.into_iter().fold(Seen::default(), Seen::join);
            assert_eq!((seen.now(), seen.is_provisional()), (Some(&now), provisional), "{seen:?}");
        }
    }
    assert_eq!(Seen::<RefundStatus>::default().now(), None);
    // A clock that is late does not make a later answer the older one.
    let first = Seen { fetched: Some((Asked { ticket: 1, at: at(50) }, Pending)), told: None };
    let second = Seen { fetched: Some((Asked { ticket: 2, at: at(40) }, Succeeded)), told: None };
    assert_eq!(second.join(first).now(), Some(&Succeeded));
}
