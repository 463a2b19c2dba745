//! One step of one stage: a page of objects at Stripe, or a few things here that Stripe is asked about one by one.
//!
//! Stripe is asked one call after another. When it does not answer, or limits our rate, the walk ends there.

use std::collections::BTreeSet;
use std::sync::Arc;

use db::{Tx, TxResult};
use kernel::{Cx, Duration, Error, Refusal, Result, Timestamp};
use ops::{Actor, By};
use serde_json::{Value, json};
use stripe::lookup::{Listed, Page, list_objects, retrieve_object};
use stripe::{Asked, CallError};

use super::compare::{self, Looked, Shown, in_words, plain};
use super::stage::Stage;
use super::store::{self, Count, Run};
use super::{Area, Cause, Finding, rooms};
use crate::fetch;
use crate::ids::{OrderId, RefundId};
use crate::inbox::look::take_in;
use crate::orders::{self, Foreseen, Order};
use crate::refunds;
use crate::seam::Seam;

/// What is younger than this may not be missed yet: Stripe's own news of it are on their way.
const YOUNG: Duration = Duration::from_secs(5 * 60);
/// Orders that are looked at in one read.
const ORDERS: i64 = 200;
/// Things that are asked for one by one before the place is written down.
const ONE_BY_ONE: i64 = 20;

/// Why a walk ends before its end.
#[derive(Debug)]
pub(super) enum Halt {
    /// Stripe does not answer now, in these words; later it may.
    NotNow(String),
    /// It went wrong.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

/// A step that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// What it has looked at.
    pub(super) count: Count,
    /// Where the next one begins.
    pub(super) place: Option<String>,
    /// Whether there is no next one.
    pub(super) done: bool,
}

/// A run at work.
pub(super) struct Walk<'a> {
    pub(super) seam: &'a Seam,
    pub(super) run: Arc<Run>,
    /// Whether what is safe is mended.
    pub(super) applies: bool,
    /// As whom operations are run.
    pub(super) by: By,
    /// What the lists have shown in this process of all that is not decided; it need not be asked for again.
    pub(super) shown: BTreeSet<String>,
}

