//! The flags that every command takes.

use std::path::PathBuf;

use clap::ValueEnum;

/// When to paint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When somebody watches and NO_COLOR is not set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Json {
    /// One document, indented
    Pretty,
    /// One line for each object of a list
    Lines,
}

/// The flags that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Every command takes")]
pub struct Globals {
    /// Print the result as JSON; with =lines one object a line
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "pretty",
          value_name = "pretty|lines", hide_possible_values = true)]
    pub json: Option<Json>,
    /// Only the result, no talk
    #[arg(short, long, global = true, conflicts_with = "verbose", hide_short_help = true)]
    pub quiet: bool,
    /// More detail, exact times
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_short_help = true)]
    pub color: Color,
    /// Never ask anything
    #[arg(long, global = true, hide_short_help = true)]
    pub no_input: bool,
    /// Apply without asking
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Only show what would change
    #[arg(long, global = true, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Apply only if this is still what would change (printed by --dry-run)
    #[arg(long, global = true, value_name = "PLAN", hide_short_help = true)]
    pub plan: Option<String>,
    /// Why; kept in the audit log with who did it
    #[arg(long, global = true, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Work through the admin API of this server instead of opening the database
    #[arg(
        long,
        global = true,
        env = "MAKEGOOD_URL",
        value_name = "URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    pub server: Option<String>,
    /// Read the token for --server from this file (else from MAKEGOOD_TOKEN)
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub token_file: Option<PathBuf>,
}

impl Globals {
    /// The server through which the work is done, where one is named; a variable that is empty names none.
    pub fn named_server(&self) -> Option<&str> {
        self.server.as_deref().filter(|server| !server.is_empty())
    }
}
