//! `makegood health`

use reqwest::Method;
use serde_json::{Value, json};

use super::Call;
use crate::cli::backend::{Remote, config};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::terminal::Tone;

/// Ask a running server how it is; ends with exit code 10 when none answers
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whether it would take work now, instead of whether it lives
    #[arg(long)]
    pub ready: bool,
}

pub async fn run(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let server = match &call.globals.server {
        Some(server) => server.clone(),
        None => format!("http://{}", config()?.listen),
    };
    let path = if arguments.ready { "/readyz?verbose" } else { "/health" };
    let (status, body) = Remote::open(&server)?.raw(Method::GET, path, None).await?;
    let healthy = (200..300).contains(&status);
    let said = serde_json::from_str::<Value>(&body).unwrap_or_else(|_| json!(body.trim()));
    if call.terminal.json.is_some() {
        call.terminal
            .print_json(&json!({ "server": server, "status": status, "healthy": healthy, "answer": said }))?;
    } else {
        let mark = if healthy {
            call.terminal.out.tone(Tone::Good, "✓")
        } else {
            call.terminal.out.tone(Tone::Bad, "✗")
        };
        let word = if healthy { "healthy" } else { "not healthy" };
        let details = match &said {
            Value::String(text) => text.clone(),
            object => serde_json::to_string_pretty(object)?,
        };
        call.terminal.print(&format!("{mark} {server} is {word} ({status})\n{details}\n"))?;
    }
    Ok(if healthy { Exit::Ok } else { Exit::Findings })
}
