//! The first layer of simulation: the real rooms of the shop on two nodes, a Stripe in this process, buyers,
//! operators and a post office; every decision of the run is drawn from one seed, on one thread, without a clock.
//!
//! A **step** is one poll of one task. Between two steps anything may happen that the seed's [`Swarm`] allows: a node
//! dies with all it was doing, a worker stands still until its lease is over, the answer to a COMMIT or to a call to
//! Stripe is lost, webhooks come twice, late or not at all, a clock is wrong. After the steps the faults stop,
//! everything drains, and the invariants of a shop at rest are checked; then every event is replayed and nothing may
//! change.

mod acts;
mod chaos;
mod dump;
mod invariants;
mod money_back;
mod operators;
mod post;
mod quiet;
mod scene;
mod swarm;
mod trace;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use dump::dump;
pub use scene::{Node, Scene, now};
pub use swarm::Swarm;

/// How long one run is and what it keeps.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Steps before the faults stop.
    pub steps: u64,
    /// Keep every line of the trace, not only the last forty.
    pub traced: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { steps: 4_000, traced: false }
    }
}

/// What happened in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// From which seed.
    pub seed: u64,
    /// Polls, those of the drain included.
    pub steps: u64,
    /// Orders at the end, by status.
    pub orders: std::collections::BTreeMap<String, u64>,
    /// What their timelines say, and how often; what an order waited for stands after `held`.
    pub told: std::collections::BTreeMap<String, u64>,
    /// Events that Stripe made.
    pub events: u64,
    /// How often a node died.
    pub crashes: u64,
    /// Everything that happened, hashed: two runs of one seed agree.
    pub fingerprint: u64,
    /// The whole trace, if it was kept.
    pub trace: String,
}

/// What must not be, and how it came about.
#[derive(Debug, Clone)]
pub struct Failure {
    /// From which seed.
    pub seed: u64,
    /// After how many steps.
    pub steps: u64,
    /// Which invariant, and what was seen.
    pub what: String,
    /// The last forty things that happened, or all of them.
    pub story: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.story)?;
        writeln!(f, "seed={} steps={}: {}", self.seed, self.steps, self.what)?;
        write!(
            f,
            "again, with everything: SIM_SEED={} cargo test -p testkit --profile fast --test sim",
            self.seed
        )
    }
}

/// Runs one seed.
///
/// # Errors
/// The first invariant that was broken, or a panic anywhere.
pub fn run(seed: u64, options: Options) -> Result<Report, Box<Failure>> {
    let swarm = Swarm::draw(seed);
    let scene = Scene::new(seed, swarm, options.traced);
    let ran = catch_unwind(AssertUnwindSafe(|| acts::play(&scene, options.steps)));
    let what = match ran {
        Ok(()) => scene.violation(),
        Err(panic) => Some(format!("panic: {}", said(&*panic))),
    };
    match what {
        Some(what) => Err(Box::new(Failure { seed, steps: scene.steps(), what, story: scene.story() })),
        None => Ok(scene.report()),
    }
}

/// Ends all troubles of a scene, lets everything drain, checks what must be true of a shop at rest, replays every
/// event, and checks it again. Gives the state as text.
///
/// # Errors
/// The first invariant that was broken.
pub fn rest(scene: &std::rc::Rc<Scene>) -> Result<String, String> {
    quiet::rest(scene);
    match scene.violation() {
        Some(what) => Err(what),
        None => Ok(scene.look(dump)),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
