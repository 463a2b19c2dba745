//! One document for those who help: versions, settings, what doctor saw, what waits and why. It holds no secret, and
//! nothing of a buyer: no order, no address, no text of an error.

use ops::results;
use serde_json::{Value, json};
use shop::inbox;

use super::patient::Patient;
use super::report::count;
use crate::config::{Form, Secrecy, Setting};

/// The document, with the rows that doctor gave.
pub async fn bundle(patient: &Patient, rows: &[Value]) -> Value {
    let mut document = json!({
        "object": "support_bundle",
        "made_at": patient.clock.now(),
        "versions": {
            "makegood": env!("CARGO_PKG_VERSION"), "stripe_api": stripe::API_VERSION,
            "system": std::env::consts::OS, "machine": std::env::consts::ARCH,
        },
        "settings": settings(patient),
        "doctor": { "findings": count(rows), "rows": rows },
        "secrets": secrets(patient),
        "database": database(patient).await,
    });
    cut_addresses(&mut document);
    document
}

/// No address says who signs in there, nor what is asked: either may hold a password.
fn cut_addresses(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = with_plain_addresses(text),
        Value::Array(all) => all.iter_mut().for_each(cut_addresses),
        Value::Object(fields) => fields.values_mut().for_each(cut_addresses),
        _ => {}
    }
}

fn with_plain_addresses(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (before, behind) = rest.split_at(at + 3);
        let ends = |c: char| c.is_whitespace() || "\"'`<>()".contains(c);
        let (address, after) = behind.split_at(behind.find(ends).unwrap_or(behind.len()));
        let (place, asked) = address.split_once('?').map_or((address, ""), |(place, _)| (place, "?…"));
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        out = format!("{out}{before}{host}{asked}");
        rest = after;
    }
    out + rest
}

fn settings(patient: &Patient) -> Value {
    match &patient.config {
        Err(problems) => json!({ "problems": problems.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        Ok(config) => {
            config.settings().iter().filter(|setting| setting.shown.is_some()).map(setting).collect()
        }
    }
}

fn setting(setting: &Setting) -> Value {
    // The place of a database names hosts, and a mail address names a person; that they are set is enough.
    let is_private = setting.key.secrecy == Secrecy::Secret
        || setting.key.form == Form::Database
        || setting.key.name.starts_with("MAIL_")
        || setting.key.name.starts_with("DB_");
    let value = if is_private { json!("set") } else { json!(setting.shown) };
    json!({ "key": setting.key.name, "value": value, "source": source(setting) })
}

/// Which kind of place it came from; a path may name a person.
fn source(setting: &Setting) -> &'static str {
    use crate::config::Source;
    match setting.source {
        Source::Flag => "flag",
        Source::Environment => "environment",
        Source::File(_) => "file",
        Source::DotEnv => ".env",
        Source::Toml(_) => "toml",
        Source::Dev => "makegood dev",
        Source::Default => "default",
    }
}

fn secrets(patient: &Patient) -> Value {
    let (Ok(vitals), Ok(config)) = (&patient.vitals, &patient.config) else { return Value::Null };
    let rows = vitals.secrets.rows(config);
    let shown = rows.iter().map(|row| {
        json!({ "name": row["name"], "counts_as": row["counts_as"], "refetched_at": row["refetched_at"],
            "matched_at": row["matched_at"], "trouble": !row["trouble"].is_null() })
    });
    shown.collect()
}

async fn database(patient: &Patient) -> Value {
    let Ok(db) = &patient.db else { return json!({ "open": false }) };
    let steps = db.migrations(shop::MIGRATIONS).await.unwrap_or_default();
    let migrations: Vec<Value> = steps
        .iter()
        .map(|step| json!({ "version": step.version, "name": step.name, "applied_at": step.applied_at }))
        .collect();
    let counted = db.read("doctor.bundle", |tx| {
        let checks: Vec<Value> = results::latest(tx)?
            .iter()
            .map(|result| {
                json!({ "check": result.check, "findings": result.count, "oldest": result.oldest,
                    "checked_at": result.checked_at, "took_ms": result.took_ms })
            })
            .collect();
        let jobs = jobs::counts(tx)?;
        let failed: Vec<Value> =
            jobs::failed_by_kind(tx)?.iter().map(|(kind, count)| json!({ "kind": kind, "failed": count })).collect();
        Ok(json!({
            "checks": checks,
            "jobs": { "queued": jobs.queued, "failed": jobs.failed, "failed_by_kind": failed },
            "events": { "oldest_waiting": inbox::oldest_waiting(tx)?, "errors_by_kind": inbox::errors_by_kind(tx)? },
        }))
    });
    let mut seen = counted.await.unwrap_or_else(|error| json!({ "unreadable": error.code() }));
    seen["open"] = true.into();
    seen["engine"] = format!("{:?}", db.dialect()).into();
    seen["migrations"] = migrations.into();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_place_and_nothing_that_may_be_a_password() {
        for (text, plain) in [
            ("https://shop.example/base", "https://shop.example/base"),
            ("https://u:p@w@shop.example/x?key=k", "https://shop.example/x?…"),
            ("`http://u:pw@h` is none, postgres://u:p/w@db/x; ok", "`http://h` is none, postgres://db/x; ok"),
            ("nothing", "nothing"),
        ] {
            let mut value = json!({ "rows": [{ "seen": text }] });
            cut_addresses(&mut value);
            assert_eq!(value["rows"][0]["seen"], plain);
        }
    }
}
