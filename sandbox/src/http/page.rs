//! The payment page: what the buyer sees. It works without JavaScript.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use kernel::{Currency, Money};
use serde::Deserialize;

use crate::account::Sandbox;
use crate::cards::{CARDS, Card};
use crate::checkout::{AtTheBank, Authentication, Method, PayError, PayOutcome, Payment};
use crate::http::Shared;
use crate::intents::Later;
use crate::links::{LinkClosed, Visit};

type Account = State<Arc<Shared>>;

struct LineView {
    name: String,
    quantity: i64,
    unit: String,
    total: String,
}

/// What stands on the page, independent of what the buyer typed.
struct Order {
    seller: String,
    lines: Vec<LineView>,
    /// Discount, shipping and tax, as far as there are any.
    extras: Vec<(String, String)>,
    total: String,
    email: Option<String>,
    cancel_url: Option<String>,
    takes_codes: bool,
    /// Nothing is collected, so no card is asked for.
    free: bool,
}

#[derive(Template)]
#[template(path = "pay.html")]
struct PayPage {
    order: Order,
    typed: Typed,
    error: Option<String>,
    cards: &'static [Card],
}

#[derive(Template)]
#[template(path = "bank.html")]
struct BankPage {
    order: Order,
}

#[derive(Template)]
#[template(path = "closed.html")]
struct ClosedPage {
    title: &'static str,
    message: String,
    /// Where the buyer came from.
    back: Option<Back>,
}

struct Back {
    seller: String,
    url: String,
}

/// What the buyer typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Typed {
    action: String,
    method: String,
    number: String,
    email: String,
    name: String,
    country: String,
    postal_code: String,
    promotion_code: String,
}

impl Typed {
    /// What a buyer had typed who was then sent to their bank.
    fn before(step: &AtTheBank) -> Self {
        let buyer = &step.buyer;
        let line = |name: &str| buyer.address[name].as_str().unwrap_or_default().to_owned();
        Typed {
            number: step.instrument.card().map(Card::spaced).unwrap_or_default(),
            email: buyer.email.clone().unwrap_or_default(),
            name: buyer.name.clone().unwrap_or_default(),
            country: line("country"),
            postal_code: line("postal_code"),
            ..Typed::default()
        }
    }

    fn payment(&self) -> Payment {
        Payment {
            method: match self.method.as_str() {
                "bank_succeeds" => Method::BankDebit(Later::Succeeds),
                "bank_fails" => Method::BankDebit(Later::Fails),
                _ => Method::Card(self.number.clone()),
            },
            email: self.email.clone(),
            name: self.name.clone(),
            country: self.country.clone(),
            postal_code: Some(self.postal_code.clone()).filter(|code| !code.is_empty()),
            settles_after: None,
        }
    }
}

pub(crate) async fn show(State(shared): Account, Path(session): Path<String>) -> Response {
    const REFUSED: &str = "We are unable to authenticate your payment method. Please choose a different payment \
                           method and try again.";
    shared.with(|sandbox, cx| {
        sandbox.tick(cx);
        let refused = sandbox.session(&session).ok().and_then(|session| session.refused_at_bank.as_ref());
        let (typed, error) = match refused {
            Some(step) => (Typed::before(step), Some(REFUSED.to_owned())),
            None => (Typed::default(), None),
        };
        pay_page(sandbox, &session, typed, error)
    })
}

pub(crate) async fn pay(
    State(shared): Account,
    Path(session): Path<String>,
    Form(typed): Form<Typed>,
) -> Response {
    shared.with(|sandbox, cx| {
        if typed.action == "code" {
            let error = sandbox.apply_promotion_code(&session, &typed.promotion_code, cx).err();
            return pay_page(sandbox, &session, typed, error.map(|error| error.to_string()));
        }
        let result = sandbox.pay(&session, &typed.payment(), cx);
        next_page(sandbox, &session, typed, result)
    })
}

/// The address of a Payment Link: everybody who comes gets a page of their own.
pub(crate) async fn open_link(
    State(shared): Account,
    Path(link): Path<String>,
    Query(visit): Query<Visit>,
) -> Response {
    shared.with(|sandbox, cx| match sandbox.open_link(&link, &visit, cx) {
        // Relative, because the sandbox may be nested under another path.
        Ok(session) => see_other(&format!("../checkout/{session}")),
        Err(error) => {
            let status = if error == LinkClosed::Unknown { StatusCode::NOT_FOUND } else { StatusCode::GONE };
            html(status, &ClosedPage::new("Nothing to pay here", error.to_string()))
        }
    })
}

/// Where a buyer ends whom the link sends nowhere else.
pub(crate) async fn paid(State(shared): Account, Path(session): Path<String>) -> Response {
    shared.with(|sandbox, _| match sandbox.confirmation(&session) {
        Some(message) => html(StatusCode::OK, &ClosedPage::new("Paid", message)),
        None => closed(sandbox, &session, &PayError::NoSuchSession),
    })
}

#[derive(Deserialize)]
pub(crate) struct Step {
    /// Without one the address was typed by hand, and leads to no step.
    #[serde(default)]
    token: String,
}

