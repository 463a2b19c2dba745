//! Links to files of our own disk: signed, so that nobody makes one, and expiring, so that a shared one dies.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use hmac::{Hmac, KeyInit, Mac};
use kernel::{Entropy, Timestamp};
use sha2::Sha256;

use crate::http::{hex, percent_encoded};
use crate::{Key, Link, StorageError};

/// Nobody needs a link for longer, and one that never dies is no link but a copy.
pub(crate) const LONGEST_SECONDS: u64 = 7 * 24 * 3600;
const SECRET_BYTES: usize = 32;
/// The file in which a secret of our own is kept.
pub const SECRET_FILE: &str = "app.key";

/// Where the secret behind the signatures comes from.
#[derive(Clone)]
pub enum Secret {
    /// It was configured, as every node of several must be.
    Given(String),
    /// It lies in this folder, and is made when it is first needed.
    Kept {
        /// The folder.
        folder: PathBuf,
        /// By what it is made.
        entropy: Arc<dyn Entropy>,
    },
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Given(_) => f.write_str("Given(…redacted)"),
            Secret::Kept { folder, .. } => write!(f, "Kept({})", folder.display()),
        }
    }
}

/// Signs links and knows its own again.
#[derive(Debug)]
pub struct Signer {
    secret: Secret,
    key: OnceLock<[u8; 32]>,
}

/// What a link says, before anybody believes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// When it ends, in seconds since 1970.
    pub expires: i64,
    /// Under which name a browser saves the file.
    pub file_name: String,
    /// As what it is served; empty where that follows from the name.
    pub content_type: String,
}

/// Why a link does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Its time is over; it was genuine.
    #[error("the link ended at {0}")]
    Expired(Timestamp),
    /// It was not made here, or not like this.
    #[error("the link was altered, or was not made by this shop")]
    Altered,
    /// The secret cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Signer {
    /// By this secret.
    pub fn new(secret: Secret) -> Signer {
        Signer { secret, key: OnceLock::new() }
    }

    /// The query of a link to `key`: `expires=…&name=…&signature=…`.
    ///
    /// # Errors
    /// When the secret cannot be read or made.
    pub fn query(&self, key: &Key, link: &Link, now: Timestamp) -> Result<String, StorageError> {
        let seconds = link.ttl.as_secs().clamp(1, LONGEST_SECONDS) as i64;
        let claim = Claim {
            // The second that has begun counts whole, so that no link is shorter than promised.
            expires: now
                .seconds()
                .saturating_add(seconds)
                .saturating_add(i64::from(now.micros() % 1_000_000 != 0)),
            file_name: link.file_name.clone(),
            content_type: link.content_type.clone().unwrap_or_default(),
        };
        let signature = hex(&self.mac(key, &claim)?.finalize().into_bytes());
        let mut query = format!("expires={}&name={}", claim.expires, percent_encoded(&claim.file_name, b""));
        if !claim.content_type.is_empty() {
            query.push_str(&format!("&type={}", percent_encoded(&claim.content_type, b"")));
        }
        Ok(format!("{query}&signature={signature}"))
    }

    /// Whether this link was made here, like this, and still lasts. The signature is judged first: of a forged link
    /// nobody learns whether it would have been in time.
    ///
    /// # Errors
    /// Says which of it is not so.
    pub fn judge(&self, key: &Key, claim: &Claim, signature: &str, now: Timestamp) -> Result<(), LinkError> {
        let signature = unhex(signature).ok_or(LinkError::Altered)?;
        // Compares in constant time.
        self.mac(key, claim)?.verify_slice(&signature).map_err(|_| LinkError::Altered)?;
        let ends = Timestamp::from_seconds(claim.expires);
        if now >= ends { Err(LinkError::Expired(ends)) } else { Ok(()) }
    }

    /// Each part is preceded by its length, so that no two links sign the same text.
    fn mac(&self, key: &Key, claim: &Claim) -> Result<Hmac<Sha256>, StorageError> {
        let mut mac = keyed(self.key()?)?;
        let expires = claim.expires.to_string();
        for part in ["makegood file link 1", key.as_str(), &expires, &claim.file_name, &claim.content_type] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac)
    }

    fn key(&self) -> Result<&[u8; 32], StorageError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let secret = match &self.secret {
            Secret::Given(text) => text.clone().into_bytes(),
            Secret::Kept { folder, entropy } => kept(folder, &**entropy).map_err(|error| {
                let path = folder.join(SECRET_FILE);
                StorageError::Unavailable(format!("the secret in {}: {error}", path.display()))
            })?,
        };
        let mut mac = keyed(&secret)?;
        mac.update(b"links to files");
        Ok(self.key.get_or_init(|| mac.finalize().into_bytes().into()))
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>, StorageError> {
    Hmac::new_from_slice(secret).map_err(|error| StorageError::Refused(error.to_string()))
}

/// The secret of the folder; made when there is none. Of two that make one at once, one wins and both use it.
fn kept(folder: &Path, entropy: &dyn Entropy) -> std::io::Result<Vec<u8>> {
    let path = folder.join(SECRET_FILE);
    match read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        found => return found,
    }
    std::fs::create_dir_all(folder)?;
    let (mut secret, mut name) = ([0; SECRET_BYTES], [0; 8]);
    entropy.fill(&mut secret);
    entropy.fill(&mut name);
    let new = folder.join(format!(".{SECRET_FILE}.{}", hex(&name)));
    let mut file = private(&new)?;
    file.write_all(hex(&secret).as_bytes())?;
    file.sync_all()?;
    // A link, unlike a rename, does not replace the one that somebody else has just made.
    let linked = std::fs::hard_link(&new, &path);
    std::fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::File::open(folder)?.sync_all()?;
    read(&path)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let text = std::fs::read(path)?;
    let text = text.trim_ascii().to_vec();
    if text.len() < SECRET_BYTES {
        let what = "it is too short to be a secret; remove the file, and a new one is made";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what));
    }
    Ok(text)
}

fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.iter().all(|d| d.is_ascii_digit() || (b'a'..=b'f').contains(d)) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let digit = |d: u8| char::from(d).to_digit(16).unwrap_or_default() as u8;
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Some(bytes)
}
