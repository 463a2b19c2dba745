//! Cloudinary: our signatures are its own library's, and when it refuses one we say which of the causes it is.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod fakes;
mod parts;

use bytes::Bytes;
use fakes::{API_KEY, API_SECRET, CLOUD, Cloud};
use kernel::Timestamp;
use serde_json::{Value, json};
use storage::cloudinary::{Algorithm, Cause, CloudinaryConfig, diagnose, sign, string_to_sign};
use storage::{Cloudinary, Key, MediaError, MediaStore, StorageError};

#[test]
fn every_published_signature_is_met() {
    let Some(file) =
        testkit::stripe_data::file("other/cloudinary-signature-vectors.json", "Cloudinary's vectors")
    else {
        return;
    };
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let params: Vec<(String, String)> = vector["params"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let text = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    Value::Array(all) => {
                        all.iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join(",")
                    }
                    other => other.to_string(),
                };
                (name.clone(), text)
            })
            .collect();
        let params: Vec<(&str, &str)> =
            params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let text = string_to_sign(&params);
        assert_eq!(text, vector["string_to_sign"].as_str().unwrap());
        let algorithm = if vector["algorithm"] == "sha256" { Algorithm::Sha256 } else { Algorithm::Sha1 };
        assert_eq!(
            sign(&text, vector["secret"].as_str().unwrap(), algorithm),
            vector["signature"].as_str().unwrap()
        );
    }
}

#[test]
fn cloudinarys_own_library_signs_the_same() {
    let Some(python) = parts::python() else {
        return parts::not_run("cloudinary", "Cloudinary's library has not signed what we sign");
    };
    let cases = [
        vec![("public_id", "makegood/0199f3a2"), ("timestamp", "1793000000"), ("overwrite", "true")],
        vec![("folder", "products"), ("timestamp", "1793000000")],
        vec![("public_id", "a&b=c"), ("timestamp", "1"), ("context", "alt=x&y"), ("tags", "")],
        vec![("public_id", "Übung"), ("timestamp", "1793000000")],
    ];
    let mut asked = Vec::new();
    let mut ours = Vec::new();
    for params in &cases {
        for (name, algorithm) in [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256)] {
            let map: serde_json::Map<String, Value> =
                params.iter().map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
            asked.push(json!({ "params": map, "secret": API_SECRET, "algorithm": name }));
            ours.push(sign(&string_to_sign(params), API_SECRET, algorithm));
        }
    }
    let theirs = parts::ask(&python, "cloudinary_sign.py", &json!(asked));
    assert_eq!(json!(ours), theirs);
}

fn config(cloud: &Cloud) -> CloudinaryConfig {
    CloudinaryConfig {
        base: cloud.url.clone(),
        cloud: CLOUD.into(),
        api_key: API_KEY.into(),
        api_secret: API_SECRET.into(),
        algorithm: Algorithm::Sha1,
    }
}

async fn put(config: CloudinaryConfig) -> Result<String, MediaError> {
    let key = Key::new("0199f3a2.png").unwrap();
    let now = Timestamp::from_seconds(fakes::now());
    Cloudinary::new(config)
        .unwrap()
        .put(&key, "image/png", Bytes::from_static(b"\x89PNG\r\n--x\r\n"), now)
        .await
}

