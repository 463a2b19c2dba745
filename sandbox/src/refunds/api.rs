//! Looking at refunds, hanging metadata on them, calling one off.

use serde_json::Value;

use crate::account::Sandbox;
use crate::call::Call;
use crate::error::ApiError;
use crate::lists::{PAGING, Paging};
use crate::params::{Params, merge};
use crate::refunds::{FailureReason, Refund, RefundStatus};

impl Sandbox {
    pub(crate) fn retrieve_refund(&self, id: &str) -> Result<Value, ApiError> {
        self.refunds.get(id).map(Refund::to_json).ok_or_else(|| no_such_refund(id))
    }

    pub(crate) fn update_refund(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["metadata"])?;
        let metadata = params.metadata_change("metadata")?;
        let refund = self.refunds.get_mut(id).ok_or_else(|| no_such_refund(id))?;
        let before = refund.to_json();
        merge(&mut refund.metadata, metadata)?;
        let after = refund.to_json();
        self.tell_of_refund(&before, &after, call);
        Ok(after)
    }

    /// Only a refund that waits for the buyer can be called off.
    pub(crate) fn cancel_refund(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&[])?;
        let refund = self.refunds.get(id).ok_or_else(|| no_such_refund(id))?;
        if refund.status != RefundStatus::RequiresAction {
            return Err(ApiError::impossible("Canceling this refund is unsupported."));
        }
        self.change_refund(id, RefundStatus::Canceled, FailureReason::MerchantRequest, call);
        self.retrieve_refund(id)
    }

    pub(crate) fn list_refunds(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "charge", "payment_intent"])?;
        let (charge, intent) = (params.text("charge")?, params.text("payment_intent")?);
        let (paging, url) = (Paging::read(params)?, "/v1/refunds");
        let Some(charges) = self.charges_asked(charge.as_deref(), intent.as_deref()) else {
            return paging.page(&self.refunds, url, |_| true, Refund::to_json);
        };
        let ids = charges.iter().flat_map(|charge| &charge.refunds);
        let few: Vec<&Refund> = ids.filter_map(|id| self.refunds.get(id)).collect();
        paging.page_of_few(&few, url, |_| true, Refund::to_json)
    }

    /// `GET /v1/charges/{id}/refunds`, and what `expand[]=refunds` shows of it.
    pub(crate) fn list_refunds_of(&self, charge: &str, params: &Params) -> Result<Value, ApiError> {
        params.only(&PAGING)?;
        let known = self.charges.get(charge).ok_or_else(|| ApiError::no_such("charge", charge, "id"))?;
        let few: Vec<&Refund> = known.refunds.iter().filter_map(|id| self.refunds.get(id)).collect();
        let url = format!("/v1/charges/{charge}/refunds");
        Paging::read(params)?.page_of_few(&few, &url, |_| true, Refund::to_json)
    }
}

fn no_such_refund(id: &str) -> ApiError {
    ApiError::no_such("refund", id, "id")
}
