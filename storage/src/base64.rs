//! Base64 (RFC 4648), as much of it as tokens and keys need.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// With `-` and `_`, without padding: for parts of URLs.
pub(crate) fn url_safe(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for at in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// Of either alphabet, with or without padding; white space is left out. `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let end = text.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    if text.len() - end > 2 || end % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(end / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in &text[..end] {
        let value = match letter {
            b'+' => 62,
            b'/' => 63,
            other => LETTERS.iter().position(|known| known == other)? as u32,
        };
        (bits, held) = (bits << 6 | value, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode, url_safe};

    #[test]
    fn what_was_written_is_read_again_in_either_alphabet() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
            let text = url_safe(&bytes);
            assert_eq!(decode(&text).as_deref(), Some(&bytes[..]));
            assert_eq!(decode(&text.replace('-', "+").replace('_', "/")).as_deref(), Some(&bytes[..]));
        }
        assert_eq!(url_safe(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
        assert_eq!(decode("YW55\nIGNhcm5hbCBwbGVhcw==\n").unwrap(), b"any carnal pleas");
        for wrong in ["A", "AA=A", "AAA!", "ä", "AA==="] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
