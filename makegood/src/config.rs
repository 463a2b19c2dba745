//! The configuration: read from flags, environment, `.env` and `makegood.toml`, judged as a whole. All problems are
//! told at once, and no text ever shows a secret.

mod buyers;
mod dev_file;
mod keys;
mod mailing;
mod network;
mod places;
mod sources;
pub mod stores;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use db::Target;
use kernel::{Currency, Duration};
use stripe::{ApiKey, Secret};

use crate::http::buyer::jwks::SignIn;

pub use dev_file::{DEV_FILE, left};
pub(crate) use keys::check_signing_secret;
pub use keys::{Form, KEYS, Key, MEDIA_MOST, Secrecy, Use};
pub use mailing::Mailing;
pub use network::Network;
pub use places::{Manager, Place, Secret as SecretKey, SecretPlace};
pub(crate) use places::{read_again, region_of};
pub(crate) use sources::secret_text;
pub use sources::{CONFIG_FILE, Source, Sources};

/// Something that is wrong with the configuration, or worth a warning: which key, and what was seen and expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, the variable or the place in a file.
    pub key: String,
    /// What was seen and what was expected; never a secret.
    pub what: String,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Problem { key: key.into(), what: what.into() }
    }

    /// A problem that was seen elsewhere than while reading.
    pub(crate) fn of(key: &str, what: impl Into<String>) -> Self {
        Problem::new(key, what)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_about_the_database(), self.what.as_str()) {
            // "DATABASE_URL is wrapped in quotes" reads as a sentence; "DATABASE_URL Invalid scheme" does not.
            (_, what)
                if what.starts_with("is ") || what.starts_with("has ") || what.starts_with("names ") =>
            {
                write!(f, "{} {what}", self.key)
            }
            (_, what) => write!(f, "{}: {what}", self.key),
        }
    }
}

impl Problem {
    fn is_about_the_database(&self) -> bool {
        self.key == "DATABASE_URL" || self.key.starts_with("DB_")
    }
}

