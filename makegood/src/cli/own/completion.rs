//! `makegood completion`

use clap_complete::Shell;

use super::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::tree;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

pub fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut tree::unhidden(), "makegood", &mut script);
    call.terminal.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