fn diagnosed<T: std::fmt::Debug>(result: Result<T, MediaError>) -> (Cause, String) {
    match result {
        Err(MediaError::Cloudinary(diagnosis)) => {
            assert!(!diagnosis.fix.is_empty());
            (diagnosis.cause, diagnosis.text)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_arrives_whole_and_the_answer_is_believed_only_when_it_is_signed() {
    let cloud = Cloud::start().await;
    let url = put(config(&cloud)).await.unwrap();
    assert_eq!(
        url,
        format!("https://res.cloudinary.example/{CLOUD}/image/upload/v1793000000/makegood/0199f3a2")
    );
    assert_eq!(cloud.account(|account| account.files["image/makegood/0199f3a2"]), 11);
    put(config(&cloud)).await.unwrap();
    assert_eq!(cloud.account(|account| account.files.len()), 1, "the same again is the same");
    let store = Cloudinary::new(config(&cloud)).unwrap();
    let (key, now) = (Key::new("0199f3a2.png").unwrap(), Timestamp::from_seconds(fakes::now()));
    assert!(store.check(now).await.unwrap().contains(CLOUD));
    store.delete(&key, "image/png", now).await.unwrap();
    store.delete(&key, "image/png", now).await.unwrap();
    assert!(cloud.account(|account| account.files.is_empty()));
    cloud.account(|account| account.algorithm = Algorithm::Sha256);
    put(CloudinaryConfig { algorithm: Algorithm::Sha256, ..config(&cloud) }).await.unwrap();
}

#[tokio::test]
async fn an_invalid_signature_is_told_apart_by_its_three_causes() {
    let cloud = Cloud::start().await;
    let with = |secret: &str| CloudinaryConfig { api_secret: secret.into(), ..config(&cloud) };
    let (cause, text) = diagnosed(put(with("aaaaaaaaaaaaaaaaaaaaaaaaaaa")).await);
    assert_eq!(cause, Cause::WrongSecret);
    assert!(
        text.contains("Invalid Signature") && text.contains("String to sign - 'overwrite=true&public_id="),
        "{text}"
    );
    for stray in [
        format!("{API_SECRET}\n"),
        format!(" {API_SECRET}"),
        format!("\"{API_SECRET}\""),
        format!("{API_SECRET}\u{200b}"),
    ] {
        let (cause, text) = diagnosed(put(with(&stray)).await);
        assert_eq!(cause, Cause::StrayCharacters, "{stray:?}");
        assert!(text.contains("stray_whitespace") && !text.contains(API_SECRET), "{text}");
    }
    cloud.account(|account| account.smuggled = Some(("folder".into(), "products".into())));
    let (cause, text) = diagnosed(put(config(&cloud)).await);
    assert_eq!(cause, Cause::OtherParameters);
    assert!(text.contains("folder was not sent by us"), "{text}");
    cloud.account(|account| account.smuggled = Some(("overwrite".into(), "false".into())));
    let (cause, text) = diagnosed(put(config(&cloud)).await);
    assert_eq!(cause, Cause::OtherParameters);
    assert!(text.contains("overwrite arrived as `false`, sent was `true`"), "{text}");
    // With a wrong secret as well, the parameters are still what is seen first: both must be put right.
    let (cause, _) = diagnosed(put(with("aaaaaaaaaaaaaaaaaaaaaaaaaaa")).await);
    assert_eq!(cause, Cause::OtherParameters);
    cloud.account(|account| (account.smuggled, account.algorithm) = (None, Algorithm::Sha256));
    let (cause, text) = diagnosed(put(config(&cloud)).await);
    assert_eq!(cause, Cause::WrongSecret);
    assert!(text.contains("the other hash"), "{text}");
    assert!(cloud.account(|account| account.files.is_empty()));
    // A check sees the same without putting anything there.
    let store = Cloudinary::new(with("aaaaaaaaaaaaaaaaaaaaaaaaaaa")).unwrap();
    assert_eq!(diagnosed(store.check(Timestamp::from_seconds(fakes::now())).await).0, Cause::WrongSecret);
}

#[tokio::test]
async fn what_is_no_matter_of_the_signature_is_not_called_one() {
    let cloud = Cloud::start().await;
    let (cause, _) = diagnosed(put(CloudinaryConfig { api_key: "999".into(), ..config(&cloud) }).await);
    assert_eq!(cause, Cause::WrongAccount);
    let (cause, _) = diagnosed(put(CloudinaryConfig { cloud: "other".into(), ..config(&cloud) }).await);
    assert_eq!(cause, Cause::WrongAccount);
    let store = Cloudinary::new(config(&cloud)).unwrap();
    let (key, old) = (Key::new("a.png").unwrap(), Timestamp::from_seconds(fakes::now() - 7200));
    assert_eq!(diagnosed(store.put(&key, "image/png", Bytes::from_static(b"x"), old).await).0, Cause::Clock);
    cloud.account(|account| account.instead = vec![(400, "File size too large".into())]);
    assert_eq!(diagnosed(put(config(&cloud)).await).0, Cause::Other);
    for (status, later) in [(500, true), (503, true), (429, true), (408, true)] {
        cloud.account(|account| account.instead = vec![(status, "General Error".into())]);
        let error = put(config(&cloud)).await.unwrap_err();
        assert!(
            matches!(error, MediaError::Storage(StorageError::Unavailable(_))) == later,
            "{status}: {error}"
        );
    }
    let away = CloudinaryConfig { base: "http://127.0.0.1:9".into(), ..config(&cloud) };
    assert!(matches!(put(away).await, Err(MediaError::Storage(StorageError::Unavailable(_)))));
}

#[test]
fn the_seeds_own_words_are_understood() {
    let said = "Invalid Signature e3b72691c25a6cd4a1843aff93da9b9e7136a2e2. String to sign - 'folder=products&timestamp=1793000000'.";
    let ours = "folder=products&timestamp=1793000000";
    assert_eq!(diagnose(said, ours, "hdcixPpR2iKERPwqvH6sHdK9cyac").cause, Cause::WrongSecret);
    assert_eq!(diagnose(said, ours, "hdcixPpR2iKERPwqvH6sHdK9cyac ").cause, Cause::StrayCharacters);
    let other = diagnose(said, "folder=products&timestamp=1793000001", "x");
    assert_eq!(other.cause, Cause::OtherParameters);
    assert!(other.text.contains("timestamp arrived as `1793000000`, sent was `1793000001`"), "{other}");
}
