//! The same as a command line and as a request: ready to be copied.

use axum::http::Method;
use clap::Command;
use serde_json::{Map, Value};

use super::visit::encoded;
use crate::cli::tree::leaves;
use crate::http::routes::{Behind, ROUTES, Route};

/// Both.
pub(super) struct Twins {
    pub(super) command: String,
    pub(super) request: String,
}

/// What of a definition is needed.
pub(super) struct Of {
    pub(super) name: &'static str,
    pub(super) subject: Option<&'static str>,
    pub(super) arguments: fn(Command) -> Command,
    /// Whether it is asked or done.
    pub(super) method: Method,
}

/// The twins of one input. `more` goes into the body besides, `flags` behind the command.
pub(super) fn twins(of: &Of, input: &Map<String, Value>, flags: &str, more: Value, app_url: &str) -> Twins {
    Twins { command: command(of, input, flags), request: request(of, input, more, app_url) }
}

fn command(of: &Of, input: &Map<String, Value>, flags: &str) -> String {
    let leaf = leaves().into_iter().find(|leaf| leaf.name() == Some(of.name));
    let words = leaf.map_or_else(|| of.name.replace('.', " "), |leaf| leaf.words());
    let mut line = format!("makegood {words}");
    let arguments = (of.arguments)(Command::new("twin"));
    for argument in arguments.get_arguments() {
        let names = [Some(argument.get_id().as_str()), argument.get_long()];
        let underscored = argument.get_long().map(|long| long.replace('-', "_"));
        let known =
            names.into_iter().flatten().chain(underscored.as_deref()).find_map(|name| input.get(name));
        let text = match known {
            None | Some(Value::Null | Value::Bool(false)) => continue,
            Some(Value::Bool(true)) => String::new(),
            Some(Value::String(text)) => quoted(text),
            Some(Value::Object(_) | Value::Array(_)) => "FILE".into(),
            Some(Value::Number(number)) => number.to_string(),
        };
        if let Some(long) = argument.get_long() {
            line.push_str(&format!(" --{long}"));
        }
        if !text.is_empty() {
            line.push_str(&format!(" {text}"));
        }
    }
    line + flags
}

fn request(of: &Of, input: &Map<String, Value>, more: Value, app_url: &str) -> String {
    let Some(route) = route(of) else { return String::new() };
    let mut input = input.clone();
    let subject = of.subject.and_then(|subject| input.shift_remove(subject));
    let id = subject.as_ref().and_then(Value::as_str).unwrap_or("ID");
    let mut url = format!("{app_url}{}", route.path.replace("{id}", &encoded(id)));
    let token = "-H \"Authorization: Bearer $MAKEGOOD_TOKEN\"";
    if of.method == Method::GET {
        let pairs: Vec<String> = input
            .iter()
            .filter(|(_, value)| !value.is_null() && **value != Value::Bool(false))
            .map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{name}={}", encoded(&text))
            })
            .collect();
        if !pairs.is_empty() {
            url = format!("{url}?{}", pairs.join("&"));
        }
        return format!("curl {token} {}", quoted(&url));
    }
    if let Value::Object(more) = more {
        input.extend(more);
    }
    let body = quoted(&Value::Object(input).to_string());
    format!("curl -X POST {token} -H 'Content-Type: application/json' {} -d {body}", quoted(&url))
}

/// The route of the API behind which the same stands.
fn route(of: &Of) -> Option<&'static Route> {
    ROUTES.iter().find(|route| {
        let name = match route.behind {
            Behind::Operation(def) => def.name,
            Behind::View(def) => def.name,
            Behind::Task(def) => def.name,
            Behind::Hand(_) | Behind::Webhook => route.name,
        };
        name == of.name && route.method == of.method
    })
}

/// A text that a shell takes as it is.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shell_takes_a_text_as_it_is() {
        assert_eq!(quoted("ord_1"), "ord_1");
        assert_eq!(quoted("a b'; rm -rf ~"), "'a b'\\''; rm -rf ~'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn an_operation_is_the_same_as_a_command_and_as_a_request() {
        let def = shop::OPERATIONS.iter().find(|def| def.name == "orders.ship").unwrap();
        let of = Of { name: def.name, subject: def.subject, arguments: def.arguments, method: Method::POST };
        let input = json!({ "order": "ord_1", "tracking": "X 1" });
        let twins =
            twins(&of, input.as_object().unwrap(), " --reason WHY", json!({ "reason": "WHY" }), "http://x");
        assert_eq!(twins.command, "makegood orders ship ord_1 --tracking 'X 1' --reason WHY");
        let sent = "http://x/api/v1/admin/orders/ord_1/ship -d '{\"tracking\":\"X 1\",\"reason\":\"WHY\"}'";
        assert!(twins.request.ends_with(sent), "{}", twins.request);
    }
}
