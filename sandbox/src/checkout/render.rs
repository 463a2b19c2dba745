//! A session in Stripe's shape.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::checkout::session::{Session, Stage, Tax};
use crate::intents::Buyer;
use crate::lists::list_object;
use crate::shape::{EMPTY, NULL, Shown, members};

/// So many lines stand in a session into which they were asked for.
const EXPANDED_LINES: usize = 10;

impl Serialize for Shown<(&Sandbox, &Session)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (sandbox, session) = self.0;
        let totals = session.totals();
        let open = session.stage == Stage::Open;
        let url = open.then(|| format!("{}/checkout/{}", sandbox.settings.public_url, session.id));
        let discounts: Vec<Value> = session
            .discount
            .iter()
            .map(|discount| json!({ "coupon": discount.coupon, "promotion_code": discount.promotion_code }))
            .collect();
        let shipping_options: Vec<Value> = session
            .shipping_options
            .iter()
            .map(|option| json!({ "shipping_amount": option.amount, "shipping_rate": option.rate }))
            .collect();
        let mut map = members!(serializer, {
            "id": session.id,
            "object": "checkout.session",
            "adaptive_pricing": NULL,
            "after_expiration": NULL,
            "allow_promotion_codes": session.setting("allow_promotion_codes"),
            "allowed_payment_method_types": session.setting("allowed_payment_method_types"),
            "amount_subtotal": totals.subtotal,
            "amount_total": totals.total,
            "automatic_tax": automatic_tax(session.tax),
            "billing_address_collection": session.setting("billing_address_collection"),
            "cancel_url": session.cancel_url,
            "client_reference_id": session.client_reference_id,
            "client_secret": NULL,
            "collected_information": collected(session),
            "consent": NULL,
            "consent_collection": session.setting("consent_collection"),
            "created": session.created,
            "currency": session.currency,
            "currency_conversion": NULL,
            "custom_fields": EMPTY,
            "custom_text": session.setting("custom_text").cloned().unwrap_or_else(|| json!({
                "after_submit": null,
                "shipping_address": null,
                "submit": null,
                "terms_of_service_acceptance": null,
            })),
            "customer": session.customer,
            "customer_account": NULL,
            "customer_creation": session.customer_creation,
            "customer_details": sandbox.customer_details(session),
            "customer_email": session.customer_email,
            "discounts": discounts,
            "expires_at": session.expires_at,
            "integration_identifier": session.setting("integration_identifier"),
            "invoice": NULL,
            "invoice_creation": NULL,
            "livemode": false,
            "locale": session.setting("locale"),
            "managed_payments": NULL,
            "metadata": session.metadata,
            "mode": "payment",
            "origin_context": session.setting("origin_context"),
            "payment_intent": session.payment_intent,
            "payment_link": session.payment_link,
            "payment_method_collection": session.setting("payment_method_collection").cloned().unwrap_or_else(|| json!("if_required")),
            "payment_method_configuration_details": NULL,
            "payment_method_options": session.setting("payment_method_options").cloned().unwrap_or_else(|| json!({})),
            "payment_method_types": ["card", "us_bank_account"],
            "payment_status": session.stage.payment_status(),
            "permissions": NULL,
            "phone_number_collection": session.setting("phone_number_collection").cloned().unwrap_or_else(|| json!({ "enabled": false })),
            "recovered_from": NULL,
            "saved_payment_method_options": session.setting("saved_payment_method_options"),
            "setup_intent": NULL,
            "shipping_address_collection": session.setting("shipping_address_collection"),
            "shipping_cost": shipping_cost(session),
            "shipping_options": shipping_options,
            "status": session.stage.status(),
            "submit_type": session.setting("submit_type"),
            "subscription": NULL,
            "success_url": session.success_url,
            "total_details": json!({
                "amount_discount": totals.discount,
                "amount_shipping": totals.shipping,
                "amount_tax": totals.tax,
            }),
            "ui_mode": "hosted_page",
            "url": url,
            "wallet_options": NULL,
        });
        // These are left out unless the shop set them.
        for name in ["excluded_payment_method_types", "tax_id_collection"] {
            if let Some(setting) = session.setting(name) {
                map.serialize_entry(name, setting)?;
            }
        }
        map.end()
    }
}

