//! Sessions as a test or a simulation looks at them, without JSON.

use crate::account::Sandbox;
use crate::checkout::session::Session;

/// The state of one Checkout Session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts<'a> {
    /// `cs_test_…`
    pub id: &'a str,
    /// `open`, `complete` or `expired`.
    pub status: &'static str,
    /// `unpaid`, `paid` or `no_payment_required`.
    pub payment_status: &'static str,
    /// Minor units, after discount, with shipping and tax.
    pub amount_total: i64,
    /// Lower case.
    pub currency: &'a str,
    /// Made at the first attempt to pay.
    pub payment_intent: Option<&'a str>,
    /// What the shop called it.
    pub client_reference_id: Option<&'a str>,
    /// The Payment Link that opened it.
    pub payment_link: Option<&'a str>,
}

impl Session {
    fn facts(&self) -> SessionFacts<'_> {
        SessionFacts {
            id: &self.id,
            status: self.stage.status(),
            payment_status: self.stage.payment_status(),
            amount_total: self.totals().total,
            currency: &self.currency,
            payment_intent: self.payment_intent.as_deref(),
            client_reference_id: self.client_reference_id.as_deref(),
            payment_link: self.payment_link.as_deref(),
        }
    }
}

impl Sandbox {
    /// Every session, the oldest first. Call [`Sandbox::tick`] before, if time has passed.
    pub fn sessions(&self) -> impl DoubleEndedIterator<Item = SessionFacts<'_>> {
        self.sessions.list().iter().map(Session::facts)
    }

    /// One session.
    pub fn session_facts(&self, id: &str) -> Option<SessionFacts<'_>> {
        self.sessions.get(id).map(Session::facts)
    }
}
