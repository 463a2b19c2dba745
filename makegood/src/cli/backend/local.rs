//! The work is done here, as the person at the terminal.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use db::{Db, Target};
use kernel::{Clock, Duration, Timestamp};
use ops::runs::INTERRUPTED;
use ops::{Actor, By, Mode, OperationDef, Role, TaskDef, ViewDef};
use serde_json::{Value, json};
use shop::Shop;
use shop::around::Around;

use super::Receipt;
use crate::app::{self, App, OpenError};
use crate::bench::place::{Engine, Place};
use crate::cli::check::Report;
use crate::cli::failure::Failure;
use crate::cli::progress::Bar;
use crate::cli::task::Wanted;
use crate::cli::terminal::Terminal;
use crate::clock::{OsEntropy, SystemClock};
use crate::config::{Config, Problem, Sources, explain};
use crate::dev::USUAL_FOLDER;
use crate::doctor::Patient;
use crate::secrets::Secrets;
use crate::serve::asked_to_stop;
use crate::surroundings::Surroundings;
use crate::watching::alerts;
use crate::{people, tasks, tokens, worker};

/// How often the line that says how far a task is may change.
const REDRAWN: Duration = Duration::from_millis(100);
/// How long a task may take to be cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// The shop, opened in this process.
pub struct Local {
    app: Arc<App>,
    /// Where it lies, when that goes away with it.
    _place: Option<Place>,
}

/// The configuration of a command; beside `makegood dev` it knows where that listens.
pub fn config() -> Result<Config, Failure> {
    loaded(Sources::of_process(None).map(Sources::beside_dev))
}

/// The configuration of a server: what `makegood dev` has left is none of it.
pub fn served_config() -> Result<Config, Failure> {
    loaded(Sources::of_process(None))
}

fn loaded(sources: Result<Sources, Vec<Problem>>) -> Result<Config, Failure> {
    sources.and_then(|sources| Config::load(&sources)).map_err(|problems| misconfigured(&problems))
}

fn misconfigured(problems: &[Problem]) -> Failure {
    Failure::new("configuration", explain(problems))
        .fix("makegood config env prints every key with what it is for")
}

/// What stopped the shop from opening, as a failure.
pub fn opened<T>(result: Result<T, OpenError>) -> Result<T, Failure> {
    result.map_err(|error| {
        let detail = error.to_string();
        let code = match error {
            OpenError::Config(problems) => return misconfigured(&problems),
            OpenError::Unfit { fix, .. } => return Failure::new("configuration", detail).fix(fix),
            OpenError::Stripe(_) => "configuration",
            OpenError::NotMigrated { .. } => "not_migrated",
            OpenError::Migration(source) | OpenError::Database { source, .. } => source.code(),
        };
        match code {
            "not_migrated" => Failure::new(code, detail).fix("makegood db migrate"),
            "busy" => Failure::new(code, detail)
                .fix("see that the database runs and can be reached, then try again"),
            code => Failure::new(code, detail),
        }
    })
}

impl Local {
    /// Opens the database that the configuration names, and brings it up to date where that is allowed.
    pub async fn open(terminal: &Terminal) -> Result<Local, Failure> {
        let config = config()?;
        for warning in &config.warnings {
            terminal.say(&format!("warning: {warning}"));
        }
        let missing = match &config.database {
            Target::Sqlite(path) if !path.exists() => Some(path.clone()),
            Target::Sqlite(_) | Target::Postgres(_) => None,
        };
        let app = opened(app::open(config).await)?;
        if let Some(path) = missing {
            terminal.say(&format!("there was no database at {}; made a new one", path.display()));
            if Path::new(USUAL_FOLDER).is_dir() {
                terminal
                    .say(&format!("that of `makegood dev` is another: DATA_DIR={USUAL_FOLDER} makegood …"));
            }
        }
        Ok(Local { app, _place: None })
    }

    /// Beside what the configuration names, whatever state that is in: it is looked at, and neither made nor changed. What
    /// has to be kept meanwhile goes away with this value.
    pub async fn beside() -> Result<Local, Failure> {
        let place = Place::new(&Engine::Sqlite(std::env::temp_dir())).await?;
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let db = Db::open(place.target(), db::Limits::default()).await?;
        db.migrate(shop::MIGRATIONS, clock.now()).await?;
        let config = loaded(Ok(Sources::default()))?;
        let outside = opened(app::outside(&config, entropy.clone()))?;
        let secrets = Arc::new(Secrets::at_start(&config, clock.clone()));
        let patient = Patient::here().await;
        let beside = |around: Surroundings| Arc::new(around.of(patient)) as Arc<dyn Around>;
        let app = App::amid(config, db, outside, secrets, clock, entropy, beside);
        Ok(Local { app, _place: Some(place) })
    }

