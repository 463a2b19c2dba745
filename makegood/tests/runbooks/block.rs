//! What a step printed, held against what was expected: a difference that people can read, and the text that is written
//! down instead.

use crate::names::Names;

/// A line of the comparison.
enum Line {
    /// Expected and printed.
    Both(String),
    /// Expected, and not printed.
    Missing(String),
    /// Printed, and not expected.
    New(String),
}

/// A line that stands for any number of lines.
const AND_SO_ON: &str = "…";

/// How a command ended is never left out.
fn may_be_left_out(line: &str) -> bool {
    !line.starts_with("[exit ")
}

/// Whether all lines are as expected; gives the names with those that were new in them.
pub fn matches(names: &Names, expected: &[String], printed: &[String]) -> Option<Names> {
    match (expected, printed) {
        ([], []) => Some(names.clone()),
        ([and_so_on, rest @ ..], _) if and_so_on == AND_SO_ON => {
            let most = printed.iter().take_while(|line| may_be_left_out(line)).count();
            (0..=most).find_map(|skipped| matches(names, rest, &printed[skipped..]))
        }
        ([first, rest @ ..], [line, lines @ ..]) => matches(&names.matches(first, line)?, rest, lines),
        _ => None,
    }
}

/// The difference: `-` was expected, `+` was printed.
pub fn difference(names: &Names, expected: &[String], printed: &[String]) -> String {
    let (lines, _) = compared(names, expected, printed);
    let shown = lines.iter().map(|line| match line {
        Line::Both(line) => format!("      {line}\n"),
        Line::Missing(line) => format!("    - {line}\n"),
        Line::New(line) => format!("    + {line}\n"),
    });
    shown.collect()
}

/// What is written down for a step that printed this. Lines that were as expected stay as somebody wrote them.
pub fn accepted(names: &mut Names, expected: &[String], printed: &[String]) -> Vec<String> {
    let (lines, known) = compared(names, expected, printed);
    *names = known;
    let mut kept: Vec<String> = lines
        .into_iter()
        .filter_map(|line| match line {
            Line::Both(line) | Line::New(line) => Some(line),
            Line::Missing(_) => None,
        })
        .collect();
    align(&mut kept);
    kept
}

/// Line by line, the first that fits; gives the names that are known afterwards.
fn compared(names: &Names, expected: &[String], printed: &[String]) -> (Vec<Line>, Names) {
    let (mut names, mut lines, mut next) = (names.clone(), Vec::new(), 0);
    for line in printed {
        let skips = may_be_left_out(line) && expected.get(next).is_some_and(|line| line == AND_SO_ON);
        let fits = |expected: &String| (expected != AND_SO_ON).then(|| names.matches(expected, line))?;
        let found = expected[next..].iter().enumerate().find_map(|(at, one)| Some((at, fits(one)?)));
        match found {
            Some((at, known)) => {
                lines.extend(expected[next..next + at].iter().cloned().map(unseen));
                lines.push(Line::Both(expected[next + at].clone()));
                (next, names) = (next + at + 1, known);
            }
            None if skips => drop(names.told(line)),
            None => lines.push(Line::New(story(names.told(line.trim_end())))),
        }
    }
    lines.extend(expected[next..].iter().cloned().map(unseen));
    (lines, names)
}

fn unseen(expected: String) -> Line {
    if expected == AND_SO_ON { Line::Both(expected) } else { Line::Missing(expected) }
}

/// An order's story tells the time only where it differs from the line above: whether it does is chance. And where a long
/// line is cut depends on how long the names in it are.
fn story(told: String) -> String {
    const TIMES: usize = 25;
    let inside = told.trim_start_matches(' ');
    let indent = told.len() - inside.len();
    let cut = inside.strip_suffix('…').filter(|_| indent > TIMES).and_then(|whole| whole.rsplit_once(", "));
    match cut {
        Some((whole, _)) => format!("{}{whole}, …", &told[..indent]),
        None if indent == TIMES => format!("…  {inside}"),
        None if inside.starts_with("…  ") => inside.to_owned(),
        None => told,
    }
}

/// Columns stand below each other again, after names took the place of ids. A table begins with the line that has all of
/// its columns; a row may lack the last ones.
fn align(lines: &mut [String]) {
    let mut from = 0;
    while from < lines.len() {
        let columns = cells(&lines[from]).len();
        let is_mark = |line: &str| line.trim_start().starts_with(['✓', '✗']);
        let mark = is_mark(&lines[from]);
        let is_row = |line: &&String| is_mark(line) == mark && (2..=columns).contains(&cells(line).len());
        let rows = lines[from..].iter().take_while(is_row).count();
        align_all(&mut lines[from..from + rows]);
        from += rows.max(1);
    }
}

fn align_all(lines: &mut [String]) {
    // A sentence does not push the next column to where nobody sees it.
    const WIDEST: usize = 60;
    let rows: Vec<Vec<String>> = lines.iter().map(|line| cells(line)).collect();
    let width = |column: usize| {
        let all = rows.iter().filter_map(|row| row.get(column));
        all.map(|cell| cell.chars().count()).filter(|width| *width <= WIDEST).max().unwrap_or_default()
    };
    for (line, row) in lines.iter_mut().zip(&rows) {
        let padded = row.iter().enumerate().map(|(column, cell)| format!("{cell:<w$}", w = width(column)));
        *line = padded.collect::<Vec<_>>().join("  ").trim_end().to_owned();
    }
}

/// What stands in a line, parted by two spaces or more; what it begins with belongs to its first cell.
fn cells(line: &str) -> Vec<String> {
    let inside = line.trim_start_matches(' ');
    let indent = &line[..line.len() - inside.len()];
    let mut cells: Vec<String> =
        inside.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    if let Some(first) = cells.first_mut() {
        first.insert_str(0, indent);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_more_or_less_is_a_difference() {
        let names = Names::default();
        assert!(matches(&names, &lines("a\nb"), &lines("a\nb")).is_some());
        for other in ["a", "a\nb\nc", "b\na", "a\nc"] {
            assert!(matches(&names, &lines("a\nb"), &lines(other)).is_none(), "{other}");
        }
        assert_eq!(difference(&names, &lines("a\nb"), &lines("a\nc")), "      a\n    + c\n    - b\n");
    }

    #[test]
    fn a_line_of_its_own_stands_for_any_number_of_lines() {
        let names = Names::default();
        for (expected, printed) in [("a\n…\nd", "a\nb\nc\nd"), ("…", ""), ("…\nb", "b"), ("a\n…", "a\nb")]
        {
            assert!(matches(&names, &lines(expected), &lines(printed)).is_some(), "{expected} {printed}");
        }
        assert!(matches(&names, &lines("a\n…\nd"), &lines("a\nb")).is_none());
        assert!(matches(&names, &lines("a\n…"), &lines("a\nb\n[exit 3]")).is_none());
        let kept = accepted(&mut Names::default(), &lines("a\n…\nd\nf"), &lines("a\nb\nc\nd\ne"));
        assert_eq!(kept, lines("a\n…\nd\ne"));
    }

    #[test]
    fn what_is_accepted_keeps_what_still_holds_and_stands_in_columns() {
        let printed = lines("id                  status\nevt_1T0a2b3c4d5e6f  paid\nevt_1T0a2b3c4d5e6g  open");
        let mut names = Names::default();
        let accepted = accepted(&mut names, &lines("id  status\n<ada's event>  paid"), &printed);
        assert_eq!(accepted, lines("id             status\n<ada's event>  paid\n<event>        open"));
        assert!(matches(&Names::default(), &accepted, &printed).is_some());
    }
}
