//! `makegood audit export`

use kernel::Timestamp;
use ops::ViewDef;
use serde_json::{Map, Value};

use super::Call;
use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// The longest page.
const PAGE: usize = 100;

/// Print the audit log as JSON, one entry a line, the newest first
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only what was written since then, like 24h, 7d or 2026-11-01
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// Only entries of this type, like entitlement_granted
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only entries about this order
    #[arg(long)]
    order: Option<String>,
}

/// Entries go out page by page: however long the log is, one page is held.
pub async fn run(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let backend = Backend::open(call.globals, call.terminal).await?;
    let Arguments { since, kind, order } = arguments;
    let since = since
        .map(|text| kernel::moment_before(backend.now(), &text))
        .transpose()
        .map_err(|why| Failure::usage(format!("--since: {why}")))?;
    let given = [("type", kind), ("order", order)];
    let mut question: Map<String, Value> =
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    question.insert("limit".into(), PAGE.into());
    let view = list()?;
    let mut printed = 0_u64;
    loop {
        let answer = backend.ask(view, question.clone().into()).await?;
        let rows = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        for row in rows.iter().take_while(|row| since.is_none_or(|since| at(row) >= Some(since))) {
            call.terminal.print(&row.to_string())?;
            printed += 1;
        }
        let reached = rows.last().zip(since).is_some_and(|(row, since)| at(row) < Some(since));
        match rows.last().map(|row| row["id"].clone()) {
            Some(last) if answer["has_more"] == true && !reached => {
                question.insert("starting_after".into(), last);
            }
            _ => break,
        }
    }
    call.terminal.say(&format!("{printed} {}", if printed == 1 { "entry" } else { "entries" }));
    Ok(Exit::Ok)
}

fn list() -> Result<&'static ViewDef, Failure> {
    let found = shop::VIEWS.iter().find(|view| view.name == "audit-logs.list");
    found.ok_or_else(|| Failure::new("internal_error", "there is no list of the audit log"))
}

fn at(row: &Value) -> Option<Timestamp> {
    row["at"].as_str()?.parse().ok()
}
