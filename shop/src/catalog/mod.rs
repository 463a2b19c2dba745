//! What is sold and for how much, here and at Stripe. Stock is the inventory's.

mod map;
pub mod ops;
mod product;
pub(crate) mod store;
pub mod views;

pub use map::{Mapping, forget, holders, let_go, map, offers_at_stripe};
pub use product::{MOST_MINOR_UNITS, Offer, Price, Product, ProductKind, is_stripe_price};
pub use store::{
    find, first_mapped, list, offers, prices, save_price, save_product, take_off_sale, unmapped,
};

/// The job that tells of prices at Stripe which stand for prices here now; handled by the inbox.
pub const PRICES_MAPPED: &str = "catalog.prices_mapped";
