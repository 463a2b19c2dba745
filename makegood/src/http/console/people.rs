//! Why somebody has no access: the verdict, what it stands on, and what mends it.

use askama::Template;
use axum::http::{Method, StatusCode};
use kernel::Duration;
use serde_json::{Map, Value, json};

use super::acts::{Act, words};
use super::cell::{Cell, leads_to};
use super::frame::{Frame, html};
use super::parts::{Kind, Part, Table, heading};
use super::twins::{Of, Twins, twins};
use super::visit::{Visit, encoded};
use super::{Shown, tasks};
use crate::http::problem::Problem;

/// How long Stripe may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "console/case.html")]
struct Case {
    frame: Frame,
    asked: String,
    has_access: bool,
    verdict: String,
    cause: String,
    note: String,
    mend: Option<Mend>,
    parts: Vec<Part>,
    twins: Twins,
}

/// The next step.
struct Mend {
    act: Option<Act>,
    command: String,
}

/// `/_/people/{id}`
pub(super) async fn case(visit: &mut Visit) -> Shown {
    let def = shop::TASKS.iter().find(|def| def.name == "case");
    let Some(def) = def else { return Err(Problem::new("not_found", "nobody knows how to judge a case")) };
    let mut input = Map::from_iter([("who".to_owned(), visit.id().into())]);
    let course = visit.query()?.remove("course").filter(|course| !course.is_empty());
    if let Some(course) = &course {
        input.insert("course".into(), course.clone().into());
    }
    let answer = tasks::look(visit, def, Value::Object(input.clone()), PATIENCE).await?;
    let Some(case) = answer else { return Err(Problem::busy("Stripe does not answer in time", 5)) };
    let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
    let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::GET };
    let page = Case {
        frame: Frame::of(visit, format!("Case {}", text("asked"))),
        asked: text("asked"),
        has_access: case["access"] == true,
        verdict: text("verdict"),
        cause: heading(&text("place")),
        note: text("note"),
        mend: mend(visit, &case["mend"]),
        parts: parts(visit, &case),
        twins: twins(&of, &input, "", Value::Null, &visit.app.config.app_url),
    };
    Ok(html(StatusCode::OK, &page))
}

/// The operation, task or view that mends it, with its form filled in.
fn mend(visit: &Visit, mend: &Value) -> Option<Mend> {
    let command = mend["command"].as_str()?.to_owned();
    Some(Mend { act: remedy(visit, mend), command })
}

/// The way to the form of what a finding or a case names, where whoever looks may do it.
pub(super) fn remedy(visit: &Visit, mend: &Value) -> Option<Act> {
    let name = mend["operation"].as_str()?;
    let operation =
        shop::OPERATIONS.iter().find(|def| def.name == name).map(|def| (def.role, def.subject, def.about()));
    let task =
        || shop::TASKS.iter().find(|def| def.name == name).map(|def| (def.role, def.subject, def.about()));
    let view =
        || shop::VIEWS.iter().find(|def| def.name == name).map(|def| (def.role, def.subject, def.about()));
    let (role, subject, about) = operation.or_else(task).or_else(view)?;
    if !visit.may(role) {
        return None;
    }
    let input: Vec<(String, String)> = mend["input"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.clone(), text.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            other => Some((name.clone(), other.to_string())),
        })
        .collect();
    let id =
        subject.and_then(|subject| input.iter().find(|(name, _)| name == subject)).map(|(_, id)| id.as_str());
    let rest: Vec<(&str, &str)> = input
        .iter()
        .filter(|(name, _)| Some(name.as_str()) != subject)
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let (resource, _) = name.split_once('.').unwrap_or((name, ""));
    let title = match words(name) {
        verb if name.contains('.') => format!("{verb} {}", resource.trim_end_matches('s').replace('-', " ")),
        word => word,
    };
    Act::to(name, title, about, id, &rest)
}

