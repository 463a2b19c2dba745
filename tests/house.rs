//! The list of all arrows of the house: which crate may use which, which room may ask which, whose tables are whose,
//! and what a file that decides must not touch. A new arrow is a changed line here, which a reviewer sees.
//!
//! Nothing is listed that is not there or announced: rooms to come stand on their shelf without arrows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates, the ground first: each may use only what is named beside it. In tests a crate may use any other.
const CRATES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("db", &["kernel"]),
    ("outbound", &["kernel"]),
    ("stripe", &["kernel", "outbound"]),
    ("mail", &[]),
    ("storage", &["kernel", "outbound"]),
    ("jobs", &["kernel", "db"]),
    ("ops", &["kernel", "db"]),
    ("shop", &["kernel", "db", "stripe", "mail", "storage", "jobs", "ops"]),
    (
        "makegood",
        &["kernel", "db", "outbound", "stripe", "mail", "storage", "jobs", "ops", "shop", "sandbox"],
    ),
    // Beside the house: it plays Stripe and must know nothing of what is tested with it.
    ("sandbox", &["kernel"]),
    ("testkit", &["kernel", "db", "stripe", "mail", "storage", "jobs", "ops", "shop", "sandbox", "makegood"]),
];

/// What a crate must not take from outside: HTTP belongs to the doors, drivers to `db`, chance to the binary.
const NOT_FROM_OUTSIDE: &[(&str, &[&str])] = &[
    ("kernel", &["tokio", "rusqlite", "tokio-postgres", "reqwest", "axum", "hyper", "getrandom", "rand"]),
    ("jobs", &["rusqlite", "tokio-postgres", "reqwest", "axum", "hyper", "tower", "getrandom", "rand"]),
    ("ops", &["rusqlite", "tokio-postgres", "reqwest", "axum", "hyper", "tower", "getrandom", "rand"]),
    ("shop", &["rusqlite", "tokio-postgres", "reqwest", "axum", "hyper", "tower", "getrandom", "rand"]),
];

/// The rooms of the shop, the highest shelf first. Uses run down, never up, never between neighbours.
const SHELVES: &[&[&str]] = &[
    &["runbooks"],
    &["cases"],
    &["reconcile", "import", "office"],
    &["inbox"],
    &["checkout", "claims", "refunds", "disputes", "privacy", "downloads"],
    &["orders"],
    &["entitlements", "subscriptions", "inventory", "coupons", "invoices", "content"],
    &["catalog", "customers", "fetch", "mails", "media", "switches"],
];

/// Who asks whom.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "runbooks",
        &[
            "reconcile",
            "cases",
            "office",
            "inbox",
            "checkout",
            "refunds",
            "disputes",
            "orders",
            "entitlements",
            "inventory",
            "content",
            "media",
            "switches",
        ],
    ),
    (
        "cases",
        &[
            "reconcile",
            "office",
            "inbox",
            "checkout",
            "claims",
            "refunds",
            "disputes",
            "orders",
            "entitlements",
            "inventory",
            "catalog",
            "customers",
            "mails",
        ],
    ),
    ("claims", &["orders", "customers", "mails"]),
    ("disputes", &["orders"]),
    ("reconcile", &["inbox", "refunds", "orders", "entitlements", "inventory", "fetch"]),
    ("import", &["inventory", "catalog"]),
    ("office", &["inbox", "switches"]),
    ("inbox", &["orders", "refunds", "fetch"]),
    ("refunds", &["orders", "fetch", "switches"]),
    ("downloads", &["orders", "entitlements", "content", "switches"]),
    ("checkout", &["orders", "inventory", "catalog", "customers", "fetch", "switches"]),
    ("orders", &["entitlements", "inventory", "catalog", "fetch"]),
    ("entitlements", &["catalog", "customers"]),
    ("content", &["catalog"]),
];

/// Files of the shop that are no room: words that all rooms share.
const GROUND: &[&str] = &["around", "given", "ids", "seam", "view"];

/// The shop as a whole, which holds the rooms; no room asks it.
const WHOLE: &str = "shop";

/// Benchmarks stand beside bare SQL on the same tables: that is what they are for.
const BENCHMARKS: &str = "makegood/src/bench/";

/// Drills do in a shop that is thrown away what a hand in the database does: that is the fault.
const DRILLS: &str = "makegood/src/drill/";

