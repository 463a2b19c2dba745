//! What a benchmark found: for people as an aligned table, for programs as JSON.

use std::fmt;

use serde::Serialize;

use super::rounds::{Comparison, Spread};

/// What a benchmark found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Which benchmark.
    pub benchmark: &'static str,
    /// What is counted, like `events/s`.
    pub unit: &'static str,
    /// The figures that are ratios.
    pub ratios: Vec<Figure>,
    /// The figures about memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<Memory>,
    /// How long pages took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Page>,
}

/// How long a page took on the server, and what it reads at least, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// Which page.
    pub page: &'static str,
    /// With how many orders in the database.
    pub orders: usize,
    /// The whole page.
    pub ours: Spread,
    /// The bare query beside it.
    pub bare: Spread,
    /// What the median has to stay below.
    pub target_ms: f64,
}

/// One line: a side and its limit.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// In which situation, and beside what.
    pub case: String,
    /// The ratio that is wanted, where one is.
    pub target: Option<f64>,
    /// What both sides did.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Memory while something long went on.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// How many events were drained.
    pub events: usize,
    /// How many in a second.
    pub per_second: f64,
    /// Resident before the first event, in MiB.
    pub before_mib: f64,
    /// Resident at most, in MiB.
    pub peak_mib: f64,
    /// Resident in MiB, at equal steps of the way.
    pub curve_mib: Vec<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ratios.is_empty() {
            aligned(f, &self.ratio_rows())?;
        }
        if !self.memory.is_empty() {
            aligned(f, &self.memory_rows())?;
        }
        if !self.pages.is_empty() {
            aligned(f, &self.page_rows())?;
        }
        for memory in &self.memory {
            let curve: Vec<String> = memory.curve_mib.iter().map(|mib| format!("{mib:.0}")).collect();
            writeln!(f, "{} MiB on the way: {}", memory.engine, curve.join(" "))?;
        }
        Ok(())
    }
}

impl Report {
    fn ratio_rows(&self) -> Vec<Vec<String>> {
        let mut rows =
            vec![words(["engine", "case", &format!("makegood {}", self.unit), "beside", "ratio", "target"])];
        for figure in &self.ratios {
            let Comparison { ours, limit, ratio } = figure.comparison;
            rows.push(vec![
                figure.engine.into(),
                figure.case.clone(),
                whole(ours),
                whole(limit),
                format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max),
                figure.target.map_or(String::new(), |target| format!("≥ {target:.1}")),
            ]);
        }
        rows
    }

    fn page_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![words(["engine", "orders", "page", "page, ms", "bare query, ms", "target"])];
        for page in &self.pages {
            rows.push(vec![
                page.engine.into(),
                page.orders.to_string(),
                page.page.into(),
                tenths(page.ours),
                tenths(page.bare),
                format!("< {:.0}", page.target_ms),
            ]);
        }
        rows
    }

    fn memory_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![words(["engine", "events", "events/s", "MiB before", "MiB peak", "target"])];
        for memory in &self.memory {
            rows.push(vec![
                memory.engine.into(),
                memory.events.to_string(),
                format!("{:.0}", memory.per_second),
                format!("{:.0}", memory.before_mib),
                format!("{:.0}", memory.peak_mib),
                "< 150".into(),
            ]);
        }
        rows
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn whole(spread: Spread) -> String {
    format!("{:.0} ({:.0}–{:.0})", spread.median, spread.min, spread.max)
}

fn tenths(spread: Spread) -> String {
    format!("{:.1} ({:.1}–{:.1})", spread.median, spread.min, spread.max)
}

/// Rows as columns, each as wide as its widest cell.
fn aligned(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
