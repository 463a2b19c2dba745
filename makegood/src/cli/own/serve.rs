//! `makegood serve`

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use super::Call;
use crate::cli::backend::{opened, served_config};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::terminal::Paint;
use crate::config::LogFormat;
use crate::serve::{self, ServeError};

pub async fn run(call: &Call<'_>) -> Result<Exit, Failure> {
    let config = served_config()?;
    start_logging(
        config.log_format,
        if call.globals.verbose > 0 { "debug" } else { "info" },
        call.terminal.err,
    );
    match serve::serve(config, serve::asked_to_stop()).await {
        Ok(()) => Ok(Exit::Ok),
        Err(ServeError::Open(error)) => opened(Err(error)),
        Err(error @ ServeError::DiskFailed) => Err(Failure::new("disk_failed", error.to_string()).fix(
            "see that the disk is well (dmesg, df), then start again; a service manager does that by itself",
        )),
        Err(error @ ServeError::Listen { .. }) => Err(Failure::new("configuration", error.to_string())
            .fix("stop what listens there, or set another address")),
    }
}

/// Stderr for a server, which goes on when nobody reads there any more: a reader that died must not take the shop along.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Log lines go to stderr, painted like all talk; `RUST_LOG` chooses which.
pub fn start_logging(format: LogFormat, level: &str, paint: Paint) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        .with_ansi(paint.0)
        .log_internal_errors(false);
    // Whoever has begun to log already goes on as they began.
    let _ = match format {
        LogFormat::Json => lines.json().try_init(),
        LogFormat::Text => lines.with_target(false).try_init(),
    };
}
