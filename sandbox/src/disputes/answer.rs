//! What a shop may do about a dispute: look, answer, give in.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::disputes::dispute::EVIDENCE;
use crate::disputes::{Dispute, DisputeStatus, DisputeStep};
use crate::error::ApiError;
use crate::lists::Paging;
use crate::params::{Params, merge};

/// How long a bank thinks about Stripe's test evidence.
const DECIDED_AFTER: Duration = Duration::from_secs(5);

impl Sandbox {
    pub(crate) fn retrieve_dispute(&self, id: &str) -> Result<Value, ApiError> {
        self.disputes.get(id).map(Dispute::to_json).ok_or_else(|| no_such_dispute(id))
    }

    pub(crate) fn list_disputes(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "charge", "payment_intent"])?;
        let (charge, intent) = (params.text("charge")?, params.text("payment_intent")?);
        let (paging, url) = (Paging::read(params)?, "/v1/disputes");
        let Some(charges) = self.charges_asked(charge.as_deref(), intent.as_deref()) else {
            return paging.page(&self.disputes, url, |_| true, Dispute::to_json);
        };
        let ids = charges.iter().flat_map(|charge| &charge.disputes);
        let few: Vec<&Dispute> = ids.filter_map(|id| self.disputes.get(id)).collect();
        paging.page_of_few(&few, url, |_| true, Dispute::to_json)
    }

    pub(crate) fn update_dispute(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["evidence", "metadata", "submit"])?;
        let (evidence, metadata) = (read_evidence(params)?, params.metadata_change("metadata")?);
        let submit = params.flag("submit")?.unwrap_or(evidence.is_some());
        let dispute = self.disputes.get_mut(id).ok_or_else(|| no_such_dispute(id))?;
        if dispute.status.is_closed() {
            return Err(already_closed());
        }
        if let Some(evidence) = &evidence {
            dispute.check_stage(evidence)?;
        }
        let before = dispute.to_json();
        merge(&mut dispute.metadata, metadata)?;
        dispute.evidence.extend(evidence.unwrap_or_default());
        let verdict = if submit { dispute.submit(call) } else { None };
        let after = dispute.to_json();
        if let Some(step) = verdict {
            self.agenda
                .push(call.now() + DECIDED_AFTER, Task::DecideDispute { dispute: id.to_owned(), step });
        }
        self.emit_if_changed("charge.dispute.updated", &before, &after, call);
        Ok(after)
    }

    /// The shop gives in.
    pub(crate) fn close_dispute(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&[])?;
        let status = self.disputes.get(id).ok_or_else(|| no_such_dispute(id))?.status;
        match status {
            DisputeStatus::NeedsResponse => {
                // From there a loss is always possible.
                let _ = self.step_dispute(id, DisputeStep::Lose, call);
                self.retrieve_dispute(id)
            }
            status if status.is_closed() => Err(already_closed()),
            status => Err(ApiError::impossible(format!(
                "This dispute cannot be closed because it has a status of {}.",
                status.as_str()
            ))),
        }
    }
}

impl Dispute {
    /// During an appeal only evidence for the appeal is taken, and only then.
    fn check_stage(&self, evidence: &Map<String, Value>) -> Result<(), ApiError> {
        let appeals = self.status == DisputeStatus::AppealNeedsResponse;
        if evidence.keys().all(|name| (name == "appeal") == appeals) {
            return Ok(());
        }
        let status = self.status.as_str();
        Err(ApiError::impossible(format!(
            "This evidence cannot be updated while the dispute has a status of {status}."
        ))
        .about("evidence"))
    }

    /// Sends what was gathered to the bank. Stripe's test evidence decides by itself what the bank will say.
    fn submit(&mut self, call: &Call) -> Option<DisputeStep> {
        self.submissions += 1;
        self.past_due = self.due_by.is_some_and(|due| call.seconds() > due);
        if let Some(status) = DisputeStep::Review.from(self.status) {
            self.status = status;
        }
        match self.evidence.get("uncategorized_text")?.as_str()? {
            "winning_evidence" if self.status.is_inquiry() => Some(DisputeStep::CloseInquiry),
            "winning_evidence" => Some(DisputeStep::Win),
            "losing_evidence" if self.status.is_inquiry() => Some(DisputeStep::CloseInquiry),
            "losing_evidence" => Some(DisputeStep::Lose),
            "escalate_inquiry_evidence" => Some(DisputeStep::Escalate),
            _ => None,
        }
    }
}

/// The evidence that was sent; an empty text takes a piece back.
fn read_evidence(params: &Params) -> Result<Option<Map<String, Value>>, ApiError> {
    let Some(sent) = params.child("evidence")? else { return Ok(None) };
    sent.only(&[&EVIDENCE[..], &["appeal", "enhanced_evidence"]].concat())?;
    let mut evidence = Map::new();
    for name in EVIDENCE {
        if let Some(text) = sent.unsettable(name)? {
            evidence.insert(name.to_owned(), text.into());
        }
    }
    for name in ["appeal", "enhanced_evidence"] {
        if let Some(branch) = sent.json(name) {
            evidence.insert(name.to_owned(), branch);
        }
    }
    Ok(Some(evidence))
}

fn no_such_dispute(id: &str) -> ApiError {
    ApiError::no_such("dispute", id, "id").about("dispute")
}

fn already_closed() -> ApiError {
    ApiError::impossible("This dispute is already closed")
}
