//! Payment Links: an address that opens a new Checkout Session for whoever comes, without the shop's server.

use kernel::{Cx, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::{Sandbox, Task};
use crate::call::Call;
use crate::checkout::{Line, Session, ShippingOption, Stage, Tax, shown_settings, subtotal};
use crate::currencies;
use crate::error::ApiError;
use crate::ids;
use crate::intents::IntentTerms;
use crate::lists::{Paging, list_object};
use crate::params::{Metadata, Params, merge};
use crate::shelf::Kept;

/// More lines than this a Payment Link does not take.
const MOST_LINES: usize = 20;
const DAY: i64 = 24 * 3600;

const UNDERSTOOD: [&str; 10] = [
    "active",
    "after_completion",
    "automatic_tax",
    "currency",
    "customer_creation",
    "inactive_message",
    "line_items",
    "metadata",
    "payment_intent_data",
    "restrictions",
];

/// Stored and shown again; a session of the link has them too.
const SHOWN: [&str; 10] = [
    "allow_promotion_codes",
    "billing_address_collection",
    "consent_collection",
    "custom_text",
    "payment_method_collection",
    "phone_number_collection",
    "shipping_address_collection",
    "submit_type",
    "tax_id_collection",
    "name_collection",
];

/// What a Payment Link sells in one line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LinkLine {
    line: Line,
    /// The fewest and the most that a buyer may choose.
    adjustable: Option<(i64, i64)>,
}

/// A Payment Link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentLink {
    id: String,
    created: i64,
    active: bool,
    currency: String,
    lines: Vec<LinkLine>,
    metadata: Metadata,
    customer_creation: String,
    inactive_message: Option<String>,
    intent_terms: IntentTerms,
    payment_intent_data: Option<Value>,
    redirect: Option<String>,
    confirmation: Option<String>,
    taxed: bool,
    /// After so many completed sessions nobody can buy any more.
    most_sessions: Option<i64>,
    shipping_options: Vec<ShippingOption>,
    shown: Map<String, Value>,
}

impl Kept for PaymentLink {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

/// What a buyer brings along in the address of a Payment Link, or chooses on its page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Visit {
    /// Anything: it is typed into the address.
    pub client_reference_id: Option<String>,
    /// Filled in for the buyer, who may change it.
    pub prefilled_email: Option<String>,
    /// How many of the first line, where the link lets the buyer choose.
    pub quantity: Option<i64>,
}

/// Why a Payment Link opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkClosed {
    /// There is no such link.
    Unknown,
    /// The seller has turned it off, or it has sold as often as it may.
    Inactive(String),
}

