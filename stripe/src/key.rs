//! What is wrong with our key, when Stripe turns a request away because of it. Such an answer says nothing about the object
//! that was asked for, and asking again changes nothing until somebody has seen to the key.

use std::fmt;

use kernel::{Error, Refusal};

use crate::client::{ApiError, Call, Method};

/// There is no key.
pub const MISSING: &str = "stripe_key_missing";
/// Stripe does not take it.
pub const NOT_TAKEN: &str = "stripe_key_not_taken";
/// It may not do this.
pub const LACKS: &str = "stripe_permission_missing";

/// Why our key does not open the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFault {
    /// There is none: nothing was sent.
    Missing,
    /// Stripe does not take it (401): mistyped, rolled, expired or deleted.
    NotTaken(ApiError),
    /// It is a restricted key, and may not do this (403).
    Lacks {
        /// What it may not do, like `GET /v1/charges/ch_1`.
        endpoint: String,
        /// Stripe's name of the permission where its answer has one, else the dashboard's, like `Events: Read`.
        permission: String,
        /// What Stripe said.
        error: ApiError,
    },
}

impl KeyFault {
    /// What this answer to `call` says about the key; nothing when it is about something else.
    pub(crate) fn of(call: &Call, error: &ApiError) -> Option<Self> {
        match error.status {
            401 => Some(KeyFault::NotTaken(error.clone())),
            403 => Some(KeyFault::Lacks {
                endpoint: format!("{} {}", verb(call), call.path),
                permission: named(&error.message).unwrap_or_else(|| permission(call)),
                error: error.clone(),
            }),
            _ => None,
        }
    }

    /// Its stable name.
    pub fn code(&self) -> &'static str {
        match self {
            KeyFault::Missing => MISSING,
            KeyFault::NotTaken(_) => NOT_TAKEN,
            KeyFault::Lacks { .. } => LACKS,
        }
    }

    /// What to do about it.
    pub fn fix(&self) -> String {
        let place = "STRIPE_SECRET (the environment, .env or makegood.toml)";
        match self {
            KeyFault::Missing => format!("set {place} to an API key, sk_… or rk_…; makegood config check"),
            KeyFault::NotTaken(_) => {
                format!(
                    "put a key that is valid where it is read, which makegood secrets list says; into {place} with a \
                     restart, into a file or Secrets Manager without one"
                )
            }
            KeyFault::Lacks { permission, .. } => format!(
                "give the key {permission} in Stripe's dashboard (Developers, API keys), or put another one into {place}; \
                 makegood secrets list says where it is read"
            ),
        }
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFault::Missing => f.write_str("STRIPE_SECRET is not set: there is no key to ask Stripe with"),
            KeyFault::NotTaken(error) => write!(f, "Stripe does not take the key in STRIPE_SECRET: {error}"),
            KeyFault::Lacks { endpoint, permission, error } => {
                write!(
                    f,
                    "the key in STRIPE_SECRET lacks {permission}, so {endpoint} is not allowed: {error}"
                )
            }
        }
    }
}

impl From<KeyFault> for Refusal {
    fn from(fault: KeyFault) -> Self {
        Refusal::new(fault.code(), fault.to_string()).fix(fault.fix())
    }
}

/// What an error says about our key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTrouble {
    /// No request at all succeeds with it.
    OpensNothing,
    /// This one does not; others may.
    LacksPermission,
}

/// Whether an error is about our key, and what else has to be expected of that key.
pub fn key_trouble(error: &Error) -> Option<KeyTrouble> {
    match error {
        Error::Refused(refusal) if [MISSING, NOT_TAKEN].contains(&refusal.code) => {
            Some(KeyTrouble::OpensNothing)
        }
        Error::Refused(refusal) if refusal.code == LACKS => Some(KeyTrouble::LacksPermission),
        _ => None,
    }
}

fn verb(call: &Call) -> &'static str {
    match call.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}

/// The permission that Stripe's own words name: `rak_charge_read`. It is about an expanded object as well, which the path
/// does not show.
fn named(message: &str) -> Option<String> {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.into_iter().find(|word| word.starts_with("rak_")).map(str::to_owned)
}

/// What Stripe's dashboard calls the resources that are asked for, by the beginning of the path.
const PERMISSIONS: &[(&str, &str)] = &[
    ("/v1/checkout/sessions", "Checkout Sessions"),
    ("/v1/events", "Events"),
    ("/v1/payment_intents", "PaymentIntents"),
    ("/v1/charges", "Charges and Refunds"),
    ("/v1/refunds", "Charges and Refunds"),
    ("/v1/disputes", "Disputes"),
    ("/v1/radar", "Radar"),
    ("/v1/reviews", "Radar"),
];

fn permission(call: &Call) -> String {
    let known = PERMISSIONS.iter().find(|(path, _)| call.path.starts_with(path));
    let level = if call.method == Method::Get { "Read" } else { "Write" };
    format!("{}: {level}", known.map_or(call.path.as_str(), |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, message: &str) -> ApiError {
        ApiError { status, message: message.into(), ..ApiError::default() }
    }

    #[test]
    fn a_key_that_may_not_do_this_is_told_by_endpoint_and_permission() {
        let refund = Call::post("/v1/refunds", "k");
        let fault = KeyFault::of(&refund, &said(403, "no")).unwrap();
        let refusal = Refusal::from(fault);
        assert_eq!(refusal.code, "stripe_permission_missing");
        assert!(
            refusal.why.contains("lacks Charges and Refunds: Write, so POST /v1/refunds"),
            "{}",
            refusal.why
        );
        assert!(refusal.fix.contains("Charges and Refunds: Write"), "{}", refusal.fix);
        let other = KeyFault::of(&Call::get("/v1/prices/price_1"), &said(403, "no")).unwrap();
        assert!(other.to_string().contains("lacks /v1/prices/price_1: Read"), "{other}");
    }

    #[test]
    fn the_permission_that_stripe_names_is_the_one() {
        let words = "The provided key 'rk_test_***' does not have the required permissions. Having the \
                     'rak_charge_read' permission would allow this request to continue.";
        let fault = KeyFault::of(&Call::get("/v1/payment_intents/pi_1"), &said(403, words)).unwrap();
        assert!(
            fault.to_string().contains("lacks rak_charge_read, so GET /v1/payment_intents/pi_1"),
            "{fault}"
        );
    }

    #[test]
    fn a_key_that_is_not_taken_and_one_that_is_not_there_open_nothing() {
        let wrong = KeyFault::of(&Call::get("/v1/events"), &said(401, "Invalid API Key provided")).unwrap();
        for (fault, code) in [(wrong, "stripe_key_not_taken"), (KeyFault::Missing, "stripe_key_missing")] {
            assert_eq!(fault.code(), code);
            assert!(fault.to_string().contains("STRIPE_SECRET") && fault.fix().contains("makegood.toml"));
            assert_eq!(key_trouble(&Refusal::from(fault).into()), Some(KeyTrouble::OpensNothing));
        }
        assert_eq!(key_trouble(&Refusal::new(LACKS, "").into()), Some(KeyTrouble::LacksPermission));
        assert_eq!(key_trouble(&Refusal::new("stripe_refused", "").into()), None);
        assert_eq!(KeyFault::of(&Call::get("/v1/events"), &said(404, "")), None);
    }
}
