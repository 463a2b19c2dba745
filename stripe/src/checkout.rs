//! Calls about checkout sessions, and what is needed of their answers.

use kernel::{Money, Timestamp};
use serde_json::Value;

use crate::MissingField;
use crate::client::{Call, segment};
use crate::facts::{SessionPayment, SessionStatus};
use crate::fields::Fields;

/// A checkout session to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// One payment, or the first of many.
    pub mode: Mode,
    /// What is sold.
    pub lines: Vec<Line>,
    /// Where the buyer comes back to; Stripe puts the id in place of `{CHECKOUT_SESSION_ID}`.
    pub success_url: String,
    /// Where the buyer goes who changes their mind.
    pub cancel_url: Option<String>,
    /// Comes back as `client_reference_id`.
    pub client_reference: Option<String>,
    /// Filled in for the buyer.
    pub customer_email: Option<String>,
    /// A coupon of Stripe's to take off.
    pub coupon: Option<String>,
    /// From half an hour to a day after creation; Stripe's default is a day.
    pub expires_at: Option<Timestamp>,
    /// Set on the session and, because nothing flows from it, on the payment or subscription too.
    pub metadata: Vec<(String, String)>,
    /// Further parameters, verbatim.
    pub extra: Vec<(String, String)>,
    /// Under which key the session is made once.
    pub idempotency_key: String,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One payment.
    Payment,
    /// A subscription.
    Subscription,
}

/// One thing sold in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is and costs.
    pub item: Item,
    /// How many.
    pub quantity: u32,
}

/// What a line sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A price that Stripe knows.
    Price(String),
    /// A name and a price of our own.
    Named {
        /// As the buyer reads it.
        name: String,
        /// For one.
        unit: Money,
    },
}

/// Makes a session.
pub fn create(session: Create) -> Call {
    let (mode, inherits) = match session.mode {
        Mode::Payment => ("payment", "payment_intent_data"),
        Mode::Subscription => ("subscription", "subscription_data"),
    };
    let mut call = Call::post("/v1/checkout/sessions", session.idempotency_key)
        .with("mode", mode)
        .with("success_url", session.success_url)
        .with_some("cancel_url", session.cancel_url)
        .with_some("client_reference_id", session.client_reference)
        .with_some("customer_email", session.customer_email)
        .with_some("discounts[0][coupon]", session.coupon)
        .with_some("expires_at", session.expires_at.map(Timestamp::seconds));
    for (at, line) in session.lines.into_iter().enumerate() {
        call = with_line(call, at, line);
    }
    for (key, value) in &session.metadata {
        call =
            call.with(format!("metadata[{key}]"), value).with(format!("{inherits}[metadata][{key}]"), value);
    }
    call.params.extend(session.extra);
    call
}

fn with_line(call: Call, at: usize, line: Line) -> Call {
    let name = |rest: &str| format!("line_items[{at}]{rest}");
    let call = match line.item {
        Item::Price(price) => call.with(name("[price]"), price),
        Item::Named { name: product, unit } => call
            .with(name("[price_data][currency]"), unit.currency)
            .with(name("[price_data][unit_amount]"), unit.minor)
            .with(name("[price_data][product_data][name]"), product),
    };
    call.with(name("[quantity]"), line.quantity)
}

/// Reads a session.
pub fn retrieve_session(id: &str) -> Call {
    Call::get(format!("/v1/checkout/sessions/{}", segment(id)))
}

/// Reads a session together with its payment, as both are at this moment.
pub fn retrieve_session_with_payment(id: &str) -> Call {
    let whole = ["payment_intent", "payment_intent.latest_charge", "payment_intent.latest_charge.refunds"];
    whole.into_iter().fold(retrieve_session(id), |call, name| call.with("expand[]", name))
}

/// Reads what a session sells, which no event carries, a hundred lines a page; from the first on, or from the one behind
/// `after`.
pub fn list_line_items(id: &str, after: Option<&str>) -> Call {
    Call::get(format!("/v1/checkout/sessions/{}/line_items", segment(id)))
        .with("limit", 100)
        .with_some("starting_after", after)
}

