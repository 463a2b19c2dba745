//! The API of Checkout Sessions: create, retrieve, update, list, line items, expire.

use kernel::Timestamp;
use serde_json::Value;

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::checkout::session::{Line, Session, ShippingOption, Stage, Tax};
use crate::checkout::settings::shown_settings;
use crate::error::ApiError;
use crate::events::Event;
use crate::ids;
use crate::intents::{IntentTerms, TERMS};
use crate::links::page_of_lines;
use crate::lists::Paging;
use crate::params::{Params, merge};
use crate::shape::Shown;

const HOUR: i64 = 3600;
/// More lines than this Stripe does not take.
const MOST_LINES: usize = 100;

const UNDERSTOOD: [&str; 22] = [
    "automatic_tax",
    "cancel_url",
    "client_reference_id",
    "currency",
    "customer",
    "customer_creation",
    "customer_email",
    "customer_update",
    "discounts",
    "expires_at",
    "invoice_creation",
    "line_items",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_configuration",
    "payment_method_data",
    "permissions",
    "return_url",
    "shipping_options",
    "success_url",
    "ui_mode",
];

/// Stored and shown again; nothing here depends on them.
const SHOWN: [&str; 16] = [
    "allow_promotion_codes",
    "allowed_payment_method_types",
    "billing_address_collection",
    "consent_collection",
    "custom_text",
    "excluded_payment_method_types",
    "integration_identifier",
    "locale",
    "origin_context",
    "payment_method_collection",
    "payment_method_options",
    "phone_number_collection",
    "saved_payment_method_options",
    "shipping_address_collection",
    "submit_type",
    "tax_id_collection",
];

impl Sandbox {
    pub(crate) fn create_session(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        let session = self.read_session(params, call)?;
        session.check_total()?;
        let shown = self.session_json(&session);
        let expires = Timestamp::from_seconds(session.expires_at);
        self.agenda.push(expires, Task::ExpireSession(session.id.clone()));
        self.sessions.put(session);
        Ok(shown)
    }

    fn read_session(&mut self, params: &Params, call: &Call) -> Result<Session, ApiError> {
        refuse_what_we_cannot(params)?;
        params.only(&[&UNDERSTOOD[..], &SHOWN[..]].concat())?;
        let (customer, customer_creation) = self.read_customer(params)?;
        let discount = self.read_discount(params, call)?;
        let shipping_options = read_shipping(params, call)?;
        let expires_at = read_expiry(params, call)?;
        let metadata = params.metadata("metadata")?;
        let intent_terms = read_intent_terms(params)?;
        let taxed = params.child("automatic_tax")?.map(|tax| tax.flag("enabled")).transpose()?.flatten();
        let shown = shown_settings(params, &SHOWN)?;
        let success_url = params.web_address("success_url")?;
        let success_url = success_url.ok_or_else(|| ApiError::missing_parameter("success_url"))?;
        params.web_address("return_url")?;
        let (currency, lines) = self.read_lines(params, call)?;
        Ok(Session {
            id: ids::session(&call.cx),
            created: call.seconds(),
            expires_at,
            stage: Stage::Open,
            currency,
            lines,
            customer,
            customer_email: params.email("customer_email")?,
            customer_creation,
            client_reference_id: params.short_text("client_reference_id", 200)?,
            metadata,
            success_url,
            cancel_url: params.web_address("cancel_url")?,
            intent_terms,
            discount,
            tax: if taxed == Some(true) {
                Tax::OnceLocated(self.settings.tax_basis_points)
            } else {
                Tax::Off
            },
            shipping: shipping_options.first().map_or(0, |option| option.amount),
            shipping_options,
            shown,
            payment_intent: None,
            payment_link: None,
            buyer: None,
            at_the_bank: None,
            refused_at_bank: None,
            collects_instead: None,
        })
    }

    fn read_customer(&self, params: &Params) -> Result<(Option<String>, Option<String>), ApiError> {
        let creation = params.one_of("customer_creation", &["always", "if_required"])?;
        let Some(id) = params.text("customer")? else {
            return Ok((None, Some(creation.unwrap_or_else(|| "if_required".into()))));
        };
        for other in ["customer_email", "customer_creation"] {
            if params.has(other) {
                let message = format!("You may only specify one of these parameters: customer, {other}.");
                return Err(params.invalid(other, &message));
            }
        }
        self.usable_customer(&id)?;
        Ok((Some(id), None))
    }

