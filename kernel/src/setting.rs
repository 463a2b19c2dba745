//! What a value of the configuration is never, whatever it is for: something that a copy or a template has left behind.

/// What is wrong with a value that has a shape of its own, like a key or an address, without repeating it: it may be a secret.
pub fn blemish(value: &str) -> Option<&'static str> {
    let is_within = |quote: char| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
            .is_some_and(|inside| !inside.is_empty() && !inside.contains(quote))
    };
    if value.trim() != value {
        Some(SPACES)
    } else if is_within('"') || is_within('\'') {
        Some("is wrapped in quotes; remove them")
    } else if is_placeholder(value) {
        Some(PLACEHOLDER)
    } else {
        None
    }
}

/// The same of a value that may be anything, like a name or the password of another service: only what cannot be meant.
pub fn blemish_of_text(value: &str) -> Option<&'static str> {
    let is_whole = |(open, close): (&str, &str)| {
        value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_name)
    };
    if value.trim() != value {
        Some(SPACES)
    } else if TEMPLATES.into_iter().any(is_whole) {
        Some(PLACEHOLDER)
    } else {
        None
    }
}

const SPACES: &str = "has spaces or line breaks around it; remove them";
const PLACEHOLDER: &str = "is still a placeholder; write the value in its place";
/// Between these a shell or a template would have filled something in.
const TEMPLATES: [(&str, &str); 3] = [("${", "}"), ("$(", ")"), ("{{", "}}")];

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))
}

/// Words that documents and consoles put where something is to be filled in: `<password>`, `${NAME}`, `your-api-key`, `sk_test_xxx`.
fn is_placeholder(value: &str) -> bool {
    let own = behind_its_kind(value);
    let is_in_brackets = |open: char, close: char| {
        own.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_name)
    };
    let holds = |(open, close): (&str, &str)| {
        value
            .split(open)
            .skip(1)
            .any(|rest| rest.split_once(close).is_some_and(|(inside, _)| is_name(inside)))
    };
    is_in_brackets('<', '>')
        || is_in_brackets('[', ']')
        || TEMPLATES.into_iter().any(holds)
        || is_blank(own)
        // What Stripe gives out has no words in it.
        || (own != value && own.to_ascii_lowercase().starts_with("your"))
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
            ("sk_test_<key>", "placeholder"),
            ("sk_test_YOUR_KEY_123", "placeholder"),
            ("${CLOUDINARY_API_SECRET}", "placeholder"),
            ("https://{{ host }}/", "placeholder"),
            ("$(cat secret)", "placeholder"),
        ] {
            assert!(blemish(value).is_some_and(|seen| seen.contains(told)), "{value:?}");
        }
    }

    /// Nobody can know that a shop is not called so, or that a password does not look so.
    #[test]
    fn a_name_or_a_password_may_be_anything_but_what_was_not_filled_in() {
        for value in [
            "Todo",
            "XXX",
            "your-mail-host",
            "your_shop_user",
            "aB3$(x)9",
            "[abc]",
            "${x}y",
            "<b>",
            "\"Meer\"",
            "\"De Boekenwinkel\" en \"Meer\"",
            "'t Hof van 'Eden'",
        ] {
            assert_eq!(blemish_of_text(value), None, "{value:?}");
        }
        for value in ["${MAIL_PASSWORD}", "$(cat secret)", "{{ mail.password }}", " abc", "abc\n"] {
            assert!(blemish_of_text(value).is_some(), "{value:?}");
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
            "\"one\" and \"two\"",
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
