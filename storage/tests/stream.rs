//! Films at Cloudflare: plain, signed by its API, signed by our key; and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod fakes;

use fakes::{ACCOUNT, API_TOKEN, Cloudflare, OPEN_FILM, SIGNED_FILM};
use kernel::{Duration, Timestamp};
use serde_json::Value;
use storage::stream::{Api, Claims, Signing, StreamConfig, StreamKey};
use storage::{CloudflareStream, StorageError, Streams};

fn vectors() -> Option<Value> {
    let file = testkit::stripe_data::file(
        "other/cloudflare-stream-token-vectors.json",
        "the vectors of stream tokens",
    )?;
    Some(serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
}

#[test]
fn every_token_is_cloudflares_byte_for_byte() {
    let Some(all) = vectors() else { return };
    let (id, pem) = (all["key"]["id"].as_str().unwrap(), all["key"]["pem"].as_str().unwrap());
    let key = StreamKey::new(id, pem).unwrap();
    let vectors = all["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let claims = &vector["claims"];
        let made = key.token(&Claims {
            sub: claims["sub"].as_str().unwrap(),
            kid: claims["kid"].as_str().unwrap(),
            exp: claims["exp"].as_i64().unwrap(),
            nbf: claims["nbf"].as_i64(),
            downloadable: claims["downloadable"].as_bool(),
            access_rules: claims.get("accessRules").cloned(),
        });
        assert_eq!(made.unwrap(), vector["token"].as_str().unwrap());
    }
}

#[tokio::test]
async fn by_a_key_of_our_own_a_film_is_signed_without_asking_anybody() {
    let Some(all) = vectors() else { return };
    let (id, pem) = (all["key"]["id"].as_str().unwrap(), all["key"]["pem"].as_str().unwrap());
    let stream = CloudflareStream::new(StreamConfig {
        iframe_base: "https://customer-CODE.cloudflarestream.com/".into(),
        signing: Some(Signing::ByKey { id: id.into(), pem: pem.into() }),
        api: None,
        ttl: Duration::from_secs(3600),
    });
    let stream = stream.unwrap();
    let now = Timestamp::from_seconds(1_793_000_000);
    let player = stream.player(SIGNED_FILM, now).await.unwrap();
    let token = all["vectors"][0]["token"].as_str().unwrap();
    assert_eq!(player.url, format!("https://customer-CODE.cloudflarestream.com/{token}/iframe"));
    assert_eq!(player.expires_at, Some(Timestamp::from_seconds(1_793_003_600)));
    // What only the API knows nobody says without it.
    let asked = stream.exists(SIGNED_FILM).await.unwrap_err();
    assert!(
        matches!(asked, StorageError::NotConfigured(keys) if keys.contains("CF_STREAM_API_TOKEN")),
        "{asked}"
    );
}

#[test]
fn a_pem_is_taken_as_it_is_in_base64_and_with_written_line_ends_and_nothing_else_is() {
    let Some(all) = vectors() else { return };
    let encoded = all["key"]["pem"].as_str().unwrap();
    let mut wrapped = String::new();
    for (at, letter) in encoded.chars().enumerate() {
        if at % 64 == 0 {
            wrapped.push('\n');
        }
        wrapped.push(letter);
    }
    StreamKey::new("id", &wrapped).unwrap();
    let plain = String::from_utf8(decode(encoded)).unwrap();
    StreamKey::new("id", &plain).unwrap();
    StreamKey::new("id", &plain.replace('\n', "\\n")).unwrap();
    let cut = plain[..plain.len() / 2].to_owned();
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
    for wrong in
        ["", "ä", "AAAA", &cut, public, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
    {
        let told = StreamKey::new("id", wrong).unwrap_err().to_string();
        assert!(told.contains("CF_STREAM_KEY_PEM") && !told.contains("AAAA"), "{told}");
    }
}

fn decode(text: &str) -> Vec<u8> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |letter: u8| letters.iter().position(|known| *known == letter).unwrap() as u32;
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        (bits, held) = ((bits << 6 | value(letter)) & 0xffff, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

fn of(cloudflare: &Cloudflare, token: &str, signed: bool, ttl: u64) -> CloudflareStream {
    let api = Api { base: cloudflare.api(), account: ACCOUNT.into(), token: token.into() };
    let signing = signed.then_some(Signing::ByApi);
    let iframe_base = cloudflare.url.clone();
    let config = StreamConfig { iframe_base, signing, api: Some(api), ttl: Duration::from_secs(ttl) };
    CloudflareStream::new(config).unwrap()
}

async fn plays(url: &str) -> u16 {
    // One connection, no TLS, no client of the code that is tested.
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_film_that_must_be_signed_plays_by_a_token_and_not_by_its_id() {
    let cloudflare = Cloudflare::start().await;
    let now = Timestamp::from_seconds(fakes::now());
    let plain = of(&cloudflare, API_TOKEN, false, 300);
    let open = plain.player(OPEN_FILM, now).await.unwrap();
    assert_eq!((plays(&open.url).await, open.expires_at), (200, None));
    assert_eq!(plays(&plain.player(SIGNED_FILM, now).await.unwrap().url).await, 401);
    assert_eq!(cloudflare.asked(), 0, "a plain link is made without asking");
    let signed = of(&cloudflare, API_TOKEN, true, 300);
    let player = signed.player(SIGNED_FILM, now).await.unwrap();
    assert_eq!((plays(&player.url).await, player.expires_at), (200, Some(now + Duration::from_secs(300))));
    assert!(!player.url.contains(&format!("/{SIGNED_FILM}/")), "the token replaces the id");
    // Cloudflare takes no more than a day; more is cut to that, and it is taken.
    let day = of(&cloudflare, API_TOKEN, true, 30 * 24 * 3600).player(SIGNED_FILM, now).await.unwrap();
    assert_eq!((plays(&day.url).await, day.expires_at), (200, Some(now + Duration::from_secs(24 * 3600))));
}

#[tokio::test]
async fn what_cloudflare_refuses_is_told_in_its_words() {
    let cloudflare = Cloudflare::start().await;
    let now = Timestamp::from_seconds(fakes::now());
    let stream = of(&cloudflare, API_TOKEN, true, 300);
    assert!(stream.exists(OPEN_FILM).await.unwrap());
    assert!(!stream.exists("00000000000000000000000000000000").await.unwrap());
    let missing = stream.player("00000000000000000000000000000000", now).await.unwrap_err();
    assert!(matches!(&missing, StorageError::Refused(why) if why.contains("no such film")), "{missing}");
    let stranger = of(&cloudflare, "another", true, 300);
    for refused in
        [stranger.exists(OPEN_FILM).await.unwrap_err(), stranger.player(OPEN_FILM, now).await.unwrap_err()]
    {
        assert!(
            matches!(&refused, StorageError::Refused(why) if why.contains("Authentication error")),
            "{refused}"
        );
    }
    let asked = cloudflare.asked();
    for video in ["", "..", "a/b", "../../../zones", "a?b", "a#b", "a%2fb", "ä", "a b", &"x".repeat(65)] {
        assert!(stream.exists(video).await.is_err() && stream.player(video, now).await.is_err(), "{video:?}");
    }
    assert_eq!(cloudflare.asked(), asked, "such an id never reaches a path that carries our token");
    let away = Api { base: "http://127.0.0.1:9".into(), account: ACCOUNT.into(), token: "t".into() };
    let config = StreamConfig {
        iframe_base: "http://x".into(),
        signing: None,
        api: Some(away),
        ttl: Duration::from_secs(1),
    };
    let away = CloudflareStream::new(config).unwrap().exists(OPEN_FILM).await.unwrap_err();
    assert!(matches!(away, StorageError::Unavailable(_)), "{away}");
    let nothing = StreamConfig {
        iframe_base: "http://x".into(),
        signing: Some(Signing::ByApi),
        api: None,
        ttl: Duration::from_secs(1),
    };
    assert!(matches!(CloudflareStream::new(nothing), Err(StorageError::NotConfigured(_))));
}
