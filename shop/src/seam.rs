//! The seam: what a use case holds that waits for the world outside between its transactions.

use std::sync::Arc;

use db::Db;
use kernel::{Clock, Currency, Cx, Duration, Entropy, Timestamp};
use mail::Mailer;
use storage::{Disk, MediaStore, NoMedia, Streams};
use stripe::Stripe;

use crate::around::{Around, Nothing};

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where buyers and operators reach this shop, without a slash at the end (`APP_URL`).
    pub app_url: String,
    /// Whether the key at Stripe is a live one; events of the other mode are ignored.
    pub livemode: bool,
    /// The currency of a basket that names none.
    pub currency: Currency,
    /// How long stock is set aside for a checkout.
    pub reservation: Duration,
    /// How old an order has to be before its failed payment is given up (`CLEANUP_FAILED_PAYMENT_MINUTES`).
    pub cleanup_after: Duration,
    /// Whether anything is delivered by this process at all (`DOWNLOADS_ENABLED`); the switch in the database counts besides.
    pub downloads_enabled: bool,
    /// How long a link to a file lives (`DOWNLOAD_TTL_SECONDS`).
    pub download_ttl: Duration,
}

impl Settings {
    /// Where Stripe sends a buyer who has paid.
    pub fn success_url(&self) -> String {
        format!("{}/thanks?session_id={{CHECKOUT_SESSION_ID}}", self.app_url)
    }
    /// Where Stripe sends a buyer who turns back.
    pub fn cancel_url(&self) -> String {
        format!("{}/", self.app_url)
    }
}

/// Everybody outside who is asked between transactions, never in one.
#[derive(Clone)]
pub struct Outside {
    /// How Stripe is asked.
    pub stripe: Arc<dyn Stripe>,
    /// Where files lie.
    pub disk: Arc<dyn Disk>,
    /// Where films lie.
    pub streams: Arc<dyn Streams>,
    /// Where pictures of the shop lie.
    pub media: Arc<dyn MediaStore>,
    /// Who sends mails.
    pub mailer: Arc<dyn Mailer>,
}

/// Only Stripe: nothing else is configured.
impl<S: Stripe + 'static> From<Arc<S>> for Outside {
    fn from(stripe: Arc<S>) -> Self {
        Outside::from(stripe as Arc<dyn Stripe>)
    }
}

impl From<Arc<dyn Stripe>> for Outside {
    fn from(stripe: Arc<dyn Stripe>) -> Self {
        Outside {
            stripe,
            disk: Arc::new(storage::Nowhere),
            streams: Arc::new(storage::Nowhere),
            media: Arc::new(NoMedia::because("MEDIA_DISK")),
            mailer: Arc::new(mail::Nowhere),
        }
    }
}

/// A database, those outside, settings, the time and chance.
pub struct Seam {
    /// Where everything is kept.
    pub db: Db,
    /// How Stripe is asked.
    pub stripe: Arc<dyn Stripe>,
    /// Where files lie.
    pub disk: Arc<dyn Disk>,
    /// Where films lie.
    pub streams: Arc<dyn Streams>,
    /// Where pictures of the shop lie.
    pub media: Arc<dyn MediaStore>,
    /// Who sends mails.
    pub mailer: Arc<dyn Mailer>,
    /// What an operator may set.
    pub settings: Settings,
    /// The process around the shop.
    pub around: Arc<dyn Around>,
    clock: Arc<dyn Clock>,
    root: Cx,
}

impl Seam {
    /// On a migrated database.
    pub fn new(
        db: Db,
        outside: Outside,
        settings: Settings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let root = Cx::new(clock.now(), entropy);
        let Outside { stripe, disk, streams, media, mailer } = outside;
        let around = Arc::new(Nothing);
        Seam { db, stripe, disk, streams, media, mailer, settings, around, clock, root }
    }

    /// The time and new ids, for one piece of work that begins now.
    pub fn cx(&self) -> Cx {
        self.root.at(self.clock.now())
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
