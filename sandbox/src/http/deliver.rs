//! Sends webhooks as they fall due.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::http::Shared;
use crate::outbox::Delivery;

/// So many requests at once to each endpoint, so that one that hangs holds up no other; as Stripe does not flood an endpoint either.
const AT_ONCE: usize = 16;
/// Stripe publishes no time-out; its command line waits as long.
const TIME_OUT: Duration = Duration::from_secs(30);
/// The clock may be turned by other hands; so it is looked at again after a while.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Sends webhooks until `shutdown` resolves. What is under way then is sent again after [`Shared::load`].
pub async fn deliver_forever(shared: Arc<Shared>, http: reqwest::Client, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let mut lanes: BTreeMap<String, Arc<Semaphore>> = BTreeMap::new();
    let mut under_way = JoinSet::new();
    loop {
        let due = shared.lock().due_deliveries(&shared.cx());
        for delivery in due {
            let lane = lanes.entry(delivery.endpoint.clone());
            let lane = lane.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
            under_way.spawn(deliver(shared.clone(), http.clone(), lane, delivery));
        }
        let pause = shared.until_next_due();
        tokio::select! {
            () = &mut shutdown => return,
            () = shared.changed.notified() => {}
            () = tokio::time::sleep(pause) => {}
            Some(_) = under_way.join_next() => {}
        }
    }
}

async fn deliver(shared: Arc<Shared>, http: reqwest::Client, lane: Arc<Semaphore>, delivery: Delivery) {
    // The semaphore is never closed; if it were, sending without a permit would do no harm.
    let _permit = lane.acquire().await;
    let mut request = http.post(&delivery.url).timeout(TIME_OUT).body(delivery.body);
    for (name, value) in delivery.headers {
        request = request.header(name, value);
    }
    let status = match request.send().await {
        Ok(response) => Some(response.status().as_u16()),
        Err(error) => {
            tracing::warn!(event = %delivery.event, url = %delivery.url, %error, "webhook not delivered");
            None
        }
    };
    tracing::debug!(event = %delivery.event, kind = %delivery.kind, ?status, "webhook");
    shared.lock().delivery_result(delivery.id, status, &shared.cx());
}

impl Shared {
    fn until_next_due(&self) -> Duration {
        let sandbox = self.lock();
        let now = sandbox.now(&self.cx());
        sandbox.next_due().map_or(LONGEST_SLEEP, |due| due.since(now).min(LONGEST_SLEEP))
    }
}