    pub(crate) fn read_lines(
        &mut self,
        params: &Params,
        call: &Call,
    ) -> Result<(String, Vec<Line>), ApiError> {
        let sent = params.list("line_items")?;
        if sent.is_empty() {
            return Err(ApiError::missing_parameter("line_items"));
        }
        if sent.len() > MOST_LINES {
            return Err(params.invalid("line_items", "A Checkout Session may have up to 100 line items."));
        }
        let mut currency = params.currency("currency")?;
        let mut lines = Vec::with_capacity(sent.len());
        for item in &sent {
            let (line, in_currency) = self.read_line(item, call)?;
            let expected = currency.get_or_insert_with(|| in_currency.clone());
            if *expected != in_currency {
                let message = format!(
                    "The price specified only supports `{in_currency}`. This doesn't match the expected currency: \
                     `{expected}`."
                );
                return Err(item.invalid("price", &message));
            }
            lines.push(line);
        }
        Ok((currency.unwrap_or_default(), lines))
    }

    fn read_line(&mut self, item: &Params, call: &Call) -> Result<(Line, String), ApiError> {
        item.only(&["price", "price_data", "quantity", "metadata", "adjustable_quantity", "tax_rates"])?;
        let quantity = item.amount("quantity")?.filter(|quantity| *quantity > 0);
        let quantity = quantity.ok_or_else(|| {
            let name = item.name_of("quantity");
            ApiError::invalid(format!("Quantity is required. Add `{name}`."))
                .code("parameter_missing")
                .about(&name)
        })?;
        let metadata = item.metadata("metadata")?;
        let price = match item.text("price")? {
            Some(id) => self.price_on_sale(&id, item)?,
            None => {
                let data = item.child("price_data")?;
                let data = data.ok_or_else(|| ApiError::missing_parameter(&item.name_of("price")))?;
                self.inline_price(&data, call)?
            }
        };
        let price = self.prices.get(&price).ok_or_else(|| no_such_price(&price, item))?;
        let product = self.products.get(&price.product);
        if product.is_some_and(|product| !product.active) {
            let id = &price.id;
            let message =
                format!("Price `{id}` is not available to be purchased because its product is not active.");
            return Err(item.invalid("price", &message));
        }
        if price.recurring.is_some() {
            let message = "You specified `payment` mode but passed a recurring price. Either switch to \
                           `subscription` mode or use only one-time prices.";
            return Err(item.invalid("price", message));
        }
        let line = Line {
            id: ids::long("li_1", &call.cx),
            price: price.id.clone(),
            description: product.map(|product| product.name.clone()).unwrap_or_default(),
            unit_amount: price.unit_amount,
            quantity,
            metadata,
        };
        Ok((line, price.currency.clone()))
    }

    /// A price that a shop names must be active; one that it gives in passing never is.
    fn price_on_sale(&self, id: &str, item: &Params) -> Result<String, ApiError> {
        let price = self.prices.get(id).ok_or_else(|| no_such_price(id, item))?;
        if !price.active {
            let message = "The price specified is inactive. This field only accepts active prices.";
            return Err(item.invalid("price", message));
        }
        Ok(id.to_owned())
    }

    /// The session that made this PaymentIntent.
    fn session_of(&self, intent: &str) -> Option<&Session> {
        self.sessions.get(self.intents.get(intent)?.session.as_ref()?)
    }

    pub(crate) fn session(&self, id: &str) -> Result<&Session, ApiError> {
        self.sessions.get(id).ok_or_else(|| no_such_session(id))
    }

    pub(crate) fn retrieve_session(&self, id: &str) -> Result<Value, ApiError> {
        Ok(self.session_json(self.session(id)?))
    }

    pub(crate) fn update_session(&mut self, id: &str, params: &Params) -> Result<Value, ApiError> {
        params.only(&["metadata"])?;
        let metadata = params.metadata_change("metadata")?;
        let session = self.sessions.get_mut(id).ok_or_else(|| no_such_session(id))?;
        merge(&mut session.metadata, metadata)?;
        self.retrieve_session(id)
    }

    pub(crate) fn list_sessions(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&[
            "limit",
            "starting_after",
            "ending_before",
            "created",
            "customer",
            "payment_intent",
            "payment_link",
            "status",
        ])?;
        let (customer, intent) = (params.text("customer")?, params.text("payment_intent")?);
        let link = params.text("payment_link")?;
        let status = params.one_of("status", &["open", "complete", "expired"])?;
        let keep = |session: &Session| {
            (customer.is_none() || session.customer == customer)
                && (link.is_none() || session.payment_link == link)
                && status.as_deref().is_none_or(|status| session.stage.status() == status)
        };
        let render = |session: &Session| self.session_json(session);
        let (paging, url) = (Paging::read(params)?, "/v1/checkout/sessions");
        match intent {
            Some(intent) => {
                let few: Vec<&Session> = self.session_of(&intent).into_iter().collect();
                paging.page_of_few(&few, url, keep, render)
            }
            None => paging.page(&self.sessions, url, keep, render),
        }
    }

    pub(crate) fn list_line_items(&self, id: &str, params: &Params) -> Result<Value, ApiError> {
        let lines = self.lines_json(self.session(id)?);
        page_of_lines(lines, params, &format!("/v1/checkout/sessions/{id}/line_items"))
    }

    pub(crate) fn expire_session(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&[])?;
        let session = self.session(id)?;
        if session.stage != Stage::Open {
            let status = session.stage.status();
            return Err(ApiError::impossible(format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a \
                 status of {status}."
            )));
        }
        self.expire_if_open(id, call);
        self.retrieve_session(id)
    }

    /// The race with a buyer who just paid is decided here: whoever comes second changes nothing.
    pub(crate) fn expire_if_open(&mut self, id: &str, call: &Call) {
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.stage == Stage::Open) else {
            return;
        };
        session.stage = Stage::Expired;
        session.at_the_bank = None;
        if let Some(intent) = session.payment_intent.clone() {
            self.end_intent(&intent, Some("expired".into()), call);
        }
        self.emit_about_session(id, "checkout.session.expired", call);
    }

    pub(crate) fn emit_about_session(&mut self, id: &str, kind: &str, call: &Call) {
        if let Some(session) = self.sessions.get(id) {
            let event = Event::new(kind, &session.id, &Shown((&*self, session)), None, call);
            self.publish(event, call);
        }
    }
}

