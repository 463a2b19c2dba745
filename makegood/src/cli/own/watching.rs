//! `makegood alerts export`, `makegood alerts test` and `makegood dashboards export`

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Call;
use crate::cli::backend::{Backend, config};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::{Look, table};
use crate::watching::{alerts, dashboard, yaml};

/// Write the alert and recording rules for Prometheus, made from the checks and thresholds of this version
#[derive(Debug, clap::Args)]
pub struct AlertsArguments {
    /// Into this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the dashboard is, for the alerts' links; otherwise the console of APP_URL
    #[arg(long, value_name = "URL")]
    dashboard: Option<String>,
}

/// Write the dashboard for Grafana
#[derive(Debug, clap::Args)]
pub struct DashboardsArguments {
    /// Into this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn alerts(call: &Call<'_>, arguments: &AlertsArguments) -> Result<Exit, Failure> {
    let app_url = config()?.app_url;
    let dashboard = arguments.dashboard.clone().unwrap_or_else(|| format!("{app_url}/_/"));
    let rules = alerts::rules(&app_url, &dashboard);
    let text = match call.terminal.json {
        Some(_) => call.terminal.document(&rules)? + "\n",
        None => format!("# Written by `makegood alerts export`.\n{}", yaml(&rules)),
    };
    written(call, arguments.out.as_deref(), &text)
}

pub async fn test(call: &Call<'_>) -> Result<Exit, Failure> {
    let backend = Backend::open(call.globals, call.terminal).await?;
    let answer = backend.test_alerts().await?;
    let firing = answer["firing"].as_u64().unwrap_or_default();
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&answer)?,
        None => {
            let rows: Vec<Value> = answer["data"].as_array().cloned().unwrap_or_default();
            let (silent, told): (Vec<Value>, Vec<Value>) =
                rows.into_iter().partition(|row| row["state"] == "silent");
            let look = Look::of_results(call.terminal, backend.now());
            call.terminal.print(
                table(&["alert", "severity", "state", "seen", "runbook_command"], &told, look).trim_end(),
            )?;
            call.terminal.print(&format!("{firing} would fire, {} are silent", silent.len()))?;
        }
    }
    Ok(if firing == 0 { Exit::Ok } else { Exit::Findings })
}

pub fn dashboards(call: &Call<'_>, arguments: &DashboardsArguments) -> Result<Exit, Failure> {
    let text = call.terminal.document(&dashboard::dashboard())? + "\n";
    written(call, arguments.out.as_deref(), &text)
}

fn written(call: &Call<'_>, out: Option<&Path>, text: &str) -> Result<Exit, Failure> {
    match out {
        None => call.terminal.print(text.trim_end())?,
        Some(file) => {
            std::fs::write(file, text)
                .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", file.display())))?;
            call.terminal.say(&format!("written to {}", file.display()));
        }
    }
    Ok(Exit::Ok)
}
