//! The configuration: what start-up would refuse, and what it would warn of.

use super::finding::Seen;
use super::patient::Patient;
use crate::config::{Problem, Use};

/// All that is wrong. A database is named by its variable, what is wrong with it and what is expected, and is not opened.
pub(super) async fn forms(patient: &Patient) -> Vec<Seen> {
    let Err(problems) = &patient.config else { return Vec::new() };
    problems.iter().map(wrong).collect()
}

fn wrong(problem: &Problem) -> Seen {
    let is_database = problem.key == "DATABASE_URL" || problem.key.starts_with("DB_");
    let seen = if is_database { format!("Bootstrap failed: {problem}") } else { problem.to_string() };
    let expected = match is_database {
        true => "a connection string that starts with postgres:// or sqlite:, or no DATABASE_URL at all",
        false => "what makegood config env says about this key",
    };
    Seen::error(seen)
        .expected(expected)
        .fix(format!("set {} right, then: makegood config check", problem.key))
}

pub(super) async fn warnings(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let warning = |problem: &Problem| {
        let fix = match problem.key.as_str() {
            "MONGO_URI" => "unset MONGO_URI; makegood keeps its data where DATABASE_URL says".to_owned(),
            key => format!("rename or unset {key}"),
        };
        Seen::warning(problem.to_string()).fix(fix)
    };
    config.warnings.iter().map(warning).collect()
}

pub(super) async fn complete(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let missing = config.missing_for_serving();
    missing
        .iter()
        .map(|problem| {
            Seen::error(problem.to_string())
                .fix(format!("set {}; see docs/19-stripe-cloudflare-setup.md", problem.key))
        })
        .collect()
}

pub(super) async fn not_yet(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let set = config.settings().iter().filter(|setting| setting.key.used == Use::NotYet);
    let names: Vec<&str> =
        set.filter(|setting| config.is_set(setting.key.name)).map(|setting| setting.key.name).collect();
    match names.is_empty() {
        true => Vec::new(),
        false => vec![Seen::info(format!("set, and not acted on by this version: {}", names.join(", ")))],
    }
}
