//! Brings a catalog file into the catalog and the inventory: a plan first, and nothing twice.

mod file;
pub mod ops;

pub use file::{CatalogFile, PriceEntry, ProductEntry};
