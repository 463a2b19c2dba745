//! What can be done: a form for each operation, made of its schema; then the preview, then exactly that plan, then the
//! receipt. Nothing here knows any operation.

use askama::Template;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use ops::{Change, Guard, Mode, OperationDef, Proof, Receipt, Risk, Status};
use serde_json::{Map, Value, json};

use super::Shown;
use super::faces::path_of;
use super::form::{self, Field, From};
use super::frame::{Frame, ROOMS, html};
use super::parts::heading;
use super::twins::{Of, Twins, quoted, twins};
use super::visit::{Visit, encoded};
use crate::http::posted::{self, Fields};
use crate::http::problem::Problem;

/// A way to a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) title: String,
    pub(super) path: String,
    pub(super) about: String,
}

impl Act {
    /// To the form of this operation or task, with these fields filled in.
    pub(super) fn to(
        name: &str,
        title: String,
        about: String,
        id: Option<&str>,
        query: &[(&str, &str)],
    ) -> Option<Act> {
        let path = path_of(name)?;
        let mut path = path.replace("{id}", &encoded(id.unwrap_or_default()));
        let pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        if !pairs.is_empty() {
            path = format!("{path}?{}", pairs.join("&"));
        }
        Some(Act { title, path, about })
    }
}

/// The words of a verb: `review.clear` is `Clear review`.
pub(super) fn words(name: &str) -> String {
    let mut words: Vec<String> = name.split('.').skip(1).map(|word| word.replace('-', " ")).collect();
    words.reverse();
    match words.is_empty() {
        true => heading(name),
        false => heading(&words.join(" ")),
    }
}

/// What may be done with one thing of this resource: operations whose subject it is. `object` is what is known of it.
pub(super) fn of_subject(visit: &Visit, resource: &str, object: &Value) -> Vec<Act> {
    let may = shop::OPERATIONS.iter().filter(|def| visit.may(def.role) && def.resource() == resource);
    may.filter_map(|def| {
        let subject = def.subject?;
        let id = object[subject].as_str().or(object["id"].as_str())?;
        Act::to(def.name, words(def.name), def.about(), Some(id), &[])
    })
    .collect()
}

/// What may be done with a resource as a whole: operations and tasks without a subject.
pub(super) fn of_resource(visit: &Visit, resources: &[&str]) -> Vec<Act> {
    let operations = shop::OPERATIONS
        .iter()
        .filter(|def| visit.may(def.role) && def.subject.is_none() && resources.contains(&def.resource()))
        .filter_map(|def| Act::to(def.name, words(def.name), def.about(), None, &[]));
    let tasks = shop::TASKS
        .iter()
        .filter(|def| def.subject.is_none() && resources.contains(&def.resource()))
        .filter(|def| visit.may(if def.effect.may_look() { def.role } else { super::tasks::least(def) }))
        .filter_map(|def| Act::to(def.name, words(def.name), def.about(), None, &[]));
    operations.chain(tasks).collect()
}

/// What can be done with an order now, and what cannot: asked of each operation's own plan.
pub(super) struct OfOrder {
    /// Operations whose subject it is, that would go.
    pub(super) own: Vec<Act>,
    /// Operations of other rooms that are about it, that would go.
    pub(super) others: Vec<Act>,
    /// What would be refused, or is so already, and why.
    pub(super) refused: Vec<(Act, String)>,
}

/// An operation that may be offered, and what of its input is known.
struct Wanted {
    def: &'static OperationDef,
    act: Act,
    is_own: bool,
    given: Fields,
}

