//! What the buyer does on the payment page.

use std::time::Duration;

use kernel::Cx;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::call::Call;
use crate::cards::{self, Instrument};
use crate::checkout::session::{AtTheBank, Session, Stage, Tax};
use crate::error::ApiError;
use crate::ids;
use crate::intents::{Attempt, Attempted, Buyer, Intent, Later, Progress};

/// How the buyer pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A test card's number; spaces are allowed.
    Card(String),
    /// A bank debit, of which the bank later says this.
    BankDebit(Later),
}

/// What a buyer types in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payment {
    /// How they pay.
    pub method: Method,
    /// Ignored when the session already has an e-mail address.
    pub email: String,
    /// As on the card.
    pub name: String,
    /// Two letters.
    pub country: String,
    /// Optional.
    pub postal_code: Option<String>,
    /// For a debit: when the bank decides. `None` takes the account's setting.
    pub settles_after: Option<Duration>,
}

impl Payment {
    /// With a card, by somebody called Test Buyer.
    pub fn by_card(number: &str) -> Self {
        Payment {
            method: Method::Card(number.to_owned()),
            email: "buyer@example.com".into(),
            name: "Test Buyer".into(),
            country: "US".into(),
            postal_code: Some("94107".into()),
            settles_after: None,
        }
    }

    /// With a bank debit that ends so.
    pub fn by_bank_debit(outcome: Later) -> Self {
        Payment { method: Method::BankDebit(outcome), ..Self::by_card("") }
    }
}

/// What the payment page shows next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PayOutcome {
    /// Paid, or nothing was to pay: on to the shop.
    Paid {
        /// The session's `success_url`, filled in.
        redirect: String,
    },
    /// The bank refused; the buyer may try again.
    Declined {
        /// Stripe's code, like `card_declined`.
        code: String,
        /// For the buyer.
        message: String,
    },
    /// On to the bank, which wants to see its customer (3-D Secure).
    NeedsAuthentication {
        /// Names this step in [`Sandbox::authenticate`].
        token: String,
    },
    /// The buyer is done, the bank is not: on to the shop.
    Processing {
        /// The session's `success_url`, filled in.
        redirect: String,
    },
}

/// How the buyer fares at their bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// They prove who they are.
    Complete,
    /// They do not.
    Fail,
}

/// Why nothing could be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayError {
    /// There is no such session.
    NoSuchSession,
    /// It is complete or expired; the status says which.
    NotOpen(&'static str),
    /// Not one of the test cards.
    UnknownCard,
    /// This 3-D Secure step is over, or never was.
    NoSuchStep,
    /// Not a code that works now.
    UnknownPromotionCode,
    /// The sandbox contradicts itself.
    Bug(String),
}

impl std::fmt::Display for PayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PayError::NoSuchSession => f.write_str("There is no such Checkout Session."),
            PayError::NotOpen(status) => {
                write!(f, "This Checkout Session is {status}; nothing can be paid any more.")
            }
            PayError::UnknownCard => {
                f.write_str("Your card number is incorrect. Only the test cards work here.")
            }
            PayError::NoSuchStep => f.write_str("This authentication is over. Please start again."),
            PayError::UnknownPromotionCode => f.write_str("This code is invalid."),
            PayError::Bug(what) => write!(f, "The sandbox contradicts itself: {what}"),
        }
    }
}

impl std::error::Error for PayError {}

impl Sandbox {
    /// The buyer presses "Pay".
    pub fn pay(&mut self, session: &str, payment: &Payment, cx: &Cx) -> Result<PayOutcome, PayError> {
        self.tick(cx);
        let call = Call::of_nobody(self.local(cx));
        let open = self.open_session(session)?;
        open.refused_at_bank = None;
        let buyer = open.buyer_of(payment);
        if open.costs_nothing() {
            let redirect = open.redirect();
            self.locate(session);
            self.complete(session, Stage::Free, buyer, &call);
            return Ok(PayOutcome::Paid { redirect });
        }
        let instrument = payment.method.instrument().ok_or(PayError::UnknownCard)?;
        self.locate(session);
        self.try_to_pay(session, instrument, buyer, payment, &call)
    }

