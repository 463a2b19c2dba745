//! Pictures over real HTTP: what is taken, what lies about itself, and what a store that says no is told to mean.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;
#[path = "../../storage/tests/fakes/mod.rs"]
mod fakes;
#[path = "../../storage/tests/pictures/mod.rs"]
mod pictures;

use std::path::Path;

use doors::{ADMIN_TOKEN, Answer, Server, Wish, answered};
use fakes::{API_KEY, API_SECRET, CLOUD, Cloud};
use ops::Role;
use pictures::{avif, avif_of, gif, gif_with_frame, jpeg, mp4, pdf, png, webp};
use testkit::on_both_engines;

const UPLOAD: &str = "/api/v1/admin/media/upload";
const ROWS: &str = "SELECT COUNT(*) FROM media_assets";

async fn serving(test: &testkit::TestDb, folder: &Path, more: &[(&'static str, String)]) -> Server {
    let mut environment =
        vec![("DATA_DIR", folder.display().to_string()), ("MEDIA_MAX_BYTES", "100000".to_owned())];
    environment.extend(more.iter().cloned());
    Server::start_as(test, Wish { environment, ..Wish::default() }).await
}

async fn with_cloudinary(test: &testkit::TestDb, folder: &Path, cloud: &Cloud, secret: &str) -> Server {
    let account = [
        ("MEDIA_DISK", "cloudinary".to_owned()),
        ("CLOUDINARY_CLOUD_NAME", CLOUD.to_owned()),
        ("CLOUDINARY_API_KEY", API_KEY.to_owned()),
        ("CLOUDINARY_API_SECRET", secret.to_owned()),
        ("CLOUDINARY_API_BASE", cloud.url.clone()),
    ];
    serving(test, folder, &account).await
}

async fn send(
    server: &Server,
    token: Option<&str>,
    kind: &str,
    bytes: Vec<u8>,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request =
        server.http.post(format!("{}{UPLOAD}", server.url)).header("Content-Type", kind).body(bytes);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answered(request).await
}

async fn upload(server: &Server, kind: &str, bytes: Vec<u8>) -> Answer {
    send(server, Some(ADMIN_TOKEN), kind, bytes, &[]).await
}

fn form(file_name: &str, kind: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let mut body =
        format!("--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n")
            .into_bytes();
    body.extend(format!("Content-Type: {kind}\r\n\r\n").bytes());
    body.extend(bytes);
    body.extend(b"\r\n--XyZ--\r\n");
    ("multipart/form-data; boundary=XyZ".to_owned(), body)
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("media")).map_or(0, Iterator::count)
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_picture_is_stored_and_everybody_finds_it_at_its_address(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path(), &[]).await;
        let (kind, body) = form("C:\\pictures\\mug \\\"1\\\".png", "image/png", &png(40, 30));
        let made = upload(&server, &kind, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let asset = &made.body;
        assert_eq!((asset["object"].as_str(), asset["disk"].as_str()), (Some("media"), Some("local")));
        assert_eq!((asset["width"].as_i64(), asset["height"].as_i64()), (Some(40), Some(30)));
        assert_eq!((asset["content_type"].as_str(), asset["bytes"].as_i64()), (Some("image/png"), Some(png(40, 30).len() as i64)));
        assert_eq!(asset["file_name"], "mug \"1\".png");
        assert_eq!(asset["sha256"].as_str().unwrap().len(), 64);
        let url = asset["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{}/media/", server.url)) && url.ends_with(".png"), "{url}");
        let seen = server.http.get(url).send().await.unwrap();
        assert_eq!((seen.status().as_u16(), seen.headers()["content-type"].to_str().unwrap()), (200, "image/png"));
        assert_eq!(seen.bytes().await.unwrap(), png(40, 30));
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'media_uploaded'").await, 1);
        // The same picture is the same, under any name and by itself.
        let again = upload(&server, "image/png", png(40, 30)).await;
        assert_eq!((again.status, &again.body["id"]), (201, &asset["id"]));
        assert_eq!((server.count(ROWS).await, files_in(folder.path())), (1, 1));
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'media_uploaded'").await, 1);
        // Its file is lost; sending it again brings it back to the same address.
        let lost = folder.path().join("media").join(url.rsplit('/').next().unwrap());
        std::fs::remove_file(&lost).unwrap();
        let back = upload(&server, "image/png", png(40, 30)).await;
        assert_eq!((back.status, &back.body["url"]), (201, &asset["url"]), "{}", back.text);
        assert_eq!(server.http.get(url).send().await.unwrap().status().as_u16(), 200);
        assert_eq!(server.count("SELECT COUNT(*) FROM audit_logs WHERE event_type = 'media_uploaded'").await, 1);
        let kinds = [("image/jpeg", jpeg(20, 10)), ("image/gif", gif(3, 4)), ("image/webp", webp(7, 5)), ("image/avif", avif(9, 8)),
            ("application/pdf", pdf()), ("video/mp4", mp4()), ("", png(2, 2)), ("application/octet-stream", jpeg(1, 1)), ("image/jpg", jpeg(2, 1))];
        for (kind, bytes) in kinds {
            let made = upload(&server, kind, bytes).await;
            assert_eq!(made.status, 201, "{kind}: {}", made.text);
        }
        let list = server.get("/api/v1/admin/media?status=stored&limit=3", Some(ADMIN_TOKEN)).await;
        assert_eq!((list.body["data"].as_array().unwrap().len(), list.body["has_more"].as_bool()), (3, Some(true)), "{}", list.text);
        let check = server.get("/api/v1/admin/media/upload/check", Some(ADMIN_TOKEN)).await;
        assert_eq!((check.status, check.body["ok"].as_bool()), (200, Some(true)), "{}", check.text);
        server.stop().await;
    }

    /// Sixty uploads that lie about their type, and a few that are hostile in other ways: all refused, nothing written.
    async fn an_upload_that_lies_about_its_type_leaves_nothing(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path(), &[]).await;
        let honest = [("image/png", png(4, 4)), ("image/jpeg", jpeg(4, 4)), ("image/gif", gif(4, 4)), ("image/webp", webp(4, 4)),
            ("image/avif", avif(4, 4)), ("application/pdf", pdf()), ("video/mp4", mp4())];
        let mut lies: Vec<(String, Vec<u8>)> = Vec::new();
        for (claims, _) in &honest {
            lies.extend(honest.iter().filter(|(is, _)| is != claims).map(|(_, bytes)| ((*claims).to_owned(), bytes.clone())));
        }
        let others: [&[u8]; 14] = [
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>", b"<?xml version=\"1.0\"?><svg/>", b"<!doctype html><script>",
            b"\x7fELF\x02\x01\x01", b"MZ\x90\0\x03", b"PK\x03\x04", b"#!/bin/sh\nid", b"<?php system($_GET[0]);", b"{\"a\":1}", b"GIF88a;", b"II*\0", b"BM6\0",
            b"\0\0\x01\0\x01\0", b" \x89PNG\r\n\x1a\n",
        ];
        lies.extend(others.iter().map(|bytes| ("image/png".to_owned(), bytes.to_vec())));
        let strange = ["text/html", "image/svg+xml", "image/tiff", "application/x-php", "image/png,image/jpeg", "image/*"];
        lies.extend(strange.iter().map(|kind| ((*kind).to_owned(), png(4, 4))));
        // Polyglots and halves: they begin rightly and do not go on so.
        let mut broken = vec![png(4, 4), jpeg(4, 4), gif(4, 4), webp(4, 4), avif(4, 4), pdf(), mp4()];
        broken.iter_mut().for_each(|bytes| bytes.truncate(bytes.len() / 2));
        lies.extend(broken.into_iter().zip(&honest).map(|(bytes, (kind, _))| ((*kind).to_owned(), bytes)));
        let mut php = png(4, 4);
        php.extend(b"<?php system($_GET[0]);");
        let mut sum = png(4, 4);
        sum[20] ^= 1;
        lies.extend([("image/png".to_owned(), php), ("image/png".to_owned(), sum)]);
        lies.push(("image/gif".to_owned(), b"GIF89a/*<script>alert(1)</script>*/".to_vec()));
        assert!(lies.len() >= 60, "{}", lies.len());
        for (kind, bytes) in &lies {
            for (kind, body) in [(kind.clone(), bytes.clone()), form("a.png", kind, bytes)] {
                let answer = upload(&server, &kind, body).await;
                assert_eq!((answer.status, answer.code()), (415, "media_type_refused"), "{kind} {:?}: {}", &bytes[..bytes.len().min(20)], answer.text);
            }
        }
        for (width, height) in [(16_385, 1), (1, 16_385), (16_000, 16_000), (u32::MAX, u32::MAX)] {
            let bomb = upload(&server, "image/png", png(width, height)).await;
            assert_eq!((bomb.status, bomb.code()), (413, "media_too_large"), "{}", bomb.text);
        }
        // The size that is told first is small; another one is not.
        for (kind, bomb) in [
            ("image/gif", gif_with_frame((1, 1), (65_535, 65_535))), ("image/gif", gif_with_frame((1, 1), (1, 16_385))),
            ("image/avif", avif_of(&[(4_000, 4_000), (100_000, 1)])), ("image/avif", avif_of(&[(1, 1), (9_000, 9_000)])),
        ] {
            let bomb = upload(&server, kind, bomb).await;
            assert_eq!((bomb.status, bomb.code()), (413, "media_too_large"), "{}", bomb.text);
        }
        assert_eq!(upload(&server, "image/png", png(0, 5)).await.status, 415);
        assert_eq!((server.count(ROWS).await, files_in(folder.path())), (0, 0));
        assert_eq!(server.count("SELECT COUNT(*) FROM jobs").await, 0);
        server.stop().await;
    }

    async fn who_may_not_upload_is_told_before_the_body_is_read_and_what_is_too_large_is_refused(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path(), &[]).await;
        for token in [None, Some("no-such-token-of-anybody")] {
            let answer = send(&server, token, "image/png", png(4, 4), &[]).await;
            assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        let finance = server.token(Role::Finance).await;
        assert_eq!(send(&server, Some(&finance), "image/png", png(4, 4), &[]).await.status, 403);
        let head = format!("POST {UPLOAD} HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000000\r\n\r\n");
        let answer = doors::raw(&server.address, head.as_bytes(), kernel::Duration::from_secs(5)).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "without a byte of the body: {answer}");
        let mut large = png(4, 4);
        large.resize(100_001, 0);
        for (kind, body) in [("image/png".to_owned(), large.clone()), form("a.png", "image/png", &large), ("image/png".to_owned(), vec![0; 500_000])] {
            let answer = upload(&server, &kind, body).await;
            assert_eq!((answer.status, answer.code()), (413, "payload_too_large"), "{}", answer.text);
            assert!(answer.body["hint"].as_str().unwrap().contains("MEDIA_MAX_BYTES"));
        }
        let (kind, mut body) = form("a.png", "image/png", &png(4, 4));
        body.truncate(body.len() - 8);
        assert_eq!(upload(&server, &kind, body).await.code(), "malformed_body");
        assert_eq!(upload(&server, "multipart/form-data", b"--".to_vec()).await.code(), "malformed_body");
        assert_eq!(upload(&server, "image/png", Vec::new()).await.status, 422);
        let (kind, body) = form("a.png", "image/png", &png(4, 4));
        let body = String::from_utf8_lossy(&body).replace("name=\"file\"", "name=\"picture\"").into_bytes();
        assert_eq!(upload(&server, &kind, body).await.status, 422);
        assert_eq!((server.count(ROWS).await, files_in(folder.path())), (0, 0));
        server.stop().await;
    }

    async fn an_idempotency_key_gives_the_same_picture_and_does_not_take_another(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path(), &[]).await;
        let key = [("Idempotency-Key", "one")];
        let first = send(&server, Some(ADMIN_TOKEN), "image/png", png(4, 4), &key).await;
        let again = send(&server, Some(ADMIN_TOKEN), "image/png", png(4, 4), &key).await;
        assert_eq!((first.status, again.status, again.header("idempotency-hit")), (201, 201, "true"));
        assert_eq!(first.text, again.text);
        let other = send(&server, Some(ADMIN_TOKEN), "image/png", png(5, 5), &key).await;
        assert_eq!((other.status, other.code()), (422, "idempotency_key_reused"));
        assert_eq!(server.count(ROWS).await, 1);
        server.stop().await;
    }

    async fn cloudinary_stores_or_says_why_not_and_we_say_which_cause_it_is(test: TestDb) {
        let (folder, cloud) = (tempfile::tempdir().unwrap(), Cloud::start().await);
        let server = with_cloudinary(&test, folder.path(), &cloud, API_SECRET).await;
        let made = upload(&server, "image/png", png(4, 4)).await;
        assert_eq!((made.status, made.body["disk"].as_str()), (201, Some("cloudinary")), "{}", made.text);
        assert!(made.body["url"].as_str().unwrap().starts_with("https://res.cloudinary.example/"));
        assert_eq!(files_in(folder.path()), 0);
        server.stop().await;

        let server = with_cloudinary(&test, folder.path(), &cloud, "aaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
        let refused = upload(&server, "image/png", png(5, 5)).await;
        assert_eq!((refused.status, refused.code()), (503, "CLOUDINARY_ERROR"), "{}", refused.text);
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("Invalid Signature") && detail.contains("String to sign - '") && detail.contains("wrong_secret"), "{detail}");
        assert!(refused.body["hint"].as_str().unwrap().contains("CLOUDINARY_API_SECRET"));
        let check = server.get("/api/v1/admin/media/upload/check", Some(ADMIN_TOKEN)).await;
        assert_eq!((check.status, check.body["cause"].as_str()), (200, Some("wrong_secret")), "{}", check.text);
        let found = server.get("/api/v1/admin/checks", Some(ADMIN_TOKEN)).await;
        assert!(found.text.contains("media_upload_refused") && found.text.contains("wrong_secret: it signed the same text"), "{}", found.text);
        server.stop().await;

        // A secret with a blank inside gets past the configuration, and is told apart; one with a blank around it does not.
        let server = with_cloudinary(&test, folder.path(), &cloud, &API_SECRET.replace('P', " ")).await;
        let refused = upload(&server, "image/png", png(5, 5)).await;
        assert!(refused.body["detail"].as_str().unwrap().contains("stray_whitespace"), "{}", refused.text);
        server.stop().await;

        cloud.account(|account| account.smuggled = Some(("folder".into(), "products".into())));
        let server = with_cloudinary(&test, folder.path(), &cloud, API_SECRET).await;
        let refused = upload(&server, "image/png", png(5, 5)).await;
        assert!(refused.body["detail"].as_str().unwrap().contains("other_parameters: folder was not sent by us"), "{}", refused.text);
        cloud.account(|account| account.smuggled = None);
        cloud.account(|account| account.instead = vec![(500, "General Error".into())]);
        let away = upload(&server, "image/png", png(5, 5)).await;
        assert_eq!((away.status, away.code()), (503, "CLOUDINARY_ERROR"), "{}", away.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM media_assets WHERE status = 'pending'").await, 1);
        // Now it works, and the finding is gone; the one whose answer was lost is the one that is stored.
        let made = upload(&server, "image/png", png(5, 5)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM media_assets WHERE status = 'pending'").await, 0);
        let found = server.get("/api/v1/admin/checks", Some(ADMIN_TOKEN)).await;
        assert_eq!(found.body["findings"], 0, "{}", found.text);
        server.stop().await;
    }

    async fn a_store_that_is_not_configured_or_away_is_told_and_leaves_no_row_that_lies(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path(), &[("MEDIA_DISK", "cloudinary".into())]).await;
        let answer = upload(&server, "image/png", png(4, 4)).await;
        assert_eq!((answer.status, answer.code()), (503, "media_store_error"), "{}", answer.text);
        assert!(answer.body["detail"].as_str().unwrap().contains("CLOUDINARY_CLOUD_NAME"), "{}", answer.text);
        assert_eq!(server.count(ROWS).await, 0);
        server.stop().await;
        let bucket = [("MEDIA_DISK", "s3"), ("MEDIA_BUCKET", "pictures"), ("MEDIA_URL", "https://pictures.example"), ("AWS_ENDPOINT", "http://127.0.0.1:9"),
            ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_USE_PATH_STYLE_ENDPOINT", "true")];
        let bucket: Vec<_> = bucket.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let server = serving(&test, folder.path(), &bucket).await;
        let answer = upload(&server, "image/png", png(4, 4)).await;
        assert_eq!((answer.status, answer.code()), (503, "media_store_error"), "{}", answer.text);
        assert_eq!(server.count("SELECT COUNT(*) FROM media_assets WHERE status = 'pending'").await, 1);
        let check = server.get("/api/v1/admin/media/upload/check", Some(ADMIN_TOKEN)).await;
        assert_eq!(check.body["cause"], "unreachable", "{}", check.text);
        server.stop().await;
    }
}
