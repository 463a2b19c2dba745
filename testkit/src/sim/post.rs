//! The way of a webhook from Stripe to a door: lost, doubled, overtaken, or the answer is lost on the way back.

use std::rc::Rc;
use std::sync::Arc;

use sandbox::Delivery;

use super::Scene;
use crate::stripe_double::{SandboxStripe, deliver};

/// One webhook on its way; when the node dies meanwhile, Stripe hears nothing.
struct Parcel {
    account: Arc<SandboxStripe>,
    id: u64,
    heard: Option<u16>,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let cx = self.account.cx();
        self.account.account().delivery_result(self.id, self.heard, &cx);
    }
}

/// What left Stripe goes into the bag of the post.
pub(super) fn collect(scene: &Scene) {
    let due = scene.stripe().due_deliveries(&scene.account.cx());
    scene.book.borrow_mut().post.extend(due);
}

/// Takes any webhook out of the bag and brings it to a node, or loses it.
pub(super) fn bring(scene: &Rc<Scene>, node: usize) {
    collect(scene);
    let delivery = {
        let mut book = scene.book.borrow_mut();
        let waiting = book.post.len() as u64;
        if waiting == 0 {
            return;
        }
        let at = scene.chance.below(waiting) as usize;
        book.post.swap_remove(at)
    };
    if scene.chance.below(1000) < scene.swarm.lost_delivery {
        scene.note(format!("{} {} is lost on its way", delivery.kind, delivery.event));
        let cx = scene.account.cx();
        return scene.stripe().delivery_result(delivery.id, None, &cx);
    }
    if scene.chance.below(1000) < scene.swarm.duplicate {
        scene.book.borrow_mut().post.push(delivery.clone());
    }
    // Made before the task: a node may die before it has read the first byte.
    let parcel = Parcel { account: scene.shared_account(), id: delivery.id, heard: None };
    scene.spawn(node, "webhook", handed(scene.clone(), node, delivery, parcel));
}

async fn handed(scene: Rc<Scene>, node: usize, delivery: Delivery, mut parcel: Parcel) {
    let shop = scene.nodes[node].shop();
    let status = deliver(&shop, &delivery, &scene.secrets).await;
    scene.note(format!("{} {} at node {node}: {status}", delivery.kind, delivery.event));
    match status {
        200 => acknowledged(&scene, &delivery.event),
        401 | 503 => {}
        other => scene.fail(format!("the door answered {other} to {}", delivery.event)),
    }
    let lost = scene.chance.below(1000) < scene.swarm.lost_delivery;
    parcel.heard = (!lost).then_some(status);
}

/// I-1: what was answered with 200 is stored, at that very moment.
fn acknowledged(scene: &Scene, event: &str) {
    scene.book.borrow_mut().acknowledged.insert(event.to_owned());
    let id = event.to_owned();
    if scene.look(move |tx| shop::inbox::find(tx, &id)).is_none() {
        scene.fail(format!("I-1: {event} was acknowledged and is not stored"));
    }
}
