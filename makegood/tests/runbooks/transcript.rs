//! The file: prose at the margin; indented by four, what is done and what comes of it.
//!
//! ```text
//! 1. Check webhook delivery in Stripe dashboard.
//!
//!     $ makegood events gaps
//!     evt_…  charge.succeeded
//!     [exit 3]
//! ```

/// What stands at the left of everything that is not prose.
const INDENT: &str = "    ";

/// Who does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `$`: a command, as the person at night types it.
    Command,
    /// `>`: another program of that person's: curl, grep.
    Other,
    /// `@`: the world: buyers, banks, Stripe, whoever starts and stops the shop.
    World,
}

/// Something that is done, and what is said to come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who does it.
    pub kind: Kind,
    /// What is done, without the sign in front.
    pub text: String,
    /// What is expected to be printed, line by line.
    pub expected: Vec<String>,
    /// Where it stands, counted from 1.
    pub line: usize,
}

/// A piece of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A line for readers; an empty one too.
    Prose(String),
    /// Something that is done.
    Step(Step),
}

/// The pieces of a file.
pub fn parse(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    // Whether an empty line belongs to what was printed is known only at the next line.
    let mut empty = 0;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let inside = line.strip_prefix(INDENT);
        let step = inside.and_then(|inside| begun(inside, number + 1));
        match (inside, step, pieces.last_mut()) {
            _ if line.is_empty() => empty += 1,
            (Some(printed), None, Some(Piece::Step(step))) => {
                step.expected.extend(std::iter::repeat_n(String::new(), std::mem::take(&mut empty)));
                step.expected.push(printed.to_owned());
            }
            (_, step, _) => {
                let gap = std::iter::repeat_n(Piece::Prose(String::new()), std::mem::take(&mut empty));
                pieces.extend(gap);
                pieces.push(step.map_or(Piece::Prose(line.to_owned()), Piece::Step));
            }
        }
    }
    pieces
}

fn begun(inside: &str, line: usize) -> Option<Step> {
    let kinds = [("$ ", Kind::Command), ("> ", Kind::Other), ("@ ", Kind::World)];
    let (kind, text) = kinds.iter().find_map(|(sign, kind)| Some((*kind, inside.strip_prefix(sign)?)))?;
    Some(Step { kind, text: text.to_owned(), expected: Vec::new(), line })
}

/// The file made of these pieces.
pub fn render(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Prose(line) => text.push_str(&format!("{line}\n")),
            Piece::Step(step) => {
                text.push_str(&format!("{INDENT}{} {}\n", sign(step.kind), step.text));
                for line in &step.expected {
                    text.push_str(format!("{INDENT}{line}").trim_end());
                    text.push('\n');
                }
            }
        }
    }
    text
}

/// What stands in front of a step.
pub fn sign(kind: Kind) -> char {
    match kind {
        Kind::Command => '$',
        Kind::Other => '>',
        Kind::World => '@',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Symptom\n\n1. Look:\n\n    $ makegood find x\n    one\n\n    two\n    [exit 3]\n\n    @ shop stops\n\nEnd\n";

    #[test]
    fn what_is_read_is_written_again() {
        assert_eq!(render(&parse(TEXT)), TEXT);
    }

    #[test]
    fn an_empty_line_within_what_is_printed_belongs_to_it() {
        let steps: Vec<_> = parse(TEXT)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Step(step) => Some((step.kind, step.line, step.expected)),
                Piece::Prose(_) => None,
            })
            .collect();
        let printed = ["one", "", "two", "[exit 3]"].map(str::to_owned).to_vec();
        assert_eq!(steps, [(Kind::Command, 5, printed), (Kind::World, 11, vec![])]);
    }
}
