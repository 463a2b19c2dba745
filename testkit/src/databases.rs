//! Databases for tests that run on both engines.
//!
//! SQLite is a file of its own for each test. PostgreSQL is a database of its own on the server that
//! `MAKEGOOD_TEST_POSTGRES` names; `./check` starts such a server. Without one the PostgreSQL half of a test says
//! on stderr that it was not run, and fails when `MAKEGOOD_REQUIRE_POSTGRES=1` demands it.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use db::{Db, Limits, Migration, Target};
use kernel::Timestamp;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::stripe_data::say;

const ADMIN: &str = "MAKEGOOD_TEST_POSTGRES";
const REQUIRED: &str = "MAKEGOOD_REQUIRE_POSTGRES";
/// Template databases are made by one test process at a time; any number will do.
const TEMPLATE_LOCK: i64 = 7_261_999;

/// Which engine a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own on a server.
    Postgres,
}

/// A database that only one test sees and that goes away with it.
pub struct TestDb {
    /// The open database.
    pub db: Db,
    /// Its name, to open it again as another node or another process does.
    pub target: Target,
    /// Which engine it is.
    pub engine: Engine,
    // Dropped last, when `db` no longer uses it.
    _place: Place,
}

impl TestDb {
    /// An empty database. `None` when there is no PostgreSQL to run on; a line on stderr says so.
    pub async fn open(engine: Engine) -> Option<TestDb> {
        TestDb::open_with(engine, Limits::default()).await
    }

    /// The same with other limits.
    pub async fn open_with(engine: Engine, limits: Limits) -> Option<TestDb> {
        Some(TestDb::at(engine, Place::empty(engine).await?, limits).await)
    }

    /// A database on which `migrations` have run. On PostgreSQL they run once for all tests, on a template whose
    /// copies cost little.
    pub async fn migrated(engine: Engine, migrations: &'static [Migration]) -> Option<TestDb> {
        TestDb::migrated_with(engine, migrations, Limits::default()).await
    }

    /// The same with other limits.
    pub async fn migrated_with(
        engine: Engine,
        migrations: &'static [Migration],
        limits: Limits,
    ) -> Option<TestDb> {
        let this = TestDb::at(engine, Place::migrated(engine, migrations).await?, limits).await;
        if engine == Engine::Sqlite {
            migrate(&this.db, migrations).await;
        }
        Some(this)
    }

    /// The same data, opened once more: another node.
    pub async fn again(&self) -> Db {
        self.again_with(Limits::default()).await
    }

    /// The same data, opened once more with other limits.
    pub async fn again_with(&self, limits: Limits) -> Db {
        Db::open(&self.target, limits).await.expect("the database opens once more")
    }

    /// The rest of this database, without the handle in `db`: to be opened again after it was closed.
    pub async fn reopened(self) -> TestDb {
        let TestDb { db, engine, _place: place, .. } = self;
        drop(db);
        TestDb::at(engine, place, Limits::default()).await
    }

    async fn at(engine: Engine, place: Place, limits: Limits) -> TestDb {
        let target = place.target();
        let db = Db::open(&target, limits).await.expect("a fresh database opens");
        TestDb { db, target, engine, _place: place }
    }
}

