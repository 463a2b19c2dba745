//! Exit codes: what a script learns. Every way to say no is mapped here, and nowhere else.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or already so.
    Ok = 0,
    /// Something went wrong that is nobody's input.
    Error = 1,
    /// The command line cannot be followed: it is wrong, or a flag is missing.
    Usage = 2,
    /// A check has findings, or something is not healthy.
    Findings = 3,
    /// Not signed in, or the role does not reach.
    Forbidden = 4,
    /// What was named is not there.
    NotFound = 5,
    /// It changed under us: a stale plan, a key that was used for something else.
    Conflict = 6,
    /// A rule of the shop says no.
    Refused = 8,
    /// It was applied, and what must be true afterwards is not.
    Unverified = 9,
    /// A service outside is down, or everything is busy: try again later.
    Down = 10,
    /// Somebody ended it, or its process was told to stop.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The exit code for an error's stable name. A name that is not listed is a rule of the shop.
    pub fn of(code: &str) -> Exit {
        match code {
            "internal_error" | "outcome_unknown" | "not_migrated" | "disk_failed" => Exit::Error,
            "invalid_input" | "malformed_body" | "payload_too_large" | "reason_required" => Exit::Usage,
            "no_preview" | "method_not_allowed" | "media_type_refused" | "media_too_large" => Exit::Usage,
            "usage" | "flag_required" | "configuration" | "stripe_key_missing" => Exit::Usage,
            "forbidden" | "unauthenticated" | "too_many_attempts" => Exit::Forbidden,
            "not_found" | "no_such_route" => Exit::NotFound,
            "stale_plan" | "idempotency_key_reused" | "idempotency_in_flight" | "conflict" => Exit::Conflict,
            "interrupted" => Exit::Interrupted,
            "backfill_under_way" | "reconcile_taken_over" | "reconcile_place_lost" => Exit::Conflict,
            "busy" | "request_timeout" | "unreachable" | "stripe_unreachable" => Exit::Down,
            "CLOUDINARY_ERROR" | "media_store_error" => Exit::Down,
            _ => Exit::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Error, Refusal};

    #[test]
    fn what_may_succeed_later_is_never_taken_for_a_rule_of_the_shop() {
        for page in crate::http::error_pages::PAGES.iter().filter(|page| page.retryable) {
            assert_ne!(Exit::of(page.code), Exit::Refused, "{}", page.code);
        }
        assert_eq!(Exit::of("stripe_refused"), Exit::Refused);
    }

    #[test]
    fn every_way_to_say_no_has_its_exit_code() {
        for (error, exit) in [
            (Error::bug("boom"), Exit::Error),
            (Error::Unknown("COMMIT".into()), Exit::Error),
            (Error::invalid("/id", "wrong"), Exit::Usage),
            (Refusal::new("reason_required", "say why").into(), Exit::Usage),
            (Refusal::new("forbidden", "viewer").into(), Exit::Forbidden),
            (Error::not_found("order", "ord_1"), Exit::NotFound),
            (Refusal::new("stale_plan", "it changed").into(), Exit::Conflict),
            (Refusal::new("refused_by_guard", "no").into(), Exit::Refused),
            (Refusal::new("out_of_stock", "no").into(), Exit::Refused),
            (Error::Busy("pool".into()), Exit::Down),
        ] {
            assert_eq!(Exit::of(error.code()), exit, "{error}");
        }
    }
}