/// Asks each operation that is about this order what it would do.
pub(super) async fn of_order(visit: &Visit, order: &Value) -> Result<OfOrder, Problem> {
    let wanted = wanted(visit, order);
    let asked: Vec<(&'static OperationDef, Option<Value>)> = wanted
        .iter()
        .map(|wanted| {
            let input = form::input(&(wanted.def.schema)(), &wanted.given, From::Query);
            (wanted.def, input.ok().map(Value::Object))
        })
        .collect();
    let cx = visit.app.shop.cx();
    let plan = move |tx: &mut db::Tx<'_>| {
        let each = asked.iter().map(|(def, input)| match input {
            Some(input) => stands_against(def.plan(input.clone(), tx, &cx)),
            // Something has to be said first: nobody knows yet.
            None => Ok(None),
        });
        each.collect::<Result<Vec<Option<String>>, kernel::Error>>()
    };
    let said = visit.app.shop.db.read("console.plans", plan).await?;
    let mut all = OfOrder { own: Vec::new(), others: Vec::new(), refused: Vec::new() };
    for (wanted, against) in wanted.into_iter().zip(said) {
        match (against, wanted.is_own) {
            (Some(why), _) => all.refused.push((wanted.act, why)),
            (None, true) => all.own.push(wanted.act),
            (None, false) => all.others.push(wanted.act),
        }
    }
    Ok(all)
}

/// What stands against it, in words; nothing when it would go.
fn stands_against(planned: Result<ops::Plan, kernel::Error>) -> Result<Option<String>, kernel::Error> {
    use kernel::Error::{Invalid, NotFound, Refused};
    match planned {
        Ok(plan) => Ok(match plan.guards.iter().find(|guard| !guard.holds) {
            Some(guard) => Some(format!("{} does not hold: {}", guard.in_words(), guard.seen)),
            None if plan.is_already() => Some("nothing would change".to_owned()),
            None => None,
        }),
        Err(Refused(refusal)) => Ok(Some(refusal.why)),
        Err(error @ (NotFound { .. } | Invalid { .. })) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

fn wanted(visit: &Visit, order: &Value) -> Vec<Wanted> {
    let (id, user) = (order["id"].as_str().unwrap_or_default(), order["profile_id"].as_str());
    let course = order["lines"].as_array().and_then(|lines| lines.first()?["product_id"].as_str());
    let known = [("order", Some(id)), ("user", user), ("course", course)];
    let own = |def: &OperationDef| def.subject == Some("order") && def.resource() == "orders";
    let may = shop::OPERATIONS.iter().filter(|def| visit.may(def.role));
    may.filter_map(|def| {
        let schema = (def.schema)();
        let is_there = |name: &str| !schema["properties"][name].is_null();
        let pairs: Vec<(&str, &str)> = known
            .into_iter()
            .filter(|(name, _)| is_there(name))
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let act = match (own(def), def.subject) {
            (true, _) => Act::to(def.name, words(def.name), def.about(), Some(id), &[]),
            (false, None) if is_there("order") => {
                let title = format!("{} {}", words(def.name), def.resource().trim_end_matches('s'));
                Act::to(def.name, title, def.about(), None, &pairs)
            }
            (false, _) => None,
        };
        Some(Wanted { def, act: act?, is_own: own(def), given })
    })
    .collect()
}

/// The way to put a finding off, or to take that back.
pub(super) fn on_finding(visit: &Visit, finding: &ops::Finding, is_snoozed: bool) -> Option<Act> {
    let name = if is_snoozed { "findings.wake" } else { "findings.snooze" };
    let def = shop::OPERATIONS.iter().find(|def| def.name == name && visit.may(def.role))?;
    let id = format!("{}:{}", finding.check, finding.subject);
    Act::to(name, words(name), def.about(), Some(&id), &[])
}

#[derive(Template)]
#[template(path = "console/act.html")]
struct Page {
    frame: Frame,
    title: String,
    about: String,
    /// Where it belongs: title and path.
    room: (String, String),
    subject: String,
    /// The page of the subject, where it has one.
    subject_leads: Option<String>,
    risk: &'static str,
    is_final: bool,
    audit: &'static str,
    fields: Vec<Field>,
    step: Step,
    plan: Option<Plan>,
    receipt: Option<Done>,
    reason: String,
    trouble: String,
    hint: String,
    twins: Twins,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Fill,
    Preview,
    Done,
}

impl Page {
    fn is_at(&self, step: &str) -> bool {
        matches!((self.step, step), (Step::Fill, "fill") | (Step::Preview, "preview") | (Step::Done, "done"))
    }
    /// Nothing is left to be typed, or something is.
    fn has_fields(&self) -> bool {
        !self.fields.is_empty()
    }
}

/// What would change.
struct Plan {
    id: String,
    changes: Vec<Change>,
    guards: Vec<Guard>,
    may_apply: bool,
}

/// What has changed.
struct Done {
    says: &'static str,
    tone: &'static str,
    changes: Vec<Change>,
    proofs: Vec<Proof>,
    audit: Option<String>,
}

fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe => "Safe to repeat at any time.",
        Risk::Changes => "Changes what a buyer has or gets.",
        Risk::Final => "Cannot be taken back.",
    }
}