fn parts(visit: &Visit, case: &Value) -> Vec<Part> {
    let rows = |name: &str| case[name].as_array().filter(|rows| !rows.is_empty());
    let mut parts = Vec::new();
    if let Some(evidence) = rows("evidence") {
        let table = Table::of(&["kind", "id", "status", "says", "order"], evidence, visit.now);
        parts.push(Part { title: "Evidence".into(), kind: Kind::Table(table) });
    }
    if let Some(goods) = rows("goods") {
        let goods: Vec<Value> = goods
            .iter()
            .map(|good| {
                let place = good["place"].as_str().unwrap_or_default().replace('_', " ");
                json!({ "product": good["product"], "cause": place, "says": good["says"], "order": good["order"] })
            })
            .collect();
        let table = Table::of(&["product", "cause", "says", "order"], &goods, visit.now);
        parts.push(Part { title: "Each thing that was bought".into(), kind: Kind::Table(table) });
    }
    if let Some(accounts) = rows("accounts") {
        let cells = accounts.iter().map(|account| {
            let text = account.as_str().map_or_else(|| crate::cli::render::short(account), str::to_owned);
            let id = account["id"].as_str().map(str::to_owned).unwrap_or_else(|| text.clone());
            Cell { href: leads_to("id", &id), ..Cell::text(text) }
        });
        parts.push(Part { title: "Accounts".into(), kind: Kind::Items(cells.collect()) });
    }
    parts
}

#[derive(Template)]
#[template(path = "console/search.html")]
struct Search {
    frame: Frame,
    q: String,
    table: Option<Table>,
    trouble: String,
    hint: String,
    case: String,
}

/// `/_/search?q=`: straight to the thing when it is one, else what was found.
pub(super) async fn search(visit: &mut Visit) -> Shown {
    let mut query = visit.query()?;
    let q = query.remove("q").unwrap_or_default().trim().to_owned();
    let mut page = Search {
        frame: Frame::of(visit, "Search"),
        table: None,
        trouble: String::new(),
        hint: String::new(),
        case: if q.is_empty() { String::new() } else { format!("/_/people/{}", encoded(&q)) },
        q: q.clone(),
    };
    page.frame.q.clone_from(&q);
    if q.is_empty() {
        return Ok(html(StatusCode::OK, &page));
    }
    let input = Map::from_iter([("q".to_owned(), q.clone().into())]);
    let found = match super::views::ask(visit, super::views::named("search")?, input).await {
        Ok(found) => found,
        Err(problem) if matches!(&*problem.code, "not_found" | "invalid_input") => {
            (page.trouble, page.hint) = (problem.detail.clone(), problem.hint.clone());
            return Ok(html(problem.status(), &page));
        }
        Err(problem) => return Err(problem),
    };
    let hits = found["data"].as_array().cloned().unwrap_or_default();
    let place = |hit: &Value| leads_to("id", hit["id"].as_str().unwrap_or_default());
    // What has a page of its own and is exactly what was typed, or the only thing found.
    let exact =
        hits.iter().find(|hit| hit["id"] == *q).and_then(place).filter(|place| !place.contains("/search?"));
    let only = hits.first().filter(|_| hits.len() == 1);
    let only = only.and_then(|hit| {
        place(hit)
            .filter(|place| !place.contains("/search?"))
            .or_else(|| hit["order"].as_str().and_then(|order| leads_to("order", order)))
    });
    if let Some(place) = exact.or(only) {
        return Ok(super::to(&place));
    }
    let mut table = Table::of(&["kind", "id", "status", "what", "order"], &hits, visit.now);
    for (row, hit) in table.rows.iter_mut().zip(&hits) {
        if let (Some(room), Some(id)) = (room_of(hit), row.cells.get_mut(1)) {
            id.href = Some(room);
        }
    }
    page.table = Some(table);
    Ok(html(StatusCode::OK, &page))
}

/// Where a thing is seen that has no page of its own.
fn room_of(hit: &Value) -> Option<String> {
    let id = encoded(hit["id"].as_str()?);
    match hit["kind"].as_str()? {
        "product" => Some("/_/products".into()),
        "stock" => Some("/_/inventory".into()),
        // Who they are, admins list; what was done with them, everybody may see.
        "user" | "token" => Some(format!("/_/audit-logs?subject={id}")),
        _ => None,
    }
}
