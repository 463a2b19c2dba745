//! Telling workers that there is something to do, so that polling is only a net.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// A bell for each topic. Rung after a commit that called [`crate::Tx::wake`]; on PostgreSQL also when another
/// node's commit did (`LISTEN`/`NOTIFY`).
#[derive(Clone, Default)]
pub struct Wake {
    bells: Arc<Mutex<BTreeMap<String, Arc<Notify>>>>,
}

impl Wake {
    /// The bell of `topic`. A ring that nobody waited for is kept for the next who waits.
    pub fn on(&self, topic: &str) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        bells.entry(topic.to_owned()).or_default().clone()
    }

    /// Rings every bell: when rings may have been missed, looking once too often is the safe side.
    pub(crate) fn ring_all(&self) {
        let bells = self.bells.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        bells.values().for_each(|bell| bell.notify_one());
    }

    /// Rings the bell of `topic`.
    pub fn ring(&self, topic: &str) {
        self.on(topic).notify_one();
    }
}
