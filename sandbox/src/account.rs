//! The account: everything that the sandbox remembers, its clock, and what happens merely because time passes.

use std::time::Duration;

use kernel::{Cx, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::Call;
use crate::catalog::{Price, Product};
use crate::charges::Charge;
use crate::checkout::Session;
use crate::customers::Customer;
use crate::discounts::{Coupon, PromotionCode};
use crate::disputes::{Dispute, DisputeStep};
use crate::endpoints::Endpoint;
use crate::events::Event;
use crate::faults::{Fault, Faults};
use crate::idempotency::Keys;
use crate::intents::{Intent, Later};
use crate::links::PaymentLink;
use crate::outbox::Outbox;
use crate::queue::Queue;
use crate::refunds::Refund;
use crate::reviews::Review;
use crate::shelf::Shelf;
use crate::warnings::Warning;

/// The version of Stripe's API whose shapes the sandbox renders.
pub const API_VERSION: &str = "2026-10-28.endive";

/// What is decided before the first request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where buyers reach the payment page, without a slash at the end: `http://localhost:4242`.
    pub public_url: String,
    /// The keys that may call the API; when empty, every `sk_test_…` and `rk_test_…` may.
    pub secret_keys: Vec<String>,
    /// The shop's name on the payment page.
    pub seller: String,
    /// How long a bank debit takes until it succeeds or fails.
    pub debit_settles_after_seconds: u64,
    /// What `automatic_tax` adds, in hundredths of a percent (900 is 9 %).
    pub tax_basis_points: u32,
    /// The pauses between a failed webhook and the next try; the last one repeats, for three days in all.
    pub retry_after_seconds: Vec<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Settings {
            public_url: "http://localhost:4242".into(),
            secret_keys: Vec::new(),
            seller: "Sandbox shop".into(),
            debit_settles_after_seconds: 20,
            tax_basis_points: 0,
            retry_after_seconds: vec![5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 12 * HOUR],
        }
    }
}

/// What will happen by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// A Checkout Session that nobody paid ends.
    ExpireSession(String),
    /// The bank says whether a debit went through.
    SettleDebit { intent: String, outcome: Later },
    /// A captured charge gets its balance transaction, some seconds after the payment.
    BookCharge(String),
    /// A refund that was pending ends.
    SettleRefund { refund: String, outcome: Later },
    /// A refund gets the number by which banks find it, some seconds after it was paid out.
    ReferToRefund(String),
    /// The bank of a test card does what that card stands for: dispute, ask, warn.
    BankActs(String),
    /// The bank has read Stripe's test evidence.
    DecideDispute { dispute: String, step: DisputeStep },
}

/// A Stripe account in memory. Deterministic: time and chance come in with each call, so one seed gives one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    pub(crate) settings: Settings,
    /// How far its clock runs ahead of the caller's.
    ahead: Duration,
    pub(crate) customers: Shelf<Customer>,
    pub(crate) products: Shelf<Product>,
    pub(crate) prices: Shelf<Price>,
    pub(crate) coupons: Shelf<Coupon>,
    pub(crate) promotion_codes: Shelf<PromotionCode>,
    pub(crate) links: Shelf<PaymentLink>,
    pub(crate) sessions: Shelf<Session>,
    pub(crate) intents: Shelf<Intent>,
    pub(crate) charges: Shelf<Charge>,
    pub(crate) refunds: Shelf<Refund>,
    pub(crate) disputes: Shelf<Dispute>,
    pub(crate) warnings: Shelf<Warning>,
    pub(crate) reviews: Shelf<Review>,
    pub(crate) endpoints: Shelf<Endpoint>,
    pub(crate) events: Shelf<Event>,
    pub(crate) outbox: Outbox,
    pub(crate) agenda: Queue<Task>,
    pub(crate) keys: Keys,
    pub(crate) faults: Faults,
}

impl Sandbox {
    /// An empty account.
    pub fn new(settings: Settings) -> Self {
        Sandbox { settings, ..Sandbox::default() }
    }

    /// Forgets everything but the settings and the webhook endpoints.
    pub fn reset(&mut self) {
        let (settings, endpoints) = (self.settings.clone(), std::mem::take(&mut self.endpoints));
        *self = Sandbox { settings, endpoints, ..Sandbox::default() };
    }

    /// What was decided before the first request.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The sandbox's time: the caller's, and what [`Sandbox::advance_clock`] added.
    pub fn now(&self, cx: &Cx) -> Timestamp {
        cx.now + self.ahead
    }

    /// The caller's context at the sandbox's time.
    pub(crate) fn local(&self, cx: &Cx) -> Cx {
        cx.at(self.now(cx))
    }

    /// Turns the clock forward; what falls due on the way happens at the next call.
    pub fn advance_clock(&mut self, by: Duration) {
        self.ahead = self.ahead.saturating_add(by);
    }

    /// Turns the clock back to the caller's time. What has happened stays; what is yet to come waits as long again.
    pub fn reset_clock(&mut self) {
        self.ahead = Duration::ZERO;
    }

    /// Lets everything happen that fell due: sessions expire, debits settle. Every other call does this first.
    pub fn tick(&mut self, cx: &Cx) {
        let now = self.now(cx);
        while let Some((due, task)) = self.agenda.pop(now) {
            // Each thing happens at its own time, even when the clock jumped over it.
            self.perform(task, &Call::of_nobody(cx.at(due)));
        }
    }

    fn perform(&mut self, task: Task, call: &Call) {
        match task {
            Task::ExpireSession(session) => self.expire_if_open(&session, call),
            Task::SettleDebit { intent, outcome } => self.settle_debit(&intent, outcome, call),
            Task::BookCharge(charge) => self.book_charge(&charge, call),
            Task::SettleRefund { refund, outcome } => self.settle_refund(&refund, outcome, call),
            Task::ReferToRefund(refund) => self.refer_to_refund(&refund, call),
            Task::BankActs(charge) => self.bank_acts(&charge, call),
            Task::DecideDispute { dispute, step } => {
                // Whoever decided before was faster; then this no longer counts.
                let _ = self.step_dispute(&dispute, step, call);
            }
        }
    }

    /// When the next thing happens by itself (in the sandbox's time), webhooks included.
    pub fn next_due(&self) -> Option<Timestamp> {
        [self.agenda.next_due(), self.outbox.next_due()].into_iter().flatten().min()
    }

    /// How many webhooks are waiting or on their way.
    pub fn deliveries_waiting(&self) -> usize {
        self.outbox.len()
    }

    /// `GET /v1/account`: what a shop looks at to see whether its key works.
    pub(crate) fn account_json(&self) -> Value {
        json!({
            "id": "acct_1Sandbox",
            "object": "account",
            "charges_enabled": true,
            "country": "US",
            "default_currency": "usd",
            "details_submitted": true,
            "email": null,
            "payouts_enabled": true,
            "settings": { "dashboard": { "display_name": self.settings.seller, "timezone": "Etc/UTC" } },
            "type": "standard",
        })
    }

    /// Makes something go wrong from now on.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// The faults that still may strike.
    pub fn faults(&self) -> &[Fault] {
        self.faults.list()
    }

    /// Ends all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// After loading a snapshot: webhooks whose result was never learnt are sent again.
    pub fn recover(&mut self, cx: &Cx) {
        let now = self.now(cx);
        self.outbox.recover(now);
    }
}
