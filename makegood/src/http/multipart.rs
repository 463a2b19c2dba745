//! A form with a file in it (RFC 7578), read from a body that is there already. This file decides; plain values only.

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name in the form.
    pub name: String,
    /// What the file is called, where it is one.
    pub file_name: Option<String>,
    /// What it is said to be.
    pub content_type: Option<String>,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// A form has few parts, and each a short head.
const MOST_PARTS: usize = 16;
const MOST_HEAD_BYTES: usize = 2_048;

/// The boundary of a `Content-Type`, where it is that of a form.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(rest, "boundary")?;
    // RFC 2046, section 5.1.1.
    let fits = (1..=70).contains(&boundary.len()) && boundary.bytes().all(|b| (0x20..0x7f).contains(&b));
    fits.then_some(boundary)
}

/// The parts of a form.
///
/// # Errors
/// Says what is wrong with it.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, &'static str> {
    let line = format!("--{boundary}");
    let mut rest = match body.strip_prefix(line.as_bytes()) {
        Some(rest) => rest,
        // Something may stand before the first part.
        None => after(body, format!("\r\n{line}").as_bytes()).ok_or("the body does not hold its boundary")?.1,
    };
    let next = format!("\r\n{line}");
    let mut all = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(all);
        }
        let inside = rest.strip_prefix(b"\r\n").ok_or("a boundary is not followed by a line's end")?;
        let (part, behind) = after(inside, next.as_bytes()).ok_or("the body ends within a part")?;
        let (head, bytes) = after(part, b"\r\n\r\n").ok_or("a part has no head")?;
        if head.len() > MOST_HEAD_BYTES || all.len() == MOST_PARTS {
            return Err("there are too many parts, or one has too long a head");
        }
        all.push(read(head, bytes)?);
        rest = behind;
    }
}

fn read<'a>(head: &[u8], bytes: &'a [u8]) -> Result<Part<'a>, &'static str> {
    let head = std::str::from_utf8(head).map_err(|_| "the head of a part is not UTF-8")?;
    let (mut disposition, mut content_type) = (None, None);
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a line of a part's head is none")?;
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => disposition = Some(value.trim()),
            "content-type" => content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let disposition = disposition.and_then(|text| text.split_once(';')).ok_or("a part has no name")?;
    if !disposition.0.trim().eq_ignore_ascii_case("form-data") {
        return Err("a part is no field of a form");
    }
    let name = parameter(disposition.1, "name").ok_or("a part has no name")?;
    Ok(Part { name, file_name: parameter(disposition.1, "filename"), content_type, bytes })
}

/// `name="value"` or `name=value` of a list with `;` between. Browsers write a quote inside as `%22` or `\"`.
fn parameter(list: &str, wanted: &str) -> Option<String> {
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, value) = rest.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case(wanted);
        let (text, behind) = match value.strip_prefix('"') {
            Some(quoted) => quotation(quoted)?,
            None => {
                let (text, behind) = value.split_once(';').unwrap_or((value, ""));
                (text.trim().to_owned(), behind)
            }
        };
        if is_it {
            return Some(text);
        }
        rest = behind;
    }
}

fn quotation(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((out, &text[at + 1..])),
            // A path of Windows is no escape.
            '\\' if text[at + 1..].starts_with('"') => {
                letters.next();
                out.push('"');
            }
            other => out.push(other),
        }
    }
    None
}

/// What stands before `what`, and what behind.
fn after<'a>(text: &'a [u8], what: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (first, rest) = what.split_first()?;
    let mut from = 0;
    // Jumps from one first letter to the next: a picture of ten megabytes is looked through in milliseconds.
    while let Some(at) = text.get(from..)?.iter().position(|byte| byte == first) {
        let at = from + at;
        if text[at + 1..].starts_with(rest) {
            return Some((&text[..at], &text[at + what.len()..]));
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{boundary, parts};

    #[test]
    fn a_form_is_read_and_its_file_is_not_touched() {
        let file = b"\x89PNG\r\n--x\r\n\r\n--XX\r\n";
        let mut body =
            b"before\r\n--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--X\r\n"
                .to_vec();
        body.extend(b"content-type: image/png\r\nContent-Disposition: form-data; filename=\"a \\\"b\\\".png\"; name=file\r\n\r\n");
        body.extend(file);
        body.extend(b"\r\n--X--\r\nafter");
        // `--XX` inside begins like the boundary and is none: it is not at the end of a line of its own length.
        let read = parts(&body, "X").unwrap_err();
        assert_eq!(read, "a boundary is not followed by a line's end");
        let body: Vec<u8> = String::from_utf8_lossy(&body).replace("--XX", "--YX").into_bytes();
        let read = parts(&body, "X").unwrap();
        assert_eq!((read[0].name.as_str(), read[0].bytes), ("note", &b"hello"[..]));
        assert_eq!((read[1].name.as_str(), read[1].file_name.as_deref()), ("file", Some("a \"b\".png")));
        assert_eq!(read[1].content_type.as_deref(), Some("image/png"));
        assert!(read[1].bytes.ends_with(b"\r\n--x\r\n\r\n--YX\r\n"));
    }

    #[test]
    fn what_is_no_form_says_why() {
        assert_eq!(boundary("multipart/form-data; charset=x; boundary=\"a b\"").as_deref(), Some("a b"));
        for none in [
            "multipart/form-data",
            "multipart/mixed; boundary=a",
            "multipart/form-data; boundary=",
            "image/png",
            "multipart/form-data; boundary=\"a",
        ] {
            assert_eq!(boundary(none), None, "{none}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))), None);
        let head = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";
        for wrong in [
            "",
            "--X",
            "--X\r\n",
            "--Y\r\n\r\n--Y--",
            "--X\r\nno head\r\n--X--",
            "--X\r\n\r\n\r\nvalue\r\n--X--",
            "--X\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n\r\n--X--",
            "--X\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--X--",
            &format!("--X\r\n{head}value"),
            &format!("--X\r\n{head}value\r\n--X"),
            &format!("--X\r\n{}{head}\r\n--X--", "A: b\r\n".repeat(500)),
            &format!("{}--X--", format!("--X\r\n{head}\r\n").repeat(17)),
        ] {
            assert!(parts(wrong.as_bytes(), "X").is_err(), "{wrong:?}");
        }
    }
}
