//! Reviews: Radar, or a person, sets a payment aside to be looked at.

use kernel::Cx;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::call::Call;
use crate::error::ApiError;
use crate::ids;
use crate::lists::{PAGING, Paging};
use crate::outside::NotPossible;
use crate::params::Params;
use crate::shelf::Kept;

/// Why a review was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOpened {
    /// One of Radar's rules matched.
    #[default]
    Rule,
    /// A person wished it.
    Manual,
}

/// Why a review was closed, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "Stripe's words")]
pub enum ReviewClosed {
    Acknowledged,
    Approved,
    Canceled,
    Disputed,
    PaymentNeverSettled,
    Redacted,
    Refunded,
    RefundedAsFraud,
}

/// A review. Its public fields are there for invariants over many payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// `prv_…`
    pub id: String,
    /// The charge that it is about.
    pub charge: String,
    /// The PaymentIntent of that charge.
    pub payment_intent: String,
    /// Why it was opened.
    pub opened: ReviewOpened,
    /// Why it was closed; `None` while it is open.
    pub closed: Option<ReviewClosed>,
    postal_code: Option<String>,
    created: i64,
}

impl Kept for Review {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Review {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "review",
            "billing_zip": self.postal_code,
            "charge": self.charge,
            "closed_reason": self.closed,
            "created": self.created,
            "ip_address": null,
            "ip_address_location": null,
            "livemode": false,
            "open": self.closed.is_none(),
            "opened_reason": self.opened,
            "payment_intent": self.payment_intent,
            "reason": self.closed.map_or_else(|| json!(self.opened), |closed| json!(closed)),
            "session": null,
        })
    }
}

impl Sandbox {
    /// Every review of the account, the oldest first.
    pub fn reviews(&self) -> &[Review] {
        self.reviews.list()
    }

    /// Sets a payment aside (`of` is the id of a charge, a PaymentIntent or a Checkout Session). A charge has one
    /// review at most. Gives the review's id.
    pub fn open_review(&mut self, of: &str, opened: ReviewOpened, cx: &Cx) -> Result<String, NotPossible> {
        let call = self.outside(cx);
        let charge = self.charge_meant(of)?;
        if let Some(review) = &charge.review {
            return Err(NotPossible::Now(format!("{of} has a review already: {review}")));
        }
        let review = Review {
            id: ids::long("prv_1", &call.cx),
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            opened,
            closed: None,
            postal_code: charge.postal_code(),
            created: call.seconds(),
        };
        self.begin_review(review, &call)
    }

    fn begin_review(&mut self, review: Review, call: &Call) -> Result<String, NotPossible> {
        let id = review.id.clone();
        if let Some(charge) = self.charges.get_mut(&review.charge) {
            charge.review = Some(id.clone());
        }
        if let Some(intent) = self.intents.get_mut(&review.payment_intent) {
            intent.review = Some(id.clone());
        }
        self.emit("review.opened", &review.to_json(), call);
        self.reviews.put(review);
        Ok(id)
    }

    /// Closes a review, as a person does in the Dashboard. The reason alone refunds nothing.
    pub fn close_review(&mut self, review: &str, reason: ReviewClosed, cx: &Cx) -> Result<(), NotPossible> {
        let call = self.outside(cx);
        let known = self.reviews.get(review).ok_or_else(|| NotPossible::no_such("review", review))?;
        if known.closed.is_some() {
            return Err(NotPossible::Now(format!("review {review} is closed already")));
        }
        self.end_review(review, reason, &call);
        Ok(())
    }

    /// Closes a charge's review, if one is open.
    pub(crate) fn end_review_of(&mut self, charge: &str, reason: ReviewClosed, call: &Call) {
        if let Some(review) = self.charges.get(charge).and_then(|charge| charge.review.clone()) {
            self.end_review(&review, reason, call);
        }
    }

    fn end_review(&mut self, id: &str, reason: ReviewClosed, call: &Call) {
        let Some(review) = self.reviews.get_mut(id).filter(|review| review.closed.is_none()) else { return };
        review.closed = Some(reason);
        let shown = review.to_json();
        self.emit("review.closed", &shown, call);
    }

    pub(crate) fn retrieve_review(&self, id: &str) -> Result<Value, ApiError> {
        self.reviews.get(id).map(Review::to_json).ok_or_else(|| ApiError::no_such("review", id, "id"))
    }

    /// Stripe lists only the open ones.
    pub(crate) fn list_reviews(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&PAGING)?;
        let open = |review: &Review| review.closed.is_none();
        Paging::read(params)?.page(&self.reviews, "/v1/reviews", open, Review::to_json)
    }

    pub(crate) fn approve_review(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&[])?;
        let review = self.reviews.get(id).ok_or_else(|| ApiError::no_such("review", id, "id"))?;
        if review.closed.is_some() {
            return Err(ApiError::impossible(format!("Review {id} is already closed.")));
        }
        self.end_review(id, ReviewClosed::Approved, call);
        self.retrieve_review(id)
    }
}
