//! `makegood events tail`

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use kernel::Timestamp;
use serde_json::Value;

use super::Call;
use super::listing::{self, Listing};
use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::{Cell, Look, exact};
use crate::serve::asked_to_stop;

/// How often it is looked whether there is something new.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// So many events are remembered at most; of what is older nothing is told any more.
const REMEMBERED: usize = 10_000;

/// Follow events as they come, each again when its status changes, until Ctrl-C
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Begin with so many that are there already (0 to 100)
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    last: u8,
    /// Only while they are received, processed, ignored, retry, error or unmatched
    #[arg(long)]
    status: Option<String>,
    /// Only of this type, like checkout.session.completed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those that touched this order
    #[arg(long)]
    order: Option<String>,
}

pub async fn run(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let backend = Backend::open(call.globals, call.terminal).await?;
    let last = usize::from(arguments.last);
    let Arguments { last: _, status, kind, order } = arguments;
    let list = Listing::of("events.list", [("status", status), ("type", kind), ("order", order)])?;
    let mut tail = Tail { list, floor: None, seen: BTreeMap::new() };
    let mut stop = pin!(asked_to_stop());
    let begun = tokio::select! {
        begun = tail.begin(&backend) => begun?,
        () = &mut stop => return Ok(Exit::Interrupted),
    };
    show(call, &backend, &begun[begun.len().saturating_sub(last)..])?;
    call.terminal.say("following; Ctrl-C ends it");
    let mut is_away = false;
    loop {
        let fresh = tokio::select! {
            fresh = async { tokio::time::sleep(LOOK_AGAIN).await; tail.fresh(&backend).await } => fresh,
            () = &mut stop => return Ok(Exit::Interrupted),
        };
        match fresh {
            Ok(fresh) => {
                is_away = false;
                show(call, &backend, &fresh)?;
            }
            // Whoever watches a server wants to see it come back.
            Err(failure) if failure.exit == Exit::Down => {
                if !std::mem::replace(&mut is_away, true) {
                    call.terminal.say(&format!("{}; trying again", failure.detail));
                }
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// What has been shown. The list stands still in no other way: an event may be committed behind one that came later, so
/// the newest pages are read until one holds nothing new.
struct Tail {
    list: Listing,
    /// When the oldest event came that was looked at in the beginning; what is older is no news.
    floor: Option<Timestamp>,
    /// When each came that was shown, and with which status.
    seen: BTreeMap<String, (Option<Timestamp>, String)>,
}

impl Tail {
    /// What is there already, the newest last.
    async fn begin(&mut self, backend: &Backend) -> Result<Vec<Value>, Failure> {
        let (mut rows, has_more) = self.list.page(backend, None).await?;
        self.floor = rows.last().filter(|_| has_more).and_then(received);
        rows.retain(|row| self.is_new(row));
        rows.reverse();
        Ok(rows)
    }

    /// What has come or changed since, the newest last.
    async fn fresh(&mut self, backend: &Backend) -> Result<Vec<Value>, Failure> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let (rows, has_more) = self.list.page(backend, after.take()).await?;
            after = listing::last(&rows);
            let before = pages.len();
            pages.extend(rows.into_iter().filter(|row| !self.is_old(row) && self.is_new(row)));
            if pages.len() == before || !has_more || after.is_none() {
                break;
            }
        }
        self.forget();
        pages.reverse();
        Ok(pages)
    }

    fn is_old(&self, row: &Value) -> bool {
        received(row).zip(self.floor).is_some_and(|(at, floor)| at < floor)
    }

    fn is_new(&mut self, row: &Value) -> bool {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let status = text("status");
        let known = self.seen.insert(text("id"), (received(row), status.clone()));
        known.is_none_or(|(_, before)| before != status)
    }

    /// Whoever follows for weeks keeps the newest half.
    fn forget(&mut self) {
        if self.seen.len() <= REMEMBERED {
            return;
        }
        let mut times: Vec<_> = self.seen.values().map(|(at, _)| *at).collect();
        times.sort_unstable();
        self.floor = times[times.len() / 2];
        self.seen.retain(|_, (at, _)| *at >= self.floor);
    }
}

fn received(row: &Value) -> Option<Timestamp> {
    row["received_at"].as_str()?.parse().ok()
}

fn show(call: &Call<'_>, backend: &Backend, rows: &[Value]) -> Result<(), Failure> {
    let look = Look::of_results(call.terminal, backend.now());
    rows.iter().try_for_each(|row| match call.terminal.json {
        Some(_) => call.terminal.print_json(row),
        None => call.terminal.print(&line(row, look)),
    })
}

/// One event on one line; what comes later is not known, so nothing is aligned but what has a known length.
fn line(row: &Value, look: Look) -> String {
    let at = received(row).map(exact).unwrap_or_default();
    let status = Cell::of("status", row, look);
    let space = " ".repeat("unmatched".len().saturating_sub(status.text.len()));
    let cells = ["id", "type", "order_id", "last_error"].map(|name| Cell::of(name, row, look));
    let said = cells.iter().filter(|cell| cell.text != "–").map(|cell| cell.painted(look));
    format!("{at}  {}{space}  {}", status.painted(look), said.collect::<Vec<_>>().join("  "))
}
