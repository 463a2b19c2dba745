//! Every key of the configuration, said once: `config show`, `config check`, `config env`, the documents and the
//! reading itself follow from this list.

use std::net::SocketAddr;

use db::Target;
use kernel::Currency;
use stripe::{ApiKey, Secret};

use super::network::Network;

/// Whether a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Shown as it is.
    Open,
    /// Never shown; may come from a file named by `<KEY>_FILE`.
    Secret,
}

/// Whether this version acts on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It does.
    Now,
    /// The key is known and its form is checked, but nothing acts on it yet.
    NotYet,
}

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// `https://…` or `http://…`.
    Url,
    /// The same, and others are made by writing behind it.
    Base,
    /// A connection string of a database.
    Database,
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// An address and a port.
    Address,
    /// A folder.
    Folder,
    /// A currency code.
    Currency,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Addresses or networks, separated by commas.
    Networks,
    /// A secret key of Stripe's.
    StripeKey,
    /// A publishable key of Stripe's.
    StripePublishable,
    /// Signing secrets of Stripe's, separated by commas.
    SigningSecrets,
    /// A token of ours: long enough not to be guessed.
    Token,
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in the environment and in `.env`; in lower case it is its name in `makegood.toml`.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// What counts when nothing is set; empty where there is no default.
    pub default: &'static str,
    /// What a value must look like.
    pub form: Form,
    /// Whether it may be shown.
    pub secrecy: Secrecy,
    /// Whether this version acts on it.
    pub used: Use,
}

