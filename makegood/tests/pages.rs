//! `docs/runbooks` and `docs/errors` are written from the definitions: one page for each runbook and each error code, and
//! an index. What stands there is what the code says, or this test fails.
//!
//! `ACCEPT=1 cargo test -p makegood --test pages` writes them.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use makegood::cli::exit::Exit;
use makegood::cli::tree::{self, Does};
use makegood::http::error_pages::{ErrorPage, PAGES};
use ops::{Reads, Risk, Standing};
use shop::RUNBOOKS;
use shop::runbooks::Runbook;

#[test]
fn every_runbook_has_its_page_as_it_is_defined() {
    let mut pages: BTreeMap<String, String> =
        RUNBOOKS.iter().map(|runbook| (format!("{}.md", runbook.id), runbook_page(runbook))).collect();
    pages.insert("README.md".into(), runbook_index());
    held_against("docs/runbooks", &pages);
}

#[test]
fn every_error_code_has_its_page_as_it_is_defined() {
    let mut pages: BTreeMap<String, String> =
        PAGES.iter().map(|page| (format!("{}.md", page.code), error_page(page))).collect();
    pages.insert("README.md".into(), error_index());
    held_against("docs/errors", &pages);
}

/// A page that names nothing that can be done leaves its reader alone.
#[test]
fn every_page_names_a_command_that_exists() {
    let root = tree::command();
    let pages = RUNBOOKS.iter().map(runbook_page).chain(PAGES.iter().map(error_page));
    for page in pages {
        let mut commands = 0;
        for line in page.split(['`', '\n']).filter_map(|part| part.trim().strip_prefix("makegood ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let mut at = &root;
            let mut depth = 0;
            while let Some(below) = words.get(depth).and_then(|word| at.find_subcommand(word)) {
                (at, depth) = (below, depth + 1);
            }
            assert!(depth > 0 && !at.has_subcommands(), "`makegood {line}` is no command");
            commands += 1;
        }
        assert!(commands > 0, "{page}");
    }
}

/// What an alert of the seeds leads to, as far as its room is there.
#[test]
fn every_alert_that_a_runbook_names_stands_on_its_page() {
    for runbook in RUNBOOKS {
        let page = runbook_page(runbook);
        assert!(runbook.alerts.iter().all(|alert| page.contains(alert)), "{}", runbook.id);
    }
}

/// The files of a folder against what they must be: none is missing, none differs, none is left over.
fn held_against(folder: &str, pages: &BTreeMap<String, String>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(folder);
    let there = || -> BTreeSet<String> {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for gone in there().iter().filter(|name| !pages.contains_key(*name)) {
            std::fs::remove_file(folder.join(gone)).unwrap();
        }
        pages.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    }
    assert_eq!(there(), pages.keys().cloned().collect(), "{}: ACCEPT=1 writes the pages", folder.display());
    for (name, text) in pages {
        let seen = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(seen == *text, "{}/{name} is not what the code says; ACCEPT=1 writes it", folder.display());
    }
}

const MADE: &str = "<!-- Written from the code: ACCEPT=1 cargo test -p makegood --test pages -->\n";

// ---- runbooks

fn runbook_index() -> String {
    let mut text = format!(
        "{MADE}\n# Runbooks\n\nEach is one definition in `shop/src/runbooks/pages`. The command line, the admin API and these pages are made \
         from it; `makegood runbook drill --all` breaks a shop that is thrown away and runs each of them on it.\n\n\
         | runbook | what is seen | checks | alerts |\n|---|---|---|---|\n"
    );
    for runbook in RUNBOOKS {
        let (id, title) = (runbook.id, runbook.title);
        let _ = writeln!(
            text,
            "| [{id}]({id}.md) | {title} | {} | {} |",
            code_list(runbook.checks),
            runbook.alerts.join(", ")
        );
    }
    text.push_str(
        "\nThe loop is the same for all of them:\n\n```sh\nmakegood runbook detect ID              # is it so now? exit code 3 when it is\n\
         makegood runbook explain ID SUBJECT     # which cause it is, and the facts that say so\n\
         makegood runbook preview ID SUBJECT     # what mending would change, and the id of that plan\n\
         makegood runbook apply ID SUBJECT --reason TEXT\n\
         makegood runbook verify ID SUBJECT      # read back; exit code 3 when it is not mended\n\
         makegood runbook reply ID SUBJECT       # the answer for the customer\n```\n\n\
         How to add one: [how-to-add-a-runbook.md](../how-to-add-a-runbook.md).\n",
    );
    text
}

fn runbook_page(runbook: &Runbook) -> String {
    let id = runbook.id;
    let mut text = format!("{MADE}\n# {}\n\n`{id}` · promises {}", runbook.title, runbook.rows.join(", "));
    if !runbook.alerts.is_empty() {
        let _ = write!(text, " · alerts {}", runbook.alerts.join(", "));
    }
    let _ =
        write!(text, "\n\n{}\n\n## Detect\n\n```sh\nmakegood runbook detect {id}\n```\n\n", runbook.symptom);
    text.push_str(&checks(runbook));
    let _ = write!(
        text,
        "\n## Explain\n\n```sh\nmakegood runbook explain {id} SUBJECT\n```\n\nSUBJECT is {}. {}\n\n{}",
        runbook.subject,
        reads(runbook.reads),
        causes(runbook)
    );
    let _ = write!(
        text,
        "\n## Mend\n\n```sh\nmakegood runbook preview {id} SUBJECT\nmakegood runbook apply {id} SUBJECT --reason TEXT\n\
         makegood runbook verify {id} SUBJECT\n```\n\nThe preview has the id of its plan. What would be done otherwise by the time it \
         is applied is refused as [stale_plan](../errors/stale_plan.md).\n\n{}",
        operations(runbook)
    );
    let _ = write!(text, "\n## Tell the customer\n\n```sh\nmakegood runbook reply {id} SUBJECT\n```\n\n");
    for cause in runbook.causes {
        let _ = writeln!(text, "- {}: “{}”", cause.name, cause.reply);
    }
    let _ = write!(text, "\n## Drill\n\n```sh\nmakegood runbook drill {id}\n```\n\n## Where it comes from\n");
    for quote in runbook.seed {
        let _ = write!(text, "\n{}:\n\n```text\n{}\n```\n", quote.from, quote.text);
    }
    text
}

fn checks(runbook: &Runbook) -> String {
    let all = shop::checks();
    let mut text = "| check | must be true | a finding means |\n|---|---|---|\n".to_owned();
    for name in runbook.checks {
        let check = all.iter().find(|check| check.name == *name).unwrap_or_else(|| panic!("no check {name}"));
        let _ = writeln!(text, "| `{name}` | {} | {} |", cell(check.must), cell(check.means));
    }
    for look in runbook.looks {
        let _ = write!(text, "\nWhat no row here can tell is asked of Stripe: `{}`.\n", looked(look));
    }
    text
}

/// A look as a command line.
fn looked(look: &ops::Look) -> String {
    let input: serde_json::Value = serde_json::from_str(look.input).unwrap();
    let mut line = format!("makegood {}", words(look.task));
    for (name, value) in input.as_object().unwrap() {
        let flag = match value.as_str() {
            Some(value) if name == "area" => value.to_owned(),
            Some(value) => format!("--{name} {value}"),
            None => format!("--{name}"),
        };
        let _ = write!(line, " {flag}");
    }
    line
}

fn reads(reads: Reads) -> &'static str {
    match reads {
        Reads::Rows => "The cause is picked by the rows here.",
        Reads::Case => {
            "The cause is picked by the buyer's case; Stripe is asked whether it has money that nobody here knows of."
        }
        Reads::Stripe => {
            "The cause is picked by the rows here and the order's objects at Stripe, as they are now."
        }
        Reads::Unread => {
            "The cause is picked by the rows here; where an event cannot be read, by its object at Stripe as it is now."
        }
        Reads::Events => "The cause is picked by Stripe's list of events.",
        Reads::Content => {
            "The cause is picked by rows, and by what lies on the disk and at the player's service."
        }
        Reads::Secrets => {
            "The cause is picked by what the server knows of its secrets; ask the server that takes the webhooks."
        }
        Reads::Surroundings => {
            "The cause is picked by what `makegood doctor` sees, and by no row: it works without a database. What only the server knows, like its pool, is asked of the server (`--server`)."
        }
    }
}