/// All that is wrong, for people. A wrong database comes first, in the words that start-up promises.
pub fn explain(problems: &[Problem]) -> String {
    let (database, others): (Vec<_>, Vec<_>) = problems.iter().partition(|p| p.is_about_the_database());
    let database = database.iter().map(|problem| format!("Bootstrap failed: {problem}"));
    database
        .chain(others.iter().map(|problem| format!("configuration: {problem}")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How Stripe's events come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripeEvents {
    /// Only by webhook.
    Push,
    /// Only from Stripe's list of events; no webhook endpoint is needed.
    Pull,
    /// By webhook, and what no webhook brought from the list.
    Both,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// This text, not to be printed from now on.
    pub fn new(text: impl Into<String>) -> Self {
        Hidden(text.into())
    }
    /// The text itself, for the one who compares or sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…redacted")
    }
}

/// One key as `config show` shows it.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Which key.
    pub key: &'static Key,
    /// Its value; secrets are redacted. `None` when nothing is set.
    pub shown: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// A configuration in which every value has the right form.
#[derive(Clone)]
pub struct Config {
    /// Where buyers and operators reach this shop, without a slash at the end.
    pub app_url: String,
    /// Where the data lies.
    pub database: Target,
    /// Connections to PostgreSQL at most.
    pub pool_max: usize,
    /// Whether the schema is brought up to date at start.
    pub auto_migrate: bool,
    /// The secret API key at start; which one counts now, `App::secrets` knows.
    pub stripe_secret: Option<ApiKey>,
    /// The publishable API key.
    pub stripe_key: Option<String>,
    /// Signing secrets at start; which ones count now, `App::secrets` knows.
    pub webhook_secrets: Vec<Secret>,
    /// Where the secrets lie that may change while the server runs.
    pub secret_places: Vec<SecretPlace>,
    /// How AWS Secrets Manager is asked, where one of them lies there.
    pub secrets_manager: Option<Manager>,
    /// How long a signing secret that was replaced still counts.
    pub webhook_overlap: Duration,
    /// Where Stripe is.
    pub stripe_api_base: String,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Where metrics are served, when not beside everything else.
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies whose word about the client's address is believed.
    pub trusted_proxies: Vec<Network>,
    /// The first admin's token at start; which one counts now, `App::secrets` knows.
    pub admin_token: Option<Hidden>,
    /// Where the embedded database lies.
    pub data_dir: PathBuf,
    /// The currency of a basket that names none.
    pub currency: Currency,
    /// How long stock is set aside for a checkout.
    pub reservation: Duration,
    /// How old an order has to be before its failed payment is given up.
    pub cleanup_after: Duration,
    /// Whether files and streams are delivered at all.
    pub downloads_enabled: bool,
    /// How long a link to a file lives.
    pub download_ttl: Duration,
    /// How Stripe's events come here.
    pub stripe_events: StripeEvents,
    /// Workers for events in this process.
    pub workers: usize,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// How mail is sent.
    pub mail: Mailing,
    /// The shop's own sign-in, whose tokens say who a buyer is.
    pub sign_in: Option<SignIn>,
    /// Where files, films and pictures lie.
    pub stores: stores::Stores,
    /// What is worth a warning at start.
    pub warnings: Vec<Problem>,
    settings: Vec<Setting>,
}

/// Only what may be shown: a database URL holds a password, too.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.settings.iter().filter(|setting| setting.source != Source::Default);
        f.debug_map().entries(set.map(|setting| (setting.key.name, &setting.shown))).finish()
    }
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// All problems, not only the first.
    pub fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
        let mut reading = Reading::of(sources);
        reading.warn_of_near_misses(sources);
        reading.warn_of_foreign_keys(sources);
        reading.check_forms();
        reading.check_places();
        reading.follow_the_listener();
        let target = reading.database();
        match (target, reading.problems.is_empty()) {
            (Some(target), true) => reading.build(target),
            _ => Err(reading.problems),
        }
    }

    /// Every key with its value, redacted, and where it came from.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Whether a key was set anywhere, rather than left to its default.
    pub fn is_set(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.key.name == name && setting.source != Source::Default)
    }

    /// What is missing to serve webhooks and checkouts; empty when nothing is. Reading and repairing on the command
    /// line needs none of it.
    pub fn missing_for_serving(&self) -> Vec<Problem> {
        let mut missing = Vec::new();
        let lies_elsewhere = |key| self.place(key).is_some_and(|place| matches!(place, Place::Manager(_)));
        if self.stripe_secret.is_none() && !lies_elsewhere(SecretKey::StripeSecret) {
            missing
                .push(Problem::new("STRIPE_SECRET", "is not set; expected the secret API key, sk_… or rk_…"));
        }
        if self.webhook_secrets.is_empty()
            && !lies_elsewhere(SecretKey::WebhookSecret)
            && self.stripe_events != StripeEvents::Pull
        {
            let what = "is not set; expected the signing secret of the webhook endpoint, whsec_…; or STRIPE_EVENTS=pull, \
                        which needs no endpoint";
            missing.push(Problem::new("STRIPE_WEBHOOK_SECRET", what));
        }
        missing.extend(self.stores.missing());
        missing
    }

    /// Where this secret lies; nowhere when it is not set.
    pub fn place(&self, key: SecretKey) -> Option<&Place> {
        self.secret_places.iter().find(|place| place.key == key).map(|place| &place.place)
    }

    /// Whether the key at Stripe moves real money.
    pub fn is_live(&self) -> bool {
        self.stripe_secret.as_ref().is_some_and(ApiKey::is_live)
    }

    /// Whose money moves.
    pub fn money(&self) -> Money {
        match &self.stripe_secret {
            Some(key) if key.is_live() => Money::Real,
            None => Money::Nowhere,
            Some(_) if self.stripe_api_base != stripe::client::BASE_URL => Money::Sandbox,
            Some(_) => Money::Test,
        }
    }

    /// Limits of the database.
    pub fn db_limits(&self) -> db::Limits {
        db::Limits { pool_max: self.pool_max, ..db::Limits::default() }
    }

    /// What the shop wants to know.
    pub fn shop_settings(&self) -> shop::Settings {
        shop::Settings {
            app_url: self.app_url.clone(),
            livemode: self.is_live(),
            currency: self.currency,
            reservation: self.reservation,
            cleanup_after: self.cleanup_after,
            downloads_enabled: self.downloads_enabled,
            download_ttl: self.download_ttl,
        }
    }
}

