//! Switches: plain values. This file decides what one that is off says.

use kernel::{Refusal, Timestamp};
use serde::Serialize;

/// What can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Files and streams for whoever bought them.
    Downloads,
    /// New orders.
    Checkout,
    /// Refunds that are asked for here.
    Refunds,
}

impl Switch {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Switch; 3] = [Switch::Downloads, Switch::Checkout, Switch::Refunds];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Switch::Downloads => "downloads",
            Switch::Checkout => "checkout",
            Switch::Refunds => "refunds",
        }
    }

    /// What whoever comes meanwhile hears. The operator's reason is not for buyers, so it is not in it.
    pub fn refusal(self) -> Refusal {
        let (code, why) = match self {
            Switch::Downloads => ("downloads_disabled", "downloads and streams are switched off for now"),
            Switch::Checkout => ("checkout_disabled", "nothing can be bought here for now"),
            Switch::Refunds => ("refunds_disabled", "refunds are switched off"),
        };
        Refusal::new(code, why)
    }
}

/// How a switch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Which.
    pub name: Switch,
    /// Whether things go on as usual.
    pub is_on: bool,
    /// Why it is off.
    pub reason: Option<String>,
    /// Who threw it last.
    pub actor: Option<String>,
    /// When it was thrown last.
    pub changed_at: Option<Timestamp>,
}

impl Position {
    /// How a switch counts whose row is gone: off. Nobody can say that what it stops is wanted.
    pub fn lost(name: Switch) -> Self {
        let reason = Some("its row is gone from the database".to_owned());
        Position { name, is_on: false, reason, actor: None, changed_at: None }
    }

    /// In a few words, for operators.
    pub fn in_words(&self) -> String {
        match (self.is_on, &self.reason) {
            (true, _) => "on".to_owned(),
            (false, Some(reason)) => format!("off: {reason}"),
            (false, None) => "off".to_owned(),
        }
    }
}
