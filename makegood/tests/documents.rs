//! The documents are held against the code: every command, file, link, setting and name that they print is looked up.
//!
//! The table in `docs/configuration.md` is written from the code: `ACCEPT=1 cargo test -p makegood --test documents`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Command;
use makegood::cli::tree;
use makegood::config::{Form, KEYS, Key, Secrecy, Use};
use shop::around::Part;

#[test]
fn every_key_of_the_configuration_is_described_as_the_code_reads_it() {
    let file = root().join("docs/configuration.md");
    let text = read(&file);
    let (before, rest) = text.split_once("<!-- keys:").expect("the mark where the keys begin");
    let (mark, rest) = rest.split_once("-->\n").expect("the end of that mark");
    let (_, after) = rest.split_once("<!-- end of keys -->").expect("the mark where the keys end");
    let expected = format!("{before}<!-- keys:{mark}-->\n{}<!-- end of keys -->{after}", keys());
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, expected).expect("the document can be written");
        return;
    }
    assert!(text == expected, "docs/configuration.md is not what the code reads; ACCEPT=1 writes it");
}

#[test]
fn everything_that_doctor_looks_at_is_listed_as_it_is_defined() {
    let file = root().join("docs/doctor.md");
    let text = read(&file);
    let (start, end) = ("<!-- probes: ", "<!-- end of probes -->");
    let (above, rest) = text.split_once(start).unwrap();
    let (first, rest) = rest.split_once('\n').unwrap();
    let (_, below) = rest.split_once(end).unwrap();
    let expected = format!("{above}{start}{first}\n\n{}\n{end}{below}", probes());
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&file, expected).unwrap();
        return;
    }
    assert!(text == expected, "docs/doctor.md is not what doctor looks at; ACCEPT=1 writes it");
}

fn probes() -> String {
    let mut table =
        "| id | what must be so | before launch | security | content |\n|---|---|---|---|---|\n".to_owned();
    for probe in makegood::doctor::PROBES {
        let mark = |part| if probe.parts.contains(&part) { "yes" } else { "" };
        let number = match probe.prelaunch {
            Some(number) => number.to_string(),
            None => mark(Part::Prelaunch).to_owned(),
        };
        let (security, content) = (mark(Part::Security), mark(Part::Content));
        table
            .push_str(&format!("| `{}` | {} | {number} | {security} | {content} |\n", probe.id, probe.about));
    }
    table
}

#[test]
fn every_command_that_is_printed_is_a_command() {
    let tree = tree::command();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, text) in documents() {
        for line in commands(&text) {
            count += 1;
            wrong.extend(wrong_command(&tree, &line).map(|why| format!("{file}: `makegood {line}`: {why}")));
        }
    }
    assert!(count > 20, "only {count} commands were found");
    complain(wrong);
}

#[test]
fn every_file_and_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for (file, text) in documents() {
        let folder = root().join(&file).parent().map(Path::to_path_buf).unwrap_or_default();
        for link in links(&text) {
            if !folder.join(&link).exists() {
                wrong.push(format!("{file}: the link to {link} leads nowhere"));
            }
        }
        for path in spans(&text).filter(|span| looks_like_a_file(span)) {
            if !root().join(path).exists() {
                wrong.push(format!("{file}: there is no {path}"));
            }
        }
    }
    complain(wrong);
}

#[test]
fn every_name_that_is_mentioned_stands_in_the_code() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (file, text) in documents() {
        for name in spans(&text).filter(|span| is_a_name(span)) {
            if !sources.contains(name) && !names_a_secret_file(name) {
                wrong.push(format!("{file}: nothing is called {name}"));
            }
        }
    }
    complain(wrong);
}

#[test]
fn every_transaction_of_the_walkthroughs_is_one() {
    let sources = sources();
    let text = read(&root().join("ARCHITECTURE.md"));
    let names: BTreeSet<&str> = between(&text, "**", "**").filter(|name| is_a_name(name)).collect();
    assert!(names.len() > 10, "{names:?}");
    let wrong = names.iter().filter(|name| !sources.contains(&format!("\"{name}\"")));
    complain(wrong.map(|name| format!("ARCHITECTURE.md: no transaction is called {name}")).collect());
}

#[test]
fn the_events_to_select_at_stripe_are_those_that_are_handled() {
    let text = read(&root().join("docs/19-stripe-cloudflare-setup.md"));
    let listed: BTreeSet<&str> = text
        .split("```")
        .filter(|block| block.trim().starts_with("checkout.session.completed"))
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(listed, stripe::facts::handled().collect());
    let flow =
        ["payment", "money-back"].map(|flow| read(&root().join(format!("docs/flows/{flow}.md")))).concat();
    complain(
        stripe::facts::handled()
            .filter(|kind| !flow.contains(&format!("`{kind}`")))
            .map(|kind| format!("no page of docs/flows names {kind}"))
            .collect(),
    );
}

// ---- the table of keys

fn keys() -> String {
    let table = |used: Use| {
        let rows: String = KEYS.iter().filter(|key| key.used == used).map(row).collect();
        format!("| key | default | what it is for | form |\n|---|---|---|---|\n{rows}")
    };
    if KEYS.iter().all(|key| key.used == Use::Now) {
        return format!("\n{}\n", table(Use::Now));
    }
    format!(
        "\n{}\nKnown and checked, so that a configuration can be complete already; this version does not act on \
         them:\n\n{}\n",
        table(Use::Now),
        table(Use::NotYet)
    )
}

fn row(key: &Key) -> String {
    let secret = match key.secrecy {
        Secrecy::Secret => " (secret)",
        Secrecy::Open => "",
    };
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    format!("| `{}`{secret} | {default} | {} | {} |\n", key.name, key.help, form(key.form))
}