/// Makes two tests of one: `<name>::sqlite` and `<name>::postgres`, each with a fresh database.
///
/// ```
/// testkit::on_both_engines! {
///     /// Why this matters.
///     async fn an_empty_answer_has_no_rows(test: TestDb) {
///         let rows = test.db.read("test", |tx| tx.query("SELECT 1 WHERE 1 = 2", &[])).await.unwrap();
///         assert!(rows.is_empty());
///     }
/// }
/// ```
///
/// With `migrated by MIGRATIONS;` in front, those have run. A test may take `mut test: TestDb`.
#[macro_export]
macro_rules! on_both_engines {
    (migrated by $migrations:expr; $($rest:tt)*) => {
        $crate::__on_both_engines! { ($migrations) $($rest)* }
    };
    ($($rest:tt)*) => {
        $crate::__on_both_engines! { (&[]) $($rest)* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __on_both_engines {
    (($migrations:expr) $($(#[$about:meta])* async fn $name:ident($($argument:ident)+: TestDb) $body:block)*) => {$(
        $(#[$about])*
        #[cfg(test)]
        mod $name {
            use super::*;

            async fn on($($argument)+: $crate::TestDb) $body

            #[test]
            fn sqlite() {
                $crate::databases::run_on($crate::Engine::Sqlite, $migrations, on);
            }

            #[test]
            fn postgres() {
                $crate::databases::run_on($crate::Engine::Postgres, $migrations, on);
            }
        }
    )*};
}

/// Runs `test` on a fresh database of `engine`, in a runtime like that of the server.
pub fn run_on<F>(engine: Engine, migrations: &'static [Migration], test: impl FnOnce(TestDb) -> F)
where
    F: Future<Output = ()>,
{
    runtime().block_on(async {
        let database = match migrations {
            [] => TestDb::open(engine).await,
            migrations => TestDb::migrated(engine, migrations).await,
        };
        if let Some(database) = database {
            test(database).await;
        }
    });
}

/// A runtime of two threads, as a small machine has.
pub fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

/// The server for tests, as its administrator. Where there is none it says so once, or fails when one is required.
pub fn postgres() -> Option<String> {
    static SAID: Once = Once::new();
    let url = std::env::var(ADMIN).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
        assert!(!required, "{REQUIRED}=1, but {ADMIN} is not set");
        SAID.call_once(|| say(&format!("not run on PostgreSQL: {ADMIN} is not set; ./check sets it up")));
    }
    url
}

/// A PostgreSQL server of one test alone, which may stop it.
pub struct Server {
    folder: tempfile::TempDir,
    port: u16,
    bin: PathBuf,
}

impl Server {
    /// Starts one. `None` when no PostgreSQL is asked for at all; then a line on stderr says so.
    pub fn start() -> Option<Server> {
        postgres()?;
        let bin =
            programs().expect("initdb and pg_ctl in MAKEGOOD_POSTGRES_BIN, PATH or /usr/lib/postgresql");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let server = Server { folder, port: free.expect("a free port").port(), bin };
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(server.folder.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "the folder belongs to postgres");
        }
        server.run("initdb", &["-D", &server.data(), "-U", "postgres", "-A", "trust", "-N"]);
        server.up();
        Some(server)
    }

    /// Its database.
    pub fn target(&self) -> Target {
        Target::Postgres(format!("postgres://postgres@127.0.0.1:{}/postgres", self.port))
    }

    /// Starts it again.
    pub fn up(&self) {
        let options = format!("-p {} -k {} -c listen_addresses=127.0.0.1", self.port, self.path(""));
        self.run("pg_ctl", &["-D", &self.data(), "-l", &self.path("log"), "-w", "-o", &options, "start"]);
    }

    /// Stops it: `fast` as an operator does, `immediate` as a power cut.
    pub fn stop(&self, how: &str) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-m", how, "stop"]);
    }

    fn data(&self) -> String {
        self.path("data")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program).args(arguments).stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?}");
    }

    /// initdb refuses to work for root; then the user whom the package made does.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl").args(["-D", &self.data(), "-m", "immediate", "stop"]).output();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}

/// Where the server's programs are.
fn programs() -> Option<PathBuf> {
    let named = std::env::var_os("MAKEGOOD_POSTGRES_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = named.into_iter().chain(std::env::split_paths(&path)).collect();
    places.extend(debian.map(|version| version.path().join("bin")));
    let has_all = |place: &PathBuf| place.join("initdb").exists() && place.join("pg_ctl").exists();
    places.into_iter().find(has_all)
}

/// Where the data of a test lies until the test is over.
enum Place {
    Folder(tempfile::TempDir),
    Database { admin: String, name: String },
}

impl Place {
    async fn empty(engine: Engine) -> Option<Place> {
        match engine {
            Engine::Sqlite => Some(Place::Folder(tempfile::tempdir().expect("a temporary folder"))),
            Engine::Postgres => Some(Place::database(postgres()?, "").await),
        }
    }

    async fn migrated(engine: Engine, migrations: &'static [Migration]) -> Option<Place> {
        match engine {
            Engine::Sqlite => Place::empty(engine).await,
            Engine::Postgres => {
                let admin = postgres()?;
                let template = template(&admin, migrations).await;
                Some(Place::database(admin, &format!(" TEMPLATE {template}")).await)
            }
        }
    }

    async fn database(admin: String, template: &str) -> Place {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The random part keeps containers apart that share a server and count their processes from 1.
        let random = RandomState::new().build_hasher().finish() as u32;
        let name = format!("mg_{}_{count}_{random:08x}", std::process::id());
        let client = connect(&admin).await;
        client.batch_execute(&format!("CREATE DATABASE {name}{template}")).await.expect("a new database");
        Place::Database { admin, name }
    }

    fn target(&self) -> Target {
        match self {
            Place::Folder(folder) => Target::Sqlite(folder.path().join("makegood.db")),
            Place::Database { admin, name } => Target::Postgres(at_database(admin, name)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Place::Database { admin, name } = self else { return };
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // On a thread of its own, because a drop may happen inside of a runtime.
        let (admin, drop_it) = (admin.clone(), sql);
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                runtime.block_on(async { connect(&admin).await.batch_execute(&drop_it).await })
            })
        });
        if !matches!(dropping.join(), Ok(Ok(Ok(())))) {
            say(&format!("the test database {name} could not be dropped"));
        }
    }
}

/// The name of a database on which `migrations` have run; made now if no one has made it before.
async fn template(admin: &str, migrations: &'static [Migration]) -> String {
    let mut hash = std::hash::DefaultHasher::new();
    migrations.iter().for_each(|step| hash.write(format!("{} {}\n", step.version, step.sql).as_bytes()));
    let name = format!("mg_template_{:016x}", hash.finish());
    let client = connect(admin).await;
    client
        .execute("SELECT pg_advisory_lock($1)::text", &[&TEMPLATE_LOCK])
        .await
        .expect("the templates' lock");
    let known = client.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await;
    if known.expect("the list of databases").is_empty() {
        // Under another name until it is whole: a test process may be killed on the way.
        let growing = format!("{name}_growing");
        let sql = format!("DROP DATABASE IF EXISTS {growing} WITH (FORCE)");
        client.batch_execute(&sql).await.expect("no half-made template");
        client.batch_execute(&format!("CREATE DATABASE {growing}")).await.expect("a new template");
        let target = Target::Postgres(at_database(admin, &growing));
        let limits = Limits { pool_max: 1, ..Limits::default() };
        let db = Db::open(&target, limits).await.expect("the new template opens");
        migrate(&db, migrations).await;
        drop(db);
        let sql = format!(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE datname = '{growing}';
             ALTER DATABASE {growing} RENAME TO {name}"
        );
        // A backend needs a moment to notice that its client has left.
        let mut renamed = client.batch_execute(&sql).await;
        for _ in 0..50 {
            if renamed.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            renamed = client.batch_execute(&sql).await;
        }
        renamed.expect("the template gets its name");
    }
    name
}

async fn migrate(db: &Db, migrations: &'static [Migration]) {
    db.migrate(migrations, Timestamp::from_seconds(1_790_000_000)).await.expect("the migrations run");
}

/// Connects as administrator. The connection ends with the client.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("{ADMIN} names a server that does not answer: {error}"));
    tokio::spawn(connection);
    client
}

/// The same server, another database.
fn at_database(url: &str, name: &str) -> String {
    let (server, options) = url.split_once('?').map_or((url, None), |(server, rest)| (server, Some(rest)));
    let authority = server.find("://").map_or(0, |at| at + 3);
    let end = server[authority..].find('/').map_or(server.len(), |slash| authority + slash);
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{}/{name}{options}", &server[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_in_a_url_is_replaced_and_its_options_stay() {
        for (url, expected) in [
            ("postgres://u@h:1/postgres", "postgres://u@h:1/x"),
            ("postgres://u@h:1", "postgres://u@h:1/x"),
            ("postgres:///postgres?host=/run/pg&user=u", "postgres:///x?host=/run/pg&user=u"),
        ] {
            assert_eq!(at_database(url, "x"), expected);
        }
    }
}
