//! Proves that the audit log is what it was: walks the chain from its first link and computes each anew.

use std::ops::Deref;

use kernel::{Error, Result};
use ops::chain::{self, Break, Link};
use ops::{By, Done, Effect, Progress, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::seal::seal;
use crate::seam::Seam;

/// Links that are looked at in one transaction.
const STRETCH: i64 = 1_000;
/// So many breaks are listed; all are counted.
const SHOWN: usize = 100;

/// Prove that no entry of the audit log was changed, removed or slipped in
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Verify {
    /// A hash that an earlier run gave as its head: it must be in the chain, so that a tail that was cut off is seen
    #[arg(long, value_name = "HASH")]
    #[serde(default)]
    pub head: Option<String>,
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Verify {
    const NAME: &'static str = "audit-logs.verify";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["what", "seq", "entry", "text"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let wanted = self.head.as_deref().map(hash).transpose()?;
            // What waits a second for its seal is chained first; what should have been long ago is told by a check.
            let mut seen = Seen { wanted, ..Seen::default() };
            match seal(seam).await {
                Ok(_) => {}
                // What keeps entries from being sealed does not keep the others from being looked at.
                Err(error @ Error::Bug(_)) => seen.note(vec![Break {
                    what: "not_sealed",
                    seq: None,
                    entry: None,
                    text: format!("what waits for its seal cannot be sealed: {error}"),
                }]),
                Err(error) => return Err(error),
            }
            walk(seam, &mut seen, progress).await?;
            find_unchained(seam, &mut seen, progress).await?;
            Ok(seen.told())
        })
    }
}

fn hash(text: &str) -> Result<String> {
    let text = text.trim().to_ascii_lowercase();
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err(Error::invalid("head", format!("is `{text}`; expected the 64 hex digits of a head"))),
    }
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// The head that must be in the chain.
    wanted: Option<String>,
    found: bool,
    verified: u64,
    last: Link,
    breaks: u64,
    shown: Vec<Break>,
}

impl Seen {
    fn note(&mut self, breaks: Vec<Break>) {
        self.breaks += breaks.len() as u64;
        let room = SHOWN.saturating_sub(self.shown.len());
        self.shown.extend(breaks.into_iter().take(room));
    }

    fn told(mut self) -> Done {
        if let Some(wanted) = self.wanted.take().filter(|_| !self.found) {
            let text = format!(
                "no link of the chain has the hash {wanted}: what was sealed up to it is not here any more"
            );
            self.note(vec![Break { what: "head_unknown", seq: None, entry: None, text }]);
        }
        let rows: Vec<Value> = self.shown.iter().map(row).collect();
        let has_more = self.breaks > rows.len() as u64;
        let mut answer = json!({ "object": "list", "data": rows, "has_more": has_more, "verified": self.verified,
            "head": self.last.hash });
        answer["summary"] = json!({ "object": "audit_verification", "verified": self.verified, "breaks": self.breaks,
            "head": self.last.hash });
        answer["keep"] = match self.breaks {
            0 => "the head, outside of this database; later: makegood audit verify --head HASH",
            _ => "this database as it is, and compare it with a backup",
        }
        .into();
        Done::new(answer).findings(self.breaks)
    }
}

fn row(broken: &Break) -> Value {
    json!({ "object": "audit_break", "what": broken.what, "seq": broken.seq, "entry": broken.entry,
        "text": broken.text })
}

async fn walk(seam: &Seam, seen: &mut Seen, progress: &dyn Progress) -> Result<()> {
    loop {
        let before = seen.last.clone();
        let (stretch, end) = seam
            .db
            .read("audit.walk", move |tx| {
                let stretch = chain::walk(tx, &before, STRETCH)?;
                // The end is compared on the view on which nothing more follows: seals are added meanwhile.
                let end = match stretch.links.is_empty() {
                    true => chain::cut_off(tx, &before)?,
                    false => None,
                };
                Ok((stretch, end))
            })
            .await?;
        seen.note(end.into_iter().collect());
        let Some(last) = stretch.links.last() else { return Ok(()) };
        seen.last = last.clone();
        seen.found |= stretch.links.iter().any(|link| Some(&link.hash) == seen.wanted.as_ref());
        seen.verified += (stretch.links.len() - stretch.breaks.len()) as u64;
        seen.note(stretch.breaks);
        let head = seam.db.read("audit.head", chain::head).await?;
        let all = head.map(|head| head.seq.unsigned_abs());
        progress.at(seen.verified, all, "entries are as they were sealed");
    }
}

/// Entries that the chain does not know, and that nobody would ever chain.
async fn find_unchained(seam: &Seam, seen: &mut Seen, progress: &dyn Progress) -> Result<()> {
    let (mut after, mut looked_at) = (None, 0);
    loop {
        let part = seam.db.read("audit.unchained", move |tx| chain::unchained(tx, after, STRETCH)).await?;
        seen.note(part.breaks);
        looked_at += part.looked_at;
        progress.at(looked_at, None, "entries are looked up in the chain");
        match part.last {
            Some(last) => after = Some(last),
            None => return find_removed(seam, seen).await,
        }
    }
}

/// Entries that were removed before they were chained: the note that they wait is still there.
async fn find_removed(seam: &Seam, seen: &mut Seen) -> Result<()> {
    let waiting = seam.db.read("audit.removed", |tx| chain::waiting(tx, STRETCH)).await?;
    let removed = waiting.into_iter().filter(|waiting| waiting.at.is_none());
    let text = "the entry was removed before it was sealed";
    let broken = |id| Break { what: "deleted", seq: None, entry: Some(id), text: text.to_owned() };
    seen.note(removed.map(|waiting| broken(waiting.id)).collect());
    Ok(())
}
