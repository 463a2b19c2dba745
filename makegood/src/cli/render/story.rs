//! An order's story: what happened, when, by whom; and what should happen next.

use kernel::Timestamp;
use serde_json::Value;

use super::Look;
use super::cell::{Cell, cut, exact, one_line, short, span};
use crate::cli::terminal::Tone;

/// The answer of `orders explain` as a text that is read from top to bottom.
pub fn story(explanation: &Value, look: Look) -> String {
    let mut text = heading(&explanation["order"], look);
    let mut before: Option<Timestamp> = None;
    for line in explanation["story"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let at: Option<Timestamp> = line["at"].as_str().and_then(|at| at.parse().ok());
        text.push_str(&told(line, &explanation["order"]["id"], at, before, look));
        before = at.or(before);
    }
    text.push_str(&held(explanation, look));
    text.push_str(&written(explanation, look));
    text.push_str(&next(explanation, look));
    text
}

/// The steps, the most urgent first.
fn next(explanation: &Value, look: Look) -> String {
    let title = look.paint.tone(Tone::Bold, "Next:");
    let steps: Vec<String> = explanation["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(one_line)
        .collect();
    match steps.as_slice() {
        [] => format!("\n{title} {}\n", one_line(explanation["next"].as_str().unwrap_or_default())),
        [one] => format!("\n{title} {one}\n"),
        all => {
            let all: String = all.iter().map(|step| format!("  - {step}\n")).collect();
            format!("\n{title}\n{all}")
        }
    }
}

fn heading(order: &Value, look: Look) -> String {
    let cell = |name: &str| Cell::of(name, order, look);
    let mut said = vec![cell("status").painted(look)];
    if let Some(waits_for) = order["waits_for"].as_str() {
        said.push(look.paint.tone(Tone::Warn, &format!("waits for {waits_for}")));
    }
    said.push(format!("payment {}", cell("payment_status").painted(look)));
    said.push(cell("total").text);
    let buyer = order["email"].as_str().or(order["profile_id"].as_str());
    said.extend(buyer.map(one_line));
    let title = look.paint.tone(Tone::Bold, &format!("order {}", cell("id").text));
    let mut text = format!("{title}\n  {}\n", said.join(" · "));
    for line in order["lines"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let product = line["product_id"].as_str().unwrap_or_default();
        text.push_str(&format!("  {} × {product}\n", line["quantity"]));
    }
    for review in order["reviews"].as_array().into_iter().flatten().filter(|r| r["cleared_at"].is_null()) {
        let said = |name: &str| one_line(review[name].as_str().unwrap_or_default());
        let title =
            look.paint.tone(Tone::Warn, &format!("under review ({}):", said("kind").replace('_', " ")));
        text.push_str(&format!("  {title} {}\n", said("detail")));
    }
    if order["suspended"] == true {
        let title = look.paint.tone(Tone::Warn, "suspended:");
        text.push_str(&format!("  {title} what was bought, while a dispute is open\n"));
    }
    text.push('\n');
    text
}

fn told(line: &Value, order: &Value, at: Option<Timestamp>, before: Option<Timestamp>, look: Look) -> String {
    let text = |name: &str| one_line(line[name].as_str().unwrap_or_default());
    let when = match (at, before) {
        // What happened in one second shares its time; the eye sees the group.
        (Some(at), Some(before)) if at.seconds() == before.seconds() && !look.verbose => String::new(),
        (Some(at), Some(before)) if !look.verbose => format!("+{}", span(at.since(before).as_secs())),
        (Some(at), _) if look.verbose => at.to_string(),
        (Some(at), _) => exact(at),
        (None, _) => String::new(),
    };
    let width = if look.verbose { 27 } else { 23 };
    let (when, cause) = (format!("{when:>width$}"), text("cause"));
    // An event's type is a name of Stripe's and stays as it is.
    let what = match line["source"] == "event" {
        true => format!("{}{}", text("what"), ending(&line["detail"])),
        false => text("what").replace('_', " "),
    };
    let mut told = format!(
        "{}  {}  {what} {}\n",
        look.paint.tone(Tone::Dim, &when),
        look.paint.tone(Tone::Dim, &format!("{:5}", text("source"))),
        look.paint.tone(Tone::Dim, &format!("by {cause}")),
    );
    let detail = if look.verbose { short(&line["detail"]) } else { detail(line, order) };
    if !detail.is_empty() && detail != "–" {
        let room = look.width.unwrap_or(120).saturating_sub(width + 9).max(30);
        let detail = if look.verbose { detail } else { cut(&detail, room) };
        told.push_str(&format!("{}{}\n", " ".repeat(width + 9), look.paint.tone(Tone::Dim, &detail)));
    }
    told
}

/// How an event ended.
fn ending(detail: &Value) -> String {
    let attempts = detail["attempts"].as_i64().filter(|attempts| *attempts > 1);
    let attempts = attempts.map(|attempts| format!(" after {attempts} attempts")).unwrap_or_default();
    let error =
        detail["last_error"].as_str().map(|error| format!(": {}", one_line(error))).unwrap_or_default();
    format!(", {}{attempts}{error}", detail["status"].as_str().unwrap_or("stored"))
}

/// What one reads first: an operator's reason, or what else it was about; for the order's own lines all that was noted.
fn detail(line: &Value, order: &Value) -> String {
    let detail = &line["detail"];
    match line["source"].as_str() {
        Some("event") => String::new(),
        Some("audit") => match (detail["reason"].as_str(), detail["subject"].as_str()) {
            (Some(reason), _) => format!("because: {}", one_line(reason)),
            (None, Some(subject)) if detail["subject"] != *order => one_line(subject),
            _ => String::new(),
        },
        _ => short(detail),
    }
}

/// What the order holds now, and what of its money went back or may.
fn held(explanation: &Value, look: Look) -> String {
    let mut holds = String::new();
    for reservation in rows(&explanation["reservations"]) {
        let status = Cell::of("status", &reservation, look).painted(look);
        let (quantity, sku) = (&reservation["quantity"], reservation["sku"].as_str().unwrap_or_default());
        let id = reservation["id"].as_str().unwrap_or_default();
        holds.push_str(&format!("  {quantity} × {sku} {status} ({id})\n"));
    }
    for grant in rows(&explanation["grants"]) {
        let status = Cell::of("status", &grant, look).painted(look);
        let (product, to) = (grant["product"].as_str(), grant["profile"].as_str());
        holds.push_str(&format!(
            "  access to {} is {status} ({})\n",
            one_line(product.unwrap_or_default()),
            one_line(to.unwrap_or("a guest's"))
        ));
    }
    let back = &explanation["money_back"];
    let mut money = String::new();
    for (kind, name) in [
        ("refund", "refunds"),
        ("dispute", "disputes"),
        ("early fraud warning", "early_fraud_warnings"),
        ("Radar review", "radar_reviews"),
    ] {
        for row in rows(&back[name]) {
            money.push_str(&went_back(kind, &row, look));
        }
    }
    section("It holds", holds, look) + &section("Money that went back, or may", money, look)
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn section(title: &str, text: String, look: Look) -> String {
    match text.is_empty() {
        true => text,
        false => format!("\n{}\n{text}", look.paint.tone(Tone::Bold, title)),
    }
}

/// Whether a guest has claimed it, and what the buyer was told.
fn written(explanation: &Value, look: Look) -> String {
    let claim = &explanation["claim"];
    let said = |name: &str| Cell::of(name, claim, look).text;
    let claim = match claim["status"].as_str() {
        None => String::new(),
        Some("claimed") => format!("  by {} {}\n", said("profile"), said("claimed_at")),
        Some(_) => format!("  by nobody; the link for {} ends {}\n", said("email"), said("link_expires_at")),
    };
    let mails = rows(&explanation["mails"]).iter().map(|mail| mailed(mail, look)).collect();
    section("Claimed", claim, look) + &section("Mails", mails, look)
}

fn mailed(mail: &Value, look: Look) -> String {
    let text = |name: &str| one_line(mail[name].as_str().unwrap_or_default());
    let at = if mail["sent_at"].is_null() { "created_at" } else { "sent_at" };
    let error = mail["last_error"].as_str().map(|error| format!(": {}", one_line(error)));
    format!(
        "  {} to {} {} {} ({}){}\n",
        text("kind").replace('_', " "),
        text("to"),
        Cell::of("status", mail, look).painted(look),
        Cell::of(at, mail, look).text,
        text("id"),
        error.unwrap_or_default()
    )
}

fn went_back(kind: &str, row: &Value, look: Look) -> String {
    let mut said = vec![Cell::of("status", row, look).painted(look)];
    if !row["amount"].is_null() {
        said.push(Cell::of("amount", row, look).text);
    }
    let words = ["reason", "fraud_type", "closed_reason"].iter().filter_map(|name| row[*name].as_str());
    said.extend(words.map(one_line));
    if !row["days_left"].is_null() {
        said.push(format!("an answer is due {}", Cell::of("due_by", row, look).text));
    }
    if row["provisional"] == true {
        said.push(look.paint.tone(Tone::Warn, "as an event told it"));
    }
    format!("  {kind} {}: {}\n", one_line(row["id"].as_str().unwrap_or_default()), said.join(", "))
}
