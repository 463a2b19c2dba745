//! PaymentMethods: what a payment was made with. They are not kept by themselves; PaymentIntents and charges hold them.

use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::call::Call;
use crate::cards::{self, Card, Instrument};
use crate::charges::Charge;
use crate::error::ApiError;
use crate::intents::{Buyer, Intent, Later};
use crate::params::Params;

/// What a request chooses to pay with, and what the bank of a debit will say.
pub(crate) struct Chosen {
    pub(crate) instrument: Instrument,
    pub(crate) outcome: Later,
}

impl Chosen {
    /// The payment method that a request names.
    pub(crate) fn read(params: &Params) -> Result<Option<Chosen>, ApiError> {
        let Some(id) = params.text("payment_method")? else { return Ok(None) };
        let chosen = test_method(&id);
        chosen.map(Some).ok_or_else(|| ApiError::no_such("PaymentMethod", &id, "payment_method"))
    }
}

fn test_method(id: &str) -> Option<Chosen> {
    let debit = |outcome| Chosen { instrument: Instrument::BankDebit, outcome };
    let card = |card: &Card| Chosen {
        instrument: Instrument::Card(card.number.to_owned()),
        outcome: Later::Succeeds,
    };
    match id {
        "pm_usBankAccount" => Some(debit(Later::Succeeds)),
        "pm_usBankAccount_insufficientFunds" => Some(debit(Later::Fails)),
        other => cards::find(other).filter(|card| card.method == other).map(card),
    }
}

/// A payment method, as far as those who hold it know it.
struct Method<'a> {
    instrument: Instrument,
    created: i64,
    customer: Option<&'a String>,
    buyer: Option<&'a Buyer>,
}

impl<'a> Method<'a> {
    fn of_charge(charge: &'a Charge) -> Self {
        Method {
            instrument: charge.instrument.clone(),
            created: charge.created,
            customer: charge.customer.as_ref(),
            buyer: Some(&charge.buyer),
        }
    }

    fn of_intent(intent: &'a Intent, instrument: &Instrument) -> Self {
        Method {
            instrument: instrument.clone(),
            created: intent.created,
            customer: intent.customer.as_ref(),
            buyer: None,
        }
    }

    fn to_json(&self, id: &str) -> Value {
        let (kind, details) = (self.instrument.kind(), self.details());
        let nobody = json!({
            "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
        });
        let address = self.buyer.map(|buyer| buyer.address.clone()).filter(|address| !address.is_null());
        json!({
            "id": id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": address.unwrap_or(nobody),
                "email": self.buyer.and_then(|buyer| buyer.email.as_ref()),
                "name": self.buyer.and_then(|buyer| buyer.name.as_ref()),
                "phone": self.buyer.and_then(|buyer| buyer.phone.as_ref()),
                "tax_id": null,
            },
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": {},
            "type": kind,
            kind: details,
        })
    }

    fn details(&self) -> Value {
        let Some(card) = self.instrument.card() else {
            return json!({
                "account_holder_type": "individual",
                "account_type": "checking",
                "bank_name": "STRIPE TEST BANK",
                "financial_connections_account": null,
                "fingerprint": "sandboxBankAcct1",
                "last4": "6789",
                "networks": { "preferred": "ach", "supported": ["ach"] },
                "routing_number": "110000000",
                "status_details": {},
            });
        };
        json!({
            "brand": card.brand,
            "checks": {
                "address_line1_check": null, "address_postal_code_check": "pass", "cvc_check": "pass",
            },
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": format!("sandboxCard{}", card.last4()),
            "funding": "credit",
            "generated_from": null,
            "last4": card.last4(),
            "networks": { "available": [card.brand], "preferred": null },
            "regulated_status": null,
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        })
    }
}

impl Sandbox {
    pub(crate) fn retrieve_method(&self, id: &str, call: &Call) -> Result<Value, ApiError> {
        if let Some(chosen) = test_method(id) {
            let (instrument, created) = (chosen.instrument, call.seconds());
            return Ok(Method { instrument, created, customer: None, buyer: None }.to_json(id));
        }
        self.method_json(id).ok_or_else(|| ApiError::no_such("PaymentMethod", id, "id"))
    }

    /// The payment method with this id, by whoever holds it.
    pub(crate) fn method_json(&self, id: &str) -> Option<Value> {
        let paid = self.charges.list().iter().rev().find(|charge| charge.method == id);
        let held = || {
            self.intents.list().iter().rev().find_map(|intent| match &intent.method {
                Some((known, instrument)) if known == id => Some(Method::of_intent(intent, instrument)),
                _ => None,
            })
        };
        Some(paid.map(Method::of_charge).or_else(held)?.to_json(id))
    }
}
