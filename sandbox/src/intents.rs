//! PaymentIntents: the wish to collect a sum, from the first attempt to the last.

use std::time::Duration;

use kernel::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::cards::{Decline, Instrument, Verdict};
use crate::charges::{Charge, ChargeState};
use crate::currencies;
use crate::customers::shipping;
use crate::error::ApiError;
use crate::events::Event;
use crate::ids;
use crate::lists::Paging;
use crate::methods::Chosen;
use crate::params::{Metadata, Params, merge};
use crate::reviews::ReviewClosed;
use crate::shape::{NULL, Shown, members};
use crate::shelf::Kept;

/// What a bank says in the end about a debit or a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Later {
    /// It goes through.
    Succeeds,
    /// It does not.
    Fails,
}

/// Who pays, as typed on the payment page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buyer {
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    /// With all six lines.
    pub(crate) address: Value,
}

/// How far a PaymentIntent has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Progress {
    NeedsMethod,
    NeedsConfirmation,
    NeedsAction,
    NeedsCapture,
    Processing,
    Succeeded,
    Canceled { at: i64, reason: Option<String> },
}

impl Progress {
    fn status(&self) -> &'static str {
        match self {
            Progress::NeedsMethod => "requires_payment_method",
            Progress::NeedsConfirmation => "requires_confirmation",
            Progress::NeedsAction => "requires_action",
            Progress::NeedsCapture => "requires_capture",
            Progress::Processing => "processing",
            Progress::Succeeded => "succeeded",
            Progress::Canceled { .. } => "canceled",
        }
    }
}

/// A PaymentIntent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) progress: Progress,
    pub(crate) customer: Option<String>,
    pub(crate) terms: IntentTerms,
    /// The Checkout Session that made it.
    pub(crate) session: Option<String>,
    pub(crate) charges: Vec<String>,
    pub(crate) last_error: Option<Value>,
    /// The PaymentMethod's id, and what it is.
    pub(crate) method: Option<(String, Instrument)>,
    /// What the bank will say, when that method is a debit that is to fail.
    #[serde(default)]
    outcome: Option<Later>,
    client_secret: String,
    #[serde(default)]
    pub(crate) review: Option<String>,
}

/// What the shop says about a payment beforehand; `payment_intent_data` of a session.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct IntentTerms {
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) receipt_email: Option<String>,
    pub(crate) manual_capture: bool,
    pub(crate) shipping: Option<Value>,
    setup_future_usage: Option<String>,
    statement_descriptor: Option<String>,
    statement_descriptor_suffix: Option<String>,
    transfer_group: Option<String>,
}

impl std::ops::Deref for Intent {
    type Target = IntentTerms;
    fn deref(&self) -> &IntentTerms {
        &self.terms
    }
}

