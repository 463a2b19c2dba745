//! `makegood man`

use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use super::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::tree;

/// Print the manual page, or write those of all commands
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Write the pages of all commands into this folder instead; man finds them where it is called man1
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut command = tree::unhidden();
    command.build();
    match &arguments.dir {
        Some(folder) => {
            let written = std::fs::create_dir_all(folder).and_then(|()| write(&command, folder));
            written.map_err(|error| {
                let detail = format!("the pages could not be written to {}: {error}", folder.display());
                Failure::new("internal_error", detail).fix("name a folder that may be written to")
            })?;
            call.terminal.say(&format!("the pages are in {}", folder.display()));
        }
        None => {
            let mut text = Vec::new();
            let made = page(&command).render(&mut text);
            made.map_err(|error| Failure::new("internal_error", error.to_string()))?;
            call.terminal.print(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(Exit::Ok)
}

/// The page of this command, and those of all below it.
fn write(command: &Command, folder: &Path) -> io::Result<()> {
    page(command).generate_to(folder)?;
    command.get_subcommands().try_for_each(|below| write(below, folder))
}

fn page(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("makegood ", env!("CARGO_PKG_VERSION"))).manual("makegood")
}
