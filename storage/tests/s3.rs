//! Links to S3 and R2: byte for byte what AWS documents, what Amazon's own library makes, and what a server serves.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod parts;

use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use kernel::{Duration, Timestamp};
use serde_json::{Value, json};
use storage::{Disk, Key, Link, S3Config, S3Disk, StorageError};

fn config(endpoint: &str) -> S3Config {
    S3Config {
        endpoint: endpoint.into(),
        region: "auto".into(),
        bucket: "course-resources".into(),
        access_key: "R2ACCESSKEYEXAMPLE0001".into(),
        secret_key: "r2secretexample0123456789abcdef0123456789abcdef0123456789abcdef01".into(),
        path_style: true,
    }
}

fn link(seconds: u64, file_name: &str) -> Link {
    Link { ttl: Duration::from_secs(seconds), file_name: file_name.into(), content_type: None }
}

#[test]
fn every_published_vector_is_met_byte_for_byte() {
    use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
    let Some(file) = testkit::stripe_data::file("other/sigv4-presign-vectors.json", "the SigV4 vectors")
    else {
        return;
    };
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let url = reqwest::Url::parse(text("url")).unwrap();
        let host = url.host_str().unwrap();
        let path = parts::decoded(url.path().trim_start_matches('/'));
        // The bucket stands in the path, or before the host.
        let (endpoint, style, bucket, key) =
            match host.strip_prefix("course-resources.").or(host.strip_prefix("examplebucket.")) {
                Some(rest) => {
                    let bucket = host.strip_suffix(rest).unwrap().trim_end_matches('.');
                    (format!("https://{rest}"), UrlStyle::VirtualHost, bucket.to_owned(), path)
                }
                None => {
                    let (bucket, key) = path.split_once('/').unwrap();
                    (format!("https://{host}"), UrlStyle::Path, bucket.to_owned(), key.to_owned())
                }
            };
        let bucket =
            Bucket::new(endpoint.parse().unwrap(), style, bucket, text("region").to_owned()).unwrap();
        let credentials = Credentials::new(text("access_key"), text("secret_key"));
        let mut action = bucket.get_object(Some(&credentials), &key);
        for (name, value) in url.query_pairs() {
            action.query_mut().insert(name.into_owned(), value.into_owned());
        }
        let now = parts::amz_date(text("amz_date"));
        let expires = Duration::from_secs(vector["expires"].as_u64().unwrap());
        let signed: String = action.sign_with_time(expires, &now).into();
        assert_eq!(parts::sorted(&signed), parts::sorted(text("signed_url")), "{}", text("name"));
    }
}

/// The same inputs by our own door: what is not in the vectors' file is how we name the bucket, the key and the file.
#[test]
fn a_link_of_the_disk_is_signed_for_its_bucket_its_name_and_its_time() {
    let at: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let key = Key::new("dir/a b+ü.pdf").unwrap();
    let disk =
        S3Disk::new(&config("https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com")).unwrap();
    let made = disk.link(&key, &link(300, "x.pdf"), at).unwrap();
    let begin = "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com/course-resources/dir/a%20b%2B%C3%BC.pdf?";
    assert!(made.starts_with(begin), "{made}");
    for part in [
        "X-Amz-Expires=300",
        "X-Amz-Date=20261120T000000Z",
        "%2Fauto%2Fs3%2Faws4_request",
        "response-content-disposition=attachment%3B",
    ] {
        assert!(made.contains(part), "{part}: {made}");
    }
    let virtual_host = S3Config { path_style: false, ..config("https://acc.r2.cloudflarestorage.com") };
    let made = S3Disk::new(&virtual_host).unwrap().link(&key, &link(300, "x.pdf"), at).unwrap();
    assert!(made.starts_with("https://course-resources.acc.r2.cloudflarestorage.com/dir/a%20b"), "{made}");
    let longest = disk.link(&key, &link(u64::MAX / 4, "x.pdf"), at).unwrap();
    assert!(longest.contains("X-Amz-Expires=604800"), "{longest}");
    assert!(!format!("{disk:?} {:?}", config("https://x")).contains("r2secret"));
    assert!(S3Disk::new(&config("r2.cloudflarestorage.com")).is_err());
}

