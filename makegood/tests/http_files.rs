//! Files of our own disk over real HTTP: who may have them, which part of them, and for how long it may take.

#![allow(clippy::unwrap_used, reason = "a test may give up")]

mod doors;

use std::path::Path;

use bytes::Bytes;
use doors::{Answer, Server, Wish, answered, now, raw};
use kernel::Duration;
use storage::{Key, Link};
use testkit::on_both_engines;

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

async fn serving(test: &testkit::TestDb, folder: &Path) -> Server {
    let environment = vec![("DATA_DIR", folder.display().to_string())];
    let server = Server::start_as(test, Wish { environment, ..Wish::default() }).await;
    let disk = server.app.shop.disk.clone();
    disk.put(&Key::new("courses/rust/notes.pdf").unwrap(), "application/pdf", Bytes::from(TEXT))
        .await
        .unwrap();
    server
}

fn link(server: &Server, key: &str, file_name: &str, content_type: Option<&str>) -> String {
    let link = Link {
        ttl: Duration::from_secs(300),
        file_name: file_name.into(),
        content_type: content_type.map(str::to_owned),
    };
    let url = server.app.shop.disk.link(&Key::new(key).unwrap(), &link, now()).unwrap();
    url.strip_prefix(&server.url).unwrap().to_owned()
}

async fn fetch(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.http.get(format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answered(request).await
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_link_opens_its_file_under_its_name_and_nothing_runs_in_a_browser(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path()).await;
        let path = link(&server, "courses/rust/notes.pdf", "Übung \"1\"\r\nX: y.pdf", None);
        let answer = fetch(&server, &path, &[]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, TEXT));
        assert_eq!(answer.header("content-type"), "application/pdf");
        assert_eq!(
            answer.header("content-disposition"),
            "attachment; filename=\"_bung _1_X: y.pdf\"; filename*=UTF-8''%C3%9Cbung%20%221%22X%3A%20y.pdf"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("cache-control").starts_with("private"));
        assert!(answer.header("content-security-policy").contains("sandbox"));
        assert_eq!(answer.header("content-length"), TEXT.len().to_string());
        // What a seller calls a page is still saved, not shown.
        server.app.shop.disk.put(&Key::new("page.html").unwrap(), "text/html", Bytes::from("<script>")).await.unwrap();
        let page = fetch(&server, &link(&server, "page.html", "page.html", Some("text/html")), &[]).await;
        assert!(page.header("content-disposition").starts_with("attachment") && page.header("content-security-policy").contains("sandbox"));
        let head = answered(server.http.head(format!("{}{path}", server.url))).await;
        assert_eq!((head.status, head.text.as_str(), head.header("content-length")), (200, "", answer.header("content-length")));
        let post = answered(server.http.post(format!("{}{path}", server.url))).await;
        assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
        assert_eq!(server.metric("http_request_duration_seconds_count{route=\"/files/{key}\",method=\"GET\",status=\"200\"}").await, 2.0);
        server.stop().await;
    }

    async fn an_expired_link_says_where_a_fresh_one_is_and_an_altered_one_opens_nothing(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path()).await;
        let key = Key::new("courses/rust/notes.pdf").unwrap();
        let past = Link { ttl: Duration::from_secs(300), file_name: "a.pdf".into(), content_type: None };
        let url = server.app.shop.disk.link(&key, &past, now() - Duration::from_secs(301)).unwrap();
        let expired = fetch(&server, url.strip_prefix(&server.url).unwrap(), &[]).await;
        assert_eq!((expired.status, expired.code()), (410, "link_expired"));
        assert!(expired.body["hint"].as_str().unwrap().contains("same endpoint"), "{}", expired.text);
        let good = link(&server, "courses/rust/notes.pdf", "a.pdf", None);
        let altered = [
            good.replace("notes.pdf", "other.pdf"),
            good.replace("name=a.pdf", "name=b.pdf"),
            good.replace("expires=", "expires=9"),
            good.replace("expires=", "expires=0"),
            good.replace("expires=", "expires=%2B"),
            good.replace("signature=", "signature=0"),
            format!("{good}&name=b.pdf"),
            format!("{good}&type=text/html"),
            format!("{good}&more=1"),
            good.split("&signature").next().unwrap().to_owned(),
            good.split('?').next().unwrap().to_owned(),
            good.to_uppercase().replace("/FILES/", "/files/"),
        ];
        for path in altered {
            let answer = fetch(&server, &path, &[]).await;
            assert_eq!((answer.status, answer.code()), (403, "link_invalid"), "{path}: {}", answer.text);
            assert!(!answer.text.contains("0123"), "{path}");
        }
        let missing = link(&server, "courses/rust/gone.pdf", "a.pdf", None);
        assert_eq!(fetch(&server, &missing, &[]).await.status, 404);
        server.stop().await;
    }

    async fn no_path_reaches_what_is_not_below_the_root(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path()).await;
        std::fs::write(folder.path().join("makegood.db"), "SQLite").unwrap();
        let query = link(&server, "courses/rust/notes.pdf", "a.pdf", None).split_once('?').unwrap().1.to_owned();
        let names = [
            "../makegood.db", "..%2fmakegood.db", "%2e%2e/makegood.db", "%2e%2e%2fmakegood.db", "%252e%252e%252fmakegood.db", "courses/../../app.key",
            "courses/%2e%2e/%2e%2e/app.key", "..%5capp.key", "%00", "courses/rust/notes.pdf%00.png", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd",
            "%c0%ae%c0%ae/app.key", "%ff", "", ".", "..", "courses/", "courses//rust/notes.pdf", "./courses/rust/notes.pdf", "courses/rust/.hidden",
        ];
        for door in ["files", "media"] {
            for name in names {
                let request = format!("GET /{door}/{name}?{query} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
                let answer = raw(&server.address, request.as_bytes(), Duration::from_secs(5)).await;
                let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
                assert!([400, 403, 404].contains(&status), "{door}/{name}: {answer}");
                assert!(!answer.contains("SQLite") && !answer.contains("root:"), "{door}/{name}: {answer}");
            }
        }
        server.stop().await;
    }

    async fn a_download_goes_on_where_it_stopped_unless_the_file_has_changed(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path()).await;
        let path = link(&server, "courses/rust/notes.pdf", "a.pdf", None);
        let whole = fetch(&server, &path, &[]).await;
        assert_eq!(whole.header("accept-ranges"), "bytes");
        let (tag, date) = (whole.header("etag").to_owned(), whole.header("last-modified").to_owned());
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
        let parts = [
            ("bytes=0-9", "0123456789", "bytes 0-9/36"), ("bytes=30-", "uvwxyz", "bytes 30-35/36"), ("bytes=-4", "wxyz", "bytes 32-35/36"),
            ("bytes=35-99", "z", "bytes 35-35/36"),
        ];
        for (range, expected, says) in parts {
            let part = fetch(&server, &path, &[("range", range)]).await;
            assert_eq!((part.status, part.text.as_str(), part.header("content-range")), (206, expected, says));
            assert_eq!(part.header("content-length"), expected.len().to_string());
        }
        let behind = fetch(&server, &path, &[("range", "bytes=36-")]).await;
        assert_eq!((behind.status, behind.code(), behind.header("content-range")), (416, "range_not_satisfiable", "bytes */36"));
        assert_eq!((behind.header("content-disposition"), behind.header("content-type")), ("", "application/problem+json"));
        for range in ["bytes=0-1,4-5", "lines=1-2", "bytes=x"] {
            let all = fetch(&server, &path, &[("range", range)]).await;
            assert_eq!((all.status, all.text.as_str()), (200, TEXT), "{range}");
        }
        for known in [tag.as_str(), date.as_str()] {
            let on = fetch(&server, &path, &[("range", "bytes=30-"), ("if-range", known)]).await;
            assert_eq!((on.status, on.text.as_str()), (206, "uvwxyz"), "{known}");
        }
        for known in [tag.clone(), format!("W/{tag}"), "*".to_owned(), format!("\"other\", W/{tag}")] {
            let had = fetch(&server, &path, &[("if-none-match", &known)]).await;
            assert_eq!((had.status, had.text.as_str()), (304, ""), "{known}");
        }
        assert_eq!(fetch(&server, &path, &[("if-none-match", "W/\"other\"")]).await.status, 200);
        let disk = server.app.shop.disk.clone();
        disk.put(&Key::new("courses/rust/notes.pdf").unwrap(), "application/pdf", Bytes::from(TEXT.to_uppercase())).await.unwrap();
        let anew = fetch(&server, &path, &[("range", "bytes=30-"), ("if-range", &tag)]).await;
        assert_eq!((anew.status, anew.text.as_str()), (200, TEXT.to_uppercase().as_str()));
        server.stop().await;
    }

    async fn a_picture_is_everybodys_and_a_resource_is_not(test: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let server = serving(&test, folder.path()).await;
        std::fs::create_dir_all(folder.path().join("media")).unwrap();
        std::fs::write(folder.path().join("media/a.png"), "picture").unwrap();
        let picture = fetch(&server, "/media/a.png", &[]).await;
        assert_eq!((picture.status, picture.text.as_str(), picture.header("content-type")), (200, "picture", "image/png"));
        assert!(picture.header("cache-control").contains("immutable"));
        assert_eq!(fetch(&server, "/media/courses/rust/notes.pdf", &[]).await.status, 404);
        assert_eq!(fetch(&server, "/files/a.png", &[]).await.status, 403);
        server.stop().await;
    }
}

