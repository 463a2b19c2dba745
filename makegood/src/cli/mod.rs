//! The command line: the registry as commands, and what a terminal needs besides. It holds no rule of the shop.

pub mod backend;
pub mod change;
pub mod check;
pub mod exit;
pub mod failure;
pub mod globals;
pub mod literal;
pub mod names;
pub mod own;
pub mod progress;
pub mod render;
pub mod task;
pub mod terminal;
pub mod tree;

use std::error::Error as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches};
use serde_json::Value;
use shop::given::Unfit;
use shop::office::doctor::DOCTOR;

use backend::Backend;
use exit::Exit;
use failure::Failure;
use globals::{Color, Globals, Json};
use render::Look;
use terminal::Terminal;
use tree::{Does, Leaf};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Whoever speaks TLS in this process asks for its provider; there is one, chosen here.
    rustls::crypto::ring::default_provider().install_default().ok();
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let before = guessed(&words);
    let (terminal, result) = match parse(words, before.color) {
        Err(failure) => (Terminal::new(&before), Err(failure)),
        Ok(matches) => match Globals::from_arg_matches(&matches) {
            Err(error) => (Terminal::new(&before), Err(Failure::usage(error.to_string()))),
            Ok(globals) => {
                let terminal = Terminal::new(&globals);
                let result = run(&terminal, &globals, &matches);
                (terminal, result)
            }
        },
    };
    let exit = result.unwrap_or_else(|failure| {
        terminal.fail(&failure, || if before.named_server().is_none() { app_url() } else { String::new() });
        failure.exit
    });
    exit.into()
}

/// Where the shop of this configuration is; empty where that is not known.
fn app_url() -> String {
    backend::config().map(|config| config.app_url).unwrap_or_default()
}

/// What matters before the line is understood: how to say that it is not, and whether it is about another shop.
fn guessed(words: &[String]) -> Globals {
    let has = |wanted: &str| words.iter().take_while(|word| *word != "--").any(|word| word == wanted);
    let color = match () {
        () if has("--color=always") => Color::Always,
        () if has("--color=never") => Color::Never,
        () => Color::Auto,
    };
    let json = (has("--json") || has("--json=pretty") || has("--json=lines")).then_some(Json::Pretty);
    let elsewhere = words.iter().any(|word| word.starts_with("--server")).then(|| "elsewhere".to_owned());
    let server = elsewhere.or_else(|| std::env::var("MAKEGOOD_URL").ok());
    Globals { color, json, server, ..Globals::default() }
}

fn parse(words: Vec<String>, color: Color) -> Result<ArgMatches, Failure> {
    let as_json = guessed(&words).json.is_some();
    let words = literal::translate(words)?;
    let color = match color {
        Color::Auto => clap::ColorChoice::Auto,
        Color::Always => clap::ColorChoice::Always,
        Color::Never => clap::ColorChoice::Never,
    };
    tree::command().color(color).try_get_matches_from(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => helped(&error, Exit::Ok),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !as_json => helped(&error, Exit::Usage),
        // The line is well, and the file that it names is not.
        _ => match error.source().and_then(|source| source.downcast_ref()) {
            Some(Unfit(why)) => Failure::new("invalid_input", why).fix("mend the file, or name another one"),
            None => misunderstood(&error, &words),
        },
    })
}

fn helped(error: &clap::Error, exit: Exit) -> Failure {
    // Nobody reading is no reason to fail.
    error.print().ok();
    Failure::said(exit)
}

/// What clap says of a line, and whose help to read. Where help is, we say ourselves.
fn misunderstood(error: &clap::Error, words: &[String]) -> Failure {
    let text = error.to_string();
    let told = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let told: Vec<_> = told.filter(|line| !line.starts_with("For more information")).collect();
    let told = told.join("\n");
    Failure::usage(told.strip_prefix("error: ").unwrap_or(&told))
        .fix(format!("{} --help says what it takes", understood(words)))
}

/// The part of a line that is a command.
fn understood(words: &[String]) -> String {
    let (mut path, root) = (String::from("makegood"), tree::command());
    let mut at = &root;
    for word in words.iter().skip(1) {
        if let Some(below) = at.find_subcommand(word) {
            path.push_str(&format!(" {word}"));
            at = below;
        }
    }
    path
}

fn run(terminal: &Terminal, globals: &Globals, matches: &ArgMatches) -> Result<Exit, Failure> {
    let (leaf, matches) = tree::chosen(matches).ok_or_else(|| Failure::usage("no command was given"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("internal_error", format!("no runtime: {error}")))?;
    runtime.block_on(perform(terminal, globals, &leaf, matches))
}

async fn perform(
    terminal: &Terminal,
    globals: &Globals,
    leaf: &Leaf,
    matches: &ArgMatches,
) -> Result<Exit, Failure> {
    match leaf.does {
        Does::Own(own) => own.run(&own::Call { terminal, globals, matches }).await,
        Does::View(view) => {
            let input = (view.from_arguments)(matches)?;
            refuse_empty(view.subject, &input, view.arguments)?;
            let backend = Backend::open(globals, terminal).await?;
            let answer = backend.ask(view, input).await?;
            show(terminal, &answer, view.columns, Look::of_results(terminal, backend.now()))
        }
        Does::Operation(operation) => {
            let input = (operation.from_arguments)(matches)?;
            refuse_empty(operation.subject, &input, operation.arguments)?;
            change::must_be_answerable(terminal, globals, operation.name)?;
            let backend = Backend::open(globals, terminal).await?;
            change::change(terminal, globals, &backend, operation, input).await
        }
        Does::Task(task) if task.name == DOCTOR => {
            // It has to work where nothing else does: without a server, and without a database.
            own::doctor::run(terminal, globals, matches, (task.from_arguments)(matches)?).await
        }
        Does::Task(task) => {
            let input = (task.from_arguments)(matches)?;
            refuse_empty(task.subject, &input, task.arguments)?;
            task::must_be_answerable(terminal, globals, task, &input)?;
            let backend = Backend::open_for(task.name, &input, globals, terminal).await?;
            task::task(terminal, globals, &backend, task, input).await
        }
    }
}

/// An id that is empty is a script's variable that was never set.
fn refuse_empty(
    subject: Option<&str>,
    input: &Value,
    arguments: fn(Command) -> Command,
) -> Result<(), Failure> {
    let is_empty = |name: &&str| input[*name].as_str().is_some_and(|id| id.trim().is_empty());
    let Some(name) = subject.filter(is_empty) else { return Ok(()) };
    let command = arguments(Command::new("it"));
    let argument = command.get_arguments().find(|argument| argument.get_id() == name);
    let shown = argument.and_then(|argument| argument.get_value_names()?.first().map(ToString::to_string));
    Err(Failure::usage(format!("{} is empty", shown.unwrap_or_else(|| name.to_uppercase()))))
}

fn show(terminal: &Terminal, answer: &Value, columns: &[&str], look: Look) -> Result<Exit, Failure> {
    if terminal.json.is_some() {
        terminal.print_json(answer)?;
        return Ok(Exit::Ok);
    }
    terminal.print(&render::answer(answer, columns, look))?;
    if let Some(rows) = answer["data"].as_array() {
        let last = rows.last().map(|row| row["id"].as_str().or(row["sku"].as_str()).unwrap_or_default());
        match (last, answer["has_more"].as_bool()) {
            (None, _) => terminal.say("nothing there"),
            (Some(last), Some(true)) if !last.is_empty() => {
                terminal.say(&format!("there is more: --starting-after {last}"));
            }
            _ => {}
        }
    }
    Ok(Exit::Ok)
}
