//! The name of a file on a disk: relative, plain, and never able to lead elsewhere.

use std::fmt;

/// A checked name, like `courses/rust-basics/notes.pdf`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Why a name is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot name a file: {why}", .name.escape_debug())]
pub struct BadKey {
    /// What was seen.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// S3 allows 1024 bytes; file systems allow 255 for one segment.
const MOST_BYTES: usize = 512;
const MOST_SEGMENT_BYTES: usize = 200;

impl Key {
    /// The name, checked. Segments are separated by `/`; each is letters, digits, and `. _ - + = @ ( ) ,` or a space
    /// inside, and begins with a letter, a digit or `_`. So no name can leave the root, hide, or be read in two ways.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(name: &str) -> Result<Key, BadKey> {
        let bad = |why| Err(BadKey { name: name.chars().take(80).collect(), why });
        if name.is_empty() {
            return bad("it is empty");
        }
        if name.len() > MOST_BYTES {
            return bad("it is longer than 512 bytes");
        }
        for segment in name.split('/') {
            match judge(segment) {
                Ok(()) => {}
                Err(why) => return bad(why),
            }
        }
        Ok(Key(name.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands after the last `/`.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn judge(segment: &str) -> Result<(), &'static str> {
    if segment.is_empty() {
        return Err("a part between two slashes is empty");
    }
    if segment.len() > MOST_SEGMENT_BYTES {
        return Err("a part is longer than 200 bytes");
    }
    let allowed = |c: char| c.is_alphanumeric() || " ._-+=@(),".contains(c);
    if !segment.chars().all(allowed) {
        return Err("it may hold letters, digits, spaces and . _ - + = @ ( ) , only");
    }
    if !segment.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return Err("each part begins with a letter, a digit or _");
    }
    if segment.ends_with(['.', ' ']) {
        return Err("no part ends with a dot or a space");
    }
    if is_a_device(segment) {
        return Err("a part is the name of a device on Windows");
    }
    Ok(())
}

/// `CON`, `com1.txt` and their like open a device there, in whatever folder they stand.
fn is_a_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |name: &str| {
        stem.strip_prefix(name)
            .is_some_and(|rest| rest.chars().count() == 1 && rest.contains(|c: char| c.is_numeric()))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn plain_names_are_taken_and_what_leads_elsewhere_is_not() {
        for good in ["a", "courses/rust/notes.pdf", "Übung 1 (neu).zip", "_cache/x=1", "a/b/c/d.tar.gz"] {
            assert_eq!(Key::new(good).unwrap().as_str(), good);
        }
        assert_eq!(Key::new("a/b.pdf").unwrap().file_name(), "b.pdf");
        let long = "x".repeat(201);
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", ".env", "a/.", "a\\b", "a\0", "a:b", "a%2e", "a.", "a ",
            &long,
        ] {
            assert!(Key::new(bad).is_err(), "{bad:?}");
        }
    }
}
