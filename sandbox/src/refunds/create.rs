//! How a refund begins: asked for by the shop, or made by hand in the Dashboard.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{Currency, Cx, Money};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::charges::{Charge, ChargeState};
use crate::error::ApiError;
use crate::ids;
use crate::intents::Later;
use crate::outside::NotPossible;
use crate::params::{Metadata, Params};
use crate::refunds::{Refund, RefundStatus};
use crate::reviews::ReviewClosed;

/// When the number by which banks find a refund is known.
const REFERRED_AFTER: Duration = Duration::from_secs(4);

const REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

/// A refund that a person makes in the Dashboard. As JSON every member may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewRefund {
    /// Minor units; all that is left when absent.
    pub amount: Option<i64>,
    /// `duplicate`, `fraudulent` or `requested_by_customer`.
    pub reason: Option<String>,
    /// Lies on the refund only, never on the charge.
    pub metadata: BTreeMap<String, String>,
    /// `pending` or `requires_action` for one that does not go through at once; by the card when absent.
    pub status: Option<RefundStatus>,
}

impl NewRefund {
    /// Of this sum, in minor units.
    pub fn of(amount: i64) -> Self {
        NewRefund { amount: Some(amount), ..NewRefund::default() }
    }
}

/// A refund as it is asked for, whoever asks.
struct Wish {
    asked: Option<i64>,
    reason: Option<String>,
    metadata: Metadata,
    status: Option<RefundStatus>,
}

impl Sandbox {
    /// A person refunds a payment in the Dashboard (`of` is the id of a charge, a PaymentIntent or a Checkout
    /// Session). Gives the refund's id.
    pub fn refund_in_dashboard(
        &mut self,
        of: &str,
        refund: &NewRefund,
        cx: &Cx,
    ) -> Result<String, NotPossible> {
        let call = self.outside(cx);
        let charge = self.charge_meant(of)?.id.clone();
        let metadata = refund.metadata.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let wish =
            Wish { asked: refund.amount, reason: refund.reason.clone(), metadata, status: refund.status };
        let made = self.begin_refund(&charge, wish, &call);
        made.map(|refund| refund.id).map_err(|error| NotPossible::Now(error.message().to_owned()))
    }

