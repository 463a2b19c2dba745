//! The sandbox over HTTP: Stripe's API under `/v1`, the payment page under `/checkout`, Payment Links under
//! `/buy`, and `/control`, by which
//! tests and people turn its clock and break things.
//!
//! | control | body |
//! | --- | --- |
//! | `POST /control/clock` | `{"advance_seconds": 60}`; `DELETE` turns it back to the machine's time |
//! | `POST /control/faults` | `{"kind": "delay", "seconds": 30, "event": "charge.*", "count": 1, "probability": 0.5}`; also `GET` and `DELETE` |
//! | `POST /control/events` | `{"type": …, "object": {…}}` to emit, `{"resend": "evt_…", "endpoint": "we_…"}` to send again |
//! | `POST /control/endpoints` | `{"url": …, "secret": "whsec_…", "enabled_events": ["*"]}` |
//! | `POST /control/roll-secret` | `{"endpoint": "we_…", "overlap_seconds": 3600}` |
//! | `POST /control/pay` | `{"session": "cs_test_…", "card": "4242…"}` or `"bank_debit": "succeeds"`; `"authenticate": "complete"` |
//! | `POST /control/adjust` | `{"session": …, "tax": 120, "shipping": 500}` |
//! | `POST /control/collect-instead` | `{"session": …, "amount": 1, "currency": "eur"}` |
//! | `POST /control/disputes` | `{"of": "cs_…", "status": "warning_needs_response", "amount": 500, "reason": "fraudulent", "due_in_days": 8}`; all but `of` may be left out |
//! | `POST /control/move-dispute` | `{"dispute": "dp_…", "step": "win"}`; steps: `review`, `win`, `lose`, `appeal`, `escalate`, `close_inquiry`, `prevent`, `refund_instead` |
//! | `POST /control/refunds` | `{"of": "pi_…", "amount": 500, "reason": "duplicate", "metadata": {}, "status": "pending"}`: a refund made in the Dashboard |
//! | `POST /control/turn-refund` | `{"refund": "re_…", "status": "failed"}` |
//! | `POST /control/warnings` | `{"of": "ch_…", "fraud_type": "made_with_stolen_card"}` |
//! | `POST /control/reviews` | `{"of": "ch_…", "opened": "rule"}` |
//! | `POST /control/close-review` | `{"review": "prv_…", "reason": "approved"}` |
//! | `POST /control/reach` | `{"reach": "down"}` or `"up"`, with `"endpoint": "we_…"` for one of several |
//! | `POST /control/reset` | nothing; settings and webhook endpoints stay |
//! | `GET /control/state` | |
//!
//! Every handler locks the account, works, and lets go before it waits for anything.

mod api;
mod control;
mod deliver;
mod outside;
mod page;
mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::routing::{any, get, post};
use kernel::{Clock, Cx, Entropy};
use tokio::sync::Notify;

use crate::account::Sandbox;

pub use deliver::deliver_forever;

/// The account as the HTTP side holds it.
pub struct Shared {
    sandbox: Mutex<Sandbox>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Rung after each change, because a webhook may be due now.
    changed: Notify,
}

impl Shared {
    /// Around an account, with the machine's clock and chance.
    pub fn new(sandbox: Sandbox, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Arc<Self> {
        Arc::new(Shared { sandbox: Mutex::new(sandbox), clock, entropy, changed: Notify::new() })
    }

    /// Works on the account and then wakes the deliveries.
    pub fn with<T>(&self, work: impl FnOnce(&mut Sandbox, &Cx) -> T) -> T {
        let result = work(&mut self.lock(), &self.cx());
        self.changed.notify_one();
        result
    }

    fn cx(&self) -> Cx {
        Cx::new(self.clock.now(), self.entropy.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Sandbox> {
        // A panic while it was held is a bug elsewhere; the account is still the best that we have.
        self.sandbox.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Everything that the sandbox serves. It may be nested under any path; links to the payment page are built from
/// [`crate::Settings::public_url`].
pub fn router(shared: Arc<Shared>) -> Router {
    let control = Router::new()
        .route("/control/clock", post(control::turn_clock).delete(control::reset_clock))
        .route(
            "/control/faults",
            get(control::list_faults).post(control::inject).delete(control::clear_faults),
        )
        .route("/control/events", post(control::emit_or_resend))
        .route("/control/endpoints", post(control::add_endpoint))
        .route("/control/roll-secret", post(control::roll_secret))
        .route("/control/pay", post(control::pay))
        .route("/control/adjust", post(control::adjust))
        .route("/control/collect-instead", post(control::collect_instead))
        .route("/control/disputes", post(outside::open_dispute))
        .route("/control/move-dispute", post(outside::move_dispute))
        .route("/control/refunds", post(outside::refund))
        .route("/control/turn-refund", post(outside::turn_refund))
        .route("/control/warnings", post(outside::warn))
        .route("/control/reviews", post(outside::open_review))
        .route("/control/close-review", post(outside::close_review))
        .route("/control/reach", post(outside::set_reach))
        .route("/control/reset", post(control::reset))
        .route("/control/state", get(control::state))
        .layer(axum::middleware::from_fn(control::no_foreign_page));
    Router::new()
        .route("/v1/{*path}", any(api::answer))
        .route("/checkout/{session}", get(page::show).post(page::pay))
        .route("/checkout/{session}/authenticate", get(page::show_bank).post(page::return_from_bank))
        .route("/buy/{link}", get(page::open_link))
        .route("/paid/{session}", get(page::paid))
        .merge(control)
        .with_state(shared)
}
