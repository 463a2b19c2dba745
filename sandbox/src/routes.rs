//! Which request goes where.

use serde_json::Value;

use crate::account::Sandbox;
use crate::call::Call;
use crate::error::ApiError;
use crate::params::Params;

impl Sandbox {
    pub(crate) fn route(
        &mut self,
        method: &str,
        path: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        let no_route = || ApiError::no_such_route(method, path);
        let rest = path.strip_prefix("/v1/").ok_or_else(no_route)?;
        let steps: Vec<&str> = rest.split('/').collect();
        match (method, steps.as_slice()) {
            // Not an id, though it stands where one would.
            ("GET", [_, "search"]) => Err(no_route()),

            ("POST", ["checkout", "sessions"]) => self.create_session(params, call),
            ("GET", ["checkout", "sessions"]) => self.list_sessions(params),
            ("GET", ["checkout", "sessions", id]) => only_the_id(params, self.retrieve_session(id)),
            ("POST", ["checkout", "sessions", id]) => self.update_session(id, params),
            ("GET", ["checkout", "sessions", id, "line_items"]) => self.list_line_items(id, params),
            ("POST", ["checkout", "sessions", id, "expire"]) => self.expire_session(id, params, call),

            ("POST", ["payment_links"]) => self.create_link(params, call),
            ("GET", ["payment_links"]) => self.list_links(params),
            ("GET", ["payment_links", id]) => only_the_id(params, self.retrieve_link(id)),
            ("POST", ["payment_links", id]) => self.update_link(id, params, call),
            ("GET", ["payment_links", id, "line_items"]) => self.list_link_items(id, params),

            ("POST", ["payment_intents"]) => self.create_intent(params, call),
            ("GET", ["payment_intents"]) => self.list_intents(params),
            ("GET", ["payment_intents", id]) => only_the_id(params, self.retrieve_intent(id)),
            ("POST", ["payment_intents", id]) => self.update_intent(id, params, call),
            ("POST", ["payment_intents", id, "confirm"]) => self.confirm_intent(id, params, call),
            ("POST", ["payment_intents", id, "capture"]) => self.capture_intent(id, params, call),
            ("POST", ["payment_intents", id, "cancel"]) => self.cancel_intent(id, params, call),

            ("GET", ["payment_methods", id]) => only_the_id(params, self.retrieve_method(id, call)),

            ("GET", ["charges"]) => self.list_charges(params),
            ("GET", ["charges", id]) => only_the_id(params, self.retrieve_charge(id)),
            ("POST", ["charges", id]) => self.update_charge(id, params, call),
            ("GET", ["charges", id, "refunds"]) => self.list_refunds_of(id, params),
            ("GET", ["balance_transactions", id]) => {
                only_the_id(params, self.retrieve_balance_transaction(id))
            }

            ("POST", ["refunds"]) => self.create_refund(params, call),
            ("GET", ["refunds"]) => self.list_refunds(params),
            ("GET", ["refunds", id]) => only_the_id(params, self.retrieve_refund(id)),
            ("POST", ["refunds", id]) => self.update_refund(id, params, call),
            ("POST", ["refunds", id, "cancel"]) => self.cancel_refund(id, params, call),

            ("GET", ["disputes"]) => self.list_disputes(params),
            ("GET", ["disputes", id]) => only_the_id(params, self.retrieve_dispute(id)),
            ("POST", ["disputes", id]) => self.update_dispute(id, params, call),
            ("POST", ["disputes", id, "close"]) => self.close_dispute(id, params, call),

            ("GET", ["radar", "early_fraud_warnings"]) => self.list_warnings(params),
            ("GET", ["radar", "early_fraud_warnings", id]) => only_the_id(params, self.retrieve_warning(id)),
            ("GET", ["reviews"]) => self.list_reviews(params),
            ("GET", ["reviews", id]) => only_the_id(params, self.retrieve_review(id)),
            ("POST", ["reviews", id, "approve"]) => self.approve_review(id, params, call),

            ("GET", ["account"]) => only_the_id(params, Ok(self.account_json())),

            ("GET", ["events"]) => self.list_events(params, call),
            ("GET", ["events", id]) => only_the_id(params, self.event(id, call).map(|event| event.to_json())),
            ("POST", ["events", id, "retry"]) => self.retry_event(id, params, call),

            (_, ["customers" | "products" | "prices" | "coupons" | "promotion_codes", ..]) => {
                self.route_to_things(method, &steps, params, call).unwrap_or_else(|| Err(no_route()))
            }

            ("POST", ["webhook_endpoints"]) => self.create_endpoint(params, call),
            ("GET", ["webhook_endpoints"]) => self.list_endpoints(params),
            ("GET", ["webhook_endpoints", id]) => only_the_id(params, self.retrieve_endpoint(id)),
            ("POST", ["webhook_endpoints", id]) => self.update_endpoint(id, params),
            ("DELETE", ["webhook_endpoints", id]) => self.delete_endpoint(id),
            _ => Err(no_route()),
        }
    }

    /// People, goods and discounts, which all are plain records.
    fn route_to_things(
        &mut self,
        method: &str,
        steps: &[&str],
        params: &Params,
        call: &Call,
    ) -> Option<Result<Value, ApiError>> {
        Some(match (method, steps) {
            ("POST", ["customers"]) => self.create_customer(params, call),
            ("GET", ["customers"]) => self.list_customers(params),
            ("GET", ["customers", id]) => only_the_id(params, self.retrieve_customer(id)),
            ("POST", ["customers", id]) => self.update_customer(id, params, call),
            ("DELETE", ["customers", id]) => self.delete_customer(id, call),

            ("POST", ["products"]) => self.create_product(params, call),
            ("GET", ["products"]) => self.list_products(params),
            ("GET", ["products", id]) => only_the_id(params, self.retrieve_product(id)),
            ("POST", ["products", id]) => self.update_product(id, params, call),
            ("DELETE", ["products", id]) => self.delete_product(id, call),

            ("POST", ["prices"]) => self.create_price(params, call),
            ("GET", ["prices"]) => self.list_prices(params),
            ("GET", ["prices", id]) => only_the_id(params, self.retrieve_price(id)),
            ("POST", ["prices", id]) => self.update_price(id, params, call),

            ("POST", ["coupons"]) => self.create_coupon(params, call),
            ("GET", ["coupons"]) => self.list_coupons(params, call),
            ("GET", ["coupons", id]) => only_the_id(params, self.retrieve_coupon(id, call)),
            ("DELETE", ["coupons", id]) => self.delete_coupon(id, call),

            ("POST", ["promotion_codes"]) => self.create_promotion_code(params, call),
            ("GET", ["promotion_codes"]) => self.list_promotion_codes(params, call),
            ("GET", ["promotion_codes", id]) => only_the_id(params, self.retrieve_promotion_code(id, call)),
            ("POST", ["promotion_codes", id]) => self.update_promotion_code(id, params, call),
            _ => return None,
        })
    }
}

/// A retrieval takes no parameter but `expand`.
fn only_the_id(params: &Params, found: Result<Value, ApiError>) -> Result<Value, ApiError> {
    params.only(&[])?;
    found
}
