//! `makegood alerts export` and `makegood dashboards export`

use std::path::{Path, PathBuf};

use super::Call;
use crate::cli::backend::config;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
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
        Some(_) => serde_json::to_string_pretty(&rules)? + "\n",
        None => format!("# Written by `makegood alerts export`.\n{}", yaml(&rules)),
    };
    written(call, arguments.out.as_deref(), &text)
}

pub fn dashboards(call: &Call<'_>, arguments: &DashboardsArguments) -> Result<Exit, Failure> {
    let text = serde_json::to_string_pretty(&dashboard::dashboard())? + "\n";
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
