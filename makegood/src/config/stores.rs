//! What is configured of disks, films and pictures.

use std::path::PathBuf;

use kernel::Duration;
use storage::S3Config;
use storage::cloudinary::{Algorithm, CloudinaryConfig};
use storage::stream::{Api, Signing, StreamConfig};

use super::{Hidden, Problem, Reading};

/// Where resources of courses lie.
#[derive(Debug, Clone)]
pub enum DiskChoice {
    /// In a folder of this machine.
    Local,
    /// In a bucket.
    S3(S3Config),
    /// In a bucket, for which this is missing.
    Missing(&'static str),
}

/// Where pictures of the shop lie.
#[derive(Clone)]
pub enum MediaChoice {
    /// In a folder of this machine.
    Local,
    /// In a bucket that everybody reads at an address.
    S3(S3Config, String),
    /// At Cloudinary.
    Cloudinary(CloudinaryConfig),
    /// There, for which this is missing.
    Missing(&'static str),
}

/// Where films lie.
#[derive(Clone)]
pub enum StreamChoice {
    /// Nowhere.
    None,
    /// At Cloudflare.
    Cloudflare(StreamConfig),
    /// At Cloudflare, for which this is missing.
    Missing(&'static str),
}

/// Disks, films and pictures.
#[derive(Clone)]
pub struct Stores {
    /// Under which files of our own disk are kept.
    pub data_dir: PathBuf,
    /// The secret from which keys for links are derived; one is kept in `DATA_DIR` where none is set.
    pub app_key: Option<Hidden>,
    /// Where resources of courses lie.
    pub disk: DiskChoice,
    /// Where films lie.
    pub streams: StreamChoice,
    /// Where pictures of the shop lie.
    pub media: MediaChoice,
    /// The largest picture that is taken.
    pub media_max_bytes: usize,
}

impl Stores {
    pub(super) fn read(from: &Reading) -> Stores {
        Stores {
            data_dir: from.value("DATA_DIR").into(),
            app_key: from.text("APP_KEY").map(|key| Hidden(key.to_owned())),
            disk: disk(from),
            streams: streams(from),
            media: media(from),
            media_max_bytes: from.number("MEDIA_MAX_BYTES") as usize,
        }
    }

    /// What is wanted and cannot be, because a key is not set.
    pub(super) fn missing(&self) -> Vec<Problem> {
        let wanted = [
            (
                "COURSE_RESOURCES_DISK",
                match &self.disk {
                    DiskChoice::Missing(keys) => Some(*keys),
                    DiskChoice::Local | DiskChoice::S3(_) => None,
                },
            ),
            (
                "CF_STREAM_SIGNED_URLS_ENABLED",
                match &self.streams {
                    StreamChoice::Missing(keys) => Some(*keys),
                    StreamChoice::None | StreamChoice::Cloudflare(_) => None,
                },
            ),
            (
                "MEDIA_DISK",
                match &self.media {
                    MediaChoice::Missing(keys) => Some(*keys),
                    MediaChoice::Local | MediaChoice::S3(..) | MediaChoice::Cloudinary(_) => None,
                },
            ),
        ];
        let missing = wanted.into_iter().filter_map(|(key, keys)| Some((key, keys?)));
        missing.map(|(key, keys)| Problem::new(key, format!("is set, which needs {keys} too"))).collect()
    }

