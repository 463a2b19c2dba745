//! The folder in which `makegood dev` keeps everything. A marker says that it is ours; nothing is ever deleted in a
//! folder without one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use kernel::{Cx, Error, Refusal, Result};
use serde::{Deserialize, Serialize};

use crate::config::DEV_FILE;

const SANDBOX: &str = "sandbox.json";
/// What this program makes here, besides the marker: `--reset` takes these away and nothing else.
const OURS: [&str; 6] =
    ["makegood.db", "makegood.db-wal", "makegood.db-shm", "makegood.db-journal", SANDBOX, "sandbox.new"];

/// What the marker says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    made_by: String,
    webhook_secret: String,
    /// For the commands beside it: where this shop and its Stripe were last.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// The folder while this process uses it; no other can at the same time.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    mark: Mark,
    /// Holds the lock until the process ends.
    marker: File,
}

impl Folder {
    /// Takes the folder at `path`, and makes it where it is missing.
    ///
    /// # Errors
    /// Refused when it holds files that we did not make, or when another process uses it.
    pub(super) fn claim(path: &Path, cx: &Cx) -> Result<Folder> {
        must_be_ours(path)?;
        fs::create_dir_all(path).map_err(|e| unusable(path, &e))?;
        let mut marker = open_marker(&path.join(DEV_FILE)).map_err(|e| unusable(path, &e))?;
        match marker.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path).into()),
            Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
        }
        let mut text = String::new();
        marker.read_to_string(&mut text).map_err(|e| unusable(path, &e))?;
        let mark = match text.is_empty() {
            true => write(&mut marker, Mark::new(cx)).map_err(|e| unusable(path, &e))?,
            false => serde_json::from_str(&text).map_err(|e| unusable(&path.join(DEV_FILE), &e.into()))?,
        };
        Ok(Folder { path: path.to_owned(), mark, marker })
    }

    /// Takes away all that was made here.
    pub(super) fn reset(&mut self, cx: &Cx) -> Result<()> {
        for name in OURS {
            match fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unusable(&self.path.join(name), &error));
                }
                _ => {}
            }
        }
        self.mark = write(&mut self.marker, Mark::new(cx)).map_err(|e| unusable(&self.path, &e))?;
        Ok(())
    }

    /// Leaves word of where everything is, for the commands beside it.
    pub(super) fn leave(&mut self, settings: BTreeMap<String, String>) -> Result<()> {
        let mark = Mark { settings, ..self.mark.clone() };
        self.mark = write(&mut self.marker, mark).map_err(|e| unusable(&self.path, &e))?;
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
    /// The file in which the sandbox keeps its account.
    pub(super) fn sandbox_file(&self) -> PathBuf {
        self.path.join(SANDBOX)
    }
    /// The secret with which the sandbox signs its webhooks to us.
    pub(super) fn webhook_secret(&self) -> &str {
        &self.mark.webhook_secret
    }
}

/// A secret stands in it: it is nobody else's to read, nor is one that an older version has left.
fn open_marker(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

fn must_be_ours(path: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, &error)),
    };
    if entries.next().is_none() || path.join(DEV_FILE).is_file() {
        return Ok(());
    }
    let why = format!("{} holds files that makegood dev did not make (it has no {DEV_FILE})", path.display());
    Err(Refusal::new("folder_not_ours", why)
        .fix("name another folder: makegood dev --data-dir FOLDER")
        .into())
}

fn in_use(path: &Path) -> Refusal {
    Refusal::new("folder_in_use", format!("another makegood dev is using {}", path.display()))
        .fix("stop it, or name another folder: makegood dev --data-dir FOLDER")
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Refusal::new("folder_unusable", format!("{}: {error}", path.display()))
        .fix("name another folder: makegood dev --data-dir FOLDER")
        .into()
}

impl Mark {
    fn new(cx: &Cx) -> Mark {
        let secret: String = cx.random::<24>().iter().map(|byte| format!("{byte:02x}")).collect();
        Mark {
            made_by: "makegood dev".into(),
            webhook_secret: format!("whsec_{secret}"),
            settings: BTreeMap::new(),
        }
    }
}

fn write(marker: &mut File, mark: Mark) -> io::Result<Mark> {
    marker.set_len(0)?;
    marker.rewind()?;
    marker.write_all(serde_json::to_string_pretty(&mark)?.as_bytes())?;
    marker.sync_all()?;
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Seeded, Timestamp};

    fn cx(seed: u64) -> Cx {
        Cx::new(Timestamp::from_seconds(1_790_000_000), Seeded::new(seed))
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("makegood.db"), "somebody's").unwrap();
        let error = Folder::claim(folder.path(), &cx(1)).unwrap_err();
        assert_eq!(error.code(), "folder_not_ours");
        assert_eq!(fs::read_to_string(folder.path().join("makegood.db")).unwrap(), "somebody's");
        assert!(!folder.path().join(DEV_FILE).exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_in_the_marker_is_nobody_elses_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join(DEV_FILE);
        for before in [None, Some(0o644)] {
            if let Some(mode) = before {
                fs::set_permissions(&marker, PermissionsExt::from_mode(mode)).unwrap();
            }
            drop(Folder::claim(folder.path(), &cx(1)).unwrap());
            assert_eq!(fs::metadata(&marker).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn two_processes_cannot_use_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::claim(folder.path(), &cx(1)).unwrap();
        assert_eq!(Folder::claim(folder.path(), &cx(2)).unwrap_err().code(), "folder_in_use");
        drop(first);
        assert!(Folder::claim(folder.path(), &cx(3)).is_ok());
    }

    #[test]
    fn a_reset_takes_away_what_we_made_and_nothing_else() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("new/shop");
        let mut folder = Folder::claim(&path, &cx(1)).unwrap();
        let secret = folder.webhook_secret().to_owned();
        for name in ["makegood.db", "sandbox.json", "notes.txt"] {
            fs::write(path.join(name), "x").unwrap();
        }
        folder.reset(&cx(2)).unwrap();
        assert!(!path.join("makegood.db").exists() && !path.join("sandbox.json").exists());
        assert!(path.join("notes.txt").exists());
        assert_ne!(folder.webhook_secret(), secret);
        let kept = folder.webhook_secret().to_owned();
        drop(folder);
        assert_eq!(Folder::claim(&path, &cx(3)).unwrap().webhook_secret(), kept);
    }
}