/// Whose money moves, as far as the key at Stripe and its address tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Money {
    /// Buyers'.
    Real,
    /// Nobody's: Stripe's test mode.
    Test,
    /// Nobody's: a Stripe of our own.
    Sandbox,
    /// There is no key.
    Nowhere,
}

impl Money {
    /// In a word, as people see it above everything else.
    pub fn word(self) -> &'static str {
        match self {
            Money::Real => "LIVE",
            Money::Test => "TEST",
            Money::Sandbox => "SANDBOX",
            Money::Nowhere => "NO KEY",
        }
    }
}

/// The values of all keys while they are judged.
struct Reading {
    values: BTreeMap<&'static str, (String, Source)>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// `DATABASE_URL` was set, to nothing.
    blank_database: bool,
}

impl Reading {
    fn of(sources: &Sources) -> Reading {
        let mut problems = Vec::new();
        let dotenv =
            sources.dotenv.as_deref().map(|text| sources::dotenv(text, &mut problems)).unwrap_or_default();
        let (path, toml) = match &sources.toml {
            Some((path, text)) => (path.clone(), sources::toml(path, text, &mut problems)),
            None => (PathBuf::new(), BTreeMap::new()),
        };
        let places = [
            (&sources.flags, Source::Flag),
            (&sources.environment, Source::Environment),
            (&dotenv, Source::DotEnv),
            (&toml, Source::Toml(path)),
        ];
        let blank =
            |values: &BTreeMap<String, String>| values.get("DATABASE_URL").is_some_and(String::is_empty);
        let set = |name: &str| {
            places.iter().find_map(|(values, _)| values.get(name).filter(|value| !value.is_empty()))
        };
        let folder = set("DATA_DIR").map(String::as_str).or_else(|| Some(Key::find("DATA_DIR")?.default));
        let left = folder.filter(|_| sources.beside_dev);
        let left = left.map(|folder| dev_file::left(folder.as_ref(), |name| set(name).is_some()));
        let left = left.unwrap_or_default();
        let mut places = places.to_vec();
        places.push((&left, Source::Dev));
        let blank_database = places.iter().any(|(values, _)| blank(values));
        let mut reading = Reading { values: BTreeMap::new(), problems, warnings: Vec::new(), blank_database };
        for key in KEYS {
            if let Some(found) = reading.find(key, &places) {
                reading.values.insert(key.name, found);
            }
        }
        reading
    }

    /// The value of the first place that has one. An empty value is as good as none, as in every `.env` template.
    fn find(
        &mut self,
        key: &'static Key,
        places: &[(&BTreeMap<String, String>, Source)],
    ) -> Option<(String, Source)> {
        for (values, source) in places {
            let plain = values.get(key.name).filter(|value| !value.is_empty());
            let file = key.file_variable().and_then(|name| values.get(&name)).filter(|path| !path.is_empty());
            let found = match (plain, file) {
                (Some(_), Some(_)) => {
                    let what = format!("is set, and {}_FILE is too; keep one", key.name);
                    self.problems.push(Problem::new(key.name, what));
                    return None;
                }
                (Some(value), None) if key.secrecy == Secrecy::Secret => {
                    self.secret(key, value, source.clone())
                }
                (Some(value), None) => Some((value.clone(), source.clone())),
                (None, Some(path)) => self.secret_file(key, path.into()),
                (None, None) => continue,
            };
            return found;
        }
        None
    }

    fn secret_file(&mut self, key: &'static Key, path: PathBuf) -> Option<(String, Source)> {
        match std::fs::read_to_string(&path) {
            Ok(text) => self.secret(key, &text, Source::File(path)),
            Err(error) => {
                let what = format!("{}: {error}", path.display());
                self.problems.push(Problem::new(format!("{}_FILE", key.name), what));
                None
            }
        }
    }

    fn secret(&mut self, key: &'static Key, text: &str, source: Source) -> Option<(String, Source)> {
        // A database URL with a line break is a mistake that has words of its own.
        let file = matches!(source, Source::File(_));
        let text =
            if file || text.starts_with('{') { sources::secret_text(key, text) } else { Ok(text.to_owned()) };
        match text {
            Ok(text) => Some((text, source)),
            Err(what) => {
                self.problems.push(Problem::new(key.name, what));
                None
            }
        }
    }

