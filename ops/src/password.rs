//! Passwords: argon2id with 19 MiB and two rounds, the least that OWASP's cheat sheet on password storage recommends.
//!
//! A hash takes tens of milliseconds of a processor, so whoever calls this does so outside of any transaction and on a
//! thread that may be blocked.

use argon2::{Algorithm, Argon2, Params, Version};
use kernel::{Error, Result};

use crate::access::hex;

const MEMORY_KIB: u32 = 19 * 1024;
const ROUNDS: u32 = 2;
const LANES: u32 = 1;
const BYTES: usize = 32;
/// The shortest that may be chosen, in characters.
pub const SHORTEST: usize = 12;
/// The longest, in bytes: a longer one would only cost.
const LONGEST: usize = 256;

/// Whose hash nobody has: compared with when there is no such user, so that the time taken tells nothing.
const NOBODYS: &str = "argon2id$m=19456,t=2,p=1$00000000000000000000000000000000$\
                       0000000000000000000000000000000000000000000000000000000000000000";

/// Refuses a password that is too short or too long, or that is the name.
///
/// # Errors
/// Invalid, with what is expected.
pub fn must_be_good(password: &str, name: &str) -> Result<()> {
    if password.chars().count() < SHORTEST {
        return Err(Error::invalid("password", format!("expected at least {SHORTEST} characters")));
    }
    if password.len() > LONGEST {
        return Err(Error::invalid("password", format!("expected at most {LONGEST} bytes")));
    }
    if password.eq_ignore_ascii_case(name) {
        return Err(Error::invalid("password", "is the name itself"));
    }
    Ok(())
}

/// The hash of a password as it is kept: algorithm, parameters, salt and result.
///
/// # Errors
/// A bug when the parameters are refused.
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String> {
    let result = compute(password, &salt, MEMORY_KIB, ROUNDS, LANES)?;
    Ok(format!("argon2id$m={MEMORY_KIB},t={ROUNDS},p={LANES}${}${}", hex(&salt), hex(&result)))
}

/// Whether this is the password behind `kept`. Without one it takes as long, and is never so.
///
/// # Errors
/// A bug when what is kept is no hash of ours.
pub fn matches(password: &str, kept: Option<&str>) -> Result<bool> {
    if password.len() > LONGEST {
        return Ok(false);
    }
    let Kept { numbers: [memory, rounds, lanes], salt, expected } = parse(kept.unwrap_or(NOBODYS))
        .ok_or_else(|| Error::bug("a password is kept in a form that nobody knows"))?;
    let result = compute(password, &salt, memory, rounds, lanes)?;
    // The hashes are as good as random: how many bytes agree says nothing about the password. They are compared as a
    // whole all the same.
    let differs = result.iter().zip(&expected).fold(0_u8, |all, (a, b)| all | (a ^ b));
    Ok(differs == 0 && expected.len() == BYTES && kept.is_some())
}

fn compute(password: &str, salt: &[u8], memory: u32, rounds: u32, lanes: u32) -> Result<[u8; BYTES]> {
    let wrong = |error: argon2::Error| Error::bug(format!("argon2: {error}"));
    let params = Params::new(memory, rounds, lanes, Some(BYTES)).map_err(wrong)?;
    let mut out = [0; BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut out)
        .map_err(wrong)?;
    Ok(out)
}

/// What is kept, taken apart.
struct Kept {
    numbers: [u32; 3],
    salt: Vec<u8>,
    expected: Vec<u8>,
}

fn parse(kept: &str) -> Option<Kept> {
    let mut parts = kept.split('$');
    if parts.next()? != "argon2id" {
        return None;
    }
    let mut numbers = parts.next()?.split(',').map(|part| part.split_once('=')?.1.parse::<u32>().ok());
    let numbers = [numbers.next()??, numbers.next()??, numbers.next()??];
    Some(Kept { numbers, salt: unhex(parts.next()?)?, expected: unhex(parts.next()?)? })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |all, digit| all << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let kept = hash("correct horse battery", [7; 16]).unwrap();
        assert!(kept.starts_with("argon2id$m=19456,t=2,p=1$0707"), "{kept}");
        assert!(matches("correct horse battery", Some(&kept)).unwrap());
        assert!(!matches("correct horse batterz", Some(&kept)).unwrap());
        assert!(!matches("", Some(&kept)).unwrap());
        assert!(!matches("correct horse battery", None).unwrap());
        assert_ne!(kept, hash("correct horse battery", [8; 16]).unwrap(), "the salt counts");
        assert!(matches("x", Some("md5$1")).is_err());
    }

    #[test]
    fn a_password_that_is_easy_to_guess_is_refused() {
        assert!(must_be_good("elevenchars", "ada").is_err());
        assert!(must_be_good(&"x".repeat(300), "ada").is_err());
        assert!(must_be_good("ada@example.com", "ada@example.com").is_err());
        assert!(must_be_good("twelve chars", "ada").is_ok());
    }
}
