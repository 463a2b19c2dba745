//! The keys of the shop's own sign-in (RFC 7517): read from a file or an address, kept, and read again when a token names a
//! key that is not known, but not for everybody who makes one up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Duration, Timestamp};
use ring::signature;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use super::jwt::Expected;
use crate::http::problem::Problem;
use crate::outbound;

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(String),
}

/// The shop's own sign-in, as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Where its keys are.
    pub source: Source,
    /// What its tokens must say.
    pub expected: Expected,
}

/// After so long the keys are read again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// For so long they count where they cannot be read again.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// At most once in so long, whoever names unknown keys.
const PACE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_BYTES: usize = 256 * 1024;

/// The keys that are known.
#[derive(Debug, Default)]
pub struct Jwks {
    sign_in: Option<SignIn>,
    kept: Arc<Mutex<Kept>>,
    /// One reads, the others wait for what it has read.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Kept {
    keys: Arc<Vec<Key>>,
    read_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
}

impl Jwks {
    /// Of this sign-in; without one no token of it counts.
    pub fn new(sign_in: Option<SignIn>) -> Jwks {
        Jwks { sign_in, ..Jwks::default() }
    }

    /// Whether the shop has a sign-in of its own.
    pub fn is_configured(&self) -> bool {
        self.sign_in.is_some()
    }

    /// What its tokens must say; nothing can be right where there is none.
    pub fn expected(&self) -> Expected {
        self.sign_in.as_ref().map(|sign_in| sign_in.expected.clone()).unwrap_or_default()
    }

    /// The keys, read anew where they are old or this one is not among them. Whoever comes while they are read waits for that
    /// one reading; whoever comes after one that brought nothing waits for nothing.
    ///
    /// # Errors
    /// Busy when there are none and none can be read.
    pub async fn keys(&self, now: Timestamp, kid: Option<&str>) -> Result<Arc<Vec<Key>>, Problem> {
        if let Standing::Known(keys) = self.standing(now, kid) {
            return Ok(keys);
        }
        let turn = self.reading.clone().lock_owned().await;
        if let Standing::MayBeRead = self.standing(now, kid) {
            self.read(now, turn).await;
        }
        match self.standing(now, kid) {
            Standing::Known(keys) => Ok(keys),
            Standing::Missing(left) => Err(Problem::busy("the keys of the sign-in cannot be read now", left)),
            Standing::MayBeRead => Err(Problem::busy("the keys of the sign-in cannot be read now", 1)),
        }
    }

    /// What is kept, or whether it may be read now.
    fn standing(&self, now: Timestamp, kid: Option<&str>) -> Standing {
        let kept = lock(&self.kept);
        let age = kept.read_at.map(|at| now.since(at)).filter(|age| *age < STALE);
        let is_among = kid.is_none_or(|kid| kept.keys.iter().any(|key| key.kid.as_deref() == Some(kid)));
        let asked = kept.asked_at.map(|at| now.since(at)).filter(|since| *since < PACE);
        match (age, asked) {
            (Some(age), asked) if asked.is_some() || (is_among && age < FRESH) => {
                Standing::Known(kept.keys.clone())
            }
            (None, Some(since)) => Standing::Missing(PACE.as_secs().saturating_sub(since.as_secs()).max(1)),
            (Some(_), _) | (None, None) => Standing::MayBeRead,
        }
    }

    /// Reads them, in a task that goes on when whoever began it goes away: others wait for what it brings.
    async fn read(&self, now: Timestamp, turn: OwnedMutexGuard<()>) {
        let Some(source) = self.sign_in.as_ref().map(|sign_in| sign_in.source.clone()) else { return };
        let kept = self.kept.clone();
        lock(&kept).asked_at = Some(now);
        let reading = tokio::spawn(async move {
            let _turn = turn;
            match read(source).await {
                Ok(keys) => {
                    let mut kept = lock(&kept);
                    (kept.keys, kept.read_at) = (Arc::new(keys), Some(now));
                }
                Err(why) => tracing::warn!(why, "the keys of the shop's own sign-in could not be read"),
            }
        });
        if let Err(error) = reading.await {
            tracing::error!(%error, "reading the keys of the shop's own sign-in");
        }
    }
}

/// What may be done about a key.
enum Standing {
    /// These are the keys that count.
    Known(Arc<Vec<Key>>),
    /// There are none, and they were asked for a moment ago: in so many seconds they may be again.
    Missing(u64),
    /// They are to be read.
    MayBeRead,
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The keys, as they are there now.
///
/// # Errors
/// Why there are none.
pub async fn read(source: Source) -> Result<Vec<Key>, String> {
    let text = match source {
        Source::File(path) => {
            let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
            read.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?
        }
        Source::Url(url) => fetch(&url).await?,
    };
    let keys = Key::all(&text)?;
    if keys.is_empty() { Err("there is no key in it that can be used".into()) } else { Ok(keys) }
}

async fn fetch(url: &str) -> Result<String, String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = outbound::client(url, PATIENCE)?.get(url).send().await.map_err(told)?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(told)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > MOST_BYTES {
            return Err(format!("it is longer than {MOST_BYTES} bytes"));
        }
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

/// A public key; with it the one algorithm for which it is.
#[derive(Debug, Clone)]
pub struct Key {
    /// What tokens call it.
    pub kid: Option<String>,
    /// The key itself.
    pub public: Public,
}

/// The material of a key.
#[derive(Debug, Clone)]
pub enum Public {
    /// RS256.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// ES256: a point of P-256, uncompressed.
    P256(Vec<u8>),
    /// EdDSA: a point of Ed25519.
    Ed25519(Vec<u8>),
}

impl Public {
    /// The algorithm, as tokens call it.
    pub fn alg(&self) -> &'static str {
        match self {
            Public::Rsa { .. } => "RS256",
            Public::P256(_) => "ES256",
            Public::Ed25519(_) => "EdDSA",
        }
    }

    /// Whether this key has signed that.
    pub fn has_signed(&self, message: &[u8], given: &[u8]) -> bool {
        let verified = match self {
            Public::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                given,
            ),
            Public::P256(point) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, given)
            }
            Public::Ed25519(point) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, point).verify(message, given)
            }
        };
        verified.is_ok()
    }
}

impl Key {
    /// The keys of a set with which signatures can be checked; others are passed over.
    fn all(text: &str) -> Result<Vec<Key>, String> {
        let set: Value = serde_json::from_str(text).map_err(|e| format!("it is no JSON: {e}"))?;
        let keys = set["keys"].as_array().ok_or("it has no list `keys`")?;
        Ok(keys.iter().filter_map(Key::one).collect())
    }

    fn one(jwk: &Value) -> Option<Key> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let public = match (text("kty")?, text("crv")) {
            ("RSA", _) => Public::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                (x.len() == 32 && y.len() == 32).then(|| Public::P256([&[4], x.as_slice(), &y].concat()))?
            }
            ("OKP", Some("Ed25519")) => Public::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        let meant = |name: &str, word: &str| jwk.get(name).is_none_or(|value| value.as_str() == Some(word));
        let fits = meant("use", "sig") && meant("alg", public.alg());
        fits.then(|| Key { kid: text("kid").map(str::to_owned), public })
    }

    /// The keys of a set, for tests.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_set(text: &str) -> Result<Vec<Key>, String> {
        Key::all(text)
    }
}
