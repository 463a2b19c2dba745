//! Calls about payment intents that belong to no checkout session.

use crate::client::{Call, segment};

/// Gives up an intent on which nobody has paid. Stripe refuses with 400 when somebody has, when it is being paid, and when
/// it belongs to a Checkout Session: that one is expired instead ([`crate::checkout::expire_session`]).
pub fn cancel_intent(id: &str) -> Call {
    // Cancelling twice is cancelling once, so the intent's own id is the key.
    Call::post(format!("/v1/payment_intents/{}/cancel", segment(id)), format!("cancel_{id}"))
        .with("cancellation_reason", "abandoned")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_given_up_under_its_own_key() {
        let call = cancel_intent("pi_1/../x");
        assert_eq!(call.path, "/v1/payment_intents/pi_1%2F..%2Fx/cancel");
        assert_eq!(call.idempotency_key.as_deref(), Some("cancel_pi_1/../x"));
        assert_eq!(call.params, [("cancellation_reason".to_owned(), "abandoned".to_owned())]);
    }
}
