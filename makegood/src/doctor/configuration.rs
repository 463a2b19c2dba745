//! The configuration: what start-up would refuse, and what it would warn of.

use super::finding::Seen;
use super::patient::Patient;
use crate::config::{Problem, Use};

/// All that is wrong, save for the database's address.
pub(super) async fn forms(patient: &Patient) -> Vec<Seen> {
    let problems = patient.config.as_ref().err().into_iter().flatten();
    let wrong = |problem: &Problem| {
        Seen::error(problem.to_string())
            .expected("what makegood config env says about this key")
            .fix(right(problem))
    };
    problems.filter(|problem| !names_the_database(problem)).map(wrong).collect()
}

fn right(problem: &Problem) -> String {
    format!("set {} right, then: makegood config check", problem.key)
}

fn names_the_database(problem: &Problem) -> bool {
    problem.key == "DATABASE_URL" || problem.key.starts_with("DB_")
}

/// What is wrong with the address is named by its variable; nothing is opened.
pub(super) async fn database(patient: &Patient) -> Vec<Seen> {
    let problems = patient.config.as_ref().err().into_iter().flatten();
    let wrong = |problem: &Problem| {
        Seen::error(format!("Bootstrap failed: {problem}"))
            .expected(
                "a connection string that starts with postgres:// or sqlite:, or no DATABASE_URL at all",
            )
            .fix(right(problem))
    };
    problems.filter(|problem| names_the_database(problem)).map(wrong).collect()
}

const MONGO: &str = "MONGO_URI";

/// Who comes from another system may still have its database named.
pub(super) async fn other_database(patient: &Patient) -> Vec<Seen> {
    let problems = match &patient.config {
        Ok(config) => &config.warnings,
        Err(problems) => problems,
    };
    let fix = "unset MONGO_URI; makegood keeps its data where DATABASE_URL says";
    let named = problems.iter().filter(|problem| problem.key == MONGO);
    named.map(|problem| Seen::warning(problem.to_string()).fix(fix)).collect()
}

pub(super) async fn warnings(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let others = config.warnings.iter().filter(|problem| problem.key != MONGO);
    others
        .map(|problem| Seen::warning(problem.to_string()).fix(format!("rename or unset {}", problem.key)))
        .collect()
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