    pub(crate) fn create_refund(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["charge", "payment_intent", "amount", "reason", "metadata", "currency"])?;
        let wish = Wish {
            reason: params.one_of("reason", &REASONS)?,
            metadata: params.metadata("metadata")?,
            asked: params.integer("amount")?,
            status: None,
        };
        let charge = self.charge_to_refund(params)?.id.clone();
        Ok(self.begin_refund(&charge, wish, call)?.to_json())
    }

    fn charge_to_refund(&self, params: &Params) -> Result<&Charge, ApiError> {
        if let Some(id) = params.text("charge")? {
            return self.charges.get(&id).ok_or_else(|| ApiError::no_such("charge", &id, "id"));
        }
        let Some(id) = params.text("payment_intent")? else {
            let message =
                "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(message));
        };
        if self.intents.get(&id).is_none() {
            return Err(ApiError::no_such("payment_intent", &id, "payment_intent"));
        }
        let paid = |charge: &&Charge| charge.state == ChargeState::Succeeded;
        self.charges_of(&id).into_iter().find(paid).ok_or_else(|| {
            ApiError::impossible(format!(
                "This PaymentIntent ({id}) does not have a successful charge to refund."
            ))
        })
    }

    fn begin_refund(&mut self, charge: &str, wish: Wish, call: &Call) -> Result<Refund, ApiError> {
        let charge = self.charges.get(charge).ok_or_else(|| ApiError::no_such("charge", charge, "id"))?;
        let amount = self.refund_amount(charge, wish.asked)?;
        let (status, later) = match wish.status {
            Some(status) => (status, None),
            None => fate(charge),
        };
        let refund = Refund {
            id: ids::long("re_3", &call.cx),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount,
            currency: charge.currency.clone(),
            status,
            created: call.seconds(),
            reason: wish.reason,
            metadata: wish.metadata,
            failure: None,
            reference: None,
            to_card: charge.instrument.card().is_some(),
        };
        self.take_from_charge(&refund, call);
        self.refunds.put(refund.clone());
        self.foresee(&refund, later, call);
        self.after_refunded(&refund, call);
        Ok(refund)
    }

    /// How much goes back, if anything may.
    fn refund_amount(&self, charge: &Charge, asked: Option<i64>) -> Result<i64, ApiError> {
        let (id, left) = (&charge.id, charge.refundable());
        if charge.state != ChargeState::Succeeded || !charge.captured {
            return Err(ApiError::impossible(format!(
                "Charge {id} cannot be refunded: it was not captured."
            )));
        }
        let charged_back = |id| self.disputes.get(id).is_some_and(|dispute| dispute.status.holds_money());
        if charge.disputes.iter().any(|id| charged_back(id)) {
            let message = format!("Charge {id} has been charged back; cannot issue a refund.");
            return Err(ApiError::impossible(message).code("charge_disputed"));
        }
        if left == 0 {
            let message = format!("Charge {id} has already been refunded.");
            return Err(ApiError::impossible(message).code("charge_already_refunded"));
        }
        match asked.unwrap_or(left) {
            amount if amount < 1 => Err(ApiError::invalid("This value must be greater than or equal to 1.")
                .code("parameter_invalid_integer")
                .about("amount")),
            amount if amount > left => Err(too_much(charge, amount)),
            amount => Ok(amount),
        }
    }

    fn take_from_charge(&mut self, refund: &Refund, call: &Call) {
        let Some(charge) = self.charges.get_mut(&refund.charge) else { return };
        let before = charge.to_json();
        charge.amount_refunded += refund.amount;
        charge.refunds.push(refund.id.clone());
        let after = charge.to_json();
        self.emit("refund.created", &refund.to_json(), call);
        self.emit_if_changed("charge.refunded", &before, &after, call);
    }

    /// Puts on the agenda what will come of it.
    fn foresee(&mut self, refund: &Refund, later: Option<Later>, call: &Call) {
        if let Some(outcome) = later {
            let at = call.now() + Duration::from_secs(self.settings.debit_settles_after_seconds);
            self.agenda.push(at, Task::SettleRefund { refund: refund.id.clone(), outcome });
        }
        if refund.to_card && refund.status == RefundStatus::Succeeded {
            self.agenda.push(call.now() + REFERRED_AFTER, Task::ReferToRefund(refund.id.clone()));
        }
    }

    /// After a full refund no warning is worth acting upon, and a review is over.
    fn after_refunded(&mut self, refund: &Refund, call: &Call) {
        if self.charges.get(&refund.charge).is_some_and(|charge| charge.refundable() > 0) {
            return;
        }
        let fraud = refund.reason.as_deref() == Some("fraudulent");
        let closed = if fraud { ReviewClosed::RefundedAsFraud } else { ReviewClosed::Refunded };
        self.end_warnings(&refund.charge, call);
        self.end_review_of(&refund.charge, closed, call);
    }
}

/// What a charge's card makes of a refund: now, or later, and how it ends.
fn fate(charge: &Charge) -> (RefundStatus, Option<Later>) {
    match charge.instrument.card().map(|card| card.method) {
        Some("pm_card_pendingRefund") | None => (RefundStatus::Pending, Some(Later::Succeeds)),
        Some("pm_card_refundFail") => (RefundStatus::Succeeded, Some(Later::Fails)),
        Some(_) => (RefundStatus::Succeeded, None),
    }
}

fn too_much(charge: &Charge, asked: i64) -> ApiError {
    let shown = |minor: i64| match charge.currency.parse::<Currency>() {
        Ok(currency) => Money::new(minor, currency).tag(),
        Err(_) => minor.to_string(),
    };
    let message = format!(
        "Refund amount ({}) is greater than unrefunded amount on charge ({})",
        shown(asked),
        shown(charge.refundable())
    );
    ApiError::impossible(message).about("amount")
}