fn causes(runbook: &Runbook) -> String {
    let mut text = "| cause | what it means | mended by |\n|---|---|---|\n".to_owned();
    for cause in runbook.causes {
        let mended = match (cause.standing, cause.mend) {
            (Standing::Fine, _) => "nothing is wrong".to_owned(),
            (Standing::Broken, []) => "a person, elsewhere".to_owned(),
            (Standing::Broken, mend) => code_list(mend),
        };
        let _ = writeln!(text, "| {} | {} | {mended} |", cause.name, cell(cause.means));
    }
    text
}

fn operations(runbook: &Runbook) -> String {
    let mut text = "| operation | as a command | role | |\n|---|---|---|---|\n".to_owned();
    for name in runbook.operations {
        let words = words(name);
        let (about, role, risk) = match does(name) {
            Does::Operation(operation) => (operation.about(), operation.role, operation.risk),
            Does::Task(task) => {
                let changing = task.effect.changing().unwrap_or_else(|| panic!("{name} changes nothing"));
                (task.about(), changing.role, changing.risk)
            }
            Does::View(_) | Does::Own(_) => panic!("{name} mends nothing"),
        };
        let risk = match risk {
            Risk::Safe => "safe to repeat",
            Risk::Changes => "changes what a buyer has",
            Risk::Final => "cannot be taken back",
        };
        let _ = writeln!(text, "| {} | `makegood {words}` | {} | {risk} |", cell(&about), role.as_str());
    }
    text
}