/// Whose table it is. A room's SQL names only its own; `jobs` and `ops` are crates.
const TABLES: &[(&str, &[&str])] = &[
    ("jobs", &["jobs"]),
    (
        "ops",
        &[
            "audit_logs",
            "audit_chain",
            "audit_head",
            "audit_unchained",
            "api_tokens",
            "idempotency_keys",
            "task_runs",
            "users",
            "user_links",
            "user_sessions",
            "sign_in_attempts",
            "check_results",
            "check_turns",
            "finding_snoozes",
        ],
    ),
    ("customers", &["profiles", "profile_links", "profile_sessions"]),
    ("mails", &["mails"]),
    ("claims", &["purchase_claims"]),
    ("catalog", &["products", "prices"]),
    ("switches", &["switches"]),
    ("content", &["course_contents", "course_modules", "course_lessons", "course_resources"]),
    ("inventory", &["inventory", "inventory_reservations", "inventory_ledger"]),
    ("entitlements", &["entitlements", "entitlement_grants"]),
    (
        "orders",
        &["orders", "order_lines", "order_timeline", "order_reviews", "payment_facts", "session_orders"],
    ),
    ("checkout", &["checkouts", "payment_looks"]),
    ("refunds", &["refunds"]),
    ("inbox", &["stripe_events", "event_readings"]),
    ("fetch", &["stripe_questions"]),
    ("runbooks", &["drills"]),
    ("media", &["media_assets"]),
    ("reconcile", &["reconciliations", "reconciliation_stages", "reconciliation_findings"]),
];

/// Who may look into another's tables nevertheless, and why.
const MAY_LOOK: &[(&str, &[&str], &str)] = &[(
    "shop/src/orders/checks.rs",
    &["entitlements", "entitlement_grants", "inventory_reservations"],
    "a check compares what was paid with what was handed over; one statement sees both at one instant",
)];

/// What a file that decides must not touch: it gets the time, ids and chance as arguments, and acts on nothing.
const NOT_FOR_DECIDING: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "std::io",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "RandomState",
    "tokio",
    "db",
    "rusqlite",
    "reqwest",
    "rand",
    "getrandom",
    "HashMap",
    "HashSet",
    "new_v4",
    "now_v7",
    "await",
    "async",
];

/// These decide, whatever their comment says.
const DECIDING: &[&str] = &[
    "shop/src/cases/verdict.rs",
    "shop/src/downloads/decide.rs",
    "shop/src/orders/facts.rs",
    "shop/src/orders/order.rs",
];

const HERE: &str = "tests/house.rs";

#[test]
fn crates_use_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for name in members() {
        let file = format!("{name}/Cargo.toml");
        let text = std::fs::read_to_string(root().join(&file)).expect("a crate has a Cargo.toml");
        wrong.extend(wrong_dependencies(&name, &file, &text));
    }
    complain(wrong);
}

#[test]
fn rooms_use_only_what_lies_below_them() {
    let wrong = shop_files().iter().flat_map(|(file, text)| wrong_arrows(file, text)).collect();
    complain(wrong);
}

#[test]
fn every_room_has_its_place_on_a_shelf() {
    let rooms: BTreeSet<String> = shop_files().iter().filter_map(|(file, _)| room_of(file)).collect();
    let strangers = rooms.iter().filter(|room| shelf(room).is_none());
    complain(
        strangers.map(|room| format!("shop/src/{room}: stands on no shelf; see SHELVES in {HERE}")).collect(),
    );
}

#[test]
fn the_list_itself_runs_down() {
    let mut wrong = wrong_list(ARROWS);
    for (at, (name, uses)) in CRATES.iter().enumerate().take_while(|(_, (name, _))| *name != "sandbox") {
        let below: Vec<&str> = CRATES[..at].iter().map(|(below, _)| *below).chain(["sandbox"]).collect();
        wrong
            .extend(uses.iter().filter(|used| !below.contains(used)).map(|used| format!("{name} -> {used}")));
    }
    complain(wrong);
}

#[test]
fn sql_names_only_the_tables_of_its_own_room() {
    // What is tested may be looked at from all sides.
    let members = members().into_iter().filter(|member| member != "testkit");
    let files: Vec<_> = members.flat_map(|member| rust_files(&format!("{member}/src"))).collect();
    complain(files.iter().flat_map(|(file, text)| wrong_tables(file, text)).collect());
}