    fn warn_of_near_misses(&mut self, sources: &Sources) {
        let dotenv =
            sources.dotenv.as_deref().map(|text| sources::dotenv(text, &mut Vec::new())).unwrap_or_default();
        for name in sources.environment.keys().chain(dotenv.keys()) {
            if let Some(near) = sources::near(name) {
                self.warnings
                    .push(Problem::new(name, format!("is no key of makegood; did you mean {near}?")));
            }
        }
    }

    fn warn_of_foreign_keys(&mut self, sources: &Sources) {
        if sources.environment.contains_key("MONGO_URI") {
            let what = "is set, but makegood keeps its data in SQLite or PostgreSQL and does not read it; set \
                        DATABASE_URL to a connection string that starts with postgres:// or sqlite:";
            self.warnings.push(Problem::new("MONGO_URI", what));
        }
        let parts = ["DB_CONNECTION", "DB_HOST", "DB_DATABASE"];
        if self.text("DATABASE_URL").is_some()
            && let Some(part) = parts.into_iter().find(|part| self.text(part).is_some())
        {
            let what = "is set beside DATABASE_URL, which counts alone; take one of them away";
            self.warnings.push(Problem::new(part, what));
        }
        if self.text("QUEUE_CONNECTION") == Some("sync") {
            let what =
                "is `sync`; the queue lies in the database all the same, and its workers run in this process";
            self.warnings.push(Problem::new("QUEUE_CONNECTION", what));
        }
    }

    /// Who names no address for others is reached where it listens.
    fn follow_the_listener(&mut self) {
        let Some(Ok(listen)) = self.text("LISTEN").map(str::parse::<SocketAddr>) else { return };
        let host = match listen.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(ip) => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        let here = (format!("http://{host}:{}", listen.port()), Source::Default);
        self.values.entry("APP_URL").or_insert(here);
    }

    fn check_forms(&mut self) {
        for key in KEYS {
            let Some((value, _)) = self.values.get(key.name) else { continue };
            if let Err(what) = key.form.check(value) {
                self.problems.push(Problem::new(key.name, what));
            }
            self.warnings.extend(key.form.doubt(value).map(|what| Problem::new(key.name, what)));
        }
    }

    /// `DATABASE_URL`, or what `DB_*` describe, or the embedded database in `DATA_DIR`.
    fn database(&mut self) -> Option<Target> {
        if let Some(url) = self.text("DATABASE_URL") {
            // A wrong one was told by its form.
            return Target::parse(url).ok();
        }
        match self.text("DB_CONNECTION") {
            Some("pgsql") => self.postgres_of_parts(),
            // Most likely a variable that did not reach this process. An embedded database in its place would take
            // payments into a file that the next deployment throws away.
            None if self.blank_database => {
                let what = "is empty; expected a connection string, or no DATABASE_URL at all for an embedded database";
                self.problems.push(Problem::new("DATABASE_URL", what));
                None
            }
            _ => {
                let beside = format!("{}/makegood.db", self.value("DATA_DIR"));
                let file = self.text("DB_DATABASE").map_or(beside, str::to_owned);
                Some(Target::Sqlite(file.into()))
            }
        }
    }

