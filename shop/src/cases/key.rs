//! What kind of thing a text names. This file decides by the form alone; whether there is such a thing is asked later.

use jobs::JobId;
use kernel::{Error, Id, IdParseError, Kind, Result};
use ops::TokenKind;
use ops::audit::AuditId;
use ops::runs::RunId;
use uuid::Uuid;

use crate::customers::is_email;
use crate::ids::{EntitlementId, MailId, OrderId, ProfileId, ReconciliationId, RefundId, ReservationId};

/// What a person has in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// One of Stripe's events.
    Event(String),
    /// An object at Stripe.
    Object(Object, String),
    /// A purchase.
    Order(OrderId),
    /// A piece of stock set aside.
    Reservation(ReservationId),
    /// A refund that was asked for here.
    Refund(RefundId),
    /// A buyer.
    Profile(ProfileId),
    /// A right to a product.
    Entitlement(EntitlementId),
    /// Background work.
    Job(JobId),
    /// Something that a buyer was told.
    Mail(MailId),
    /// An entry of the audit log.
    Audit(AuditId),
    /// A task that runs or has run.
    Run(RunId),
    /// A comparison with Stripe.
    Reconciliation(ReconciliationId),
    /// A token of the admin API.
    Token(Id<TokenKind>),
    /// A request to this server, by the id that it was answered with.
    Request(String),
    /// An id of ours without its prefix, as SQL shows it: of what, nobody can tell by looking at it.
    Bare(Uuid),
    /// An email.
    Email(String),
    /// A word: a user's name, a product, a SKU, an object of Stripe's of which only events may tell; or nothing that is known.
    Word(String),
}

/// Which kind of object at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A checkout session.
    Session,
    /// A payment intent.
    Intent,
    /// A charge.
    Charge,
    /// A refund.
    Refund,
    /// A dispute.
    Dispute,
    /// An early fraud warning.
    Warning,
    /// A review by Radar.
    Review,
}

impl Object {
    /// As shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Object::Session => "session",
            Object::Intent => "payment_intent",
            Object::Charge => "charge",
            Object::Refund => "refund",
            Object::Dispute => "dispute",
            Object::Warning => "early_fraud_warning",
            Object::Review => "radar_review",
        }
    }
}

/// An email may be as long; what a longer text could be is not looked for.
pub const LONGEST: usize = 500;

impl Key {
    /// Reads a text as people paste it: with quotes around it, or the address of a page that ends with an id. `at` is the field
    /// in which it stands.
    ///
    /// # Errors
    /// Invalid when it is empty, or begins like an id of ours and is none.
    pub fn parse(at: &str, text: &str) -> Result<Key> {
        let text = text.trim().trim_matches(['\'', '"', '`', '<', '>', ',']).trim();
        if text.is_empty() || text.len() > LONGEST {
            return Err(Error::invalid(at, "expected an id or an email"));
        }
        if text.contains("://") {
            let mut parts = text.rsplit(['/', '?', '&', '=', '#']).filter(|part| !part.is_empty());
            let known = parts.find_map(|part| {
                let key = Key::one(part).ok()?;
                (!matches!(key, Key::Word(_))).then_some(key)
            });
            return Ok(known.unwrap_or_else(|| Key::Word(text.to_owned())));
        }
        Key::one(text)
    }

    fn one(text: &str) -> Result<Key> {
        let owned = || text.to_owned();
        let object = |object| Ok(Key::Object(object, owned()));
        if is_email(text) {
            return Ok(Key::Email(owned()));
        }
        match text.split_once('_').map_or("", |(prefix, _)| prefix) {
            "evt" => Ok(Key::Event(owned())),
            "cs" => object(Object::Session),
            "pi" => object(Object::Intent),
            "ch" | "py" => object(Object::Charge),
            "re" | "pyr" => object(Object::Refund),
            "dp" | "du" | "pdp" => object(Object::Dispute),
            "issfr" => object(Object::Warning),
            "prv" => object(Object::Review),
            "ord" => own(text).map(Key::Order),
            "res" => own(text).map(Key::Reservation),
            "rfd" => own(text).map(Key::Refund),
            "prf" => own(text).map(Key::Profile),
            "ent" => own(text).map(Key::Entitlement),
            "job" => own(text).map(Key::Job),
            "mal" => own(text).map(Key::Mail),
            "aud" => own(text).map(Key::Audit),
            "run" => own(text).map(Key::Run),
            "rec" => own(text).map(Key::Reconciliation),
            "tok" => own(text).map(Key::Token),
            "req" => Ok(Key::Request(owned())),
            _ => Ok(match text.parse::<Uuid>() {
                Ok(uuid) => Key::Bare(uuid),
                Err(_) => Key::Word(owned()),
            }),
        }
    }

    /// As it is shown.
    pub fn shown(&self) -> String {
        match self {
            Key::Event(id) | Key::Object(_, id) | Key::Request(id) | Key::Email(id) | Key::Word(id) => {
                id.clone()
            }
            Key::Order(id) => id.to_string(),
            Key::Reservation(id) => id.to_string(),
            Key::Refund(id) => id.to_string(),
            Key::Profile(id) => id.to_string(),
            Key::Entitlement(id) => id.to_string(),
            Key::Job(id) => id.to_string(),
            Key::Mail(id) => id.to_string(),
            Key::Audit(id) => id.to_string(),
            Key::Run(id) => id.to_string(),
            Key::Reconciliation(id) => id.to_string(),
            Key::Token(id) => id.to_string(),
            Key::Bare(id) => id.to_string(),
        }
    }

