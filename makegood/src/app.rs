//! The shop opened for the doors: database, Stripe, clock and chance, put together once.

use std::io::ErrorKind;
use std::sync::Arc;

use db::{Db, DbFailure, Part, Target};
use kernel::{Clock, Entropy, Error};
use mail::{Mailer, Smtp};
use ops::Runner;
use shop::around::Around;
use shop::{Outside, Shop};
use stripe::{Answer, Call, CallError, HttpStripe, KeyFault, Stripe};

use crate::clock::{OsEntropy, SystemClock};
use crate::config::{Config, Mailing, Problem, explain};
use crate::http::Guard;
use crate::http::buyer::jwks::Jwks;
use crate::metrics::Metrics;
use crate::places::{self, Shelves};
use crate::secrets::Secrets;
use crate::surroundings::{Serving, Surroundings};
use crate::tasks::Tasks;

/// What every door holds.
pub struct App {
    /// The rooms.
    pub shop: Arc<Shop>,
    /// How operations are run.
    pub runner: Runner,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What was configured.
    pub config: Arc<Config>,
    /// The secrets that count now.
    pub secrets: Arc<Secrets>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives chance.
    pub entropy: Arc<dyn Entropy>,
    /// What makegood serves of its own disk.
    pub(crate) shelves: Shelves,
    /// The tasks at work in this process.
    pub tasks: Tasks,
    /// The keys of the shop's own sign-in.
    pub(crate) buyers: Jwks,
    /// Who is at the door of the API.
    pub(crate) guard: Guard,
    /// Since when this process serves.
    pub(crate) serving: Serving,
}

/// Why the shop did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is wrong, or something is missing in it.
    #[error("{}", explain(.0))]
    Config(Vec<Problem>),
    /// What names the database names none that can be had: trying again changes nothing.
    #[error("Bootstrap failed: {variable}: {what}")]
    Unfit {
        /// Which key names what is not taken.
        variable: &'static str,
        /// What was seen, and what is expected.
        what: String,
        /// What to do.
        fix: String,
    },
    /// The database does not open now.
    #[error("Bootstrap failed: {variable}: {}", plainly(source))]
    Database {
        /// Which key names the database.
        variable: &'static str,
        /// What it said.
        source: Error,
    },
    /// The schema is older than this version, and nobody may change it at start.
    #[error(
        "Bootstrap failed: {count} migrations have not run on this database (the next is {next}) and AUTO_MIGRATE is \
         false; run `makegood db migrate`"
    )]
    NotMigrated {
        /// How many are missing.
        count: usize,
        /// The next of them, by number and name.
        next: String,
    },
    /// The schema could not be brought up to date.
    #[error("Bootstrap failed: the database could not be migrated: {}", plainly(.0))]
    Migration(Error),
    /// No client for Stripe could be made.
    #[error("configuration: STRIPE_SECRET or STRIPE_API_BASE: {0}")]
    Stripe(#[from] stripe::client::ClientError),
}

/// Opens the database, brings its schema up to date where that is allowed, and puts the shop together.
pub async fn open(mut config: Config) -> Result<Arc<App>, OpenError> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
    let secrets = Secrets::open(&mut config, clock.clone(), entropy.clone()).await;
    let secrets = secrets.map_err(OpenError::Config)?;
    let mut outside = outside(&config, entropy.clone())?;
    if let Some(stripe) = secrets.stripe() {
        outside.stripe = stripe;
    }
    let db = open_database(&config).await?;
    bring_up_to_date(&config, &db, &*clock).await?;
    Ok(App::with_secrets(config, db, outside, secrets, clock, entropy))
}

