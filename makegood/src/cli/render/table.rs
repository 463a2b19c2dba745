//! Lists as aligned columns. An id is never broken: people copy it. Where the screen is too narrow for the columns,
//! each row becomes a few lines.

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::Look;
use super::cell::{Cell, titled};
use crate::cli::terminal::Tone;

/// Columns that hold sentences may be broken down to this width.
const NARROWEST: usize = 16;
const GAP: usize = 2;

/// `rows` under the names of `columns`; nothing for no rows.
pub fn table(columns: &[&str], rows: &[Value], look: Look) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells: Vec<Vec<Cell>> =
        rows.iter().map(|row| columns.iter().map(|name| Cell::of(name, row, look)).collect()).collect();
    let titles: Vec<String> = columns.iter().map(|name| titled(name)).collect();
    grid(&titles, &cells, look).unwrap_or_else(|| records(&titles, &cells, look))
}

/// Cells under titles; `None` when the screen is too narrow.
pub fn grid(titles: &[String], rows: &[Vec<Cell>], look: Look) -> Option<String> {
    let widths = widths(titles, rows, look.width)?;
    let heading: Vec<Cell> = titles.iter().map(|title| Cell::toned(title.clone(), Tone::Dim)).collect();
    let mut text = String::new();
    if titles.iter().any(|title| !title.is_empty()) {
        let numbers = rows.first().map(|row| row.iter().map(|cell| cell.is_number).collect::<Vec<_>>());
        let heading = heading.into_iter().zip(numbers.unwrap_or_default());
        let heading: Vec<Cell> = heading.map(|(cell, is_number)| Cell { is_number, ..cell }).collect();
        line(&mut text, &heading, &widths, look);
    }
    for row in rows {
        line(&mut text, row, &widths, look);
    }
    Some(text)
}

fn widths(titles: &[String], rows: &[Vec<Cell>], screen: Option<usize>) -> Option<Vec<usize>> {
    let columns = 0..titles.len();
    let seen = |at: usize| rows.iter().map(move |row| row[at].text.width());
    let mut widths: Vec<usize> =
        columns.clone().map(|at| seen(at).chain([titles[at].width()]).max().unwrap_or_default()).collect();
    let Some(screen) = screen else { return Some(widths) };
    let room = screen.saturating_sub(GAP * titles.len().saturating_sub(1));
    let mut widest_first: Vec<usize> = columns.collect();
    widest_first.sort_by_key(|at| std::cmp::Reverse(widths[*at]));
    for at in widest_first {
        let over = widths.iter().sum::<usize>().saturating_sub(room);
        let floor = NARROWEST.max(longest_word(rows, at)).max(titles[at].width()).min(widths[at]);
        widths[at] = widths[at].saturating_sub(over).max(floor);
    }
    (widths.iter().sum::<usize>() <= room).then_some(widths)
}

fn longest_word(rows: &[Vec<Cell>], at: usize) -> usize {
    rows.iter().flat_map(|row| row[at].text.split(' ')).map(|word| word.width()).max().unwrap_or_default()
}

fn line(text: &mut String, cells: &[Cell], widths: &[usize], look: Look) {
    let wrapped: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrap(&cell.text, *width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
    for part in 0..height {
        let mut printed = String::new();
        for ((cell, width), parts) in cells.iter().zip(widths).zip(&wrapped) {
            let piece = parts.get(part).map(String::as_str).unwrap_or_default();
            let space = " ".repeat(width.saturating_sub(piece.width()));
            let painted = Cell { text: piece.to_owned(), ..cell.clone() }.painted(look);
            let (before, after) = if cell.is_number { (space.as_str(), "") } else { ("", space.as_str()) };
            printed.push_str(&format!("{before}{painted}{after}{}", " ".repeat(GAP)));
        }
        text.push_str(printed.trim_end());
        text.push('\n');
    }
}

/// Lines of whole words, none wider than `width` unless a word is.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let fits = lines[last].is_empty() || lines[last].width() + 1 + word.width() <= width;
        match fits {
            true if lines[last].is_empty() => lines[last].push_str(word),
            true => lines[last].push_str(&format!(" {word}")),
            false => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Each row as its first cell and, below it, the others that say something.
fn records(titles: &[String], rows: &[Vec<Cell>], look: Look) -> String {
    let width = look.width.unwrap_or(80).saturating_sub(4).max(NARROWEST);
    let mut text = String::new();
    for row in rows {
        let Some((first, others)) = row.split_first() else { continue };
        text.push_str(&format!("{}\n", look.paint.tone(Tone::Bold, &first.text)));
        let said =
            others.iter().zip(&titles[1..]).filter(|(cell, _)| !matches!(cell.text.as_str(), "" | "–"));
        let said: Vec<String> = said
            .map(|(cell, title)| match cell.is_number || matches!(cell.text.as_str(), "yes" | "no") {
                true => format!("{title} {}", cell.text),
                false => cell.text.clone(),
            })
            .collect();
        // A short value stays together; only a sentence is broken.
        let said = said.iter().map(|value| {
            if value.width() < width / 2 { value.replace(' ', "\u{a0}") } else { value.clone() }
        });
        for piece in wrap(&said.collect::<Vec<_>>().join(" · "), width) {
            text.push_str(&format!("    {}\n", piece.replace('\u{a0}', " ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::Paint;
    use kernel::Timestamp;
    use serde_json::json;

    fn look(width: Option<usize>) -> Look {
        Look { paint: Paint(false), width, verbose: false, now: Timestamp::from_seconds(1_790_000_000) }
    }

    #[test]
    fn no_rows_are_no_text() {
        assert_eq!(table(&["id"], &[], look(None)), "");
    }

    #[test]
    fn an_id_is_never_broken_and_a_sentence_is() {
        let rows = [
            json!({ "id": "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70", "why": "a long sentence about what was seen here" }),
        ];
        let text = table(&["id", "why"], &rows, look(Some(60)));
        assert!(text.contains("ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 60) && text.lines().count() > 2, "{text}");
    }

    #[test]
    fn a_narrow_screen_gets_a_few_lines_for_each_row() {
        let rows =
            [json!({ "id": "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70", "status": "completed", "attempts": 2 })];
        let text = table(&["id", "status", "attempts"], &rows, look(Some(40)));
        assert_eq!(text, "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70\n    completed · attempts 2\n");
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen_and_numbers_stand_right() {
        let rows = [json!({ "name": "Bücher", "n": 5 }), json!({ "name": "本", "n": 40 })];
        assert_eq!(table(&["name", "n"], &rows, look(None)), "name     n\nBücher   5\n本      40\n");
    }
}
