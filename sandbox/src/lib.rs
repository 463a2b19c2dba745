//! A stateful Stripe for development, tests and the demo; knows no shop.