    /// Where such a thing is looked for, for whoever did not find it.
    pub fn looked(&self) -> &'static str {
        match self {
            Key::Event(_) => "looked among events by their id",
            Key::Object(Object::Session, _) => {
                "looked among facts, orders by their session, and events by their object"
            }
            Key::Object(Object::Intent, _) => {
                "looked among facts, orders by their payment intent, and events by their object"
            }
            Key::Object(Object::Refund, _) => {
                "looked among facts, refunds asked for here, and events by their object"
            }
            Key::Object(..) => "looked among facts, and events by their object",
            Key::Order(_) => "looked among orders by their id",
            Key::Reservation(_) => "looked among reservations by their id",
            Key::Refund(_) => "looked among refunds by their id",
            Key::Profile(_) => "looked among profiles by their id",
            Key::Entitlement(_) => "looked among entitlements by their id",
            Key::Job(_) => "looked among jobs that wait or have given up; what is done is gone",
            Key::Mail(_) => "looked among mails by their id",
            Key::Audit(_) => "looked among entries of the audit log by their id",
            Key::Run(_) => "looked among runs of tasks of the last 90 days by their id",
            Key::Reconciliation(_) => "looked among comparisons with Stripe by their id",
            Key::Token(_) => "looked among tokens by their id",
            Key::Request(_) => {
                "looked among entries of the audit log by their request; what only looks leaves none"
            }
            Key::Bare(_) => "looked among everything that has an id of ours, by that id",
            Key::Email(_) => "looked among profiles and orders by their email",
            Key::Word(_) => {
                "it is neither an email nor the id of an event (evt_), session (cs_), payment intent (pi_), charge (ch_), \
                 refund (re_, rfd_), dispute (dp_), order (ord_), reservation (res_), profile (prf_), entitlement (ent_), \
                 job (job_), mail (mal_), audit entry (aud_), run (run_), reconciliation (rec_), token (tok_) or request \
                 (req_), nor a user's name, a product or a SKU, which are what is looked among"
            }
        }
    }
}

fn own<K: Kind>(text: &str) -> Result<Id<K>> {
    text.parse().map_err(|error: IdParseError| Error::invalid("q", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0199f3a27b3c7d2e8f1a2b3c4d5e6f70";

    #[test]
    fn what_begins_like_an_id_of_ours_and_is_none_is_said_so() {
        for wrong in [
            "ord_1", "prf_", "rfd_zz", "res_0199", "ent_x", "job_12", "mal_1", "aud_", "run_x", "rec_1",
            "tok_1",
        ] {
            let error = Key::parse("q", wrong).unwrap_err();
            assert_eq!(error.code(), "invalid_input", "{wrong}");
            assert!(error.to_string().contains("32 hex digits"), "{error}");
        }
        for empty in ["", "  ", "''", &"x".repeat(501)] {
            assert_eq!(Key::parse("q", empty).unwrap_err().code(), "invalid_input");
        }
    }

    #[test]
    fn what_has_no_form_of_an_id_is_a_word() {
        for text in ["cus_1", "hello", "a b@c", "@", "a@", "@b", "a@b@c", "https://example.com/x"] {
            assert_eq!(Key::parse("q", text).unwrap(), Key::Word(text.into()), "{text}");
        }
    }

    #[test]
    fn each_id_is_known_by_its_form() {
        let object = |object, id: &str| Key::Object(object, id.into());
        for (text, key) in [
            ("evt_1", Key::Event("evt_1".into())),
            ("cs_test_a1", object(Object::Session, "cs_test_a1")),
            ("pi_1", object(Object::Intent, "pi_1")),
            ("ch_1", object(Object::Charge, "ch_1")),
            ("py_1", object(Object::Charge, "py_1")),
            ("re_1", object(Object::Refund, "re_1")),
            ("pyr_1", object(Object::Refund, "pyr_1")),
            ("dp_1", object(Object::Dispute, "dp_1")),
            ("du_1", object(Object::Dispute, "du_1")),
            ("issfr_1", object(Object::Warning, "issfr_1")),
            ("prv_1", object(Object::Review, "prv_1")),
            ("req_1", Key::Request("req_1".into())),
            ("ada@example.com", Key::Email("ada@example.com".into())),
            ("ord_team@example.com", Key::Email("ord_team@example.com".into())),
        ] {
            assert_eq!(Key::parse("q", text).unwrap(), key);
            assert_eq!(key.shown(), text);
        }
        for prefix in ["ord", "res", "rfd", "prf", "ent", "job", "mal", "aud", "run", "rec", "tok"] {
            let text = format!("{prefix}_{HEX}");
            assert_eq!(Key::parse("q", &text).unwrap().shown(), text);
        }
        assert_eq!(Key::parse("q", HEX).unwrap(), Key::Bare(HEX.parse().unwrap()));
    }

    #[test]
    fn what_people_paste_around_an_id_is_taken_off() {
        let payment = Key::Object(Object::Intent, "pi_1".into());
        for text in [" pi_1\n", "'pi_1'", "\"pi_1\",", "https://dashboard.stripe.com/test/payments/pi_1?x=1"]
        {
            assert_eq!(Key::parse("q", text).unwrap(), payment, "{text}");
        }
        let page = "https://shop.example/thanks?session_id=cs_1";
        assert_eq!(Key::parse("q", page).unwrap(), Key::Object(Object::Session, "cs_1".into()));
    }
}
