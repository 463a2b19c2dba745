//! The console over real HTTP, as a browser meets it: cookies, forms, pages.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod browser;
#[path = "../doors/mod.rs"]
mod doors;
mod links;
mod pages;
mod signing_in;
