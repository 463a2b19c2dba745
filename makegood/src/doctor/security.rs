//! What keeps strangers out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use super::finding::Seen;
use super::patient::Patient;
use crate::config::{Config, Secrecy, Source};

/// A token of fewer letters is one that somebody has thought of.
const ENOUGH: usize = 24;

pub(super) async fn readable(patient: &Patient) -> Vec<Seen> {
    let Ok(vitals) = &patient.vitals else { return Vec::new() };
    if !patient.serves {
        // In a process that has only just read them.
        vitals.secrets.refetch().await;
    }
    let troubles = vitals.secrets.troubles();
    troubles
        .into_iter()
        .map(|(name, why)| {
            Seen::error(format!("{name}: {why}; the last good value counts"))
                .expected("a value that can be read and taken")
                .fix("mend the file or the secret, then: makegood secrets refresh")
        })
        .collect()
}

/// Files in which secrets lie: their own, and those of all settings when a secret is among these.
fn secret_files(config: &Config) -> BTreeSet<PathBuf> {
    let secrets = config.settings().iter().filter(|setting| setting.key.secrecy == Secrecy::Secret);
    secrets
        .filter_map(|setting| match &setting.source {
            Source::File(path) | Source::Toml(path) => Some(path.clone()),
            Source::DotEnv => Some(".env".into()),
            Source::Flag | Source::Environment | Source::Dev | Source::Default => None,
        })
        .collect()
}

pub(super) async fn files(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let files = secret_files(config);
    let looking = move || files.iter().filter_map(too_open).collect::<Vec<_>>();
    tokio::task::spawn_blocking(looking).await.unwrap_or_default()
}

#[cfg(unix)]
fn too_open(file: &PathBuf) -> Option<Seen> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    let fix = format!("chmod 600 {}", file.display());
    let expected = "mode 600, or 640 with a group of its own";
    match () {
        () if mode & 0o007 != 0 => {
            let told = format!(
                "{} holds a secret, and everybody on this machine reads it ({mode:03o})",
                file.display()
            );
            Some(Seen::error(told).expected(expected).fix(fix))
        }
        () if mode & 0o020 != 0 => {
            let told = format!("{} holds a secret, and its group may change it ({mode:03o})", file.display());
            Some(Seen::warning(told).expected(expected).fix(fix))
        }
        () => None,
    }
}

#[cfg(not(unix))]
fn too_open(_: &PathBuf) -> Option<Seen> {
    None
}

pub(super) async fn admin_token(patient: &Patient) -> Vec<Seen> {
    let Ok(vitals) = &patient.vitals else { return Vec::new() };
    let Some(token) = vitals.secrets.admin_token() else {
        return vec![Seen::ok("ADMIN_TOKEN is not set; tokens are made and taken back")];
    };
    let text = token.reveal();
    let letters: BTreeSet<char> = text.chars().collect();
    match text.chars().count() < ENOUGH || letters.len() < 10 {
        true => vec![
            Seen::warning("ADMIN_TOKEN can be guessed: it is short, or made of few different letters")
                .expected("at least 24 letters by chance, or no ADMIN_TOKEN once there are other admins")
                .fix("head -c 24 /dev/urandom | base64"),
        ],
        false => {
            vec![Seen::info("ADMIN_TOKEN is set; once there are users and tokens it is not needed any more")]
        }
    }
}

fn is_local(url: &str) -> bool {
    let host = url.split("//").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) async fn https(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let is_https = config.app_url.starts_with("https://");
    match (is_https, config.is_live()) {
        (true, _) => Vec::new(),
        (false, true) => vec![
            Seen::error(format!("APP_URL is {}, and the API key moves real money", config.app_url))
                .expected("https://…")
                .fix("put a proxy with a certificate in front, and set APP_URL to its address"),
        ],
        (false, false) if is_local(&config.app_url) => {
            vec![Seen::info(format!("APP_URL is {}: only this machine reaches it", config.app_url))]
        }
        (false, false) => vec![
            Seen::warning(format!("APP_URL is {}: sign-ins and tokens go in the clear", config.app_url))
                .expected("https://…")
                .fix("put a proxy with a certificate in front, and set APP_URL to its address"),
        ],
    }
}

pub(super) async fn proxies(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let outsiders: [IpAddr; 2] =
        [IpAddr::from([8, 8, 8, 8]), IpAddr::from([0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888])];
    let believed = |address: &IpAddr| config.trusted_proxies.iter().any(|network| network.contains(*address));
    if outsiders.iter().any(believed) {
        return vec![
            Seen::error(
                "TRUSTED_PROXIES believes addresses of the whole internet: anybody may claim any address",
            )
            .expected("the addresses of your own proxies")
            .fix("set TRUSTED_PROXIES to the address of the proxy, like 10.0.0.7"),
        ];
    }
    let behind_one = config.app_url.starts_with("https://") && config.trusted_proxies.is_empty();
    match behind_one {
        true => vec![
            Seen::warning(
                "APP_URL is https, so a proxy stands in front, and none is trusted: all visitors share its limits",
            )
            .expected("TRUSTED_PROXIES with the proxy's address")
            .fix("set TRUSTED_PROXIES, like 127.0.0.1"),
        ],
        false => Vec::new(),
    }
}

pub(super) async fn metrics(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    match config.metrics_listen {
        Some(address) => vec![Seen::ok(format!("served at {address}, not at APP_URL"))],
        None if is_local(&config.app_url) => vec![Seen::info("/metrics is served beside everything else")],
        None => vec![
            Seen::warning(format!("{}/metrics tells everybody how the shop does", config.app_url))
                .expected("METRICS_LISTEN, or a proxy that keeps /metrics to itself")
                .fix("set METRICS_LISTEN=127.0.0.1:9464"),
        ],
    }
}