impl Kept for Intent {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

/// The parameters that a PaymentIntent shares with `payment_intent_data`.
pub(crate) const TERMS: [&str; 9] = [
    "capture_method",
    "description",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
];

impl IntentTerms {
    pub(crate) fn read(params: &Params) -> Result<Self, ApiError> {
        let capture = params.one_of("capture_method", &["automatic", "automatic_async", "manual"])?;
        Ok(IntentTerms {
            description: params.text("description")?,
            metadata: params.metadata("metadata")?,
            receipt_email: params.text("receipt_email")?,
            manual_capture: capture.as_deref() == Some("manual"),
            shipping: shipping(params)?,
            setup_future_usage: params.one_of("setup_future_usage", &["off_session", "on_session"])?,
            statement_descriptor: params.text("statement_descriptor")?,
            statement_descriptor_suffix: params.text("statement_descriptor_suffix")?,
            transfer_group: params.text("transfer_group")?,
        })
    }
}

impl IntentTerms {
    /// What a Payment Link shows of the payment to be made.
    pub(crate) fn shown_on_link(&self) -> Value {
        json!({
            "capture_method": self.manual_capture.then_some("manual"),
            "description": self.description,
            "metadata": self.metadata,
            "setup_future_usage": self.setup_future_usage,
            "statement_descriptor": self.statement_descriptor,
            "statement_descriptor_suffix": self.statement_descriptor_suffix,
            "transfer_group": self.transfer_group,
        })
    }
}

impl Intent {
    pub(crate) fn new(amount: i64, currency: String, terms: IntentTerms, call: &Call) -> Self {
        let id = ids::long("pi_3", &call.cx);
        Intent {
            client_secret: ids::secret(&format!("{id}_secret_"), &call.cx),
            id,
            created: call.seconds(),
            amount,
            currency,
            progress: Progress::NeedsMethod,
            customer: None,
            terms,
            session: None,
            charges: Vec::new(),
            last_error: None,
            method: None,
            outcome: None,
            review: None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        Shown(self).to_json()
    }

    /// The payment method that it will be confirmed with.
    fn choose(&mut self, chosen: &Chosen, call: &Call) {
        self.progress = Progress::NeedsConfirmation;
        self.method = Some((ids::long("pm_1", &call.cx), chosen.instrument.clone()));
        self.outcome = Some(chosen.outcome);
    }

    fn chosen(&self) -> Option<Chosen> {
        let (_, instrument) = self.method.clone()?;
        Some(Chosen { instrument, outcome: self.outcome.unwrap_or(Later::Succeeds) })
    }

    /// Whether nothing was paid yet, so that it can still become another.
    fn waits(&self) -> bool {
        matches!(self.progress, Progress::NeedsMethod | Progress::NeedsConfirmation | Progress::NeedsAction)
    }

    fn next_action(&self) -> Option<Value> {
        let asks =
            json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } });
        (self.progress == Progress::NeedsAction).then_some(asks)
    }
}

impl Serialize for Shown<&Intent> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let intent = self.0;
        let (canceled_at, reason) = match &intent.progress {
            Progress::Canceled { at, reason } => (Some(at), reason.as_ref()),
            _ => (None, None),
        };
        let received = if intent.progress == Progress::Succeeded { intent.amount } else { 0 };
        let types = match &intent.method {
            Some((_, instrument)) if intent.session.is_some() => vec![instrument.kind()],
            _ => vec!["card", "us_bank_account"],
        };
        members!(serializer, {
            "id": intent.id,
            "object": "payment_intent",
            "allowed_payment_method_types": NULL,
            "amount": intent.amount,
            "amount_capturable": if intent.progress == Progress::NeedsCapture { intent.amount } else { 0 },
            "amount_details": json!({ "tip": {} }),
            "amount_received": received,
            "application": NULL,
            "application_fee_amount": NULL,
            "automatic_payment_methods": intent.session.is_none().then(|| json!({ "allow_redirects": "always", "enabled": true })),
            "canceled_at": canceled_at,
            "cancellation_reason": reason,
            "capture_method": if intent.manual_capture { "manual" } else { "automatic_async" },
            "client_secret": intent.client_secret,
            "confirmation_method": "automatic",
            "created": intent.created,
            "currency": intent.currency,
            "customer": intent.customer,
            "customer_account": NULL,
            "description": intent.description,
            "excluded_payment_method_types": NULL,
            "last_payment_error": intent.last_error,
            "latest_charge": intent.charges.last(),
            "livemode": false,
            "managed_payments": NULL,
            "metadata": intent.metadata,
            "next_action": intent.next_action(),
            "on_behalf_of": NULL,
            "payment_method": intent.method.as_ref().map(|(id, _)| id),
            "payment_method_configuration_details": NULL,
            "payment_method_options": json!({}),
            "payment_method_types": types,
            "payment_record": NULL,
            "processing": NULL,
            "receipt_email": intent.receipt_email,
            "review": intent.review,
            "setup_future_usage": intent.setup_future_usage,
            "shipping": intent.shipping,
            "source": NULL,
            "statement_descriptor": intent.statement_descriptor,
            "statement_descriptor_suffix": intent.statement_descriptor_suffix,
            "status": intent.progress.status(),
            "transfer_data": NULL,
            "transfer_group": intent.transfer_group,
        })
        .end()
    }
}