impl Walk<'_> {
    /// Goes on with `stage` behind `place`.
    pub(super) async fn step(&mut self, stage: Stage, place: Option<&str>) -> Result<Step, Halt> {
        if let Some(listed) = stage.listed() {
            return self.list(listed, place).await;
        }
        if let Some(kinds) = stage.unfinished() {
            return self.ask_unfinished(kinds, place).await;
        }
        match stage {
            Stage::RefundsAsked => self.ask_refunds(place).await,
            Stage::OrdersWaiting => self.ask_orders(place).await,
            Stage::OrdersSettled => self.settle(place).await,
            _ => self.check(stage.area()).await,
        }
    }

    fn young_from(&self) -> Timestamp {
        self.seam.now() - YOUNG
    }

    async fn list(&mut self, listed: Listed, place: Option<&str>) -> Result<Step, Halt> {
        let (asked, young_from) = (fetch::question(self.seam).await?, self.young_from());
        let answer = self.seam.stripe.call(list_objects(listed, self.run.since, place)).await;
        let list = answer.map_err(|error| halted(error, place))?;
        let page = Page::read(&list).map_err(|e| Error::Bug(Box::new(e)))?;
        let mut shown = Vec::with_capacity(page.items.len());
        for item in page.items {
            shown.push(self.whole(item.clone(), asked).await?);
        }
        let last = shown.last().map(|shown| shown.id.clone());
        let done = !page.more || last.is_none();
        Ok(Step { count: self.compare(shown, Some(young_from)).await?, place: last, done })
    }

    /// Facts of which an end is expected, and which the lists have not shown.
    async fn ask_unfinished(
        &mut self,
        kinds: &'static [&'static str],
        place: Option<&str>,
    ) -> Result<Step, Halt> {
        let after = place.map(str::to_owned);
        let open = self.seam.db.read("reconcile.unfinished", move |tx| {
            orders::unfinished_facts(tx, kinds, after.as_deref(), ONE_BY_ONE)
        });
        let open = open.await?;
        let mut step = Step { done: (open.len() as i64) < ONE_BY_ONE, ..Step::default() };
        for known in open {
            let object = known.fact.object_id().to_owned();
            if !self.shown.contains(&object) {
                self.ask_for(&object, Some(known.order), &mut step.count).await?;
            }
            step.place = Some(object);
        }
        Ok(step)
    }

    /// Refunds that were asked for here: their payments say what became of them.
    async fn ask_refunds(&mut self, place: Option<&str>) -> Result<Step, Halt> {
        let (before, after) = (self.young_from(), parsed::<RefundId>(place)?);
        let open = self
            .seam
            .db
            .read("reconcile.refunds", move |tx| refunds::unanswered_before(tx, before, after, ONE_BY_ONE));
        let open = open.await?;
        let mut step = Step { done: (open.len() as i64) < ONE_BY_ONE, ..Step::default() };
        for refund in open {
            if !refund.stripe_refund.as_ref().is_some_and(|id| self.shown.contains(id)) {
                self.ask_for(&refund.payment_intent, Some(refund.order), &mut step.count).await?;
            }
            step.place = Some(refund.id.to_string());
        }
        Ok(step)
    }

    /// Orders that wait for a payment: their sessions, or else their payments, say whether it comes.
    async fn ask_orders(&mut self, place: Option<&str>) -> Result<Step, Halt> {
        let (before, after) = (self.young_from(), parsed::<OrderId>(place)?);
        let waiting = self
            .seam
            .db
            .read("reconcile.waiting", move |tx| orders::undecided(tx, after, before, ONE_BY_ONE))
            .await?;
        let mut step = Step { done: (waiting.len() as i64) < ONE_BY_ONE, ..Step::default() };
        for order in waiting {
            let object = order.session.as_ref().or(order.payment_intent.as_ref());
            if let (Some(object), false) = (object, self.shown.contains(&order.id.to_string())) {
                self.ask_for(object, Some(order.id), &mut step.count).await?;
            }
            step.place = Some(order.id.to_string());
        }
        Ok(step)
    }

    /// Fetches one object and compares it. One that Stripe does not have is a finding when an order of ours waits for it.
    pub(super) async fn ask_for(
        &mut self,
        object: &str,
        order: Option<OrderId>,
        count: &mut Count,
    ) -> Result<(), Halt> {
        let Some(call) = retrieve_object(object) else { return Ok(()) };
        let asked = fetch::question(self.seam).await?;
        match fetch::object(self.seam, object, call).await {
            Ok(seen) => {
                let shown = self.whole(seen, asked).await?;
                let seen = self.compare(vec![shown], None).await?;
                count.looked_at += seen.looked_at;
                count.strange += seen.strange;
                Ok(())
            }
            Err(Error::NotFound { .. }) if order.is_none() && !self.is_known(object).await? => {
                Err(Halt::Failed(Error::not_found("object, here or at Stripe,", object)))
            }
            Err(Error::NotFound { .. }) => {
                let text = format!("{object} is known here, and Stripe has no such object");
                let finding = plain(Cause::NotAtStripe, object.to_owned(), order, text);
                Ok(self.record(vec![finding.with(json!({ "asked_at": asked.at }), Vec::new())]).await?)
            }
            Err(Error::Busy(why) | Error::Unknown(why)) => Err(Halt::NotNow(why)),
            Err(error) => Err(Halt::Failed(error)),
        }
    }

    /// Whether anything here speaks of this object.
    async fn is_known(&self, object: &str) -> Result<bool> {
        let object = object.to_owned();
        let known = move |tx: &mut Tx<'_>| {
            Ok(orders::fact(tx, &object)?.is_some()
                || orders::find_by_session(tx, &object)?.is_some()
                || orders::find_by_intent(tx, &object)?.is_some()
                || refunds::by_stripe_id(tx, &object)?.is_some())
        };
        self.seam.db.read("reconcile.known", known).await
    }

    /// An object with the disputes of the charges in it: what it brings and what a bank has taken of it are learned at once.
    /// A session is seen with all of its lines.
    async fn whole(&self, mut object: Value, asked: Asked) -> Result<Shown, Halt> {
        let all = async {
            fetch::all_lines(self.seam, &mut object).await?;
            fetch::disputes(self.seam, &object, asked).await
        };
        match all.await {
            Ok(disputes) => Ok(Shown::read(&object, asked).with(disputes)),
            Err(Error::Busy(why) | Error::Unknown(why)) => Err(Halt::NotNow(why)),
            Err(error) => Err(Halt::Failed(error)),
        }
    }

    /// Compares objects, writes down what differs, and lets the orders learn it where that is wanted.
    async fn compare(&mut self, all: Vec<Shown>, young_from: Option<Timestamp>) -> Result<Count> {
        let (cx, all) = (self.seam.cx(), Arc::new(all));
        let objects = all.clone();
        let looked = self
            .seam
            .db
            .read("reconcile.look", move |tx| compare::look(tx, &cx, &objects, young_from))
            .await?;
        let mut count = Count { looked_at: all.len() as i64, ..Count::default() };
        let mut found = Vec::new();
        for (shown, looked) in all.iter().zip(looked) {
            match looked {
                Looked::Foreign => count.strange += 1,
                Looked::Young => count.young += 1,
                Looked::Stray(finding) => found.push(*finding),
                Looked::Sold(_) if self.applies => self.learn(shown.clone()).await?,
                Looked::Sold(finding) => found.push(*finding),
                Looked::Ours { order, undecided, unfinished, findings } => {
                    self.shown.extend(unfinished);
                    self.shown.extend(undecided.then(|| order.to_string()));
                    match findings.is_empty() {
                        true => {}
                        false if self.applies => self.learn(shown.clone()).await?,
                        false => found.extend(findings),
                    }
                }
            }
        }
        self.record(found).await?;
        Ok(count)
    }

    /// Lets its order learn what an object proves, and looks whether that was all.
    async fn learn(&self, shown: Shown) -> Result<()> {
        let (cx, run) = (self.seam.cx(), self.run.clone());
        self.seam
            .db
            .write("reconcile.learn", move |tx| {
                store::hold(tx, cx.now, &run)?;
                let findings = differing(tx, &cx, &shown)?;
                if let (false, Some(proof)) = (findings.is_empty(), shown.clone().into_proof()) {
                    take_in(tx, &cx, &proof, &cause())?;
                }
                let rest = differing(tx, &cx, &shown)?;
                let gone = |f: &Finding| !rest.iter().any(|r| (r.cause, &r.subject) == (f.cause, &f.subject));
                let findings: Vec<Finding> =
                    findings.into_iter().map(|f| Finding { applied: gone(&f), ..f }).collect();
                store::add(tx, &cx, &run, &findings)
            })
            .await
            .safe_to_repeat()
    }

    async fn record(&self, findings: Vec<Finding>) -> Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        let (cx, run) = (self.seam.cx(), self.run.clone());
        self.seam
            .db
            .write("reconcile.found", move |tx| {
                store::hold(tx, cx.now, &run)?;
                store::add(tx, &cx, &run, &findings)
            })
            .await
            .safe_to_repeat()
    }

    /// Orders that are not what is known of them already.
    async fn settle(&mut self, place: Option<&str>) -> Result<Step, Halt> {
        let (cx, since, before) = (self.seam.cx(), self.run.since, parsed::<OrderId>(place)?);
        let page = self
            .seam
            .db
            .read("reconcile.unsettled", move |tx| orders::unsettled(tx, &cx, before, since, ORDERS));
        let page = page.await?;
        for order in page.found.iter().map(|seen| seen.now.id) {
            self.settle_one(order).await?;
        }
        Ok(Step {
            count: Count { looked_at: page.looked_at as i64, ..Count::default() },
            place: page.last.map(|order| order.to_string()),
            done: page.last.is_none(),
        })
    }

    /// Looks whether an order is what is known of it; settles it where that is wanted.
    pub(super) async fn settle_one(&self, order: OrderId) -> Result<()> {
        let (cx, run, applies) = (self.seam.cx(), self.run.clone(), self.applies);
        self.seam
            .db
            .write("reconcile.settle", move |tx| {
                store::hold(tx, cx.now, &run)?;
                let Some(seen) = unsettled(tx, &cx, order)? else { return Ok(()) };
                if applies {
                    orders::settle(tx, &cx, &[order], &cause())?;
                }
                let applied = applies && unsettled(tx, &cx, order)?.is_none();
                store::add(tx, &cx, &run, &[Finding { applied, ..not_settled(&seen) }])
            })
            .await
            .safe_to_repeat()
    }

    /// The checks of an area. A check finds a few hundred at most, so what is mended makes room for more.
    async fn check(&mut self, area: Area) -> Result<Step, Halt> {
        let db = &self.seam.db;
        loop {
            let mut mended = 0;
            let mut found = rooms::look(db, area, &self.by, &self.seam.cx()).await?;
            if self.applies {
                for finding in &mut found {
                    *finding = rooms::mend(db, finding.clone(), &self.by, &self.seam.cx()).await?;
                    mended += usize::from(finding.applied);
                }
            }
            self.record(found).await?;
            if mended == 0 {
                return Ok(Step { done: true, ..Step::default() });
            }
        }
    }

    /// Everything about one order, or one object at Stripe.
    pub(super) async fn one(&mut self, id: &str, count: &mut Count) -> Result<(), Halt> {
        let Ok(order) = id.parse::<OrderId>() else {
            return self.ask_for(id, None, count).await;
        };
        let objects = self.seam.db.read("reconcile.order", move |tx| {
            let found = orders::find(tx, order)?.ok_or_else(|| Error::not_found("order", order))?;
            Ok(objects_of(&found, &orders::facts_of(tx, order)?))
        });
        for object in objects.await? {
            self.ask_for(&object, Some(order), count).await?;
        }
        self.settle_one(order).await?;
        count.looked_at += 1;
        Ok(())
    }
}

