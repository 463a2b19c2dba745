//! `makegood db`

use db::{Db, MigrationState, Target};
use kernel::Clock;
use serde_json::json;

use super::Call;
use crate::app;
use crate::cli::backend::{config, opened};
use crate::cli::change::go_ahead;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::{Look, table};
use crate::cli::terminal::Tone;
use crate::clock::SystemClock;

pub async fn status(call: &Call<'_>) -> Result<Exit, Failure> {
    let (db, place) = open(call).await?;
    let steps = db.migrations(shop::MIGRATIONS).await?;
    let missing = steps.iter().filter(|step| step.applied_at.is_none()).count();
    let rows: Vec<_> = steps.iter().map(row).collect();
    if call.terminal.json.is_some() {
        let pool = db.pool();
        call.terminal.print_json(&json!({
            "object": "database", "place": place, "migrations": rows, "missing": missing,
            "pool": { "size": pool.size, "busy": pool.busy, "waiting": pool.waiting },
        }))?;
    } else {
        let look = Look::of_results(call.terminal, SystemClock.now());
        let said = match missing {
            0 => look.paint.tone(Tone::Good, "the schema is up to date"),
            1 => look.paint.tone(Tone::Warn, "1 migration has not run; run: makegood db migrate"),
            more => look
                .paint
                .tone(Tone::Warn, &format!("{more} migrations have not run; run: makegood db migrate")),
        };
        let steps = table(&["version", "name", "applied_at"], &rows, look);
        call.terminal.print(&format!("{place}\n\n{steps}\n{said}\n"))?;
    }
    Ok(if missing == 0 { Exit::Ok } else { Exit::Findings })
}

pub async fn migrate(call: &Call<'_>) -> Result<Exit, Failure> {
    let (terminal, globals) = (call.terminal, call.globals);
    if !globals.dry_run && !globals.yes && !terminal.can_ask {
        let detail = "db migrate changes the schema, and there is nobody to ask";
        return Err(
            Failure::new("flag_required", detail).fix("add --yes, or --dry-run to see what would run")
        );
    }
    let (db, place) = open(call).await?;
    let config = config()?;
    let steps = db.migrations(shop::MIGRATIONS).await;
    let steps = opened(steps.map_err(|error| app::not_migrated(&config, error)))?;
    let missing: Vec<_> = steps.iter().filter(|step| step.applied_at.is_none()).map(row).collect();
    if missing.is_empty() || globals.dry_run {
        return told(call, &missing, if missing.is_empty() { "nothing to run" } else { "would run" });
    }
    let look = Look::of_talk(terminal, SystemClock.now());
    terminal.say(&format!("{place}: these would run\n{}", table(&["version", "name"], &missing, look)));
    if !globals.yes {
        go_ahead(terminal, "Run them?")?;
    }
    let applied = db.migrate(shop::MIGRATIONS, SystemClock.now()).await;
    let applied = opened(applied.map_err(|error| app::not_migrated(&config, error)))?;
    let rows: Vec<_> =
        applied.iter().map(|step| json!({ "version": step.version, "name": step.name })).collect();
    told(call, &rows, "ran")
}

/// Give a PostgreSQL role what `serve` needs, and no way to change the audit log or the ledger
#[derive(Debug, clap::Args)]
pub struct GrantArguments {
    /// The role as which `serve` will connect; it exists, and owns nothing here
    role: String,
}

pub async fn grant(call: &Call<'_>, arguments: GrantArguments) -> Result<Exit, Failure> {
    let (terminal, globals) = (call.terminal, call.globals);
    if !globals.dry_run && !globals.yes && !terminal.can_ask {
        let detail = "db grant changes what a role may do, and there is nobody to ask";
        return Err(
            Failure::new("flag_required", detail).fix("add --yes, or --dry-run to see the statements")
        );
    }
    let (db, place) = open(call).await?;
    let missing = db.migrations(shop::MIGRATIONS).await?.iter().any(|step| step.applied_at.is_none());
    if missing {
        return Err(Failure::new("not_migrated", "tables that are still to come could not be granted")
            .fix("makegood db migrate"));
    }
    let statements = db.grants(&arguments.role, &shop::LIMITED).await?;
    let text = statements.join(";\n") + ";";
    if !globals.dry_run {
        if !globals.yes {
            terminal.say(&format!("{place}: this would run\n{text}"));
            go_ahead(terminal, "Run it?")?;
        }
        db.grant(statements.clone()).await?;
    }
    let status = if globals.dry_run { "would run" } else { "ran" };
    match terminal.json {
        Some(_) => {
            terminal.print_json(&json!({ "object": "list", "data": statements, "status": status }))?
        }
        None if globals.dry_run => terminal.print(&text)?,
        None => terminal.print(&format!(
            "{} may run the shop, and only add to {}\nlet `serve` connect as this role, with AUTO_MIGRATE=false; after \
             makegood db migrate grant again",
            arguments.role,
            shop::ONLY_GROW.join(", ")
        ))?,
    }
    Ok(Exit::Ok)
}

fn told(call: &Call<'_>, rows: &[serde_json::Value], what: &str) -> Result<Exit, Failure> {
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&json!({ "object": "list", "data": rows, "status": what }))?,
        None => {
            let look = Look::of_results(call.terminal, SystemClock.now());
            call.terminal.print(&format!("{what}\n{}", table(&["version", "name"], rows, look)))?;
        }
    }
    Ok(Exit::Ok)
}

/// The database as it is: its schema is left alone.
async fn open(call: &Call<'_>) -> Result<(Db, String), Failure> {
    if call.globals.server.is_some() {
        return Err(Failure::usage(
            "db commands look at the database itself; leave --server and MAKEGOOD_URL away",
        ));
    }
    let config = config()?;
    let place = match &config.database {
        Target::Sqlite(path) => format!("SQLite, {}", path.display()),
        // The URL holds a password; what stands behind the last @ and before the ? does not.
        Target::Postgres(url) => {
            let rest =
                url.rsplit_once('@').map_or_else(|| url.trim_start_matches("postgres://"), |(_, rest)| rest);
            format!("PostgreSQL, {}", rest.split('?').next().unwrap_or_default())
        }
    };
    Ok((opened(app::open_database(&config).await)?, place))
}

fn row(step: &MigrationState) -> serde_json::Value {
    json!({ "version": step.version, "name": step.name, "applied_at": step.applied_at })
}
