//! What one piece of work knows of the world: the sandbox's time, chance, and the request that caused it.

use kernel::{Cx, Timestamp};

/// The request behind a change; events name it.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) request: String,
    pub(crate) key: Option<String>,
}

/// The circumstances of one piece of work.
pub(crate) struct Call {
    /// Time (the sandbox's, which may run ahead) and chance.
    pub(crate) cx: Cx,
    /// `None` when a buyer or the passing of time caused it.
    pub(crate) origin: Option<Origin>,
}

impl Call {
    pub(crate) fn of_nobody(cx: Cx) -> Self {
        Call { cx, origin: None }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.cx.now
    }

    /// Now, as Stripe writes times.
    pub(crate) fn seconds(&self) -> i64 {
        self.cx.now.seconds()
    }
}