#[test]
fn every_table_belongs_to_someone() {
    let mut wrong = Vec::new();
    for (file, text) in
        files_below("shop/migrations", "sql").into_iter().chain(files_below("jobs/src", "sql"))
    {
        wrong.extend(ownerless_tables(&file, &text));
    }
    for (file, text) in files_below("ops/src", "sql") {
        wrong.extend(ownerless_tables(&file, &text));
    }
    complain(wrong);
}

#[test]
fn what_decides_touches_nothing() {
    let mut files: Vec<_> = shop_files().into_iter().filter(|(file, text)| decides(file, text)).collect();
    let found: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
    let gone: Vec<_> = DECIDING.iter().filter(|file| !found.contains(file)).collect();
    assert!(gone.is_empty(), "not there: {gone:?}; see DECIDING in {HERE}");
    files.extend(rust_files("kernel/src"));
    complain(files.iter().flat_map(|(file, text)| wrong_for_deciding(file, text)).collect());
}

// ---- the rules

fn wrong_dependencies(name: &str, file: &str, manifest: &str) -> Vec<String> {
    let listed =
        |list: &[(&str, &'static [&'static str])]| list.iter().find(|(n, _)| *n == name).map(|(_, l)| *l);
    let Some(allowed) = listed(CRATES) else {
        return vec![format!("{file}: the crate {name} stands in no line of CRATES in {HERE}")];
    };
    let refused = listed(NOT_FROM_OUTSIDE).unwrap_or_default();
    let ours: Vec<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for (line, used) in dependencies(manifest) {
        let at = format!("{file}:{line}");
        if ours.contains(&used.as_str()) && !allowed.contains(&used.as_str()) {
            wrong.push(format!("{at}: {name} -> {used} is no arrow of the house; see CRATES in {HERE}"));
        }
        if refused.contains(&used.as_str()) {
            wrong.push(format!(
                "{at}: {name} must not take {used} from outside; see NOT_FROM_OUTSIDE in {HERE}"
            ));
        }
    }
    wrong
}

fn wrong_arrows(file: &str, source: &str) -> Vec<String> {
    let from = room_of(file);
    let all = tokens(source);
    let mut wrong: Vec<String> = other_names_of_the_root(&all)
        .map(|line| format!("{file}:{line}: another name for the root hides which rooms are used; name them"))
        .collect();
    for (line, path) in paths(&all) {
        let Some(to) = crate_path(file, &path) else { continue };
        let Some(target) = to.first().map(String::as_str) else { continue };
        let at = format!("{file}:{line}");
        let reaches_store = to.get(1).is_some_and(|next| next == "store");
        let own = from.as_deref() == Some(target);
        if reaches_store && !own && shelf(target).is_some() {
            wrong.push(format!(
                "{at}: uses crate::{target}::store; a room asks another by its verb, never by its table"
            ));
        }
        // What is no room (the list of rooms, the whole) may use any; a room may always use itself.
        let Some(from) = from.as_deref().filter(|_| !own) else {
            if module_of(file).is_some_and(|module| GROUND.contains(&module)) && shelf(target).is_some() {
                wrong.push(format!("{at}: shared words use the room {target}; see GROUND in {HERE}"));
            }
            continue;
        };
        if ["*", "self"].contains(&target) {
            wrong.push(format!("{at}: `crate::{target}` hides which rooms {from} uses; name them"));
        } else if target == WHOLE {
            wrong.push(format!("{at}: {from} -> the whole shop is an arrow up; see WHOLE in {HERE}"));
        } else if shelf(target).is_some() && !arrows(from).contains(&target) {
            let which = direction(from, target);
            wrong.push(format!("{at}: {from} -> {target} is {which}; see ARROWS in {HERE}"));
        }
    }
    wrong
}

/// Lines with `crate as x` or `extern crate self as x`.
fn other_names_of_the_root(all: &[Placed]) -> impl Iterator<Item = usize> {
    let is_one = |pair: &&[Placed]| {
        pair[0].is("crate") && pair[1].is("as") || pair[0].is("extern") && pair[1].is("crate")
    };
    all.windows(2).filter(is_one).map(|pair| pair[0].line)
}

fn direction(from: &str, to: &str) -> &'static str {
    match (shelf(from), shelf(to)) {
        (Some(from), Some(to)) if from == to => "an arrow between neighbours on a shelf",
        (Some(from), Some(to)) if from > to => "an arrow up",
        _ => "an arrow down that is not on the list",
    }
}

