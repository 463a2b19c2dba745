//! Delivers: looks, asks the disk or the player's service, looks once more and writes down what comes of it, and makes the link.

use std::sync::Mutex;

use db::{Batcher, Db, Tx, TxResult};
use kernel::{Cx, Duration, Error, Refusal, Result, Timestamp};
use ops::Actor;
use ops::audit::{self, Entry};
use serde::Serialize;
use storage::{Key, Link, StorageError};

use super::facts::{self, Found, Gathered};
use super::quiet::{Asks, Quiet};
use super::{DENIED, REQUESTED, STREAMED, Thing, Verdict, decide};
use crate::ids::{LessonId, OrderId, ProfileId, ResourceId};
use crate::seam::Seam;

/// A disk that takes longer than this is not waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A file, by an order that holds it.
    OfOrder {
        /// Which order.
        order: OrderId,
        /// Which file.
        resource: ResourceId,
    },
    /// A file, by the right to its course or download, whatever gave it.
    OfCourse {
        /// The product's id.
        course: String,
        /// Which file.
        resource: ResourceId,
    },
    /// The film of a lesson.
    Film {
        /// Which lesson.
        lesson: LessonId,
    },
}

impl Wanted {
    /// What it is and its id.
    pub fn subject(&self) -> (&'static str, String) {
        match self {
            Wanted::OfOrder { resource, .. } | Wanted::OfCourse { resource, .. } => {
                ("resource", resource.to_string())
            }
            Wanted::Film { lesson } => ("lesson", lesson.to_string()),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// For whom; nobody where that is not known.
    pub profile: Option<ProfileId>,
    /// Who asks: the buyer, or whoever does it for them.
    pub actor: Actor,
    /// From where, for those whom nobody knows.
    pub address: String,
    /// In which request.
    pub request_id: Option<String>,
}

/// What was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Where it is.
    pub url: String,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// What it is.
    #[serde(flatten)]
    pub served: Served,
}

/// What lies behind a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Served {
    /// A file.
    File {
        /// Under which name a browser saves it.
        file_name: String,
        /// What it is.
        content_type: Option<String>,
        /// Its size.
        bytes: Option<i64>,
    },
    /// A film.
    Film,
}

/// One request, as it travels to the batch.
#[derive(Clone)]
struct Ask {
    cx: Cx,
    asker: Asker,
    wanted: Wanted,
    configured: bool,
}

type Answer = Result<Option<Found>, Error>;

/// Delivers. What is given at the same time is written down in one transaction.
pub struct Deliverer {
    batch: Batcher<Ask, Answer>,
    quiet: Mutex<Quiet>,
}

impl Deliverer {
    /// On this database.
    pub fn new(db: Db) -> Self {
        Deliverer { batch: Batcher::new(db, "downloads.deliver", 128, 4, settle), quiet: Mutex::default() }
    }

    /// Gives what is wanted, or says why not. What is given is written down each time; of denials that are alike the first of a
    /// minute, with the number of those before it.
    ///
    /// # Errors
    /// Refused with the code of what stands against it; busy when the disk or the player's service cannot be asked, or when it
    /// cannot be written down: then nothing is given.
    pub async fn deliver(&self, seam: &Seam, asker: Asker, wanted: Wanted) -> Result<Delivered> {
        let ask = look(seam, &self.quiet, asker, wanted).await?;
        let at = ask.cx.now;
        let found = self.batch.submit(ask).await.safe_to_repeat()??;
        link(seam, found, at).await
    }
}

/// The same for one who is served by hand: in a transaction of its own, and always written down.
///
/// # Errors
/// As [`Deliverer::deliver`].
pub(super) async fn deliver_by_hand(seam: &Seam, asker: Asker, wanted: Wanted) -> Result<Delivered> {
    let ask = look(seam, &Mutex::default(), asker, wanted).await?;
    let at = ask.cx.now;
    let settle = move |tx: &mut Tx<'_>| settle(tx, std::slice::from_ref(&ask));
    let answers = seam.db.write("downloads.deliver", settle).await.safe_to_repeat()?;
    let found = answers.into_iter().next().ok_or_else(|| Error::bug("nothing was decided"))??;
    link(seam, found, at).await
}

/// Decides for the first time, and asks the disk where something would be given. No transaction is open meanwhile.
async fn look(seam: &Seam, quiet: &Mutex<Quiet>, asker: Asker, wanted: Wanted) -> Result<Ask> {
    let configured = seam.settings.downloads_enabled;
    let ask = Ask { cx: seam.cx(), asker, wanted, configured };
    let (who, asked) = (ask.asker.profile, ask.wanted.clone());
    let read = move |tx: &mut Tx<'_>| facts::read(tx, who, &asked, configured);
    let mut gathered = seam.db.read("downloads.look", read).await?;
    if let (Verdict::Deliver, Some(Found::File(file))) = (decide(&gathered.known), &gathered.found)
        && !is_there(seam, &key_of(&file.object_key)?).await?
    {
        gathered.known.thing = Thing::Gone;
    }
    let verdict = decide(&gathered.known);
    let Some((refused, reason)) = refusal(verdict, &ask) else { return Ok(ask) };
    let told = lock(quiet).tell(alike(&ask, reason), asks_as(&ask), ask.cx.now);
    if let Some(before) = told {
        let (cx, entry) = (ask.cx.clone(), denied(&ask, reason, &gathered, before));
        let record = move |tx: &mut Tx<'_>| audit::record(tx, &cx, vec![entry.clone()]).map(drop);
        seam.db.write("downloads.denied", record).await.safe_to_repeat()?;
    }
    Err(refused)
}

