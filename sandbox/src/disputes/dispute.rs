//! A dispute, the money that it moves, and its shape.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::balance::Entry;
use crate::call::Call;
use crate::charges::Charge;
use crate::disputes::status::DisputeStatus::{
    self, AppealNeedsResponse, ChargeRefunded, Lost, NeedsResponse, Prevented, WarningNeedsResponse,
};
use crate::ids;
use crate::params::Metadata;
use crate::shelf::Kept;

const DAY: i64 = 24 * 3600;
/// How many days a shop has to answer.
const USUAL_DAYS: u32 = 8;
/// What Stripe takes for each dispute, in minor units.
const FEE: i64 = 1500;

/// The texts and files that a shop may send as evidence.
pub(crate) const EVIDENCE: [&str; 27] = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

/// What kind of case a card network has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "Stripe's words")]
pub enum CaseType {
    Block,
    Chargeback,
    Compliance,
    Inquiry,
    Resolution,
}

/// A dispute that is to be opened. As JSON every member may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewDispute {
    /// How it begins: `needs_response` (the usual), `warning_needs_response` for an inquiry, or ended already.
    pub status: DisputeStatus,
    /// Minor units; the whole charge when absent. It may exceed the charge.
    pub amount: Option<i64>,
    /// In Stripe's words: `fraudulent`, `product_not_received`, …
    pub reason: String,
    /// How many days the shop has to answer. 0: the bank takes no answer; absent: Stripe does not say.
    pub due_in_days: Option<u32>,
    /// What kind of case it is; by its status when absent.
    pub case_type: Option<CaseType>,
}

impl Default for NewDispute {
    fn default() -> Self {
        NewDispute::because("fraudulent")
    }
}

impl NewDispute {
    /// A dispute over the whole charge: the money goes at once.
    pub fn because(reason: &str) -> Self {
        NewDispute {
            status: NeedsResponse,
            amount: None,
            reason: reason.to_owned(),
            due_in_days: Some(USUAL_DAYS),
            case_type: None,
        }
    }

    /// An inquiry about the whole charge: no money moves.
    pub fn inquiry() -> Self {
        NewDispute::default().starting(WarningNeedsResponse)
    }

    /// About this sum, in minor units.
    pub fn over(self, amount: i64) -> Self {
        NewDispute { amount: Some(amount), ..self }
    }

    /// In this state from the first moment.
    pub fn starting(self, status: DisputeStatus) -> Self {
        NewDispute { status, ..self }
    }

    /// With so many days to answer: `Some(0)` when the bank takes no answer, `None` when Stripe does not say.
    pub fn due_in_days(self, days: Option<u32>) -> Self {
        NewDispute { due_in_days: days, ..self }
    }
}

/// Money that a dispute moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Movement {
    id: String,
    /// Less than zero when the bank took it.
    amount: i64,
    fee: i64,
    created: i64,
}

/// A dispute. Its public fields are there for invariants over many payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dispute {
    /// `dp_…`
    pub id: String,
    /// The charge that it is about.
    pub charge: String,
    /// The PaymentIntent of that charge.
    pub payment_intent: String,
    /// Minor units; may differ from the charge's, and exceed it.
    pub amount: i64,
    /// Lower case.
    pub currency: String,
    /// Stripe's word for why.
    pub reason: String,
    /// How it stands.
    pub status: DisputeStatus,
    /// Until when evidence counts, in seconds since 1970.
    pub due_by: Option<i64>,
    pub(crate) created: i64,
    pub(crate) evidence: Map<String, Value>,
    pub(crate) metadata: Metadata,
    pub(crate) submissions: u32,
    pub(crate) past_due: bool,
    case_type: CaseType,
    /// `None` for a bank debit.
    brand: Option<String>,
    movements: Vec<Movement>,
}

impl Kept for Dispute {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

/// What a change of status did with the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Nothing,
    Withdrawn,
    Reinstated,
}

impl Dispute {
    pub(crate) fn new(charge: &Charge, wish: &NewDispute, call: &Call) -> Self {
        let by_status = match wish.status {
            status if status.is_inquiry() => CaseType::Inquiry,
            Prevented => CaseType::Resolution,
            _ => CaseType::Chargeback,
        };
        Dispute {
            id: ids::long("dp_1", &call.cx),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount: wish.amount.unwrap_or(charge.amount),
            currency: charge.currency.clone(),
            reason: wish.reason.clone(),
            status: wish.status,
            due_by: wish.due_in_days.map(|days| deadline(days, call)),
            created: call.seconds(),
            evidence: EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect(),
            metadata: Metadata::new(),
            submissions: 0,
            past_due: false,
            case_type: wish.case_type.unwrap_or(by_status),
            brand: charge.instrument.card().map(|card| card.brand.to_owned()),
            movements: Vec::new(),
        }
    }

