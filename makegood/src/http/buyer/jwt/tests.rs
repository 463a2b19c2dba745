#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const SUB: &str = "0199f3a2-7b3c-7d2e-8f1a-2b3c4d5e6f70";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A sign-in with two keys.
struct SignIn {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
}

impl SignIn {
    fn new() -> SignIn {
        let chance = SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&chance).unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &chance).unwrap();
        SignIn {
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &chance).unwrap(),
        }
    }

    fn keys(&self) -> Vec<Key> {
        let point = self.ec.public_key().as_ref();
        let set = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(self.ed.public_key()), "alg": "EdDSA", "use": "sig" },
            { "kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(&point[1..33]), "y": b64(&point[33..]) },
            { "kty": "oct", "kid": "secret", "k": "AAAA" },
            { "kty": "EC", "crv": "P-256", "kid": "enc", "x": b64(&point[1..33]), "y": b64(&point[33..]), "use": "enc" },
        ]});
        Key::of_set(&set.to_string()).unwrap()
    }

    fn sign_ed(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        format!("{signed}.{}", b64(self.ed.sign(signed.as_bytes())))
    }

    fn sign_ec(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        let signature = self.ec.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", b64(signature))
    }

    fn check(&self, token: &str) -> Result<ProfileId, Refused> {
        let expected = Expected { issuer: "https://id.example".into(), audience: "shop".into() };
        Unchecked::read(token)?.check(&self.keys(), expected, NOW)
    }
}

const ED: &str = r#"{"alg":"EdDSA","kid":"ed","typ":"JWT"}"#;

fn claims() -> Value {
    json!({ "iss": "https://id.example", "aud": "shop", "sub": SUB, "exp": 1_790_000_300, "nbf": 1_789_999_990 })
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims.to_string()
}

fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    claims.to_string()
}

