//! The document of the API (OpenAPI 3.1), made from the table of routes: what is not in the table cannot be served, and what
//! is in it cannot be left out.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, json};
use super::error_pages::PAGES;
use super::routes::{Access, Behind, Gives, ROUTES, Route};

/// The document for the shop at `app_url`.
pub fn describe(app_url: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for (name, schema) in [
        ("problem", problem()),
        ("operation", receipt()),
        ("run", run()),
        ("list", list()),
        ("object", object()),
    ] {
        schemas.insert(name.to_owned(), schema);
    }
    for route in ROUTES.iter() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let mut described = operation(route);
        move_definitions(&mut described, route.name, &mut schemas);
        path[route.method.as_str().to_ascii_lowercase()] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "makegood",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Everything after the payment. Sums are whole minor units, times are RFC 3339 in UTC, \
                            errors are RFC 9457 problem documents.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": app_url }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas,
        },
    })
}

pub(super) async fn document(call: Call) -> Answer {
    Ok(json(StatusCode::OK, &describe(&call.app.config.app_url)))
}

fn operation(route: &Route) -> Value {
    let mut described = json!({
        "operationId": route.name,
        "summary": route.about,
        "tags": [tag(route)],
        "parameters": parameters(route),
        "responses": {
            route.success.to_string(): success(route),
            "default": {
                "description": "What went wrong",
                "content": { "application/problem+json": { "schema": reference("problem") } },
            },
        },
    });
    if let Behind::Task(_) = route.behind {
        described["responses"]["202"] = json!({
            "description": "It takes longer: ask for its run at the address in Location",
            "content": { "application/json": { "schema": reference("run") } },
        });
    }
    if let Behind::Hand(hand) = route.behind
        && let Gives::Link(fields) = hand.gives
    {
        described["responses"]["200"] =
            answer("The link, for whoever accepts JSON", "application/json", with_fields(fields));
    }
    if let Access::Role(role) = route.access {
        described["security"] = json!([{ "token": [] }]);
        described["x-role"] = json!(role);
    }
    if let Some(schema) = body(route) {
        let is_file = schema["properties"]["file"]["format"] == "binary";
        let media = if is_file { "multipart/form-data" } else { "application/json" };
        described["requestBody"] = json!({ "required": true, "content": { media: { "schema": schema } } });
    }
    described
}

/// For whom it is.
pub(super) fn tag(route: &Route) -> &'static str {
    match route.path.split('/').nth(1) {
        Some("api") if route.path.starts_with(super::routes::ADMIN) => "admin",
        Some("api") => "shop",
        Some("webhooks" | "dev") => "webhook",
        _ => "service",
    }
}

fn success(route: &Route) -> Value {
    let in_json = |description: &str, schema| answer(description, "application/json", schema);
    match route.behind {
        Behind::Operation(_) => in_json("What was done, or would be", reference("operation")),
        Behind::View(def) => {
            // What has columns is a list; about one thing it may be what was found instead, where the thing is not clear.
            let schema = match (def.columns, def.subject) {
                ([], _) => reference("object"),
                (_, None) => reference("list"),
                (_, Some(_)) => json!({ "anyOf": [reference("object"), reference("list")] }),
            };
            in_json("What was asked", schema)
        }
        Behind::Task(_) => in_json("What the task answered", reference("object")),
        Behind::Webhook => in_json(
            "It is stored, now or by an earlier delivery",
            with_fields(&[("received", "boolean"), ("status", "string")]),
        ),
        Behind::Hand(hand) => match hand.gives {
            Gives::List => in_json("What was asked", reference("list")),
            Gives::Object(fields) => {
                let description =
                    if route.method == Method::POST { "What was made" } else { "What was asked" };
                in_json(description, with_fields(fields))
            }
            Gives::Foreign(whose) => in_json(whose, json!({ "type": "object" })),
            Gives::Text(media) => answer("A text", media, json!({ "type": "string" })),
            Gives::Link(_) => json!({
                "description": "The way to the link",
                "headers": { "Location": { "required": true, "schema": { "type": "string", "format": "uri" } } },
            }),
        },
    }
}

