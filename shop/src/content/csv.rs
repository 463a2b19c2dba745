//! Comma-separated values as spreadsheets write them (RFC 4180): quotes, doubled quotes, line breaks inside of quotes; with
//! semicolons where a comma stands in numbers, as in Germany and France. This file decides what a line holds.

/// One record: the number of the line on which it begins, and its fields.
pub(super) type Record = (usize, Vec<String>);

/// Reads the records of a text; empty lines are left out.
///
/// # Errors
/// The line and what is wrong there.
pub(super) fn records(text: &str) -> Result<Vec<Record>, (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let between = separator(text);
    let (mut all, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begun) = (1, 1);
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '"' if field.is_empty() => {
                let opened = line;
                loop {
                    match chars.next() {
                        Some('"') if chars.peek() == Some(&'"') => {
                            chars.next();
                            field.push('"');
                        }
                        Some('"') => break,
                        Some(inner) => {
                            line += usize::from(inner == '\n');
                            field.push(inner);
                        }
                        None => return Err((opened, "a quote is opened and never closed".into())),
                    }
                }
                if chars.peek().is_some_and(|next| *next != between && !matches!(next, '\n' | '\r')) {
                    return Err((line, "something follows a closing quote".into()));
                }
            }
            '"' => return Err((line, "a quote stands in the middle of a field".into())),
            next if next == between => fields.push(std::mem::take(&mut field)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                end(&mut all, begun, &mut fields, &mut field);
                line += 1;
                begun = line;
            }
            other => field.push(other),
        }
    }
    end(&mut all, begun, &mut fields, &mut field);
    Ok(all)
}

/// The first line holds the names of columns, and no name has either.
fn separator(text: &str) -> char {
    let names = text.trim_start().lines().next().unwrap_or_default();
    if names.contains(';') && !names.contains(',') { ';' } else { ',' }
}

fn end(all: &mut Vec<Record>, begun: usize, fields: &mut Vec<String>, field: &mut String) {
    fields.push(std::mem::take(field));
    let record: Vec<String> = std::mem::take(fields).into_iter().map(|one| one.trim().to_owned()).collect();
    if record.iter().any(|one| !one.is_empty()) {
        all.push((begun, record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_breaks_are_read_as_spreadsheets_write_them() {
        let read = records("a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\n\n,last").unwrap();
        let expected = [(1, vec!["a", "b"]), (2, vec!["x, \"y\"", "two\nlines"]), (5, vec!["", "last"])];
        let expected: Vec<Record> =
            expected.into_iter().map(|(n, f)| (n, f.into_iter().map(str::to_owned).collect())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn semicolons_are_read_where_the_first_line_has_them() {
        let read = records("\u{feff}a;b\r\n\"x;y\";1,5\r\n").unwrap();
        assert_eq!(read[1], (2, vec!["x;y".to_owned(), "1,5".to_owned()]));
        assert_eq!(records("a,b\nx;y,z").unwrap()[1].1, ["x;y", "z"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        assert_eq!(records("a\nb,\"open\nx").unwrap_err().0, 2);
        assert_eq!(records("a\n\n\"x\"y").unwrap_err().0, 3);
        assert_eq!(records("a\nx\"y").unwrap_err().0, 2);
    }
}
