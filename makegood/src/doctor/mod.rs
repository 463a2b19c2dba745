//! Doctor: looks at everything that may be wrong around the shop, and says of each finding what mends it. It changes nothing
//! and opens nothing that is not open or named; what it asks outside has an end.
//!
//! Each thing that is looked at is one probe, in one list ([`PROBES`]); the command, its JSON and the page follow from it.

mod bundle;
mod configuration;
mod content;
mod database;
mod finding;
mod outside;
mod patient;
mod probes;
mod queue;
mod report;
mod security;
mod stripe;
mod webhook;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kernel::Duration;
use ops::Progress;
use shop::around::Part;

pub use bundle::bundle;
pub(crate) use database::warn_of_indexes;
pub use finding::{Finding, Seen, Severity};
pub(crate) use patient::is_crowded;
pub use patient::{Patient, Vitals};
pub use probes::{Needs, PROBES, Probe};
pub use report::{json, text};

/// How long one probe may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many look at once: more would be a load on Stripe, and on a database that may be ill.
const AT_ONCE: usize = 6;

/// Looks at `patient` with every probe, or with those of these parts; in the order of the list.
pub async fn examine(patient: &Patient, parts: &[Part], progress: &dyn Progress) -> Vec<Finding> {
    let wanted: Vec<(usize, &Probe)> =
        PROBES.iter().enumerate().filter(|(_, probe)| probe.is_of(parts)).collect();
    let all = wanted.len() as u64;
    let mut waiting = wanted.into_iter();
    let mut looking = FuturesUnordered::new();
    let mut found: Vec<(usize, Vec<Finding>)> = Vec::new();
    loop {
        while looking.len() < AT_ONCE
            && let Some((at, probe)) = waiting.next()
        {
            looking.push(async move { (at, probe, look(patient, probe).await) });
        }
        let Some((at, probe, seen)) = looking.next().await else { break };
        found.push((at, seen));
        progress.at(found.len() as u64, Some(all), probe.about);
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().flat_map(|(_, findings)| findings).collect()
}

async fn look(patient: &Patient, probe: &Probe) -> Vec<Finding> {
    let seen = match patient.lacks(probe.needs) {
        Some(why) => vec![Seen::nothing(why)],
        None => {
            let seen = tokio::time::timeout(PATIENCE, (probe.look)(patient)).await;
            seen.unwrap_or_else(|_| {
                let told = format!("no answer within {} seconds", PATIENCE.as_secs());
                vec![
                    Seen::warning(told)
                        .expected(probe.about)
                        .fix("see that what is asked can be reached from here"),
                ]
            })
        }
    };
    let seen = if seen.is_empty() { vec![Seen::ok(probe.about)] } else { seen };
    let finding = |what| Finding {
        id: probe.id,
        area: probe.area(),
        prelaunch: probe.prelaunch,
        runbook: probe.runbook,
        what,
    };
    seen.into_iter().map(finding).collect()
}
