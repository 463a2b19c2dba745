//! A session in Stripe's shape.

use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::checkout::session::{Session, Stage, Tax};
use crate::intents::Buyer;
use crate::lists::list_object;

impl Sandbox {
    pub(crate) fn session_json(&self, session: &Session) -> Value {
        let totals = session.totals();
        let open = session.stage == Stage::Open;
        let url = open.then(|| format!("{}/checkout/{}", self.settings.public_url, session.id));
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
        let mut shown = json!({
            "id": session.id,
            "object": "checkout.session",
            "adaptive_pricing": null,
            "after_expiration": null,
            "allow_promotion_codes": null,
            "allowed_payment_method_types": null,
            "amount_subtotal": totals.subtotal,
            "amount_total": totals.total,
            "automatic_tax": automatic_tax(session.tax),
            "billing_address_collection": null,
            "cancel_url": session.cancel_url,
            "client_reference_id": session.client_reference_id,
            "client_secret": null,
            "collected_information": collected(session),
            "consent": null,
            "consent_collection": null,
            "created": session.created,
            "currency": session.currency,
            "currency_conversion": null,
            "custom_fields": [],
            "custom_text": {
                "after_submit": null,
                "shipping_address": null,
                "submit": null,
                "terms_of_service_acceptance": null,
            },
            "customer": session.customer,
            "customer_account": null,
            "customer_creation": session.customer_creation,
            "customer_details": self.customer_details(session),
            "customer_email": session.customer_email,
            "discounts": discounts,
            "expires_at": session.expires_at,
            "integration_identifier": null,
            "invoice": null,
            "invoice_creation": null,
            "livemode": false,
            "locale": null,
            "managed_payments": null,
            "metadata": session.metadata,
            "mode": "payment",
            "origin_context": null,
            "payment_intent": session.payment_intent,
            "payment_link": null,
            "payment_method_collection": "if_required",
            "payment_method_configuration_details": null,
            "payment_method_options": {},
            "payment_method_types": ["card", "us_bank_account"],
            "payment_status": session.stage.payment_status(),
            "permissions": null,
            "phone_number_collection": { "enabled": false },
            "recovered_from": null,
            "saved_payment_method_options": null,
            "setup_intent": null,
            "shipping_address_collection": null,
            "shipping_cost": shipping_cost(session),
            "shipping_options": shipping_options,
            "status": session.stage.status(),
            "submit_type": null,
            "subscription": null,
            "success_url": session.success_url,
            "total_details": {
                "amount_discount": totals.discount,
                "amount_shipping": totals.shipping,
                "amount_tax": totals.tax,
            },
            "ui_mode": "hosted_page",
            "url": url,
            "wallet_options": null,
        });
        for (name, value) in &session.shown {
            shown[name] = value.clone();
        }
        shown
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
        list_object(self.lines_json(session), false, &url)
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