fn wrong_list(arrows: &[(&str, &[&str])]) -> Vec<String> {
    let down = |from: &str, to: &str| matches!((shelf(from), shelf(to)), (Some(from), Some(to)) if from < to);
    let each = arrows.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to)));
    each.filter(|(from, to)| !down(from, to))
        .map(|(from, to)| format!("ARROWS: {from} -> {to} does not run down"))
        .collect()
}

fn wrong_tables(file: &str, source: &str) -> Vec<String> {
    if file.starts_with(BENCHMARKS) || file.starts_with(DRILLS) {
        return Vec::new();
    }
    let room = match file.split_once('/') {
        Some((name @ ("jobs" | "ops"), _)) => name.to_owned(),
        _ => room_of(file).unwrap_or_else(|| "a file outside of the rooms".into()),
    };
    let exceptions: BTreeSet<&str> = MAY_LOOK
        .iter()
        .filter(|(known, ..)| *known == file)
        .flat_map(|(_, tables, _)| tables.iter().copied())
        .collect();
    let mut wrong = Vec::new();
    for token in tokens(source) {
        let Token::Text(text) = &token.kind else { continue };
        for table in tables_named(text) {
            let Some(owner) = owner(&table) else { continue };
            if owner != room && !exceptions.contains(table.as_str()) {
                let line = token.line;
                wrong.push(format!(
                    "{file}:{line}: SQL of {room} names {table}, a table of {owner}; see TABLES in {HERE}"
                ));
            }
        }
    }
    wrong
}

/// Words behind FROM and its commas, JOIN, INTO, UPDATE and TABLE. What begins like SQL is read in small letters too.
fn tables_named(sql: &str) -> Vec<String> {
    let begins = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let is_sql = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "ALTER", "DROP"].contains(&begins.as_str());
    let sql = sql.replace("\\\n", " ").replace(',', " , ");
    let words = sql.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ';' | '"'));
    let (mut named, mut awaits, mut in_list) = (Vec::new(), false, false);
    for word in words.filter(|word| !word.is_empty()) {
        let keyword = if is_sql { word.to_ascii_uppercase() } else { word.to_owned() };
        match keyword.as_str() {
            "FROM" | "USING" => (awaits, in_list) = (true, true),
            "JOIN" | "INTO" | "UPDATE" | "TABLE" => (awaits, in_list) = (true, false),
            "," => awaits = in_list,
            "ONLY" | "IF" | "NOT" | "EXISTS" if awaits => {}
            // Here a list of tables ends.
            "WHERE" | "ON" | "SET" | "SELECT" | "GROUP" | "ORDER" | "LIMIT" | "VALUES" | "UNION"
            | "RETURNING" => {
                (awaits, in_list) = (false, false);
            }
            _ if awaits => {
                named.push(word.rsplit('.').next().unwrap_or(word).to_ascii_lowercase());
                awaits = false;
            }
            _ => {}
        }
    }
    named
}

fn ownerless_tables(file: &str, sql: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, line) in sql.lines().enumerate() {
        let Some(rest) = line.trim().strip_prefix("CREATE TABLE ") else { continue };
        let table = rest.trim_start_matches("IF NOT EXISTS ").split([' ', '(']).next().unwrap_or_default();
        // A table that is made anew takes the old one's name in the same migration.
        let anew = table
            .strip_suffix("_new")
            .filter(|old| sql.contains(&format!("ALTER TABLE {table} RENAME TO {old};")));
        if owner(anew.unwrap_or(table)).is_none() {
            let line = at + 1;
            wrong.push(format!("{file}:{line}: the table {table} belongs to no room; see TABLES in {HERE}"));
        }
    }
    wrong
}

/// A file that decides has a name that says so, or the comment that opens it does.
fn decides(file: &str, source: &str) -> bool {
    if DECIDING.contains(&file) {
        return true;
    }
    let opening = source.lines().take_while(|line| line.starts_with("//!"));
    opening.flat_map(|line| line.split(|c: char| !c.is_alphanumeric())).any(|word| word == "decides")
}

