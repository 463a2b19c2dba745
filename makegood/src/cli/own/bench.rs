//! `makegood bench`

use super::Call;
use crate::bench::{self, BenchArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

pub async fn run(call: &Call<'_>, arguments: BenchArgs) -> Result<Exit, Failure> {
    let report = bench::run(arguments).await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&serde_json::to_value(&report)?)?,
        None => call.terminal.print(&report.to_string())?,
    }
    Ok(Exit::Ok)
}
