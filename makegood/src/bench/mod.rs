//! Benchmarks that anyone can run. Each figure is a ratio of two measurements made in turns in one run: what makegood does,
//! beside what the same database does for a program that does nothing else. `docs/benchmarks.md` says how to read them.

mod bare;
mod console;
mod downloads;
mod drain;
mod events;
mod ingest;
pub(crate) mod place;
mod report;
mod reserve;
mod rounds;
mod settle;
mod stage;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use kernel::Result;

use place::Engine;
pub use report::Report;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Which benchmark
    #[command(subcommand)]
    pub what: What,
}

/// The benchmarks.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Signed webhooks over HTTP, stored durably, beside a bare server that does nothing else
    Ingest(Settings),
    /// Stored events to confirmed orders, beside the same rows written by SQL alone, one order per transaction
    Settle(Settings),
    /// One hot article and 64 buyers, beside one guarded UPDATE per transaction
    Reserve(Settings),
    /// Memory while a backlog of events drains
    Drain(Settings),
    /// Who may have a file, decided and written down, beside the bare query for the right
    Downloads(Settings),
    /// The pages that people open most, with a million orders in the database, beside the bare query
    Console(Settings),
}

/// What all benchmarks may be told.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// A PostgreSQL on which a database may be made and dropped; DATABASE_URL stands in when it names one
    #[arg(long, value_name = "URL", env = "MAKEGOOD_TEST_POSTGRES", hide_env_values = true)]
    pub postgres: Option<String>,
    /// Only on this engine
    #[arg(long, value_enum)]
    pub engine: Option<EngineName>,
    /// The folder for SQLite's file; choose one on the disk that you mean
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub folder: PathBuf,
    /// How many rounds of both sides in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// How many events, orders or pieces in a round; each benchmark has its own default
    #[arg(long)]
    pub size: Option<usize>,
    /// A second or so each: shows that it works, says nothing about speed
    #[arg(long)]
    pub quick: bool,
}

/// The engines by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Runs one benchmark; says on stderr how far it is.
///
/// # Errors
/// Whatever stops it: no room on the disk, a server that does not answer, a figure that is not trustworthy because the
/// rows afterwards are not what they must be.
pub async fn run(args: BenchArgs) -> Result<Report> {
    match args.what {
        What::Ingest(settings) => ingest::run(&settings).await,
        What::Settle(settings) => settle::run(&settings).await,
        What::Reserve(settings) => reserve::run(&settings).await,
        What::Drain(settings) => drain::run(&settings).await,
        What::Downloads(settings) => downloads::run(&settings).await,
        What::Console(settings) => console::run(&settings).await,
    }
}

impl Settings {
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds as usize }
    }

    fn size(&self, quick: usize, full: usize) -> usize {
        self.size.unwrap_or(if self.quick { quick } else { full }).max(1)
    }

    /// The engines to measure; SQLite always, PostgreSQL where one is named.
    fn engines(&self) -> Vec<Engine> {
        let wanted = |name| self.engine.is_none_or(|only| only == name);
        let mut engines = Vec::new();
        if wanted(EngineName::Sqlite) {
            engines.push(Engine::Sqlite(self.folder.clone()));
        }
        if wanted(EngineName::Postgres) {
            match self.server() {
                Some(url) => engines.push(Engine::Postgres(url)),
                None => eprintln!("not measured on PostgreSQL: name a server with --postgres"),
            }
        }
        engines
    }

    fn server(&self) -> Option<String> {
        let named = self.postgres.clone().filter(|url| !url.is_empty());
        named.or_else(|| std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")))
    }
}
