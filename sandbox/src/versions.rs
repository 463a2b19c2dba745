//! Versions of Stripe's API: which there are, and what older ones still take. Every answer has the shapes of
//! [`API_VERSION`], and its header says so.

use crate::account::API_VERSION;
use crate::error::ApiError;
use crate::form::Node;
use crate::params::Params;

/// Since when versions have which name. The name of the last one goes on until Stripe begins another.
const NAMES: [(&str, &str); 5] = [
    ("2024-09-30", "acacia"),
    ("2025-03-31", "basil"),
    ("2025-09-30", "clover"),
    ("2026-03-25", "dahlia"),
    ("2026-09-30", "endive"),
];
const FIRST: &str = "2011-01-01";
/// From here on a shop no longer says how people may pay.
const WITHOUT_METHOD_TYPES: &str = "2026-09-30";
/// From here on `hosted` is called `hosted_page`.
const WITH_HOSTED_PAGE: &str = "2026-03-25";

/// How the two ways to pay that there are here are called.
const METHOD_TYPES: [&str; 2] = ["card", "us_bank_account"];

/// The day of a version that a request names; dates compare as they are written.
pub(crate) struct Version<'a>(&'a str);

impl<'a> Version<'a> {
    /// Reads `2026-10-28.endive`, and what betas add after a semicolon.
    pub(crate) fn read(written: &'a str) -> Result<Self, ApiError> {
        let version = written.split(';').next().unwrap_or_default().trim();
        let (day, name) = version.split_once('.').map_or((version, None), |(day, name)| (day, Some(name)));
        let expected = NAMES.iter().rev().find(|(since, _)| *since <= day).map(|(_, name)| *name);
        if is_day(day) && name == expected {
            return Ok(Version(day));
        }
        let message = format!(
            "Invalid Stripe API version: {version}. This sandbox knows those up to {API_VERSION}, and answers in \
             the shapes of that one whichever is named."
        );
        Err(ApiError::invalid(message))
    }

    /// The one that a request without a version has: that of the account.
    pub(crate) fn of_account() -> Version<'static> {
        Version(API_VERSION)
    }

    /// Takes away what this version still takes and [`API_VERSION`] does not, where it changes nothing here.
    pub(crate) fn bring_up_to_date(
        &self,
        path: &str,
        tree: &mut Vec<(String, Node)>,
    ) -> Result<(), ApiError> {
        let pays = ["/v1/checkout/sessions", "/v1/payment_intents"].iter().any(|at| path.starts_with(at));
        if pays && self.0 < WITHOUT_METHOD_TYPES {
            let types = Params::new(tree).texts("payment_method_types")?;
            if let Some(other) = types.iter().find(|kind| !METHOD_TYPES.contains(&kind.as_str())) {
                let known = METHOD_TYPES.join(" and ");
                let message = format!("This sandbox pays by {known} only; it has no `{other}`.");
                return Err(ApiError::invalid(message).about("payment_method_types"));
            }
            tree.retain(|(name, _)| name != "payment_method_types");
        }
        if self.0 < WITH_HOSTED_PAGE {
            let hosted = |node: &Node| matches!(node, Node::Text(text) if text == "hosted");
            tree.retain(|(name, node)| name != "ui_mode" || !hosted(node));
        }
        Ok(())
    }
}

/// `YYYY-MM-DD`, since there is a Stripe.
fn is_day(text: &str) -> bool {
    let numbers: Vec<Option<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
    let [Some(_), Some(month), Some(day)] = numbers[..] else { return false };
    text.len() == FIRST.len() && text >= FIRST && (1..=12).contains(&month) && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_stripe_never_had_are_refused_and_others_are_not() {
        for good in [
            "2019-02-19",
            "2024-06-20",
            "2024-11-20.acacia",
            "2025-09-30.clover",
            "2026-08-26.dahlia",
            API_VERSION,
            "2026-11-25.endive",
            "2024-06-20; embedded_connect_beta=v2",
        ] {
            assert!(Version::read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "banana",
            "2019-2-19",
            "2019-13-01",
            "2001-01-01",
            "2024-06-20.acacia",
            "2025-09-30.acacia",
            "2026-10-28",
            "2027-03-31.fig",
            "+019-02-19",
        ] {
            assert!(Version::read(bad).is_err(), "{bad}");
        }
    }
}
