//! `makegood audit export`

use kernel::Timestamp;
use serde_json::Value;

use super::Call;
use super::listing::{self, Listing};
use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

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
    let list = Listing::of("audit-logs.list", [("type", kind), ("order", order)])?;
    let (mut printed, mut after) = (0_u64, None);
    loop {
        let (rows, has_more) = list.page(&backend, after.take()).await?;
        let wanted = rows.iter().take_while(|row| since.is_none_or(|since| at(row) >= Some(since)));
        for row in wanted.clone() {
            call.terminal.print(&row.to_string())?;
        }
        let wanted = wanted.count();
        printed += wanted as u64;
        after = listing::last(&rows);
        if !has_more || wanted < rows.len() || after.is_none() {
            break;
        }
    }
    call.terminal.say(&format!("{printed} {}", if printed == 1 { "entry" } else { "entries" }));
    Ok(Exit::Ok)
}

fn at(row: &Value) -> Option<Timestamp> {
    row["at"].as_str()?.parse().ok()
}
