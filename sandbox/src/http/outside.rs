//! `/control`, what happens at Stripe without the shop: in the Dashboard, at the buyer's bank, on the line. `of` is the
//! id of a charge, a PaymentIntent or a Checkout Session.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kernel::Cx;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::disputes::{DisputeStep, NewDispute};
use crate::endpoints::Reach;
use crate::http::Shared;
use crate::http::control::refused;
use crate::outside::NotPossible;
use crate::refunds::{NewRefund, RefundStatus};
use crate::reviews::{ReviewClosed, ReviewOpened};

type Account = State<Arc<Shared>>;

/// Works on the account and says what came of it.
fn done(shared: &Shared, work: impl FnOnce(&mut Sandbox, &Cx) -> Result<Value, NotPossible>) -> Response {
    match shared.with(work) {
        Ok(body) => Json(body).into_response(),
        Err(error @ NotPossible::NoSuch { .. }) => refused(StatusCode::NOT_FOUND, error),
        Err(error @ NotPossible::Now(_)) => refused(StatusCode::CONFLICT, error),
    }
}

#[derive(Deserialize)]
pub(crate) struct Disputed {
    of: String,
    #[serde(flatten)]
    dispute: NewDispute,
}

/// `POST /control/disputes`
pub(crate) async fn open_dispute(State(shared): Account, Json(wish): Json<Disputed>) -> Response {
    done(&shared, |sandbox, cx| {
        let id = sandbox.open_dispute(&wish.of, &wish.dispute, cx)?;
        Ok(json!({ "dispute": id, "status": wish.dispute.status }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Move {
    dispute: String,
    step: DisputeStep,
}

/// `POST /control/move-dispute`
pub(crate) async fn move_dispute(State(shared): Account, Json(wish): Json<Move>) -> Response {
    done(&shared, |sandbox, cx| {
        let status = sandbox.move_dispute(&wish.dispute, wish.step, cx)?;
        Ok(json!({ "dispute": wish.dispute, "status": status }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Refunded {
    of: String,
    #[serde(flatten)]
    refund: NewRefund,
}

/// `POST /control/refunds`
pub(crate) async fn refund(State(shared): Account, Json(wish): Json<Refunded>) -> Response {
    done(&shared, |sandbox, cx| {
        let id = sandbox.refund_in_dashboard(&wish.of, &wish.refund, cx)?;
        let made = sandbox.refunds.get(&id);
        Ok(json!({ "refund": id, "status": made.map(|refund| refund.status) }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Turned {
    refund: String,
    status: RefundStatus,
}

/// `POST /control/turn-refund`
pub(crate) async fn turn_refund(State(shared): Account, Json(wish): Json<Turned>) -> Response {
    done(&shared, |sandbox, cx| {
        sandbox.turn_refund(&wish.refund, wish.status, cx)?;
        Ok(json!({ "refund": wish.refund, "status": wish.status }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Warned {
    of: String,
    #[serde(default = "stolen")]
    fraud_type: String,
}

fn stolen() -> String {
    "made_with_stolen_card".into()
}

/// `POST /control/warnings`
pub(crate) async fn warn(State(shared): Account, Json(wish): Json<Warned>) -> Response {
    done(&shared, |sandbox, cx| {
        let id = sandbox.warn_of_fraud(&wish.of, &wish.fraud_type, cx)?;
        Ok(json!({ "warning": id }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Reviewed {
    of: String,
    #[serde(default)]
    opened: ReviewOpened,
}

/// `POST /control/reviews`
pub(crate) async fn open_review(State(shared): Account, Json(wish): Json<Reviewed>) -> Response {
    done(&shared, |sandbox, cx| {
        let id = sandbox.open_review(&wish.of, wish.opened, cx)?;
        Ok(json!({ "review": id }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Closed {
    review: String,
    reason: ReviewClosed,
}

/// `POST /control/close-review`
pub(crate) async fn close_review(State(shared): Account, Json(wish): Json<Closed>) -> Response {
    done(&shared, |sandbox, cx| {
        sandbox.close_review(&wish.review, wish.reason, cx)?;
        Ok(json!({ "review": wish.review, "closed_reason": wish.reason }))
    })
}

#[derive(Deserialize)]
pub(crate) struct Reached {
    /// All of them when absent.
    endpoint: Option<String>,
    reach: Reach,
}

/// `POST /control/reach`
pub(crate) async fn set_reach(State(shared): Account, Json(wish): Json<Reached>) -> Response {
    done(&shared, |sandbox, cx| {
        let endpoints = sandbox.set_reach(wish.endpoint.as_deref(), wish.reach, cx)?;
        Ok(json!({ "endpoints": endpoints, "reach": wish.reach }))
    })
}
