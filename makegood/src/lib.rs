//! The doors: HTTP, the command line, background work. They translate; what is decided is decided in the shop.

pub mod app;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod doctor;
pub mod drill;
pub mod http;
mod linger;
pub mod metrics;
mod outbound;
pub mod people;
pub mod places;
pub mod secrets;
pub mod serve;
mod surroundings;
pub mod tasks;
pub mod tokens;
pub mod watching;
pub mod worker;
