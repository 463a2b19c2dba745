//! Reads the facts about a subject, in one place: rows first, then what only Stripe knows.

use std::collections::BTreeSet;

use db::Tx;
use kernel::{Error, Result};
use ops::{About, By, Done, Finding, Progress, Reads, Task};
use serde_json::Value;
use stripe::Fact;

use super::facts::{Diagnosis, Difference, Facts, JobSeen, Missing, SecretSeen};
use super::{Runbook, tasks::On};
use crate::around::is_wrong;
use crate::cases::{Key, orders_behind, verdict_on};
use crate::content::Fault;
use crate::ids::{OrderId, ResourceId};
use crate::inbox::tasks::FindGaps;
use crate::inventory::Books;
use crate::office::doctor::Doctor;
use crate::orders::Order;
use crate::reconcile::ops::Reconcile;
use crate::switches::Switch;
use crate::{checkout, content, entitlements, inbox, inventory, media, orders, refunds, switches};

/// Whatever is wrong, not one thing: for runbooks about the shop as a whole.
pub(super) const ALL: &str = "all";
/// Back to when Stripe's list of events is read.
const SINCE: &str = "24h";
/// So many missing events are named.
const NAMED: usize = 5;

/// Everything about a subject that the runbook picks its cause by.
pub(super) async fn gather<C: On>(
    on: &C,
    runbook: &'static Runbook,
    asked: &str,
    order: Option<OrderId>,
    by: &By,
    progress: &dyn Progress,
) -> Result<Facts> {
    let seam = &**on;
    if runbook.reads == Reads::Surroundings {
        return surroundings(on, runbook, asked, progress).await;
    }
    let key = Key::parse("subject", asked)?;
    progress.at(0, None, "what is here is gathered");
    let mut facts = rows(on, runbook, &key, asked, order).await?;
    match runbook.reads {
        Reads::Rows | Reads::Surroundings => {}
        Reads::Case => facts.case = Some(verdict_on(seam, asked, None, progress).await?.1),
        Reads::Content => facts.content = content(on, asked, &facts, progress).await?,
        Reads::Secrets => facts.secrets = secrets(on, asked),
        Reads::Events => facts.missing = Some(missing(on, by, progress).await?),
        Reads::Unread => {
            if let Some(object) = unread(&facts) {
                progress.at(1, None, "Stripe's object is looked at");
                match compare(on, &object, by, progress).await {
                    Ok((differs, not_compared)) => {
                        facts.compared = not_compared.is_none().then_some(object);
                        (facts.differs, facts.not_compared) = (differs, not_compared);
                    }
                    // Stripe has no such object: then nothing of it can differ.
                    Err(Error::NotFound { .. }) => facts.compared = Some(object),
                    Err(error) => facts.not_compared = Some(error.to_string()),
                }
            }
        }
        Reads::Stripe => {
            let only = facts.order.as_ref().map(|order| order.id.to_string()).or_else(|| object(&key));
            if let Some(only) = only {
                progress.at(1, None, "Stripe's objects are looked at");
                let (differs, not_compared) = compare(on, &only, by, progress).await?;
                let named = differs.iter().find_map(|difference| difference.order);
                if let (None, Some(order)) = (&facts.order, named) {
                    facts = rows(on, runbook, &key, asked, Some(order)).await?;
                }
                (facts.differs, facts.not_compared) = (differs, not_compared);
            }
        }
    }
    let is_known = match &runbook.about {
        About::Order => facts.order.is_some() || !facts.differs.is_empty() || facts.stock.is_some(),
        About::Other(knows) => knows(&facts),
    };
    match is_known || !facts.findings.is_empty() {
        true => Ok(facts),
        false if facts.order.is_some() => Err(Error::invalid(
            "subject",
            format!("`{asked}` is known, but {} is about something else: {}", runbook.id, runbook.subject),
        )),
        false => Err(Error::not_found("trace of", asked)),
    }
}

/// The object of an event that lacks a field which is needed.
fn unread(facts: &Facts) -> Option<String> {
    let event = facts.event.as_ref().filter(|event| event.is_unreadable())?;
    event.object_id.clone()
}

/// What is not as it must be: of one file, of a course, of what an order holds, or of everything.
async fn content<C: On>(
    on: &C,
    asked: &str,
    facts: &Facts,
    progress: &dyn Progress,
) -> Result<Option<Vec<Fault>>> {
    if asked == ALL {
        return content::look(on, None, progress).await.map(|(_, faults)| Some(faults));
    }
    let file: Option<ResourceId> = asked.parse().ok();
    let named = facts.order.iter().flat_map(|order| order.lines.iter().map(|line| line.product_id.clone()));
    let named: Vec<String> = named.chain([asked.to_owned()]).collect();
    let products = on.db.read("runbooks.content", move |tx| {
        let mut products = Vec::new();
        if let Some(file) = file {
            products.extend(content::resource(tx, file)?.map(|file| file.product));
        }
        for id in &named {
            products.extend(content::course(tx, id)?.map(|course| course.id));
        }
        Ok(products)
    });
    let products = products.await?;
    let mut all = Vec::new();
    for product in &products {
        all.extend(content::look(on, Some(product), progress).await?.1);
    }
    all.retain(|fault| file.is_none() || fault.subject == asked);
    Ok((!products.is_empty()).then_some(all))
}

