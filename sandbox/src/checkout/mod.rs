//! Checkout Sessions: what is bought, the page that sells it, and how it ends.
//!
//! `session` holds the nouns and sums, `create` the API, `settings` what is only shown again, `render` the shape, `pay` what the buyer does, `facts` what
//! others may look at.

mod create;
mod facts;
mod pay;
mod render;
mod session;
mod settings;

pub(crate) use create::read_intent_terms;
pub use facts::SessionFacts;
pub use pay::{Authentication, Method, PayError, PayOutcome, Payment};
pub(crate) use session::{AtTheBank, Line, Session, ShippingOption, Stage, Tax, subtotal};
pub(crate) use settings::shown_settings;
