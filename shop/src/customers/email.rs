//! What the shop takes for an email. Whether it is somebody's is known when they answer.

/// The longest that may stand in an envelope (RFC 5321).
const LONGEST: usize = 320;

/// One `@` with something on both sides, and nothing that would be more than an email where it is shown, mailed or logged:
/// no blank, no control character, no angle bracket.
pub fn is_email(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let is_whole = matches!(parts.as_slice(), [name, host] if !name.is_empty() && !host.is_empty());
    let is_strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>');
    is_whole && text.len() <= LONGEST && !text.contains(is_strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_one_and_nothing_besides() {
        for good in ["ada@example.com", "Ada.O'Neil+shop@example.co.uk", "jörg@müller.example", "a@localhost"]
        {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@",
            "ada@",
            "@example.com",
            "a@b@c",
            "ada @example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com\u{1b}[2J",
            "ada@example.com\u{7f}",
            "<script>@example.com",
            "Ada <ada@example.com>",
        ] {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert!(!is_email(&format!("{}@example.com", "a".repeat(320))));
    }
}