fn form(form: Form) -> String {
    match form {
        Form::Text => "a text".into(),
        Form::Url | Form::Base => "`https://…`".into(),
        Form::Database => "a connection string".into(),
        Form::Bool => "`true` or `false`".into(),
        Form::Number(least, most) => format!("{least} to {most}"),
        Form::Address => "an address and a port".into(),
        Form::Folder => "a folder".into(),
        Form::Currency => "a currency code".into(),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::Networks => "addresses or networks, with commas between".into(),
        Form::StripeKey => "`sk_…` or `rk_…`".into(),
        Form::StripePublishable => "`pk_…`".into(),
        Form::SigningSecrets => "`whsec_…`, with commas between".into(),
        Form::Token => "at least 16 characters".into(),
    }
}

// ---- commands

/// What stands behind `makegood`, in blocks and in spans.
fn commands(text: &str) -> Vec<String> {
    let in_blocks =
        blocks(text).into_iter().flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    let in_spans = spans(text).map(str::to_owned);
    let command = |line: String| {
        let line = line.trim().trim_start_matches("$ ");
        let line = line.strip_prefix("ExecStart=/usr/local/bin/").unwrap_or(line);
        let words = ["cargo run -q -- ", "cargo run -- ", "makegood "]
            .iter()
            .find_map(|start| line.strip_prefix(start))?;
        let words = words.split(" #").next().unwrap_or_default().split("  ").next().unwrap_or_default();
        Some(words.trim().to_owned())
    };
    in_blocks.chain(in_spans).filter_map(command).filter(|line| !line.starts_with('…')).collect()
}

fn wrong_command(tree: &Command, line: &str) -> Option<String> {
    let mut at = tree;
    let mut rest = line.split_whitespace().peekable();
    while let Some(below) = rest.peek().and_then(|word| at.find_subcommand(word)) {
        at = below;
        rest.next();
    }
    if at.has_subcommands() && rest.peek().is_some_and(|word| !word.starts_with('-')) {
        return Some(format!("there is no `{}` below `{}`", rest.peek().unwrap_or(&""), at.get_name()));
    }
    let known = |name: &str| {
        let args = at.get_arguments().chain(tree.get_arguments());
        args.filter_map(|arg| arg.get_long()).any(|long| long == name) || ["help", "version"].contains(&name)
    };
    let flags =
        rest.filter_map(|word| word.strip_prefix("--")).map(|flag| flag.split('=').next().unwrap_or(flag));
    let wrong: Vec<&str> = flags.filter(|flag| !known(flag)).collect();
    (!wrong.is_empty()).then(|| format!("it takes no --{}", wrong.join(", no --")))
}

// ---- reading documents

fn documents() -> Vec<(String, String)> {
    let mut all: Vec<String> = std::fs::read_dir(root())
        .expect("the repository can be read")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".md"))
        .collect();
    below("docs", "md", &mut all);
    below("examples", "md", &mut all);
    all.sort();
    assert!(all.len() > 8, "{all:?}");
    all.into_iter().map(|file| (file.clone(), read(&root().join(&file)))).collect()
}

/// What stands between three backticks and three backticks, without the line that names the language.
fn blocks(text: &str) -> Vec<&str> {
    let parts = text.split("```").skip(1).step_by(2);
    parts.map(|block| block.split_once('\n').map_or("", |(_, code)| code)).collect()
}

/// What stands between backticks, outside of blocks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(|prose| between(prose, "`", "`"))
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> impl Iterator<Item = &'a str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(from)? + from.len();
        let length = rest[start..].find(to)?;
        let found = &rest[start..start + length];
        rest = &rest[start + length + to.len()..];
        Some(found)
    })
}

/// Links within the repository.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let all = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = all.filter(|link| !link.contains("://") && !link.starts_with('#'));
    inside.map(|link| link.split('#').next().unwrap_or(link).to_owned()).collect()
}

fn looks_like_a_file(span: &str) -> bool {
    let simple = span.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let top = span.split('/').next().unwrap_or_default();
    simple && span.contains('/') && !top.is_empty() && root().join(top).is_dir()
}

/// Names that are made of several words: those cannot be anything else.
fn is_a_name(span: &str) -> bool {
    let simple = span.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c));
    let begins = span.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let ends = span.chars().last().is_some_and(|c| c.is_ascii_alphanumeric());
    let is_file =
        [".rs", ".toml", ".md", ".txt", ".sql", ".db", ".env"].iter().any(|end| span.ends_with(end));
    simple && begins && ends && !is_file && span.contains(['_', '.'])
}

/// `<KEY>_FILE` is made of a key.
fn names_a_secret_file(name: &str) -> bool {
    KEYS.iter().filter_map(Key::file_variable).any(|variable| variable == name)
}

fn sources() -> String {
    let mut files = Vec::new();
    for folder in ["kernel", "db", "stripe", "jobs", "ops", "shop", "makegood/src", "sandbox", "testkit"] {
        below(folder, "rs", &mut files);
        below(folder, "sql", &mut files);
    }
    files.extend(["clippy.toml", "check", "Cargo.toml"].map(str::to_owned));
    below("tests", "rs", &mut files);
    files.iter().map(|file| read(&root().join(file))).collect()
}

fn below(folder: &str, ends: &str, into: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(root().join(folder)) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true if name.ends_with("/target") || name.ends_with("/node_modules") => {}
            true => below(&name, ends, into),
            false if name.ends_with(&format!(".{ends}")) => into.push(name),
            false => {}
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn complain(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
