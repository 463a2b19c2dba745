//! Connections to the database: ours, those of others, and cutting what sits idle in the way of both.

use std::ops::Deref;

use db::{Session, Sessions, TxResult};
use kernel::{Duration, Result};
use ops::{By, Change, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::seam::Seam;

/// A transaction of another program's that has not gone on for so long keeps what it has locked.
pub const HELD_TOO_LONG: Duration = Duration::from_secs(60);

/// List the connections to the database: how many are ours and how many wait for one, and who else sits there
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Pool {}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Pool {
    const NAME: &'static str = "db.pool";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "who", "state", "seconds"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, _: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let pool = seam.db.pool();
            let sessions = seam.db.sessions().await?;
            let ours = json!({
                "object": "pool", "id": "ours", "who": "this program",
                "state": format!("{} of {} at work, {} waiting", pool.busy, pool.size, pool.waiting),
                "size": pool.size, "busy": pool.busy, "waiting": pool.waiting, "refused": pool.refused,
                "server_taken": sessions.most.map(|_| sessions.taken), "server_takes": sessions.most,
            });
            let others = sessions.others.iter().map(row);
            Ok(Done::list(std::iter::once(ours).chain(others).collect()))
        })
    }
}

fn row(session: &Session) -> Value {
    json!({
        "object": "session", "id": session.id.to_string(), "who": session.who, "state": session.state,
        "seconds": session.for_how_long.as_secs(),
    })
}

/// Cut connections of other programs to this database that sit idle, or hold a transaction open for more than a minute
///
/// What works is left alone, and so are the connections of makegood itself. Only PostgreSQL has a server whose connections
/// can be cut, and its role must be allowed to (pg_signal_backend, or the same role).
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Cut {
    /// Idle for so many minutes, outside of a transaction
    #[arg(long, value_name = "MINUTES", default_value_t = TEN)]
    #[serde(default = "ten")]
    pub idle_minutes: u32,
    /// Only list what would be cut
    #[arg(long)]
    #[serde(default)]
    pub preview: bool,
}

const TEN: u32 = 10;

fn ten() -> u32 {
    TEN
}

impl Cut {
    /// Who would be cut.
    fn idle<'s>(&self, sessions: &'s Sessions) -> Vec<&'s Session> {
        let idle = Duration::from_secs(u64::from(self.idle_minutes) * 60);
        let too_long = |session: &&Session| match session.holds_a_transaction() {
            true => session.for_how_long >= HELD_TOO_LONG.min(idle),
            false => session.is_idle() && session.for_how_long >= idle,
        };
        sessions.others.iter().filter(too_long).collect()
    }
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Cut {
    const NAME: &'static str = "db.cut";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "who", "state", "seconds"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect =
        Effect::Either(Changing { audit: "connections_cut", risk: Risk::Changes, role: Role::Admin });

    fn changes(&self) -> bool {
        !self.preview
    }

    fn preview(self) -> Option<Self> {
        Some(Cut { preview: true, ..self })
    }

    fn run<'a>(&'a self, on: &'a C, _: &'a By, _: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let seam: &Seam = on;
            let sessions = seam.db.sessions().await?;
            let idle = self.idle(&sessions);
            if self.preview {
                return Ok(Done::list(idle.into_iter().map(foreseen).collect::<Result<_>>()?));
            }
            let ids = idle.iter().map(|session| session.id).collect();
            let cut = seam.db.cut(ids).await.must_be_looked_up()?;
            let gone = idle.into_iter().filter(|session| cut.contains(&session.id));
            Ok(Done::list(gone.map(row).collect()))
        })
    }
}

fn foreseen(session: &Session) -> Result<Value> {
    let mut row = row(session);
    let what = format!("connection {} of {}", session.id, session.who);
    row["plan"] = json!([Change { what, from: session.state.clone(), to: "cut".into() }]);
    Ok(row)
}
