//! Charts as SVG, made here: no script, no style in the page. Each says in words what it shows.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;
use kernel::Timestamp;
use shop::inbox::EventStatus;

const MINUTES: i64 = 30;
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 110.0;

/// Columns over time, each of parts that lie upon each other.
#[derive(Template)]
#[template(path = "console/columns.html")]
pub(super) struct Columns {
    title: &'static str,
    says: String,
    bars: Vec<Bar>,
    top: i64,
    is_empty: bool,
}

struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    class: &'static str,
    says: String,
}

impl HtmlSafe for Columns {}

/// Done, waiting, in trouble.
const KINDS: [(&str, &str); 3] = [("good", "done"), ("heed", "waiting"), ("bad", "in error")];

fn kind(status: EventStatus) -> usize {
    match status {
        EventStatus::Processed | EventStatus::Ignored => 0,
        EventStatus::Received | EventStatus::Retry | EventStatus::Unmatched => 1,
        EventStatus::Error => 2,
    }
}

impl Columns {
    /// Since when events are shown.
    pub(super) fn since(now: Timestamp) -> Timestamp {
        Timestamp::from_seconds((now.seconds() / 60 - MINUTES + 1) * 60)
    }

    /// Events per minute of the last half hour by what became of them.
    pub(super) fn of_events(events: &[(Timestamp, EventStatus)], now: Timestamp) -> Columns {
        let first = Columns::since(now).seconds() / 60;
        let mut minutes = [[0_i64; 3]; MINUTES as usize];
        for (at, status) in events {
            let place = (at.seconds() / 60 - first).clamp(0, MINUTES - 1) as usize;
            minutes[place][kind(*status)] += 1;
        }
        let sums: Vec<i64> = (0..3).map(|kind| minutes.iter().map(|minute| minute[kind]).sum()).collect();
        let top = minutes.iter().map(|minute| minute.iter().sum::<i64>()).max().unwrap_or_default();
        let said: Vec<String> =
            KINDS.iter().zip(&sums).map(|((_, word), sum)| format!("{sum} {word}")).collect();
        let most = format!("at most {top} in a minute");
        Columns {
            title: "Events in the last 30 minutes",
            says: format!("{} events: {}; {most}.", sums.iter().sum::<i64>(), said.join(", ")),
            bars: bars(&minutes, top, first),
            top,
            is_empty: top == 0,
        }
    }
}

fn bars(minutes: &[[i64; 3]], top: i64, first: i64) -> Vec<Bar> {
    let step = WIDTH / minutes.len() as f64;
    let mut bars = Vec::new();
    for (place, minute) in minutes.iter().enumerate() {
        let mut below = 0;
        for ((class, word), count) in KINDS.iter().zip(minute).filter(|(_, count)| **count > 0) {
            let height = HEIGHT * *count as f64 / top.max(1) as f64;
            below += count;
            let y = HEIGHT - HEIGHT * below as f64 / top.max(1) as f64;
            let at = Timestamp::from_seconds((first + place as i64) * 60).to_string();
            bars.push(Bar {
                x: format!("{:.1}", place as f64 * step + 1.0),
                y: format!("{y:.1}"),
                width: format!("{:.1}", step - 2.0),
                height: format!("{:.1}", height.max(1.0)),
                class,
                says: format!("{} UTC: {count} {word}", &at[11..16]),
            });
        }
    }
    bars
}

/// Bars beside their names.
#[derive(Template)]
#[template(path = "console/bars.html")]
pub(super) struct Bars {
    title: String,
    says: String,
    height: usize,
    rows: Vec<Beam>,
}

struct Beam {
    title: String,
    href: String,
    y: usize,
    middle: usize,
    width: String,
    after: String,
    count: i64,
    class: &'static str,
}

impl HtmlSafe for Bars {}

const STATES: [(&str, &str); 6] = [
    ("pending", "heed"),
    ("paid", "bad"),
    ("confirmed", "accent"),
    ("completed", "good"),
    ("cancelled", "dim"),
    ("refunded", "dim"),
];

impl Bars {
    /// The newest orders by state.
    pub(super) fn of_orders(by_status: &BTreeMap<String, i64>, most: i64) -> Bars {
        let all: i64 = by_status.values().sum();
        let top = by_status.values().max().copied().unwrap_or_default().max(1);
        let count = |state: &str| by_status.get(state).copied().unwrap_or_default();
        let rows = STATES.iter().enumerate().map(|(place, (state, class))| {
            let width = 270.0 * count(state) as f64 / top as f64;
            Beam {
                title: (*state).to_owned(),
                href: format!("/_/orders?status={state}"),
                y: place * 22,
                middle: place * 22 + 11,
                width: format!("{width:.1}"),
                after: format!("{:.1}", 80.0 + width),
                count: count(state),
                class,
            }
        });
        let said: Vec<String> = STATES
            .iter()
            .filter(|(state, _)| count(state) > 0)
            .map(|(state, _)| format!("{} {state}", count(state)))
            .collect();
        Bars {
            title: if all >= most {
                format!("The last {most} orders by state")
            } else {
                "Orders by state".into()
            },
            says: if said.is_empty() { "No orders yet.".into() } else { format!("{}.", said.join(", ")) },
            height: STATES.len() * 22,
            rows: rows.collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.count == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let events = [
            (NOW, EventStatus::Processed),
            (NOW, EventStatus::Error),
            (NOW - kernel::Duration::from_secs(120), EventStatus::Retry),
        ];
        let chart = Columns::of_events(&events, NOW);
        assert_eq!(chart.says, "3 events: 1 done, 1 waiting, 1 in error; at most 2 in a minute.");
        let svg = chart.render().unwrap();
        assert_eq!(svg.matches("<rect").count(), 3 + 3, "three bars, and three in the legend");
        assert!(!svg.contains("style="), "the policy of the page forbids it");
        let nothing = Columns::of_events(&[], NOW).render().unwrap();
        assert!(nothing.contains("No event has come"), "{nothing}");
    }

    #[test]
    fn orders_are_counted_by_state() {
        let counts = BTreeMap::from([("paid".to_owned(), 2), ("completed".to_owned(), 8)]);
        let bars = Bars::of_orders(&counts, 1_000);
        assert_eq!(bars.says, "2 paid, 8 completed.");
        assert!(bars.render().unwrap().contains("href=\"/_/orders?status=paid\""));
    }
}
