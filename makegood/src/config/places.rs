//! Where secrets lie that may change while the server runs, and how each is read again.

use std::path::{Path, PathBuf};

use super::keys::Key;
use super::sources::{self, DOTENV, Source};
use super::{Hidden, Problem, Reading};

/// A secret that may change while the server runs. Every other one is read at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Secret {
    /// The API key.
    StripeSecret,
    /// The signing secrets of the webhook endpoint.
    WebhookSecret,
    /// The first admin's token.
    AdminToken,
}

impl Secret {
    /// All of them.
    pub const ALL: [Secret; 3] = [Secret::StripeSecret, Secret::WebhookSecret, Secret::AdminToken];

    /// Its key in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Secret::StripeSecret => "STRIPE_SECRET",
            Secret::WebhookSecret => "STRIPE_WEBHOOK_SECRET",
            Secret::AdminToken => "ADMIN_TOKEN",
        }
    }

    /// The key that names it in AWS Secrets Manager, where there is one.
    fn arn_key(self) -> Option<&'static str> {
        match self {
            Secret::StripeSecret => Some("STRIPE_SECRET_ARN"),
            Secret::WebhookSecret => Some("STRIPE_WEBHOOK_SECRET_ARN"),
            Secret::AdminToken => None,
        }
    }
}

/// Where a secret lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the environment or a flag of this process: it cannot change.
    Process,
    /// A file of its own.
    File(PathBuf),
    /// A line of `.env`.
    DotEnv,
    /// A key of the configuration file.
    Toml(PathBuf),
    /// AWS Secrets Manager: an ARN or a name.
    Manager(String),
}

impl Place {
    fn of(source: &Source) -> Option<Place> {
        match source {
            // The sandbox's own secrets are as old as this process, and nobody rolls them.
            Source::Flag | Source::Environment | Source::Dev => Some(Place::Process),
            Source::File(path) => Some(Place::File(path.clone())),
            Source::DotEnv => Some(Place::DotEnv),
            Source::Toml(path) => Some(Place::Toml(path.clone())),
            Source::Default => None,
        }
    }

    /// The file that holds it, where one does.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Place::File(path) | Place::Toml(path) => Some(path),
            Place::DotEnv => Some(Path::new(DOTENV)),
            Place::Process | Place::Manager(_) => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Process => f.write_str("environment"),
            Place::File(path) | Place::Toml(path) => write!(f, "{}", path.display()),
            Place::DotEnv => f.write_str(DOTENV),
            Place::Manager(id) => write!(f, "AWS Secrets Manager {id}"),
        }
    }
}

/// A secret and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    /// Which secret.
    pub key: Secret,
    /// Where it lies.
    pub place: Place,
}

/// How AWS Secrets Manager is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// The id of the access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Hidden,
    /// With temporary keys.
    pub session_token: Option<Hidden>,
    /// Where no ARN names one.
    pub region: Option<String>,
    /// Where it is, instead of AWS's own address.
    pub endpoint: Option<String>,
}

/// The value that lies in a file of this kind now, in the words of [`Place`]; never the text itself in an error.
///
/// # Errors
/// What is wrong with the file, for people.
pub(crate) fn read_again(key: Secret, place: &Place, text: &str) -> Result<String, String> {
    let Some(key) = Key::find(key.name()) else { return Err("is no key".into()) };
    let mut problems = Vec::new();
    let values = match place {
        Place::File(_) => return sources::secret_text(key, text),
        Place::DotEnv => sources::dotenv(text, &mut problems),
        Place::Toml(path) => sources::toml(path, text, &mut problems),
        Place::Process | Place::Manager(_) => return Err("does not lie in a file".into()),
    };
    let value = values.get(key.name).filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| format!("{place} does not set {} any more", key.name))?;
    if value.starts_with('{') { sources::secret_text(key, value) } else { Ok(value.clone()) }
}

impl Reading {
    /// A secret has one place.
    pub(super) fn check_places(&mut self) {
        for secret in Secret::ALL {
            let Some(arn) = secret.arn_key().filter(|arn| self.text(arn).is_some()) else { continue };
            if self.text(secret.name()).is_some() {
                let what = format!("is set, and {} is too; keep one", secret.name());
                self.problems.push(Problem::new(arn, what));
            }
            if self.manager().is_none() {
                let what = "needs SECRETS_AWS_ACCESS_KEY_ID and SECRETS_AWS_SECRET_ACCESS_KEY, or AWS_ACCESS_KEY_ID and \
                            AWS_SECRET_ACCESS_KEY";
                self.problems.push(Problem::new(arn, what));
            }
            let names_region = self.text(arn).and_then(region_of).is_some();
            if !names_region && self.region().is_none() {
                let what = "is a name without a region; expected an ARN, or SECRETS_AWS_REGION beside it";
                self.problems.push(Problem::new(arn, what));
            }
        }
    }

    pub(super) fn places(&self) -> Vec<SecretPlace> {
        let place = |secret: Secret| {
            let managed = secret.arn_key().and_then(|arn| self.text(arn));
            match managed {
                Some(id) => Some(Place::Manager(id.to_owned())),
                None => self.values.get(secret.name()).and_then(|(_, source)| Place::of(source)),
            }
        };
        Secret::ALL.into_iter().filter_map(|key| place(key).map(|place| SecretPlace { key, place })).collect()
    }

