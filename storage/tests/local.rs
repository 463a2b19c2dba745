//! Files on a disk of our own: nothing outside the root, whole or not at all, and links that nobody else makes.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kernel::{Duration, Seeded, Timestamp};
use storage::{
    Claim, Disk, Folder, Key, Link, LinkError, LocalDisk, SECRET_FILE, Secret, Signer, StorageError,
};

const NOW: Timestamp = Timestamp::from_seconds(1_793_000_000);
const TTL: Duration = Duration::from_secs(300);

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn disk(root: &Path) -> LocalDisk {
    let secret = Secret::Given("a secret of the tests, long enough".into());
    LocalDisk::new(Folder::new(root), "https://shop.example/", Signer::new(secret))
}

fn a_link(file_name: &str) -> Link {
    Link { ttl: TTL, file_name: file_name.into(), content_type: None }
}

#[tokio::test]
async fn whether_files_can_be_put_there_is_seen_without_leaving_anything() {
    let folder = tempfile::tempdir().unwrap();
    disk(&folder.path().join("not/there/yet")).check().await.unwrap();
    disk(folder.path()).check().await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for root in [file.clone(), file.join("below")] {
        assert!(matches!(disk(&root).check().await, Err(StorageError::Refused(_))), "{root:?}");
    }
}

/// Names that somebody who wants out would try.
fn hostile_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let targets = ["etc/passwd", "outside.txt", "..", "app.key", "data/makegood.db"];
    let ups = [
        "../",
        "../../",
        "../../../../../../",
        "./../",
        "..//",
        "a/../../",
        "a/b/../../../",
        "..\\",
        "..\\..\\",
        ".\\",
        "a\\..\\..\\",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%2f",
        "%252e%252e%252f",
        "..%5c",
        "%2e%2e%5c",
        "..%c0%af",
        "%c0%ae%c0%ae/",
        "..%u2215",
        "\u{2024}\u{2024}/",
        "\u{ff0e}\u{ff0e}/",
        "..\u{2215}",
        "..\u{2044}",
        "..\u{ff0f}",
        "..\u{29f8}",
        "\u{fe52}\u{fe52}/",
        "..\u{0}/",
        "..;/",
        "....//",
        "..././",
        ".../",
        "~/",
        "~root/",
        "$HOME/",
        "`id`/",
        "$(id)/",
        "|",
        "&&",
    ];
    for target in targets {
        names.extend(ups.iter().map(|up| format!("{up}{target}")));
        for absolute in [
            "/",
            "//",
            "\\",
            "\\\\server\\share\\",
            "C:\\",
            "C:/",
            "c:",
            "file:///",
            "http://host/",
            "\\\\?\\C:\\",
        ] {
            names.insert(format!("{absolute}{target}"));
        }
    }
    let devices = [
        "CON",
        "con",
        "PRN",
        "AUX",
        "NUL",
        "nul.txt",
        "COM1",
        "com9.tar.gz",
        "LPT1",
        "lpt\u{b9}",
        "CON .txt",
        "a/NUL/b",
    ];
    names.extend(devices.map(str::to_owned));
    let odd = [
        "",
        " ",
        ".",
        "..",
        "...",
        "/",
        "//",
        "a/",
        "/a",
        "a//b",
        "a/./b",
        ".hidden",
        "a/.hidden",
        ".git/config",
        "a.",
        "a..",
        "a ",
        " a",
        "a/b.",
        "a/b ",
        "a\0",
        "a\0.pdf",
        "\0",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\u{7f}b",
        "a\u{1b}[2J",
        "a\u{85}b",
        "a\u{2028}b",
        "\u{202e}fdp.exe",
        "a\u{200b}b",
        "a\u{feff}",
        "\u{feff}a",
        "a:b",
        "a::$DATA",
        "a.txt::$INDEX_ALLOCATION",
        "a*b",
        "a?b",
        "a\"b",
        "a<b",
        "a>b",
        "a|b",
        "a;b",
        "a'b",
        "a`b",
        "a$b",
        "a#b",
        "a%b",
        "a&b",
        "a!b",
        "a{b}",
        "a[b]",
        "a^b",
        "-rf",
        "--help",
        "-",
        "+x",
        "=x",
        "@x",
        "(x",
        ",x",
        "~",
        "~a",
        "a~1/../b",
        "PROGRA~1",
        "\u{1f4a9}",
        "a/\u{1f4a9}",
        "e\u{301}/..",
        "…",
        "a/…/b",
    ];
    names.extend(odd.map(str::to_owned));
    names.insert("x".repeat(201));
    names.insert("x".repeat(100_000));
    names.insert(vec!["x"; 300].join("/"));
    names.insert("../".repeat(5_000));
    names
}

