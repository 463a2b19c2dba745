//! YAML as people write it: the same fields as in TOML. This file decides what a text holds, and how much aliases may make of it.

use serde::Deserialize;
use serde_saphyr::{Error, MessageFormatter, Options, Spanned, UserMessageFormatter};

use super::file::{ContentFile, Lines, Place};

/// A few lines of aliases can stand for gigabytes. What they stand for counts as if it were written out: so much text, and no
/// more than the 250,000 values that are the library's own limit.
const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;

/// Reads the content, and on which line each entry begins.
///
/// # Errors
/// What is wrong, and on which line.
pub(super) fn read(text: &str) -> Result<(ContentFile, Lines), String> {
    let file = parsed(text)?;
    let (branch, mut lines): (Branch, _) = (parsed(text)?, Lines::new());
    branch.note("", &mut lines);
    Ok((file, lines))
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let why = told(&error);
        error.location().map_or(why.clone(), |at| format!("line {}: {why}", at.line()))
    })
}

/// What was expected, in words for whoever wrote the file.
fn told(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => told(error),
        Error::NullIntoString { .. } => "nothing stands there; expected a text".into(),
        Error::InvalidScalar { ty, .. } => format!("expected {ty}"),
        Error::MultipleDocuments { .. } => "a second document begins; expected one".into(),
        Error::Budget { .. } => "the file, or what its aliases stand for, is too large".into(),
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_total_scalar_bytes: MAX_TEXT_BYTES,
            // One anchor may be used by every lesson of a course.
            enforce_alias_anchor_ratio: false,
        },
        with_snippet: false,
    }
}

/// The same text once more, only to see where each entry begins.
#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    course: Vec<Spanned<Branch>>,
    #[serde(default)]
    module: Vec<Spanned<Branch>>,
    #[serde(default)]
    lesson: Vec<Spanned<Branch>>,
    #[serde(default)]
    resource: Vec<Spanned<Branch>>,
}

impl Branch {
    fn note(&self, inside: &str, lines: &mut Lines) {
        let shelves = [
            ("course", &self.course),
            ("module", &self.module),
            ("lesson", &self.lesson),
            ("resource", &self.resource),
        ];
        for (word, entries) in shelves {
            for (at, entry) in entries.iter().enumerate() {
                let place: Place = match inside {
                    "" => format!("{word}/{at}"),
                    inside => format!("{inside}/{word}/{at}"),
                };
                entry.value.note(&place, lines);
                lines.insert(place, usize::try_from(entry.referenced.line()).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a MiB: `head`, and then as many lines as still fit.
    fn one_mib(head: &str, line: impl Fn(usize) -> String) -> String {
        let mut text = head.to_owned();
        for at in 0.. {
            let next = line(at);
            if text.len() + next.len() > 1024 * 1024 {
                break;
            }
            text.push_str(&next);
        }
        text
    }

    #[test]
    fn an_anchor_may_be_used_by_every_lesson() {
        let text = one_mib(
            "course:\n- id: rust\n  resource:\n  - &file {id: f, title: F, object_key: a/f}\n",
            |at| {
                if at < 1_000 { "  - *file\n".into() } else { "#\n".into() }
            },
        );
        let (file, lines) = read(&text).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(file.courses[0].resources.len(), 1_001);
        assert_eq!(lines["course/0/resource/1000"], 1_004);
    }

    #[test]
    fn a_mib_of_aliases_does_not_expand_without_limit() {
        let head = "course:\n- id: rust\n  resource:\n";
        let long_title = format!("{head}  - {{id: a, object_key: a, title: &t {}}}\n", "x".repeat(500_000));
        let doubled =
            (1..40).fold(format!("{head}  - &a0 {{id: a, title: t, object_key: a}}\n"), |text, at| {
                let before = at - 1;
                format!("{text}  - &a{at} {{<<: [*a{before}, *a{before}], file_name: f}}\n")
            });
        for (text, says) in [
            // One long text, thousands of times.
            (one_mib(&long_title, |_| "  - {id: a, object_key: a, title: *t}\n".into()), "too large"),
            // One small entry, a hundred thousand times.
            (
                one_mib(&format!("{head}  - &r {{id: a, object_key: a, title: t}}\n"), |_| "  - *r\n".into()),
                "too large",
            ),
            // Each twice the one before.
            (doubled, "too large"),
            ("course: &c [*c]\n".into(), "ecursive"),
            ("[".repeat(1024 * 1024), "line 1"),
            (format!("course: {}\n", "{course: ".repeat(100_000)), "line 1"),
        ] {
            let why = read(&text).unwrap_err();
            assert!(why.contains(says), "{says}: {why}");
        }
    }
}