    /// What works, and is worth a second look.
    pub(super) fn warnings(&self) -> Vec<Problem> {
        let (DiskChoice::S3(resources), MediaChoice::S3(pictures, _)) = (&self.disk, &self.media) else {
            return Vec::new();
        };
        if (&resources.bucket, &resources.endpoint) != (&pictures.bucket, &pictures.endpoint) {
            return Vec::new();
        }
        let what = "is the bucket of the courses' resources too; what everybody may read at MEDIA_URL should lie in a \
                    bucket of its own, or paid files can be read by who guesses their names";
        vec![Problem::new("MEDIA_BUCKET", what)]
    }
}

fn disk(from: &Reading) -> DiskChoice {
    if from.value("COURSE_RESOURCES_DISK") != "s3" {
        return DiskChoice::Local;
    }
    let Some(bucket) = from.text("AWS_BUCKET") else { return DiskChoice::Missing("AWS_BUCKET") };
    match s3(from, bucket) {
        Ok(config) => DiskChoice::S3(config),
        Err(keys) => DiskChoice::Missing(keys),
    }
}

fn s3(from: &Reading, bucket: &str) -> Result<S3Config, &'static str> {
    let region = from.value("AWS_DEFAULT_REGION");
    let endpoint = match from.text("AWS_ENDPOINT").or_else(|| from.text("AWS_ENDPOINT_URL")) {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        // Only Amazon's own address follows from the region.
        None if region == "auto" => return Err("AWS_ENDPOINT, or AWS_DEFAULT_REGION for a bucket at Amazon"),
        None => format!("https://s3.{region}.amazonaws.com"),
    };
    match (from.text("AWS_ACCESS_KEY_ID"), from.text("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key), Some(secret_key)) => Ok(S3Config {
            endpoint,
            region: region.to_owned(),
            bucket: bucket.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            path_style: from.value("AWS_USE_PATH_STYLE_ENDPOINT") == "true",
        }),
        _ => Err("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    }
}

fn streams(from: &Reading) -> StreamChoice {
    let of_code = |code: &str| format!("https://customer-{code}.cloudflarestream.com");
    let base = from.text("CF_STREAM_IFRAME_BASE_URL").map(str::to_owned);
    let Some(iframe_base) = base.or_else(|| from.text("CF_STREAM_CUSTOMER_CODE").map(of_code)) else {
        return match from.value("CF_STREAM_SIGNED_URLS_ENABLED") {
            "true" => StreamChoice::Missing("CF_STREAM_IFRAME_BASE_URL, or CF_STREAM_CUSTOMER_CODE"),
            _ => StreamChoice::None,
        };
    };
    let api = match (from.text("CF_STREAM_ACCOUNT_ID"), from.text("CF_STREAM_API_TOKEN")) {
        (Some(account), Some(token)) => Some(Api {
            base: from.value("CF_STREAM_API_BASE").to_owned(),
            account: account.to_owned(),
            token: token.to_owned(),
        }),
        _ => None,
    };
    let key = from.text("CF_STREAM_KEY_ID").zip(from.text("CF_STREAM_KEY_PEM"));
    let signing = match (from.value("CF_STREAM_SIGNED_URLS_ENABLED"), key, &api) {
        ("true", Some((id, pem)), _) => Some(Signing::ByKey { id: id.to_owned(), pem: pem.to_owned() }),
        ("true", None, Some(_)) => Some(Signing::ByApi),
        ("true", None, None) => {
            return StreamChoice::Missing(
                "CF_STREAM_ACCOUNT_ID and CF_STREAM_API_TOKEN, or CF_STREAM_KEY_ID and CF_STREAM_KEY_PEM",
            );
        }
        _ => None,
    };
    let ttl = Duration::from_secs(from.number("CF_STREAM_TOKEN_TTL_SECONDS"));
    StreamChoice::Cloudflare(StreamConfig { iframe_base, signing, api, ttl })
}

fn media(from: &Reading) -> MediaChoice {
    match from.value("MEDIA_DISK") {
        "cloudinary" => cloudinary(from),
        "s3" => {
            let Some(bucket) = from.text("MEDIA_BUCKET").or_else(|| from.text("AWS_BUCKET")) else {
                return MediaChoice::Missing("MEDIA_BUCKET");
            };
            let Some(url) = from.text("MEDIA_URL").or_else(|| from.text("AWS_URL")) else {
                return MediaChoice::Missing("MEDIA_URL, the public address of the bucket,");
            };
            match s3(from, bucket) {
                Ok(config) => MediaChoice::S3(config, url.to_owned()),
                Err(keys) => MediaChoice::Missing(keys),
            }
        }
        _ => MediaChoice::Local,
    }
}

fn cloudinary(from: &Reading) -> MediaChoice {
    let text = |name| from.text(name).map(str::to_owned);
    let all = (text("CLOUDINARY_CLOUD_NAME"), text("CLOUDINARY_API_KEY"), text("CLOUDINARY_API_SECRET"));
    let (Some(cloud), Some(api_key), Some(api_secret)) = all else {
        return MediaChoice::Missing("CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY and CLOUDINARY_API_SECRET");
    };
    let algorithm = match from.value("CLOUDINARY_SIGNATURE_ALGORITHM") {
        "sha256" => Algorithm::Sha256,
        _ => Algorithm::Sha1,
    };
    let base = from.value("CLOUDINARY_API_BASE").to_owned();
    MediaChoice::Cloudinary(CloudinaryConfig { base, cloud, api_key, api_secret, algorithm })
}
