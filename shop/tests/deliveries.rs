//! The whole table of deliveries: what is known × what comes of it.
//!
//! It is `deliveries.txt` beside this file. A changed rule is a changed line there, which a reviewer sees. To take over what the
//! code says now: `ACCEPT=1 cargo test -p shop --test deliveries`.

use std::fmt::Write;
use std::path::PathBuf;

use shop::downloads::{Known, Thing, Verdict, decide};
use shop::ids::OrderId;

fn order() -> OrderId {
    "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().expect("an id")
}

fn all() -> Vec<Known> {
    let mut all = Vec::new();
    for is_on in [false, true] {
        for is_somebody in [false, true] {
            for is_entitled in [false, true] {
                for under_review in [None, Some(order())] {
                    for thing in [Thing::Unknown, Thing::Gone, Thing::There] {
                        all.push(Known { is_on, is_somebody, is_entitled, under_review, thing });
                    }
                }
            }
        }
    }
    all
}

fn table() -> String {
    let word = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
    let mut text = String::from("switch  asks      right  order         thing    verdict\n");
    for known in all() {
        let verdict = decide(&known);
        let _ = writeln!(
            text,
            "{:<7} {:<9} {:<6} {:<13} {:<8} {}",
            word(known.is_on, "on", "off"),
            word(known.is_somebody, "somebody", "nobody"),
            word(known.is_entitled, "yes", "no"),
            word(known.under_review.is_some(), "under review", "-"),
            format!("{:?}", known.thing).to_lowercase(),
            verdict.reason().unwrap_or("delivered")
        );
    }
    text
}

#[test]
fn the_table_is_the_one_that_was_agreed_upon() {
    let table = table();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/deliveries.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, &table).expect("the table can be written");
    }
    let agreed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(table == agreed, "the table has changed; ACCEPT=1 takes it over:\n{table}");
}

#[test]
fn only_one_of_all_cases_is_delivered_and_whoever_has_no_right_learns_nothing() {
    let delivered = all().into_iter().filter(|known| decide(known) == Verdict::Deliver).count();
    assert_eq!(delivered, 1);
    for known in all().into_iter().filter(|known| !known.is_entitled) {
        let other = Known { thing: Thing::There, under_review: None, ..known.clone() };
        assert_eq!(decide(&known), decide(&other), "{known:?}");
    }
}
