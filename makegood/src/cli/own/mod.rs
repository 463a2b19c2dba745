//! Commands that are no operation and no view: running the server, the configuration, the database, help.

mod bench;
mod check;
mod completion;
mod configuration;
mod database;
mod dev;
pub mod doctor;
mod drill;
mod explain;
mod export;
mod health;
mod listing;
mod man;
mod media;
mod sandbox;
mod serve;
mod tail;
mod token;
mod user;
mod watching;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::backend::{Backend, config};
use super::exit::Exit;
use super::failure::Failure;
use super::globals::Globals;
use super::terminal::Terminal;

/// A command that the command line does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// `dev`
    Dev,
    /// `serve`
    Serve,
    /// `health`
    Health,
    /// `check`
    Check,
    /// `runbook drill`
    RunbookDrill,
    /// `config show`
    ConfigShow,
    /// `config check`
    ConfigCheck,
    /// `config env`
    ConfigEnv,
    /// `db status`
    DbStatus,
    /// `db migrate`
    DbMigrate,
    /// `db grant`
    DbGrant,
    /// `alerts export`
    AlertsExport,
    /// `alerts test`
    AlertsTest,
    /// `dashboards export`
    DashboardsExport,
    /// `audit export`
    AuditExport,
    /// `events tail`
    EventsTail,
    /// `tokens create`
    TokensCreate,
    /// `users invite`
    UsersInvite,
    /// `media add`
    MediaAdd,
    /// `bench`
    Bench,
    /// `whoami`
    WhoAmI,
    /// `explain-error`
    ExplainError,
    /// `openapi`
    OpenApi,
    /// `sandbox clock`
    SandboxClock,
    /// `sandbox fault`
    SandboxFault,
    /// `sandbox event`
    SandboxEvent,
    /// `sandbox state`
    SandboxState,
    /// `completion`
    Completion,
    /// `man`
    Man,
    /// `version`
    Version,
}

/// All of them.
pub const OWN: &[Own] = &[
    Own::Dev,
    Own::Serve,
    Own::Health,
    Own::Check,
    Own::RunbookDrill,
    Own::ConfigShow,
    Own::ConfigCheck,
    Own::ConfigEnv,
    Own::DbStatus,
    Own::DbMigrate,
    Own::DbGrant,
    Own::AlertsExport,
    Own::AlertsTest,
    Own::DashboardsExport,
    Own::AuditExport,
    Own::EventsTail,
    Own::TokensCreate,
    Own::UsersInvite,
    Own::MediaAdd,
    Own::Bench,
    Own::WhoAmI,
    Own::ExplainError,
    Own::OpenApi,
    Own::SandboxClock,
    Own::SandboxFault,
    Own::SandboxEvent,
    Own::SandboxState,
    Own::Completion,
    Own::Man,
    Own::Version,
];

/// What every one of them may need.
pub struct Call<'a> {
    /// How this run talks.
    pub terminal: &'a Terminal,
    /// The flags that every command takes.
    pub globals: &'a Globals,
    /// Its own arguments.
    pub matches: &'a ArgMatches,
}

impl Call<'_> {
    /// Its own arguments, as `T` reads them.
    fn read<T: FromArgMatches>(&self) -> Result<T, Failure> {
        T::from_arg_matches(self.matches).map_err(|error| Failure::usage(error.to_string()))
    }
}

