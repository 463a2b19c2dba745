//! An order: where it stands, its money, what it holds, everything that happened, and what comes next.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::{Method, StatusCode};
use kernel::{Money, Timestamp};
use serde_json::{Map, Value};

use super::Shown;
use super::acts::{self, Act, OfOrder};
use super::cell::{Cell, Shape, leads_to};
use super::frame::{Frame, html};
use super::parts::{Kind, Part, Table, heading};
use super::twins::{Of, Twins, twins};
use super::views::{ask, named};
use super::visit::Visit;
use crate::cli::render::{exact, short, span, titled};

/// One line of what happened.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) exact: String,
    /// How long after the line before; empty in the same second.
    pub(super) after: String,
    pub(super) what: String,
    pub(super) cause: String,
    pub(super) cause_leads: Option<String>,
    pub(super) detail: String,
    /// What the order noted besides, by name.
    pub(super) noted: Vec<(String, Cell)>,
    pub(super) class: &'static str,
    pub(super) source: String,
}

#[derive(Template)]
#[template(path = "console/order.html")]
struct Order {
    frame: Frame,
    id: String,
    status: Cell,
    payment: Cell,
    warnings: Vec<String>,
    steps: Vec<Step>,
    facts: Part,
    sums: Vec<(String, String, bool)>,
    lines: Table,
    holds: Vec<Part>,
    story: Vec<Line>,
    acts: Vec<Act>,
    other_acts: Vec<Act>,
    refused_acts: Vec<(Act, String)>,
    twins: Twins,
}

/// What should happen next; where somebody has to do it, the command, and the way to its form for those who may.
struct Step {
    says: String,
    command: String,
    then: String,
    act: Option<Act>,
}

impl Step {
    fn of(visit: &Visit, told: &Value) -> Step {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let command = text(&told["mend"]["command"]);
        Step {
            says: text(&told["says"]),
            then: text(&told["then"]),
            act: super::people::remedy(visit, &told["mend"]),
            command: if command.is_empty() { command } else { format!("{command} --reason WHY") },
        }
    }
}

/// `/_/orders/{id}`
pub(super) async fn show(visit: &mut Visit) -> Shown {
    let explain = named("orders.explain")?;
    let input = Map::from_iter([("order".to_owned(), visit.id().into())]);
    let answer = ask(visit, explain, input).await?;
    match answer["object"].as_str() {
        // The id of something that leads to several.
        Some("list") => Ok(super::to(&format!("/_/search?q={}", super::visit::encoded(visit.id())))),
        _ => page(visit, &answer).await,
    }
}

/// The page of an explanation.
pub(super) async fn page(visit: &Visit, explanation: &Value) -> Shown {
    let (order, now) = (&explanation["order"], visit.now);
    let id = order["id"].as_str().unwrap_or_default().to_owned();
    let def = named("orders.explain")?;
    let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::GET };
    let input = Map::from_iter([("order".to_owned(), id.clone().into())]);
    let OfOrder { own, others, refused } = acts::of_order(visit, order).await?;
    let page = Order {
        frame: Frame::of(visit, format!("Order {id}")),
        status: Cell::of("status", order, now),
        payment: Cell::of("payment_status", order, now),
        warnings: warnings(order),
        steps: explanation["to_do"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|told| Step::of(visit, told))
            .collect(),
        facts: Part { title: String::new(), kind: Kind::Facts(facts(order, explanation, now)) },
        sums: sums(order),
        lines: lines(order, now),
        holds: holds(explanation, now),
        story: story(explanation, now),
        acts: own,
        other_acts: others,
        refused_acts: refused,
        twins: twins(&of, &input, "", Value::Null, &visit.app.config.app_url),
        id,
    };
    Ok(html(StatusCode::OK, &page))
}

/// What a person should see first.
fn warnings(order: &Value) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(waits_for) = order["waits_for"].as_str() {
        all.push(format!("It is paid and waits for {waits_for}."));
    }
    for review in
        order["reviews"].as_array().into_iter().flatten().filter(|review| review["cleared_at"].is_null())
    {
        let text = |name: &str| review[name].as_str().unwrap_or_default();
        all.push(format!("Under review ({}): {}", titled(text("kind")), text("detail")));
    }
    if order["suspended"] == true {
        all.push("What was bought is suspended while a dispute is open.".into());
    }
    all
}