impl Key {
    /// The key with this name.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Its name in `makegood.toml`.
    pub fn toml_name(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The variable that names a file with the value; secrets only.
    pub fn file_variable(&self) -> Option<String> {
        (self.secrecy == Secrecy::Secret).then(|| format!("{}_FILE", self.name))
    }
}

const fn key(name: &'static str, form: Form, default: &'static str, help: &'static str) -> Key {
    Key { name, help, default, form, secrecy: Secrecy::Open, used: Use::Now }
}
const fn secret(name: &'static str, form: Form, help: &'static str) -> Key {
    Key { name, help, default: "", form, secrecy: Secrecy::Secret, used: Use::Now }
}

/// No shop takes a larger picture, whatever it is set to.
pub const MEDIA_MOST: u64 = 104_857_600;

/// All keys, in the order in which `config show` prints them.
pub const KEYS: &[Key] = &[
    key(
        "APP_URL",
        Form::Base,
        "http://127.0.0.1:3001",
        "where buyers and operators reach this shop; without it, where LISTEN says",
    ),
    secret("DATABASE_URL", Form::Database, "postgres://user:password@host/name or sqlite:path/to/file"),
    key("DB_CONNECTION", Form::Choice(&["sqlite", "pgsql"]), "", "instead of DATABASE_URL: which engine"),
    key("DB_HOST", Form::Text, "127.0.0.1", "with DB_CONNECTION=pgsql: where the server is"),
    key("DB_PORT", Form::Number(1, 65_535), "5432", "with DB_CONNECTION=pgsql: its port"),
    key("DB_DATABASE", Form::Text, "", "the database's name, or the file of SQLite"),
    key("DB_USERNAME", Form::Text, "", "with DB_CONNECTION=pgsql: as whom to connect"),
    secret("DB_PASSWORD", Form::Text, "with DB_CONNECTION=pgsql: the password"),
    key("DB_POOL_MAX", Form::Number(1, 1_000), "20", "connections to PostgreSQL at most"),
    key("AUTO_MIGRATE", Form::Bool, "true", "bring the schema up to date at start"),
    secret("STRIPE_SECRET", Form::StripeKey, "the secret API key, sk_… or rk_…"),
    key("STRIPE_KEY", Form::StripePublishable, "", "the publishable API key, pk_…"),
    secret(
        "STRIPE_WEBHOOK_SECRET",
        Form::SigningSecrets,
        "whsec_…; two, separated by a comma, during a roll",
    ),
    key(
        "STRIPE_SECRET_ARN",
        Form::Text,
        "",
        "instead of STRIPE_SECRET: its ARN or name in AWS Secrets Manager",
    ),
    key(
        "STRIPE_WEBHOOK_SECRET_ARN",
        Form::Text,
        "",
        "instead of STRIPE_WEBHOOK_SECRET: its ARN or name there",
    ),
    key(
        "STRIPE_WEBHOOK_OVERLAP_MINUTES",
        Form::Number(0, 10_080),
        "1440",
        "how long a signing secret that was replaced still counts; 0 for not at all",
    ),
    key(
        "SECRETS_AWS_ACCESS_KEY_ID",
        Form::Text,
        "",
        "the key for Secrets Manager, where AWS_ACCESS_KEY_ID is the disk's",
    ),
    secret(
        "SECRETS_AWS_SECRET_ACCESS_KEY",
        Form::Text,
        "its secret, where AWS_SECRET_ACCESS_KEY is the disk's",
    ),
    secret("SECRETS_AWS_SESSION_TOKEN", Form::Text, "its session token, where the key is a temporary one"),
    key("SECRETS_AWS_REGION", Form::Text, "", "the region of Secrets Manager, where no ARN names it"),
    key("SECRETS_AWS_ENDPOINT", Form::Url, "", "where Secrets Manager is, where that is not AWS itself"),
    key(
        "STRIPE_API_BASE",
        Form::Url,
        stripe::client::BASE_URL,
        "where Stripe is; a sandbox answers elsewhere",
    ),
    key(
        "STRIPE_EVENTS",
        Form::Choice(&["both", "push", "pull"]),
        "both",
        "how events come: by webhook (push), from Stripe's list without an endpoint (pull), or both",
    ),
    key("LISTEN", Form::Address, "127.0.0.1:3001", "the address and port of the server"),
    key("METRICS_LISTEN", Form::Address, "", "serve /metrics here, and no longer at LISTEN"),
    key("TRUSTED_PROXIES", Form::Networks, "", "proxies whose X-Forwarded-For is believed, like 10.0.0.0/8"),
    secret("ADMIN_TOKEN", Form::Token, "the first admin's token, to make others with"),
    key("DATA_DIR", Form::Folder, "data", "where the embedded database and files of our own lie"),
    key("CURRENCY", Form::Currency, "usd", "the currency of a basket that names none"),
    key("RESERVATION_MINUTES", Form::Number(1, 1_440), "30", "how long stock is set aside for a checkout"),
    key("WORKERS", Form::Number(0, 64), "2", "workers for events in this process; 0 for none at all"),
    key("QUEUE_CONNECTION", Form::Choice(&["database", "sync"]), "database", "the queue is the database's"),
    key("LOG_FORMAT", Form::Choice(&["text", "json"]), "text", "how log lines are written"),
    key(
        "CLEANUP_FAILED_PAYMENT_MINUTES",
        Form::Number(1, 525_600),
        "60",
        "how old an order has to be before its failed payment is given up",
    ),
    key(
        "DOWNLOADS_ENABLED",
        Form::Bool,
        "true",
        "whether files and streams are delivered at all; `downloads disable` stops them on every node at once",
    ),
    key("DOWNLOAD_TTL_SECONDS", Form::Number(10, 86_400), "300", "how long a link to a file lives"),
    key(
        "MAIL_MAILER",
        Form::Choice(&["smtp", "log", "none"]),
        "",
        "how mail is sent: by a server (smtp, also when only MAIL_HOST is set), into the log, or not at all",
    ),
    key("MAIL_HOST", Form::Text, "", "the mail server"),
    key("MAIL_PORT", Form::Number(1, 65_535), "", "its port; else 465 with ssl, 25 with none, 587 otherwise"),
    key("MAIL_USERNAME", Form::Text, "", "as whom to send"),
    secret("MAIL_PASSWORD", Form::Text, "the mail server's password"),
    key(
        "MAIL_ENCRYPTION",
        Form::Choice(&["tls", "ssl", "starttls", "none"]),
        "",
        "tls: encrypted, by STARTTLS where the port is not 465; ssl: from the first byte on; none only for a server on this machine",
    ),
    key(
        "MAIL_CA_FILE",
        Form::Text,
        "",
        "a file of certificates (PEM) that may vouch for the mail server, beside those that this system trusts",
    ),
    key("MAIL_FROM_ADDRESS", Form::Text, "", "the sender's address; needed to send by a server"),
    key("MAIL_FROM_NAME", Form::Text, "", "the sender's name"),
    key(
        "BUYER_JWKS_URL",
        Form::Url,
        "",
        "where the keys of the shop's own sign-in are; its tokens (JWT) say who a buyer is",
    ),
    key("BUYER_JWKS_FILE", Form::Text, "", "the same keys in a file, instead of BUYER_JWKS_URL"),
    key("BUYER_JWT_ISSUER", Form::Text, "", "what the sign-in's tokens name as iss"),
    key("BUYER_JWT_AUDIENCE", Form::Text, "", "what the sign-in's tokens name as aud: this shop"),
    secret(
        "APP_KEY",
        Form::Token,
        "the secret behind links to files; several nodes share one, a single one keeps its own in DATA_DIR",
    ),
    key("COURSE_RESOURCES_DISK", Form::Choice(&["local", "s3"]), "local", "where resources of courses lie"),
    key("AWS_ACCESS_KEY_ID", Form::Text, "", "the key of the S3 or R2 disk"),
    secret("AWS_SECRET_ACCESS_KEY", Form::Text, "the secret of the S3 or R2 disk"),
    key("AWS_DEFAULT_REGION", Form::Text, "auto", "its region; auto for R2"),
    key("AWS_BUCKET", Form::Text, "", "its bucket"),
    key(
        "AWS_ENDPOINT",
        Form::Url,
        "",
        "its endpoint; R2 has one for each account, Amazon's follows from the region",
    ),
    key("AWS_ENDPOINT_URL", Form::Url, "", "the same under the name that Amazon's tools use"),
    key("AWS_URL", Form::Url, "", "the public address of the bucket, where it has one"),
    key("AWS_USE_PATH_STYLE_ENDPOINT", Form::Bool, "false", "whether the bucket stands in the path"),
    key("CF_STREAM_IFRAME_BASE_URL", Form::Url, "", "the player of Cloudflare Stream"),
    key(
        "CF_STREAM_CUSTOMER_CODE",
        Form::Text,
        "",
        "the customer code of Cloudflare Stream; the player follows from it",
    ),
    key("CF_STREAM_SIGNED_URLS_ENABLED", Form::Bool, "false", "whether streams are signed"),
    key("CF_STREAM_TOKEN_TTL_SECONDS", Form::Number(1, 86_400), "3600", "how long a signed stream lasts"),
    key("CF_STREAM_ACCOUNT_ID", Form::Text, "", "the account at Cloudflare"),
    secret("CF_STREAM_API_TOKEN", Form::Text, "the API token of Cloudflare Stream"),
    key(
        "CF_STREAM_KEY_ID",
        Form::Text,
        "",
        "the id of a signing key of Cloudflare Stream: no call for each view",
    ),
    secret("CF_STREAM_KEY_PEM", Form::Text, "that key's PEM, plain or in base64 as Cloudflare hands it out"),
    key("CF_STREAM_API_BASE", Form::Url, storage::stream::API, "where Cloudflare's API is"),
    key(
        "MEDIA_DISK",
        Form::Choice(&["local", "s3", "cloudinary"]),
        "local",
        "where pictures of the shop lie",
    ),
    key("MEDIA_MAX_BYTES", Form::Number(1_024, MEDIA_MOST), "10485760", "the largest picture that is taken"),
    key("MEDIA_BUCKET", Form::Text, "", "with MEDIA_DISK=s3: its bucket, when it is not AWS_BUCKET"),
    key("MEDIA_URL", Form::Url, "", "with MEDIA_DISK=s3: where everybody reads it, when it is not AWS_URL"),
    key("CLOUDINARY_CLOUD_NAME", Form::Text, "", "the cloud at Cloudinary"),
    key("CLOUDINARY_API_KEY", Form::Text, "", "the API key at Cloudinary"),
    secret("CLOUDINARY_API_SECRET", Form::Text, "the API secret at Cloudinary"),
    key(
        "CLOUDINARY_SIGNATURE_ALGORITHM",
        Form::Choice(&["sha1", "sha256"]),
        "sha1",
        "by what the account at Cloudinary signs",
    ),
    key("CLOUDINARY_API_BASE", Form::Url, storage::cloudinary::API, "where Cloudinary is"),
];

impl Form {
    /// What is wrong with `value`, and what was expected. The text never repeats a secret.
    pub fn check(self, value: &str) -> Result<(), String> {
        let blemish = match self {
            Form::Database => None,
            Form::Text | Form::Folder => kernel::blemish_of_text(value),
            _ => kernel::blemish(value),
        };
        if let Some(what) = blemish {
            return Err(what.into());
        }
        match self {
            Form::Database => Target::parse(value).map(drop).map_err(|e| e.to_string()),
            Form::Text | Form::Folder => Ok(()),
            Form::Url => check_url(value),
            Form::Base if value.contains(['?', '#']) => {
                Err("has a query or a fragment, behind which no path can be written; expected https://host"
                    .into())
            }
            Form::Base => check_url(value),
            Form::Bool => one_of(value, &["true", "false"]),
            Form::Choice(words) => one_of(value, words),
            Form::Number(least, most) => match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("`{value}` is not a whole number from {least} to {most}")),
            },
            Form::Address => value
                .parse::<SocketAddr>()
                .map(drop)
                .map_err(|_| format!("`{value}` is not an address with a port, like 127.0.0.1:3001")),
            Form::Currency => value.parse::<Currency>().map(drop).map_err(|e| e.to_string()),
            Form::Networks => value.split(',').try_for_each(|one| Network::parse(one).map(drop)),
            Form::StripeKey => check_stripe_key(value),
            Form::StripePublishable if value.starts_with("pk_") => Ok(()),
            Form::StripePublishable => Err("is no publishable key; expected pk_test_… or pk_live_…".into()),
            Form::SigningSecrets => value.split(',').try_for_each(check_signing_secret),
            Form::Token if value.len() >= 16 => Ok(()),
            Form::Token => Err("can be guessed; expected at least 16 characters".into()),
        }
    }

    /// What looks wrong with `value` and may be meant so.
    pub fn doubt(self, value: &str) -> Option<String> {
        let is_free = matches!(self, Form::Text | Form::Folder);
        let what = kernel::blemish(value).filter(|_| is_free && kernel::blemish_of_text(value).is_none())?;
        Some(format!("looks as if it {what}"))
    }
}

