//! A token of the shop's own sign-in (RFC 7519, with the advice of RFC 8725): the key alone says by which algorithm it is
//! checked, and nothing that stands in a token is believed before its signature was.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use shop::ids::ProfileId;

use super::jwks::Key;

/// What a token must say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Who has made it.
    pub issuer: String,
    /// For whom.
    pub audience: String,
}

/// Why a token does not count. For whoever builds the shop's sign-in; it tells nothing that helps a thief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token of the sign-in: {}", self.0)
    }
}

/// Longer ones are not read.
const MOST_BYTES: usize = 8 * 1024;
/// So far may clocks differ, in seconds.
const LEEWAY: f64 = 60.0;
/// A token that brings its own key, or wants to be read in another way, is refused whatever it says.
const NOT_IN_A_HEADER: [&str; 9] = ["jwk", "jku", "x5u", "x5c", "x5t", "crit", "zip", "enc", "b64"];

/// A token that was taken apart, of which nothing is believed.
pub struct Unchecked<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    alg: String,
    kid: Option<String>,
    claims: Vec<u8>,
}

impl<'a> Unchecked<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// When it is no signed token, or its header wants something that it must not want.
    pub fn read(token: &'a str) -> Result<Self, Refused> {
        if token.len() > MOST_BYTES {
            return Err(Refused("it is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused("it has not three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(Refused("it has not three parts"))?;
        if claims.contains('.') {
            return Err(Refused("it has not three parts"));
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused("it is not base64url"));
        let header = Object::read(&decode(header)?)?;
        if NOT_IN_A_HEADER.iter().any(|name| header.get(name).is_some()) {
            return Err(Refused("its header brings a key or asks for an extension"));
        }
        let kind = header.get("typ").map(|typ| typ.as_str().unwrap_or("?").to_ascii_lowercase());
        if kind.is_some_and(|kind| kind != "jwt" && kind != "at+jwt") {
            return Err(Refused("it is of another type"));
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Refused("its kid is no text")),
        };
        let alg =
            header.get("alg").and_then(Value::as_str).ok_or(Refused("it names no algorithm"))?.to_owned();
        Ok(Unchecked { signed, signature: decode(signature)?, alg, kid, claims: decode(claims)? })
    }

    /// Which key it names.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whose it is, when it counts now.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn check(&self, keys: &[Key], expected: Expected, now: Timestamp) -> Result<ProfileId, Refused> {
        let key = match &self.kid {
            Some(kid) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            // Without a name it can only be the one there is.
            None => keys.first().filter(|_| keys.len() == 1),
        };
        let key = key.ok_or(Refused("its key is not known"))?;
        if key.public.alg() != self.alg {
            return Err(Refused("its algorithm is not its key's"));
        }
        if !key.public.has_signed(self.signed.as_bytes(), &self.signature) {
            return Err(Refused("its signature is not right"));
        }
        let claims = Object::read(&self.claims)?;
        if expected.issuer.is_empty() || claims.get("iss").and_then(Value::as_str) != Some(&expected.issuer) {
            return Err(Refused("it was made by another (iss)"));
        }
        let is_for_us = match claims.get("aud") {
            Some(Value::String(one)) => *one == expected.audience,
            Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&expected.audience)),
            _ => false,
        };
        if expected.audience.is_empty() || !is_for_us {
            return Err(Refused("it is for another (aud)"));
        }
        let now = now.millis() as f64 / 1_000.0;
        match instant(&claims, "exp")? {
            None => return Err(Refused("it never ends (exp)")),
            Some(end) if end + LEEWAY <= now => return Err(Refused("it has ended (exp)")),
            Some(_) => {}
        }
        for name in ["nbf", "iat"] {
            if instant(&claims, name)?.is_some_and(|begin| begin - LEEWAY > now) {
                return Err(Refused("it does not count yet (nbf, iat)"));
            }
        }
        let sub =
            claims.get("sub").and_then(Value::as_str).ok_or(Refused("it says not whose it is (sub)"))?;
        sub.parse().map_err(|_| Refused("its sub is no profile's id; expected a UUID"))
    }
}

/// Seconds since 1970; not a number is not an instant.
fn instant(claims: &Object, name: &str) -> Result<Option<f64>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .filter(|seconds| seconds.is_finite())
            .map(Some)
            .ok_or(Refused("one of its instants is no number (exp, nbf, iat)")),
    }
}

/// A JSON object that says nothing twice: of two copies one reader would take the first and another the last.
struct Object(Vec<(String, Value)>);

impl Object {
    fn read(bytes: &[u8]) -> Result<Object, Refused> {
        serde_json::from_slice(bytes)
            .map_err(|_| Refused("a part of it is no JSON object, or says something twice"))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields: Vec<(String, Value)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a name stands there twice"));
                    }
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

#[cfg(test)]
mod tests;