    fn postgres_of_parts(&mut self) -> Option<Target> {
        let (Some(name), Some(user)) = (self.text("DB_DATABASE"), self.text("DB_USERNAME")) else {
            let what = "is pgsql, which needs DB_DATABASE and DB_USERNAME too";
            self.problems.push(Problem::new("DB_CONNECTION", what));
            return None;
        };
        let password = self.text("DB_PASSWORD").map(|p| format!(":{}", encoded(p))).unwrap_or_default();
        let (host, port) = (self.value("DB_HOST"), self.value("DB_PORT"));
        let url = format!("postgres://{}{password}@{host}:{port}/{}", encoded(user), encoded(name));
        Some(Target::Postgres(url))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(value, _)| value.as_str())
    }

    /// The value, or the key's default.
    fn value(&self, name: &str) -> &str {
        self.text(name).or_else(|| Key::find(name).map(|key| key.default)).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.value(name).parse().unwrap_or_default()
    }

    /// Every form was checked before; what still does not fit is told like any other problem.
    fn build(self, database: Target) -> Result<Config, Vec<Problem>> {
        let wrong = |name: &'static str| move |what: String| vec![Problem::new(name, what)];
        let address = |name| parse::<SocketAddr>(self.value(name)).map_err(wrong(name));
        let metrics_listen = self.text("METRICS_LISTEN").map(|_| address("METRICS_LISTEN")).transpose()?;
        let secrets = self.text("STRIPE_WEBHOOK_SECRET").into_iter().flat_map(|text| text.split(','));
        let key = self.text("STRIPE_SECRET").map(ApiKey::new).transpose();
        let stores = stores::Stores::read(&self);
        Ok(Config {
            app_url: self.value("APP_URL").trim_end_matches('/').to_owned(),
            database,
            pool_max: self.number("DB_POOL_MAX") as usize,
            auto_migrate: self.value("AUTO_MIGRATE") == "true",
            stripe_secret: key.map_err(|e| wrong("STRIPE_SECRET")(e.to_string()))?,
            stripe_key: self.text("STRIPE_KEY").map(str::to_owned),
            webhook_secrets: secrets
                .map(Secret::new)
                .collect::<Result<_, _>>()
                .map_err(|e| wrong("STRIPE_WEBHOOK_SECRET")(e.to_string()))?,
            secret_places: self.places(),
            secrets_manager: self.manager(),
            webhook_overlap: Duration::from_secs(self.number("STRIPE_WEBHOOK_OVERLAP_MINUTES") * 60),
            stripe_api_base: self.value("STRIPE_API_BASE").to_owned(),
            listen: address("LISTEN")?,
            metrics_listen,
            trusted_proxies: self
                .text("TRUSTED_PROXIES")
                .into_iter()
                .flat_map(|text| text.split(','))
                .map(Network::parse)
                .collect::<Result<_, _>>()
                .map_err(wrong("TRUSTED_PROXIES"))?,
            admin_token: self.text("ADMIN_TOKEN").map(Hidden::new),
            data_dir: self.value("DATA_DIR").into(),
            currency: parse(self.value("CURRENCY")).map_err(wrong("CURRENCY"))?,
            reservation: Duration::from_secs(self.number("RESERVATION_MINUTES") * 60),
            cleanup_after: Duration::from_secs(self.number("CLEANUP_FAILED_PAYMENT_MINUTES") * 60),
            downloads_enabled: self.value("DOWNLOADS_ENABLED") == "true",
            download_ttl: Duration::from_secs(self.number("DOWNLOAD_TTL_SECONDS")),
            stripe_events: match self.value("STRIPE_EVENTS") {
                "push" => StripeEvents::Push,
                "pull" => StripeEvents::Pull,
                _ => StripeEvents::Both,
            },
            workers: self.number("WORKERS") as usize,
            log_format: if self.value("LOG_FORMAT") == "json" { LogFormat::Json } else { LogFormat::Text },
            mail: mailing::read(|name| self.text(name))?,
            sign_in: buyers::read(|name| self.text(name))?,
            settings: KEYS.iter().map(|key| self.shown(key)).collect(),
            warnings: [self.warnings, stores.warnings()].concat(),
            stores,
        })
    }

    fn shown(&self, key: &'static Key) -> Setting {
        let (value, source) = match self.values.get(key.name) {
            Some((value, source)) => (Some(value.as_str()), source.clone()),
            None => (Some(key.default).filter(|text| !text.is_empty()), Source::Default),
        };
        let shown = value.map(|value| match key.secrecy {
            // What follows may be a key, as in the address of a set of keys.
            Secrecy::Open if matches!(key.form, Form::Url | Form::Base) => {
                value.split_once('?').map_or(value.to_owned(), |(place, _)| format!("{place}?…"))
            }
            Secrecy::Open => value.to_owned(),
            Secrecy::Secret => redacted(key, value),
        });
        Setting { key, shown, source }
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Enough to tell a test key from a live one and a server from another, and nothing that helps a thief.
fn redacted(key: &Key, value: &str) -> String {
    if key.form == Form::Database {
        let (scheme, rest) = value.split_once(':').unwrap_or(("", ""));
        let place = rest.rsplit_once('@').map_or(rest.trim_start_matches("//"), |(_, place)| place);
        let place = place.split('?').next().unwrap_or_default();
        return format!("{scheme}:…{place}");
    }
    let kinds = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"];
    let kind = kinds.iter().find(|kind| value.starts_with(**kind)).copied().unwrap_or_default();
    format!("{kind}…redacted")
}

/// Percent-encoded for a part of a URL.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