#[test]
fn amazons_own_library_makes_the_same_links() {
    let Some(python) = parts::python() else {
        return parts::not_run("boto3 and moto", "boto3 has not signed what we sign");
    };
    let at: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let names = [
        ("a.pdf", "a.pdf"),
        ("dir/a b+ü.pdf", "Übung \"1\".pdf"),
        ("a/b/c/d (2), final=yes@home.zip", "../x y.zip"),
        ("_1", "'"),
    ];
    let mut asked = Vec::new();
    let mut ours = Vec::new();
    for (endpoint, path_style) in [
        ("https://acc.r2.cloudflarestorage.com", true),
        ("https://acc.r2.cloudflarestorage.com", false),
        ("http://127.0.0.1:5000", true),
    ] {
        let config = S3Config { path_style, ..config(endpoint) };
        let disk = S3Disk::new(&config).unwrap();
        for (key, file_name) in names {
            ours.push(disk.link(&Key::new(key).unwrap(), &link(300, file_name), at).unwrap());
            asked.push(json!({
                "endpoint": endpoint, "path_style": path_style, "region": config.region, "bucket": config.bucket,
                "access_key": config.access_key, "secret_key": config.secret_key, "key": key, "expires": 300,
                "disposition": storage::attachment(file_name), "at": at.seconds(),
            }));
        }
    }
    let theirs = parts::ask(&python, "presign.py", &json!(asked));
    for (ours, theirs) in ours.iter().zip(theirs.as_array().unwrap()) {
        assert_eq!(parts::sorted(ours), parts::sorted(theirs.as_str().unwrap()));
    }
    assert_eq!(theirs.as_array().unwrap().len(), 12);
}

/// A server that is stopped when the test ends.
struct Moto(Child);
impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// It tests the flow and not the signature: like every such server it takes a signature that was tampered with.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_to_a_server_and_comes_back_by_its_link() {
    let python = tokio::task::spawn_blocking(parts::python).await.unwrap();
    let Some(python) = python else {
        return parts::not_run("boto3 and moto", "no S3 server has served our links");
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let server = Command::new(python.with_file_name("moto_server"))
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Moto(server);
    let http = parts::http();
    let bucket = format!("{endpoint}/course-resources");
    for _ in 0..300 {
        match http.put(&bucket).send().await {
            Ok(made) if made.status().is_success() => break,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    let disk = S3Disk::new(&config(&endpoint)).unwrap();
    let key = Key::new("dir/a b+ü.pdf").unwrap();
    assert_eq!(disk.head(&key).await.unwrap(), None);
    disk.put(&key, "application/pdf", Bytes::from_static(b"%PDF-1.7 text")).await.unwrap();
    let there = disk.head(&key).await.unwrap().unwrap();
    assert_eq!((there.bytes, there.content_type.as_deref()), (13, Some("application/pdf")));
    let at = Timestamp::from_seconds(parts::now());
    let url = disk.link(&key, &link(300, "Übung.pdf"), at).unwrap();
    let served = http.get(&url).send().await.unwrap();
    assert_eq!(served.status(), 200);
    assert_eq!(served.headers()["content-disposition"].to_str().unwrap(), storage::attachment("Übung.pdf"));
    assert_eq!(served.bytes().await.unwrap(), "%PDF-1.7 text");
    let part = http.get(&url).header("Range", "bytes=5-7").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "1.7"));
    // What a real one refuses, this one serves: so the vectors, and not this server, say that we sign rightly.
    let tampered = url.replace("X-Amz-Signature=", "X-Amz-Signature=0");
    assert_eq!(http.get(&tampered).send().await.unwrap().status(), 200);
    println!("moto took a tampered signature, as expected: it tests the flow, not the signing");
    disk.delete(&key).await.unwrap();
    disk.delete(&key).await.unwrap();
    assert_eq!(disk.head(&key).await.unwrap(), None);
    let nowhere = S3Disk::new(&S3Config { bucket: "no-such-bucket".into(), ..config(&endpoint) }).unwrap();
    let refused = nowhere.put(&key, "application/pdf", Bytes::new()).await.unwrap_err();
    assert!(matches!(&refused, StorageError::Refused(why) if why.contains("NoSuchBucket")), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_without_the_signature() {
    let disk = S3Disk::new(&config("http://127.0.0.1:9")).unwrap();
    let error = disk.head(&Key::new("a").unwrap()).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("X-Amz"), "{error}");
}
