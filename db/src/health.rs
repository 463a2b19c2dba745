//! Whether the disk under a database takes commits: said by the one who writes, heard by those who wait for it.

use tokio::sync::watch;

/// How the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It takes what it is given.
    Well,
    /// The last commit found no room. Nothing is broken: as soon as there is room, commits go on.
    Full,
    /// It failed under a commit, and whether that one lasts only the next start tells: nothing is acknowledged until then.
    Failed,
}

impl Health {
    /// A word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Well => "healthy",
            Health::Full => "the disk is full",
            Health::Failed => "the disk failed under a commit",
        }
    }
}

/// One database's health.
pub(crate) struct Pulse(watch::Sender<Health>);

impl Pulse {
    pub(crate) fn new() -> Pulse {
        Pulse(watch::channel(Health::Well).0)
    }

    pub(crate) fn health(&self) -> Health {
        *self.0.borrow()
    }

    /// Says whether that is news. A disk that failed is never well again under this process.
    pub(crate) fn is_now(&self, health: Health) -> bool {
        self.0.send_if_modified(|known| {
            let changes = *known != health && *known != Health::Failed;
            if changes {
                *known = health;
            }
            changes
        })
    }

    /// Ends when the disk has failed.
    pub(crate) async fn failed(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|health| *health == Health::Failed).await;
    }
}
