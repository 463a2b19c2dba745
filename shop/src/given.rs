//! A file that an operator names. What is no file, or cannot be what is wanted, is refused before it is read.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// No catalog and no course is described in more.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// The file is not what was wanted: which, where in it and why, in words for whoever has named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit(pub String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

/// Its bytes.
///
/// # Errors
/// Why there are none: it is no file, but a pipe or a folder; it is longer than `most`; it cannot be read.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Unfit> {
    let told = |why: &dyn std::fmt::Display| Unfit(format!("{}: {why}", path.display()));
    let unread = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => told(&"there is no such file"),
        ErrorKind::PermissionDenied => told(&"this user may not read it"),
        _ => told(&error),
    };
    let about = fs::metadata(path).map_err(unread)?;
    // Opening a pipe waits for somebody who writes into it, perhaps for ever.
    if !about.is_file() {
        return Err(told(&"it is no file"));
    }
    if about.len() > most {
        return Err(told(&format!("it has {} bytes; at most {most} are taken", about.len())));
    }
    fs::read(path).map_err(unread)
}

/// The text of a catalog or of a course.
///
/// # Errors
/// The same, and that it is no text.
pub(crate) fn text(path: &Path) -> Result<String, Unfit> {
    let no_text =
        |_| Unfit(format!("{}: it is not UTF-8; a spreadsheet has to save it as such", path.display()));
    String::from_utf8(bytes(path, MOST_TEXT)?).map_err(no_text)
}