#[derive(Deserialize)]
pub(crate) struct AtBank {
    result: Authentication,
}

pub(crate) async fn show_bank(
    State(shared): Account,
    Path(session): Path<String>,
    Query(step): Query<Step>,
) -> Response {
    shared.with(|sandbox, cx| {
        sandbox.tick(cx);
        let at_bank = sandbox.session(&session).ok().and_then(|session| session.at_the_bank.as_ref());
        let goes_on = at_bank.is_some_and(|at_bank| at_bank.token == step.token);
        match order(sandbox, &session) {
            Ok(order) if goes_on => html(StatusCode::OK, &BankPage { order }),
            Ok(_) => back_to_page(&session),
            Err(error) => closed(sandbox, &session, &error),
        }
    })
}

pub(crate) async fn return_from_bank(
    State(shared): Account,
    Path(session): Path<String>,
    Query(step): Query<Step>,
    Form(at_bank): Form<AtBank>,
) -> Response {
    shared.with(|sandbox, cx| {
        let result = sandbox.authenticate(&session, &step.token, at_bank.result, cx);
        match result {
            Ok(PayOutcome::Declined { .. }) | Err(PayError::NoSuchStep) => back_to_page(&session),
            other => next_page(sandbox, &session, Typed::default(), other),
        }
    })
}

/// From the bank to the page, which stands one level up: the buyer was refused, or the step is an old one.
fn back_to_page(session: &str) -> Response {
    see_other(&format!("../{session}"))
}

fn next_page(
    sandbox: &Sandbox,
    session: &str,
    typed: Typed,
    result: Result<PayOutcome, PayError>,
) -> Response {
    match result {
        Ok(PayOutcome::Paid { redirect } | PayOutcome::Processing { redirect }) => see_other(&redirect),
        // Relative, because the sandbox may be nested under another path.
        Ok(PayOutcome::NeedsAuthentication { token }) => {
            see_other(&format!("{session}/authenticate?token={token}"))
        }
        Ok(PayOutcome::Declined { message, .. }) => pay_page(sandbox, session, typed, Some(message)),
        Err(error @ PayError::UnknownCard) => pay_page(sandbox, session, typed, Some(error.to_string())),
        Err(error) => closed(sandbox, session, &error),
    }
}

fn pay_page(sandbox: &Sandbox, session: &str, typed: Typed, error: Option<String>) -> Response {
    let order = match order(sandbox, session) {
        Ok(order) => order,
        Err(error) => return closed(sandbox, session, &error),
    };
    let status = if error.is_some() { StatusCode::PAYMENT_REQUIRED } else { StatusCode::OK };
    html(status, &PayPage { order, typed, error, cards: &CARDS })
}

/// There is nothing to pay any more. Who has paid and comes once more, by a second click or the button "back", goes on
/// to where the first click led.
fn closed(sandbox: &Sandbox, id: &str, error: &PayError) -> Response {
    let session = sandbox.session(id).ok();
    let status = match (error, session) {
        (PayError::NotOpen("complete"), Some(session)) => return see_other(&session.redirect()),
        (PayError::NotOpen(_), _) => StatusCode::GONE,
        (PayError::NoSuchSession, _) => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let page = ClosedPage::new("Nothing to pay here", error.to_string());
    let seller = sandbox.settings.seller.clone();
    let back = session.and_then(|session| session.cancel_url.clone()).map(|url| Back { seller, url });
    html(status, &ClosedPage { back, ..page })
}

impl ClosedPage {
    fn new(title: &'static str, message: String) -> Self {
        ClosedPage { title, message, back: None }
    }
}

fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned())]).into_response()
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the payment page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn order(sandbox: &Sandbox, id: &str) -> Result<Order, PayError> {
    let session = sandbox.session(id).map_err(|_| PayError::NoSuchSession)?;
    if session.stage.status() != "open" {
        return Err(PayError::NotOpen(session.stage.status()));
    }
    let money = |minor: i64| match session.currency.parse::<Currency>() {
        Ok(currency) => Money::new(minor, currency).tag(),
        Err(_) => format!("{minor} {}", session.currency),
    };
    let totals = session.totals_once_located();
    let lines = session.lines.iter().map(|line| LineView {
        name: line.description.clone(),
        quantity: line.quantity,
        unit: money(line.unit_amount),
        total: money(line.subtotal()),
    });
    let shipping = session.shipping_options.first().map_or("Shipping", |option| option.name.as_str());
    let extras = [("Discount", -totals.discount), (shipping, totals.shipping), ("Tax", totals.tax)];
    let extras = extras.iter().filter(|(_, minor)| *minor != 0);
    let of_customer = || sandbox.usable_customer(session.customer.as_ref()?).ok()?.email.clone();
    Ok(Order {
        seller: sandbox.settings.seller.clone(),
        lines: lines.collect(),
        extras: extras.map(|(name, minor)| ((*name).to_owned(), money(*minor))).collect(),
        total: money(totals.total),
        email: session.customer_email.clone().or_else(of_customer),
        cancel_url: session.cancel_url.clone(),
        free: session.costs_nothing(),
        takes_codes: session.shown.get("allow_promotion_codes") == Some(&true.into()),
    })
}
