//! Real data that Stripe published: events of several API versions, its specification, signature vectors. It is
//! not part of this repository; tests that need it say so when it is not there.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the data lies when no other place is named: beside the workspace.
const BESIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/stripe");

/// The folder with Stripe's data: `MAKEGOOD_STRIPE_DATA`, or `../shared/stripe` beside the workspace.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("MAKEGOOD_STRIPE_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| BESIDE.into());
    folder.is_dir().then_some(folder)
}

/// One file of it. Without it, one line on stderr says that `what` was not run.
pub fn file(name: impl AsRef<Path>, what: &str) -> Option<PathBuf> {
    let name = name.as_ref();
    let file = folder().map(|folder| folder.join(name)).filter(|file| file.exists());
    if file.is_none() {
        say(&format!(
            "{what} was not run: no {} in MAKEGOOD_STRIPE_DATA or ../shared/stripe",
            name.display()
        ));
    }
    file
}

/// Says it past the capture of the test runner, which hides what a passing test prints.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
