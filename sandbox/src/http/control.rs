//! `/control`: for tests, scripts and curious people. JSON in, JSON out.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kernel::Cx;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::call::Call;
use crate::checkout::{Authentication, Method, PayError, PayOutcome, Payment};
use crate::faults::Fault;
use crate::http::Shared;
use crate::intents::Later;

type Account = State<Arc<Shared>>;

pub(crate) fn refused(status: StatusCode, why: impl std::fmt::Display) -> Response {
    (status, Json(json!({ "error": why.to_string() }))).into_response()
}

fn answered(result: Result<Value, PayError>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(error @ PayError::NoSuchSession) => refused(StatusCode::NOT_FOUND, error),
        Err(error) => refused(StatusCode::CONFLICT, error),
    }
}

/// Turns away what a foreign web page sends through the browser of whoever runs the sandbox: such a request names
/// another origin than the host that it is sent to.
pub(crate) async fn no_foreign_page(request: Request, next: Next) -> Response {
    match foreign_page(request.headers()) {
        Some(page) => refused(StatusCode::FORBIDDEN, format!("{page} may not control this sandbox")),
        None => next.run(request).await,
    }
}

fn foreign_page(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN)?;
    let page = origin.split_once("://").map_or(origin, |(_, host)| host);
    (text(HOST) != Some(page)).then(|| page.to_owned())
}

#[derive(Deserialize)]
pub(crate) struct Turn {
    advance_seconds: u64,
}

/// `POST /control/clock`
pub(crate) async fn turn_clock(State(shared): Account, Json(turn): Json<Turn>) -> Json<Value> {
    shared.with(|sandbox, cx| {
        sandbox.advance_clock(Duration::from_secs(turn.advance_seconds));
        sandbox.tick(cx);
        Json(json!({ "now": sandbox.now(cx) }))
    })
}

/// `DELETE /control/clock`
pub(crate) async fn reset_clock(State(shared): Account) -> Json<Value> {
    shared.with(|sandbox, cx| {
        sandbox.reset_clock();
        Json(json!({ "now": sandbox.now(cx) }))
    })
}

/// `GET /control/faults`
pub(crate) async fn list_faults(State(shared): Account) -> Json<Vec<Fault>> {
    Json(shared.lock().faults().to_vec())
}

/// `POST /control/faults`
pub(crate) async fn inject(State(shared): Account, Json(written): Json<Value>) -> Response {
    let fault = match Fault::from_json(written) {
        Ok(fault) => fault,
        Err(error) => return refused(StatusCode::UNPROCESSABLE_ENTITY, error),
    };
    shared.with(|sandbox, _| {
        sandbox.inject(fault);
        Json(sandbox.faults().to_vec()).into_response()
    })
}

