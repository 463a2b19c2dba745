//! The double answers as the real client would, and carries webhooks by the door's steps.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};

use kernel::{FixedClock, Seeded, Timestamp};
use sandbox::{Fault, Sandbox, Trouble};
use stripe::checkout::{Create, Item, Line, Mode, SessionView, create, retrieve_session};
use stripe::{Call, CallError, Stripe};
use testkit::stripe_double::{CallFate, CallFaults, NoCallFaults, SandboxStripe, locked};

struct Always(CallFate);
impl CallFaults for Always {
    fn fate(&self, _: &Call) -> CallFate {
        self.0.clone()
    }
}

struct Double {
    sandbox: Arc<Mutex<Sandbox>>,
}

impl Double {
    fn new() -> Self {
        Double { sandbox: Arc::new(Mutex::new(Sandbox::new(sandbox::Settings::default()))) }
    }
    fn asked(&self, call: Call, fate: CallFate) -> Result<serde_json::Value, CallError> {
        let clock = FixedClock::new(Timestamp::from_seconds(1_790_000_000));
        let entropy = Seeded::new(self.sessions() as u64);
        let stripe = SandboxStripe::new(self.sandbox.clone(), clock, entropy, Arc::new(Always(fate)));
        now(stripe.call(call))
    }
    fn sessions(&self) -> usize {
        locked(&self.sandbox).sessions().count()
    }
}

/// The double waits for nobody: a few polls end each call.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..16 {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the double waits");
}

fn checkout(key: &str) -> Call {
    create(Create {
        mode: Mode::Payment,
        lines: vec![Line {
            item: Item::Named {
                name: "Kurs Ü & Ö".into(),
                unit: kernel::Money::new(4900, "usd".parse().unwrap()),
            },
            quantity: 2,
        }],
        success_url: "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}".into(),
        cancel_url: None,
        client_reference: Some("ord_1".into()),
        customer_email: None,
        coupon: None,
        expires_at: None,
        metadata: vec![("orderId".into(), "ord_1".into())],
        extra: Vec::new(),
        idempotency_key: key.into(),
    })
}

#[test]
fn a_call_that_was_not_sent_or_limited_leaves_nothing_at_stripe() {
    let double = Double::new();
    assert!(matches!(double.asked(checkout("k"), CallFate::NotSent), Err(CallError::NotSent(_))));
    let limited = double.asked(checkout("k"), CallFate::Trouble(Trouble::RateLimit));
    assert!(matches!(limited, Err(CallError::RateLimited { .. })), "{limited:?}");
    let lost = double.asked(checkout("k"), CallFate::Trouble(Trouble::TimeoutBeforeExecuting));
    assert!(matches!(lost, Err(CallError::Unknown(_))), "{lost:?}");
    assert_eq!(double.sessions(), 0);
}

#[test]
fn a_lost_answer_and_a_stored_500_are_unknown_and_the_key_makes_one_session_of_all_attempts() {
    let double = Double::new();
    let lost = double.asked(checkout("k"), CallFate::Trouble(Trouble::TimeoutAfterExecuting));
    assert!(matches!(lost, Err(CallError::Unknown(_))), "{lost:?}");
    let again = SessionView::read(&double.asked(checkout("k"), CallFate::Answered).unwrap()).unwrap();
    assert_eq!(double.sessions(), 1);
    let kept = double.asked(checkout("other"), CallFate::Trouble(Trouble::Stored500 { execute: true }));
    assert!(matches!(kept, Err(CallError::Unknown(_))), "{kept:?}");
    assert!(matches!(double.asked(checkout("other"), CallFate::Answered), Err(CallError::Unknown(_))));
    assert_eq!(double.sessions(), 2);
    let read = double.asked(retrieve_session(&again.id), CallFate::Answered).unwrap();
    assert_eq!(read["amount_total"], 9800);
}

#[test]
fn a_refusal_is_a_refusal_and_faults_of_the_sandbox_itself_count_too() {
    let double = Double::new();
    let missing = double.asked(retrieve_session("cs_nobody"), CallFate::Answered);
    let Err(CallError::Refused(error)) = missing else { panic!("{missing:?}") };
    assert_eq!((error.status, error.code.as_deref()), (404, Some("resource_missing")));
    locked(&double.sandbox).inject(Fault::new(Trouble::Unavailable).times(1));
    let down = double.asked(checkout("k"), CallFate::Answered);
    assert!(matches!(down, Err(CallError::Unknown(_))), "{down:?}");
    let clock = FixedClock::new(Timestamp::from_seconds(1_790_000_000));
    let stripe = SandboxStripe::new(double.sandbox.clone(), clock, Seeded::new(9), Arc::new(NoCallFaults));
    assert!(now(stripe.call(checkout("k"))).is_ok());
}