#[test]
fn no_hostile_name_names_a_file() {
    let names = hostile_names();
    assert!(names.len() >= 200, "{}", names.len());
    let taken: Vec<&String> = names.iter().filter(|name| Key::new(name).is_ok()).collect();
    assert!(taken.is_empty(), "{taken:?}");
}

#[tokio::test]
async fn what_a_symbolic_link_leads_out_to_is_neither_read_nor_written_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    std::fs::create_dir_all(root.join("courses")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret.txt"), "secret").unwrap();
    let disk = disk(&root);
    for (link, to) in
        [("file", "../outside/secret.txt"), ("folder", "../outside"), ("courses/up", "../.."), ("root", "/")]
    {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    for name in ["file", "folder/secret.txt", "courses/up/outside/secret.txt", "root/etc/passwd"] {
        let read = disk.head(&key(name)).await;
        assert!(matches!(read, Err(StorageError::Refused(_))), "{name}: {read:?}");
        assert!(disk.folder().open(&key(name)).is_err(), "{name}");
    }
    for name in ["folder/new.txt", "courses/up/outside/new.txt", "folder/deeper/new.txt"] {
        let written = disk.put(&key(name), "text/plain", Bytes::from_static(b"x")).await;
        assert!(matches!(written, Err(StorageError::Refused(_))), "{name}: {written:?}");
        assert!(disk.delete(&key("folder/secret.txt")).await.is_err());
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    // A link that stands where a file is put is replaced, not followed; one that is deleted takes nothing with it.
    disk.put(&key("file"), "text/plain", Bytes::from_static(b"new")).await.unwrap();
    disk.delete(&key("file")).await.unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("secret.txt")).unwrap(), "secret");
    // One that stays inside is followed.
    std::fs::write(root.join("courses/a.txt"), "inside").unwrap();
    std::os::unix::fs::symlink("courses/a.txt", root.join("short")).unwrap();
    assert_eq!(disk.head(&key("short")).await.unwrap().unwrap().bytes, 6);
}

#[tokio::test]
async fn a_file_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("not/there/yet");
    let disk = disk(&root);
    let notes = key("courses/rust/notes.pdf");
    assert_eq!(disk.head(&notes).await.unwrap(), None);
    disk.delete(&notes).await.unwrap();
    for text in ["first", "and second"] {
        disk.put(&notes, "application/pdf", Bytes::from_static(text.as_bytes())).await.unwrap();
        assert_eq!(disk.head(&notes).await.unwrap().unwrap().bytes, text.len() as u64);
    }
    let left: Vec<_> = std::fs::read_dir(root.join("courses/rust")).unwrap().collect();
    assert_eq!(left.len(), 1, "no part is left behind: {left:?}");
    assert_eq!(disk.head(&key("courses")).await.unwrap(), None, "a folder is no file");
    assert!(disk.put(&key("courses/rust"), "x/y", Bytes::new()).await.is_err(), "a folder is not replaced");
    assert_eq!(disk.head(&key("courses/rust/notes.pdf/more")).await.unwrap(), None);
    let pipe = root.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(disk.head(&key("pipe")).await.unwrap(), None, "nobody waits for a pipe");
    disk.delete(&notes).await.unwrap();
    assert_eq!(disk.head(&notes).await.unwrap(), None);
}

