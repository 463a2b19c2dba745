//! Calls about refunds.

use crate::client::Call;

/// Refunds all that is left of a payment. The same key is carried out once, for a day.
pub fn create_refund(payment_intent: &str, metadata: &[(&str, String)], idempotency_key: &str) -> Call {
    let call = Call::post("/v1/refunds", idempotency_key).with("payment_intent", payment_intent);
    metadata.iter().fold(call, |call, (name, value)| call.with(format!("metadata[{name}]"), value))
}

/// Lists the refunds of a payment, the newest first, a hundred at most.
pub fn list_refunds(payment_intent: &str) -> Call {
    Call::get("/v1/refunds").with("limit", 100).with("payment_intent", payment_intent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_is_asked_for_in_full_and_says_whose_it_is() {
        let call = create_refund("pi_1", &[("orderId", "ord_1".into())], "refund-1-1");
        let said: Vec<_> = call.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            said.join("&"),
            "payment_intent=pi_1&metadata[orderId]=ord_1",
            "no amount: all that is left"
        );
        assert_eq!(call.idempotency_key.as_deref(), Some("refund-1-1"));
    }
}
