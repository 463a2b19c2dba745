//! `makegood media add`

use std::path::PathBuf;

use bytes::Bytes;
use shop::given::Unfit;

use super::Call;
use crate::cli::backend::Backend;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::config::MEDIA_MOST;

/// Upload a picture of the shop, and print where everybody finds it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file: PNG, JPEG, GIF, WebP, AVIF, PDF or MP4
    pub file: PathBuf,
}

pub async fn add(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let path = arguments.file;
    let bytes = shop::given::bytes(&path, MEDIA_MOST).map_err(|Unfit(why)| Failure::usage(why))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if call.globals.dry_run {
        shop::media::judge(&bytes, None)?;
        call.terminal.print(&format!("would upload {name}, {} bytes", bytes.len()))?;
        return Ok(Exit::Ok);
    }
    let backend = Backend::open(call.globals, call.terminal).await?;
    let asset = backend.add_picture(Bytes::from(bytes), name).await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&asset)?,
        None => {
            let text = |name: &str| asset[name].as_str().unwrap_or_default();
            call.terminal.print(text("url"))?;
            call.terminal.say(&format!(
                "{} ({}, {} bytes) lies on {}",
                text("id"),
                text("content_type"),
                asset["bytes"],
                text("disk")
            ));
        }
    }
    Ok(Exit::Ok)
}
