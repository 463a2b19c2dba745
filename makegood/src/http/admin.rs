//! The admin API: operations and views as they are defined, checks, tokens.

use axum::http::StatusCode;
use kernel::Timestamp;
use ops::{Applied, Key, Mode, OperationDef, Receipt, Role, ViewDef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, json};
use super::idempotency::{self, Turn};
use super::problem::Problem;
use crate::{people, tokens, watching, worker};

/// Runs an operation: its inputs stand in the body, its subject in the path.
pub(super) async fn operate(mut call: Call, def: &'static OperationDef) -> Answer {
    let bytes = call.bytes().await?;
    let asked = Asked::read(call.object(&bytes)?, call.id.as_deref(), def.subject, &(def.schema)())?;
    let owner = call.caller()?.actor.name.clone();
    match idempotency::begin(&call, &owner, &bytes).await? {
        Turn::Answered(response) => Ok(response),
        Turn::Work(ticket, left) => {
            let result = run(&call, def, asked, ticket.key(), left).await;
            ticket.end(&call, result).await
        }
    }
}

/// Applies; or, where an earlier request under the same key did and its answer was lost, reads back what it did.
async fn run(
    call: &Call,
    def: &OperationDef,
    asked: Asked,
    key: Option<Key>,
    left: Option<Value>,
) -> Result<(StatusCode, Value), Problem> {
    let by = call.caller()?.by(asked.reason, &call.origin.request_id);
    let (cx, runner, input) = (call.app.shop.cx(), &call.app.runner, Value::Object(asked.input));
    let mode = if asked.dry_run { Mode::Preview } else { Mode::Apply { plan_id: asked.plan_id } };
    let applies = !asked.dry_run;
    let ran = match left.as_ref().and_then(Applied::left) {
        Some(applied) => runner.again(applied, def, input, &by, cx).await,
        None => runner.run_under(key, def, input, mode, by, cx).await,
    };
    if let (true, Err(error)) = (applies, &ran) {
        call.app.metrics.refused(def.name, error.code());
    }
    let receipt = ran.map_err(|error| Problem::from(error).in_body())?;
    if def.resource() == "tokens" {
        call.app.guard.forget();
    }
    Ok((StatusCode::OK, shown(&receipt)))
}

/// What the body says of an operation, or of a task that changes things.
pub(super) struct Asked {
    pub(super) input: Map<String, Value>,
    pub(super) dry_run: bool,
    pub(super) plan_id: Option<String>,
    pub(super) reason: Option<String>,
}

impl Asked {
    pub(super) fn read(
        mut body: Map<String, Value>,
        id: Option<&str>,
        subject: Option<&str>,
        schema: &Value,
    ) -> Result<Asked, Problem> {
        let reason = text(&mut body, "reason")?;
        let plan_id = text(&mut body, "plan_id")?;
        let dry_run = match body.remove("dry_run") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is)) => is,
            Some(_) => return Err(Problem::invalid("/dry_run", "expected true or false")),
        };
        if let (Some(subject), Some(id)) = (subject, id) {
            match body.insert(subject.to_owned(), id.into()) {
                Some(other) if other != id => {
                    let why = "is not what stands in the path".to_owned();
                    return Err(Problem::invalid(format!("/{subject}"), why));
                }
                _ => {}
            }
        }
        refuse_unknown(&body, schema, In::Body)?;
        Ok(Asked { input: body, dry_run, plan_id, reason })
    }
}

fn text(body: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match body.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 2_000 => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(format!("/{name}"), "expected a text of at most 2000 bytes")),
    }
}

/// Where names stand.
enum In {
    Query,
    Body,
}

/// A misspelt name that nobody reads is a wish that nobody hears.
fn refuse_unknown(given: &Map<String, Value>, schema: &Value, at: In) -> Result<(), Problem> {
    let known = schema["properties"].as_object();
    match given.keys().find(|name| known.is_none_or(|known| !known.contains_key(*name))) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<_> = known.map(|known| known.keys().cloned().collect()).unwrap_or_default();
            let why = format!("is unknown; expected {}", known.join(", "));
            let name = match at {
                In::Query => name.clone(),
                In::Body => ops::pointer(name),
            };
            Err(Problem::invalid(name, why))
        }
    }
}

