//! `makegood check`

use super::Call;
use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::Look;

/// Run every check, or only some; ends with exit code 3 when one finds something
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these, like paid_not_confirmed
    pub checks: Vec<String>,
}

pub async fn run(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let backend = Backend::open(call.globals, call.terminal).await?;
    let report = backend.check(&arguments.checks).await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&report.json())?,
        None => call.terminal.print(&report.text(Look::of_results(call.terminal, backend.now())))?,
    }
    Ok(report.exit())
}
