//! `makegood dev`

use super::Call;
use super::serve::start_logging;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::config::LogFormat;
use crate::dev::{self, DevArgs, Outcome};

pub async fn run(call: &Call<'_>, arguments: DevArgs) -> Result<Exit, Failure> {
    // Somebody plays: what goes wrong is told, what goes right is on the page.
    start_logging(LogFormat::Text, if call.globals.verbose > 0 { "info" } else { "warn" }, call.terminal.err);
    match dev::run(arguments, call.terminal.out).await? {
        Outcome::Fine => Ok(Exit::Ok),
        Outcome::Findings => Ok(Exit::Findings),
    }
}
