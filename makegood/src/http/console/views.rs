//! What can be asked: a list or a single thing, as the view defines it, with what can be done beside it.

use askama::Template;
use axum::http::{Method, StatusCode};
use kernel::Error;
use ops::ViewDef;
use serde_json::{Map, Value};

use super::acts::{self, Act, room};
use super::cell::Cell;
use super::form::{self, Field, From};
use super::frame::{Frame, html};
use super::parts::{Part, Table, heading, parts};
use super::twins::{Of, Twins, twins};
use super::visit::{Visit, encoded};
use super::{Shown, order, tasks};
use crate::http::posted::Fields;
use crate::http::problem::Problem;

/// States that people look for, as one click each: view, field, words.
const QUICK: &[(&str, &str, &[&str])] = &[
    ("orders.list", "status", &["pending", "paid", "confirmed", "completed", "cancelled", "refunded"]),
    ("events.list", "status", &["received", "retry", "error", "unmatched", "processed", "ignored"]),
    ("findings.list", "status", &["open", "snoozed"]),
    ("jobs.list", "status", &["queued", "failed"]),
    ("runs.list", "status", &["running", "done", "failed"]),
    ("reservations.list", "status", &["reserved", "confirmed", "released", "expired"]),
    ("refunds.list", "status", &["requested", "unknown", "pending", "succeeded", "failed"]),
];

/// What an empty list says: resource, what it would show, and what to do.
const EMPTY: &[(&str, &str)] = &[
    (
        "orders",
        "An order appears here when a checkout begins. Try one in the shop, or ask why one is missing: search for the buyer's email.",
    ),
    (
        "events",
        "Nothing has come from Stripe yet. Check the webhook endpoint and STRIPE_WEBHOOK_SECRET, or fetch what is missing with Backfill.",
    ),
    ("customers", "A profile appears when the shop's own server makes one. Guests buy without."),
    ("products", "The shelves are empty. Import a catalog file."),
    ("inventory", "Nothing is counted. A catalog with physical goods brings the first stock."),
    ("findings", "Everything is as it must be."),
    ("jobs", "Nothing waits and nothing has given up. That is good."),
    ("refunds", "Nobody has asked for money back. A refund begins on the page of its order."),
    ("disputes", "No bank has asked about a payment. That is good."),
    ("reconciliations", "Nothing has been compared with Stripe yet. Reconcile begins a comparison."),
    ("drills", "No runbook was drilled yet. On any machine: makegood runbook drill --all."),
    ("runs", "No long work has run yet. Backfill, clean up and reconcile are runs."),
    ("users", "Only bearers of tokens sign in so far. Invite somebody."),
    ("audit-logs", "Nothing has been done yet. Every change is written down here, with who and why."),
];

/// The room in which a resource is found, where that is not its own name.
pub(super) fn home_of(resource: &str) -> &str {
    match resource {
        "catalog" | "prices" => "products",
        "reconcile" => "reconciliations",
        "resources" => "courses",
        // What can be stopped has no list of its own.
        "checkout" | "downloads" => "switches",
        "doctor" | "db" => "settings",
        "case" | "search" => "orders",
        other => other,
    }
}

/// The resources whose operations and tasks stand in the room of this one.
fn guests(resource: &str) -> Vec<&str> {
    let more: &[&str] = match resource {
        "products" => &["catalog", "prices"],
        "reconciliations" => &["reconcile"],
        _ => &[],
    };
    more.iter().copied().chain([resource]).collect()
}

#[derive(Template)]
#[template(path = "console/list.html")]
struct List {
    frame: Frame,
    title: String,
    about: String,
    acts: Vec<Act>,
    chips: Vec<Chip>,
    fields: Vec<Field>,
    /// The address without a query.
    path: String,
    is_filtered: bool,
    /// Something has to be said before there is an answer.
    needs: bool,
    trouble: String,
    table: Option<Table>,
    empty: &'static str,
    next: Option<String>,
    is_first: bool,
    twins: Twins,
}

struct Chip {
    title: String,
    path: String,
    is_here: bool,
}

#[derive(Template)]
#[template(path = "console/show.html")]
struct Show {
    frame: Frame,
    title: String,
    about: String,
    room: (String, String),
    status: Option<Cell>,
    acts: Vec<Act>,
    parts: Vec<Part>,
    twins: Twins,
}

