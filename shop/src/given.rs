//! A file that an operator names. What is no file, or cannot be what is wanted, is refused before it is read.

use std::fs;
use std::path::Path;

/// No catalog and no course is described in more.
const MOST_TEXT: u64 = 16 * 1024 * 1024;

/// Its bytes.
///
/// # Errors
/// Why there are none: it is no file, but a pipe or a folder; it is longer than `most`; it cannot be read.
pub fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let about = fs::metadata(path).map_err(|error| told(&error))?;
    // Opening a pipe waits for somebody who writes into it, perhaps for ever.
    if !about.is_file() {
        return Err(told(&"it is no file"));
    }
    if about.len() > most {
        return Err(told(&format!("it has {} bytes; at most {most} are taken", about.len())));
    }
    fs::read(path).map_err(|error| told(&error))
}

/// The text of a catalog or of a course.
///
/// # Errors
/// The same, and that it is no text.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    let no_text = |_| format!("{}: it is not UTF-8; a spreadsheet has to save it as such", path.display());
    String::from_utf8(bytes(path, MOST_TEXT)?).map_err(no_text)
}