impl Session {
    /// A setting that is shown as it was sent.
    fn setting(&self, name: &str) -> Option<&Value> {
        self.shown.get(name)
    }
}

impl Sandbox {
    pub(crate) fn session_json(&self, session: &Session) -> Value {
        Shown((self, session)).to_json()
    }

    /// Known once the buyer has paid; before that, only what the shop said.
    fn customer_details(&self, session: &Session) -> Option<Value> {
        let details = |buyer: &Buyer| {
            json!({
                "address": buyer.address,
                "business_name": null,
                "email": buyer.email,
                "individual_name": null,
                "name": buyer.name,
                "phone": buyer.phone,
                "tax_exempt": "none",
                "tax_ids": [],
            })
        };
        if let Some(buyer) = &session.buyer {
            return Some(details(buyer));
        }
        let of_customer = || self.customers.get(session.customer.as_ref()?)?.email.clone();
        let email = session.customer_email.clone().or_else(of_customer)?;
        Some(details(&Buyer { email: Some(email), ..Buyer::default() }))
    }

    /// The session's lines, as the list object that `GET …/line_items` and `expand[]=line_items` give.
    pub(crate) fn line_items_json(&self, session: &Session) -> Value {
        let url = format!("/v1/checkout/sessions/{}/line_items", session.id);
        // Whoever wants more than the first ten asks for the list itself.
        let mut lines = self.lines_json(session);
        let has_more = lines.len() > EXPANDED_LINES;
        lines.truncate(EXPANDED_LINES);
        list_object(lines, has_more, &url)
    }

    pub(crate) fn lines_json(&self, session: &Session) -> Vec<Value> {
        let lines = session.lines.iter().zip(session.line_shares());
        lines
            .map(|(line, (discount, tax))| {
                json!({
                    "id": line.id,
                    "object": "item",
                    "adjustable_quantity": null,
                    "amount_discount": discount,
                    "amount_subtotal": line.subtotal(),
                    "amount_tax": tax,
                    "amount_total": line.subtotal() - discount + tax,
                    "currency": session.currency,
                    "description": line.description,
                    "metadata": line.metadata,
                    "price": self.prices.get(&line.price).map(|price| price.to_json()),
                    "quantity": line.quantity,
                })
            })
            .collect()
    }
}

fn automatic_tax(tax: Tax) -> Value {
    let enabled = tax != Tax::Off;
    let status = match tax {
        Tax::Off => None,
        Tax::OnceLocated(_) => Some("requires_location_inputs"),
        Tax::Known(_) => Some("complete"),
    };
    json!({
        "enabled": enabled,
        "liability": enabled.then(|| json!({ "type": "self" })),
        "provider": enabled.then_some("stripe"),
        "status": status,
    })
}

fn shipping_cost(session: &Session) -> Option<Value> {
    let rate = session.shipping_options.first().map(|option| &option.rate);
    (rate.is_some() || session.shipping > 0).then(|| {
        json!({
            "amount_subtotal": session.shipping,
            "amount_tax": 0,
            "amount_total": session.shipping,
            "shipping_rate": rate,
        })
    })
}

/// The address that was collected, when the shop asked for one.
fn collected(session: &Session) -> Value {
    let buyer = session.buyer.as_ref().filter(|_| session.shown.contains_key("shipping_address_collection"));
    let details = buyer
        .map(|buyer| json!({ "address": buyer.address, "name": buyer.name.as_deref().unwrap_or_default() }));
    json!({ "business_name": null, "individual_name": null, "shipping_details": details })
}
