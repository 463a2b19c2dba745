//! The shop opened on a database: what the doors hold, and what workers do.

use std::ops::Deref;
use std::sync::Arc;

use db::{Db, TxResult};
use jobs::{Claimed, Fate};
use kernel::{Clock, Duration, Entropy, Error, Result};
use ops::Actor;

use crate::around::Around;
use crate::catalog;
use crate::checkout::{self, Cleaned, Pace, Starter};
use crate::claims;
use crate::downloads::Deliverer;
use crate::fetch;
use crate::inbox::backfill::{self, Backfilled, Wanted, backfill};
use crate::inbox::{self, Processed, Receiver, Rematcher};
use crate::inventory::STOCK_CAME;
use crate::mails;
use crate::media;
use crate::office;
use crate::orders;
use crate::refunds;
use crate::seam::{Outside, Seam, Settings};

/// The shop: the seam, and where things come in.
pub struct Shop {
    /// Where events come in.
    pub receiver: Receiver,
    /// Where checkouts begin.
    pub starter: Starter,
    /// Where files and films go out.
    pub deliverer: Deliverer,
    rematcher: Rematcher,
    seam: Seam,
}

impl Deref for Shop {
    type Target = Seam;
    fn deref(&self) -> &Seam {
        &self.seam
    }
}

/// How long a worker may take for a job before another takes it over.
const JOB_LEASE: Duration = Duration::from_secs(180);

impl Shop {
    /// Opens the shop on a migrated database.
    pub fn new(
        db: Db,
        outside: impl Into<Outside>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Shop {
            receiver: Receiver::new(db.clone(), settings.livemode),
            starter: Starter::new(db.clone()),
            deliverer: Deliverer::new(db.clone()),
            rematcher: Rematcher::default(),
            seam: Seam::new(db, outside.into(), settings, clock, entropy),
        }
    }

    /// The same in a process that knows more than the shop does.
    pub fn in_process(mut self, around: Arc<dyn Around>) -> Self {
        self.seam.around = around;
        self
    }

    /// Processes events that are due, one batch.
    pub async fn work_events(&self) -> Result<Processed> {
        inbox::process(self).await
    }

    /// Does up to `most` jobs that are due; says how many there were.
    pub async fn work_jobs(&self, most: i64) -> Result<usize> {
        let now = self.cx().now;
        let claimed = self
            .db
            .write("jobs.claim", move |tx| jobs::claim(tx, now, most, JOB_LEASE))
            .await
            .safe_to_repeat()?;
        // One whose end could not be written comes back with its lease; the others need not wait for that.
        let mut first = None;
        for job in &claimed {
            if let Err(error) = self.work_job(job).await {
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(claimed.len()), Err)
    }

    async fn work_job(&self, job: &Claimed) -> Result<()> {
        let fate = match self.run_job(job).await {
            Ok(fate) => fate,
            Err(error) => {
                tracing::warn!(job = job.kind, id = %job.id, attempts = job.attempts, %error, "job failed");
                Fate::Failed(error.told())
            }
        };
        let (cx, job) = (self.cx(), job.clone());
        self.db.write("jobs.end", move |tx| jobs::end(tx, &cx, &job, &fate)).await.safe_to_repeat()
    }

    async fn run_job(&self, job: &Claimed) -> Result<Fate> {
        if let Some(result) = checkout::jobs::run(self, job).await {
            return result;
        }
        if let Some(result) = claims::jobs::run(self, job).await {
            return result;
        }
        match job.kind.as_str() {
            STOCK_CAME => self.stock_came(job).await,
            fetch::FETCH => inbox::look::run(self, job).await,
            orders::INTENTS_KNOWN => inbox::wake::run(self, job).await,
            media::SETTLE => media::run(self, job).await,
            catalog::PRICES_MAPPED => inbox::wake::mapped(self, job).await,
            refunds::SEND => refunds::run(self, job).await,
            mails::SEND => mails::run(self, job).await,
            other => Err(Error::bug(format!("nobody knows how to do the job `{other}`"))),
        }
    }

    /// Orders that waited for a stock go on, the oldest first, as far as it suffices.
    async fn stock_came(&self, job: &Claimed) -> Result<Fate> {
        let (cx, sku) = (self.cx(), job.payload["sku"].as_str().unwrap_or_default().to_owned());
        self.db
            .write("orders.stock_came", move |tx| {
                let waiting = orders::store::waiting_for_stock(tx, &sku, 500)?;
                orders::settle(tx, &cx, &waiting, &Actor::system("stock"))
            })
            .await
            .safe_to_repeat()?;
        Ok(Fate::Done)
    }

    /// Stores what Stripe's list of events has and no webhook has brought; nothing while another process does that.
    pub async fn backfill(&self) -> Result<Option<Backfilled>> {
        match backfill(self, Wanted::New, &()).await {
            Err(Error::Refused(refusal)) if refusal.code == backfill::UNDER_WAY => Ok(None),
            ended => ended.map(Some),
        }
    }

    /// Gives up orders that nobody paid for, as far as they are due, once Stripe was asked.
    pub async fn clean_up(&self) -> Result<Cleaned> {
        checkout::clean_up(self, Pace::Schedule, &Actor::system("cleanup"), &()).await
    }

    /// Chains the audit entries that wait for it; says how many those were.
    pub async fn seal(&self) -> Result<u64> {
        office::seal::seal(self).await
    }

    /// Runs the checks that are due and keeps what they find, unless another process does.
    pub async fn watch(&self) -> Result<office::watch::Watched> {
        office::watch::watch(self).await
    }

    /// What is done every minute, besides events and jobs: events that named an unknown order are matched again.
    pub async fn sweep(&self) -> Result<u64> {
        self.rematcher.rematch(self).await
    }
}