/// An attempt to pay.
pub(crate) struct Attempt<'a> {
    pub(crate) instrument: Instrument,
    pub(crate) buyer: &'a Buyer,
    /// Whether the buyer has already proven who they are.
    pub(crate) authenticated: bool,
    /// For a debit: what the bank will say, and when.
    pub(crate) debit: (Later, Timestamp),
}

/// What an attempt came to.
pub(crate) enum Attempted {
    Succeeded,
    Processing,
    NeedsAuthentication,
    Declined(Box<ApiError>),
}

impl Sandbox {
    /// Puts a new PaymentIntent on its shelf and tells of it.
    pub(crate) fn begin_intent(&mut self, intent: Intent, call: &Call) {
        self.publish(Event::new("payment_intent.created", &intent.id, &Shown(&intent), None, call), call);
        self.intents.put(intent);
    }

    /// Tries to pay a PaymentIntent that is not finished yet.
    pub(crate) fn attempt(&mut self, id: &str, attempt: Attempt, call: &Call) -> Result<Attempted, ApiError> {
        let intent = self.intents.get_mut(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "id"))?;
        let same = intent.method.as_ref().is_some_and(|(_, chosen)| *chosen == attempt.instrument);
        if !same {
            intent.method = Some((ids::long("pm_1", &call.cx), attempt.instrument.clone()));
        }
        match attempt.instrument.card().map(|card| card.verdict) {
            None => Ok(self.debit(id, &attempt, call)),
            Some(Verdict::Declines(decline)) => {
                let error = self.decline(id, decline, attempt.buyer, call);
                Ok(Attempted::Declined(Box::new(error)))
            }
            Some(Verdict::AsksForAuthentication) if !attempt.authenticated => {
                self.change_intent(id, "payment_intent.requires_action", call, |intent| {
                    intent.progress = Progress::NeedsAction;
                });
                Ok(Attempted::NeedsAuthentication)
            }
            Some(Verdict::Pays | Verdict::AsksForAuthentication) => Ok(self.collect(id, attempt.buyer, call)),
        }
    }

    /// Changes a PaymentIntent and emits `kind` about it.
    pub(crate) fn change_intent(
        &mut self,
        id: &str,
        kind: &str,
        call: &Call,
        change: impl FnOnce(&mut Intent),
    ) {
        let Some(intent) = self.intents.get_mut(id) else { return };
        change(intent);
        let event = Event::new(kind, &intent.id, &Shown(&*intent), None, call);
        self.publish(event, call);
    }

    /// Makes a charge in this state; it becomes the PaymentIntent's latest. Its event is left to the caller,
    /// because it comes after the PaymentIntent's.
    fn charge(&mut self, id: &str, state: ChargeState, buyer: &Buyer, call: &Call) -> String {
        let Some(intent) = self.intents.get_mut(id) else { return String::new() };
        let charge = Charge::new(intent, state, buyer, call);
        intent.charges.push(charge.id.clone());
        let charge_id = charge.id.clone();
        self.charges.put(charge);
        charge_id
    }

    fn collect(&mut self, id: &str, buyer: &Buyer, call: &Call) -> Attempted {
        let charge = self.charge(id, ChargeState::Succeeded, buyer, call);
        let held = self.intents.get(id).is_some_and(|intent| intent.manual_capture);
        let (progress, kind) = match held {
            true => (Progress::NeedsCapture, "payment_intent.amount_capturable_updated"),
            false => (Progress::Succeeded, "payment_intent.succeeded"),
        };
        self.change_intent(id, kind, call, |intent| {
            intent.progress = progress;
            intent.last_error = None;
        });
        self.emit_about_charge(&charge, "charge.succeeded", call);
        if !held {
            self.foresee_charge(charge, call);
        }
        Attempted::Succeeded
    }

    fn debit(&mut self, id: &str, attempt: &Attempt, call: &Call) -> Attempted {
        let charge = self.charge(id, ChargeState::Pending, attempt.buyer, call);
        self.change_intent(id, "payment_intent.processing", call, |intent| {
            intent.progress = Progress::Processing;
            intent.last_error = None;
        });
        self.emit_about_charge(&charge, "charge.pending", call);
        let (outcome, at) = attempt.debit;
        self.agenda.push(at, Task::SettleDebit { intent: id.to_owned(), outcome });
        Attempted::Processing
    }

    fn decline(&mut self, id: &str, decline: Decline, buyer: &Buyer, call: &Call) -> ApiError {
        let charge = self.charge(id, decline.into(), buyer, call);
        let mut error = ApiError::declined(decline.code, decline.message)
            .with("advice_code", json!(decline.advice))
            .with("charge", json!(charge));
        if let Some(decline_code) = decline.decline_code {
            error = error.with("decline_code", json!(decline_code));
        }
        self.fail_intent(id, error.inner().into(), call);
        self.emit_about_charge(&charge, "charge.failed", call);
        error
    }

    /// Back to the start: the buyer may try another payment method.
    pub(crate) fn fail_intent(&mut self, id: &str, error: Value, call: &Call) {
        self.change_intent(id, "payment_intent.payment_failed", call, |intent| {
            intent.progress = Progress::NeedsMethod;
            intent.last_error = Some(error);
            intent.method = None;
        });
    }

    /// The buyer did not prove who they are.
    pub(crate) fn fail_authentication(&mut self, id: &str, call: &Call) -> ApiError {
        let message = "We are unable to authenticate your payment method. Please choose a different payment method \
                       and try again.";
        let error = ApiError::declined("payment_intent_authentication_failure", message);
        let mut inner = error.inner();
        inner.insert("type".into(), json!("invalid_request_error"));
        self.fail_intent(id, inner.into(), call);
        error
    }

    /// The bank has decided about a debit.
    pub(crate) fn settle_debit(&mut self, id: &str, outcome: Later, call: &Call) {
        const MESSAGE: &str = "The customer's bank account has insufficient funds.";
        let Some(intent) = self.intents.get(id).filter(|intent| intent.progress == Progress::Processing)
        else {
            return;
        };
        let (session, charge) = (intent.session.clone(), intent.charges.last().cloned().unwrap_or_default());
        let Some(held) = self.charges.get_mut(&charge) else { return };
        match outcome {
            Later::Succeeds => {
                (held.state, held.captured) = (ChargeState::Succeeded, true);
                self.change_intent(id, "payment_intent.succeeded", call, |i| {
                    i.progress = Progress::Succeeded
                });
                self.emit_about_charge(&charge, "charge.succeeded", call);
                self.foresee_charge(charge, call);
            }
            Later::Fails => {
                let code = "insufficient_funds".to_owned();
                held.state = ChargeState::Failed { code, decline_code: None, message: MESSAGE.into() };
                let error = ApiError::declined("insufficient_funds", MESSAGE).with("charge", json!(charge));
                self.fail_intent(id, error.inner().into(), call);
                self.emit_about_charge(&charge, "charge.failed", call);
            }
        }
        if let Some(session) = session {
            self.settle_session(&session, outcome, call);
        }
    }

    pub(crate) fn create_intent(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        refuse_method_types(params)?;
        params.only(
            &[
                &TERMS[..],
                &[
                    "amount",
                    "currency",
                    "allowed_payment_method_types",
                    "automatic_payment_methods",
                    "confirm",
                    "confirmation_method",
                    "customer",
                    "error_on_requires_action",
                    "excluded_payment_method_types",
                    "off_session",
                    "payment_method",
                    "return_url",
                ],
            ]
            .concat(),
        )?;
        let amount = params.amount("amount")?.ok_or_else(|| ApiError::missing_parameter("amount"))?;
        let currency = params.currency("currency")?.ok_or_else(|| ApiError::missing_parameter("currency"))?;
        let customer = params.text("customer")?;
        if let Some(id) = &customer {
            self.usable_customer(id)?;
        }
        check_amount(amount, &currency, params)?;
        let confirm = params.flag("confirm")?.unwrap_or(false);
        let method = Chosen::read(params)?;
        if confirm && method.is_none() {
            return Err(missing_method());
        }
        let mut intent = Intent::new(amount, currency, IntentTerms::read(params)?, call);
        intent.customer = customer;
        if let Some(chosen) = &method {
            intent.choose(chosen, call);
        }
        let id = intent.id.clone();
        self.begin_intent(intent, call);
        match method.filter(|_| confirm) {
            Some(method) => self.confirm_with(&id, method, call),
            None => self.retrieve_intent(&id),
        }
    }

    pub(crate) fn confirm_intent(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        refuse_method_types(params)?;
        params.only(&[
            "payment_method",
            "return_url",
            "off_session",
            "receipt_email",
            "error_on_requires_action",
        ])?;
        let intent = self.intents.get(id).ok_or_else(|| no_such_intent(id))?;
        if !intent.waits() || intent.session.is_some() {
            return Err(unexpected_state(intent, "confirm"));
        }
        let method = Chosen::read(params)?.or(intent.chosen()).ok_or_else(missing_method)?;
        self.confirm_with(id, method, call)
    }

    fn confirm_with(&mut self, id: &str, method: Chosen, call: &Call) -> Result<Value, ApiError> {
        let Chosen { instrument, outcome } = method;
        let settles = Duration::from_secs(self.settings.debit_settles_after_seconds);
        let buyer = Buyer::default();
        let debit = (outcome, call.now() + settles);
        let attempt = Attempt { instrument, buyer: &buyer, authenticated: false, debit };
        match self.attempt(id, attempt, call)? {
            Attempted::Declined(error) => Err(error.with("payment_intent", self.retrieve_intent(id)?)),
            Attempted::Succeeded | Attempted::Processing | Attempted::NeedsAuthentication => {
                self.retrieve_intent(id)
            }
        }
    }

    pub(crate) fn capture_intent(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["metadata"])?;
        let intent = self.intents.get(id).ok_or_else(|| no_such_intent(id))?;
        if intent.progress != Progress::NeedsCapture {
            return Err(unexpected_state(intent, "capture"));
        }
        let charge = intent.charges.last().cloned().unwrap_or_default();
        self.change_intent(id, "payment_intent.succeeded", call, |i| i.progress = Progress::Succeeded);
        if let Some(held) = self.charges.get_mut(&charge) {
            held.captured = true;
            self.emit_about_charge(&charge, "charge.captured", call);
            self.foresee_charge(charge, call);
        }
        self.paid_by_capture(id);
        self.retrieve_intent(id)
    }

    pub(crate) fn cancel_intent(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["cancellation_reason"])?;
        let reasons = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
        let reason = params.one_of("cancellation_reason", &reasons)?;
        let intent = self.intents.get(id).ok_or_else(|| no_such_intent(id))?;
        let finished =
            matches!(intent.progress, Progress::Succeeded | Progress::Processing | Progress::Canceled { .. });
        if finished {
            return Err(unexpected_state(intent, "cancel"));
        }
        if intent.session.is_some() && intent.progress != Progress::NeedsCapture {
            let message = "You cannot cancel this PaymentIntent because it was created by a Checkout Session. \
                           Expire the Checkout Session instead.";
            return Err(ApiError::impossible(message).code("payment_intent_unexpected_state"));
        }
        self.end_intent(id, reason, call);
        self.retrieve_intent(id)
    }

    pub(crate) fn end_intent(&mut self, id: &str, reason: Option<String>, call: &Call) {
        let at = call.seconds();
        self.change_intent(id, "payment_intent.canceled", call, |intent| {
            intent.progress = Progress::Canceled { at, reason };
        });
        if let Some(charge) = self.intents.get(id).and_then(|intent| intent.charges.last().cloned()) {
            self.end_review_of(&charge, ReviewClosed::Canceled, call);
        }
    }

    pub(crate) fn update_intent(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        const PAYMENT: [&str; 4] = ["amount", "currency", "customer", "payment_method"];
        refuse_method_types(params)?;
        params.only(&[&PAYMENT[..], &["description", "metadata", "receipt_email"]].concat())?;
        let (description, metadata) =
            (params.unsettable("description")?, params.metadata_change("metadata")?);
        let receipt_email = params.unsettable("receipt_email")?;
        let (chosen, customer) = (Chosen::read(params)?, params.text("customer")?);
        if let Some(id) = &customer {
            self.usable_customer(id)?;
        }
        let intent = self.intents.get_mut(id).ok_or_else(|| no_such_intent(id))?;
        let touches_payment = PAYMENT.iter().any(|name| params.has(name));
        if touches_payment && (!intent.waits() || intent.session.is_some()) {
            return Err(unexpected_state(intent, "update"));
        }
        let amount = params.amount("amount")?.unwrap_or(intent.amount);
        let currency = params.currency("currency")?.unwrap_or_else(|| intent.currency.clone());
        if touches_payment {
            check_amount(amount, &currency, params)?;
        }
        merge(&mut intent.terms.metadata, metadata)?;
        (intent.amount, intent.currency) = (amount, currency);
        intent.customer = customer.or_else(|| intent.customer.take());
        if let Some(chosen) = &chosen {
            intent.choose(chosen, call);
        }
        let terms = &mut intent.terms;
        terms.description = description.unwrap_or_else(|| terms.description.take());
        terms.receipt_email = receipt_email.unwrap_or_else(|| terms.receipt_email.take());
        self.retrieve_intent(id)
    }

    pub(crate) fn retrieve_intent(&self, id: &str) -> Result<Value, ApiError> {
        self.intents.get(id).map(Intent::to_json).ok_or_else(|| no_such_intent(id))
    }

    pub(crate) fn list_intents(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "customer"])?;
        let customer = params.text("customer")?;
        let keep = |intent: &Intent| customer.is_none() || intent.customer == customer;
        Paging::read(params)?.page(&self.intents, "/v1/payment_intents", keep, Intent::to_json)
    }
}