    /// The buyer comes back from their bank.
    pub fn authenticate(
        &mut self,
        session: &str,
        token: &str,
        how: Authentication,
        cx: &Cx,
    ) -> Result<PayOutcome, PayError> {
        self.tick(cx);
        let call = Call::of_nobody(self.local(cx));
        let open = self.open_session(session)?;
        let step = open.at_the_bank.take_if(|step| step.token == token).ok_or(PayError::NoSuchStep)?;
        let intent = open.payment_intent.clone().ok_or(PayError::NoSuchStep)?;
        if how == Authentication::Fail {
            open.refused_at_bank = Some(step);
            return Ok(declined(&self.fail_authentication(&intent, &call)));
        }
        let attempt = Attempt {
            instrument: step.instrument,
            buyer: &step.buyer,
            authenticated: true,
            debit: (Later::Succeeds, call.now()),
        };
        let attempted = self.attempt(&intent, attempt, &call).map_err(bug)?;
        self.after_attempt(session, attempted, None, step.buyer.clone(), &call)
    }

    /// The buyer types a promotion code.
    pub fn apply_promotion_code(&mut self, session: &str, code: &str, cx: &Cx) -> Result<(), PayError> {
        self.tick(cx);
        let call = Call::of_nobody(self.local(cx));
        let discount = self.promotion_code_typed(code, &call);
        let open = self.open_session(session)?;
        if open.shown.get("allow_promotion_codes") != Some(&Value::Bool(true)) {
            return Err(PayError::UnknownPromotionCode);
        }
        let before = open.discount.replace(discount.ok_or(PayError::UnknownPromotionCode)?);
        if open.check_total().is_err() {
            open.discount = before;
            return Err(PayError::UnknownPromotionCode);
        }
        Ok(())
    }

    /// Sets tax and shipping of an open session to these sums, so that its total differs from what the shop asked.
    pub fn set_adjustment(&mut self, session: &str, tax: i64, shipping: i64) -> Result<(), PayError> {
        let open = self.open_session(session)?;
        (open.tax, open.shipping) = (Tax::Known(tax), shipping);
        Ok(())
    }

    /// Makes the payment of an open session collect another sum than the session says: a Stripe gone wrong.
    pub fn collect_instead(&mut self, session: &str, amount: i64, currency: &str) -> Result<(), PayError> {
        self.open_session(session)?.collects_instead = Some((amount, currency.to_ascii_lowercase()));
        Ok(())
    }

    /// Makes the first line of an open session cost another sum than the shop asked for, as if its price at Stripe
    /// were not the shop's: session, payment and charge all agree on it.
    pub fn reprice(&mut self, session: &str, unit_amount: i64) -> Result<(), PayError> {
        if let Some(line) = self.open_session(session)?.lines.first_mut() {
            line.unit_amount = unit_amount;
        }
        Ok(())
    }

    fn open_session(&mut self, id: &str) -> Result<&mut Session, PayError> {
        let session = self.sessions.get_mut(id).ok_or(PayError::NoSuchSession)?;
        match session.stage {
            Stage::Open => Ok(session),
            other => Err(PayError::NotOpen(other.status())),
        }
    }

