//! The fate of each transaction and each call, and clocks that are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use db::{Fate, Faults};
use kernel::{Clock, Duration, FixedClock, Seeded, Timestamp};
use sandbox::Trouble;
use stripe::Call;

use super::Swarm;
use crate::stripe_double::{CallFate, CallFaults};

/// The troubles of one node. They can be ended, and begin never again.
pub(super) struct NodeChaos {
    swarm: Swarm,
    chance: Arc<Seeded>,
    over: AtomicBool,
}

impl NodeChaos {
    pub(super) fn new(swarm: Swarm, chance: Arc<Seeded>) -> Arc<Self> {
        Arc::new(NodeChaos { swarm, chance, over: AtomicBool::new(false) })
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Which of these, each with its rate in thousandths, strikes; mostly none.
    fn pick<T: Copy>(&self, rates: &[(u64, T)]) -> Option<T> {
        if self.over.load(Ordering::SeqCst) {
            return None;
        }
        let mut dice = self.chance.below(1000);
        rates.iter().find_map(|(rate, what)| match dice.checked_sub(*rate) {
            Some(rest) => {
                dice = rest;
                None
            }
            None => Some(*what),
        })
    }
}

impl Faults for NodeChaos {
    fn fate(&self, _: &'static str) -> Fate {
        let swarm = &self.swarm;
        self.pick(&[
            (swarm.refuse, Fate::Refuse),
            (swarm.lose_answer, Fate::LoseAnswer),
            (swarm.lose_both, Fate::LoseBoth),
        ])
        .unwrap_or(Fate::Commit)
    }
}

impl CallFaults for NodeChaos {
    fn fate(&self, call: &Call) -> CallFate {
        #[derive(Clone, Copy)]
        enum What {
            NotSent,
            LostCall,
            LostAnswer,
            Limited,
            Stored500,
            Unavailable,
        }
        let swarm = &self.swarm;
        let what = self.pick(&[
            (swarm.not_sent, What::NotSent),
            (swarm.lost_call, What::LostCall),
            (swarm.lost_answer, What::LostAnswer),
            (swarm.limited, What::Limited),
            (swarm.stored_500, What::Stored500),
            (swarm.unavailable, What::Unavailable),
        ]);
        let half = || self.chance.below(2) == 0;
        match what {
            None => CallFate::Answered,
            Some(What::NotSent) => CallFate::NotSent,
            Some(What::LostCall) => CallFate::Trouble(Trouble::TimeoutBeforeExecuting),
            Some(What::LostAnswer) => CallFate::Trouble(Trouble::TimeoutAfterExecuting),
            Some(What::Limited) => CallFate::Trouble(Trouble::RateLimit),
            Some(What::Stored500) => CallFate::Trouble(Trouble::Stored500 { execute: half() }),
            Some(What::Unavailable) if call.idempotency_key.is_some() && half() => {
                CallFate::Trouble(Trouble::InFlight)
            }
            Some(What::Unavailable) => CallFate::Trouble(Trouble::Unavailable),
        }
    }
}

/// A clock that is wrong by a constant.
pub(super) struct WrongClock {
    right: Arc<FixedClock>,
    ahead_micros: AtomicI64,
}

impl WrongClock {
    pub(super) fn new(right: Arc<FixedClock>, ahead_micros: i64) -> Arc<Self> {
        Arc::new(WrongClock { right, ahead_micros: AtomicI64::new(ahead_micros) })
    }
    /// The clock that is not wrong; Stripe's goes by it.
    pub(super) fn right(&self) -> Arc<FixedClock> {
        self.right.clone()
    }
    /// Somebody set it.
    pub(super) fn set(&self, ahead_micros: i64) {
        self.ahead_micros.store(ahead_micros, Ordering::SeqCst);
    }
}

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_micros.load(Ordering::SeqCst);
        let apart = Duration::from_micros(ahead.unsigned_abs());
        let now = self.right.now();
        if ahead < 0 { now - apart } else { now + apart }
    }
}
