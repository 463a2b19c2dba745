//! Databases, worlds and simulated crashes for tests.

pub mod databases;
pub mod stripe_data;

pub use databases::{Engine, TestDb};
