//! What is sold and for how much. Stock is the inventory's.

mod product;
pub(crate) mod store;
pub mod views;

pub use product::{Offer, Price, Product, ProductKind};
pub use store::{find, list, offers, price, save_price, save_product};