impl std::fmt::Display for LinkClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LinkClosed::Unknown => f.write_str("There is no such Payment Link."),
            LinkClosed::Inactive(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for LinkClosed {}

impl PaymentLink {
    fn to_json(&self, public_url: &str, sold: i64) -> Value {
        let setting = |name: &str, otherwise: Value| self.shown.get(name).cloned().unwrap_or(otherwise);
        let completion = match &self.redirect {
            Some(url) => json!({ "type": "redirect", "redirect": { "url": url } }),
            None => json!({
                "type": "hosted_confirmation", "hosted_confirmation": { "custom_message": self.confirmation },
            }),
        };
        let restrictions = self
            .most_sessions
            .map(|limit| json!({ "completed_sessions": { "count": sold, "limit": limit } }));
        let shipping: Vec<Value> = self
            .shipping_options
            .iter()
            .map(|option| json!({ "shipping_amount": option.amount, "shipping_rate": option.rate }))
            .collect();
        json!({
            "id": self.id,
            "object": "payment_link",
            "active": self.active,
            "after_completion": completion,
            "allow_promotion_codes": setting("allow_promotion_codes", json!(false)),
            "application": null,
            "application_fee_amount": null,
            "application_fee_percent": null,
            "automatic_tax": {
                "enabled": self.taxed, "liability": self.taxed.then(|| json!({ "type": "self" })),
            },
            "billing_address_collection": setting("billing_address_collection", json!("auto")),
            "consent_collection": setting("consent_collection", Value::Null),
            "currency": self.currency,
            "custom_fields": [],
            "custom_text": setting("custom_text", json!({
                "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
            })),
            "customer_creation": self.customer_creation,
            "inactive_message": self.inactive_message,
            "invoice_creation": { "enabled": false, "invoice_data": {
                "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": null,
                "metadata": {}, "rendering_options": null,
            } },
            "livemode": false,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "optional_items": null,
            "payment_intent_data": self.payment_intent_data,
            "payment_method_collection": setting("payment_method_collection", json!("always")),
            "payment_method_types": null,
            "phone_number_collection": setting("phone_number_collection", json!({ "enabled": false })),
            "restrictions": restrictions,
            "shipping_address_collection": setting("shipping_address_collection", Value::Null),
            "shipping_options": shipping,
            "submit_type": setting("submit_type", json!("auto")),
            "subscription_data": null,
            "tax_id_collection": setting("tax_id_collection", json!({ "enabled": false, "required": "never" })),
            "transfer_data": null,
            "url": format!("{public_url}/buy/{}", self.id),
        })
    }
}

impl Sandbox {
    pub(crate) fn create_link(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&[&UNDERSTOOD[..], &SHOWN[..], &["shipping_options"]].concat())?;
        let (currency, lines) = self.read_link_lines(params, call)?;
        let (redirect, confirmation) = read_completion(params)?;
        let intent_terms = crate::checkout::read_intent_terms(params)?;
        let taxed = params.child("automatic_tax")?.map(|tax| tax.flag("enabled")).transpose()?.flatten();
        let link = PaymentLink {
            id: ids::long("plink_1", &call.cx),
            created: call.seconds(),
            active: true,
            currency,
            lines,
            metadata: params.metadata("metadata")?,
            customer_creation: params
                .one_of("customer_creation", &["always", "if_required"])?
                .unwrap_or_else(|| "if_required".into()),
            inactive_message: params.text("inactive_message")?,
            payment_intent_data: params.has("payment_intent_data").then(|| intent_terms.shown_on_link()),
            intent_terms,
            redirect,
            confirmation,
            taxed: taxed == Some(true),
            most_sessions: read_restrictions(params)?,
            shipping_options: self.read_link_shipping(params)?,
            shown: shown_settings(params, &SHOWN)?,
        };
        let shown = self.link_json(&link);
        self.links.put(link);
        self.emit("payment_link.created", &shown, call);
        Ok(shown)
    }

    fn read_link_lines(&mut self, params: &Params, call: &Call) -> Result<(String, Vec<LinkLine>), ApiError> {
        let sent = params.list("line_items")?;
        if sent.len() > MOST_LINES {
            return Err(params.invalid("line_items", "A Payment Link may have up to 20 line items."));
        }
        let adjustable = sent.iter().map(read_adjustable).collect::<Result<Vec<_>, _>>()?;
        let (currency, lines) = self.read_lines(params, call)?;
        currencies::check_total(subtotal(&lines), &currency)?;
        let lines = lines.into_iter().zip(adjustable);
        Ok((currency, lines.map(|(line, adjustable)| LinkLine { line, adjustable }).collect()))
    }

    /// A link takes only rates that Stripe keeps, and this sandbox keeps none.
    fn read_link_shipping(&self, params: &Params) -> Result<Vec<ShippingOption>, ApiError> {
        match params.list("shipping_options")?.first() {
            None => Ok(Vec::new()),
            Some(option) => Err(option.invalid("shipping_rate", "This sandbox keeps no shipping rates.")),
        }
    }

    fn link(&self, id: &str) -> Result<&PaymentLink, ApiError> {
        self.links.get(id).ok_or_else(|| ApiError::no_such("payment_link", id, "id"))
    }

    fn link_json(&self, link: &PaymentLink) -> Value {
        link.to_json(&self.settings.public_url, self.sold_by(&link.id))
    }

    fn sold_by(&self, link: &str) -> i64 {
        let sold = |session: &&Session| {
            session.payment_link.as_deref() == Some(link) && session.stage.status() == "complete"
        };
        self.sessions.list().iter().filter(sold).count() as i64
    }

    pub(crate) fn retrieve_link(&self, id: &str) -> Result<Value, ApiError> {
        Ok(self.link_json(self.link(id)?))
    }

    pub(crate) fn update_link(&mut self, id: &str, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["active", "metadata", "inactive_message", "after_completion"])?;
        let mut link = self.link(id)?.clone();
        link.active = params.flag("active")?.unwrap_or(link.active);
        if let Some(message) = params.unsettable("inactive_message")? {
            link.inactive_message = message;
        }
        if params.has("after_completion") {
            (link.redirect, link.confirmation) = read_completion(params)?;
        }
        merge(&mut link.metadata, params.metadata_change("metadata")?)?;
        let shown = self.link_json(&link);
        if let Some(kept) = self.links.get_mut(id) {
            *kept = link;
        }
        self.emit("payment_link.updated", &shown, call);
        Ok(shown)
    }

    pub(crate) fn list_links(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "active"])?;
        let active = params.flag("active")?;
        let keep = |link: &PaymentLink| active.is_none_or(|active| link.active == active);
        let render = |link: &PaymentLink| self.link_json(link);
        Paging::read(params)?.page(&self.links, "/v1/payment_links", keep, render)
    }

    pub(crate) fn list_link_items(&self, id: &str, params: &Params) -> Result<Value, ApiError> {
        let (link, url) = (self.link(id)?, format!("/v1/payment_links/{id}/line_items"));
        let lines = link.lines.iter().map(|sold| {
            let adjustable = match sold.adjustable {
                Some((fewest, most)) => json!({ "enabled": true, "minimum": fewest, "maximum": most }),
                None => Value::Null,
            };
            json!({
                "id": sold.line.id,
                "object": "item",
                "adjustable_quantity": adjustable,
                "amount_discount": 0,
                "amount_subtotal": sold.line.subtotal(),
                "amount_tax": 0,
                "amount_total": sold.line.subtotal(),
                "currency": link.currency,
                "description": sold.line.description,
                "metadata": sold.line.metadata,
                "price": self.prices.get(&sold.line.price).map(|price| price.to_json()),
                "quantity": sold.line.quantity,
            })
        });
        page_of_lines(lines.collect(), params, &url)
    }

    /// Somebody opens the link: a new session, which is theirs.
    pub fn open_link(&mut self, link: &str, visit: &Visit, cx: &Cx) -> Result<String, LinkClosed> {
        self.tick(cx);
        let call = Call::of_nobody(self.local(cx));
        let link = self.links.get(link).cloned().ok_or(LinkClosed::Unknown)?;
        let sold_out = link.most_sessions.is_some_and(|most| self.sold_by(&link.id) >= most);
        if !link.active || sold_out {
            let message = "This link is no longer active.".to_owned();
            return Err(LinkClosed::Inactive(link.inactive_message.unwrap_or(message)));
        }
        let session = self.session_of_link(&link, visit, &call);
        let id = session.id.clone();
        self.agenda.push(Timestamp::from_seconds(session.expires_at), Task::ExpireSession(id.clone()));
        self.sessions.put(session);
        Ok(id)
    }

    fn session_of_link(&self, link: &PaymentLink, visit: &Visit, call: &Call) -> Session {
        let mut lines = Vec::with_capacity(link.lines.len());
        for (at, sold) in link.lines.iter().enumerate() {
            let chosen = visit.quantity.filter(|_| at == 0).zip(sold.adjustable);
            let quantity = chosen.map_or(sold.line.quantity, |(n, (fewest, most))| n.clamp(fewest, most));
            lines.push(Line { id: ids::long("li_1", &call.cx), quantity, ..sold.line.clone() });
        }
        Session {
            id: ids::session(&call.cx),
            created: call.seconds(),
            expires_at: call.seconds() + DAY,
            stage: Stage::Open,
            currency: link.currency.clone(),
            lines,
            customer: None,
            customer_email: visit.prefilled_email.clone(),
            customer_creation: Some(link.customer_creation.clone()),
            client_reference_id: visit.client_reference_id.clone(),
            metadata: link.metadata.clone(),
            success_url: link
                .redirect
                .clone()
                .unwrap_or_else(|| format!("{}/paid/{{CHECKOUT_SESSION_ID}}", self.settings.public_url)),
            cancel_url: None,
            intent_terms: link.intent_terms.clone(),
            discount: None,
            tax: if link.taxed { Tax::OnceLocated(self.settings.tax_basis_points) } else { Tax::Off },
            shipping: 0,
            shipping_options: Vec::new(),
            shown: link.shown.clone(),
            payment_intent: None,
            payment_link: Some(link.id.clone()),
            buyer: None,
            at_the_bank: None,
            refused_at_bank: None,
            collects_instead: None,
        }
    }

    /// What the page says after a purchase, where the link sends nobody elsewhere.
    pub(crate) fn confirmation(&self, session: &str) -> Option<String> {
        let session = self.sessions.get(session).filter(|session| session.stage.status() == "complete")?;
        let link = self.links.get(session.payment_link.as_deref()?)?;
        let thanks = "Thanks for your payment. A payment will appear on your statement.";
        Some(link.confirmation.clone().unwrap_or_else(|| thanks.to_owned()))
    }
}