/// It is read while it is sent: nothing of it waits in memory, and a reader may take longer than any other answer may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_sent_as_it_is_read_and_a_slow_reader_gets_all_of_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const BYTES: u64 = 64 * 1024 * 1024;
    let (test, folder) = (
        testkit::TestDb::migrated(testkit::Engine::Sqlite, shop::MIGRATIONS).await.unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let server = serving(&test, folder.path()).await;
    let file = std::fs::File::create(folder.path().join("files/large.bin")).unwrap();
    file.set_len(BYTES).unwrap();
    let path = link(&server, "large.bin", "large.bin", None);
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let before = resident_bytes();
    let (mut got, mut chunk) = (0, vec![0; 1 << 20]);
    // Longer than the limit on whole requests would be, were it one on answers: the head came at once.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(resident_bytes() < before + BYTES / 4, "the file waits in memory");
    loop {
        match stream.read(&mut chunk).await.unwrap() {
            0 => break,
            some => got += some as u64,
        }
    }
    assert!(got > BYTES && got < BYTES + 2_000, "{got}");
    // A file that is cut while it is sent breaks the connection: nobody takes it for whole.
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut chunk[..1000]).await.unwrap();
    file.set_len(1 << 20).unwrap();
    let (mut got, mut all) = (1000_u64, Vec::new());
    let _ = stream.read_to_end(&mut all).await;
    got += all.len() as u64;
    assert!(got < BYTES, "{got}");
    server.stop().await;
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
