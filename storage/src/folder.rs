//! A folder of this machine, and nothing outside of it: whole files by checked names.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::{Asking, Key, StorageError};

/// A folder; it is made when the first file is put there.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// A file that was opened to be read.
#[derive(Debug)]
pub struct Opened {
    /// It.
    pub file: File,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed, where the system knows.
    pub modified: Option<SystemTime>,
}

impl Folder {
    /// This one.
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        Folder { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a file. It blocks: not for an asynchronous task.
    ///
    /// # Errors
    /// `Refused` for what leads out of the root, `Unavailable` for what the system cannot read.
    pub fn open(&self, key: &Key) -> Result<Option<Opened>, StorageError> {
        self.look(key).map_err(|error| failed(key, &error))
    }

    pub(crate) fn look(&self, key: &Key) -> io::Result<Option<Opened>> {
        let found = match self.root.join(key.as_str()).canonicalize() {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // A symbolic link inside may lead elsewhere; what counts is where it ends.
        if !found.starts_with(self.root.canonicalize()?) {
            return Err(leads_out());
        }
        // A pipe would keep its opener waiting for ever, so it is looked at before.
        if !fs::metadata(&found)?.is_file() {
            return Ok(None);
        }
        let file = File::open(&found)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Ok(None);
        }
        Ok(Some(Opened { file, bytes: about.len(), modified: about.modified().ok() }))
    }

    pub(crate) fn write(&self, key: &Key, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.root)?;
        let root = self.root.canonicalize()?;
        let mut folder = root.clone();
        let mut segments: Vec<&str> = key.as_str().split('/').collect();
        let name = segments.pop().unwrap_or_default();
        for segment in segments {
            folder.push(segment);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            folder = folder.canonicalize()?;
            if !folder.starts_with(&root) {
                return Err(leads_out());
            }
        }
        let (part, mut file) = a_part(&folder)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            // The name is taken by a whole file or not at all; a link that stood there is replaced, not followed.
            .and_then(|()| fs::rename(&part, folder.join(name)));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        File::open(&folder)?.sync_all()
    }

    pub(crate) fn remove(&self, key: &Key) -> io::Result<()> {
        let path = self.root.join(key.as_str());
        let folder = match path.parent().map(Path::canonicalize) {
            Some(Ok(folder)) => folder,
            Some(Err(error)) if is_absent(&error) => return Ok(()),
            Some(Err(error)) => return Err(error),
            None => return Err(leads_out()),
        };
        if !folder.starts_with(self.root.canonicalize()?) {
            return Err(leads_out());
        }
        match fs::remove_file(folder.join(key.file_name())) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Fails where no file could be put. A folder that is not there yet is not made: what it would be made in is looked at.
    pub(crate) fn is_writable(&self) -> io::Result<()> {
        let there = self.root.ancestors().find(|folder| folder.exists());
        let (part, file) = a_part(there.unwrap_or(Path::new(".")))?;
        drop(file);
        fs::remove_file(part)
    }

    /// The same, asked on a thread that may block.
    pub(crate) fn check(&self) -> Asking<'_, ()> {
        Box::pin(async move {
            let folder = self.clone();
            let told = |error: io::Error| failed(&self.root.display(), &error);
            match tokio::task::spawn_blocking(move || folder.is_writable()).await {
                Ok(seen) => seen.map_err(told),
                Err(error) => Err(StorageError::Unavailable(error.to_string())),
            }
        })
    }

    /// Does `what` on a thread that may block.
    pub(crate) fn blocking<'a, T: Send + 'static>(
        &'a self,
        key: &'a Key,
        what: impl FnOnce(&Folder, &Key) -> io::Result<T> + Send + 'static,
    ) -> Asking<'a, T> {
        let (folder, owned) = (self.clone(), key.clone());
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || what(&folder, &owned)).await {
                Ok(done) => done.map_err(|error| failed(key, &error)),
                Err(error) => Err(StorageError::Unavailable(error.to_string())),
            }
        })
    }
}

/// A new file beside those that are there; no key can name it, as none begins with a dot.
fn a_part(folder: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{}-{number}.part", std::process::id()));
        match File::options().write(true).create_new(true).open(&path) {
            // Left by a process that died and had our number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            opened => return opened.map(|file| (path, file)),
        }
    }
}

fn leads_out() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "it leads out of the folder")
}

/// A part of the way is no folder, or has a name that the system cannot even hold: nothing lies there.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

fn failed(what: &dyn fmt::Display, error: &io::Error) -> StorageError {
    let text = format!("{what}: {error}");
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory => StorageError::Refused(text),
        _ => StorageError::Unavailable(text),
    }
}