/// A receipt as the API shows it.
pub fn shown(receipt: &Receipt) -> Value {
    json!({
        "object": "operation",
        "id": receipt.id,
        "operation": receipt.operation,
        "status": receipt.status,
        "plan": receipt.plan.changes,
        "guards": receipt.plan.guards,
        "verify": receipt.verify,
        "verified": receipt.is_verified(),
        "plan_id": receipt.plan_id,
        "audit_id": receipt.audit_id,
    })
}

/// Answers a view: its fields stand in the query, its subject in the path.
pub(super) async fn view(call: Call, def: &'static ViewDef) -> Answer {
    let input = of_query(&call, def.subject, &(def.schema)())?;
    let value = ask(&call, def, input).await?;
    Ok(json(StatusCode::OK, &value))
}

/// The input of a view or a task whose fields stand in the query and whose subject stands in the path.
pub(super) fn of_query(
    call: &Call,
    subject: Option<&str>,
    schema: &Value,
) -> Result<Map<String, Value>, Problem> {
    let mut input = call.query()?;
    refuse_unknown(&input, schema, In::Query)?;
    if let (Some(subject), Some(id)) = (subject, call.id.clone()) {
        if input.contains_key(subject) {
            return Err(Problem::invalid(subject, "stands in the path already"));
        }
        input.insert(subject.to_owned(), id.into());
    }
    as_the_schema_says(&mut input, schema)?;
    Ok(input)
}

/// Asks a view in a transaction that only reads.
pub(super) async fn ask(
    call: &Call,
    def: &'static ViewDef,
    input: Map<String, Value>,
) -> Result<Value, Problem> {
    let (cx, input) = (call.app.shop.cx(), Value::Object(input));
    Ok(call.app.shop.db.read("view", move |tx| (def.ask)(input.clone(), tx, &cx)).await?)
}

/// A query carries texts only; what the schema calls a number or a truth value becomes one.
fn as_the_schema_says(input: &mut Map<String, Value>, schema: &Value) -> Result<(), Problem> {
    for (name, value) in input {
        let field = &schema["properties"][name];
        let is = |wanted: &str| {
            let kind = &field["type"];
            kind == wanted || kind.as_array().is_some_and(|all| all.iter().any(|k| k == wanted))
        };
        let Value::String(text) = &*value else { continue };
        *value = match () {
            () if is("integer") => whole_number(name, text, field)?.into(),
            () if is("boolean") => match text.as_str() {
                // A flag may stand there by itself, as on the command line.
                "true" | "" => true.into(),
                "false" => false.into(),
                _ => return Err(Problem::invalid(name, format!("is `{text}`; expected true or false"))),
            },
            () => continue,
        };
    }
    Ok(())
}

fn whole_number(name: &str, text: &str, field: &Value) -> Result<i64, Problem> {
    let (least, most) = (field["minimum"].as_i64(), field["maximum"].as_i64());
    let expected = match (least, most) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number, {least} or more"),
        _ => "a whole number".to_owned(),
    };
    let fits =
        |number: &i64| least.is_none_or(|least| *number >= least) && most.is_none_or(|most| *number <= most);
    let number = text.parse::<i64>().ok().filter(fits);
    number.ok_or_else(|| Problem::invalid(name, format!("is `{text}`; expected {expected}")))
}