impl Own {
    /// Its words.
    pub fn path(self) -> &'static [&'static str] {
        match self {
            Own::Dev => &["dev"],
            Own::Serve => &["serve"],
            Own::Health => &["health"],
            Own::Check => &["check"],
            Own::RunbookDrill => &["runbook", "drill"],
            Own::ConfigShow => &["config", "show"],
            Own::ConfigCheck => &["config", "check"],
            Own::ConfigEnv => &["config", "env"],
            Own::DbStatus => &["db", "status"],
            Own::DbMigrate => &["db", "migrate"],
            Own::DbGrant => &["db", "grant"],
            Own::AlertsExport => &["alerts", "export"],
            Own::AlertsTest => &["alerts", "test"],
            Own::DashboardsExport => &["dashboards", "export"],
            Own::AuditExport => &["audit", "export"],
            Own::EventsTail => &["events", "tail"],
            Own::TokensCreate => &["tokens", "create"],
            Own::UsersInvite => &["users", "invite"],
            Own::MediaAdd => &["media", "add"],
            Own::Bench => &["bench"],
            Own::WhoAmI => &["whoami"],
            Own::ExplainError => &["explain-error"],
            Own::OpenApi => &["openapi"],
            Own::SandboxClock => &["sandbox", "clock"],
            Own::SandboxFault => &["sandbox", "fault"],
            Own::SandboxEvent => &["sandbox", "event"],
            Own::SandboxState => &["sandbox", "state"],
            Own::Completion => &["completion"],
            Own::Man => &["man"],
            Own::Version => &["version"],
        }
    }

    /// Adds its arguments, and what it is for.
    pub fn arguments(self, command: Command) -> Command {
        match self {
            Own::Dev => crate::dev::DevArgs::augment_args(command).about(
                "Run a shop to play with: server, workers and a Stripe of its own; nothing to install",
            ),
            Own::Serve => command.about("Serve webhooks, the API and the workers until asked to stop"),
            Own::Health => health::Arguments::augment_args(command),
            Own::Check => check::Arguments::augment_args(command),
            Own::RunbookDrill => drill::Arguments::augment_args(command),
            Own::ConfigShow => configuration::ShowArguments::augment_args(command),
            Own::ConfigCheck => command.about("Say what is wrong with the configuration, all at once"),
            Own::ConfigEnv => {
                command.about("Print every key as the lines of a .env file, with what it is for")
            }
            Own::DbStatus => command.about("Say which database this is and which migrations have run"),
            Own::DbMigrate => command.about("Bring the schema up to date"),
            Own::DbGrant => database::GrantArguments::augment_args(command),
            Own::AlertsExport => watching::AlertsArguments::augment_args(command),
            Own::AlertsTest => command.about(
                "Say which alerts would fire now, as far as one look tells; ends with exit code 3 when one would",
            ),
            Own::DashboardsExport => watching::DashboardsArguments::augment_args(command),
            Own::AuditExport => export::Arguments::augment_args(command),
            Own::EventsTail => tail::Arguments::augment_args(command),
            Own::TokensCreate => token::Arguments::augment_args(command),
            Own::UsersInvite => user::Arguments::augment_args(command),
            Own::MediaAdd => media::Arguments::augment_args(command),
            Own::Bench => crate::bench::BenchArgs::augment_args(command)
                .about("Measure this machine: what makegood does beside what the bare database does"),
            Own::WhoAmI => command.about("Say who you are here, and what you may do"),
            Own::ExplainError => explain::Arguments::augment_args(command),
            Own::OpenApi => command.about("Print the description of the HTTP API (OpenAPI 3.1)"),
            Own::SandboxClock => sandbox::ClockArguments::augment_args(command),
            Own::SandboxFault => sandbox::FaultArguments::augment_args(command),
            Own::SandboxEvent => sandbox::EventArguments::augment_args(command),
            Own::SandboxState => sandbox::StateArguments::augment_args(command),
            Own::Completion => completion::Arguments::augment_args(command),
            Own::Man => man::Arguments::augment_args(command),
            Own::Version => command.about("Print which version this is"),
        }
    }

    /// Does it.
    pub async fn run(self, call: &Call<'_>) -> Result<Exit, Failure> {
        match self {
            Own::Dev => dev::run(call, call.read()?).await,
            Own::Serve => serve::run(call).await,
            Own::Health => health::run(call, call.read()?).await,
            Own::Check => check::run(call, call.read()?).await,
            Own::RunbookDrill => drill::run(call, call.read()?).await,
            Own::ConfigShow => configuration::show(call, &call.read()?),
            Own::ConfigCheck => configuration::check(call),
            Own::ConfigEnv => configuration::env(call),
            Own::DbStatus => database::status(call).await,
            Own::DbMigrate => database::migrate(call).await,
            Own::DbGrant => database::grant(call, call.read()?).await,
            Own::AlertsExport => watching::alerts(call, &call.read()?),
            Own::AlertsTest => watching::test(call).await,
            Own::DashboardsExport => watching::dashboards(call, &call.read()?),
            Own::AuditExport => export::run(call, call.read()?).await,
            Own::EventsTail => tail::run(call, call.read()?).await,
            Own::TokensCreate => token::create(call, call.read()?).await,
            Own::UsersInvite => user::invite(call, call.read()?).await,
            Own::MediaAdd => media::add(call, call.read()?).await,
            Own::Bench => bench::run(call, call.read()?).await,
            Own::WhoAmI => whoami(call).await,
            Own::OpenApi => openapi(call),
            Own::ExplainError => explain::run(call, &call.read()?),
            Own::SandboxClock => sandbox::clock(call, call.read()?).await,
            Own::SandboxFault => sandbox::fault(call, call.read()?).await,
            Own::SandboxEvent => sandbox::event(call, call.read()?).await,
            Own::SandboxState => sandbox::state(call, call.read()?).await,
            Own::Completion => completion::run(call, &call.read()?),
            Own::Man => man::run(call, &call.read()?),
            Own::Version => version(call),
        }
    }
}

async fn whoami(call: &Call<'_>) -> Result<Exit, Failure> {
    let caller = Backend::open(call.globals, call.terminal).await?.whoami().await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&caller)?,
        None => {
            let text = |name: &str| caller[name].as_str().unwrap_or_default().to_owned();
            let money = if caller["livemode"] == true { "real money" } else { "test money" };
            call.terminal.print(&format!("{}, {}, {money}", text("name"), text("role")))?;
        }
    }
    Ok(Exit::Ok)
}

fn openapi(call: &Call<'_>) -> Result<Exit, Failure> {
    let document = crate::http::openapi::describe(&config()?.app_url);
    call.terminal.print(&call.terminal.document(&document)?)?;
    Ok(Exit::Ok)
}

fn version(call: &Call<'_>) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match call.terminal.json {
        Some(_) => {
            call.terminal.print_json(&serde_json::json!({ "name": "makegood", "version": version }))?
        }
        None => call.terminal.print(&format!("makegood {version}"))?,
    }
    Ok(Exit::Ok)
}