async fn is_there(seam: &Seam, key: &Key) -> Result<bool> {
    let seen = tokio::time::timeout(PATIENCE, seam.disk.head(key)).await;
    let seen = seen.map_err(|_| Error::Busy("the disk does not answer".into()))?;
    Ok(seen.map_err(of_storage)?.is_some())
}

/// Decides for good, and writes it down in the same transaction.
fn settle(tx: &mut Tx<'_>, asks: &[Ask]) -> Result<Vec<Answer>> {
    let (mut answers, mut entries) = (Vec::with_capacity(asks.len()), Vec::new());
    for ask in asks {
        let gathered = facts::read(tx, ask.asker.profile, &ask.wanted, ask.configured)?;
        match refusal(decide(&gathered.known), ask) {
            // Something came in between: that is worth an entry each time.
            Some((refused, reason)) => {
                entries.push(denied(ask, reason, &gathered, 0));
                answers.push(Err(refused));
            }
            None => {
                entries.push(given(ask, &gathered));
                answers.push(Ok(gathered.found));
            }
        }
    }
    if let Some(ask) = asks.first() {
        audit::record(tx, &ask.cx, entries)?;
    }
    Ok(answers)
}

fn refusal(verdict: Verdict, ask: &Ask) -> Option<(Error, &'static str)> {
    let (kind, id) = ask.wanted.subject();
    verdict.refusal((kind, &id)).zip(verdict.reason())
}

fn asks_as(ask: &Ask) -> Asks {
    if ask.asker.profile.is_some() { Asks::Somebody } else { Asks::Nobody }
}

/// What makes two denials alike.
fn alike(ask: &Ask, reason: &str) -> String {
    match ask.asker.profile {
        Some(profile) => format!("{reason} {profile} {}", ask.wanted.subject().1),
        None => format!("{reason} {}", ask.asker.address),
    }
}

fn entry(ask: &Ask, event_type: &'static str, data: serde_json::Value) -> Entry {
    let (kind, id) = ask.wanted.subject();
    let mut entry = Entry::new(event_type, ask.asker.actor.clone(), kind, id).with(data);
    entry.request_id = ask.asker.request_id.clone();
    match ask.wanted {
        Wanted::OfOrder { order, .. } => entry.order(order),
        Wanted::OfCourse { .. } | Wanted::Film { .. } => entry,
    }
}

fn given(ask: &Ask, gathered: &Gathered) -> Entry {
    let event_type = match ask.wanted {
        Wanted::Film { .. } => STREAMED,
        Wanted::OfOrder { .. } | Wanted::OfCourse { .. } => REQUESTED,
    };
    let data = serde_json::json!({ "profile": ask.asker.profile, "product": gathered.product });
    let entry = entry(ask, event_type, data);
    match gathered.order {
        Some(order) => entry.order(order),
        None => entry,
    }
}

fn denied(ask: &Ask, reason: &'static str, gathered: &Gathered, before: u64) -> Entry {
    let mut data = serde_json::json!({ "profile": ask.asker.profile });
    if let Some(product) = &gathered.product {
        data["product"] = product.clone().into();
    }
    if ask.asker.profile.is_none() {
        data["address"] = ask.asker.address.clone().into();
    }
    if before > 0 {
        data["more_since_the_last"] = before.into();
    }
    let entry = entry(ask, DENIED, data).because(Some(reason));
    match gathered.known.under_review {
        Some(order) => entry.order(order),
        None => entry,
    }
}

async fn link(seam: &Seam, found: Option<Found>, now: Timestamp) -> Result<Delivered> {
    match found {
        Some(Found::File(file)) => {
            let key = key_of(&file.object_key)?;
            let ttl: Duration = seam.settings.download_ttl;
            let wish =
                Link { ttl, file_name: file.file_name.clone(), content_type: file.content_type.clone() };
            let url = seam.disk.link(&key, &wish, now).map_err(of_storage)?;
            let served = Served::File {
                file_name: file.file_name,
                content_type: file.content_type,
                bytes: file.bytes,
            };
            Ok(Delivered { url, expires_at: Some(now + ttl), served })
        }
        Some(Found::Film(lesson)) => {
            let video = lesson.video.ok_or_else(|| Error::bug("a lesson without a film was delivered"))?;
            let player = tokio::time::timeout(PATIENCE, seam.streams.player(&video, now)).await;
            let player = player.map_err(|_| Error::Busy("the player's service does not answer".into()))?;
            let player = player.map_err(of_storage)?;
            Ok(Delivered { url: player.url, expires_at: player.expires_at, served: Served::Film })
        }
        None => Err(Error::bug("something was delivered that is not there")),
    }
}

fn key_of(name: &str) -> Result<Key> {
    Key::new(name).map_err(|bad| Error::Bug(Box::new(bad)))
}

fn of_storage(error: StorageError) -> Error {
    match error {
        StorageError::NotConfigured(keys) => {
            Refusal::new("storage_not_configured", format!("{keys} is not set")).into()
        }
        StorageError::Refused(why) => Refusal::new("storage_refused", why).into(),
        StorageError::Unavailable(why) => Error::Busy(why),
    }
}

fn lock(quiet: &Mutex<Quiet>) -> std::sync::MutexGuard<'_, Quiet> {
    quiet.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