/// The form of an operation, and what it leads to.
pub(super) async fn operate(visit: &mut Visit, def: &'static OperationDef) -> Shown {
    let schema = (def.schema)();
    let is_form = visit.head.method == Method::POST;
    let mut given = if is_form { visit.form.clone() } else { visit.query()? };
    let wants = given.remove("do").unwrap_or_default();
    let reason = given.remove("reason").unwrap_or_default().trim().to_owned();
    let plan_id = given.remove("plan_id");
    given.remove(posted::WORD);
    if let (Some(subject), Some(id)) = (def.subject, &visit.id) {
        given.insert(subject.to_owned(), id.clone());
    }
    form::refuse_unknown(&schema, &given)?;
    let form = Form { def, schema: &schema, given: &given, reason };
    let from = if is_form { From::Form } else { From::Query };
    let input = match form::input(&schema, &given, from) {
        Ok(input) => input,
        // Whoever comes for the first time has not made a mistake yet.
        Err(_) if !is_form => return Ok(form.page(visit, StatusCode::OK, &Map::new(), Shows::Nothing)),
        Err(troubles) => {
            let mut page = form.blank(visit, &Map::new());
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
    match wants == "apply" && is_form {
        true => apply(visit, &form, input, plan_id).await,
        false => preview(visit, &form, input, StatusCode::OK, None).await,
    }
}

/// What was asked for so far.
struct Form<'a> {
    def: &'static OperationDef,
    schema: &'a Value,
    given: &'a Fields,
    reason: String,
}

enum Shows {
    Nothing,
    Plan(Box<Receipt>, Option<Problem>),
    Done(Box<Receipt>),
}

async fn preview(
    visit: &Visit,
    form: &Form<'_>,
    input: Map<String, Value>,
    status: StatusCode,
    because: Option<Problem>,
) -> Shown {
    let by = visit.by(None)?;
    let (cx, whole) = (visit.app.shop.cx(), Value::Object(input.clone()));
    let ran = visit.app.runner.run(form.def, whole, Mode::Preview, by, cx).await;
    match ran.map_err(Problem::from) {
        Ok(receipt) => {
            let is_held_up = receipt.plan.guards.iter().any(|guard| !guard.holds);
            let status = if is_held_up && status == StatusCode::OK { StatusCode::CONFLICT } else { status };
            Ok(form.page(visit, status, &input, Shows::Plan(Box::new(receipt), because)))
        }
        // What was typed can be typed anew; everything else is a page of its own.
        Err(problem) if problem.code == "invalid_input" => {
            let mut page = form.blank(visit, &input);
            page.trouble = problem.detail;
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(problem) => Err(problem),
    }
}

async fn apply(visit: &Visit, form: &Form<'_>, input: Map<String, Value>, plan_id: Option<String>) -> Shown {
    let Some(plan_id) = plan_id.filter(|id| !id.is_empty()) else {
        return preview(visit, form, input, StatusCode::OK, None).await;
    };
    if !ops::says_why(&form.reason) {
        let why = Problem::new("reason_required", "Say why, in a few words: the audit log keeps it.");
        return preview(visit, form, input, StatusCode::UNPROCESSABLE_ENTITY, Some(why)).await;
    }
    let by = visit.by(Some(form.reason.clone()))?;
    let (cx, whole) = (visit.app.shop.cx(), Value::Object(input.clone()));
    let mode = Mode::Apply { plan_id: Some(plan_id) };
    match visit.app.runner.run(form.def, whole, mode, by, cx).await {
        Ok(receipt) => {
            if form.def.resource() == "tokens" {
                visit.app.guard.forget();
            }
            Ok(form.page(visit, StatusCode::OK, &input, Shows::Done(Box::new(receipt))))
        }
        Err(error) => {
            visit.app.metrics.refused(form.def.name, error.code());
            let mut problem = Problem::from(error);
            if problem.code == "stale_plan" {
                problem.detail =
                    "What it would do has changed since you looked, so nothing was done. This is what it \
                                  would do now."
                        .into();
                problem.hint = String::new();
            }
            match &*problem.code {
                "stale_plan" | "refused_by_guard" => {
                    preview(visit, form, input, StatusCode::CONFLICT, Some(problem)).await
                }
                _ => Err(problem),
            }
        }
    }
}

impl Form<'_> {
    fn blank(&self, visit: &Visit, input: &Map<String, Value>) -> Page {
        let (def, resource) = (self.def, self.def.resource());
        let mut title = words(def.name);
        let subject = visit.id.clone().unwrap_or_default();
        if subject.is_empty() {
            title = format!("{}: {}", heading(resource), title.to_lowercase());
        }
        let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::POST };
        let reason = if self.reason.is_empty() { "WHY" } else { &self.reason };
        let flags = format!(" --reason {}", quoted(reason));
        Page {
            frame: Frame::of(visit, title.clone()),
            title,
            about: def.about(),
            room: room(resource),
            subject_leads: leads(resource, &subject),
            subject,
            risk: risk(def.risk),
            is_final: def.risk == Risk::Final,
            audit: def.audit,
            fields: form::fields(self.schema, &def.subject.into_iter().collect::<Vec<_>>(), self.given),
            step: Step::Fill,
            plan: None,
            receipt: None,
            reason: self.reason.clone(),
            trouble: String::new(),
            hint: String::new(),
            twins: twins(&of, input, &flags, json!({ "reason": reason }), &visit.app.config.app_url),
        }
    }

    fn page(&self, visit: &Visit, status: StatusCode, input: &Map<String, Value>, shows: Shows) -> Response {
        let mut page = self.blank(visit, input);
        match shows {
            Shows::Nothing => {}
            Shows::Plan(receipt, because) => {
                page.step = Step::Preview;
                let holds = receipt.plan.guards.iter().all(|guard| guard.holds);
                page.plan = Some(Plan {
                    may_apply: holds && !receipt.plan.is_already(),
                    id: receipt.plan_id,
                    changes: receipt.plan.changes,
                    guards: receipt.plan.guards,
                });
                if let Some(problem) = because {
                    (page.trouble, page.hint) = (problem.detail, problem.hint);
                }
            }
            Shows::Done(receipt) => {
                page.step = Step::Done;
                let (says, tone) = match (receipt.status, receipt.is_verified()) {
                    (Status::Already, _) => ("It was so already; nothing was changed.", "good"),
                    (_, true) => ("Done, and read back.", "good"),
                    (_, false) => ("Done, but something that must be true afterwards is not.", "bad"),
                };
                page.receipt = Some(Done {
                    says,
                    tone,
                    changes: receipt.plan.changes,
                    proofs: receipt.verify,
                    audit: receipt.audit_id.map(|id| id.to_string()),
                });
            }
        }
        html(status, &page)
    }
}

/// The page of one thing of a resource, where there is such a page.
pub(super) fn leads(resource: &str, id: &str) -> Option<String> {
    let path = path_of(&format!("{resource}.show"))?;
    (!id.is_empty()).then(|| path.replace("{id}", &encoded(id)))
}

/// The room in which a resource is found, and its path.
pub(super) fn room(resource: &str) -> (String, String) {
    let path = format!("/_/{}", super::views::home_of(resource));
    (title_of(resource), path)
}

/// What a room is called where the rooms are listed.
pub(super) fn title_of(resource: &str) -> String {
    let resource = super::views::home_of(resource);
    let path = format!("/_/{resource}");
    let listed = ROOMS.iter().find(|(_, _, known, _)| *known == path);
    listed.map_or_else(|| heading(&resource.replace('-', " ")), |(_, title, ..)| (*title).to_owned())
}