/// A page of lines, ten unless asked for more.
pub(crate) fn page_of_lines(lines: Vec<Value>, params: &Params, url: &str) -> Result<Value, ApiError> {
    params.only(&["limit", "starting_after", "ending_before"])?;
    let limit = params.integer("limit")?.unwrap_or(10).clamp(1, 100) as usize;
    let after = params.text("starting_after")?;
    let start = match &after {
        None => 0,
        Some(after) => {
            lines.iter().position(|line| line["id"] == json!(after)).map_or(lines.len(), |at| at + 1)
        }
    };
    let has_more = lines.len() > start + limit;
    let page = lines.into_iter().skip(start).take(limit).collect();
    Ok(list_object(page, has_more, url))
}

fn read_adjustable(item: &Params) -> Result<Option<(i64, i64)>, ApiError> {
    let Some(sent) = item.child("adjustable_quantity")? else { return Ok(None) };
    sent.only(&["enabled", "minimum", "maximum"])?;
    let enabled = sent.flag("enabled")? == Some(true);
    let (fewest, most) = (sent.integer("minimum")?.unwrap_or(0), sent.integer("maximum")?.unwrap_or(99));
    Ok(enabled.then_some((fewest.max(1), most.max(1))))
}

fn read_completion(params: &Params) -> Result<(Option<String>, Option<String>), ApiError> {
    let Some(sent) = params.child("after_completion")? else { return Ok((None, None)) };
    sent.only(&["type", "redirect", "hosted_confirmation"])?;
    let kind = sent.one_of("type", &["hosted_confirmation", "redirect"])?;
    let kind = kind.ok_or_else(|| ApiError::missing_parameter(&sent.name_of("type")))?;
    if kind == "redirect" {
        let redirect = sent.child("redirect")?;
        let redirect = redirect.ok_or_else(|| ApiError::missing_parameter(&sent.name_of("redirect")))?;
        let url = redirect.web_address("url")?;
        let url = url.ok_or_else(|| ApiError::missing_parameter(&redirect.name_of("url")))?;
        return Ok((Some(url), None));
    }
    let message = sent.child("hosted_confirmation")?.map(|page| page.text("custom_message")).transpose()?;
    Ok((None, message.flatten()))
}

fn read_restrictions(params: &Params) -> Result<Option<i64>, ApiError> {
    let Some(sent) = params.child("restrictions")? else { return Ok(None) };
    let sessions = sent.child("completed_sessions")?;
    let sessions =
        sessions.ok_or_else(|| ApiError::missing_parameter(&sent.name_of("completed_sessions")))?;
    sessions.integer("limit")
}
