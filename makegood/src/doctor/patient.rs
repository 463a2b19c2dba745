//! Who is looked at: this process as it serves, or what the configuration here names.

use std::sync::Arc;

use db::{Db, PoolState, Target};
use kernel::{Clock, Timestamp};
use shop::Outside;

use super::AT_ONCE;
use super::probes::Needs;
use crate::app::{self, OpenError};
use crate::clock::{OsEntropy, SystemClock};
use crate::config::{Config, Problem, Sources};
use crate::secrets::Secrets;

/// What is looked at.
pub struct Patient {
    /// The configuration, or all that is wrong with it.
    pub config: Result<Arc<Config>, Vec<Problem>>,
    /// The database, or why it is not open.
    pub db: Result<Db, String>,
    /// Those outside and the secrets, or why there are none.
    pub vitals: Result<Vitals, String>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// True in the process that takes the webhooks.
    pub serves: bool,
    /// False where there is no world around it: a drill has a Stripe of its own, and nothing listens at its address.
    pub in_the_world: bool,
}

/// What is needed to ask others.
pub struct Vitals {
    /// Who is asked.
    pub outside: Outside,
    /// The secrets that count.
    pub secrets: Arc<Secrets>,
}

impl Patient {
    /// What the configuration of this process names. A database that is not there is not made.
    pub async fn here() -> Patient {
        let clock = Arc::new(SystemClock);
        let sources = Sources::of_process(None).map(Sources::beside_dev);
        let config = sources.and_then(|sources| Config::load(&sources));
        match config {
            Err(problems) => Patient::without_configuration(problems, clock),
            Ok(config) => Patient::of(config, clock).await,
        }
    }

    /// Nothing can be opened.
    pub fn without_configuration(problems: Vec<Problem>, clock: Arc<dyn Clock>) -> Patient {
        let why = "the configuration is wrong";
        let (db, vitals) = (Err(why.into()), Err(why.into()));
        Patient { config: Err(problems), db, vitals, clock, serves: false, in_the_world: true }
    }

    async fn of(mut config: Config, clock: Arc<dyn Clock>) -> Patient {
        let entropy = Arc::new(OsEntropy);
        let secrets = Secrets::open(&mut config, clock.clone(), entropy.clone()).await;
        let vitals = match secrets {
            Err(problems) => Err(crate::config::explain(&problems)),
            Ok(secrets) => app::outside(&config, entropy)
                .map_err(|error| error.to_string())
                .map(|outside| Vitals { outside, secrets }),
        };
        let db = open(&config).await;
        Patient { config: Ok(Arc::new(config)), db, vitals, clock, serves: false, in_the_world: true }
    }

    /// Why a probe cannot look, when it cannot.
    pub(super) fn lacks(&self, needs: Needs) -> Option<String> {
        let missing = |wrong: Option<&String>| wrong.cloned();
        match needs {
            Needs::Nothing => None,
            Needs::Config => self.config.is_err().then(|| "the configuration is wrong".to_owned()),
            Needs::World if !self.in_the_world => Some("there is no world around a drill".to_owned()),
            Needs::World => self.lacks(Needs::Config),
            Needs::Database => missing(self.db.as_ref().err())
                .or_else(|| self.is_crowded().then(|| "no connection to the database is free".to_owned())),
            Needs::Others => missing(self.vitals.as_ref().err()),
            Needs::Stripe => {
                let has_key = self.vitals.as_ref().is_ok_and(|vitals| vitals.secrets.api_key().is_some());
                missing(self.vitals.as_ref().err())
                    .or_else(|| (!has_key).then(|| "there is no API key".to_owned()))
            }
        }
    }

    /// More waits for a connection of this process than there are: one who only looks does not wait behind them.
    pub(super) fn is_crowded(&self) -> bool {
        self.serves && self.db.as_ref().is_ok_and(|db| is_crowded(db.pool()))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Opens what is there, and leaves its schema alone.
async fn open(config: &Config) -> Result<Db, String> {
    if let Target::Sqlite(path) = &config.database
        && !path.exists()
    {
        return Err(format!("there is no database at {} yet", path.display()));
    }
    app::open_database(config).await.map_err(|error| match error {
        OpenError::Database { variable, source } => format!("{variable}: {}", app::plainly(&source)),
        OpenError::Unfit { variable, what, .. } => format!("{variable}: {what}"),
        other => other.to_string(),
    })
}

/// More than there are connections, and than doctor itself makes wait.
pub(crate) fn is_crowded(pool: PoolState) -> bool {
    pool.waiting > pool.size + AT_ONCE
}
