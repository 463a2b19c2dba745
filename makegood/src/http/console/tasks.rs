//! Tasks as pages: a form, then the answer, or a run that is looked at until it has ended.

use askama::Template;
use axum::http::{Method, StatusCode};
use kernel::Duration;
use ops::{Risk, Role, TaskDef};
use serde_json::{Map, Value, json};
use shop::Shop;

use super::acts::{leads, room, words};
use super::form::{self, Field, From};
use super::frame::{Frame, html};
use super::parts::{Part, Table, heading, parts};
use super::twins::{Of, Twins, quoted, twins};
use super::visit::Visit;
use super::{Shown, to};
use crate::http::posted::{self, Fields};
use crate::http::problem::Problem;
use crate::tasks::{self, Started};

/// How long a page waits for an answer; after that it shows the run.
const PATIENCE: Duration = Duration::from_secs(4);

/// Who may change something with it.
pub(super) fn least(def: &TaskDef<Shop>) -> Role {
    def.effect.changing().map_or(def.role, |changing| changing.role)
}

#[derive(Template)]
#[template(path = "console/task.html")]
struct Page {
    frame: Frame,
    title: String,
    about: String,
    room: (String, String),
    /// What it is about, and the page of that.
    subject: Option<(String, String)>,
    fields: Vec<Field>,
    may_look: bool,
    /// What is different when it changes things; nothing where nobody may, or where it never does.
    change: Option<(&'static str, bool)>,
    reason: String,
    trouble: String,
    answer: Option<Answer>,
    twins: Twins,
}

/// What came of it.
pub(super) struct Answer {
    says: String,
    table: Option<Table>,
    parts: Vec<Part>,
}

impl Answer {
    /// An answer as a table where it is a list, else by its parts.
    pub(super) fn of(answer: &Value, columns: &[&str], visit: &Visit) -> Answer {
        let findings = answer["findings"].as_u64();
        let says = match (answer["data"].as_array().map(Vec::len), findings) {
            (_, Some(0)) => "Nothing was found that is not as it must be.".into(),
            (_, Some(1)) => "1 finding.".into(),
            (_, Some(count)) => format!("{count} findings."),
            (Some(0), None) => "Nothing was found.".into(),
            (Some(1), None) => "1 row.".into(),
            (Some(count), None) => format!("{count} rows."),
            (None, None) => "Done.".into(),
        };
        let rows = answer["data"].as_array().filter(|rows| !rows.is_empty());
        let table = rows.map(|rows| Table::of(columns, rows, visit.now));
        let mut rest = answer.clone();
        if let Some(fields) = rest.as_object_mut() {
            fields.shift_remove("data");
            fields.shift_remove("findings");
        }
        Answer { says, table, parts: parts(&rest, visit.now) }
    }
}

/// The form of a task, and what it leads to.
pub(super) async fn perform(visit: &mut Visit, def: &'static TaskDef<Shop>) -> Shown {
    let schema = (def.schema)();
    let is_form = visit.head.method == Method::POST;
    let mut given = if is_form { visit.form.clone() } else { visit.query()? };
    let wants = given.remove("do").unwrap_or_default();
    let reason = given.remove("reason").unwrap_or_default().trim().to_owned();
    given.remove(posted::WORD);
    if let (Some(subject), Some(id)) = (def.subject, &visit.id) {
        given.insert(subject.to_owned(), id.clone());
    }
    form::refuse_unknown(&schema, &given)?;
    let asked = Asked { def, schema: &schema, given: &given, reason };
    if !is_form {
        return Ok(html(StatusCode::OK, &asked.page(visit, &Map::new())));
    }
    let input = match form::input(&schema, &given, From::Form) {
        Ok(input) => input,
        Err(troubles) => {
            let mut page = asked.page(visit, &Map::new());
            for (name, why) in &troubles {
                page.fields
                    .iter_mut()
                    .filter(|field| field.name == *name)
                    .for_each(|field| field.trouble.clone_from(why));
            }
            page.trouble = "Something is missing, or is not right.".into();
            return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    match run(visit, &asked, &input, wants == "look").await {
        Ok(Ended::Run(id)) => Ok(to(&format!("/_/runs/{id}"))),
        Ok(Ended::Answer(answer)) => {
            let mut page = asked.page(visit, &input);
            page.answer = Some(Answer::of(&answer, def.columns, visit));
            Ok(html(StatusCode::OK, &page))
        }
        Err(problem) if matches!(&*problem.code, "invalid_input" | "reason_required" | "no_preview") => {
            let mut page = asked.page(visit, &input);
            page.trouble = problem.detail.clone();
            Ok(html(problem.status(), &page))
        }
        Err(problem) => Err(problem),
    }
}

enum Ended {
    Answer(Value),
    Run(String),
}

async fn run(
    visit: &Visit,
    asked: &Asked<'_>,
    input: &Map<String, Value>,
    looks: bool,
) -> Result<Ended, Problem> {
    let input = Value::Object(input.clone());
    let task = if looks { asked.def.preview(input) } else { asked.def.read(input) }?;
    let reason = Some(asked.reason.clone()).filter(|reason| ops::says_why(reason));
    let mut started = tasks::begin(&visit.app, task, visit.by(reason)?, None).await?;
    let changes = !looks && asked.def.effect.changing().is_some();
    wait(visit, &mut started, changes).await
}

/// A short look is answered at once; everything else has a page that is looked at again.
async fn wait(visit: &Visit, started: &mut Started, changes: bool) -> Result<Ended, Problem> {
    let ended = tokio::time::timeout(PATIENCE, started.ended()).await;
    match ended {
        Ok(ended) => {
            let answer = ended?.shown();
            // A run that was written down has a page, which may be loaded again without doing anything again.
            Ok(match changes && is_there(visit, started).await? {
                true => Ended::Run(started.id.to_string()),
                false => Ended::Answer(answer),
            })
        }
        Err(_) if started.let_go(&visit.app).await? => Ok(Ended::Run(started.id.to_string())),
        Err(_) => Ok(Ended::Answer(started.ended().await?.shown())),
    }
}

async fn is_there(visit: &Visit, started: &Started) -> Result<bool, Problem> {
    let id = started.id;
    let found = visit.app.shop.db.read("console.run", move |tx| ops::runs::find(tx, id)).await?;
    Ok(found.is_some())
}

/// Runs a task that only looks, for a page that is made of its answer; nothing when it takes too long.
pub(super) async fn look(
    visit: &Visit,
    def: &'static TaskDef<Shop>,
    input: Value,
    patience: Duration,
) -> Result<Option<Value>, Problem> {
    perform_within(visit, def, input, None, patience).await
}

/// The same with a reason, where it changes things: a run that takes longer goes on.
pub(super) async fn perform_within(
    visit: &Visit,
    def: &'static TaskDef<Shop>,
    input: Value,
    reason: Option<String>,
    patience: Duration,
) -> Result<Option<Value>, Problem> {
    let mut started = tasks::begin(&visit.app, def.read(input)?, visit.by(reason)?, None).await?;
    match tokio::time::timeout(patience, started.ended()).await {
        Ok(ended) => Ok(Some(ended?.shown())),
        Err(_) => Ok(None),
    }
}

struct Asked<'a> {
    def: &'static TaskDef<Shop>,
    schema: &'a Value,
    given: &'a Fields,
    reason: String,
}

impl Asked<'_> {
    fn page(&self, visit: &Visit, input: &Map<String, Value>) -> Page {
        let def = self.def;
        let title = match (def.verbs().is_empty(), &visit.id) {
            (true, _) => heading(def.name),
            (false, Some(_)) => words(def.name),
            (false, None) => format!("{}: {}", heading(def.resource()), words(def.name).to_lowercase()),
        };
        let changing = def.effect.changing().filter(|changing| visit.may(changing.role));
        let reason = if self.reason.is_empty() { "WHY" } else { &self.reason };
        let method = if changing.is_some() { Method::POST } else { Method::GET };
        let (flags, more) = match changing {
            Some(_) => (format!(" --reason {}", quoted(reason)), json!({ "reason": reason })),
            None => (String::new(), Value::Null),
        };
        let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method };
        Page {
            frame: Frame::of(visit, title.clone()),
            title,
            about: def.about(),
            room: room(def.resource()),
            subject: visit.id.clone().and_then(|id| Some((leads(def.resource(), &id)?, id))),
            fields: form::fields(self.schema, &def.subject.into_iter().collect::<Vec<_>>(), self.given),
            may_look: def.effect.may_look() && visit.may(def.role),
            change: changing.map(|changing| (says(changing.risk), changing.risk == Risk::Final)),
            reason: self.reason.clone(),
            trouble: String::new(),
            answer: None,
            twins: twins(&of, input, &flags, more, &visit.app.config.app_url),
        }
    }
}

