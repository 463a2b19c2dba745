//! Charges: each attempt to move money that reached a bank.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::cards::{Aftermath, Decline, Instrument};
use crate::disputes::NewDispute;
use crate::error::ApiError;
use crate::events::Event;
use crate::ids;
use crate::intents::{Buyer, Intent};
use crate::lists::Paging;
use crate::params::{Metadata, Params, merge};
use crate::shape::{NULL, Shown, members};
use crate::shelf::Kept;

/// How long a captured charge waits for its balance transaction.
const BOOKED_AFTER: Duration = Duration::from_secs(2);
/// How long the bank of a test card waits until it does what that card stands for.
const BANK_ACTS_AFTER: Duration = Duration::from_secs(1);

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChargeState {
    /// The bank has not said yet.
    Pending,
    /// The money moved (or is held, when `captured` is false).
    Succeeded,
    /// The bank refused.
    Failed {
        /// Stripe's code, like `card_declined`.
        code: String,
        /// The bank's reason, like `insufficient_funds`.
        decline_code: Option<String>,
        /// For the buyer.
        message: String,
    },
}

/// One attempt to move money. Its public fields are there for invariants over many payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Charge {
    /// `ch_…`
    pub id: String,
    /// The PaymentIntent that it belongs to.
    pub payment_intent: String,
    /// Minor units.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// The sum of refunds that did not fail.
    pub amount_refunded: i64,
    /// How it stands.
    pub state: ChargeState,
    /// Whether the money was taken, not only held.
    pub captured: bool,
    /// Its refunds, the oldest first.
    pub refunds: Vec<String>,
    pub(crate) created: i64,
    pub(crate) customer: Option<String>,
    pub(crate) instrument: Instrument,
    pub(crate) method: String,
    description: Option<String>,
    pub(crate) buyer: Buyer,
    metadata: Metadata,
    receipt_email: Option<String>,
    shipping: Option<Value>,
    /// Whether it has its balance transaction, which comes some seconds after the payment.
    pub(crate) booked: bool,
    /// The oldest first, like warnings and refunds.
    #[serde(default)]
    pub(crate) disputes: Vec<String>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) review: Option<String>,
}

impl Kept for Charge {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Charge {
    pub(crate) fn new(intent: &Intent, state: ChargeState, buyer: &Buyer, call: &Call) -> Self {
        let (method, instrument) = intent.method.clone().unwrap_or_else(|| {
            // A charge is only made after a payment method was chosen.
            (String::new(), Instrument::BankDebit)
        });
        Charge {
            id: ids::long("ch_3", &call.cx),
            payment_intent: intent.id.clone(),
            amount: intent.amount,
            currency: intent.currency.clone(),
            amount_refunded: 0,
            captured: state == ChargeState::Succeeded && !intent.manual_capture,
            state,
            refunds: Vec::new(),
            created: call.seconds(),
            customer: intent.customer.clone(),
            instrument,
            method,
            description: intent.description.clone(),
            buyer: buyer.clone(),
            // Copied when the charge is made; later edits of the PaymentIntent do not reach it.
            metadata: intent.metadata.clone(),
            receipt_email: intent.receipt_email.clone(),
            shipping: intent.shipping.clone(),
            booked: false,
            disputes: Vec::new(),
            warnings: Vec::new(),
            review: None,
        }
    }

    /// What may still be refunded.
    pub fn refundable(&self) -> i64 {
        if self.captured { self.amount - self.amount_refunded } else { 0 }
    }

    /// Money that moved and has an entry in the balance; its id says whose entry it is.
    pub(crate) fn balance_transaction(&self) -> Option<String> {
        self.booked.then(|| self.id.replacen("ch_", "txn_", 1))
    }

    /// As typed on the payment page.
    pub(crate) fn postal_code(&self) -> Option<String> {
        self.buyer.address["postal_code"].as_str().map(str::to_owned)
    }

    pub(crate) fn to_json(&self) -> Value {
        Shown(self).to_json()
    }