fn facts(order: &Value, explanation: &Value, now: Timestamp) -> Vec<(String, Cell)> {
    let names = [
        "email",
        "profile_id",
        "created_at",
        "updated_at",
        "webhook_processed_at",
        "shipped_at",
        "tracking",
        "cancel_reason",
        "dispute_status",
        "refunded_at",
        "stripe_payment_intent_id",
        "stripe_checkout_session_id",
    ];
    let mut facts: Vec<(String, Cell)> = names
        .iter()
        .filter(|name| !order[**name].is_null())
        .map(|name| {
            (heading(name.trim_start_matches("stripe_").trim_end_matches("_id")), Cell::of(name, order, now))
        })
        .collect();
    let who = order["id"].as_str().unwrap_or_default();
    facts.push((
        "Case".into(),
        Cell::text("Why has the buyer (no) access?").leading_to(format!("/_/people/{who}")),
    ));
    let url = explanation["checkout_url"].as_str().filter(|_| order["status"] == "pending");
    if let Some(url) = url {
        facts.push(("Payment page".into(), Cell::new(url, Shape::Id)));
    }
    facts
}

/// The order's sums, and beside them what Stripe has.
fn sums(order: &Value) -> Vec<(String, String, bool)> {
    let currency = order["currency"].as_str().and_then(|code| code.parse().ok());
    let tag = |minor: i64| currency.map(|currency| Money::new(minor, currency).tag()).unwrap_or_default();
    let sum = |name: &str| order[name].as_i64().unwrap_or_default();
    let mut sums = vec![("Subtotal".to_owned(), tag(sum("subtotal_amount")), false)];
    for (title, name, sign) in
        [("Discount", "discount_amount", -1), ("Tax", "tax_amount", 1), ("Shipping", "shipping_amount", 1)]
    {
        if sum(name) != 0 {
            sums.push((title.to_owned(), tag(sign * sum(name)), false));
        }
    }
    sums.push(("The order expects".into(), tag(sum("total_amount")), true));
    match order["paid_amount"].as_i64() {
        Some(paid) => sums.push(("Stripe received".into(), tag(paid), false)),
        None => sums.push(("Stripe received".into(), "nothing known".into(), false)),
    }
    if let Some(paid) = order["paid_amount"].as_i64().filter(|paid| *paid != sum("total_amount")) {
        sums.push(("Difference".into(), tag(paid - sum("total_amount")), true));
    }
    if sum("refunded_amount") != 0 {
        sums.push(("Went back".into(), tag(-sum("refunded_amount")), false));
    }
    sums
}

fn lines(order: &Value, now: Timestamp) -> Table {
    let rows: Vec<Value> = order["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| {
            let mut line = line.clone();
            line["currency"] = order["currency"].clone();
            line
        })
        .collect();
    Table::of(&["name", "kind", "sku", "quantity", "unit_amount"], &rows, now)
}

fn holds(explanation: &Value, now: Timestamp) -> Vec<Part> {
    let back = &explanation["money_back"];
    let claims: Value =
        Some(&explanation["claim"]).into_iter().filter(|claim| !claim.is_null()).cloned().collect();
    let parts: [(&str, &Value, &[&str]); 9] = [
        ("Stock set aside", &explanation["reservations"], &["id", "sku", "quantity", "status", "expires_at"]),
        (
            "Access",
            &explanation["grants"],
            &["product", "profile", "status", "reason", "actor", "created_at"],
        ),
        ("Claim", &claims, &["status", "email", "link_expires_at", "profile", "claimed_at"]),
        (
            "Mails",
            &explanation["mails"],
            &["id", "kind", "to", "status", "last_error", "created_at", "sent_at"],
        ),
        (
            "Refunds asked for here",
            &explanation["refunds"],
            &["id", "status", "amount", "actor", "reason", "created_at"],
        ),
        ("Refunds at Stripe", &back["refunds"], &["id", "status", "amount"]),
        ("Disputes", &back["disputes"], &["id", "status", "amount", "reason", "due_by"]),
        ("Early fraud warnings", &back["early_fraud_warnings"], &["id", "fraud_type"]),
        ("Reviews at Stripe", &back["radar_reviews"], &["id", "status", "opened_reason", "closed_reason"]),
    ];
    parts
        .into_iter()
        .filter_map(|(title, rows, columns)| {
            let rows = rows.as_array().filter(|rows| !rows.is_empty())?;
            Some(Part { title: title.to_owned(), kind: Kind::Table(Table::of(columns, rows, now)) })
        })
        .collect()
}