fn says(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "Safe to repeat at any time.",
        Risk::Changes => "Changes what a buyer has or gets.",
        Risk::Final => "Cannot be taken back.",
    }
}

#[derive(Template)]
#[template(path = "console/run.html")]
struct Run {
    frame: Frame,
    task: String,
    status: super::cell::Cell,
    done: i64,
    total: Option<i64>,
    what: String,
    is_running: bool,
    facts: Part,
    trouble: Option<(String, String)>,
    answer: Option<Answer>,
}

/// How far a run is; the page looks again by itself until it has ended.
pub(super) fn run_page(visit: &Visit, run: &Value) -> Shown {
    use super::cell::Cell;
    let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
    let is_running = run["status"] == "running";
    let def = shop::TASKS.iter().find(|def| Some(def.name) == run["task"].as_str());
    let columns = def.map_or(&[][..], |def| def.columns);
    let facts = ["id", "actor", "reason", "started_at", "finished_at"]
        .map(|name| (name, Cell::of(name, run, visit.now)))
        .into_iter()
        .filter(|(name, _)| !run[*name].is_null())
        .map(|(name, cell)| (heading(name), cell))
        .collect();
    let mut frame = Frame::of(visit, format!("Run of {}", text("task")));
    frame.again = is_running.then_some(2);
    let trouble = run["error"].as_object().map(|error| {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        (text("detail"), text("hint"))
    });
    let page = Run {
        frame,
        task: text("task"),
        status: Cell::of("status", run, visit.now),
        done: run["done"].as_i64().unwrap_or_default(),
        total: run["total"].as_i64(),
        what: text("what"),
        is_running,
        facts: Part { title: String::new(), kind: super::parts::Kind::Facts(facts) },
        trouble,
        answer: Some(&run["answer"])
            .filter(|answer| !answer.is_null())
            .map(|answer| Answer::of(answer, columns, visit)),
    };
    Ok(html(StatusCode::OK, &page))
}
