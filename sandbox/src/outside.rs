//! What happens at Stripe without the shop: in the Dashboard, at the buyer's bank, at the card networks. The verbs
//! stand with their objects; here is what they have in common.

use kernel::Cx;

use crate::account::Sandbox;
use crate::call::Call;
use crate::charges::{Charge, ChargeState};

/// Why something cannot happen at Stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPossible {
    /// There is no such thing.
    NoSuch {
        /// `dispute`, `refund`, …
        what: &'static str,
        /// The id that was given.
        id: String,
    },
    /// There is, but not as it stands now; the text says why.
    Now(String),
}

impl NotPossible {
    pub(crate) fn no_such(what: &'static str, id: &str) -> Self {
        NotPossible::NoSuch { what, id: id.to_owned() }
    }
}

impl std::fmt::Display for NotPossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotPossible::NoSuch { what, id } => write!(f, "there is no {what} {id}"),
            NotPossible::Now(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NotPossible {}

impl Sandbox {
    /// Lets happen what fell due, and gives the circumstances of something that no request asked for.
    pub(crate) fn outside(&mut self, cx: &Cx) -> Call {
        self.tick(cx);
        Call::of_nobody(self.local(cx))
    }

    /// The successful charge behind a charge's, a PaymentIntent's or a Checkout Session's id.
    pub(crate) fn charge_meant(&self, of: &str) -> Result<&Charge, NotPossible> {
        let paid = |charge: &&Charge| charge.state == ChargeState::Succeeded;
        let unpaid = || NotPossible::Now(format!("{of} has no successful charge"));
        if let Some(charge) = self.charges.get(of) {
            return Some(charge).filter(paid).ok_or_else(unpaid);
        }
        let intent = match self.sessions.get(of) {
            Some(session) => session.payment_intent.as_deref().ok_or_else(unpaid)?,
            None => of,
        };
        if self.intents.get(intent).is_none() {
            return Err(NotPossible::no_such("payment", of));
        }
        self.charges_of(intent).into_iter().find(paid).ok_or_else(unpaid)
    }
}
