//! Storage, films and mail: that they take our credentials. Nothing is stored, shown or sent.

use std::time::Duration;

use storage::{Key, StorageError};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::finding::Seen;
use super::patient::Patient;

/// A key under which nothing lies.
const NOTHING: &str = "makegood-doctor/nothing";
const PATIENCE: Duration = Duration::from_secs(5);

fn told(error: &StorageError, fix: &str) -> Seen {
    match error {
        StorageError::NotConfigured(key) => Seen::info(format!("not configured ({key})")),
        StorageError::Refused(why) => {
            Seen::error(format!("it refuses us: {why}")).expected("credentials that are taken").fix(fix)
        }
        StorageError::Unavailable(why) => Seen::warning(format!("it cannot be used now: {why}"))
            .expected("an answer")
            .fix("see that this machine reaches it, then look again"),
    }
}

pub(super) async fn disk(patient: &Patient) -> Vec<Seen> {
    let Ok(vitals) = &patient.vitals else { return Vec::new() };
    let Ok(key) = Key::new(NOTHING) else { return Vec::new() };
    let disk = &vitals.outside.disk;
    match disk.head(&key).await {
        Ok(_) => vec![Seen::ok(format!("the disk `{}` answers", disk.name()))],
        Err(error) => vec![told(
            &error,
            "set COURSE_RESOURCES_DISK, and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
            AWS_BUCKET and AWS_ENDPOINT for s3",
        )],
    }
}

pub(super) async fn streams(patient: &Patient) -> Vec<Seen> {
    let Ok(vitals) = &patient.vitals else { return Vec::new() };
    match vitals.outside.streams.exists("makegood-doctor").await {
        Ok(_) => vec![Seen::ok("it answers")],
        Err(error) => vec![told(
            &error,
            "set CF_STREAM_ACCOUNT_ID and CF_STREAM_API_TOKEN, a token that may read Stream",
        )],
    }
}

/// The server greets whoever connects; that it takes a password is seen when a mail is sent.
pub(super) async fn mail(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let value = |name: &str| {
        let setting = config.settings().iter().find(|setting| setting.key.name == name);
        setting.and_then(|setting| setting.shown.clone()).unwrap_or_default()
    };
    let host = value("MAIL_HOST");
    if host.is_empty() {
        return vec![Seen::info("no mail server is configured (MAIL_HOST): mails are not sent")];
    }
    let port: u16 = value("MAIL_PORT").parse().unwrap_or(587);
    let fix = "see MAIL_HOST and MAIL_PORT, and that this machine may connect there";
    match tokio::time::timeout(PATIENCE, greeting(&host, port, value("MAIL_ENCRYPTION") == "ssl")).await {
        Ok(Ok(said)) => vec![Seen::ok(said)],
        Ok(Err(why)) => {
            vec![Seen::error(format!("{host}:{port}: {why}")).expected("a greeting, 220").fix(fix)]
        }
        Err(_) => {
            vec![Seen::error(format!("{host}:{port} does not answer")).expected("a greeting, 220").fix(fix)]
        }
    }
}

async fn greeting(host: &str, port: u16, in_tls: bool) -> Result<String, String> {
    let mut stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    if in_tls {
        return Ok(format!("{host}:{port} takes connections"));
    }
    let mut first = [0; 3];
    stream.read_exact(&mut first).await.map_err(|error| error.to_string())?;
    match &first == b"220" {
        true => Ok(format!("{host}:{port} greets")),
        false => Err("what answers is no mail server".to_owned()),
    }
}
