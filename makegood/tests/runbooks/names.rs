//! What varies from run to run: ids and times. An id has a name, like `<order>`, from the line where it is first seen, and
//! must be the same wherever that name stands again. `…` stands for anything.

use std::collections::BTreeMap;

/// Prefixes of ids, and what people call such a thing.
const KINDS: &[(&str, &str)] = &[
    ("ord", "order"),
    ("prf", "profile"),
    ("res", "reservation"),
    ("rfd", "refund"),
    ("rec", "reconciliation"),
    ("fnd", "finding"),
    ("ent", "entitlement"),
    ("mdl", "module"),
    ("lsn", "lesson"),
    ("rsc", "file"),
    ("aud", "audit entry"),
    ("job", "job"),
    ("run", "run"),
    ("req", "request"),
    ("plan", "plan"),
    ("evt", "event"),
    ("cs", "session"),
    ("pi", "payment intent"),
    ("ch", "charge"),
    ("re", "refund at Stripe"),
    ("dp", "dispute"),
    ("issfr", "warning"),
    ("prv", "Radar review"),
    ("cus", "customer"),
    ("we", "endpoint"),
];

/// Names and what they stand for.
#[derive(Debug, Clone, Default)]
pub struct Names {
    known: BTreeMap<String, String>,
}

impl Names {
    /// Lets `name` stand for `value`.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.known.insert(name.to_owned(), value.into());
    }

    /// Gives something that has no name yet this one, or the next with a number behind it: `ada's order 2`.
    pub fn introduce(&mut self, name: &str, value: &str) {
        if !self.known.values().any(|known| known == value) {
            let numbered = (2..).map(|n| format!("{name} {n}"));
            let free =
                std::iter::once(name.to_owned()).chain(numbered).find(|it| !self.known.contains_key(it));
            self.set(&free.expect("numbers do not end"), value);
        }
    }

    /// `text` with what its names stand for.
    ///
    /// # Errors
    /// The first name that stands for nothing yet.
    pub fn filled(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((at, name)) = next_name(rest) {
            let value =
                self.known.get(name).ok_or_else(|| format!("<{name}> was not seen before this line"))?;
            filled.push_str(&rest[..at]);
            filled.push_str(value);
            rest = &rest[at + name.len() + 2..];
        }
        Ok(filled + rest)
    }

    /// Whether a printed line is what was expected; gives the names with those that were new in it. Runs of spaces are as
    /// good as each other: the widths of columns depend on what varies.
    pub fn matches(&self, expected: &str, printed: &str) -> Option<Names> {
        matched(self.clone(), expected.trim_end(), printed.trim_end())
    }

    /// A printed line as it is written down: names for ids, `…` for times. What is seen for the first time gets a name.
    pub fn told(&mut self, printed: &str) -> String {
        let mut told = String::new();
        let mut rest = printed;
        while !rest.is_empty() {
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let begins = !told.ends_with(is_word);
            if let Some(length) = time_at(rest).filter(|_| begins) {
                told.push('…');
                rest = &rest[length..];
            } else if let Some((name, value)) = self.value_at(rest, word).filter(|_| begins) {
                told.push_str(&format!("<{name}>"));
                rest = &rest[value.len()..];
            } else if word > 0 {
                told.push_str(&self.named(&rest[..word]));
                rest = &rest[word..];
            } else {
                let next = rest.chars().next().map_or(1, char::len_utf8);
                told.push_str(&rest[..next]);
                rest = &rest[next..];
            }
        }
        told
    }

    /// The name whose value stands here; a value that is a word has to be the whole word.
    fn value_at(&self, text: &str, word: usize) -> Option<(String, String)> {
        let here =
            |value: &str| text.starts_with(value) && (value.len() >= word || !value.ends_with(is_word));
        let mut all: Vec<_> = self.known.iter().filter(|(_, value)| here(value)).collect();
        all.sort_by_key(|(_, value)| value.len());
        all.last().map(|(name, value)| ((*name).clone(), (*value).clone()))
    }

    fn named(&mut self, word: &str) -> String {
        let Some(kind) = kind_of(word) else { return word.to_owned() };
        self.introduce(kind, word);
        self.value_at(word, word.len()).map_or(word.to_owned(), |(name, _)| format!("<{name}>"))
    }
}

/// The next `<name>` in a text, and where it begins. A name has small letters: `<ORDER>` stands in a usage text.
fn next_name(text: &str) -> Option<(usize, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (name, _) = text[at + 1..].split_once('>')?;
        let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || " '-._".contains(c));
        let small = name.chars().any(|c| c.is_ascii_lowercase()) && !name.starts_with(' ');
        (letters && small).then_some((at, name))
    })
}

