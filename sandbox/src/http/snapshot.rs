//! The account in a file, so that `makegood dev` goes on where it stopped.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use kernel::{Clock, Entropy};

use crate::account::{Sandbox, Settings};
use crate::http::Shared;

impl Shared {
    /// Writes the account to `path`. It is written beside and then renamed, so that a crash leaves the old or the
    /// new one, never half of one.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(&*self.lock())?;
        let beside = path.with_extension("new");
        // The secrets of its endpoints stand in it.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&beside)?.write_all(&text)?;
        std::fs::rename(&beside, path)
    }

    /// The account from `path`, or an empty one when there is no such file. The settings are today's.
    pub fn load(
        path: &Path,
        settings: Settings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> io::Result<Arc<Self>> {
        let mut sandbox = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Sandbox::default(),
            Err(error) => return Err(error),
        };
        sandbox.settings = settings;
        let shared = Shared::new(sandbox, clock, entropy);
        shared.with(|sandbox, cx| sandbox.recover(cx));
        Ok(shared)
    }
}
