//! Early fraud warnings: a buyer's bank believes that a payment was fraud, before anybody disputes it.

use kernel::Cx;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::call::Call;
use crate::error::ApiError;
use crate::ids;
use crate::lists::Paging;
use crate::outside::NotPossible;
use crate::params::Params;
use crate::shelf::Kept;

/// An early fraud warning. Its public fields are there for invariants over many payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Warning {
    /// `issfr_…`
    pub id: String,
    /// The charge that it is about.
    pub charge: String,
    /// The PaymentIntent of that charge.
    pub payment_intent: String,
    /// In Stripe's words: `made_with_stolen_card`, `unauthorized_use_of_card`, …
    pub fraud_type: String,
    /// Whether a refund may still avert a dispute.
    pub actionable: bool,
    created: i64,
}

impl Kept for Warning {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Warning {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "radar.early_fraud_warning",
            "actionable": self.actionable,
            "charge": self.charge,
            "created": self.created,
            "fraud_type": self.fraud_type,
            "livemode": false,
            "payment_intent": self.payment_intent,
        })
    }
}

impl Sandbox {
    /// Every early fraud warning of the account, the oldest first.
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.list()
    }

    /// The bank warns of a payment (`of` is the id of a charge, a PaymentIntent or a Checkout Session), giving one of
    /// Stripe's fraud types, like `made_with_stolen_card`. Gives the warning's id.
    pub fn warn_of_fraud(&mut self, of: &str, fraud_type: &str, cx: &Cx) -> Result<String, NotPossible> {
        let call = self.outside(cx);
        let charge = self.charge_meant(of)?.id.clone();
        Ok(self.begin_warning(&charge, fraud_type, &call))
    }

    pub(crate) fn begin_warning(&mut self, charge: &str, fraud_type: &str, call: &Call) -> String {
        let Some(warned) = self.charges.get(charge) else { return String::new() };
        let charged_back = |id| self.disputes.get(id).is_some_and(|dispute| dispute.status.holds_money());
        let disputed = warned.disputes.iter().any(|id| charged_back(id));
        let warning = Warning {
            id: ids::long("issfr_1", &call.cx),
            charge: warned.id.clone(),
            payment_intent: warned.payment_intent.clone(),
            fraud_type: fraud_type.to_owned(),
            actionable: !disputed && warned.refundable() > 0,
            created: call.seconds(),
        };
        let id = warning.id.clone();
        if let Some(warned) = self.charges.get_mut(charge) {
            warned.warnings.push(id.clone());
        }
        self.emit("radar.early_fraud_warning.created", &warning.to_json(), call);
        self.warnings.put(warning);
        id
    }

    /// Nothing can be averted any more: the charge was refunded in full, or charged back.
    pub(crate) fn end_warnings(&mut self, charge: &str, call: &Call) {
        let ids = self.charges.get(charge).map(|charge| charge.warnings.clone()).unwrap_or_default();
        for id in ids {
            let Some(warning) = self.warnings.get_mut(&id) else { continue };
            let before = warning.to_json();
            warning.actionable = false;
            let after = warning.to_json();
            self.emit_if_changed("radar.early_fraud_warning.updated", &before, &after, call);
        }
    }

    pub(crate) fn retrieve_warning(&self, id: &str) -> Result<Value, ApiError> {
        let found = self.warnings.get(id).map(Warning::to_json);
        found.ok_or_else(|| ApiError::no_such("early fraud warning", id, "id"))
    }

    pub(crate) fn list_warnings(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "charge", "payment_intent"])?;
        let (charge, intent) = (params.text("charge")?, params.text("payment_intent")?);
        let (paging, url) = (Paging::read(params)?, "/v1/radar/early_fraud_warnings");
        let Some(charges) = self.charges_asked(charge.as_deref(), intent.as_deref()) else {
            return paging.page(&self.warnings, url, |_| true, Warning::to_json);
        };
        let ids = charges.iter().flat_map(|charge| &charge.warnings);
        let few: Vec<&Warning> = ids.filter_map(|id| self.warnings.get(id)).collect();
        paging.page_of_few(&few, url, |_| true, Warning::to_json)
    }
}
