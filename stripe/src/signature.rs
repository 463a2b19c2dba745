//! Is this body from Stripe, and is it fresh? `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>][,v0=<hex>]`.
//!
//! The rules are those of Stripe's official libraries, decided by shared vectors: only `t` and `v1` count, the
//! key is the whole `whsec_…` text, hex is compared as the lower-case text that Stripe sends, a timestamp in the
//! future is no reason to refuse.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use kernel::{Duration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// The age that Stripe's own libraries accept. Each retry is signed afresh, so a late delivery is not an old one.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Stripe sends one `v1` for each live secret, which is two during a roll. The cap bounds the work that a
/// stranger's header can cause; what follows the sixteenth is not read.
const MOST_SIGNATURES: usize = 16;

/// The signing secret of one webhook endpoint. Never printed.
#[derive(Clone)]
pub struct Secret {
    text: String,
    // The hash state after the key: half the work of a short message, done once at start-up.
    keyed: Hmac<Sha256>,
}

/// A signing secret that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing but whitespace. A blank key would accept what everybody can sign.
    #[error("the webhook signing secret is blank; expected whsec_… from the endpoint's page")]
    Blank,
}

impl Secret {
    /// The secret as configured, to the letter: whitespace is not trimmed, because Stripe signs with the exact text.
    pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(SecretError::Blank);
        }
        // HMAC takes keys of any length, so this never fails.
        let keyed = Hmac::new_from_slice(text.as_bytes()).map_err(|_| SecretError::Blank)?;
        Ok(Secret { text, keyed })
    }

    /// By which people tell this secret from another; it says nothing about the secret.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.text)
    }

    /// The signature over `"{t}.{body}"`, as 64 lower-case hex digits.
    fn signature(&self, t: &[u8], body: &[u8]) -> [u8; 64] {
        let mut mac = self.keyed.clone();
        mac.update(t);
        mac.update(b".");
        mac.update(body);
        hex(&mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…redacted")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}
impl Eq for Secret {}

/// Eight hex digits by which two secrets are told apart. Only for what nobody can guess: of a password they would be a
/// test that a guess has to pass.
pub(crate) fn fingerprint(text: &str) -> String {
    let hash = Sha256::new().chain_update(b"makegood fingerprint\0").chain_update(text.as_bytes()).finalize();
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no `Stripe-Signature` header, or it is empty.
    #[error("no Stripe-Signature header")]
    Missing,
    /// The header cannot be read.
    #[error("malformed Stripe-Signature header: {0}")]
    Malformed(&'static str),
    /// No `v1` was made with any configured secret over these bytes.
    #[error("no signature matches a configured secret")]
    NoMatch,
    /// Signed with our secret, but too long ago: perhaps a replay, perhaps a clock that is wrong.
    #[error("the signature matches but is {age_seconds} s old")]
    TooOld {
        /// How long ago Stripe signed it.
        age_seconds: i64,
    },
}

/// Checks `header` against `body` and gives the index of the secret that made it.
///
/// Every `v1` is compared with every secret in constant time and without stopping early, so the time taken says
/// nothing about which secret is how close. Age is looked at only after a match: a stranger learns nothing about
/// our clock.
pub fn verify(
    header: Option<&str>,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
    tolerance: Duration,
) -> Result<usize, SignatureError> {
    let header = header.filter(|text| !text.is_empty()).ok_or(SignatureError::Missing)?;
    let header = Header::parse(header)?;
    let matched = header.made_by(secrets, body).ok_or(SignatureError::NoMatch)?;
    let age_seconds = now.seconds().saturating_sub(header.seconds);
    if age_seconds > tolerance.as_secs() as i64 {
        return Err(SignatureError::TooOld { age_seconds });
    }
    Ok(matched)
}

/// The value of a `Stripe-Signature` header for `body`, as Stripe would send it at `at`. For tests and the sandbox.
pub fn sign(body: &[u8], secret: &Secret, at: Timestamp) -> String {
    let t = at.seconds().to_string();
    let signature = secret.signature(t.as_bytes(), body);
    format!("t={t},v1={}", String::from_utf8_lossy(&signature))
}

/// The parts of the header that count.
struct Header<'a> {
    t: &'a str,
    seconds: i64,
    signatures: [&'a [u8]; MOST_SIGNATURES],
    count: usize,
}

impl<'a> Header<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        let mut t = None;
        let mut header = Header { t: "", seconds: 0, signatures: [&[]; MOST_SIGNATURES], count: 0 };
        for (name, value) in text.split(',').filter_map(|part| part.split_once('=')) {
            match name {
                "t" => t = t.or(Some(value)),
                "v1" => header.push(value),
                _ => {}
            }
        }
        header.t = t.ok_or(SignatureError::Malformed("it has no t="))?;
        header.seconds =
            seconds(header.t).ok_or(SignatureError::Malformed("t is not a number of seconds"))?;
        if header.count == 0 {
            return Err(SignatureError::Malformed("it has no v1="));
        }
        Ok(header)
    }

    fn push(&mut self, signature: &'a str) {
        if let Some(free) = self.signatures.get_mut(self.count) {
            *free = signature.as_bytes();
            self.count += 1;
        }
    }

    fn made_by(&self, secrets: &[Secret], body: &[u8]) -> Option<usize> {
        let mut found = Choice::from(0);
        let mut index = 0u64;
        for (at, secret) in (0u64..).zip(secrets) {
            let expected = secret.signature(self.t.as_bytes(), body);
            let mut matches = Choice::from(0);
            for signature in &self.signatures[..self.count] {
                matches |= signature.ct_eq(&expected);
            }
            index.conditional_assign(&at, matches & !found);
            found |= matches;
        }
        bool::from(found).then_some(index as usize)
    }
}

/// Plain digits only: a sign or a space would be a second spelling of the same time.
fn seconds(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn check(header: &str, secrets: &[Secret], now: Timestamp) -> Result<usize, SignatureError> {
        verify(Some(header), b"{}", secrets, now, TOLERANCE)
    }

    #[test]
    fn what_was_signed_verifies_and_names_the_secret() {
        let secrets = [secret("whsec_old"), secret("whsec_new")];
        assert_eq!(check(&sign(b"{}", &secrets[1], NOW), &secrets, NOW), Ok(1));
        assert_eq!(check(&sign(b"{}", &secrets[0], NOW), &secrets, NOW), Ok(0));
        assert_eq!(
            check(&sign(b"{}", &secret("whsec_other"), NOW), &secrets, NOW),
            Err(SignatureError::NoMatch)
        );
        assert_eq!(check(&sign(b"{}", &secrets[0], NOW), &[], NOW), Err(SignatureError::NoMatch));
    }

    #[test]
    fn the_signature_is_hmac_sha256_in_lower_case_hex() {
        // RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?"; here the data is cut in two,
        // because a dot always stands between time and body.
        let made = secret("Jefe").signature(b"1790000000", b"{}");
        assert!(made.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)));
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        assert_eq!(
            hex(&mac.finalize().into_bytes().into()).as_slice(),
            b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn age_is_looked_at_after_the_match_and_the_future_is_no_reason_to_refuse() {
        let secrets = [secret("whsec_a")];
        let header = sign(b"{}", &secrets[0], NOW);
        assert_eq!(check(&header, &secrets, NOW + Duration::from_secs(300)), Ok(0));
        let late = NOW + Duration::from_secs(301);
        assert_eq!(check(&header, &secrets, late), Err(SignatureError::TooOld { age_seconds: 301 }));
        assert_eq!(check(&header, &secrets, NOW - Duration::from_secs(86_400)), Ok(0));
        assert_eq!(check(&header, &[secret("whsec_b")], late), Err(SignatureError::NoMatch));
    }

    #[test]
    fn a_header_that_cannot_be_read_says_why() {
        let secrets = [secret("whsec_a")];
        let why = |header: &str| check(header, &secrets, NOW).unwrap_err().to_string();
        assert_eq!(verify(None, b"{}", &secrets, NOW, TOLERANCE), Err(SignatureError::Missing));
        assert_eq!(why(""), "no Stripe-Signature header");
        assert!(why("test").contains("no t="));
        assert!(why("t=abc,v1=00").contains("not a number"));
        assert!(why("t=,v1=00").contains("not a number"));
        assert!(why("t=+5,v1=00").contains("not a number"));
        assert!(why("t=99999999999999999999,v1=00").contains("not a number"));
        assert!(why("t=5,v0=00").contains("no v1="));
        assert_eq!(check("t=5,v1=", &secrets, NOW), Err(SignatureError::NoMatch));
    }

    #[test]
    fn the_sixteenth_signature_counts_and_the_seventeenth_is_not_read() {
        let secrets = [secret("whsec_a")];
        let good = sign(b"{}", &secrets[0], NOW);
        let (t, v1) = good.split_once(',').unwrap();
        let with_wrong_ones = |count| format!("{t}{},{v1}", ",v1=00".repeat(count));
        assert_eq!(check(&with_wrong_ones(15), &secrets, NOW), Ok(0));
        assert_eq!(check(&with_wrong_ones(16), &secrets, NOW), Err(SignatureError::NoMatch));
    }

    #[test]
    fn a_secret_is_never_printed_nor_blank() {
        assert_eq!(format!("{:?}", secret("whsec_very")), "whsec_…redacted");
        assert_eq!(Secret::new(" \n"), Err(SecretError::Blank));
    }
}