    fn outcome(&self) -> Value {
        let decline = self.instrument.card().and_then(|card| match card.verdict {
            crate::cards::Verdict::Declines(decline) => Some(decline),
            _ => None,
        });
        let elevated = self.instrument.card().is_some_and(|card| card.elevated_risk);
        let refused = matches!(self.state, ChargeState::Failed { .. });
        let reason = match &self.state {
            ChargeState::Failed { code, decline_code, .. } => Some(decline_code.as_ref().unwrap_or(code)),
            _ => None,
        };
        json!({
            "advice_code": decline.filter(|_| refused).map(|decline| decline.advice),
            "network_advice_code": null,
            "network_decline_code": decline.filter(|_| refused).map(|_| "05"),
            "network_status": if refused { "declined_by_network" } else { "approved_by_network" },
            "reason": reason,
            "risk_level": if elevated { "elevated" } else { "normal" },
            "risk_score": if elevated { 68 } else { 20 },
            "seller_message": if refused { "The bank did not return any further details with this decline." } else { "Payment complete." },
            "type": if refused { "issuer_declined" } else { "authorized" },
        })
    }

    fn method_details(&self) -> Value {
        let Some(card) = self.instrument.card() else {
            return json!({
                "type": "us_bank_account",
                "us_bank_account": {
                    "account_holder_type": "individual",
                    "account_type": "checking",
                    "bank_name": "STRIPE TEST BANK",
                    "fingerprint": "sandboxBankAcct1",
                    "last4": "6789",
                    "mandate": null,
                    "payment_reference": null,
                    "routing_number": "110000000",
                },
            });
        };
        json!({
            "type": "card",
            "card": {
                "amount_authorized": self.amount,
                "brand": card.brand,
                "checks": {
                    "address_line1_check": null,
                    "address_postal_code_check": "pass",
                    "cvc_check": "pass",
                },
                "country": "US",
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": format!("sandboxCard{}", card.last4()),
                "funding": "credit",
                "last4": card.last4(),
                "network": card.brand,
                "three_d_secure": null,
                "wallet": null,
            },
        })
    }
}

impl Serialize for Shown<&Charge> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let charge = self.0;
        let (status, failure) = match &charge.state {
            ChargeState::Pending => ("pending", None),
            ChargeState::Succeeded => ("succeeded", None),
            ChargeState::Failed { code, message, .. } => ("failed", Some((code, message))),
        };
        let paid = charge.state == ChargeState::Succeeded;
        let receipt = paid.then(|| format!("https://pay.stripe.com/receipts/payment/{}", charge.id));
        members!(serializer, {
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": if charge.captured { charge.amount } else { 0 },
            "amount_refunded": charge.amount_refunded,
            "application": NULL,
            "application_fee": NULL,
            "application_fee_amount": NULL,
            "balance_transaction": charge.balance_transaction(),
            "billing_details": json!({
                "address": charge.buyer.address,
                "email": charge.buyer.email,
                "name": charge.buyer.name,
                "phone": charge.buyer.phone,
                "tax_id": null,
            }),
            "calculated_statement_descriptor": "SANDBOX SHOP",
            "captured": charge.captured,
            "created": charge.created,
            "currency": charge.currency,
            "customer": charge.customer,
            "description": charge.description,
            "disputed": !charge.disputes.is_empty(),
            "failure_balance_transaction": NULL,
            "failure_code": failure.map(|(code, _)| code),
            "failure_message": failure.map(|(_, message)| message),
            "fraud_details": json!({}),
            "livemode": false,
            "metadata": charge.metadata,
            "on_behalf_of": NULL,
            "outcome": charge.outcome(),
            "paid": paid,
            "payment_intent": charge.payment_intent,
            "payment_method": charge.method,
            "payment_method_details": charge.method_details(),
            "receipt_email": charge.receipt_email,
            "receipt_number": NULL,
            "receipt_url": receipt,
            "refunded": paid && charge.captured && charge.amount_refunded == charge.amount,
            "review": charge.review,
            "shipping": charge.shipping,
            "source": NULL,
            "source_transfer": NULL,
            "statement_descriptor": NULL,
            "statement_descriptor_suffix": NULL,
            "status": status,
            "transfer_data": NULL,
            "transfer_group": NULL,
        })
        .end()
    }
}

impl From<Decline> for ChargeState {
    fn from(decline: Decline) -> Self {
        ChargeState::Failed {
            code: decline.code.into(),
            decline_code: decline.decline_code.map(str::to_owned),
            message: decline.message.into(),
        }
    }
}

impl Sandbox {
    /// Every charge of a PaymentIntent, the oldest first.
    pub fn charges_of(&self, payment_intent: &str) -> Vec<&Charge> {
        let ids =
            self.intents.get(payment_intent).map(|intent| intent.charges.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| self.charges.get(id)).collect()
    }

