//! A runbook as a page: what is seen, what may be the cause, what is found now; and for one subject the whole loop, from
//! the cause over the plan to what is read back and what the customer is told.

use askama::Template;
use axum::http::StatusCode;
use kernel::Duration;
use ops::{Cause, Change, Guard, Look, Proof, Role, Standing, TaskDef};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use shop::Shop;
use shop::runbooks::{Runbook, find};

use super::Shown;
use super::acts::Act;
use super::cell::{Cell, Shape, leads_to};
use super::faces::FACES;
use super::frame::{Frame, html};
use super::parts::{Part, parts};
use super::twins::quoted;
use super::visit::{Visit, encoded};
use super::{tasks, views};
use crate::http::problem::Problem;

/// How long Stripe may take to answer.
const PATIENCE: Duration = Duration::from_secs(12);

#[derive(Template)]
#[template(path = "console/runbooks.html")]
struct List {
    frame: Frame,
    rows: Vec<Listed>,
}

struct Listed {
    id: String,
    title: String,
    symptom: String,
    findings: Cell,
    drilled: Cell,
}

/// `/_/runbooks`
pub(super) async fn list(visit: &mut Visit) -> Shown {
    let answer = views::ask(visit, views::named("runbooks.list")?, Map::new()).await?;
    let rows = answer["data"].as_array().into_iter().flatten().map(|row| {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let findings = match row["findings"].as_u64().unwrap_or_default() {
            0 => Cell::new("none", Shape::Dim),
            count => Cell::new(count.to_string(), Shape::Badge("heed")),
        };
        let drilled = match LastDrill::of(visit, &row["last_drill"]) {
            Some(last) if last.passed => last.at,
            Some(_) => Cell::new("failed", Shape::Badge("bad")),
            None => Cell::new("never", Shape::Dim),
        };
        Listed { drilled, id: text("id"), title: text("title"), symptom: text("symptom"), findings }
    });
    let mut rows: Vec<Listed> = rows.collect();
    rows.sort_by_key(|row| row.findings.shape == Shape::Dim);
    Ok(html(StatusCode::OK, &List { frame: Frame::of(visit, "Runbooks"), rows }))
}

#[derive(Template)]
#[template(path = "console/runbook.html")]
struct Page {
    frame: Frame,
    runbook: &'static Runbook,
    /// What it uses, and the page of each that whoever looks may open.
    used: Vec<(&'static str, Option<&'static str>)>,
    findings: Vec<Found>,
    last_drill: Option<LastDrill>,
    may_run: bool,
    subject: String,
    with: String,
    reason: String,
    trouble: String,
    case: Option<Case>,
    plan: Option<Plan>,
    done: Option<Done>,
    reply: String,
    command: String,
}

struct Found {
    check: String,
    subject: Cell,
    text: String,
    since: Option<Cell>,
    explain: String,
}

/// How the last drill went.
struct LastDrill {
    passed: bool,
    failure: String,
    on: String,
    version: String,
    by: String,
    at: Cell,
}

/// What was picked, and why.
struct Case {
    is_fine: bool,
    cause: String,
    means: String,
    because: String,
    facts: Vec<Part>,
    /// The form of what mends it, for whoever wants to use that by itself.
    by_itself: Option<Act>,
}

struct Plan {
    id: String,
    operation: String,
    changes: Vec<Change>,
    guards: Vec<Guard>,
    may_apply: bool,
}

struct Done {
    is_verified: bool,
    says: &'static str,
    changes: Vec<Change>,
    proofs: Vec<Proof>,
    audit: String,
}

fn task(name: &str) -> Result<&'static TaskDef<Shop>, Problem> {
    let found = shop::TASKS.iter().find(|def| def.name == name);
    found.ok_or_else(|| Problem::from(kernel::Error::bug(format!("there is no task {name}"))))
}

async fn ask(visit: &Visit, name: &str, input: Value) -> Result<Value, Problem> {
    let answer = tasks::look(visit, task(name)?, input, PATIENCE).await?;
    answer.ok_or_else(|| Problem::busy("Stripe does not answer in time", 5))
}

