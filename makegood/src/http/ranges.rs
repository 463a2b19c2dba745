//! Which part of a file is asked for (RFC 9110, section 14). This file decides; plain values only.

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// From the first byte to the last, both included.
    From(u64, u64),
    /// Nothing: what was asked for lies behind the end.
    Nowhere,
}

/// What a `Range` header asks of a file of this length. What is not understood, and several ranges at once, is answered
/// with the whole file, as the standard allows.
pub fn part(header: Option<&str>, length: u64) -> Part {
    let Some(range) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    match (number(first.trim()), number(last.trim())) {
        (Some(None), Some(None)) | (None, _) | (_, None) => Part::Whole,
        // The last so many bytes.
        (Some(None), Some(Some(0))) => Part::Nowhere,
        (Some(None), Some(Some(_))) if length == 0 => Part::Nowhere,
        (Some(None), Some(Some(many))) => Part::From(length.saturating_sub(many), length - 1),
        (Some(Some(first)), Some(Some(last))) if last < first => Part::Whole,
        (Some(Some(first)), _) if first >= length => Part::Nowhere,
        (Some(Some(first)), Some(last)) => Part::From(first, last.unwrap_or(u64::MAX).min(length - 1)),
    }
}

/// `Some(None)` for nothing at all, `None` for what is no number.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // More digits than fit is behind every end.
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::{Part, part};

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        let table = [
            (None, 10, Part::Whole),
            (Some("bytes=0-0"), 10, Part::From(0, 0)),
            (Some("bytes=2-5"), 10, Part::From(2, 5)),
            (Some("bytes=2-"), 10, Part::From(2, 9)),
            (Some("bytes=2-99999999999999999999999"), 10, Part::From(2, 9)),
            (Some("bytes=-3"), 10, Part::From(7, 9)),
            (Some("bytes=-300"), 10, Part::From(0, 9)),
            (Some("bytes=-0"), 10, Part::Nowhere),
            (Some("bytes=9-"), 10, Part::From(9, 9)),
            (Some("bytes=10-"), 10, Part::Nowhere),
            (Some("bytes=99999999999999999999999-"), 10, Part::Nowhere),
            (Some("bytes=0-"), 0, Part::Nowhere),
            (Some("bytes=-1"), 0, Part::Nowhere),
            (Some("bytes=5-2"), 10, Part::Whole),
            (Some("bytes=-"), 10, Part::Whole),
            (Some("bytes=a-b"), 10, Part::Whole),
            (Some("bytes=+1-2"), 10, Part::Whole),
            (Some("bytes=0-1,3-4"), 10, Part::Whole),
            (Some("bytes= 0-1"), 10, Part::From(0, 1)),
            (Some("lines=0-1"), 10, Part::Whole),
            (Some(""), 10, Part::Whole),
        ];
        for (header, length, expected) in table {
            assert_eq!(part(header, length), expected, "{header:?} of {length}");
        }
    }
}