/// Endive no longer takes `payment_method_types`, and says so with its own code.
fn refuse_method_types(params: &Params) -> Result<(), ApiError> {
    if !params.has("payment_method_types") {
        return Ok(());
    }
    let message = "`payment_method_types` is no longer supported. Leave it out, or use \
                   `allowed_payment_method_types` or `excluded_payment_method_types`.";
    Err(params.invalid("payment_method_types", message).code("payment_method_types_no_longer_supported"))
}

fn check_amount(amount: i64, currency: &str, params: &Params) -> Result<(), ApiError> {
    let checked = currencies::check_charge(amount, currency, "Amount must be");
    checked.map_err(|error| error.about(&params.name_of("amount")))
}

fn no_such_intent(id: &str) -> ApiError {
    ApiError::no_such("payment_intent", id, "id")
}

fn missing_method() -> ApiError {
    let message = "You cannot confirm this PaymentIntent because it's missing a payment method. Update the \
                   PaymentIntent with a payment method and then confirm it again.";
    ApiError::impossible(message).code("payment_intent_unexpected_state")
}

fn unexpected_state(intent: &Intent, wanted: &str) -> ApiError {
    let status = intent.progress.status();
    let message = format!("You cannot {wanted} this PaymentIntent because it has a status of {status}.");
    ApiError::impossible(message)
        .code("payment_intent_unexpected_state")
        .with("payment_intent", intent.to_json())
}
