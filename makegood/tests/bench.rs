//! The benchmarks work: one short round of each, on the engines that are there. Nothing is said about speed.

use clap::Parser;
use makegood::bench::{BenchArgs, Report};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: BenchArgs,
}

fn quick(benchmark: &str) -> Report {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().display().to_string();
    let line = Line::parse_from(["bench", benchmark, "--quick", "--folder", &folder]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = runtime.expect("a runtime").block_on(makegood::bench::run(line.bench)).expect(benchmark);
    let left: Vec<_> = std::fs::read_dir(&folder).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?} is left over");
    report
}

#[test]
fn each_benchmark_runs_and_its_rows_are_right_afterwards() {
    let engines = 1 + usize::from(std::env::var("MAKEGOOD_TEST_POSTGRES").is_ok_and(|url| !url.is_empty()));
    assert_eq!(quick("ingest").ratios.len(), 3 * engines);
    assert_eq!(quick("settle").ratios.len(), engines);
    assert!(quick("reserve").ratios.len() >= engines);
    let drained = quick("drain");
    assert_eq!(drained.memory.len(), engines);
    assert!(drained.memory.iter().all(|memory| memory.events >= 300 && memory.peak_mib > 0.0));
    let looked_at = quick("console").pages;
    assert_eq!(looked_at.len(), 19 * engines);
    assert!(looked_at.iter().all(|page| page.orders == 2_000 && page.ours.min > 0.0), "{looked_at:?}");
    let shown = drained.to_string();
    assert!(shown.contains("MiB peak") && shown.contains("sqlite"), "{shown}");
}