impl App {
    /// The shop on a database that is open and migrated. [`open`] is the way in production; tests and `makegood dev`
    /// bring their own parts.
    pub fn new(
        config: Config,
        db: Db,
        outside: impl Into<Outside>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Arc<App> {
        let secrets = Arc::new(Secrets::at_start(&config, clock.clone()));
        App::with_secrets(config, db, outside, secrets, clock, entropy)
    }

    /// The same with secrets that may change.
    pub fn with_secrets(
        config: Config,
        db: Db,
        outside: impl Into<Outside>,
        secrets: Arc<Secrets>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Arc<App> {
        App::amid(config, db, outside.into(), secrets, clock, entropy, |around| Arc::new(around))
    }

    /// The same amid what is made of its surroundings: for a drill, and for whoever only looks.
    pub(crate) fn amid(
        config: Config,
        db: Db,
        outside: Outside,
        secrets: Arc<Secrets>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        around: impl FnOnce(Surroundings) -> Arc<dyn Around>,
    ) -> Arc<App> {
        let (config, serving) = (Arc::new(config), Serving::default());
        let around = around(Surroundings::new(
            config.clone(),
            db.clone(),
            outside.clone(),
            secrets.clone(),
            clock.clone(),
            serving.clone(),
        ));
        let shop = Shop::new(db.clone(), outside, config.shop_settings(), clock.clone(), entropy.clone());
        let shop = shop.in_process(around);
        let metrics = Arc::new(Metrics::new(clock.now()));
        let shelves = Shelves::of(&config, &entropy);
        let shop = Arc::new(shop);
        let buyers = Jwks::new(config.sign_in.clone());
        Arc::new(App {
            shop,
            runner: Runner { db },
            metrics,
            config,
            secrets,
            clock,
            entropy,
            shelves,
            tasks: Tasks::default(),
            buyers,
            serving,
            guard: Guard::default(),
        })
    }
}

/// Opens the database that the configuration names, and does nothing else with it.
pub async fn open_database(config: &Config) -> Result<Db, OpenError> {
    if let Target::Sqlite(path) = &config.database
        && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|error| {
            let what = format!("the folder {} cannot be made: {error}", folder.display());
            match error.kind() {
                ErrorKind::StorageFull => not_opened(config, DbFailure::NoSpace(what).into()),
                _ => unfit(config, Part::File, &what),
            }
        })?;
    }
    let db = Db::open(&config.database, config.db_limits()).await;
    let db = db.map_err(|source| not_opened(config, source))?;
    tracing::info!(engine = ?db.dialect(), "[db] connected");
    Ok(db)
}

fn not_opened(config: &Config, source: Error) -> OpenError {
    misfit(config, &source).unwrap_or_else(|| OpenError::Database { variable: naming(config, None), source })
}

/// Why the tables cannot be made, or cannot be read.
pub fn not_migrated(config: &Config, error: Error) -> OpenError {
    misfit(config, &error).unwrap_or(OpenError::Migration(error))
}

/// What the configuration has to say otherwise, where it is that.
fn misfit(config: &Config, error: &Error) -> Option<OpenError> {
    let Error::Bug(source) = error else { return None };
    let failure = source.downcast_ref::<DbFailure>()?;
    let DbFailure::Misconfigured(part, _) = failure else { return None };
    // What was asked of it is nobody's matter here.
    let seen = failure.to_string();
    Some(unfit(config, *part, seen.split(" in: ").next().unwrap_or(&seen)))
}

fn unfit(config: &Config, part: Part, seen: &str) -> OpenError {
    let variable = naming(config, Some(part));
    let (expected, fix) = match part {
        Part::Database => (
            "a database that is there",
            format!("make it (createdb), or name in {variable} one that is there"),
        ),
        Part::User => {
            ("a role that may connect", format!("make the role, or name in {variable} one that may connect"))
        }
        Part::Password => (
            "the password of this role",
            format!("write it into {variable}; in an address an @ is %40, a / is %2F and a % is %25"),
        ),
        Part::NoTls => (
            "a server with TLS, because of sslmode=require",
            format!(
                "switch TLS on at the server, or take sslmode out of {variable} where nobody can listen in between"
            ),
        ),
        Part::OnlyTls => (
            "a connection with TLS",
            "write the address as DATABASE_URL, with ?sslmode=require at its end".to_owned(),
        ),
        Part::Certificate => (
            "a certificate of an authority that this system trusts",
            "add the certificate of who has signed it to those of this system".to_owned(),
        ),
        Part::Rights => (
            "a role that may make the tables, or to which they are granted",
            "as the owner: GRANT USAGE, CREATE ON SCHEMA public TO the role; or `makegood db migrate` and `makegood db grant ROLE` as \
             the owner, and AUTO_MIGRATE=false here"
                .to_owned(),
        ),
        Part::File => (
            "a file in a folder that this process may write to",
            format!("name such a place in {variable}, or let the user of this process write there"),
        ),
    };
    OpenError::Unfit { variable, what: format!("{seen}; expected {expected}"), fix }
}

