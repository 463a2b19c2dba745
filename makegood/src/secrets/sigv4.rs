//! AWS Signature Version 4 for a request whose body is known: plain values in, one header out.

use hmac::{Hmac, KeyInit, Mac};
use kernel::Timestamp;
use sha2::{Digest, Sha256};

/// What is signed.
pub(super) struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// As it is sent, from the first slash on; `/` here.
    pub path: &'a str,
    /// Lower-case names, each once.
    pub headers: &'a [(&'a str, &'a str)],
    /// Every byte of it.
    pub body: &'a [u8],
}

/// With what it is signed.
pub(super) struct Signer<'a> {
    /// Which key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret_access_key: &'a str,
    /// Like `eu-west-1`.
    pub region: &'a str,
    /// Like `secretsmanager`.
    pub service: &'a str,
    /// When.
    pub at: Timestamp,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The time as `X-Amz-Date` has it, like `20150830T123600Z`.
pub(super) fn amz_date(at: Timestamp) -> String {
    let seconds: String = Timestamp::from_seconds(at.seconds()).to_string().chars().take(19).collect();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

impl Signer<'_> {
    /// The value of the `Authorization` header. Every header given is signed; `host` and `x-amz-date` belong to them.
    pub(super) fn authorization(&self, request: &Request<'_>) -> String {
        let mut headers = request.headers.to_vec();
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let body = hex(&Sha256::digest(request.body));
        // No query: what is asked stands in the body.
        let canonical = format!("{}\n{}\n\n{lines}\n{names}\n{body}", request.method, request.path);
        let date = amz_date(self.at);
        let scope = format!("{}/{}/{}/aws4_request", &date[..8], self.region, self.service);
        let text = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let signature = hex(&keyed(&self.key(&date[..8]), text.as_bytes()));
        let id = self.access_key_id;
        format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }

    fn key(&self, day: &str) -> [u8; 32] {
        let secret = format!("AWS4{}", self.secret_access_key);
        [day, self.region, self.service, "aws4_request"]
            .into_iter()
            .fold(None, |key: Option<[u8; 32]>, part| {
                let key: &[u8] = key.as_ref().map_or(secret.as_bytes(), |key| key);
                Some(keyed(key, part.as_bytes()))
            })
            .unwrap_or_default()
    }
}

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so there is no other arm.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(message).finalize().into_bytes().into(),
        Err(_) => [0; 32],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two examples of AWS's own test suite; botocore makes the same of them.
    #[test]
    fn the_signature_is_that_of_the_official_examples() {
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service: "service",
            at: "2015-08-30T12:36:00Z".parse().unwrap(),
        };
        let headers = [("x-amz-date", "20150830T123600Z"), ("host", "example.amazonaws.com")];
        for (method, signature) in [
            ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ] {
            let request = Request { method, path: "/", headers: &headers, body: b"" };
            let made = signer.authorization(&request);
            let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                         SignedHeaders=host;x-amz-date, Signature=";
            assert!(made.starts_with(start), "{made}");
            assert_eq!(&made[start.len()..], signature, "{method}");
        }
    }

    #[test]
    fn a_time_is_written_as_aws_wants_it() {
        assert_eq!(amz_date("2026-11-20T00:00:00.123Z".parse().unwrap()), "20261120T000000Z");
    }
}