    /// With the buyer's address the tax is known.
    fn locate(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id).filter(|s| matches!(s.tax, Tax::OnceLocated(_))) {
            session.tax = Tax::Known(session.totals_once_located().tax);
        }
    }

    fn try_to_pay(
        &mut self,
        id: &str,
        instrument: Instrument,
        buyer: Buyer,
        payment: &Payment,
        call: &Call,
    ) -> Result<PayOutcome, PayError> {
        let intent = self.intent_of(id, &buyer, call)?;
        let settings = Duration::from_secs(self.settings.debit_settles_after_seconds);
        let outcome = if let Method::BankDebit(outcome) = payment.method { outcome } else { Later::Succeeds };
        let debit = (outcome, call.now() + payment.settles_after.unwrap_or(settings));
        let at_the_bank = instrument.clone();
        let attempt = Attempt { instrument, buyer: &buyer, authenticated: false, debit };
        let attempted = self.attempt(&intent, attempt, call).map_err(bug)?;
        self.after_attempt(id, attempted, Some(at_the_bank), buyer, call)
    }

    /// The session's PaymentIntent, made at the first attempt; the total may have changed since.
    fn intent_of(&mut self, id: &str, buyer: &Buyer, call: &Call) -> Result<String, PayError> {
        let session = self.open_session(id)?;
        let asked = (session.totals().total, session.currency.clone());
        let (amount, currency) = session.collects_instead.clone().unwrap_or(asked);
        if let Some(known) = session.payment_intent.clone() {
            if let Some(intent) = self.intents.get_mut(&known) {
                (intent.amount, intent.currency) = (amount, currency);
            }
            return Ok(known);
        }
        let mut intent = Intent::new(amount, currency, session.intent_terms.clone(), call);
        intent.session = Some(id.to_owned());
        let intent_id = intent.id.clone();
        session.payment_intent = Some(intent_id.clone());
        intent.customer = self.customer_for(id, buyer, call);
        self.begin_intent(intent, call);
        Ok(intent_id)
    }

    /// The session's customer; made now when the shop asked for one `always`.
    fn customer_for(&mut self, id: &str, buyer: &Buyer, call: &Call) -> Option<String> {
        let session = self.sessions.get(id)?;
        if session.customer.is_some() || session.customer_creation.as_deref() != Some("always") {
            return session.customer.clone();
        }
        let customer = self.customer_from_checkout(buyer.email.clone(), buyer.name.clone(), call);
        self.sessions.get_mut(id)?.customer = Some(customer.clone());
        Some(customer)
    }

    fn after_attempt(
        &mut self,
        id: &str,
        attempted: Attempted,
        instrument: Option<Instrument>,
        buyer: Buyer,
        call: &Call,
    ) -> Result<PayOutcome, PayError> {
        let session = self.open_session(id)?;
        let redirect = session.redirect();
        match (attempted, instrument) {
            (Attempted::Succeeded, _) => {
                let held = self.is_held(id);
                self.complete(id, if held { Stage::Processing } else { Stage::Paid }, buyer, call);
                Ok(PayOutcome::Paid { redirect })
            }
            (Attempted::Processing, _) => {
                self.complete(id, Stage::Processing, buyer, call);
                Ok(PayOutcome::Processing { redirect })
            }
            (Attempted::Declined(error), _) => Ok(declined(&error)),
            (Attempted::NeedsAuthentication, Some(instrument)) => {
                let token = ids::secret("auth_", &call.cx);
                session.at_the_bank = Some(AtTheBank { token: token.clone(), instrument, buyer });
                Ok(PayOutcome::NeedsAuthentication { token })
            }
            (Attempted::NeedsAuthentication, None) => Err(PayError::Bug("authenticated twice".into())),
        }
    }

    /// With manual capture the money is only held, so the session stays unpaid.
    fn is_held(&self, session: &str) -> bool {
        let intent = self.sessions.get(session).and_then(|session| session.payment_intent.as_ref());
        let intent = intent.and_then(|id| self.intents.get(id));
        intent.is_some_and(|intent| intent.progress == Progress::NeedsCapture)
    }

    fn complete(&mut self, id: &str, stage: Stage, buyer: Buyer, call: &Call) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.stage = stage;
        session.buyer = Some(buyer);
        session.at_the_bank = None;
        if let Some(discount) = session.discount.clone() {
            self.redeem(&discount);
        }
        self.emit_about_session(id, "checkout.session.completed", call);
    }

    /// The shop took the money that a session's payment only held; no event tells of it.
    pub(crate) fn paid_by_capture(&mut self, intent: &str) {
        let session = self.intents.get(intent).and_then(|intent| intent.session.as_ref());
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.stage = Stage::Paid;
        }
    }

    /// The bank has decided about a debit that completed a session.
    pub(crate) fn settle_session(&mut self, id: &str, outcome: Later, call: &Call) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let (stage, kind) = match outcome {
            Later::Succeeds => (Stage::Paid, "checkout.session.async_payment_succeeded"),
            Later::Fails => (Stage::Failed, "checkout.session.async_payment_failed"),
        };
        session.stage = stage;
        self.emit_about_session(id, kind, call);
    }
}

impl Method {
    /// `None` for a number that is no test card's.
    fn instrument(&self) -> Option<Instrument> {
        match self {
            Method::Card(number) => cards::find(number).map(|card| Instrument::Card(card.number.to_owned())),
            Method::BankDebit(_) => Some(Instrument::BankDebit),
        }
    }
}

impl Session {
    /// Whether the buyer needs no card: nothing will be collected.
    pub(crate) fn costs_nothing(&self) -> bool {
        self.totals_once_located().total <= 0 && self.collects_instead.is_none()
    }

    fn buyer_of(&self, payment: &Payment) -> Buyer {
        Buyer {
            email: Some(self.customer_email.clone().unwrap_or_else(|| payment.email.clone())),
            name: typed(&payment.name),
            phone: None,
            address: json!({
                "city": null,
                "country": typed(&payment.country),
                "line1": null,
                "line2": null,
                "postal_code": payment.postal_code,
                "state": null,
            }),
        }
    }
}

/// A field that was left empty, or not asked for, says nothing.
fn typed(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn declined(error: &ApiError) -> PayOutcome {
    let inner = error.inner();
    let text = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    PayOutcome::Declined { code: text("code"), message: text("message") }
}

fn bug(error: ApiError) -> PayError {
    PayError::Bug(error.inner().get("message").map(Value::to_string).unwrap_or_default())
}
