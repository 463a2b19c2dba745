//! What a value of the configuration is never, whatever it is for: something that a copy or a template has left behind.

/// What is wrong with it, without repeating it: it may be a secret.
pub fn blemish(value: &str) -> Option<&'static str> {
    let is_within = |open: char, close: char| {
        value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inside| !inside.is_empty())
    };
    if value.trim() != value {
        Some("has spaces or line breaks around it; remove them")
    } else if is_within('"', '"') || is_within('\'', '\'') {
        Some("is wrapped in quotes; remove them")
    } else if is_placeholder(value) {
        Some("is still a placeholder; write the value in its place")
    } else {
        None
    }
}

/// Words that documents and consoles put where something is to be filled in: `<password>`, `${NAME}`, `your-api-key`, `sk_test_xxx`.
fn is_placeholder(value: &str) -> bool {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))
    };
    let is_in_brackets = |open: char, close: char| {
        value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_name)
    };
    let holds = |open: &str, close: &str| {
        value
            .split(open)
            .skip(1)
            .any(|rest| rest.split_once(close).is_some_and(|(inside, _)| is_name(inside)))
    };
    is_in_brackets('<', '>')
        || is_in_brackets('[', ']')
        || holds("${", "}")
        || holds("$(", ")")
        || holds("{{", "}}")
        || is_blank(behind_its_kind(value))
}

/// What Stripe's values begin with says of which kind they are, and nothing of whether they were filled in.
fn behind_its_kind(value: &str) -> &str {
    let kinds = ["sk_test_", "sk_live_", "rk_test_", "rk_live_", "pk_test_", "pk_live_", "whsec_"];
    kinds.iter().find_map(|kind| value.strip_prefix(kind)).unwrap_or(value)
}

fn is_blank(value: &str) -> bool {
    const LEFT: [&str; 8] = [
        "change_me",
        "changeme",
        "change_this",
        "replace_me",
        "replaceme",
        "placeholder",
        "your_value_here",
        "todo",
    ];
    const NOUNS: [&str; 15] = [
        "name", "id", "key", "secret", "token", "password", "user", "username", "account", "bucket",
        "domain", "host", "url", "email", "here",
    ];
    let value = value.to_ascii_lowercase().replace('-', "_");
    let is_drawn =
        value.chars().count() >= 3 && value.chars().all(|c| matches!(c, 'x' | '.' | '*' | '…' | '_'));
    let is_yours =
        value.starts_with("your_") && NOUNS.iter().any(|noun| value.ends_with(&format!("_{noun}")));
    value == "…" || is_drawn || is_yours || LEFT.contains(&value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copy_or_a_template_has_left_is_known() {
        for (value, told) in [
            (" abc", "spaces"),
            ("abc\n", "line breaks"),
            ("\"sk_test_4242\"", "quotes"),
            ("'sk_test_4242'", "quotes"),
            ("sk_test_xxxxx", "placeholder"),
            ("sk_live_...", "placeholder"),
            ("whsec_…", "placeholder"),
            ("whsec_your_signing_secret", "placeholder"),
            ("your-cloud-name", "placeholder"),
            ("YOUR_API_KEY", "placeholder"),
            ("CHANGE_ME", "placeholder"),
            ("xxxx", "placeholder"),
            ("<your key>", "placeholder"),
            ("[YOUR-PASSWORD]", "placeholder"),
            ("${CLOUDINARY_API_SECRET}", "placeholder"),
            ("https://{{ host }}/", "placeholder"),
            ("$(cat secret)", "placeholder"),
        ] {
            assert!(blemish(value).is_some_and(|seen| seen.contains(told)), "{value:?}");
        }
    }

    #[test]
    fn a_value_is_let_be() {
        for value in [
            "",
            "x",
            "data",
            "sk_test_4242",
            "whsec_x",
            "a<b>c",
            "p${4w",
            "a$(b",
            "\"",
            "say \"hello\"",
            "your-shop",
            "Your Shop",
            "<b>[c]",
            "[::1]:3001",
            "{\"key\":1}",
            "todo-lists",
            "https://shop.example",
            "*",
        ] {
            assert_eq!(blemish(value), None, "{value:?}");
        }
    }
}