    /// Every charge of the account, the oldest first.
    pub fn charges(&self) -> &[Charge] {
        self.charges.list()
    }

    pub(crate) fn emit_about_charge(&mut self, id: &str, kind: &str, call: &Call) {
        if let Some(charge) = self.charges.get(id) {
            let event = Event::new(kind, id, &Shown(charge), None, call);
            self.publish(event, call);
        }
    }

    /// Puts on the agenda what comes of money that was taken.
    pub(crate) fn foresee_charge(&mut self, charge: String, call: &Call) {
        let card = self.charges.get(&charge).and_then(|charge| charge.instrument.card());
        if card.is_some_and(|card| card.aftermath != Aftermath::Nothing) {
            self.agenda.push(call.now() + BANK_ACTS_AFTER, Task::BankActs(charge.clone()));
        }
        self.agenda.push(call.now() + BOOKED_AFTER, Task::BookCharge(charge));
    }

    /// The bank of a test card does what that card stands for.
    pub(crate) fn bank_acts(&mut self, id: &str, call: &Call) {
        let Some(charge) = self.charges.get(id) else { return };
        let amount = charge.amount;
        match charge.instrument.card().map(|card| card.aftermath) {
            None | Some(Aftermath::Nothing) => {}
            Some(Aftermath::Dispute(reason)) => {
                self.begin_dispute(id, &NewDispute::because(reason), call);
            }
            Some(Aftermath::TwoDisputes) => {
                for part in [amount / 2, amount - amount / 2] {
                    self.begin_dispute(id, &NewDispute::default().over(part), call);
                }
            }
            Some(Aftermath::Inquiry) => {
                self.begin_dispute(id, &NewDispute::inquiry(), call);
            }
            Some(Aftermath::Warning) => {
                self.begin_warning(id, "made_with_stolen_card", call);
            }
        }
    }

    /// The balance transaction arrives; Stripe tells of it by `charge.updated`.
    pub(crate) fn book_charge(&mut self, id: &str, call: &Call) {
        let Some(charge) = self.charges.get_mut(id) else { return };
        charge.booked = true;
        let before = json!({ "balance_transaction": null });
        let event = Event::new("charge.updated", id, &Shown(&*charge), Some(&before), call);
        self.publish(event, call);
    }

    pub(crate) fn retrieve_charge(&self, id: &str) -> Result<Value, ApiError> {
        self.charges.get(id).map(Charge::to_json).ok_or_else(|| ApiError::no_such("charge", id, "id"))
    }

    pub(crate) fn update_charge(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["description", "metadata", "receipt_email"])?;
        let (description, metadata) =
            (params.unsettable("description")?, params.metadata_change("metadata")?);
        let receipt_email = params.unsettable("receipt_email")?;
        let charge = self.charges.get_mut(id).ok_or_else(|| ApiError::no_such("charge", id, "id"))?;
        let before = charge.to_json();
        merge(&mut charge.metadata, metadata)?;
        charge.description = description.unwrap_or_else(|| charge.description.take());
        charge.receipt_email = receipt_email.unwrap_or_else(|| charge.receipt_email.take());
        let after = charge.to_json();
        self.emit_if_changed("charge.updated", &before, &after, call);
        Ok(after)
    }

    pub(crate) fn list_charges(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&[
            "limit",
            "starting_after",
            "ending_before",
            "created",
            "payment_intent",
            "customer",
        ])?;
        let (intent, customer) = (params.text("payment_intent")?, params.text("customer")?);
        let (paging, keep) =
            (Paging::read(params)?, |c: &Charge| customer.is_none() || c.customer == customer);
        match intent {
            Some(intent) => {
                let few = self.charges_of(&intent);
                paging.page_of_few(&few, "/v1/charges", keep, Charge::to_json)
            }
            None => paging.page(&self.charges, "/v1/charges", keep, Charge::to_json),
        }
    }

    /// The charges that a filter by charge or PaymentIntent means; `None` when there is no such filter.
    pub(crate) fn charges_asked(&self, charge: Option<&str>, intent: Option<&str>) -> Option<Vec<&Charge>> {
        let of_intent = |charge: &&Charge| intent.is_none_or(|intent| charge.payment_intent == intent);
        match (charge, intent) {
            (Some(charge), _) => Some(self.charges.get(charge).into_iter().filter(of_intent).collect()),
            (None, Some(intent)) => Some(self.charges_of(intent)),
            (None, None) => None,
        }
    }
}
