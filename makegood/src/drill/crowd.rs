//! A crowd before the database: every connection is taken, and more work waits than there are connections.

use std::sync::{Arc, Condvar, Mutex};

use db::{Db, Tx};
use kernel::Duration;
use tokio::task::JoinHandle;

use crate::doctor::is_crowded;

/// So often is looked whether enough wait.
const LOOK: Duration = Duration::from_millis(20);

/// So many more than twice the connections come.
const SPARE: usize = 20;

/// It goes when it is dropped.
pub(super) struct Crowd {
    db: Db,
    door: Arc<Door>,
    keeper: JoinHandle<()>,
}

/// Behind it they work until it opens.
#[derive(Default)]
struct Door {
    open: Mutex<bool>,
    opens: Condvar,
}

impl Door {
    fn wait(&self) {
        let closed = |open: &mut bool| !*open;
        let open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        drop(self.opens.wait_while(open, closed));
    }
    fn open(&self) {
        *self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        self.opens.notify_all();
    }
}

impl Crowd {
    /// Gathers, and stays.
    pub(super) async fn gather(db: &Db) -> Crowd {
        let door = Arc::new(Door::default());
        let keeper = tokio::spawn(keep(db.clone(), door.clone()));
        let crowd = Crowd { db: db.clone(), door, keeper };
        while !crowd.waits() {
            tokio::time::sleep(LOOK).await;
        }
        crowd
    }

    fn waits(&self) -> bool {
        is_crowded(self.db.pool())
    }

    /// All of it goes.
    pub(super) async fn leave(self) {
        self.keeper.abort();
        self.door.open();
        while self.db.pool().waiting > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.keeper.abort();
        self.door.open();
    }
}

/// Who waited too long is refused and goes; others come.
async fn keep(db: Db, door: Arc<Door>) {
    loop {
        let pool = db.pool();
        for _ in pool.waiting..pool.size * 2 + SPARE {
            let (db, door) = (db.clone(), door.clone());
            tokio::spawn(async move {
                let work = move |_: &mut Tx<'_>| {
                    door.wait();
                    Ok(())
                };
                // One that is refused has waited all the same.
                drop(db.read("drill.crowd", work).await);
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}