/// Runs every check, or those that are named.
pub(super) async fn checks(call: Call) -> Answer {
    let query = call.query()?;
    if let Some(name) = query.keys().find(|name| *name != "only") {
        return Err(Problem::invalid(name.clone(), "is unknown; expected only"));
    }
    let only = query.get("only").and_then(Value::as_str).unwrap_or_default();
    let only: Vec<String> = only.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let checks = worker::checks_named(&only)?;
    let findings = worker::check(&call.app, checks.clone()).await?;
    let data: Vec<Value> = checks
        .iter()
        .map(|check| {
            let found = findings.iter().filter(|finding| finding.check == check.name);
            let found: Vec<Value> = found.map(shop::runbooks::shown).collect();
            json!({
                "object": "check", "name": check.name, "severity": check.severity, "must": check.must,
                "means": check.means, "runbook": shop::runbooks::of_check(check.name).map(|runbook| runbook.id),
                "findings": found,
            })
        })
        .collect();
    let list = json!({
        "object": "list", "data": data, "has_more": false, "url": "/api/v1/admin/checks", "findings": findings.len(),
    });
    Ok(json(StatusCode::OK, &list))
}

/// The rules for Prometheus.
pub(super) async fn alerts(call: Call) -> Answer {
    let app_url = &call.app.config.app_url;
    Ok(json(StatusCode::OK, &watching::alerts::rules(app_url, &format!("{app_url}/_/"))))
}

/// Which alerts would fire now.
pub(super) async fn test_alerts(call: Call) -> Answer {
    let now = call.app.clock.now();
    let read = call.app.shop.db.read("alerts.test", move |tx| watching::alerts::evaluate(tx, now));
    Ok(json(StatusCode::OK, &read.await?))
}

/// The dashboard for Grafana.
pub(super) async fn dashboard(_: Call) -> Answer {
    Ok(json(StatusCode::OK, &watching::dashboard::dashboard()))
}

/// Whose token this is.
pub(super) async fn whoami(call: Call) -> Answer {
    let caller = call.caller()?;
    let answer = json!({
        "object": "caller", "name": caller.actor.name, "role": caller.role, "livemode": call.app.config.is_live(),
    });
    Ok(json(StatusCode::OK, &answer))
}

/// A token to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// Whose it is: a person or a machine
    name: String,
    /// What its bearer may do: app, viewer, support, finance, operator or admin
    #[schemars(with = "String")]
    role: Role,
    /// When it ends; never when absent
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    expires_at: Option<Timestamp>,
    /// Why, for the audit log
    reason: String,
}

pub(super) fn new_token_schema() -> Value {
    schemars::schema_for!(NewToken).to_value()
}

/// Makes a token. An `Idempotency-Key` is not honoured here, because the answer, which holds the token, is not kept.
pub(super) async fn create_token(mut call: Call) -> Answer {
    let bytes = call.bytes().await?;
    let new: NewToken = ops::read_input(Value::Object(call.object(&bytes)?))?;
    let by = call.caller()?.by(Some(new.reason.clone()), &call.origin.request_id);
    let NewToken { name, role, expires_at, reason } = new;
    let made = tokens::make(&call.app, tokens::Wanted { name, role, expires_at, reason }, by).await?;
    Ok(json(StatusCode::CREATED, &serde_json::to_value(made).unwrap_or_default()))
}

/// Somebody to be invited.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// What they type to sign in: a name or an email
    name: String,
    /// What they may do: viewer, support, finance, operator or admin; needed for somebody new
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    role: Option<Role>,
    /// Why, for the audit log
    reason: String,
}

pub(super) fn new_user_schema() -> Value {
    schemars::schema_for!(NewUser).to_value()
}

/// Invites somebody to the console. As with a token, the answer is not kept, so an `Idempotency-Key` is not honoured.
pub(super) async fn invite(mut call: Call) -> Answer {
    let bytes = call.bytes().await?;
    let NewUser { name, role, reason } = ops::read_input(Value::Object(call.object(&bytes)?))?;
    let by = call.caller()?.by(Some(reason.clone()), &call.origin.request_id);
    let made = people::invite(&call.app, people::Wanted { name, role, reason }, by).await?;
    Ok(json(StatusCode::CREATED, &serde_json::to_value(made).unwrap_or_default()))
}