fn answer(description: &str, media: &str, schema: Value) -> Value {
    json!({ "description": description, "content": { media: { "schema": schema } } })
}

/// An object with fields as [`Gives::Object`] has them.
fn with_fields(fields: &[(&str, &str)]) -> Value {
    let required: Vec<_> =
        fields.iter().filter(|(_, kind)| !kind.ends_with('?')).map(|(name, _)| *name).collect();
    let field = |kind: &str| {
        let (word, may_be_null) = kind.strip_suffix('?').map_or((kind, false), |word| (word, true));
        let (word, is_time) = if word == "time" { ("string", true) } else { (word, false) };
        let mut schema = json!({ "type": if may_be_null { json!([word, "null"]) } else { json!(word) } });
        if is_time {
            schema["format"] = "date-time".into();
        }
        schema
    };
    let described: Map<String, Value> =
        fields.iter().map(|(name, kind)| ((*name).to_owned(), field(kind))).collect();
    json!({ "type": "object", "required": required, "properties": described })
}

fn list() -> Value {
    json!({
        "type": "object",
        "required": ["object", "data", "has_more", "url"],
        "properties": {
            "object": { "const": "list" }, "data": { "type": "array", "items": { "type": "object" } },
            "has_more": { "type": "boolean" }, "url": { "type": "string" },
        },
    })
}

fn object() -> Value {
    json!({ "type": "object", "properties": { "object": { "type": "string" } } })
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut all = Vec::new();
    if route.path.contains("{id}") {
        all.push(json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    if route.path.contains("{resource}") {
        all.push(
            json!({ "name": "resource", "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    }
    match route.behind {
        Behind::View(def) => all.extend(of_query(&(def.schema)(), def.subject)),
        Behind::Operation(_) => all.push(idempotency_key()),
        Behind::Task(_) if route.method == Method::POST => all.extend([idempotency_key(), prefer()]),
        Behind::Task(def) => {
            all.extend(of_query(&(def.schema)(), def.subject));
            all.push(prefer());
        }
        Behind::Hand(hand) => {
            let named = hand.query.iter().map(|(name, about)| {
                json!({ "name": name, "in": "query", "description": about, "schema": { "type": "string" } })
            });
            all.extend(named);
            all.extend(
                ["checkout.sessions.create", "media.upload"].contains(&route.name).then(idempotency_key),
            );
        }
        Behind::Webhook => all.push(json!({
            "name": "Stripe-Signature", "in": "header", "required": true, "schema": { "type": "string" },
        })),
    }
    all
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 255 },
        "description": "The same key with the same request gets the same answer again",
    })
}

fn prefer() -> Value {
    json!({
        "name": "Prefer", "in": "header", "schema": { "type": "string", "examples": ["wait=5"] },
        "description": "`wait=SECONDS`: how long to wait for the answer, at most 25 (RFC 7240)",
    })
}

fn of_query(schema: &Value, subject: Option<&str>) -> Vec<Value> {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|r| r == name));
    let fields = schema["properties"].as_object();
    let definitions = schema.get(DEFINITIONS);
    fields
        .into_iter()
        .flatten()
        .filter(|(name, _)| Some(name.as_str()) != subject)
        .map(|(name, field)| {
            let mut field = field.clone();
            let about = field.as_object_mut().and_then(|field| field.remove("description"));
            if let (Some(field), Some(definitions)) = (field.as_object_mut(), definitions) {
                field.insert(DEFINITIONS.to_owned(), definitions.clone());
            }
            json!({
                "name": name, "in": "query", "required": required(name), "schema": field, "description": about,
            })
        })
        .collect()
}

fn body(route: &Route) -> Option<Value> {
    match route.behind {
        Behind::Operation(def) => {
            let mut schema = with_the_doors_fields((def.schema)(), def.subject);
            schema["properties"]["plan_id"] =
                json!({ "type": "string", "description": "Apply only if this is still what would change" });
            Some(schema)
        }
        Behind::Task(def) if route.method == Method::POST => {
            Some(with_the_doors_fields((def.schema)(), def.subject))
        }
        Behind::Hand(hand) => hand.body.map(|schema| without_dialect(schema())),
        Behind::View(_) | Behind::Task(_) => None,
        Behind::Webhook => Some(json!({ "type": "object", "description": "An event, as Stripe sends it" })),
    }
}

/// The subject stands in the path; every change says why, and whether it is meant.
fn with_the_doors_fields(schema: Value, subject: Option<&str>) -> Value {
    let mut schema = without_dialect(schema);
    if let (Some(subject), Some(fields)) = (subject, schema["properties"].as_object_mut()) {
        fields.shift_remove(subject);
    }
    if let (Some(subject), Some(required)) = (subject, schema["required"].as_array_mut()) {
        required.retain(|name| name != subject);
    }
    let more = json!({
        "reason": { "type": "string", "description": "Why; every change needs a reason" },
        "dry_run": { "type": "boolean", "default": false, "description": "Only say what would change" },
    });
    if schema["properties"].is_null() {
        schema["properties"] = json!({});
    }
    if let (Some(fields), Value::Object(more)) = (schema["properties"].as_object_mut(), more) {
        fields.extend(more);
    }
    schema
}

fn without_dialect(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.shift_remove("$schema");
    }
    schema
}