/// Everything that happened, from the first to the last.
pub(super) fn story(explanation: &Value, now: Timestamp) -> Vec<Line> {
    let mut before: Option<Timestamp> = None;
    let all = explanation["story"].as_array().into_iter().flatten();
    all.map(|told| {
        let at: Option<Timestamp> = told["at"].as_str().and_then(|at| at.parse().ok());
        let line = line(told, at, before, &explanation["order"]["id"], now);
        before = at.or(before);
        line
    })
    .collect()
}

fn line(
    told: &Value,
    at: Option<Timestamp>,
    before: Option<Timestamp>,
    order: &Value,
    now: Timestamp,
) -> Line {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let (source, cause, detail) = (text("source"), text("cause"), &told["detail"]);
    let after = match (at, before) {
        (Some(at), Some(before)) if at.seconds() != before.seconds() => {
            format!("+{}", span(at.since(before).as_secs()))
        }
        (Some(_), Some(_)) => String::new(),
        (Some(at), None) => exact(at),
        (None, _) => String::new(),
    };
    let what = if source == "event" { text("what") } else { heading(&text("what")) };
    let status = detail["status"].as_str().unwrap_or_default();
    let is_bad = source == "event" && matches!(status, "error" | "retry" | "unmatched")
        || matches!(text("what").as_str(), "payment_failed" | "cancelled" | "refund_full");
    let named = cause.split(' ').next_back().unwrap_or_default();
    Line {
        at: at.map(|at| at.to_string()).unwrap_or_default(),
        exact: at.map(exact).unwrap_or_default(),
        after,
        cause_leads: leads_to("id", named),
        detail: told_detail(&source, detail, order),
        noted: if source == "order" { noted(detail, now) } else { Vec::new() },
        class: match (is_bad, source.as_str()) {
            (true, _) => "bad",
            (_, "order") => "order",
            _ => "",
        },
        what,
        cause,
        source,
    }
}

fn told_detail(source: &str, detail: &Value, order: &Value) -> String {
    let text = |name: &str| detail[name].as_str().filter(|text| !text.is_empty());
    match source {
        "event" => {
            let attempts = detail["attempts"].as_i64().filter(|attempts| *attempts > 1);
            let attempts = attempts.map(|attempts| format!(" after {attempts} attempts")).unwrap_or_default();
            let error = text("last_error").map(|error| format!(": {error}")).unwrap_or_default();
            format!("{}{attempts}{error}", text("status").unwrap_or("stored"))
        }
        "audit" => match (text("reason"), text("subject")) {
            (Some(reason), _) => format!("because: {reason}"),
            (None, Some(subject)) if detail["subject"] != *order => subject.to_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// Who and when, which the line itself says.
const SAID: [&str; 4] = ["actor", "actorId", "actorType", "at"];

/// What an order's own line has noted, as names and values.
fn noted(detail: &Value, now: Timestamp) -> Vec<(String, Cell)> {
    let fields: BTreeMap<&String, &Value> = detail.as_object().into_iter().flatten().collect();
    let says = |name: &str, value: &Value| !SAID.contains(&name) && !value.is_null() && *value != "";
    let fields = fields.into_iter().filter(|(name, value)| says(name, value));
    fields.map(|(name, value)| (noted_as(name), noted_value(name, value, detail, now))).collect()
}

fn noted_as(name: &str) -> String {
    let spaced: String = name
        .chars()
        .flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase()))
        .collect();
    match spaced.as_str() {
        "agrees" => "As the order expects".to_owned(),
        name => heading(name.trim_end_matches("_id")),
    }
}

fn noted_value(name: &str, value: &Value, detail: &Value, now: Timestamp) -> Cell {
    let is_sum = value["amount"].is_i64() && value["currency"].is_string();
    match value {
        Value::Object(_) if is_sum => Cell::of("amount", value, now),
        Value::Array(words) => {
            let words = words.iter().map(|word| titled(&short(word)));
            Cell::text(words.collect::<Vec<_>>().join(", "))
        }
        _ => Cell::of(name, detail, now),
    }
}