/// The key from which this part of the database's address came.
fn naming(config: &Config, part: Option<Part>) -> &'static str {
    match (&config.database, part) {
        _ if config.is_set("DATABASE_URL") => "DATABASE_URL",
        (Target::Sqlite(_), _) if config.is_set("DB_DATABASE") => "DB_DATABASE",
        (Target::Sqlite(_), _) => "DATA_DIR",
        (Target::Postgres(_), Some(Part::Database)) => "DB_DATABASE",
        (Target::Postgres(_), Some(Part::User | Part::Rights)) => "DB_USERNAME",
        (Target::Postgres(_), Some(Part::Password)) => "DB_PASSWORD",
        (Target::Postgres(_), _) => "DB_HOST",
    }
}

/// Without the words by which doors tell errors apart.
pub(crate) fn plainly(error: &Error) -> String {
    match error {
        Error::Busy(what) => what.clone(),
        Error::Bug(source) => source.to_string(),
        other => other.to_string(),
    }
}

async fn bring_up_to_date(config: &Config, db: &Db, clock: &dyn Clock) -> Result<(), OpenError> {
    if config.auto_migrate {
        let applied =
            db.migrate(shop::MIGRATIONS, clock.now()).await.map_err(|error| not_migrated(config, error))?;
        for step in applied {
            tracing::info!(version = step.version, name = step.name, "migrated");
        }
        return Ok(());
    }
    let all = db.migrations(shop::MIGRATIONS).await.map_err(|error| not_migrated(config, error))?;
    let missing: Vec<_> = all.iter().filter(|step| step.applied_at.is_none()).collect();
    match missing.first() {
        None => Ok(()),
        Some(next) => Err(OpenError::NotMigrated {
            count: missing.len(),
            next: format!("{} ({})", next.version, next.name),
        }),
    }
}

/// Everybody whom the configuration names outside.
///
/// # Errors
/// When no client can be made of what was configured.
pub fn outside(config: &Config, entropy: Arc<dyn Entropy>) -> Result<Outside, OpenError> {
    let stripe = stripe_client(config, entropy.clone())?;
    Ok(Outside {
        disk: places::disk(config, &entropy),
        streams: places::streams(config),
        media: places::media(config),
        mailer: mailer(config)?,
        ..Outside::from(stripe)
    })
}

fn mailer(config: &Config) -> Result<Arc<dyn Mailer>, OpenError> {
    Ok(match &config.mail {
        Mailing::None => Arc::new(mail::Nowhere),
        Mailing::Log => Arc::new(mail::Logged),
        Mailing::Smtp(settings) => {
            let wrong = |what| OpenError::Config(vec![Problem::new("MAIL_FROM_ADDRESS", what)]);
            Arc::new(Smtp::new(settings.clone()).map_err(wrong)?)
        }
    })
}

fn stripe_client(config: &Config, entropy: Arc<dyn Entropy>) -> Result<Arc<dyn Stripe>, OpenError> {
    Ok(match &config.stripe_secret {
        Some(key) => Arc::new(HttpStripe::new(&config.stripe_api_base, key, entropy)?),
        None => Arc::new(NoKey),
    })
}

/// Stands where Stripe would when there is no key: the command line reads and repairs without one.
struct NoKey;

impl Stripe for NoKey {
    fn call(&self, _: Call) -> Answer<'_> {
        Box::pin(async { Err(CallError::Key(KeyFault::Missing)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    async fn open_in(folder: &std::path::Path, auto_migrate: &str) -> Result<Arc<App>, OpenError> {
        let sources = Sources::default()
            .with_flag("DATA_DIR", folder.join("not/there/yet").display().to_string())
            .with_flag("AUTO_MIGRATE", auto_migrate);
        open(Config::load(&sources).unwrap()).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_schema_that_nobody_may_change_is_only_opened_when_it_is_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let refused = open_in(folder.path(), "false").await.err().unwrap().to_string();
        assert!(refused.starts_with("Bootstrap failed: "), "{refused}");
        assert!(
            refused.contains("makegood db migrate") && refused.contains("the next is 1 (jobs)"),
            "{refused}"
        );
        assert!(open_in(folder.path(), "true").await.is_ok());
        assert!(open_in(folder.path(), "false").await.is_ok());
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_named_without_its_password() {
        let url = "postgres://someone:hush@127.0.0.1:9/shop";
        let config = Config::load(&Sources::default().with_flag("DATABASE_URL", url)).unwrap();
        let told = open(config).await.err().unwrap().to_string();
        assert!(told.starts_with("Bootstrap failed: DATABASE_URL: ") && !told.contains("hush"), "{told}");
    }
}
