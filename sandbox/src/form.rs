//! Bracketed form bodies, as every Stripe client sends them: `line_items[0][price]=price_1&expand[]=customer`.

use crate::error::ApiError;

/// Deeper than any parameter of Stripe's. A tree is walked by functions that call themselves, so a name of ten
/// thousand brackets would end the process.
const DEEPEST: usize = 20;

/// One decoded parameter: a text, or a branch with names below it. Lists are branches named by number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// The text after `=`.
    Text(String),
    /// What stood in brackets.
    Branch(Vec<(String, Node)>),
}

/// Decodes a query string or a body into its tree.
pub(crate) fn decode(encoded: &[u8]) -> Result<Vec<(String, Node)>, ApiError> {
    let mut root = Vec::new();
    for (name, value) in pairs(encoded) {
        let steps = steps(&name);
        if steps.len() > DEEPEST {
            return Err(too_deep(&steps));
        }
        insert(&mut root, &steps, value).map_err(|()| conflict(&name))?;
    }
    Ok(root)
}

/// The names and values of a query string or a body, without escapes.
pub(crate) fn pairs(encoded: &[u8]) -> impl Iterator<Item = (String, String)> {
    encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let cut = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (unescape(&pair[..cut]), unescape(pair.get(cut + 1..).unwrap_or_default()))
    })
}

fn too_deep(steps: &[&str]) -> ApiError {
    let seen = steps.len();
    let message = format!("Invalid parameters: a name is {seen} levels deep; {DEEPEST} is the most.");
    ApiError::invalid(message).about(steps.first().copied().unwrap_or_default())
}

fn conflict(name: &str) -> ApiError {
    ApiError::invalid(format!("Invalid parameters: `{name}` is given both as a value and as a hash."))
        .about(name)
}

/// Undoes percent-encoding and `+` for a space; bytes that are not UTF-8 are replaced, as browsers do.
fn unescape(encoded: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, hex_pair(after)) {
            (b'+', _) => bytes.push(b' '),
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*bytes.first()?)?, digit(*bytes.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

/// `a[b][]` is three steps: `a`, `b` and the empty one that means "the next of the list".
fn steps(name: &str) -> Vec<&str> {
    match name.split_once('[') {
        None => vec![name],
        Some((first, rest)) => {
            let inner = rest.strip_suffix(']').unwrap_or(rest);
            std::iter::once(first).chain(inner.split("][")).collect()
        }
    }
}

fn insert(branch: &mut Vec<(String, Node)>, steps: &[&str], value: String) -> Result<(), ()> {
    let Some((step, rest)) = steps.split_first() else { return Err(()) };
    let name = if step.is_empty() { branch.len().to_string() } else { (*step).to_owned() };
    let found = branch.iter().position(|(known, _)| *known == name);
    if rest.is_empty() {
        match found {
            // The last of two equal names wins, as in any form.
            Some(at) => branch[at].1 = Node::Text(value),
            None => branch.push((name, Node::Text(value))),
        }
        return Ok(());
    }
    let at = found.unwrap_or_else(|| {
        branch.push((name, Node::Branch(Vec::new())));
        branch.len() - 1
    });
    match &mut branch[at].1 {
        Node::Branch(below) => insert(below, rest, value),
        Node::Text(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Node {
        Node::Text(value.into())
    }

    #[test]
    fn brackets_become_branches_and_escapes_are_undone() {
        let tree = decode(b"a%5Bb%5D%5B0%5D%5Bc%5D=x+y%21&expand[]=p&expand[]=q&m[k]=1%2B1").unwrap();
        let c = Node::Branch(vec![("c".into(), text("x y!"))]);
        let b = Node::Branch(vec![("0".into(), c)]);
        assert_eq!(tree[0], ("a".into(), Node::Branch(vec![("b".into(), b)])));
        assert_eq!(tree[1].1, Node::Branch(vec![("0".into(), text("p")), ("1".into(), text("q"))]));
        assert_eq!(tree[2].1, Node::Branch(vec![("k".into(), text("1+1"))]));
    }

    #[test]
    fn a_name_that_is_value_and_hash_at_once_is_refused() {
        assert!(decode(b"a=1&a[b]=2").is_err());
    }

    #[test]
    fn a_name_too_deep_for_any_parameter_is_refused() {
        let deep = |brackets: usize| format!("a{}=1", "[b]".repeat(brackets));
        assert!(decode(deep(DEEPEST - 1).as_bytes()).is_ok());
        assert!(decode(deep(DEEPEST).as_bytes()).is_err());
        assert!(decode(deep(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_broken_escape_stays_as_it_came() {
        assert_eq!(decode(b"a=100%").unwrap()[0].1, text("100%"));
        assert_eq!(decode(b"a=%zz").unwrap()[0].1, text("%zz"));
    }
}
