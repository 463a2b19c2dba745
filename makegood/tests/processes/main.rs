//! Real processes of the real binary: started, asked, killed, cut off from their database, and started again, on SQLite
//! and on PostgreSQL. Stripe is a sandbox in the test's own process, so that it outlives every node.

#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod books;
mod contention;
mod disk;
mod kills;
mod known;
mod node;
mod nodes;
mod outage;
mod people;
mod pulling;
mod real_input;
mod stage;
mod starting;
mod stopping;