/// The parts of a link's query.
fn parts(link: &str) -> (Key, Claim, String) {
    let (path, query) = link.strip_prefix("https://shop.example/files/").unwrap().split_once('?').unwrap();
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    let value = |name: &str| {
        let found = url.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let expires = value("expires").parse().unwrap();
    let claim = Claim { expires, file_name: value("name"), content_type: value("type") };
    (Key::new(path).unwrap(), claim, value("signature"))
}

#[test]
fn a_link_lasts_as_long_as_it_says_and_not_a_second_longer() {
    let disk = disk(Path::new("/nowhere"));
    let link = disk.link(&key("a/b.pdf"), &a_link("Notes & more.pdf"), NOW).unwrap();
    assert!(link.starts_with(
        "https://shop.example/files/a/b.pdf?expires=1793000300&name=Notes%20%26%20more.pdf&signature="
    ));
    let (key, claim, signature) = parts(&link);
    let judge = |now| disk.signer().judge(&key, &claim, &signature, now);
    assert_eq!(judge(NOW), Ok(()));
    assert_eq!(judge(NOW + Duration::from_millis(299_999)), Ok(()));
    let ended = NOW + TTL;
    assert_eq!(judge(ended), Err(LinkError::Expired(ended)));
    // Made in the middle of a second it is not shorter than promised.
    let later = NOW + Duration::from_millis(1);
    assert!(disk.link(&key, &a_link("x"), later).unwrap().contains("expires=1793000301&"));
    // No link is for ever.
    let forever = Link { ttl: Duration::from_secs(u64::MAX / 2), ..a_link("x") };
    assert!(disk.link(&key, &forever, NOW).unwrap().contains("expires=1793604800&"));
}

#[test]
fn an_altered_link_opens_nothing_and_does_not_say_whether_it_would_have_been_in_time() {
    let disk = disk(Path::new("/nowhere"));
    let link = Link { content_type: Some("application/pdf".into()), ..a_link("notes.pdf") };
    let link = disk.link(&key("a/b.pdf"), &link, NOW).unwrap();
    let (good, claim, signature) = parts(&link);
    let altered = |key: &Key, claim: &Claim, signature: &str| {
        for now in [NOW, NOW + Duration::from_secs(100_000)] {
            assert_eq!(
                disk.signer().judge(key, claim, signature, now),
                Err(LinkError::Altered),
                "{key} {claim:?} {signature}"
            );
        }
    };
    altered(&key("a/c.pdf"), &claim, &signature);
    altered(&good, &Claim { expires: claim.expires + 1, ..claim.clone() }, &signature);
    altered(&good, &Claim { expires: i64::MAX, ..claim.clone() }, &signature);
    altered(&good, &Claim { file_name: "notes.exe".into(), ..claim.clone() }, &signature);
    altered(&good, &Claim { content_type: "text/html".into(), ..claim.clone() }, &signature);
    altered(&good, &Claim { content_type: String::new(), ..claim.clone() }, &signature);
    // What stands in one part cannot be moved into the next.
    let moved = Claim {
        file_name: format!("{}{}", claim.file_name, claim.content_type),
        content_type: String::new(),
        ..claim.clone()
    };
    altered(&good, &moved, &signature);
    for at in 0..signature.len() {
        let mut other = signature.clone().into_bytes();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        altered(&good, &claim, std::str::from_utf8(&other).unwrap());
    }
    let odd = [
        "",
        "00",
        &signature[..63],
        &format!("{signature}0"),
        &signature.to_uppercase(),
        "ä",
        &"é".repeat(32),
    ];
    odd.iter().for_each(|signature| altered(&good, &claim, signature));
    let other = Signer::new(Secret::Given("another secret of the tests, long".into()));
    assert_eq!(other.judge(&good, &claim, &signature, NOW), Err(LinkError::Altered));
}

#[test]
fn the_secret_of_a_folder_is_made_once_is_nobody_elses_and_survives_a_restart() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let kept = |seed| Signer::new(Secret::Kept { folder: data.clone(), entropy: Seeded::new(seed) });
    let query = |signer: &Signer| signer.query(&key("a"), &a_link("a"), NOW).unwrap();
    // Many at once: one is made, and all use it.
    let barrier = Arc::new(std::sync::Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|seed| {
            let (signer, barrier) = (kept(seed), barrier.clone());
            std::thread::spawn(move || {
                barrier.wait();
                signer.query(&key("a"), &a_link("a"), NOW).unwrap()
            })
        })
        .collect();
    let all: BTreeSet<String> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(all.len(), 1);
    assert!(all.contains(&query(&kept(99))), "after a restart it is the same");
    let path = data.join(SECRET_FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "nothing half made is left");
    let secret = std::fs::read_to_string(&path).unwrap();
    assert!(!format!("{:?}", kept(1)).contains(&secret));
    // A file that was emptied is no secret.
    std::fs::write(&path, "").unwrap();
    let told = kept(1).query(&key("a"), &a_link("a"), NOW).unwrap_err().to_string();
    assert!(told.contains("too short"), "{told}");
}
