//! Who calls at a node: buyers, and senders of signed webhooks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Clock, Seeded};
use makegood::clock::SystemClock;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use stripe::Secret;
use tokio::task::JoinSet;

use crate::stage::{ADMIN_TOKEN, SECRET, Stage};

/// The header with which Stripe would sign this body now.
pub fn signature(body: &str) -> String {
    stripe::sign(body.as_bytes(), &Secret::new(SECRET).expect("a secret"), SystemClock.now())
}

/// Sends a signed webhook; `None` when there was no answer.
pub async fn send_webhook(http: &Client, node: &str, body: &str) -> Option<u16> {
    let request = http.post(format!("{node}/webhooks/stripe")).header("stripe-signature", signature(body));
    let request = request.header("content-type", "application/json; charset=utf-8");
    let answer = request.body(body.to_owned()).send().await.ok()?;
    Some(answer.status().as_u16())
}

/// A basket of these products, for a guest or for a profile.
pub fn basket(items: &[(&str, i64)], profile: Option<&str>) -> Value {
    let items: Vec<Value> = items.iter().map(|(id, n)| json!({ "product": id, "quantity": n })).collect();
    json!({ "items": items, "email": "buyer@example.com", "profile_id": profile })
}

/// A checkout that a node has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its order.
    pub order: String,
    /// Its session at Stripe.
    pub session: String,
}

/// How a request for a checkout ended.
#[derive(Debug)]
pub enum Asked {
    /// There is a page where the buyer pays.
    Begun(Begun),
    /// The node said no: status and body.
    Refused(u16, Value),
    /// There was no answer.
    Nothing,
}

/// Asks a node for a checkout.
pub async fn check_out(http: &Client, node: &str, basket: &Value) -> Asked {
    let mut request = http.post(format!("{node}/api/v1/checkout/sessions")).json(basket);
    if !basket["profile_id"].is_null() {
        request = request.bearer_auth(ADMIN_TOKEN);
    }
    let Ok(answer) = request.send().await else { return Asked::Nothing };
    let status = answer.status().as_u16();
    match body(answer).await {
        Some(body) if (200..300).contains(&status) => Asked::Begun(begun(&body)),
        Some(body) => Asked::Refused(status, body),
        None => Asked::Nothing,
    }
}

/// As [`check_out`], where nothing but a page is expected.
pub async fn must_check_out(http: &Client, node: &str, basket: &Value) -> Begun {
    match check_out(http, node, basket).await {
        Asked::Begun(begun) => begun,
        other => panic!("no checkout: {other:?}"),
    }
}

async fn body(answer: Response) -> Option<Value> {
    let text = answer.text().await.ok()?;
    Some(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn begun(body: &Value) -> Begun {
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
    Begun { order: text("order_id"), session: text("id") }
}

/// Buyers and senders that never tire, whether a node is there or not, and remember what they were promised.
pub struct Crowd {
    remembered: Arc<Remembered>,
    tasks: JoinSet<()>,
}

/// What nodes have promised.
#[derive(Default)]
pub struct Remembered {
    acknowledged: Mutex<BTreeSet<String>>,
    paid: AtomicU64,
    stop: AtomicBool,
    counted: AtomicU64,
}

impl Remembered {
    /// Ids of events that were answered with 200.
    pub fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// How many sessions were begun and then paid.
    pub fn paid(&self) -> u64 {
        self.paid.load(Ordering::SeqCst)
    }
}

impl Crowd {
    /// Four buyers and three senders, each call at one of these nodes. They pause a little between two calls.
    pub fn gather(stage: &Arc<Stage>, nodes: &[String], profiles: Vec<String>, seed: u64) -> Crowd {
        let remembered = Arc::new(Remembered::default());
        let mut tasks = JoinSet::new();
        for n in 0..4 {
            let chance = Seeded::new(seed + n);
            tasks.spawn(buy(stage.clone(), nodes.to_vec(), profiles.clone(), remembered.clone(), chance));
        }
        for n in 0..3 {
            let chance = Seeded::new(seed + 100 + n);
            tasks.spawn(send(stage.clone(), nodes.to_vec(), remembered.clone(), chance));
        }
        Crowd { remembered, tasks }
    }

    /// They go home, each after the answer that it waits for.
    pub async fn leave(mut self) -> Arc<Remembered> {
        self.remembered.stop.store(true, Ordering::SeqCst);
        while let Some(gone) = self.tasks.join_next().await {
            gone.expect("nobody of the crowd panics");
        }
        self.remembered
    }
}

fn one_of<'a>(all: &'a [String], chance: &Seeded) -> &'a str {
    &all[chance.below(all.len() as u64) as usize]
}

async fn pause(chance: &Seeded) {
    tokio::time::sleep(Duration::from_millis(20 + chance.below(40))).await;
}

async fn buy(
    stage: Arc<Stage>,
    nodes: Vec<String>,
    profiles: Vec<String>,
    remembered: Arc<Remembered>,
    chance: Arc<Seeded>,
) {
    let baskets: [&[(&str, i64)]; 3] =
        [&[("rust-course", 1)], &[("mug", 2)], &[("rust-course", 1), ("mug", 1)]];
    while !remembered.stop.load(Ordering::SeqCst) {
        let items = baskets[chance.below(3) as usize];
        let profile = (chance.below(2) == 0).then(|| one_of(&profiles, &chance));
        let asked = check_out(&stage.http, one_of(&nodes, &chance), &basket(items, profile)).await;
        if let Asked::Begun(begun) = asked {
            stage.pay(&begun.session);
            remembered.paid.fetch_add(1, Ordering::SeqCst);
        }
        pause(&chance).await;
    }
}

/// Sends events that nobody else sends, and copies of events that Stripe sends too.
async fn send(stage: Arc<Stage>, nodes: Vec<String>, remembered: Arc<Remembered>, chance: Arc<Seeded>) {
    while !remembered.stop.load(Ordering::SeqCst) {
        let event = match chance.below(2) {
            0 => unheard_of(remembered.counted.fetch_add(1, Ordering::SeqCst)),
            _ => copy_of_one(&stage, &chance).unwrap_or_else(|| unheard_of(u64::MAX)),
        };
        let id = event["id"].as_str().unwrap().to_owned();
        let body = serde_json::to_string_pretty(&event).unwrap();
        if send_webhook(&stage.http, one_of(&nodes, &chance), &body).await == Some(200) {
            remembered.acknowledged.lock().unwrap().insert(id);
        }
        pause(&chance).await;
    }
}

/// An event that proves nothing to a shop, to be stored all the same.
pub fn unheard_of(n: u64) -> Value {
    json!({
        "id": format!("evt_extra_{n}"), "object": "event", "api_version": sandbox::API_VERSION, "created": 1_790_000_000,
        "livemode": false, "pending_webhooks": 1, "request": null, "type": "radar.rule.updated",
        "data": { "object": { "id": format!("rule_{n}"), "object": "radar.rule" } },
    })
}

fn copy_of_one(stage: &Stage, chance: &Seeded) -> Option<Value> {
    stage.stripe.with(|account, _| {
        let events = account.events();
        let newest = events.len().saturating_sub(1 + chance.below(50) as usize);
        events.get(newest).map(|event| event.to_json())
    })
}
