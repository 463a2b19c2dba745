//! The shop's own sign-in: what the keys `BUYER_*` amount to.

use super::Problem;
use crate::http::buyer::jwks::{SignIn, Source};
use crate::http::buyer::jwt::Expected;

/// What the keys amount to; each has the right form.
pub(super) fn read<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Result<Option<SignIn>, Vec<Problem>> {
    let source = match (text("BUYER_JWKS_URL"), text("BUYER_JWKS_FILE")) {
        (None, None) => return Ok(None),
        (Some(url), None) => {
            must_be_private(url).map_err(|problem| vec![problem])?;
            Source::Url(url.to_owned())
        }
        (None, Some(path)) => Source::File(path.into()),
        (Some(_), Some(_)) => {
            return Err(vec![Problem::new("BUYER_JWKS_URL", "is set, and BUYER_JWKS_FILE is too; keep one")]);
        }
    };
    let needed = [
        ("BUYER_JWT_ISSUER", "what the sign-in's tokens name as iss"),
        (
            "BUYER_JWT_AUDIENCE",
            "what the sign-in's tokens name as aud; a token for another shop must not count here",
        ),
    ];
    let missing = needed.iter().filter(|(name, _)| text(name).is_none());
    let problems: Vec<Problem> =
        missing.map(|(name, what)| Problem::new(*name, format!("is not set; expected {what}"))).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let said = |name: &str| text(name).unwrap_or_default().to_owned();
    let expected = Expected { issuer: said("BUYER_JWT_ISSUER"), audience: said("BUYER_JWT_AUDIENCE") };
    Ok(Some(SignIn { source, expected }))
}

/// Whoever can change the keys on their way can be every buyer.
fn must_be_private(url: &str) -> Result<(), Problem> {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    match host {
        Some(host) if !matches!(host, "127.0.0.1" | "localhost") => {
            Err(Problem::new("BUYER_JWKS_URL", "is not encrypted; expected https://"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn of(pairs: &[(&str, &'static str)]) -> Result<Option<SignIn>, Vec<String>> {
        let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        read(find).map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn keys_without_an_issuer_and_an_audience_are_none() {
        let url = ("BUYER_JWKS_URL", "https://id.example/jwks.json");
        assert_eq!(of(&[url]).unwrap_err(), ["BUYER_JWT_ISSUER", "BUYER_JWT_AUDIENCE"]);
        assert_eq!(of(&[url, ("BUYER_JWKS_FILE", "x")]).unwrap_err(), ["BUYER_JWKS_URL"]);
        assert_eq!(of(&[("BUYER_JWKS_URL", "http://id.example/x")]).unwrap_err(), ["BUYER_JWKS_URL"]);
        assert_eq!(of(&[]).unwrap(), None);
        let all = [url, ("BUYER_JWT_ISSUER", "https://id.example"), ("BUYER_JWT_AUDIENCE", "shop")];
        assert_eq!(of(&all).unwrap().unwrap().expected.audience, "shop");
    }
}
