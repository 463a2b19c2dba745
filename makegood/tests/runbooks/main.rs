//! The five systems whose runbooks makegood took over: `examples/*/runbook.txt` are scripts. Each is played against the
//! real binary with a Stripe of its own, on SQLite and on PostgreSQL, and what it prints must be what stands there.
//!
//! `ACCEPT=1 cargo test -p makegood --test runbooks` writes down what is printed now.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod block;
mod names;
#[allow(dead_code, reason = "the tests of processes use all of it")]
#[path = "../processes/node.rs"]
mod node;
mod play;
mod stage;
mod transcript;
mod words;
mod world;

use std::collections::BTreeSet;

/// One module for each example that has a runbook.
macro_rules! runbooks {
    ($($name:ident $folder:literal;)*) => {
        const PLAYED: &[&str] = &[$($folder),*];
        $(mod $name {
            #[test]
            fn sqlite() {
                crate::play::play($folder, testkit::Engine::Sqlite, crate::stage::Way::AtTheDatabase);
            }

            #[test]
            fn through_the_server() {
                crate::play::play($folder, testkit::Engine::Sqlite, crate::stage::Way::ThroughTheServer);
            }

            #[test]
            fn postgres() {
                crate::play::play($folder, testkit::Engine::Postgres, crate::stage::Way::AtTheDatabase);
            }
        })*
    };
}

runbooks! {
    video_courses "video-courses";
    licensing "licensing";
    shop_with_stock "shop-with-stock";
    marketplace "marketplace";
    e_commerce "e-commerce";
}

#[test]
fn every_runbook_of_the_examples_is_played() {
    let folders = std::fs::read_dir(play::examples()).unwrap().map(|entry| entry.unwrap().path());
    let with_runbook = folders.filter(|folder| folder.join("runbook.txt").exists());
    let names: BTreeSet<String> =
        with_runbook.map(|folder| folder.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, PLAYED.iter().map(|name| (*name).to_owned()).collect());
}