fn wrong_for_deciding(file: &str, source: &str) -> Vec<String> {
    // Its tests, which stand at its end, may do what they like.
    let all = tokens(source);
    let test = ["cfg", "(", "test", ")", "]", "mod"];
    let end = all.windows(6).position(|six| six.iter().zip(test).all(|(token, text)| token.is(text)));
    let code = &all[..end.unwrap_or(all.len())];
    let mut wrong = BTreeSet::new();
    let renamed = code.windows(2).filter(|pair| pair[0].is("std") && pair[1].is("as"));
    wrong.extend(renamed.map(|pair| (pair[0].line, "another name for std")));
    for (line, path) in paths(code) {
        let path = path.join("::");
        for forbidden in NOT_FOR_DECIDING {
            let crate_name = !forbidden.contains("::") && forbidden.chars().all(|c| c.is_lowercase());
            let found = match crate_name {
                // The name of a crate counts only where a path begins with it; keywords stand alone.
                true => {
                    path == *forbidden && ["async", "await"].contains(forbidden)
                        || path.starts_with(&format!("{forbidden}::"))
                }
                false => format!("::{path}::").contains(&format!("::{forbidden}::")),
            };
            if found {
                wrong.insert((line, *forbidden));
            }
        }
    }
    let say = |(line, what)| {
        format!("{file}:{line}: this file decides and must not touch {what}; see NOT_FOR_DECIDING in {HERE}")
    };
    wrong.into_iter().map(say).collect()
}

// ---- who is who

fn shelf(room: &str) -> Option<usize> {
    SHELVES.iter().position(|shelf| shelf.contains(&room))
}

fn arrows(from: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(room, _)| *room == from).map_or(&[], |(_, to)| to)
}

fn owner(table: &str) -> Option<&'static str> {
    TABLES.iter().find(|(_, tables)| tables.contains(&table)).map(|(owner, _)| *owner)
}

/// `orders` for `shop/src/orders/settle.rs`; none for files that are no room's.
fn room_of(file: &str) -> Option<String> {
    let (room, _) = file.strip_prefix("shop/src/")?.split_once('/')?;
    Some(room.to_owned())
}

/// `ids` for `shop/src/ids.rs`.
fn module_of(file: &str) -> Option<&str> {
    file.strip_prefix("shop/src/")?.strip_suffix(".rs").filter(|module| !module.contains('/'))
}

/// The path from the crate's root, if `path` is one: by `crate::`, or by enough `super::`.
fn crate_path<'a>(file: &str, path: &'a [String]) -> Option<&'a [String]> {
    if path.first()? == "crate" {
        return Some(&path[1..]);
    }
    let path = &path[path.iter().take_while(|part| *part == "self").count()..];
    let inside = file.strip_prefix("shop/src/")?.trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inside.split('/').count();
    let ups = path.iter().take_while(|part| *part == "super").count();
    let rest = &path[ups..];
    // More steps up than this file is deep come from a module inside of it; then only a room's name counts.
    (ups >= depth && rest.first().is_some_and(|name| name == "*" && ups == depth || shelf(name).is_some()))
        .then_some(rest)
}

// ---- reading

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate lies in the workspace").to_owned()
}

fn members() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a Cargo.toml");
    let manifest: toml::Table = text.parse().expect("Cargo.toml can be read");
    let members = manifest["workspace"]["members"].as_array().expect("members are listed");
    members.iter().map(|member| member.as_str().expect("a path").to_owned()).collect()
}

fn shop_files() -> Vec<(String, String)> {
    rust_files("shop/src")
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    files_below(folder, "rs")
}

fn files_below(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(&format!(".{ending}")) {
                // A file may be renamed while we look.
                let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
                all.insert(path, text);
            }
        }
    }
    all.into_iter().collect()
}

fn complain(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n"));
}

/// The dependencies of a manifest that are built into the crate, each with its line.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let table: toml::Table = manifest.parse().expect("a Cargo.toml can be read");
    let mut sections: Vec<&toml::Value> = Vec::new();
    let kinds = ["dependencies", "build-dependencies"];
    sections.extend(kinds.iter().filter_map(|kind| table.get(*kind)));
    let targets = table.get("target").and_then(toml::Value::as_table);
    for target in targets.into_iter().flat_map(|targets| targets.values()) {
        sections.extend(kinds.iter().filter_map(|kind| target.get(kind)));
    }
    let entries = sections.into_iter().filter_map(toml::Value::as_table).flatten();
    entries
        .map(|(key, value)| {
            let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            let starts = |line: &str| {
                let rest = line.trim_start().strip_prefix(key.as_str());
                rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            };
            (manifest.lines().position(starts).map_or(0, |at| at + 1), name.to_owned())
        })
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
    Text(String),
}