fn list_of<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// `/_/runbooks/{id}`, and with `?subject=` the loop for one thing: looking changes nothing.
pub(super) async fn show(visit: &mut Visit) -> Shown {
    let runbook = find(visit.id())?;
    let mut query = visit.query()?;
    let subject = query.remove("subject").unwrap_or_default().trim().to_owned();
    let with = query.remove("with").unwrap_or_default().trim().to_owned();
    if let Some(name) = query.keys().next() {
        return Err(Problem::invalid(name.clone(), "is no field of this page"));
    }
    let mut page = Page::of(visit, runbook, subject, with).await?;
    let status = page.look(visit).await?;
    Ok(html(status, &page))
}

/// `/_/runbooks/{id}/apply`: exactly the plan that was looked at.
pub(super) async fn apply(visit: &mut Visit) -> Shown {
    let runbook = find(visit.id())?;
    let field = |name: &str| visit.field(name).trim().to_owned();
    let (plan_id, reason) = (field("plan_id"), field("reason"));
    let mut page = Page::of(visit, runbook, field("subject"), field("with")).await?;
    page.reason.clone_from(&reason);
    if page.subject.is_empty() || plan_id.is_empty() {
        let status = page.look(visit).await?;
        return Ok(html(status, &page));
    }
    if !ops::says_why(&reason) {
        page.look(visit).await?;
        page.trouble = "Say why, in a few words: the audit log keeps it.".into();
        return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    // What the customer is told is told of the cause, which is gone afterwards.
    page.reply = page.reply(visit).await;
    let mut input = page.input();
    input["plan_id"] = plan_id.into();
    let applied = tasks::perform_within(visit, task("runbooks.apply")?, input, Some(reason), PATIENCE).await;
    match applied {
        Ok(Some(done)) => {
            page.done = Some(Done::of(&done));
            Ok(html(StatusCode::OK, &page))
        }
        Ok(None) => Ok(super::to("/_/runs")),
        Err(problem) if matches!(&*problem.code, "stale_plan" | "refused_by_guard" | "invalid_input") => {
            page.look(visit).await?;
            page.trouble = match &*problem.code {
                "stale_plan" => "What it would do has changed since you looked, so nothing was done. This is what it would \
                                 do now."
                    .into(),
                _ => problem.detail.clone(),
            };
            Ok(html(problem.status(), &page))
        }
        Err(problem) => Err(problem),
    }
}

impl Page {
    async fn of(
        visit: &Visit,
        runbook: &'static Runbook,
        subject: String,
        with: String,
    ) -> Result<Page, Problem> {
        let input = Map::from_iter([("runbook".to_owned(), runbook.id.into())]);
        let shown = views::ask(visit, views::named("runbooks.show")?, input).await?;
        let findings = shown["findings"].as_array().into_iter().flatten().map(|found| {
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            let subject = text("subject");
            Found {
                check: text("check"),
                text: text("text"),
                since: found["since"]
                    .as_str()
                    .and_then(|at| at.parse().ok())
                    .map(|at| Cell::time(at, visit.now)),
                explain: format!("/_/runbooks/{}?subject={}", runbook.id, encoded(&subject)),
                subject: Cell { href: leads_to("subject", &subject), ..Cell::new(subject, Shape::Id) },
            }
        });
        let command = match subject.as_str() {
            "" => runbook.detect(),
            subject => format!("makegood runbook apply {} {} --reason WHY", runbook.id, quoted(subject)),
        };
        Ok(Page {
            frame: Frame::of(visit, runbook.title),
            runbook,
            used: runbook.operations.iter().map(|name| (*name, way(visit, name))).collect(),
            findings: findings.collect(),
            last_drill: LastDrill::of(visit, &shown["last_drill"]),
            may_run: visit.may(Role::Support),
            subject,
            with,
            reason: String::new(),
            trouble: String::new(),
            case: None,
            plan: None,
            done: None,
            reply: String::new(),
            command,
        })
    }

    fn input(&self) -> Value {
        let mut input = json!({ "runbook": self.runbook.id, "subject": self.subject });
        if !self.with.is_empty() {
            input["with"] = self.with.clone().into();
        }
        input
    }

    /// Explains the subject and says what mending would change; gives the status of the page.
    async fn look(&mut self, visit: &Visit) -> Result<StatusCode, Problem> {
        if self.subject.is_empty() {
            return Ok(StatusCode::OK);
        }
        if !self.may_run {
            visit.by(None)?.must_be(Role::Support, "runbooks.explain").map_err(Problem::from)?;
        }
        let about = json!({ "runbook": self.runbook.id, "subject": self.subject });
        let explained = match ask(visit, "runbooks.explain", about).await {
            Ok(explained) => explained,
            Err(problem) if matches!(&*problem.code, "not_found" | "invalid_input") => {
                self.trouble.clone_from(&problem.detail);
                return Ok(problem.status());
            }
            Err(problem) => return Err(problem),
        };
        let facts = parts(&json!({ "facts": explained["facts"] }), visit.now);
        self.case = Some(case(visit, &explained, facts));
        self.reply = self.reply(visit).await;
        match ask(visit, "runbooks.preview", self.input()).await {
            Ok(planned) => self.plan = Plan::of(&planned),
            // Nothing mends it here, or something has to be known first: the words say which.
            Err(problem) if problem.status().is_client_error() => {
                self.trouble = format!("{} {}", problem.detail, problem.hint.replace('`', ""));
            }
            Err(problem) => return Err(problem),
        }
        Ok(StatusCode::OK)
    }

    async fn reply(&self, visit: &Visit) -> String {
        let about = json!({ "runbook": self.runbook.id, "subject": self.subject });
        let reply = ask(visit, "runbooks.reply", about).await;
        reply.ok().and_then(|reply| reply["text"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn mends(&self, mend: &[&str]) -> String {
        mend.join(", ")
    }

    /// What stands where no operation does.
    fn unmended(&self, cause: &Cause) -> &'static str {
        match cause.standing {
            Standing::Fine => "nothing is wrong",
            Standing::Broken => "a person, elsewhere",
        }
    }

    fn detects(&self) -> &'static str {
        let asks_stripe = |look: &Look| matches!(look.task, "reconcile" | "events.gaps");
        match self.runbook.looks {
            [] => "Detect",
            looks if looks.iter().any(asks_stripe) => "Detect: ask Stripe as well",
            _ => "Detect: look now",
        }
    }
}

/// The page of this operation, view or task, where it needs no subject and whoever looks may open it.
fn way(visit: &Visit, name: &str) -> Option<&'static str> {
    let face = FACES.iter().find(|face| face.name == name && !face.path.contains('{'))?;
    face.is_open_to(visit).then_some(face.path)
}

impl LastDrill {
    fn of(visit: &Visit, told: &Value) -> Option<LastDrill> {
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        let at = told["at"].as_str()?.parse().ok()?;
        Some(LastDrill {
            passed: told["status"] == "passed",
            failure: text("failure"),
            on: text("on"),
            version: text("version"),
            by: text("by"),
            at: Cell::time(at, visit.now),
        })
    }
}

fn case(visit: &Visit, told: &Value, facts: Vec<Part>) -> Case {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    Case {
        is_fine: told["fine"] == true,
        cause: text("cause").replace(['_', '-'], " "),
        means: text("means"),
        because: text("because"),
        facts,
        by_itself: super::people::remedy(visit, &told["mend"]),
    }
}

impl Plan {
    fn of(planned: &Value) -> Option<Plan> {
        let text = |name: &str| planned[name].as_str().unwrap_or_default().to_owned();
        let (changes, guards): (Vec<Change>, Vec<Guard>) =
            (list_of(&planned["plan"]), list_of(&planned["guards"]));
        let holds = guards.iter().all(|guard| guard.holds);
        let id = text("plan_id");
        (!id.is_empty()).then(|| Plan {
            may_apply: holds && !changes.is_empty(),
            operation: text("operation"),
            id,
            changes,
            guards,
        })
    }
}

impl Done {
    fn of(done: &Value) -> Done {
        let is_verified = done["verified"] != false;
        Done {
            is_verified,
            says: match (done["status"].as_str(), is_verified) {
                (Some("already"), _) => "It was so already; nothing was changed.",
                (_, true) => "Done, and read back.",
                (_, false) => "Done, but something that must be true afterwards is not.",
            },
            changes: list_of(&done["plan"]),
            proofs: list_of(&done["verify"]),
            audit: done["audit_id"].as_str().unwrap_or_default().to_owned(),
        }
    }
}
