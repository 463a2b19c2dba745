//! `Content-Disposition: attachment` for any file name, however hostile (RFC 6266, RFC 8187).

use crate::http::percent_encoded;

/// A name longer than this is cut: some systems cannot keep it anyway.
const MOST_CHARS: usize = 150;

/// The header's value: an ASCII name for old clients, and the whole name in UTF-8. It holds no control character, quote
/// or path, so nothing can be smuggled into a header and nothing is saved elsewhere than the reader chose.
pub fn attachment(file_name: &str) -> String {
    let name = harmless(file_name);
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"\\%;".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encoded(&name, b""))
}

/// What a browser may take as a name: the last segment, without what is invisible or turns writing around.
fn harmless(file_name: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let name: String = last.chars().filter(|c| !c.is_control() && !turns(*c)).take(MOST_CHARS).collect();
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_hostile_name_stays_inside_its_header_and_its_folder() {
        let table = [
            ("notes.pdf", "attachment; filename=\"notes.pdf\"; filename*=UTF-8''notes.pdf"),
            ("a\"b.pdf", "attachment; filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf"),
            (
                "a\r\nSet-Cookie: x=1",
                "attachment; filename=\"aSet-Cookie: x=1\"; filename*=UTF-8''aSet-Cookie%3A%20x%3D1",
            ),
            ("../../etc/passwd", "attachment; filename=\"passwd\"; filename*=UTF-8''passwd"),
            ("C:\\boot.ini", "attachment; filename=\"boot.ini\"; filename*=UTF-8''boot.ini"),
            ("Übung.pdf", "attachment; filename=\"_bung.pdf\"; filename*=UTF-8''%C3%9Cbung.pdf"),
            ("\u{202e}fdp.exe", "attachment; filename=\"fdp.exe\"; filename*=UTF-8''fdp.exe"),
            (".bashrc", "attachment; filename=\"bashrc\"; filename*=UTF-8''bashrc"),
            ("..", "attachment; filename=\"file\"; filename*=UTF-8''file"),
            ("", "attachment; filename=\"file\"; filename*=UTF-8''file"),
        ];
        for (name, expected) in table {
            assert_eq!(attachment(name), expected, "{name:?}");
        }
        let every: String = (0..0x3000).filter_map(char::from_u32).collect();
        for c in every.chars() {
            let value = attachment(&format!("x{c}y"));
            assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{c:?}: {value}");
            assert_eq!(value.matches('"').count(), 2, "{c:?}: {value}");
        }
    }
}
