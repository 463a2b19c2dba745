//! Databases, worlds and simulated crashes for tests.

pub mod databases;
pub mod sim;
pub mod storage_double;
pub mod stripe_data;
pub mod stripe_double;
pub mod world;

pub use databases::{Engine, TestDb};
pub use world::World;
