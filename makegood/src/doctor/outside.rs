//! Storage, films, pictures, mail and the shop's own sign-in: that they take our credentials, and have what is needed.
//! Nothing is left there, shown or sent.

use std::time::Duration;

use storage::{MediaError, StorageError};

use super::finding::Seen;
use super::patient::Patient;
use crate::config::{Config, Mailing};
use crate::http::buyer::jwks;

/// A mail server that takes longer to let somebody in is not one that sends.
const PATIENCE: Duration = Duration::from_secs(15);

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
    let disk = &vitals.outside.disk;
    match disk.check().await {
        Ok(()) => vec![Seen::ok(format!("the disk `{}` answers", disk.name()))],
        Err(error) => vec![told(
            &error,
            "let makegood write to DATA_DIR, or set COURSE_RESOURCES_DISK, and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
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

/// Where pictures of the shop lie.
pub(super) async fn media(patient: &Patient) -> Vec<Seen> {
    let Ok(vitals) = &patient.vitals else { return Vec::new() };
    match vitals.outside.media.check(patient.now()).await {
        Ok(seen) => vec![Seen::ok(seen)],
        Err(MediaError::Storage(error)) => {
            vec![told(&error, "set MEDIA_DISK and what it needs, then: makegood media upload check")]
        }
        Err(MediaError::Cloudinary(why)) => {
            vec![Seen::error(why.to_string()).expected("a signature that is taken").fix(why.fix)]
        }
    }
}

/// Goes as far as one can without sending anything: a password that is not taken is seen here, and not by the first buyer.
pub(super) async fn mail(patient: &Patient) -> Vec<Seen> {
    let (Ok(config), Ok(vitals)) = (&patient.config, &patient.vitals) else { return Vec::new() };
    let server = match &config.mail {
        Mailing::Smtp(settings) => format!("{}:{}", settings.host, settings.port),
        Mailing::Log => return vec![unsent(config, "mails are written into the log, and sent to nobody")],
        Mailing::None => return vec![unsent(config, "no mail server is configured: mails are not sent")],
    };
    let why = match tokio::time::timeout(PATIENCE, vitals.outside.mailer.greet()).await {
        Ok(Ok(())) => return vec![Seen::ok(format!("{server} takes mails from us"))],
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    let fix = "see MAIL_HOST, MAIL_PORT, MAIL_ENCRYPTION, MAIL_USERNAME and MAIL_PASSWORD, and that this machine may \
               connect there";
    vec![
        Seen::error(format!("{server}: {why}")).expected("a greeting, and a password that is taken").fix(fix),
    ]
}

fn unsent(config: &Config, seen: &str) -> Seen {
    match config.is_live() {
        true => Seen::warning(format!("{seen}, and the API key moves real money"))
            .expected("a mail server, so that buyers are told and can sign in")
            .fix("set MAIL_HOST and MAIL_FROM_ADDRESS, and no other MAIL_MAILER than smtp"),
        false => Seen::info(seen),
    }
}

/// The keys with which buyers of the shop's own sign-in are known.
pub(super) async fn sign_in(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let Some(sign_in) = &config.sign_in else {
        return vec![Seen::info("no sign-in of the shop's own is configured (BUYER_JWKS_URL)")];
    };
    match jwks::read(sign_in.source.clone()).await {
        Ok(keys) => vec![Seen::ok(format!("{} keys can be read", keys.len()))],
        Err(why) => vec![
            Seen::error(format!("they cannot be read: {why}"))
                .expected("a set of keys (JWKS) with one for RS256, ES256 or EdDSA")
                .fix("see BUYER_JWKS_URL or BUYER_JWKS_FILE, and that this machine reaches it"),
        ],
    }
}