fn object(key: &Key) -> Option<String> {
    match key {
        Key::Object(_, id) => Some(id.clone()),
        _ => None,
    }
}

async fn rows<C: On>(
    on: &C,
    runbook: &'static Runbook,
    key: &Key,
    asked: &str,
    order: Option<OrderId>,
) -> Result<Facts> {
    let (key, asked, now) = (key.clone(), asked.to_owned(), on.now());
    on.db
        .read("runbooks.facts", move |tx| {
            let order = match order {
                Some(order) => Some(order),
                None => orders_behind(tx, &key)?.into_iter().next(),
            };
            let mut facts = Facts::empty(&asked, now);
            if let Some(order) = order.map(|id| orders::find(tx, id)).transpose()?.flatten() {
                of_order(tx, order, &mut facts)?;
            }
            match &key {
                Key::Event(id) => facts.event = inbox::find(tx, id)?,
                Key::Job(id) => facts.job = jobs::find(tx, *id)?.as_ref().map(job).transpose()?,
                _ => {}
            }
            if runbook.checks.contains(&"stock_differs_from_ledger") {
                facts.stock = books(tx, &asked, facts.order.as_ref())?;
            }
            facts.delivery = Some(switches::find(tx, Switch::Downloads)?);
            facts.switch = switches::all(tx)?.into_iter().find(|position| position.name.as_str() == asked);
            facts.findings = findings(tx, runbook, &facts)?;
            facts.picture = media::newest(tx, &subject_of(&facts, &asked))?;
            if let Key::Token(id) = &key {
                facts.token = ops::find_token(tx, *id)?;
            }
            if facts.order.is_none() {
                let named =
                    facts.findings.iter().find_map(|found| found.mend.as_ref()?.input["order"].as_str());
                let named: Option<OrderId> = named.and_then(|id| id.parse().ok());
                if let Some(order) = named.map(|id| orders::find(tx, id)).transpose()?.flatten() {
                    of_order(tx, order, &mut facts)?;
                }
            }
            Ok(facts)
        })
        .await
}

/// The books of the sku that was asked about; of what the order holds, those that do not agree first.
fn books(tx: &mut Tx<'_>, asked: &str, order: Option<&Order>) -> Result<Option<(String, Books)>> {
    if let Some(books) = inventory::books(tx, asked)? {
        return Ok(Some((asked.to_owned(), books)));
    }
    let mut all = Vec::new();
    for sku in order.into_iter().flat_map(|order| &order.lines).filter_map(|line| line.sku.clone()) {
        all.extend(inventory::books(tx, &sku)?.map(|books| (sku, books)));
    }
    all.sort_by_key(|(_, books)| books.agree());
    Ok(all.into_iter().next())
}

/// What was asked about; of everything, what was found first.
fn subject_of(facts: &Facts, asked: &str) -> String {
    let first = facts.findings.first().filter(|_| asked == ALL);
    first.map_or_else(|| asked.to_owned(), |found| found.subject.clone())
}

fn of_order(tx: &mut Tx<'_>, order: Order, facts: &mut Facts) -> Result<()> {
    let id = order.id;
    let timeline = orders::timeline(tx, id)?;
    let told = timeline.iter().filter(|entry| entry.kind == "payment_succeeded");
    facts.told_intent =
        told.filter_map(|entry| entry.meta["paymentIntentId"].as_str()).next_back().map(str::to_owned);
    facts.page_until = checkout::find(tx, id)?.map(|checkout| checkout.expires_at);
    facts.refund = refunds::of_order(tx, id)?.into_iter().next_back();
    facts.disputes = orders::facts_of(tx, id)?
        .into_iter()
        .filter_map(|known| match known.fact {
            Fact::Dispute(dispute) => Some(dispute),
            _ => None,
        })
        .collect();
    facts.grants = entitlements::grants_of_order(tx, id)?;
    facts.reservations = inventory::reservations_of(tx, id)?;
    facts.order = Some(order);
    Ok(())
}

fn job(row: &db::Row) -> Result<JobSeen> {
    Ok(JobSeen {
        id: row.get::<jobs::JobId>("id")?.to_string(),
        kind: row.get("kind")?,
        status: row.get("status")?,
        attempts: row.get("attempts")?,
        last_error: row.get("last_error")?,
    })
}

