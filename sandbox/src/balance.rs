//! The balance's entries. Nothing keeps them: each is told from the charge, refund or dispute that moved the money.

use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::charges::Charge;
use crate::error::ApiError;
use crate::refunds::Refund;

/// How long money is on its way until it can be paid out.
const UNDER_WAY_SECONDS: i64 = 2 * 24 * 3600;

/// One entry.
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a str,
    /// Stripe's `type`.
    pub(crate) kind: &'static str,
    /// Stripe's `reporting_category`.
    pub(crate) category: &'static str,
    /// The id of what moved the money.
    pub(crate) source: &'a str,
    /// What came in; less than zero for what went out.
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    /// What the fee is for.
    pub(crate) fee_name: &'static str,
    pub(crate) currency: &'a str,
    pub(crate) created: i64,
    pub(crate) description: Option<String>,
}

impl Entry<'_> {
    pub(crate) fn to_json(&self) -> Value {
        let fees = json!([{
            "amount": self.fee,
            "application": null,
            "currency": self.currency,
            "description": self.fee_name,
            "type": "stripe_fee",
        }]);
        json!({
            "id": self.id,
            "object": "balance_transaction",
            "amount": self.amount,
            "available_on": self.created + UNDER_WAY_SECONDS,
            "balance_type": "payments",
            "created": self.created,
            "currency": self.currency,
            "description": self.description,
            "exchange_rate": null,
            "fee": self.fee,
            "fee_details": if self.fee > 0 { fees } else { json!([]) },
            "net": self.amount - self.fee,
            "reporting_category": self.category,
            "source": self.source,
            "status": "pending",
            "type": self.kind,
        })
    }
}

impl Charge {
    fn entry(&self, id: &str) -> Value {
        Entry {
            id,
            kind: "charge",
            category: "charge",
            source: &self.id,
            amount: self.amount,
            // Stripe's usual fee on cards: 2.9 % and 30 minor units; it is not given back on a refund.
            fee: self.amount * 29 / 1000 + 30,
            fee_name: "Stripe processing fees",
            currency: &self.currency,
            created: self.created,
            description: None,
        }
        .to_json()
    }
}

impl Refund {
    fn entry(&self, id: &str) -> Value {
        self.entry_of(id, "refund", -self.amount)
    }

    /// The money of a failed refund, back in the balance.
    fn failure_entry(&self, id: &str) -> Value {
        self.entry_of(id, "refund_failure", self.amount)
    }

    fn entry_of(&self, id: &str, kind: &'static str, amount: i64) -> Value {
        Entry {
            id,
            kind,
            category: kind,
            source: &self.id,
            amount,
            fee: 0,
            fee_name: "",
            currency: &self.currency,
            created: self.created,
            description: None,
        }
        .to_json()
    }
}

impl Sandbox {
    /// `GET /v1/balance_transactions/{id}`. Each id says whose entry it is, save those of disputes, which are few.
    pub(crate) fn retrieve_balance_transaction(&self, id: &str) -> Result<Value, ApiError> {
        let charge = || self.charges.get(&id.replacen("txn_", "ch_", 1));
        let refund = || self.refunds.get(&id.replacen("txn_", "re_", 1));
        let failed =
            || self.refunds.list().iter().find(|refund| refund.failure_entry_id().as_deref() == Some(id));
        let of_charge = charge().filter(|charge| charge.booked).map(|charge| charge.entry(id));
        of_charge
            .or_else(|| refund().map(|refund| refund.entry(id)))
            .or_else(|| self.disputes.list().iter().find_map(|dispute| dispute.entry(id)))
            .or_else(|| failed().map(|refund| refund.failure_entry(id)))
            .ok_or_else(|| ApiError::no_such("balance transaction", id, "id"))
    }
}