#[derive(Debug, Clone)]
struct Placed {
    line: usize,
    kind: Token,
}

impl Placed {
    fn is(&self, text: &str) -> bool {
        match &self.kind {
            Token::Word(word) => word == text,
            Token::Sign(sign) => text.len() == 1 && text.starts_with(*sign),
            Token::Text(_) => false,
        }
    }
}

/// Words, signs and texts of a source; comments are left out.
fn tokens(source: &str) -> Vec<Placed> {
    let text: Vec<char> = source.chars().collect();
    let (mut all, mut at, mut line) = (Vec::new(), 0, 1);
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| text.get(at + n) == Some(&c));
    while at < text.len() {
        let (begin, first) = (at, line);
        let c = text[at];
        let raw = raw_text(&text, at);
        let kind = if starts(at, "//") {
            at += text[at..].iter().take_while(|c| **c != '\n').count();
            None
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                match (starts(at, "/*"), starts(at, "*/")) {
                    (true, _) => depth += 1,
                    (_, true) => depth -= 1,
                    _ => {}
                }
                at += if starts(at, "/*") || starts(at, "*/") { 2 } else { 1 };
                if depth == 0 || at >= text.len() {
                    break None;
                }
            }
        } else if let Some((inner, end)) = raw {
            at = end;
            Some(Token::Text(inner))
        } else if c == '"' {
            at += 1;
            while at < text.len() && text[at] != '"' {
                at += if text[at] == '\\' { 2 } else { 1 };
            }
            at = (at + 1).min(text.len());
            Some(Token::Text(text[begin + 1..at.saturating_sub(1).max(begin + 1)].iter().collect()))
        } else if c == '\'' && (starts(at + 2, "'") || starts(at + 1, "\\")) {
            // A letter in quotes, not a lifetime.
            at += 3 + usize::from(starts(at + 1, "\\"));
            at +=
                text[at - 1..].iter().take_while(|c| text[begin + 1] == '\\' && **c != '\'').count().min(12);
            None
        } else if c.is_alphanumeric() || c == '_' {
            at += text[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            Some(Token::Word(text[begin..at].iter().collect()))
        } else {
            at += 1;
            (!c.is_whitespace()).then_some(Token::Sign(c))
        };
        let at_most = at.min(text.len());
        line += text[begin..at_most].iter().filter(|c| **c == '\n').count();
        all.extend(kind.map(|kind| Placed { line: first, kind }));
    }
    all
}

/// `r"…"` and `r#"…"#`.
fn raw_text(text: &[char], at: usize) -> Option<(String, usize)> {
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    if text.get(at) != Some(&'r') || after_word {
        return None;
    }
    let marks = text[at + 1..].iter().take_while(|c| **c == '#').count();
    let begin = at + 2 + marks;
    if text.get(begin - 1) != Some(&'"') {
        return None;
    }
    let closes = |end: usize| text[end] == '"' && (1..=marks).all(|n| text.get(end + n) == Some(&'#'));
    let end = (begin..text.len()).find(|end| closes(*end))?;
    Some((text[begin..end].iter().collect(), end + 1 + marks))
}

/// All paths of a source, those in braces spelled out: `use a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tokens: &[Placed]) -> Vec<(usize, Vec<String>)> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match &tokens[at].kind {
            Token::Word(_) => at = path(tokens, at, &[], &mut all),
            _ => at += 1,
        }
    }
    all
}

/// Reads one path with its branches from `at`; says where it ends.
fn path(tokens: &[Placed], mut at: usize, stem: &[String], all: &mut Vec<(usize, Vec<String>)>) -> usize {
    let line = tokens[at].line;
    let mut parts = stem.to_vec();
    let twice = |at: usize| {
        tokens.get(at).is_some_and(|t| t.is(":")) && tokens.get(at + 1).is_some_and(|t| t.is(":"))
    };
    loop {
        match tokens.get(at).map(|token| &token.kind) {
            Some(Token::Word(word)) => parts.push(word.clone()),
            Some(Token::Sign('*')) => parts.push("*".into()),
            Some(Token::Sign('{')) => {
                at += 1;
                while let Some(token) = tokens.get(at) {
                    match &token.kind {
                        Token::Sign('}') => return at + 1,
                        Token::Word(_) | Token::Sign('*' | '{') => at = path(tokens, at, &parts, all),
                        _ => at += 1,
                    }
                }
                return at;
            }
            _ => break,
        }
        at += 1;
        if !twice(at) {
            break;
        }
        at += 2;
    }
    all.push((line, parts));
    at
}