/// What Stripe is asked about an order: its session, its payments, and what came after them. A payment shows its charge and
/// that charge's refunds.
fn objects_of(order: &Order, known: &[orders::KnownFact]) -> BTreeSet<String> {
    let late = known.iter().filter_map(|known| {
        let id = known.fact.object_id();
        let whole = matches!(known.fact, stripe::Fact::Charge(_) | stripe::Fact::Refund(_));
        (!whole || order.payment_intent.is_none()).then(|| id.to_owned())
    });
    late.chain(order.session.clone()).chain(order.payment_intent.clone()).collect()
}

fn differing(tx: &mut Tx<'_>, cx: &Cx, shown: &Shown) -> Result<Vec<Finding>> {
    let looked = compare::look(tx, cx, std::slice::from_ref(shown), None)?;
    Ok(looked
        .into_iter()
        .flat_map(|looked| match looked {
            Looked::Ours { findings, .. } => findings,
            Looked::Sold(finding) => vec![*finding],
            Looked::Foreign | Looked::Young | Looked::Stray(_) => Vec::new(),
        })
        .collect())
}

fn unsettled(tx: &mut Tx<'_>, cx: &Cx, order: OrderId) -> Result<Option<Foreseen>> {
    let seen = orders::foresee(tx, cx, &[(order, &[])])?;
    Ok(seen.into_iter().find(Foreseen::is_unsettled))
}

