//! The first layer of simulation, in the size of CI: many seeds of the real rooms under every fault. See `testkit::sim`.
//!
//! `SIM_SEED=N` runs one seed and prints everything that happens; `SIM_STEPS=N` sets how many steps there are in all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use testkit::sim::{Options, Report, run};

/// Seeds that have ever failed; each is run each time.
const EVER_FAILED: &str = include_str!("sim_seeds.txt");
/// Steps in CI.
const STEPS: u64 = 5_000_000;
const THREADS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.replace('_', "").parse().ok()
}

fn must_pass(seed: u64) -> Report {
    run(seed, Options::default()).unwrap_or_else(|failure| panic!("\n{failure}\n"))
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_byte() {
    let traced = |seed| run(seed, Options { traced: true, ..Options::default() }).map_err(|f| f.to_string());
    for seed in 0..4 {
        let (first, second) = (traced(seed), traced(seed));
        assert!(first == second, "seed {seed} ran in two ways");
        let length = first.map_or_else(|story| story.len(), |report| report.trace.len());
        assert!(length > 1_000, "a trace of {length} bytes shows nothing");
    }
}

#[test]
fn seeds_that_ever_failed_pass() {
    let seeds = EVER_FAILED.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    for seed in seeds {
        must_pass(seed);
    }
}

#[test]
fn five_million_steps_break_no_invariant() {
    if let Some(seed) = number("SIM_SEED") {
        return one(seed);
    }
    let wanted = number("SIM_STEPS").unwrap_or(STEPS);
    let (next, steps, events) = (AtomicU64::new(first_seed()), AtomicU64::new(0), AtomicU64::new(0));
    let failed = AtomicBool::new(false);
    let began = Instant::now();
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                while steps.load(Ordering::SeqCst) < wanted && !failed.load(Ordering::SeqCst) {
                    match run(next.fetch_add(1, Ordering::SeqCst), Options::default()) {
                        Ok(report) => {
                            steps.fetch_add(report.steps, Ordering::SeqCst);
                            events.fetch_add(report.events, Ordering::SeqCst);
                        }
                        Err(failure) => {
                            failed.store(true, Ordering::SeqCst);
                            eprintln!("\n{failure}\n");
                        }
                    }
                }
            });
        }
    });
    let (seeds, steps) = (next.into_inner() - first_seed(), steps.into_inner());
    let second = began.elapsed().as_secs_f64();
    eprintln!(
        "{steps} steps, {seeds} seeds, {} events, {:.0} steps/s on {THREADS} threads",
        events.into_inner(),
        steps as f64 / second
    );
    assert!(!failed.into_inner(), "an invariant is broken; the seed stands above");
    assert!(steps >= wanted);
}

/// CI begins where it always does; a long run begins elsewhere with `SIM_FIRST`.
fn first_seed() -> u64 {
    number("SIM_FIRST").unwrap_or(0)
}

fn one(seed: u64) {
    match run(seed, Options { traced: true, ..Options::default() }) {
        Ok(report) => eprintln!("{}\nseed={seed} steps={} {:?}", report.trace, report.steps, report.orders),
        Err(failure) => panic!("\n{failure}\n"),
    }
}
