//! Memory while a backlog drains: as after an hour in which events were stored and no worker ran.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kernel::{Error, Result};

use super::Settings;
use super::place::{Engine, bug};
use super::report::{Memory, Report};
use super::settle;
use super::stage::Stage;

/// Orders whose events are made at once; few, so that the benchmark's own memory stays small.
const PORTION: usize = 512;
/// How many points of the curve are shown.
const POINTS: usize = 16;

/// Runs it on each engine.
pub async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report { benchmark: "drain", unit: "events/s", ..Report::default() };
    for engine in settings.engines() {
        report.memory.push(on(&engine, settings.size(300, 100_000)).await?);
    }
    Ok(report)
}

async fn on(engine: &Engine, events: usize) -> Result<Memory> {
    let mut stage = Stage::set(engine).await?;
    let mut stored = 0;
    while stored < events {
        let orders = stage.orders(PORTION.min((events - stored).div_ceil(3))).await?;
        stage.store(&orders).await?;
        stored += orders.iter().map(|order| order.events.len()).sum::<usize>();
    }
    eprintln!("drain on {}: {stored} events are stored, now they drain", engine.name());
    let before_mib = resident_mib()?;
    let watch = Watch::start()?;
    let began = Instant::now();
    settle::drain(&stage.shop).await?;
    let seconds = began.elapsed().as_secs_f64();
    let seen = watch.stop()?;
    match stage.count("SELECT COUNT(*) FROM stripe_events WHERE status <> 'processed'").await? {
        0 => {}
        left => return Err(Error::bug(format!("{left} events were not processed"))),
    }
    stage.must_be_in_order().await?;
    Ok(Memory {
        engine: engine.name(),
        events: stored,
        per_second: stored as f64 / seconds,
        before_mib,
        peak_mib: seen.iter().copied().fold(before_mib, f64::max),
        curve_mib: points(&seen),
    })
}

/// The resident memory of this process, looked at again and again.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<f64>>>,
}

impl Watch {
    fn start() -> Result<Watch> {
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let thread = std::thread::Builder::new().name("bench-watch".into()).spawn(move || {
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                seen.push(resident_mib()?);
                std::thread::sleep(Duration::from_millis(20));
            }
            seen.push(resident_mib()?);
            Ok(seen)
        });
        Ok(Watch { over, thread: thread.map_err(bug)? })
    }

    fn stop(self) -> Result<Vec<f64>> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Error::bug("the thread that watches the memory panicked"))?
    }
}

/// The largest of each of some equal steps.
fn points(seen: &[f64]) -> Vec<f64> {
    let step = seen.len().div_ceil(POINTS).max(1);
    seen.chunks(step).map(|some| some.iter().copied().fold(0.0, f64::max)).collect()
}

fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(bug)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| Error::bug("/proc/self/status does not say VmRSS"))
}