/// `DELETE /control/faults`
pub(crate) async fn clear_faults(State(shared): Account) -> StatusCode {
    shared.with(|sandbox, _| sandbox.clear_faults());
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum EmitOrResend {
    /// An event of any type about any object.
    Emit {
        #[serde(rename = "type")]
        kind: String,
        object: Value,
    },
    /// A known event once more, to one endpoint or to all.
    Resend { resend: String, endpoint: Option<String> },
}

/// `POST /control/events`
pub(crate) async fn emit_or_resend(State(shared): Account, Json(wish): Json<EmitOrResend>) -> Response {
    shared.with(|sandbox, cx| match wish {
        EmitOrResend::Emit { kind, object } => {
            Json(json!({ "event": sandbox.emit_event(&kind, &object, cx) })).into_response()
        }
        EmitOrResend::Resend { resend, endpoint } => send_again(sandbox, &resend, endpoint, cx),
    })
}

fn send_again(sandbox: &mut Sandbox, event: &str, endpoint: Option<String>, cx: &Cx) -> Response {
    let call = Call::of_nobody(sandbox.local(cx));
    if sandbox.event(event, &call).is_err() {
        return refused(StatusCode::NOT_FOUND, format!("there is no event {event}"));
    }
    let known: Vec<String> = sandbox.endpoints().map(|(id, _)| id.to_owned()).collect();
    let wanted: Vec<String> =
        known.into_iter().filter(|id| endpoint.as_ref().is_none_or(|one| one == id)).collect();
    for endpoint in &wanted {
        sandbox.resend(event, endpoint, &call);
    }
    Json(json!({ "event": event, "endpoints": wanted })).into_response()
}

#[derive(Deserialize)]
pub(crate) struct NewEndpoint {
    url: String,
    /// Chosen beforehand, for a shop whose configuration already holds it.
    secret: Option<String>,
    #[serde(default = "everything")]
    enabled_events: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["*".into()]
}

/// `POST /control/endpoints`
pub(crate) async fn add_endpoint(State(shared): Account, Json(wish): Json<NewEndpoint>) -> Json<Value> {
    let events: Vec<&str> = wish.enabled_events.iter().map(String::as_str).collect();
    let (id, secret) = shared.with(|sandbox, cx| match wish.secret {
        Some(secret) => (sandbox.add_endpoint_with_secret(&wish.url, &events, &secret, cx), secret),
        None => sandbox.add_endpoint(&wish.url, &events, cx),
    });
    Json(json!({ "id": id, "secret": secret }))
}

#[derive(Deserialize)]
pub(crate) struct Roll {
    endpoint: String,
    #[serde(default)]
    overlap_seconds: u64,
}

/// `POST /control/roll-secret`
pub(crate) async fn roll_secret(State(shared): Account, Json(roll): Json<Roll>) -> Response {
    let overlap = Duration::from_secs(roll.overlap_seconds);
    match shared.with(|sandbox, cx| sandbox.roll_secret(&roll.endpoint, overlap, cx)) {
        Some(secret) => Json(json!({ "secret": secret })).into_response(),
        None => refused(StatusCode::NOT_FOUND, format!("there is no endpoint {}", roll.endpoint)),
    }
}

#[derive(Deserialize)]
pub(crate) struct Pay {
    session: String,
    /// A test card's number.
    card: Option<String>,
    /// Instead of a card: a bank debit, and how it ends.
    bank_debit: Option<Later>,
    email: Option<String>,
    name: Option<String>,
    /// For a card that asks for 3-D Secure: how the buyer fares at the bank, at once.
    authenticate: Option<Authentication>,
}

impl Pay {
    fn payment(&self) -> Payment {
        let card = self.card.as_deref().unwrap_or("4242424242424242");
        let mut payment = Payment::by_card(card);
        if let Some(outcome) = self.bank_debit {
            payment.method = Method::BankDebit(outcome);
        }
        payment.email = self.email.clone().unwrap_or(payment.email);
        payment.name = self.name.clone().unwrap_or(payment.name);
        payment
    }
}

/// `POST /control/pay`
pub(crate) async fn pay(State(shared): Account, Json(wish): Json<Pay>) -> Response {
    answered(shared.with(|sandbox, cx| {
        let outcome = sandbox.pay(&wish.session, &wish.payment(), cx)?;
        let outcome = match (outcome, wish.authenticate) {
            (PayOutcome::NeedsAuthentication { token }, Some(how)) => {
                sandbox.authenticate(&wish.session, &token, how, cx)?
            }
            (outcome, _) => outcome,
        };
        Ok(json!(outcome))
    }))
}

#[derive(Deserialize)]
pub(crate) struct Adjust {
    session: String,
    #[serde(default)]
    tax: i64,
    #[serde(default)]
    shipping: i64,
}

/// `POST /control/adjust`
pub(crate) async fn adjust(State(shared): Account, Json(wish): Json<Adjust>) -> Response {
    let done = shared.with(|sandbox, _| sandbox.set_adjustment(&wish.session, wish.tax, wish.shipping));
    answered(done.map(|()| json!({})))
}

#[derive(Deserialize)]
pub(crate) struct CollectInstead {
    session: String,
    amount: i64,
    currency: String,
}

/// `POST /control/collect-instead`
pub(crate) async fn collect_instead(State(shared): Account, Json(wish): Json<CollectInstead>) -> Response {
    let done = shared.with(|sandbox, _| sandbox.collect_instead(&wish.session, wish.amount, &wish.currency));
    answered(done.map(|()| json!({})))
}

/// `POST /control/reset`: an empty account with the same settings and webhook endpoints.
pub(crate) async fn reset(State(shared): Account) -> StatusCode {
    shared.with(|sandbox, _| sandbox.reset());
    StatusCode::NO_CONTENT
}

/// `GET /control/state`
pub(crate) async fn state(State(shared): Account) -> Json<Value> {
    Json(shared.with(|sandbox, cx| sandbox.summary(cx)))
}

impl Sandbox {
    fn summary(&mut self, cx: &Cx) -> Value {
        self.tick(cx);
        let endpoints: Vec<Value> = self
            .endpoints()
            .map(|(id, url)| json!({ "id": id, "url": url, "reach": self.reach_of(id) }))
            .collect();
        json!({
            "now": self.now(cx),
            "next_due": self.next_due(),
            "deliveries_waiting": self.deliveries_waiting(),
            "endpoints": endpoints,
            "faults": self.faults(),
            "counts": {
                "customers": self.customers.list().len(),
                "products": self.products.list().len(),
                "prices": self.prices.list().len(),
                "sessions": self.sessions.list().len(),
                "payment_intents": self.intents.list().len(),
                "charges": self.charges.list().len(),
                "refunds": self.refunds.list().len(),
                "disputes": self.disputes.list().len(),
                "warnings": self.warnings.list().len(),
                "reviews": self.reviews.list().len(),
                "events": self.events.list().len(),
            },
        })
    }
}
