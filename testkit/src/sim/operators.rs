//! What people do in the middle of it all, through the runner as every door does.

use std::rc::Rc;

use kernel::Result;
use ops::{Receipt, Runner, Status};
use serde_json::{Value, json};

use super::scene::{COURSES, SKUS, operation};
use super::{Scene, acts};

pub(super) fn act(scene: &Rc<Scene>, node: usize) {
    let Some((name, input)) = decide(scene) else { return };
    let own = scene.clone();
    scene.spawn(node, "operator", async move {
        let shop = own.nodes[node].shop();
        let runner = Runner { db: shop.db.clone() };
        let asked = format!("{name} {input}");
        match operation(runner, name.to_owned(), input, shop.cx()).await {
            Ok(receipt) => {
                own.note(format!("{asked}: {:?}", receipt.status));
                it_is_audited(&own, &receipt);
            }
            Err(error) => {
                own.note(format!("{asked}: {error}"));
                own.must_be_no_bug(name, &error);
            }
        }
    });
}

/// I-12 and I-19: what an operator was told is done is in the audit log, once.
fn it_is_audited(scene: &Scene, receipt: &Receipt) {
    let Some(id) = receipt.audit_id else { return };
    let sql = "SELECT COUNT(*) FROM audit_logs WHERE id = $1 AND actor = 'simulation' AND reason IS NOT NULL";
    if receipt.status == Status::Applied && scene.look(move |tx| tx.count(sql, &[id.into()])) != 1 {
        scene.fail(format!("I-12: {} was applied and is not in the audit log", receipt.operation));
    }
}

fn decide(scene: &Scene) -> Option<(&'static str, Value)> {
    let chance = &scene.chance;
    let order = || acts::any_order(scene).map(|order| json!({ "order": order }));
    let dice =
        if scene.swarm.scarce { [4, 4, 4, 7, 3, 15][chance.below(6) as usize] } else { chance.below(20) };
    Some(match dice {
        0 | 1 => ("events.replay", json!({ "event": any_event(scene)? })),
        2 => ("reservations.confirm", json!({ "reservation": any_reservation(scene)? })),
        3 | 15 => ("reservations.release", json!({ "reservation": any_reservation(scene)? })),
        4 | 5 => ("inventory.adjust", adjustment(scene)),
        6 => ("orders.confirm", order()?),
        7 | 14 => ("orders.cancel", order()?),
        8 => ("orders.ship", order()?),
        9 => ("orders.review.flag", order()?),
        10 | 19 => ("orders.review.clear", order()?),
        16 | 17 => ("refunds.create", order()?),
        18 if chance.below(10) == 0 => ("refunds.mark", order()?),
        11 => {
            let order = if chance.below(3) == 0 { None } else { Some(acts::any_order(scene)?) };
            ("entitlements.grant", json!({ "user": profile(scene), "course": course(scene), "order": order }))
        }
        12 => ("entitlements.revoke", json!({ "user": profile(scene), "course": course(scene) })),
        _ => ("jobs.retry", json!({ "job": failed_jobs(scene).first()? })),
    })
}

/// Pieces that an order waits for come in small lots; else some come or go, or a shelf turns out to be empty.
fn adjustment(scene: &Scene) -> Value {
    let missed = "SELECT l.sku FROM orders o JOIN order_lines l ON l.order_id = o.id AND l.sku IS NOT NULL
                  WHERE o.waits_for = 'stock' LIMIT 1";
    let missed: Option<String> =
        scene.look(move |tx| tx.query_opt(missed, &[])?.map(|row| row.get("sku")).transpose());
    if let Some(sku) = missed {
        return json!({ "sku": sku, "change": 1 });
    }
    let sku = SKUS[scene.chance.below(2) as usize];
    let level = scene.look(move |tx| shop::inventory::level(tx, sku));
    let available = level.map_or(0, |level| level.available);
    let change = [-available, -available, -1, 1, 2, 3][scene.chance.below(6) as usize];
    json!({ "sku": sku, "change": change })
}

fn profile(scene: &Scene) -> String {
    scene.profiles[scene.chance.below(scene.profiles.len() as u64) as usize].to_string()
}

fn course(scene: &Scene) -> &'static str {
    COURSES[scene.chance.below(COURSES.len() as u64) as usize]
}

fn any_event(scene: &Scene) -> Option<String> {
    let account = scene.stripe();
    let events = account.events();
    let newest = events.len().min(60);
    let at = events.len() - newest + scene.chance.below(newest as u64) as usize;
    events.get(at).map(|event| event.id.clone())
}

fn any_reservation(scene: &Scene) -> Option<String> {
    let sql = "SELECT id FROM inventory_reservations ORDER BY id DESC LIMIT 16";
    let ids: Vec<shop::ids::ReservationId> =
        scene.look(move |tx| tx.query(sql, &[])?.iter().map(|row| row.get("id")).collect::<Result<_>>());
    ids.get(scene.chance.below(ids.len() as u64) as usize).map(ToString::to_string)
}

/// Jobs that wait for a person, as their ids are shown.
pub(super) fn failed_jobs(scene: &Scene) -> Vec<String> {
    let jobs: Vec<jobs::JobId> = scene.look(|tx| {
        jobs::list(tx, Some("failed"), None, 100)?.iter().map(|row| row.get("id")).collect::<Result<_>>()
    });
    jobs.iter().map(ToString::to_string).collect()
}
