//! Stripe with somebody in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::Seeded;
use serde_json::Value;
use shop::{Settings, Shop};
use stripe::client::Answer;
use stripe::{Call, CallError, Stripe};
use testkit::World;
use testkit::stripe_double::SandboxStripe;
use tokio::sync::Notify;

type Before = dyn Fn(&Call) -> Result<(), CallError> + Send + Sync;
type After = dyn Fn(&Call, &mut Value) + Send + Sync;

/// Something happens before a call arrives, or before its answer does.
pub struct Meddled {
    stripe: Arc<SandboxStripe>,
    before: Box<Before>,
    after: Box<After>,
}

impl Meddled {
    /// Each call asks `before` whether it may go.
    pub fn before(
        world: &World,
        before: impl Fn(&Call) -> Result<(), CallError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let stripe = world.stripe.clone();
        Arc::new(Meddled { stripe, before: Box::new(before), after: Box::new(|_, _| {}) })
    }

    /// Each answer is seen by `after` before it arrives.
    pub fn after(world: &World, after: impl Fn(&Call, &mut Value) + Send + Sync + 'static) -> Arc<Self> {
        let stripe = world.stripe.clone();
        Arc::new(Meddled { stripe, before: Box::new(|_| Ok(())), after: Box::new(after) })
    }
}

impl Stripe for Meddled {
    fn call(&self, call: Call) -> Answer<'_> {
        Box::pin(async move {
            (self.before)(&call)?;
            let mut answer = self.stripe.call(call.clone()).await?;
            (self.after)(&call, &mut answer);
            Ok(answer)
        })
    }
}

/// A call that came waits until it is let through.
pub struct Gate {
    stripe: Arc<SandboxStripe>,
    /// Rings when a call has come.
    pub came: Notify,
    /// Lets one call through.
    pub open: Notify,
}

impl Gate {
    /// In front of the world's Stripe.
    pub fn new(world: &World) -> Arc<Self> {
        Arc::new(Gate { stripe: world.stripe.clone(), came: Notify::new(), open: Notify::new() })
    }
}

impl Stripe for Gate {
    fn call(&self, call: Call) -> Answer<'_> {
        Box::pin(async move {
            self.came.notify_one();
            self.open.notified().await;
            self.stripe.call(call).await
        })
    }
}

/// The shop of this world as a node with another Stripe sees it.
pub fn shop_with(world: &World, stripe: Arc<dyn Stripe>) -> Shop {
    shop_as(world, stripe, world.shop.settings.clone())
}

/// The same, set otherwise.
pub fn shop_as(world: &World, stripe: Arc<dyn Stripe>, settings: Settings) -> Shop {
    // Each node has chance of its own, or two would give the same ids.
    static NODE: AtomicU64 = AtomicU64::new(1_000);
    let entropy = Seeded::new(NODE.fetch_add(1, Ordering::Relaxed));
    Shop::new(world.shop.db.clone(), stripe, settings, world.clock.clone(), entropy)
}
