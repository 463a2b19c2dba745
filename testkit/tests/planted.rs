//! The simulation must find defects that were planted on purpose: only then does its silence mean anything.
//! `PLANTED=NoFencing` looks for one of them.

use std::sync::Mutex;

use kernel::planted::{Defect, plant};
use testkit::sim::{Options, run};

/// A defect that so many seeds do not show would pass unseen in CI.
const SEEDS: u64 = 500;

/// The first seed that shows `defect`, after how many steps of it, and as what.
fn found(defect: Defect) -> Option<(u64, u64, String)> {
    plant(Some(defect));
    let first =
        (0..SEEDS).find_map(|seed| run(seed, Options::default()).err().map(|f| (seed, f.steps, f.what)));
    plant(None);
    first
}

#[test]
fn each_planted_defect_is_found() {
    let named = std::env::var("PLANTED").ok();
    let chosen = |defect: &Defect| named.as_ref().is_none_or(|name| *name == format!("{defect:?}"));
    let all: Vec<Defect> = Defect::ALL.into_iter().filter(chosen).collect();
    let (sought, waiting) = (all.len(), Mutex::new(all));
    let table = Mutex::new(Vec::new());
    // What is planted is planted on one thread; so several can be looked for at once.
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    let Some(defect) = waiting.lock().unwrap().pop() else { return };
                    let seen = found(defect);
                    table.lock().unwrap().push((defect, seen));
                }
            });
        }
    });
    let mut table = table.into_inner().unwrap();
    table.sort();
    for (defect, seen) in &table {
        match seen {
            Some((seed, steps, what)) => eprintln!("{defect:?}: seed {seed}, step {steps}: {what}"),
            None => eprintln!("{defect:?}: NOT FOUND in {SEEDS} seeds"),
        }
    }
    let missed: Vec<_> = table.iter().filter(|(_, seen)| seen.is_none()).map(|(defect, _)| defect).collect();
    assert_eq!(table.len(), sought);
    assert!(missed.is_empty(), "the simulation does not see {missed:?}");
}

#[test]
fn without_a_planted_defect_the_same_seeds_are_clean() {
    for seed in 0..20 {
        run(seed, Options::default()).unwrap_or_else(|failure| panic!("\n{failure}\n"));
    }
}
