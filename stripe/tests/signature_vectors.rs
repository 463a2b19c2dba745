//! The signature is decided as Stripe's own libraries decide it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod data;

use kernel::{Duration, Timestamp};
use serde_json::Value;
use stripe::{Secret, verify};

#[test]
fn every_shared_vector_is_decided_as_the_official_libraries_do() {
    let Some(file) = data::collected("signature-vectors.json") else { return };
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 20);
    for vector in vectors {
        let verdict = verdict(vector);
        assert_eq!(verdict.is_ok(), vector["valid"], "{}: {verdict:?}", vector["name"]);
    }
}

fn verdict(vector: &Value) -> Result<usize, stripe::SignatureError> {
    let text = |name: &str| vector[name].as_str().unwrap();
    let secrets: Vec<Secret> = vector["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| Secret::new(s.as_str().unwrap()).unwrap())
        .collect();
    let now = Timestamp::from_seconds(vector["now"].as_i64().unwrap());
    let tolerance = Duration::from_secs(vector["tolerance"].as_u64().unwrap());
    verify(Some(text("header")), text("body").as_bytes(), &secrets, now, tolerance)
}
