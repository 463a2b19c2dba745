//! `makegood explain-error`

use serde_json::{Value, json};

use super::Call;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::{Look, table, wrap};
use crate::cli::terminal::Tone;
use crate::http::error_pages::{ErrorPage, PAGES};

/// Say what an error means and what to do about it
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The error's name, like refused_by_guard; without it, all names
    pub code: Option<String>,
}

pub fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Exit, Failure> {
    let look = Look::of_results(call.terminal, kernel::Timestamp::from_seconds(0));
    let Some(code) = &arguments.code else {
        let rows: Vec<Value> = PAGES.iter().map(json).collect();
        match call.terminal.json {
            Some(_) => {
                call.terminal.print_json(&json!({ "object": "list", "data": rows, "has_more": false }))?
            }
            None => call.terminal.print(&table(&["code", "title"], &rows, look))?,
        }
        return Ok(Exit::Ok);
    };
    let page = ErrorPage::find(code).ok_or_else(|| {
        Failure::new("not_found", format!("no error is called `{code}`"))
            .fix("makegood explain-error lists all names")
    })?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&json(page))?,
        None => call.terminal.print(&text(page, look))?,
    }
    Ok(Exit::Ok)
}

fn json(page: &ErrorPage) -> Value {
    json!({
        "object": "error_page", "code": page.code, "title": page.title, "status": page.status,
        "exit_code": Exit::of(page.code) as u8, "retryable": page.retryable, "means": page.means, "next": page.next,
        "runbook": page.runbook,
    })
}

fn text(page: &ErrorPage, look: Look) -> String {
    let wrapped = |text: &str| wrap(text, look.width.unwrap_or(100).min(100)).join("\n");
    let retry = if page.retryable { "The same may succeed later." } else { "Trying again changes nothing." };
    let codes = format!("{} · {} · exit code {}", page.code, page.said(), Exit::of(page.code) as u8);
    let runbook = page.runbook.map_or(String::new(), |id| format!("\nmakegood runbook show {id}\n"));
    format!(
        "{}\n{}\n\n{}\n\n{}\n{}\n\n{retry}\n{runbook}",
        look.paint.tone(Tone::Bold, page.title),
        look.paint.tone(Tone::Dim, &codes),
        wrapped(page.means),
        look.paint.tone(Tone::Bold, "What to do"),
        wrapped(page.next),
    )
}
