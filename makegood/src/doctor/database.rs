//! The database: that it answers, is up to date, keeps what was committed, and cannot be rewritten by this program.

use db::{Db, Examined, Sessions, Target};
use kernel::Duration;
use shop::office::connections::HELD_TOO_LONG;

use super::finding::Seen;
use super::patient::Patient;

/// Two clocks may differ by so much before leases and ages go wrong.
const SKEW: Duration = Duration::from_secs(2);
/// The indexes by which orders are looked up.
const ORDER_INDEXES: [&str; 5] =
    ["UserIndex", "SellerIndex", "PaymentIntentIndex", "CheckoutSessionIndex", "StatusIndex"];

pub(super) async fn reachable(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else {
        return vec![Seen::nothing("the configuration is wrong")];
    };
    match &patient.db {
        Err(why) => {
            let made_at_start = matches!(&config.database, Target::Sqlite(path) if !path.exists());
            match made_at_start {
                true => vec![Seen::info(format!("{why}; makegood serve makes it"))],
                false => {
                    let told = format!("Bootstrap failed: {why}");
                    vec![Seen::error(told).expected("a database that answers").fix(
                        "see that the server runs, that its address can be reached from here, and who may connect",
                    )]
                }
            }
        }
        Ok(_) if patient.is_crowded() => vec![Seen::nothing("no connection to the database is free")],
        Ok(db) => match examined(db).await {
            Ok(seen) => vec![Seen::ok(seen.engine)],
            Err(told) => vec![told],
        },
    }
}

async fn examined(db: &Db) -> Result<Examined, Seen> {
    let seen = db.examine(&shop::ONLY_GROW, "orders").await;
    seen.map_err(|error| {
        Seen::error(format!("the database does not answer: {error}")).fix("makegood health --ready")
    })
}

/// The database that is open, examined; what is looked at afterwards needs both.
async fn look(patient: &Patient, at: impl FnOnce(Examined) -> Vec<Seen>) -> Vec<Seen> {
    let Ok(db) = &patient.db else { return Vec::new() };
    match examined(db).await {
        Ok(seen) => at(seen),
        Err(told) => vec![told],
    }
}

pub(super) async fn migrated(patient: &Patient) -> Vec<Seen> {
    let Ok(db) = &patient.db else { return Vec::new() };
    match db.migrations(shop::MIGRATIONS).await {
        Err(error) => vec![Seen::error(format!("its migrations cannot be read: {error}"))],
        Ok(steps) => {
            let missing = steps.iter().filter(|step| step.applied_at.is_none()).count();
            match missing {
                0 => vec![Seen::ok(format!("all {} migrations have run", steps.len()))],
                more => vec![
                    Seen::error(format!("{more} of {} migrations have not run", steps.len()))
                        .expected("all of them")
                        .fix("makegood db migrate, or AUTO_MIGRATE=true and a restart"),
                ],
            }
        }
    }
}

pub(super) async fn durable(patient: &Patient) -> Vec<Seen> {
    look(patient, |seen| {
        let told: Vec<String> = seen.durability.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let told = told.join(", ");
        match seen.is_durable {
            true => vec![Seen::ok(told)],
            false => vec![
                Seen::error(format!("{told}: an event that was acknowledged could be lost"))
                    .expected("synchronous_commit, fsync and full_page_writes on; journal_mode wal")
                    .fix("ALTER SYSTEM RESET synchronous_commit, and the same for the others; then reload PostgreSQL"),
            ],
        }
    })
    .await
}

pub(super) async fn clock(patient: &Patient) -> Vec<Seen> {
    let before = patient.now();
    look(patient, |seen| {
        let Some(theirs) = seen.now else { return vec![Seen::ok("it is this machine's own")] };
        let ours = patient.now();
        // Its answer was made somewhere between.
        let behind = before.since(theirs);
        let ahead = theirs.since(ours);
        let off = behind.max(ahead);
        match off > SKEW {
            false => Vec::new(),
            true => vec![
                Seen::warning(format!("the database's clock is off by {:.1} s", off.as_secs_f64()))
                    .expected("less than 2 s")
                    .fix("set the clock of both machines by NTP"),
            ],
        }
    })
    .await
}

