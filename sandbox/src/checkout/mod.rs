//! Checkout Sessions: what is bought, the page that sells it, and how it ends.
//!
//! `session` holds the nouns and sums, `create` the API, `render` the shape, `pay` what the buyer does, `facts` what
//! others may look at.

mod create;
mod facts;
mod pay;
mod render;
mod session;

pub(crate) use create::{read_intent_terms, shown_settings};
pub use facts::SessionFacts;
pub use pay::{Authentication, Method, PayError, PayOutcome, Payment};
pub(crate) use session::{Line, Session, ShippingOption, Stage, Tax};