#[test]
fn what_the_sign_in_has_signed_counts() {
    let sign_in = SignIn::new();
    let sub: ProfileId = SUB.parse().unwrap();
    assert_eq!(sign_in.check(&sign_in.sign_ed(ED, &claims().to_string())), Ok(sub));
    assert_eq!(
        sign_in.check(&sign_in.sign_ec(r#"{"alg":"ES256","kid":"ec"}"#, &claims().to_string())),
        Ok(sub)
    );
    let several = with("aud", json!(["other", "shop"]));
    assert_eq!(sign_in.check(&sign_in.sign_ed(ED, &several)), Ok(sub));
    // Clocks differ a little.
    assert_eq!(sign_in.check(&sign_in.sign_ed(ED, &with("exp", json!(1_789_999_950)))), Ok(sub));
    assert_eq!(sign_in.check(&sign_in.sign_ed(ED, &with("exp", json!(1_790_000_000.5)))), Ok(sub));
}

#[test]
fn twenty_hostile_tokens_and_more_are_refused() {
    let sign_in = SignIn::new();
    let good = claims().to_string();
    let ed = |header: &str| sign_in.sign_ed(header, &good);
    let said = |claims: &str| sign_in.sign_ed(ED, claims);
    let parts = ed(ED);
    let parts: Vec<&str> = parts.split('.').collect();
    let hmac = {
        // The public key as the secret of an HMAC: whoever lets the token choose the algorithm accepts it.
        use ring::hmac;
        let signed = format!("{}.{}", b64(r#"{"alg":"HS256","kid":"ed"}"#), b64(&good));
        let key = hmac::Key::new(hmac::HMAC_SHA256, sign_in.ed.public_key().as_ref());
        format!("{signed}.{}", b64(hmac::sign(&key, signed.as_bytes())))
    };
    let other = SignIn::new();
    let own_key = format!(
        r#"{{"alg":"EdDSA","kid":"ed","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{}"}}}}"#,
        b64(other.ed.public_key())
    );
    let hostile: Vec<(&str, String)> = vec![
        ("alg none, no signature", format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(&good))),
        ("alg none with a kid", format!("{}.{}.", b64(r#"{"alg":"none","kid":"ed"}"#), b64(&good))),
        ("alg nOnE", format!("{}.{}.", b64(r#"{"alg":"nOnE","kid":"ed"}"#), b64(&good))),
        ("HS256 with the public key", hmac),
        ("another key's algorithm", ed(r#"{"alg":"ES256","kid":"ed"}"#)),
        ("RS256 for a key of Ed25519", ed(r#"{"alg":"RS256","kid":"ed"}"#)),
        ("no algorithm", ed(r#"{"kid":"ed"}"#)),
        ("an unknown kid", ed(r#"{"alg":"EdDSA","kid":"nobody"}"#)),
        ("no kid, and several keys", ed(r#"{"alg":"EdDSA"}"#)),
        ("a kid that is a path", ed(r#"{"alg":"EdDSA","kid":"../../dev/null"}"#)),
        ("a kid that is a number", ed(r#"{"alg":"EdDSA","kid":1}"#)),
        ("the key of a secret", ed(r#"{"alg":"HS256","kid":"secret"}"#)),
        ("a key for encryption", sign_in.sign_ec(r#"{"alg":"ES256","kid":"enc"}"#, &good)),
        ("somebody else's signature", other.sign_ed(ED, &good)),
        ("its own key in the header", other.sign_ed(&own_key, &good)),
        (
            "a key at an address",
            other.sign_ed(r#"{"alg":"EdDSA","kid":"ed","jku":"https://evil.example"}"#, &good),
        ),
        ("a certificate in the header", other.sign_ed(r#"{"alg":"EdDSA","kid":"ed","x5c":["AA"]}"#, &good)),
        (
            "an extension that must be understood",
            ed(r#"{"alg":"EdDSA","kid":"ed","crit":["b64"],"b64":false}"#),
        ),
        ("another type", ed(r#"{"alg":"EdDSA","kid":"ed","typ":"secevent+jwt"}"#)),
        ("the algorithm twice", ed(r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#)),
        ("expired", said(&with("exp", json!(1_789_999_939)))),
        ("without an end", said(&without("exp"))),
        ("an end that is a text", said(&with("exp", json!("1790000300")))),
        ("an end that is null", said(&with("exp", json!(null)))),
        ("not yet", said(&with("nbf", json!(1_790_000_100)))),
        ("made in the future", said(&with("iat", json!(1_790_000_100)))),
        ("another issuer", said(&with("iss", json!("https://id.example.evil.example")))),
        ("an issuer in a list", said(&with("iss", json!(["https://id.example"])))),
        ("without an issuer", said(&without("iss"))),
        ("another audience", said(&with("aud", json!("other")))),
        ("without an audience", said(&without("aud"))),
        ("an empty list of audiences", said(&with("aud", json!([])))),
        ("without a sub", said(&without("sub"))),
        ("a sub that is an email", said(&with("sub", json!("ada@example.com")))),
        ("a sub that is a number", said(&with("sub", json!(1)))),
        ("the sub twice", said(&good.replacen('{', r#"{"sub":"00000000-0000-0000-0000-000000000000","#, 1))),
        ("claims that are a list", said("[]")),
        ("altered claims", format!("{}.{}.{}", parts[0], b64(with("sub", json!(other_sub()))), parts[2])),
        ("an altered signature", format!("{}.{}.{}", parts[0], parts[1], b64([0; 64]))),
        ("a cut signature", format!("{}.{}.{}", parts[0], parts[1], &parts[2][..80])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("padding", format!("{}=.{}.{}", parts[0], parts[1], parts[2])),
        ("four parts", format!("{}.{}.{}.{}", parts[0], parts[1], parts[2], parts[2])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("nothing", "..".into()),
        ("not base64url", format!("{}.{}.{}", "$$$", parts[1], parts[2])),
        ("huge", said(&with("pad", json!("x".repeat(20_000))))),
    ];
    assert!(hostile.len() >= 20);
    for (what, token) in hostile {
        assert!(sign_in.check(&token).is_err(), "{what}: {token}");
    }
}

fn other_sub() -> &'static str {
    "00000000-0000-7000-8000-000000000000"
}

/// The example of RFC 7515, appendix A.2: a key and a signature that others have made.
#[test]
fn a_signature_by_rsa_of_the_standard_is_right_and_an_altered_one_is_not() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let set = json!({ "keys": [{ "kty": "RSA", "n": n, "e": "AQAB" }] });
    let keys = Key::of_set(&set.to_string()).unwrap();
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = URL_SAFE_NO_PAD
        .decode("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")
        .unwrap();
    assert_eq!(keys[0].public.alg(), "RS256");
    assert!(keys[0].public.has_signed(signed.as_bytes(), &signature));
    assert!(!keys[0].public.has_signed(format!("{signed}x").as_bytes(), &signature));
}
