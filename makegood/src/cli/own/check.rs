//! `makegood check`

use super::Call;
use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::Look;

pub async fn run(call: &Call<'_>) -> Result<Exit, Failure> {
    let backend = Backend::open(call.globals, call.terminal).await?;
    let report = backend.check().await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&report.json())?,
        None => call.terminal.print(&report.text(Look::of_results(call.terminal, backend.now())))?,
    }
    Ok(report.exit())
}
