//! Charts as SVG, made here: no script, no style in the page. Each says in words what it shows.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;
use kernel::Timestamp;
use shop::inbox::{Beat, EventStatus};

use crate::metrics::{RECENT_MINUTES, Seen};

const MINUTES: i64 = RECENT_MINUTES;
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
    pub(super) fn of_events(events: &[Beat], now: Timestamp) -> Columns {
        let first = Columns::since(now).seconds() / 60;
        let mut minutes = [[0_i64; 3]; MINUTES as usize];
        for beat in events {
            let place = (beat.received_at.seconds() / 60 - first).clamp(0, MINUTES - 1) as usize;
            minutes[place][kind(beat.status)] += 1;
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

/// How long things took: the median, and what all but a few took at most. Each step of the scale is ten times the last.
#[derive(Template)]
#[template(path = "console/spans.html")]
pub(super) struct Spans {
    says: Vec<String>,
    height: usize,
    ticks: Vec<Tick>,
    rows: Vec<Span>,
}

struct Tick {
    x: String,
    title: &'static str,
}

struct Span {
    title: String,
    y: usize,
    middle: usize,
    width: String,
    after: String,
    took: String,
    class: &'static str,
}

impl HtmlSafe for Spans {}

/// Which shares are shown: half of all, all but one of twenty, all but one of a hundred. One hue, lighter the fewer they are:
/// how long is too long, a bar does not know.
const SHARES: [(&str, f64, &str); 3] =
    [("p50", 0.5, "half"), ("p95", 0.95, "most"), ("p99", 0.99, "nearly-all")];
/// The scale ends here; what took longer ends there too, and its figure says the rest.
const TICKS: [(f64, &str); 6] =
    [(0.001, "1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1.0, "1 s"), (10.0, "10 s"), (100.0, "100 s")];
/// Where the scale begins, and how wide it is.
const SCALE: (f64, f64) = (74.0, 250.0);

fn place(seconds: f64) -> f64 {
    SCALE.1 * ((seconds.max(0.001) / 0.001).log10() / 5.0).clamp(0.0, 1.0)
}

fn told(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 0.001 => "under 1 ms".to_owned(),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1_000.0),
        seconds if seconds < 100.0 => format!("{} s", (seconds * 10.0).round() / 10.0),
        seconds => crate::cli::render::span(seconds as u64),
    }
}

impl Spans {
    /// What this process answered, and what became of the newest events: at most `most` of them were read.
    pub(super) fn of(http: &Seen, events: &[Beat], most: i64) -> Spans {
        let mut took: Vec<f64> =
            events.iter().filter_map(|beat| beat.took).map(|took| took.as_secs_f64()).collect();
        took.sort_by(f64::total_cmp);
        let exact = |share: f64| {
            let rank = (took.len() as f64 * share).ceil().max(1.0) as usize;
            took.get(rank - 1).map(|seconds| (*seconds, told(*seconds)))
        };
        let bounded = |share: f64| {
            http.at_most(share).map(|seconds| match seconds.is_finite() {
                true => (seconds, format!("at most {}", told(seconds))),
                false => (f64::MAX, "over 10 s".to_owned()),
            })
        };
        let mut rows = Vec::new();
        for (name, share, class) in SHARES {
            rows.extend(bounded(share).map(|took| (format!("HTTP {name}"), took, class)));
        }
        for (name, share, class) in SHARES {
            rows.extend(exact(share).map(|took| (format!("Event {name}"), took, class)));
        }
        let rows: Vec<Span> = rows
            .into_iter()
            .enumerate()
            .map(|(row, (title, (seconds, took), class))| {
                let width = place(seconds).max(1.0);
                let (y, after) = (row * 22, format!("{:.1}", SCALE.0 + width + 6.0));
                Span { title, y, middle: y + 11, width: format!("{width:.1}"), after, took, class }
            })
            .collect();
        Spans {
            says: said(http, events, took.len(), most),
            height: rows.len() * 22,
            ticks: TICKS
                .iter()
                .map(|(seconds, title)| Tick { x: format!("{:.1}", SCALE.0 + place(*seconds)), title })
                .collect(),
            rows,
        }
    }

    fn label(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| format!("{} {}", row.title, row.took)).collect();
        rows.join(", ")
    }
}

/// What the figures are made of, and what is not in them.
fn said(http: &Seen, events: &[Beat], over: usize, most: i64) -> Vec<String> {
    let requests = match http.count() {
        0 => "This process answered no request.".to_owned(),
        1 => "HTTP: the one request that this process answered; known to a step of its histogram.".to_owned(),
        count => {
            format!("HTTP: {count} requests that this process answered; known to a step of its histogram.")
        }
    };
    let which = if events.len() as i64 >= most { format!("of the newest {most} ") } else { String::new() };
    let open = match events.len() - over {
        0 => String::new(),
        open => format!(" {open} have not ended, and are not in it."),
    };
    let done = format!(
        "Events: from received to processed, with what was tried again; {which}{over} have ended.{open}"
    );
    vec![requests, if events.is_empty() { "No event came.".to_owned() } else { done }]
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
    use kernel::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let events =
            [beat(0, EventStatus::Processed), beat(0, EventStatus::Error), beat(120, EventStatus::Retry)];
        let chart = Columns::of_events(&events, NOW);
        assert_eq!(chart.says, "3 events: 1 done, 1 waiting, 1 in error; at most 2 in a minute.");
        let svg = chart.render().unwrap();
        assert_eq!(svg.matches("<rect").count(), 3 + 3, "three bars, and three in the legend");
        assert!(!svg.contains("style="), "the policy of the page forbids it");
        let nothing = Columns::of_events(&[], NOW).render().unwrap();
        assert!(nothing.contains("No event has come"), "{nothing}");
    }

    fn beat(ago: u64, status: EventStatus) -> Beat {
        let took = (status == EventStatus::Processed).then_some(Duration::from_millis(40));
        Beat { received_at: NOW - Duration::from_secs(ago), status, took }
    }

    #[test]
    fn how_long_things_took_is_told_with_what_is_not_in_it() {
        let recent = crate::metrics::Recent::default();
        recent.observe(Duration::from_millis(7), NOW);
        let mut events = vec![beat(0, EventStatus::Processed); 98];
        events.push(Beat { took: Some(Duration::from_secs(120)), ..beat(0, EventStatus::Ignored) });
        events.push(Beat { took: Some(Duration::from_secs(7200)), ..beat(0, EventStatus::Processed) });
        events.push(beat(0, EventStatus::Error));
        let spans = Spans::of(&recent.seen(NOW), &events, 2_000);
        assert_eq!(
            spans.label(),
            "HTTP p50 at most 10 ms, HTTP p95 at most 10 ms, HTTP p99 at most 10 ms, \
             Event p50 40 ms, Event p95 40 ms, Event p99 2 min"
        );
        assert!(
            spans.says[1].ends_with("; 100 have ended. 1 have not ended, and are not in it."),
            "{:?}",
            spans.says
        );
        let svg = spans.render().unwrap();
        assert!(!svg.contains("style=") && svg.matches("<rect").count() == 6, "{svg}");
        for judging in ["good", "heed", "bad"] {
            assert!(!svg.contains(&format!("class=\"{judging}\"")), "a bar does not judge: {svg}");
        }
        let nothing = Spans::of(&crate::metrics::Recent::default().seen(NOW), &[], 2_000).render().unwrap();
        assert!(nothing.contains("no request") && nothing.contains("No event came"), "{nothing}");
        let few = Spans::of(&recent.seen(NOW), &events, 101);
        assert!(few.says[1].contains("of the newest 101"), "{:?}", few.says);
    }

    #[test]
    fn orders_are_counted_by_state() {
        let counts = BTreeMap::from([("paid".to_owned(), 2), ("completed".to_owned(), 8)]);
        let bars = Bars::of_orders(&counts, 1_000);
        assert_eq!(bars.says, "2 paid, 8 completed.");
        assert!(bars.render().unwrap().contains("href=\"/_/orders?status=paid\""));
    }
}