/// Ends a session that is still open. When the buyer was faster, Stripe refuses with 400.
pub fn expire_session(id: &str) -> Call {
    // Expiring twice is expiring once, so the session's own id is the key.
    Call::post(format!("/v1/checkout/sessions/{}/expire", segment(id)), format!("expire_{id}"))
}

/// What we need of a session that was made or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Like `cs_…`.
    pub id: String,
    /// Where to send the buyer; only while open.
    pub url: Option<String>,
    /// When nobody can pay any more.
    pub expires_at: Timestamp,
    /// How far the buyer came.
    pub status: SessionStatus,
    /// Whether the money is there.
    pub payment: SessionPayment,
    /// Made at payment.
    pub payment_intent: Option<String>,
}

impl SessionView {
    /// Reads a session object.
    pub fn read(session: &Value) -> Result<Self, MissingField> {
        let fields = Fields::of(session, "", "checkout.session")?;
        Ok(SessionView {
            id: fields.needed_text("id", "the session's id")?.to_owned(),
            url: fields.owned("url"),
            expires_at: Timestamp::from_seconds(fields.seconds("expires_at")?),
            status: SessionStatus::read(&fields)?,
            payment: SessionPayment::read(&fields)?,
            payment_intent: fields.id_in("payment_intent"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn session() -> Create {
        Create {
            mode: Mode::Payment,
            lines: vec![
                Line { item: Item::Price("price_1".into()), quantity: 2 },
                Line {
                    item: Item::Named {
                        name: "Course".into(),
                        unit: Money::new(4900, "usd".parse().unwrap()),
                    },
                    quantity: 1,
                },
            ],
            success_url: "https://shop.example/thanks?s={CHECKOUT_SESSION_ID}".into(),
            cancel_url: None,
            client_reference: Some("ord_1".into()),
            customer_email: None,
            coupon: Some("WELCOME10".into()),
            expires_at: Some(Timestamp::from_seconds(1_790_001_800)),
            metadata: vec![("orderId".into(), "ord_1".into())],
            extra: vec![("automatic_tax[enabled]".into(), "true".into())],
            idempotency_key: "checkout_ord_1".into(),
        }
    }

    #[test]
    fn a_session_carries_its_metadata_to_the_payment() {
        let call = create(session());
        let said: Vec<_> = call.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            said,
            [
                "mode=payment",
                "success_url=https://shop.example/thanks?s={CHECKOUT_SESSION_ID}",
                "client_reference_id=ord_1",
                "discounts[0][coupon]=WELCOME10",
                "expires_at=1790001800",
                "line_items[0][price]=price_1",
                "line_items[0][quantity]=2",
                "line_items[1][price_data][currency]=usd",
                "line_items[1][price_data][unit_amount]=4900",
                "line_items[1][price_data][product_data][name]=Course",
                "line_items[1][quantity]=1",
                "metadata[orderId]=ord_1",
                "payment_intent_data[metadata][orderId]=ord_1",
                "automatic_tax[enabled]=true",
            ]
        );
        assert_eq!(call.idempotency_key.as_deref(), Some("checkout_ord_1"));
        let call = create(Create { mode: Mode::Subscription, ..session() });
        assert!(call.params.contains(&("subscription_data[metadata][orderId]".into(), "ord_1".into())));
    }

    #[test]
    fn a_session_is_viewed_and_a_missing_field_named() {
        let made = json!({"id": "cs_1", "url": "https://pay.example/cs_1", "expires_at": 1_790_001_800,
            "status": "open", "payment_status": "unpaid", "payment_intent": null});
        let view = SessionView::read(&made).unwrap();
        assert_eq!(
            (view.id.as_str(), view.status, view.payment),
            ("cs_1", SessionStatus::Open, SessionPayment::Unpaid)
        );
        let without = |field: &str| {
            let mut object = made.clone();
            object[field] = Value::Null;
            SessionView::read(&object).unwrap_err().field
        };
        for field in ["id", "expires_at", "status", "payment_status"] {
            assert_eq!(without(field), field);
        }
        assert!(SessionView::read(&json!([])).is_err());
    }
}