// ---- errors

fn error_index() -> String {
    let mut text = format!(
        "{MADE}\n# Errors\n\nEvery error has a code. The API answers with it (RFC 9457), the command line prints it, and \
         `makegood explain-error` says the same as these pages.\n\n| code | HTTP | exit code | what it is |\n|---|---|---|---|\n"
    );
    for page in PAGES {
        let (code, exit) = (page.code, Exit::of(page.code) as u8);
        let status = page.status.map_or("–".to_owned(), |status| status.to_string());
        let _ = writeln!(text, "| [{code}]({code}.md) | {status} | {exit} | {} |", cell(page.title));
    }
    text
}

fn error_page(page: &ErrorPage) -> String {
    let retry =
        if page.retryable { "The same request may succeed later." } else { "Trying again changes nothing." };
    let mut text = format!(
        "{MADE}\n# {}\n\n`{}` · {} · exit code {}\n\n{}\n\n## What to do\n\n{}\n\n{retry}\n",
        page.title,
        page.code,
        page.said(),
        Exit::of(page.code) as u8,
        page.means,
        page.next
    );
    if let Some(id) = page.runbook {
        let _ = write!(text, "\nWhat lies behind it: the runbook [{id}](../runbooks/{id}.md).\n");
    }
    let _ = write!(text, "\n```sh\nmakegood explain-error {}\n```\n", page.code);
    text
}

// ---- words

/// The command of an operation, view or task.
fn words(name: &str) -> String {
    leaf(name).words()
}

fn does(name: &str) -> Does {
    leaf(name).does
}

fn leaf(name: &str) -> tree::Leaf {
    let named = |leaf: &tree::Leaf| match leaf.does {
        Does::Operation(operation) => operation.name == name,
        Does::View(view) => view.name == name,
        Does::Task(task) => task.name == name,
        Does::Own(_) => false,
    };
    tree::leaves().into_iter().find(named).unwrap_or_else(|| panic!("no command is {name}"))
}

fn code_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A cell of a table holds no bar and no break.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