// ---- the rules can fail

#[test]
fn a_forbidden_dependency_is_found() {
    let manifest =
        "[package]\nname = \"db\"\n[dependencies]\nkernel.workspace = true\nshop = { path = \"../shop\" }\n";
    let wrong = wrong_dependencies("db", "db/Cargo.toml", manifest);
    assert_eq!(wrong, ["db/Cargo.toml:5: db -> shop is no arrow of the house; see CRATES in tests/house.rs"]);
    let renamed = "[dependencies]\nwares = { package = \"shop\", path = \"../shop\" }\n";
    assert_eq!(wrong_dependencies("ops", "ops/Cargo.toml", renamed).len(), 1);
    let target = "[target.'cfg(unix)'.dependencies]\ntestkit.workspace = true\n";
    assert_eq!(wrong_dependencies("shop", "shop/Cargo.toml", target).len(), 1);
    let tests = "[dev-dependencies]\ntestkit.workspace = true\nshop.workspace = true\n";
    assert_eq!(wrong_dependencies("db", "db/Cargo.toml", tests), Vec::<String>::new());
    assert_eq!(wrong_dependencies("shop", "shop/Cargo.toml", "[dependencies]\naxum = \"0.8\"\n").len(), 1);
    assert_eq!(wrong_dependencies("attic", "attic/Cargo.toml", "").len(), 1);
}

#[test]
fn a_forbidden_use_is_found_with_its_line() {
    let wrong = |file: &str, source: &str| wrong_arrows(&format!("shop/src/{file}"), source);
    let up = wrong("orders/settle.rs", "use kernel::Result;\n\nuse crate::checkout;\n");
    let expected =
        "shop/src/orders/settle.rs:3: orders -> checkout is an arrow up; see ARROWS in tests/house.rs";
    assert_eq!(up, [expected]);
    let beside = wrong("coupons/redeem.rs", "fn f() { crate::inventory::release() }");
    assert!(beside[0].contains("an arrow between neighbours on a shelf"), "{beside:?}");
    let new = wrong("inbox/process.rs", "use crate::{ids::OrderId, media};");
    assert!(new[0].contains("inbox -> media is an arrow down that is not on the list"), "{new:?}");
    let table = wrong("orders/settle.rs", "use crate::entitlements::{self, store::insert};");
    assert!(table[0].contains("uses crate::entitlements::store"), "{table:?}");
    assert_eq!(wrong("orders/mod.rs", "use super::inbox;").len(), 1, "by another way");
    assert_eq!(wrong("orders/settle.rs", "use super::super::inbox::receive;").len(), 1);
    for hidden in [
        "use crate::*;",
        "use super::super::*;",
        "use self::super::super::inbox::process;",
        "use crate as house;",
        "use crate::{self as house};",
        "extern crate self as house;",
    ] {
        assert_eq!(wrong("orders/settle.rs", hidden).len(), 1, "{hidden}");
    }
    assert_eq!(wrong("catalog/store.rs", "use crate::shop::Shop;").len(), 1);
    assert_eq!(wrong("ids.rs", "use crate::orders::Order;").len(), 1);
    assert_eq!(
        wrong("lib.rs", "use crate::orders::store;").len(),
        1,
        "tables are nobody else's, not even here"
    );
}

#[test]
fn an_allowed_use_is_no_complaint() {
    let source = "//! crate::inbox in a comment\nuse crate::{entitlements::{self, Holder}, ids::OrderId};\n\
                  use super::store;\nuse crate::orders::store::find;\nconst A: &str = \"crate::inbox\"; // crate::inbox\n\
                  const B: char = '\"'; /* crate::inbox */ fn f<'a>(x: &'a str) { crate::inventory::take(x) }\n";
    assert_eq!(wrong_arrows("shop/src/orders/settle.rs", source), Vec::<String>::new());
    assert_eq!(wrong_arrows("shop/src/lib.rs", "use crate::{inbox, orders};"), Vec::<String>::new());
}