/// An address is shown in many places; a password in it would be, too.
fn check_url(value: &str) -> Result<(), String> {
    let host = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")).unwrap_or_default();
    let url = reqwest::Url::parse(value).ok().filter(|_| !host.is_empty() && !host.starts_with('/'));
    match url.filter(|_| !value.contains(char::is_whitespace)) {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(()),
        Some(_) => Err("has a user name or a password before its host; take them out".into()),
        None if value.contains('@') => Err("is not an address; expected https://host".into()),
        None => Err(format!("`{value}` is not an address; expected https://host")),
    }
}

fn one_of(value: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&value) { Ok(()) } else { Err(format!("`{value}`; expected {}", words.join(" or "))) }
}

fn check_stripe_key(value: &str) -> Result<(), String> {
    if value.starts_with("pk_") {
        return Err("is a publishable key; expected the secret one, sk_… or rk_…".into());
    }
    if !value.starts_with("sk_") && !value.starts_with("rk_") {
        return Err("is no secret key of Stripe's; expected sk_… or rk_…".into());
    }
    ApiKey::new(value).map(drop).map_err(|e| e.to_string())
}

/// What a copy wrapped in quotes or brackets, a line of `.env`, or an invisible mark makes of a secret matches no signature:
/// taken, it would turn every webhook away.
pub(crate) fn check_signing_secret(value: &str) -> Result<(), String> {
    if ["sk_", "pk_", "rk_"].iter().any(|kind| value.starts_with(kind)) {
        return Err("is an API key; expected the signing secret of the webhook endpoint, whsec_…".into());
    }
    if let Some(what) = kernel::blemish(value) {
        return Err(format!("{what}; no signature would ever match"));
    }
    Secret::new(value).map_err(|error| error.to_string())?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+/=".contains(c);
    match value.strip_prefix("whsec_") {
        Some(rest) if !rest.is_empty() && rest.chars().all(is_plain) && !rest.contains("whsec_") => Ok(()),
        Some(_) => {
            Err("has a signing secret that was cut off or joined with something; expected whsec_ and \
            then letters and digits; of two, a comma between"
                .into())
        }
        None => Err(
            "has something before whsec_, or is no signing secret; expected whsec_… alone, without quotes, \
            brackets, a name or an invisible mark"
                .into(),
        ),
    }
}