fn matched(mut names: Names, expected: &str, printed: &str) -> Option<Names> {
    if expected.is_empty() {
        return printed.trim_end().is_empty().then_some(names);
    }
    if let Some(rest) = expected.strip_prefix('…') {
        let cuts = printed.char_indices().map(|(at, _)| at).chain([printed.len()]);
        return cuts.into_iter().find_map(|cut| matched(names.clone(), rest, &printed[cut..]));
    }
    if expected.starts_with(' ') {
        let (rest, left) = (expected.trim_start_matches(' '), printed.trim_start_matches(' '));
        return (left.len() < printed.len()).then(|| matched(names, rest, left)).flatten();
    }
    if let Some((0, name)) = next_name(expected) {
        let rest = &expected[name.len() + 2..];
        let value = match names.known.get(name) {
            Some(value) => printed.starts_with(value).then(|| value.clone())?,
            None => {
                let word = &printed[..printed.find(|c| !is_word(c)).unwrap_or(printed.len())];
                // One thing has one name.
                let is_new = !word.is_empty() && !names.known.values().any(|known| known == word);
                is_new.then(|| word.to_owned())?
            }
        };
        names.set(name, value.clone());
        return matched(names, rest, &printed[value.len()..]);
    }
    let next = expected.chars().next()?;
    matched(names, expected.strip_prefix(next)?, printed.strip_prefix(next)?)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// What an id is of. Stripe's test sessions say `cs_test_…`.
fn kind_of(word: &str) -> Option<&'static str> {
    if is_uuid(word) {
        return Some("uuid");
    }
    let (prefix, rest) = word.split_once('_')?;
    let rest = rest.strip_prefix("test_").unwrap_or(rest);
    let is_id = rest.len() >= 12
        && rest.chars().all(|c| c.is_ascii_alphanumeric())
        && rest.contains(|c: char| c.is_ascii_digit());
    KINDS.iter().find(|(known, _)| is_id && *known == prefix).map(|(_, name)| *name)
}

fn is_uuid(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// How long the time is that stands here, if one does: `2026-11-20T08:15:30.123456Z`, `2026-11-20 08:15:30 UTC`,
/// `just now`, `3 min ago`, `in 7 days`, `+2 s`.
fn time_at(text: &str) -> Option<usize> {
    exact_at(text).or_else(|| relative_at(text))
}

fn exact_at(text: &str) -> Option<usize> {
    let date = "0000-00-00";
    let like = |part: &str, shape: &str| {
        part.len() == shape.len()
            && part
                .chars()
                .zip(shape.chars())
                .all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
    };
    if !like(text.get(..19)?.get(..10)?, date) || !like(text.get(11..19)?, "00:00:00") {
        return None;
    }
    let rest = &text[19..];
    if let Some(rest) = rest.strip_prefix(" UTC") {
        return Some(text.len() - rest.len());
    }
    let rest = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    // A long line is cut where it may.
    rest.strip_prefix(['Z', '…']).map(|rest| text.len() - rest.len())
}

fn relative_at(text: &str) -> Option<usize> {
    if text.starts_with("just now") {
        return Some("just now".len());
    }
    let from = ["in ", "+"].into_iter().find_map(|sign| text.strip_prefix(sign));
    let (signed, rest) = (from.is_some(), from.unwrap_or(text));
    let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let unit = number.strip_prefix(' ').filter(|_| number.len() < rest.len())?;
    let after = ["min", "s", "h", "days"].into_iter().find_map(|name| unit.strip_prefix(name))?;
    let ago = after.strip_prefix(" ago");
    let whole = |rest: &str| !rest.starts_with(is_word);
    match ago {
        Some(rest) if whole(rest) => Some(text.len() - rest.len()),
        _ if signed && whole(after) => Some(text.len() - after.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70";

    fn matches(names: &Names, expected: &str, printed: &str) -> bool {
        names.matches(expected, printed).is_some()
    }

    #[test]
    fn a_name_stands_for_the_same_from_its_first_line_to_its_last() {
        let names = Names::default()
            .matches("order <order>, again <order>", &format!("order {ORDER}, again {ORDER}"));
        let names = names.expect("one id in both places");
        assert!(matches(&names, "<order> is paid", &format!("{ORDER} is paid")));
        assert!(!matches(&names, "<order> is paid", "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f71 is paid"));
        assert!(!matches(&Names::default(), "<order> and <order>", "ord_1 and ord_2"));
        assert!(!matches(&Names::default(), "<order> and <order 2>", "ord_1 and ord_1"));
        assert_eq!(names.filled("find <order>").unwrap(), format!("find {ORDER}"));
        assert!(names.filled("find <event>").is_err());
    }

    #[test]
    fn a_line_that_says_something_else_does_not_match() {
        let none = Names::default();
        for (expected, printed) in [
            ("paid", "unpaid"),
            ("paid", "paid twice"),
            ("… ago", "now"),
            ("", "x"),
            ("x", ""),
            ("a b", "ab"),
        ] {
            assert!(!matches(&none, expected, printed), "{expected} {printed}");
        }
        for (expected, printed) in
            [("a  b", "a     b  "), ("… ago", "3 min ago"), ("x…", "x"), ("usage <ORDER>", "usage <ORDER>")]
        {
            assert!(matches(&none, expected, printed), "{expected} {printed}");
        }
    }

    #[test]
    fn ids_get_names_and_times_are_left_out() {
        let mut names = Names::default();
        names.set("shop", "http://127.0.0.1:4711");
        for (printed, told) in [
            (format!("order {ORDER}: 3 min ago"), "order <order>: …"),
            (format!("{ORDER} at 2026-11-20 08:15:30 UTC, in 25 min"), "<order> at …, …"),
            ("ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f71".into(), "<order 2>"),
            ("at 2026-11-20T08:15:30.123456Z".into(), "at …"),
            ("cs_test_a1B2c3D4e5F6g7 at http://127.0.0.1:4711/x".into(), "<session> at <shop>/x"),
            ("in 7 days, 3 s".into(), "…, 3 s"),
            ("re_quest ch_eck +2 s".into(), "re_quest ch_eck …"),
        ] {
            assert_eq!(names.told(&printed), told);
        }
    }
}