#[test]
fn a_list_that_runs_up_is_found() {
    assert_eq!(wrong_list(&[("orders", &["inbox"]), ("inbox", &["orders"])]).len(), 1);
    assert_eq!(wrong_list(&[("orders", &["downloads", "attic"])]).len(), 2);
}

#[test]
fn a_foreign_table_is_found() {
    let source =
        "fn f() {\n    let sql = r#\"SELECT * FROM orders o\n JOIN inventory i ON i.sku = o.sku\"#;\n}";
    let wrong = wrong_tables("shop/src/orders/store.rs", source);
    let expected = "shop/src/orders/store.rs:2: SQL of orders names inventory, a table of inventory; see TABLES in tests/house.rs";
    assert_eq!(wrong, [expected]);
    assert_eq!(
        wrong_tables("shop/src/inbox/store.rs", "\"INSERT INTO audit_logs (id) VALUES ($1)\"").len(),
        1
    );
    assert_eq!(wrong_tables("makegood/src/http.rs", "\"DELETE FROM orders WHERE 1 = 1\"").len(), 1);
    for other in ["ops/src/audit.rs", "db/src/tx.rs", "shop/src/inbox/store.rs"] {
        for sql in [
            "SELECT 1 FROM generate_series(1, 2) e, orders o",
            "select id from orders",
            "SELECT id FROM public.orders",
            "SELECT id FROM ONLY orders",
            "SELECT id FROM\\\n     orders",
            "WITH a AS (SELECT 1) UPDATE orders SET x = 1",
        ] {
            assert_eq!(wrong_tables(other, &format!("\"{sql}\"")).len(), 1, "{other}: {sql}");
        }
    }
    let own = "// FROM inventory\nlet a = \"UPDATE orders SET x = 1 FROM (SELECT 1)\"; let b = \"taken from inventory\";";
    assert_eq!(wrong_tables("shop/src/orders/store.rs", own), Vec::<String>::new());
    assert_eq!(ownerless_tables("x.sql", "\nCREATE TABLE attic (\n").len(), 1);
}

#[test]
fn a_decision_that_acts_is_found() {
    let decides_by_words = |source| decides("shop/src/orders/money.rs", source);
    assert!(decides_by_words("//! Nouns.\n//! This file decides what they cost.\nuse std::fmt;"));
    assert!(!decides_by_words("//! Nouns.\n\n//! decides\n") && !decides_by_words("//! Undecided.\n"));
    assert!(decides("shop/src/orders/order.rs", "//! Nothing said.\n"));
    let wrong = |source: &str| wrong_for_deciding("shop/src/orders/order.rs", source);
    for source in [
        "use std::{fmt, fs};",
        "use std::net::TcpStream;",
        "fn f() { std::time::Instant::now(); }",
        "use std::time::SystemTime;",
        "use tokio::time;",
        "use db::Tx;",
        "fn f(tx: &mut db::Tx<'_>) {}",
        "use std::collections::HashMap;",
        "fn f() { uuid::Uuid::new_v4(); }",
        "fn f() { Uuid::now_v7() }",
        "async fn f() {}",
        "fn f() { g().await }",
        "fn f() { rand::rng(); }",
        "use std::time::Instant as Clock;",
        "fn f() { std::process::Command::new(\"ls\"); }",
        "fn f() { std::io::stdin(); }",
        "fn f() { jiff::Timestamp::now(); }",
        "use std::hash::RandomState;",
        "use rusqlite::Connection;",
        "use std as s;",
        "#[cfg(test)]\nuse std::fmt;\nuse tokio::time;",
    ] {
        assert_eq!(wrong(source).len(), 1, "{source}: {:?}", wrong(source));
    }
    let expected = "shop/src/orders/order.rs:2: this file decides and must not touch db; see NOT_FOR_DECIDING in tests/house.rs";
    assert_eq!(wrong("\nuse db::{Row, Tx};"), [expected]);
    for source in [
        "// db::Tx\nuse crate::ids::OrderId; const A: &str = \"tokio::spawn\"; fn random() -> u8 { 4 }",
        "fn db(rand: u8) -> u8 { rand }",
        "fn f() {}\n#[cfg(test)]\nmod tests { use std::collections::HashMap; }",
    ] {
        assert_eq!(wrong(source), Vec::<String>::new(), "{source}");
    }
}