pub(super) async fn role(patient: &Patient) -> Vec<Seen> {
    look(patient, |seen| {
        let Some((role, is_superuser)) = seen.role else {
            return vec![Seen::info("SQLite has no roles: who may write its file may change it")];
        };
        match (is_superuser, seen.may_change.is_empty()) {
            (false, true) => vec![Seen::ok(format!("{role} may only add to {}", shop::ONLY_GROW.join(", ")))],
            (is_superuser, _) => {
                let who = if is_superuser { "a superuser, who" } else { "one who" };
                vec![
                    Seen::warning(format!(
                        "the role {role} is {who} may change {}",
                        seen.may_change.join(", ")
                    ))
                    .expected("a role that may only add to them")
                    .fix("makegood db grant ROLE, and let makegood serve connect as that role"),
                ]
            }
        }
    })
    .await
}

/// At start: a look-up that reads every order is slow long before anybody asks doctor.
pub(crate) async fn warn_of_indexes(db: &Db) {
    let Ok(seen) = db.examine(&shop::ONLY_GROW, "orders").await else { return };
    for name in missing(&seen) {
        tracing::warn!(
            index = name,
            "[orders-index-warning] an index on orders is missing: looking one up reads all"
        );
    }
}

fn missing(seen: &Examined) -> Vec<&'static str> {
    ORDER_INDEXES.into_iter().filter(|name| !seen.indexes.iter().any(|known| known == name)).collect()
}

pub(super) async fn indexes(patient: &Patient) -> Vec<Seen> {
    let is_new = |seen: &Examined| seen.indexes.is_empty();
    look(patient, |seen| {
        if is_new(&seen) {
            return vec![Seen::info("there are no orders yet: the schema was not made")];
        }
        let missing = missing(&seen);
        match missing.is_empty() {
            true => Vec::new(),
            false => vec![
                Seen::warning(format!(
                    "[orders-index-warning] orders are looked up without {}: every look reads all of them",
                    missing.join(", ")
                ))
                .expected("a valid index for each way to look an order up")
                .fix("make the index again, as shop/migrations/0001_foundation.sql has it"),
            ],
        }
    })
    .await
}

pub(super) async fn transactions(patient: &Patient) -> Vec<Seen> {
    let Ok(sessions) = sessions(patient).await else { return Vec::new() };
    let held = sessions.others.iter().filter(|session| session.holds_a_transaction());
    held.filter(|session| session.for_how_long >= HELD_TOO_LONG)
        .map(|session| {
            let (who, seconds) = (&session.who, session.for_how_long.as_secs());
            Seen::warning(format!(
                "{who} has held a transaction open for {seconds} s (connection {})",
                session.id
            ))
            .expected("transactions that end within a minute")
            .fix("makegood db cut")
        })
        .collect()
}

pub(super) async fn connections(patient: &Patient) -> Vec<Seen> {
    let sessions = match sessions(patient).await {
        Ok(sessions) => sessions,
        Err(told) => return vec![told],
    };
    let Some(most) = sessions.most else { return vec![Seen::ok("SQLite has no server")] };
    let (taken, idle) = (sessions.taken, sessions.others.iter().filter(|session| session.is_idle()).count());
    match taken * 10 >= most * 9 {
        false => vec![Seen::ok(format!("the server has {taken} of {most} connections"))],
        true => vec![
            Seen::error(format!(
                "the server has {taken} of {most} connections; {idle} of others sit idle here"
            ))
            .expected("a tenth of them free")
            .fix("makegood db cut; then give each program's pool a limit, or raise max_connections"),
        ],
    }
}

async fn sessions(patient: &Patient) -> Result<Sessions, Seen> {
    let Ok(db) = &patient.db else { return Ok(Sessions::default()) };
    let told =
        |error| Seen::warning(format!("its connections cannot be listed: {error}")).fix("makegood db status");
    db.sessions().await.map_err(told)
}

/// It asks the pool, not the database: perhaps nobody gets through to that one.
pub(super) async fn pool(patient: &Patient) -> Vec<Seen> {
    let (Ok(db), true) = (&patient.db, patient.serves) else {
        return vec![Seen::nothing("only a running server has a pool")];
    };
    let pool = db.pool();
    let refused = match pool.refused {
        0 => String::new(),
        many => format!("; {many} were refused since the start"),
    };
    match patient.is_crowded() {
        false => vec![Seen::ok(format!(
            "{} of {} connections busy, {} waiting{refused}",
            pool.busy, pool.size, pool.waiting
        ))],
        true => vec![
            Seen::error(format!(
                "connection pool exhausted: {} wait for {} connections{refused}",
                pool.waiting, pool.size
            ))
            .expected("fewer than there are connections")
            .fix("makegood db pool says what works; DB_POOL_MAX says how many connections there may be"),
        ],
    }
}