fn no_such_price(id: &str, item: &Params) -> ApiError {
    ApiError::no_such("price", id, &item.name_of("price"))
}

fn no_such_session(id: &str) -> ApiError {
    ApiError::no_such("checkout.session", id, "id")
}

/// Endive took `payment_method_types` away; subscriptions, invoices and embedded pages are not built here yet.
fn refuse_what_we_cannot(params: &Params) -> Result<(), ApiError> {
    if params.has("payment_method_types") {
        let message = "`payment_method_types` is no longer supported. Leave it out, or use \
                       `allowed_payment_method_types` or `excluded_payment_method_types`.";
        let error = params.invalid("payment_method_types", message);
        return Err(error.code("payment_method_types_no_longer_supported"));
    }
    let mode = params.one_of("mode", &["payment", "setup", "subscription"])?;
    if mode.as_deref().is_some_and(|mode| mode != "payment") {
        return Err(params.invalid("mode", "This sandbox only knows `mode=payment` yet."));
    }
    let ui_mode = params.one_of("ui_mode", &["elements", "embedded_page", "form", "hosted_page"])?;
    if ui_mode.as_deref().is_some_and(|mode| mode != "hosted_page") {
        return Err(params.invalid("ui_mode", "This sandbox only knows `ui_mode=hosted_page`."));
    }
    let invoice = params.child("invoice_creation")?.map(|invoice| invoice.flag("enabled")).transpose()?;
    if invoice.flatten() == Some(true) {
        return Err(params.invalid("invoice_creation", "This sandbox makes no invoices yet."));
    }
    Ok(())
}

fn read_expiry(params: &Params, call: &Call) -> Result<i64, ApiError> {
    let now = call.seconds();
    let message = match params.integer("expires_at")? {
        None => return Ok(now + 24 * HOUR),
        Some(at) if at < now + HOUR / 2 => "at least 30 minutes",
        Some(at) if at > now + 24 * HOUR => "less than 24 hours",
        Some(at) => return Ok(at),
    };
    let message = format!("The `expires_at` timestamp must be {message} from Checkout Session creation.");
    Err(params.invalid("expires_at", &message))
}

pub(crate) fn read_intent_terms(params: &Params) -> Result<IntentTerms, ApiError> {
    match params.child("payment_intent_data")? {
        None => Ok(IntentTerms::default()),
        Some(data) => {
            data.only(&TERMS)?;
            IntentTerms::read(&data)
        }
    }
}

fn read_shipping(params: &Params, call: &Call) -> Result<Vec<ShippingOption>, ApiError> {
    let options = params.list("shipping_options")?;
    if options.len() > 1 {
        let message = "This sandbox's page offers no choice; pass one of `shipping_options`.";
        return Err(params.invalid("shipping_options", message));
    }
    options.iter().map(|option| read_shipping_option(option, call)).collect()
}

fn read_shipping_option(option: &Params, call: &Call) -> Result<ShippingOption, ApiError> {
    option.only(&["shipping_rate", "shipping_rate_data"])?;
    let Some(data) = option.child("shipping_rate_data")? else {
        let message = "This sandbox keeps no shipping rates; pass `shipping_rate_data`.";
        return Err(option.invalid("shipping_rate", message));
    };
    data.only(&[
        "display_name",
        "type",
        "fixed_amount",
        "delivery_estimate",
        "metadata",
        "tax_behavior",
        "tax_code",
    ])?;
    let fixed = data.child("fixed_amount")?;
    let fixed = fixed.ok_or_else(|| ApiError::missing_parameter(&data.name_of("fixed_amount")))?;
    let amount = fixed.amount("amount")?;
    Ok(ShippingOption {
        rate: ids::long("shr_1", &call.cx),
        name: data.required_text("display_name")?,
        amount: amount.ok_or_else(|| ApiError::missing_parameter(&fixed.name_of("amount")))?,
    })
}