/// Where a schema by itself keeps what it refers to.
const DEFINITIONS: &str = "$defs";

/// A reference counts from the root of the whole document, where nobody finds what a schema within it keeps for itself:
/// that moves among the components, under the name of the operation, because two types may have one name.
fn move_definitions(value: &mut Value, operation: &str, schemas: &mut Map<String, Value>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(definitions)) = fields.shift_remove(DEFINITIONS) {
                for (name, mut schema) in definitions {
                    move_definitions(&mut schema, operation, schemas);
                    schemas.insert(format!("{operation}.{name}"), schema);
                }
            }
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/components/schemas/{operation}.{name}");
            }
            fields.values_mut().for_each(|field| move_definitions(field, operation, schemas));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| move_definitions(item, operation, schemas));
        }
        _ => {}
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn problem() -> Value {
    let text = || json!({ "type": "string" });
    let codes: Vec<_> = PAGES.iter().map(|page| page.code).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "request_id", "retryable"],
        "properties": {
            "type": { "type": "string", "format": "uri" }, "title": text(), "status": { "type": "integer" },
            "detail": text(), "instance": text(), "code": { "type": "string", "enum": codes },
            "request_id": text(), "retryable": { "type": "boolean" }, "hint": text(),
            "runbook": { "type": "string", "description": "The runbook that explains what lies behind it" },
            "errors": { "type": "array", "items": {
                "type": "object", "properties": { "pointer": text(), "detail": text() },
            } },
        },
    })
}

fn receipt() -> Value {
    let text = || json!({ "type": "string" });
    let list =
        |fields: Value| json!({ "type": "array", "items": { "type": "object", "properties": fields } });
    json!({
        "type": "object",
        "properties": {
            "object": { "const": "operation" }, "id": text(), "operation": text(),
            "status": { "type": "string", "enum": ["previewed", "applied", "already"] },
            "plan": list(json!({ "what": text(), "from": text(), "to": text() })),
            "guards": list(json!({ "name": text(), "holds": { "type": "boolean" }, "seen": text() })),
            "verify": list(json!({ "must": text(), "holds": { "type": "boolean" }, "seen": text() })),
            "verified": { "type": "boolean" }, "plan_id": text(), "audit_id": { "type": ["string", "null"] },
        },
    })
}

fn run() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "object": { "const": "run" }, "id": text(), "task": text(),
            "status": { "type": "string", "enum": ["running", "done", "failed"] },
            "done": { "type": "integer" }, "total": { "type": ["integer", "null"] }, "what": text(),
            "input": { "type": "object" }, "actor": text(), "reason": { "type": ["string", "null"] },
            "changes": { "type": "boolean" }, "started_at": { "type": "string", "format": "date-time" },
            "finished_at": { "type": ["string", "null"], "format": "date-time" },
            "error": { "type": ["object", "null"], "properties": { "code": text(), "detail": text(), "hint": text() } },
            "answer": { "description": "What the task answered" },
        },
    })
}
