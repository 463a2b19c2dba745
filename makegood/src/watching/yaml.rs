//! JSON values as YAML: blocks for lists and objects, one way to quote texts.

use serde_json::Value;

/// The value as a YAML document.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                out.push_str(&format!("{indent}{name}:"));
                below(out, value, depth + 1);
            }
        }
        Value::Array(all) if !all.is_empty() => {
            for value in all {
                let mut inner = String::new();
                block(&mut inner, value, depth + 1);
                // The first line of what is below stands beside the dash.
                out.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
        other => out.push_str(&format!("{indent}{}\n", scalar(other))),
    }
}

fn below(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            block(out, value, depth);
        }
        Value::Array(all) if !all.is_empty() => {
            out.push('\n');
            block(out, value, depth);
        }
        other => out.push_str(&format!(" {}\n", scalar(other))),
    }
}

/// What could be taken for something else is quoted as JSON does it, which YAML reads too.
fn scalar(value: &Value) -> String {
    let plain = |text: &str| {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
        let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
        begins && fits && !word.contains(&text.to_ascii_lowercase().as_str())
    };
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_of_objects_stand_one_below_the_other() {
        let value = json!({ "groups": [{ "name": "a", "rules": [{ "expr": "x > 1", "on": "yes" }, { "n": 3 }] }], "empty": [] });
        let expected = "groups:\n  - name: a\n    rules:\n      - expr: \"x > 1\"\n        on: \"yes\"\n      - n: 3\nempty: []\n";
        assert_eq!(yaml(&value), expected);
    }
}
