//! The real binary on a database of its own, without a terminal: what scripts get.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use db::Target;
use serde_json::Value;
use testkit::TestDb;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// The result.
    pub out: String,
    /// The talk.
    pub err: String,
}

impl Said {
    /// The result as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    /// The failure as JSON, from stderr.
    pub fn problem(&self) -> Value {
        serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    /// It must have ended so.
    #[track_caller]
    pub fn ends(self, code: i32) -> Said {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// A folder and an environment in which commands run.
pub struct Stage {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Stage {
    /// Commands that open this database.
    pub fn on(test: &TestDb) -> Stage {
        Stage::bare().with("DATABASE_URL", url(test))
    }
    /// Commands that find no setting.
    pub fn bare() -> Stage {
        Stage { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }
    /// The same with a setting.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Stage {
        self.environment.push((name.into(), value.into()));
        self
    }
    /// Where commands run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    /// A file in that folder.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder().join(name), text).unwrap();
        name.to_owned()
    }
    /// The command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_makegood"), arguments)
    }
    /// The same under another name of the binary.
    pub fn command_of(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir(self.folder()).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        command
    }
    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }
    /// Runs a line of words, as a person types it; no word may hold a space.
    pub fn type_in(&self, line: &str) -> Said {
        self.run(&line.split(' ').collect::<Vec<_>>())
    }
}

/// The name of a database, as the configuration has it.
pub fn url(test: &TestDb) -> String {
    match &test.target {
        Target::Sqlite(path) => format!("sqlite:{}", path.display()),
        Target::Postgres(url) => url.clone(),
    }
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: status.code().expect("it ends by itself"), out: text(stdout), err: text(stderr) }
}