    /// The credentials of Secrets Manager: its own, else those of AWS in general. Never a mixture of both.
    pub(super) fn manager(&self) -> Option<Manager> {
        let own = self.text("SECRETS_AWS_ACCESS_KEY_ID").is_some();
        let [id, secret, token] = match own {
            true => {
                ["SECRETS_AWS_ACCESS_KEY_ID", "SECRETS_AWS_SECRET_ACCESS_KEY", "SECRETS_AWS_SESSION_TOKEN"]
            }
            false => ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SECRETS_AWS_SESSION_TOKEN"],
        };
        Some(Manager {
            access_key_id: self.text(id)?.to_owned(),
            secret_access_key: Hidden::new(self.text(secret)?),
            session_token: self.text(token).map(Hidden::new),
            region: self.region().map(str::to_owned),
            endpoint: self.text("SECRETS_AWS_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned()),
        })
    }

    /// `auto` is R2's word for having no region.
    fn region(&self) -> Option<&str> {
        let general = || self.text("AWS_DEFAULT_REGION").filter(|region| *region != "auto");
        self.text("SECRETS_AWS_REGION").or_else(general)
    }
}

/// The region that an ARN names: `arn:aws:secretsmanager:eu-west-1:123456789012:secret:name`.
pub(crate) fn region_of(id: &str) -> Option<&str> {
    let mut parts = id.split(':');
    let is_arn = parts.next() == Some("arn");
    let region = parts.nth(2)?;
    (is_arn && !region.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn loaded(flags: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
        let sources = flags
            .iter()
            .fold(Sources::default(), |sources, (key, value)| sources.with_flag(key, (*value).to_owned()));
        Config::load(&sources)
    }

    const ARN: &str = "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:stripe/prod/api-HovFxe";

    #[test]
    fn a_secret_in_the_manager_needs_credentials_and_a_region_and_no_other_place() {
        let told = |flags: &[(&str, &str)]| super::super::explain(&loaded(flags).unwrap_err());
        let credentials = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hush")];
        assert!(told(&[("STRIPE_SECRET_ARN", ARN)]).contains("SECRETS_AWS_ACCESS_KEY_ID"));
        let both =
            [("STRIPE_SECRET_ARN", ARN), ("STRIPE_SECRET", "sk_test_1"), credentials[0], credentials[1]];
        assert!(
            told(&both).contains("STRIPE_SECRET_ARN is set, and STRIPE_SECRET is too"),
            "{}",
            told(&both)
        );
        let named = [("STRIPE_WEBHOOK_SECRET_ARN", "stripe/hook"), credentials[0], credentials[1]];
        assert!(told(&named).contains("SECRETS_AWS_REGION"));
        let r2 = [named[0], named[1], named[2], ("AWS_DEFAULT_REGION", "auto")];
        assert!(told(&r2).contains("SECRETS_AWS_REGION"), "auto is no region of Secrets Manager");
        let good = loaded(&[("STRIPE_SECRET_ARN", ARN), credentials[0], credentials[1]]).unwrap();
        assert_eq!(good.place(Secret::StripeSecret), Some(&Place::Manager(ARN.into())));
        let missing = good.missing_for_serving();
        assert!(missing.iter().all(|problem| problem.key == "STRIPE_WEBHOOK_SECRET"), "{missing:?}");
        assert!(!format!("{:?}", good.secrets_manager).contains("hush"));
    }

    #[test]
    fn the_managers_own_credentials_win_and_are_never_mixed_with_those_of_the_disk() {
        let disk = [("AWS_ACCESS_KEY_ID", "DISK"), ("AWS_SECRET_ACCESS_KEY", "of the disk")];
        let half = [("STRIPE_SECRET_ARN", ARN), disk[0], disk[1], ("SECRETS_AWS_ACCESS_KEY_ID", "OWN")];
        assert!(loaded(&half).is_err(), "an id of one and a secret of another");
        let whole = [half[0], half[1], half[2], half[3], ("SECRETS_AWS_SECRET_ACCESS_KEY", "own")];
        let manager = loaded(&whole).unwrap().secrets_manager.unwrap();
        assert_eq!((manager.access_key_id.as_str(), manager.secret_access_key.reveal()), ("OWN", "own"));
    }

    #[test]
    fn the_region_is_read_from_an_arn() {
        assert_eq!(region_of(ARN), Some("ap-southeast-1"));
        assert_eq!(region_of("stripe/prod/api"), None);
        assert_eq!(region_of("arn:aws:secretsmanager"), None);
    }

    #[test]
    fn a_value_is_read_again_from_where_it_lay() {
        let read = |place: &Place, text: &str| read_again(Secret::WebhookSecret, place, text);
        let file = Place::File("x".into());
        assert_eq!(read(&file, "whsec_a\n").unwrap(), "whsec_a");
        assert_eq!(read(&file, "{\"webhookSecret\":\"whsec_b\"}").unwrap(), "whsec_b");
        assert_eq!(read(&Place::DotEnv, "X=1\nSTRIPE_WEBHOOK_SECRET='whsec_c'").unwrap(), "whsec_c");
        let toml = Place::Toml("m.toml".into());
        assert_eq!(read(&toml, "[stripe]\nwebhook_secret = \"whsec_d\"").unwrap(), "whsec_d");
        let gone = read(&Place::DotEnv, "X=1").unwrap_err();
        assert!(gone.contains("does not set STRIPE_WEBHOOK_SECRET any more"), "{gone}");
    }
}