    /// Takes a new status, and moves the money that goes with it. What was refunded of the charge before is given
    /// back when the dispute is lost, as far as the bank has taken more than was left.
    pub(crate) fn enter(&mut self, status: DisputeStatus, charge: &Charge, call: &Call) -> Moved {
        if self.case_type == CaseType::Inquiry && status == NeedsResponse {
            self.case_type = CaseType::Chargeback;
        }
        if self.due_by.is_some() && matches!(status, NeedsResponse | AppealNeedsResponse) {
            self.due_by = Some(deadline(USUAL_DAYS, call));
        }
        self.status = status;
        let taken = -self.movements.iter().map(|movement| movement.amount).sum::<i64>();
        let too_much = (taken - (charge.amount - charge.amount_refunded)).clamp(0, charge.amount_refunded);
        match (status.holds_money(), status) {
            (true, _) if self.movements.is_empty() || taken == 0 => self.withdraw(call),
            (true, Lost) if too_much > 0 => self.reinstate(too_much, call),
            (false, _) if taken > 0 => self.reinstate(taken, call),
            _ => Moved::Nothing,
        }
    }

    /// Moves the money of a dispute that begins so.
    pub(crate) fn begin(&mut self, call: &Call) -> Moved {
        if self.status.holds_money() { self.withdraw(call) } else { Moved::Nothing }
    }

    fn withdraw(&mut self, call: &Call) -> Moved {
        self.move_money(-self.amount, FEE, call);
        Moved::Withdrawn
    }

    fn reinstate(&mut self, amount: i64, call: &Call) -> Moved {
        // The fee stays with Stripe, also when the shop wins.
        self.move_money(amount, 0, call);
        Moved::Reinstated
    }

    fn move_money(&mut self, amount: i64, fee: i64, call: &Call) {
        let id = ids::long("txn_1", &call.cx);
        self.movements.push(Movement { id, amount, fee, created: call.seconds() });
    }

    /// The balance's entry with this id, if this dispute made it.
    pub(crate) fn entry(&self, id: &str) -> Option<Value> {
        self.movements.iter().find(|movement| movement.id == id).map(|movement| self.entry_of(movement))
    }

    fn entry_of(&self, movement: &Movement) -> Value {
        let (category, what) = match movement.amount < 0 {
            true => ("dispute", "Chargeback withdrawal"),
            false => ("dispute_reversal", "Chargeback reversal"),
        };
        Entry {
            id: &movement.id,
            kind: "adjustment",
            category,
            source: &self.id,
            amount: movement.amount,
            fee: movement.fee,
            fee_name: "Dispute fee",
            currency: &self.currency,
            created: movement.created,
            description: Some(format!("{what} for {}", self.charge)),
        }
        .to_json()
    }

    fn network_reason_code(&self) -> &'static str {
        match self.reason.as_str() {
            _ if self.case_type == CaseType::Inquiry => "10",
            "fraudulent" => "10.4",
            "product_not_received" => "13.1",
            "subscription_canceled" => "13.2",
            "duplicate" => "12.6.1",
            "credit_not_processed" => "13.6",
            _ => "13.3",
        }
    }

    fn evidence_json(&self) -> Value {
        let mut shown = self.evidence.clone();
        shown.entry("enhanced_evidence").or_insert_with(|| json!({}));
        shown.into()
    }

    pub(crate) fn has_evidence(&self) -> bool {
        self.evidence.values().any(|value| !value.is_null())
    }

    pub(crate) fn to_json(&self) -> Value {
        let code = self.network_reason_code();
        let entries: Vec<Value> = self.movements.iter().map(|movement| self.entry_of(movement)).collect();
        let mut shown = json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": entries,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": self.evidence_json(),
            "evidence_details": {
                "due_by": self.due_by,
                "enhanced_eligibility": {},
                "has_evidence": self.has_evidence(),
                "past_due": self.past_due,
                "submission_count": self.submissions,
                "submission_method": if self.submissions > 0 { "manual" } else { "not_submitted" },
            },
            "intended_submission_method": null,
            "is_charge_refundable": !self.status.holds_money() && self.status != ChargeRefunded,
            "livemode": false,
            "metadata": self.metadata,
            "network_reason_code": null,
            "payment_intent": self.payment_intent,
            "reason": self.reason,
            "status": self.status,
        });
        if let Some(brand) = &self.brand {
            shown["network_reason_code"] = json!(code);
            shown["payment_method_details"] = json!({
                "card": {
                    "brand": brand,
                    "case_type": self.case_type,
                    "network": brand,
                    "network_reason_code": code,
                },
                "type": "card",
            });
        }
        shown
    }
}

/// The end of that day (UTC), or 0 when no answer is taken.
fn deadline(days: u32, call: &Call) -> i64 {
    if days == 0 { 0 } else { (call.seconds() / DAY + i64::from(days) + 1) * DAY - 1 }
}