/// What the runbook's checks find of the subject, or of anything that belongs to its order.
fn findings(tx: &mut Tx<'_>, runbook: &Runbook, facts: &Facts) -> Result<Vec<Finding>> {
    let mut ids: BTreeSet<String> = BTreeSet::from([facts.asked.clone()]);
    ids.extend(facts.order.iter().map(|order| order.id.to_string()));
    ids.extend(facts.reservations.iter().map(|held| held.id.to_string()));
    ids.extend(facts.refund.iter().map(|refund| refund.id.to_string()));
    ids.extend(facts.disputes.iter().map(|dispute| dispute.id.clone()));
    ids.extend(facts.grants.iter().map(|grant| grant.entitlement.to_string()));
    let mut all = Vec::new();
    for check in crate::checks().iter().filter(|check| runbook.checks.contains(&check.name)) {
        let is_ours = |found: &Finding| facts.asked == ALL || ids.contains(&found.subject);
        all.extend(check.run_about(tx, facts.now, is_ours)?);
    }
    Ok(all)
}

/// What is wrong around the shop, or at the one thing that was asked about. No row is read: the database may be what is wrong.
async fn surroundings<C: On>(
    on: &C,
    runbook: &'static Runbook,
    asked: &str,
    progress: &dyn Progress,
) -> Result<Facts> {
    let look = runbook.looks.first().ok_or_else(|| Error::bug(format!("{} looks at nothing", runbook.id)))?;
    let doctor: Doctor = serde_json::from_str(look.input).map_err(|e| Error::Bug(Box::new(e)))?;
    let rows = on.around.examine(&doctor.parts(), progress).await?;
    let of = |name: &str| rows.iter().filter(|row| row["id"] == name).count();
    if asked != ALL && of(asked) == 0 {
        return Err(Error::not_found("trace of", asked));
    }
    let ours = |row: &&Value| {
        let id = row["id"].as_str().unwrap_or_default();
        (asked == ALL || id == asked) && look.wants(id)
    };
    let mut all: Vec<Diagnosis> = rows.iter().filter(ours).filter_map(diagnosis).collect();
    all.sort_by_key(|found| !found.is_error);
    let unseen = rows.iter().filter(ours).filter(|row| row["looked"] == false);
    let told = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        format!("{}: {}", text("id"), text("seen").trim_start_matches("not looked at: "))
    };
    let not_looked_at = unseen.map(told).collect();
    Ok(Facts { not_looked_at, ..Facts::around(asked, on.now(), all) })
}

/// None where it is as it must be.
fn diagnosis(row: &Value) -> Option<Diagnosis> {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    is_wrong(row).then(|| Diagnosis {
        id: text("id"),
        is_error: row["severity"] == "error",
        seen: text("seen"),
        fix: text("fix"),
    })
}

/// The secret that was asked about, or all of them; one of each name, as the process around the shop tells them.
fn secrets<C: On>(on: &C, asked: &str) -> Vec<SecretSeen> {
    let mut all: Vec<SecretSeen> = on.around.secrets().iter().map(secret).collect();
    all.dedup_by(|one, before| one.name == before.name);
    all.retain(|secret| asked == ALL || asked.eq_ignore_ascii_case(&secret.name));
    all
}

fn secret(row: &Value) -> SecretSeen {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    SecretSeen {
        name: text("name").unwrap_or_default(),
        source: text("source").unwrap_or_default(),
        changes: row["changes"] == true,
        trouble: text("trouble"),
        unmatched: text("unmatched"),
    }
}

/// What Stripe's objects show otherwise, and why the comparison did not come to its end, if it did not.
async fn compare<C: On>(
    on: &C,
    only: &str,
    by: &By,
    progress: &dyn Progress,
) -> Result<(Vec<Difference>, Option<String>)> {
    let task = Reconcile { only: Some(only.to_owned()), ..Reconcile::default() };
    let done: Done = Task::<C>::run(&task, on, by, progress).await?;
    let rows = done.answer["data"].as_array().cloned().unwrap_or_default();
    let stopped = done.answer["stopped_by"].as_str().map(str::to_owned);
    Ok((rows.iter().filter(|row| row["cause"] != "not_finished").map(difference).collect(), stopped))
}

fn difference(row: &Value) -> Difference {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    Difference {
        cause: text("cause"),
        subject: text("subject"),
        text: text("text"),
        order: row["order"].as_str().and_then(|id| id.parse().ok()),
    }
}

async fn missing<C: On>(on: &C, by: &By, progress: &dyn Progress) -> Result<Missing> {
    let task = FindGaps { since: SINCE.to_owned() };
    let done = Task::<C>::run(&task, on, by, progress).await?;
    let rows = done.answer["data"].as_array().cloned().unwrap_or_default();
    let newest = rows.iter().filter_map(|row| row["id"].as_str()).take(NAMED).map(str::to_owned);
    Ok(Missing { count: done.findings.unwrap_or_default(), since: SINCE, newest: newest.collect() })
}