/// The answer of a view as a page.
pub(super) async fn view(visit: &mut Visit, def: &'static ViewDef) -> Shown {
    let schema = (def.schema)();
    let mut given = visit.query()?;
    if let (Some(subject), Some(id)) = (def.subject, &visit.id) {
        given.insert(subject.to_owned(), id.clone());
    }
    // An empty field of a form means nothing.
    given.retain(|_, value| !value.trim().is_empty());
    form::refuse_unknown(&schema, &given)?;
    let input = match form::input(&schema, &given, From::Query) {
        Ok(input) => input,
        Err(troubles) => {
            let asked = given.iter().any(|(name, _)| Some(name.as_str()) != def.subject);
            let trouble = if asked {
                troubles.into_iter().map(|(name, why)| format!("{name} {why}")).collect()
            } else {
                Vec::new()
            };
            let status = if asked { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            let page = list(visit, def, &schema, &given, &Map::new(), None, trouble.join("; "));
            return Ok(html(status, &page));
        }
    };
    let answer = match ask(visit, def, input.clone()).await {
        Ok(answer) => answer,
        Err(problem) if problem.code == "invalid_input" && def.subject.is_none() => {
            let page = list(visit, def, &schema, &given, &input, None, problem.detail.clone());
            return Ok(html(problem.status(), &page));
        }
        Err(problem) => return Err(problem),
    };
    match answer["object"].as_str() {
        Some("list") => {
            let page = list(visit, def, &schema, &given, &input, Some(&answer), String::new());
            Ok(html(StatusCode::OK, &page))
        }
        Some("explanation") => order::page(visit, &answer).await,
        Some("run") => tasks::run_page(visit, &answer),
        Some("stripe_event") => super::event::page(visit, &answer).await,
        _ => Ok(html(StatusCode::OK, &show(visit, def, &input, &answer))),
    }
}

/// Asks a view in a transaction that only reads.
pub(super) async fn ask(
    visit: &Visit,
    def: &'static ViewDef,
    input: Map<String, Value>,
) -> Result<Value, Problem> {
    let (cx, input) = (visit.app.shop.cx(), Value::Object(input));
    Ok(visit.app.shop.db.read("console.view", move |tx| (def.ask)(input.clone(), tx, &cx)).await?)
}

/// The view with this name.
pub(super) fn named(name: &str) -> Result<&'static ViewDef, Problem> {
    let found = shop::VIEWS.iter().find(|def| def.name == name);
    found.ok_or_else(|| Problem::from(Error::bug(format!("there is no view {name}"))))
}

fn list(
    visit: &Visit,
    def: &'static ViewDef,
    schema: &Value,
    given: &Fields,
    input: &Map<String, Value>,
    answer: Option<&Value>,
    trouble: String,
) -> List {
    let resource = def.resource();
    let rows = answer.and_then(|answer| answer["data"].as_array());
    let mut table = rows.filter(|rows| !rows.is_empty()).map(|rows| Table::of(def.columns, rows, visit.now));
    if let (Some(table), Some(rows)) = (&mut table, rows) {
        for (row, shown) in table.rows.iter_mut().zip(rows) {
            let page = shown["id"].as_str().and_then(|id| super::cell::leads_to("id", id));
            let leads_on = page.is_some();
            // Where the id stands last, the page is reached from what stands first as well.
            if let Some(first) = row.cells.first_mut().filter(|first| first.href.is_none()) {
                first.href = page;
            }
            // What has a page of its own has its buttons there.
            row.acts = if leads_on && resource != "reservations" {
                Vec::new()
            } else {
                acts::of_subject(visit, resource, shown)
            };
        }
    }
    let last = rows.and_then(|rows| rows.last()).and_then(|row| row["id"].as_str().or(row["sku"].as_str()));
    let has_more = answer.is_some_and(|answer| answer["has_more"] == true);
    let path = visit.head.uri.path().to_owned();
    let next = last.filter(|_| has_more).map(|last| link(&path, given, "starting_after", Some(last)));
    let without: Vec<&str> = def.subject.into_iter().chain(["limit", "starting_after"]).collect();
    let is_filtered = given.keys().any(|name| !without.contains(&name.as_str()));
    let title = match def.verbs().as_slice() {
        [] | ["list"] => acts::title_of(resource),
        verbs => format!("{}: {}", acts::title_of(resource), verbs.join(" ")),
    };
    let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::GET };
    let empty = EMPTY
        .iter()
        .find(|(known, _)| *known == resource)
        .map_or("Nothing of the kind is here yet.", |(_, says)| says);
    let mut acts = acts::of_resource(visit, &guests(resource));
    acts.extend(super::own_acts(visit, resource));
    List {
        frame: Frame::of(visit, title.clone()),
        title,
        about: def.about(),
        acts,
        chips: chips(def, &path, given),
        fields: form::fields(schema, &without, given),
        path,
        is_filtered,
        needs: answer.is_none(),
        trouble,
        table,
        empty,
        next,
        is_first: !given.contains_key("starting_after"),
        twins: twins(&of, input, "", Value::Null, &visit.app.config.app_url),
    }
}

fn chips(def: &ViewDef, path: &str, given: &Fields) -> Vec<Chip> {
    let Some((_, field, words)) = QUICK.iter().find(|(name, ..)| *name == def.name) else {
        return Vec::new();
    };
    let now = given.get(*field);
    let chip = |title: &str, word: Option<&str>| Chip {
        title: title.to_owned(),
        path: link(path, given, field, word),
        is_here: now.map(String::as_str) == word,
    };
    [chip("All", None)].into_iter().chain(words.iter().map(|word| chip(&heading(word), Some(word)))).collect()
}

/// The same list with one field changed, from its beginning.
fn link(path: &str, given: &Fields, name: &str, value: Option<&str>) -> String {
    let mut fields = given.clone();
    fields.remove("starting_after");
    match value {
        Some(value) => drop(fields.insert(name.to_owned(), value.to_owned())),
        None => drop(fields.remove(name)),
    }
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn show(visit: &Visit, def: &'static ViewDef, input: &Map<String, Value>, answer: &Value) -> Show {
    let resource = def.resource();
    let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::GET };
    let title = match visit.id.as_deref() {
        Some(id) => id.to_owned(),
        None => format!("{}: {}", heading(resource), def.verbs().join(" ")),
    };
    Show {
        frame: Frame::of(visit, title.clone()),
        title,
        about: def.about(),
        room: room(resource),
        status: answer["status"].as_str().map(|status| Cell::state("status", status)),
        acts: if def.subject.is_some() { acts::of_subject(visit, resource, answer) } else { Vec::new() },
        parts: parts(answer, visit.now),
        twins: twins(&of, input, "", Value::Null, &visit.app.config.app_url),
    }
}