    /// Against what ages are counted.
    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// Asks a view.
    pub async fn ask(&self, view: &'static ViewDef, input: Value) -> Result<Value, Failure> {
        let cx = self.app.shop.cx();
        let asked = self.app.runner.db.read(view.name, move |tx| (view.ask)(input.clone(), tx, &cx));
        Ok(asked.await?)
    }

    /// Uploads a picture.
    pub async fn add_picture(&self, bytes: bytes::Bytes, name: String) -> Result<Value, Failure> {
        let (file_name, actor) = (Some(name), by(None).actor);
        let most = self.app.config.stores.media_max_bytes;
        if bytes.len() > most {
            let failure =
                Failure::new("payload_too_large", format!("{} bytes; taken are {most}", bytes.len()));
            return Err(failure.fix("make the picture smaller, or raise MEDIA_MAX_BYTES"));
        }
        let wanted = shop::media::Upload { bytes, content_type: None, file_name, actor, request_id: None };
        let asset = shop::media::upload(&self.app.shop, wanted).await?;
        Ok(crate::http::media_shown(&asset))
    }

    /// Runs an operation.
    pub async fn run(
        &self,
        operation: &OperationDef,
        input: Value,
        mode: Mode,
        reason: Option<String>,
    ) -> Result<Receipt, Failure> {
        let by = by(reason);
        let receipt = self.app.runner.run(operation, input, mode, by, self.app.shop.cx()).await?;
        Ok(receipt.into())
    }

    /// Runs a task, and shows how far it is. Ctrl-C cuts it off between two of its transactions.
    pub async fn perform(
        &self,
        task: &'static TaskDef<Shop>,
        wanted: Wanted,
        bar: &mut Bar,
    ) -> Result<Value, Failure> {
        let Wanted { input, dry_run, reason } = wanted;
        let asked = if dry_run { task.preview(input) } else { task.read(input) }?;
        let mut started = tasks::begin(&self.app, asked, by(reason), None).await?;
        let mut stop = pin!(asked_to_stop());
        let mut tick = tokio::time::interval(REDRAWN);
        loop {
            tokio::select! {
                ended = started.ended() => return Ok(ended?.shown()),
                () = &mut stop => {
                    bar.clear();
                    self.app.tasks.stop(PATIENCE).await;
                    return Err(Failure::new(INTERRUPTED, "what was done by then stays done")
                        .fix("run it again: it goes on with what is left"));
                }
                _ = tick.tick() => bar.show(&started.seen()),
            }
        }
    }

    /// Which alerts would fire now.
    pub async fn test_alerts(&self) -> Result<Value, Failure> {
        self.seal().await;
        let now = self.now();
        Ok(self.app.runner.db.read("cli.alerts", move |tx| alerts::evaluate(tx, now)).await?)
    }

    /// Runs these checks, or every one when none is named.
    pub async fn check(&self, only: &[String]) -> Result<Report, Failure> {
        let checks = worker::checks_named(only)?;
        self.seal().await;
        let now = self.now();
        let report = self.app.runner.db.read("cli.check", move |tx| Report::make(&checks, tx, now));
        Ok(report.await?)
    }

    /// Where no server runs, nobody else seals.
    async fn seal(&self) {
        if let Err(error) = self.app.shop.seal().await {
            tracing::warn!(%error, "the audit log could not be sealed");
        }
    }

    /// Makes a token; the audit log says who made it, and why.
    pub async fn make_token(&self, wanted: tokens::Wanted) -> Result<tokens::Made, Failure> {
        let by = by(Some(wanted.reason.clone()));
        Ok(tokens::make(&self.app, wanted, by).await?)
    }

    /// Invites somebody to the console.
    pub async fn invite(&self, wanted: people::Wanted) -> Result<people::Invitation, Failure> {
        let by = by(Some(wanted.reason.clone()));
        Ok(people::invite(&self.app, wanted, by).await?)
    }

    /// Whoever may open the database may do everything.
    pub fn whoami(&self) -> Value {
        json!({ "object": "caller", "name": os_user(), "role": Role::Admin, "livemode": self.app.config.is_live() })
    }
}

fn by(reason: Option<String>) -> By {
    By { actor: Actor::operator(&os_user()), role: Role::Admin, reason, request_id: None }
}

/// Who sits at the terminal: behind `sudo` the person, else the user that this process belongs to.
fn os_user() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    named("SUDO_USER").or_else(owner).or_else(|| named("USER")).unwrap_or_else(|| "unknown".into())
}

/// The user of this process by the system's own list; the environment may say anything.
#[cfg(target_os = "linux")]
fn owner() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = list.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.get(2) == Some(&uid.as_str())).map(|fields| fields[0].to_owned())
}

#[cfg(not(target_os = "linux"))]
fn owner() -> Option<String> {
    None
}