fn not_settled(seen: &Foreseen) -> Finding {
    let order = seen.now.id;
    let (plan, id) = (seen.changes(), order.to_string());
    let mend = ops::Mend {
        operation: super::ops::NAME,
        input: json!({ "only": order, "apply": true }),
        command: format!("makegood reconcile --only {order} --apply"),
    };
    let evidence =
        json!({ "order_status": seen.now.state.status(), "payment_status": seen.now.payment_status });
    Finding { mend: Some(mend), safe: true, ..plain(Cause::NotSettled, id, Some(order), in_words(&plan)) }
        .with(evidence, plan)
}

/// Whose doing it is, on timelines and in the audit log. Who asked for it stands in the entry of the run.
pub(super) fn cause() -> Actor {
    Actor::system("reconcile")
}

fn parsed<T: std::str::FromStr>(place: Option<&str>) -> Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    place.map(|text| text.parse().map_err(|e: T::Err| Error::Bug(Box::new(e)))).transpose()
}

fn halted(error: CallError, place: Option<&str>) -> Halt {
    match error {
        CallError::Refused(error) if place.is_some() && error.param.as_deref() == Some("starting_after") => {
            let why = format!("Stripe does not know {} any more: {error}", place.unwrap_or_default());
            let refusal = Refusal::new("reconcile_place_lost", why).fix("begin anew: add --from-start");
            Halt::Failed(refusal.into())
        }
        error => match Error::from(error) {
            Error::Busy(why) | Error::Unknown(why) => Halt::NotNow(why),
            error => Halt::Failed(error),
        },
    }
}
