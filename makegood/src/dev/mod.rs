//! `makegood dev`: one command on a fresh machine. A server with workers, a Stripe of its own beside it, an embedded
//! database in a folder of its own, and a small shop to buy from.

mod account;
mod banner;
mod film;
mod first_shop;
mod folder;
mod ink;
mod mailbox;
mod ours;
mod script;
mod storefront;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use db::Target;
use kernel::{Clock, Cx, Duration, Entropy, Error, Refusal, Result};
use mail::Mailbox;
use shop::Outside;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{App, OpenError, open_database, outside};
use crate::cli::terminal::Paint;
use crate::clock::{OsEntropy, SystemClock};
use crate::config::{Config, Sources, explain, left};
use crate::http::Front;
use crate::serve::{self, Door, Limits, asked_to_stop};
use crate::worker;

use account::Account;
use banner::Banner;
use folder::Folder;
use ink::Ink;

/// What `makegood dev` takes.
#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Begin anew: forget the orders, the stock and the sandbox's account
    #[arg(long)]
    pub reset: bool,
    /// Run a script without hands, print what happens, and end
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "first-ten-minutes")]
    pub script: Option<Script>,
    /// Where the server listens [default: LISTEN, else 127.0.0.1:3001; a script takes any free port]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where everything is kept [default: DATA_DIR, else makegood-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Do not open the shop in a browser
    #[arg(long)]
    pub no_open: bool,
}

/// What can be run without hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Script {
    /// Buys, declines, ships, repeats, expires and looks at what is left
    FirstTenMinutes,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Fine,
    /// A script saw something that must not be so; it has said what.
    Findings,
}

const USUAL_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3001);
/// Where everything is kept when nobody says.
pub const USUAL_FOLDER: &str = "makegood-data";
/// What may be set from outside, in the environment of this process; everything else is ours, so that a real shop's settings never meet test money.
const HEEDED: [&str; 9] = [
    "DATABASE_URL",
    "DB_POOL_MAX",
    "APP_URL",
    "CURRENCY",
    "RESERVATION_MINUTES",
    "WORKERS",
    "LOG_FORMAT",
    "STRIPE_EVENTS",
    "DOWNLOAD_TTL_SECONDS",
];
/// A development server does not keep anybody waiting who wants to stop it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs the shop until it is asked to stop, or a script until its end.
///
/// # Errors
/// Refused with what to do when a port or the folder is somebody else's, or the database is not one to play with.
pub async fn run(args: DevArgs, paint: Paint) -> Result<Outcome> {
    let ink = Ink(paint);
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(OsEntropy));
    let cx = Cx::new(clock.now(), entropy.clone());
    let listener = listen(&args).await?;
    let address = reachable(listener.local_addr().map_err(|e| Error::Bug(e.into()))?);
    let mut folder = Folder::claim(&data_dir(args.data_dir.clone()), &cx)?;
    if args.reset {
        folder.reset(&cx)?;
    }
    let sources = sources(&folder, address);
    let app_url = load(sources.clone())?.app_url;
    let account = Account::open(&folder, &app_url, clock.clone(), entropy.clone()).await?;
    let config = load(sources.with_flag("STRIPE_API_BASE", account.url()))?;
    let mailbox = Arc::new(Mailbox::default());
    let films = film::Films::new(&app_url, folder.webhook_secret(), clock.clone());
    let app = open(config, mailbox.clone(), films.clone(), clock, entropy).await?;
    account.send_events_to(&format!("http://{address}/webhooks/stripe"), folder.webhook_secret())?;
    if args.script.is_none() {
        folder.leave(whereabouts(&app.config.app_url, address, account.url(), folder.webhook_secret()))?;
    }
    let running = Running::start(app, listener, account, mailbox, &films)?;
    let outcome = match args.script {
        Some(Script::FirstTenMinutes) => script::first_ten_minutes(&running, address, ink).await,
        None => running.keep_shop(&args, &folder, ink).await,
    };
    running.stop().await;
    outcome
}

async fn listen(args: &DevArgs) -> Result<TcpListener> {
    let any_port = SocketAddr::new(USUAL_ADDRESS.ip(), 0);
    let usual = if args.script.is_some() { any_port } else { USUAL_ADDRESS };
    let address = match (args.listen, from_outside("LISTEN")) {
        (Some(address), _) => address,
        (None, Some(text)) if args.script.is_none() => text.parse().map_err(|_| {
            Error::invalid("LISTEN", format!("is `{text}`; expected an address like {USUAL_ADDRESS}"))
        })?,
        _ => usual,
    };
    TcpListener::bind(address).await.map_err(|error| {
        let next = SocketAddr::new(address.ip(), address.port().wrapping_add(1));
        Refusal::new("port_taken", format!("cannot listen at {address}: {error}"))
            .fix(format!("stop what listens there, or take another port: makegood dev --listen {next}"))
            .into()
    })
}

fn data_dir(named: Option<PathBuf>) -> PathBuf {
    let named = named.or_else(|| from_outside("DATA_DIR").map(PathBuf::from));
    named.unwrap_or_else(|| USUAL_FOLDER.into())
}

/// Where the `makegood dev` of this folder has its sandbox, or had it when it last ran.
pub fn sandbox_left() -> Option<String> {
    left(&data_dir(None), |_| false).remove("STRIPE_API_BASE")
}

/// A setting of the environment; an empty one is as good as none. `.env` and `makegood.toml` are a real shop's.
fn from_outside(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a command beside this server has to know of it.
fn whereabouts(
    app_url: &str,
    address: SocketAddr,
    stripe: &str,
    webhook_secret: &str,
) -> BTreeMap<String, String> {
    let listen = address.to_string();
    let settings = [
        ("APP_URL", app_url),
        ("LISTEN", &listen),
        ("STRIPE_API_BASE", stripe),
        ("STRIPE_SECRET", account::SECRET_KEY),
        ("STRIPE_WEBHOOK_SECRET", webhook_secret),
    ];
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Where this machine reaches a server that listens at `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(USUAL_ADDRESS.ip(), address.port()),
        false => address,
    }
}

fn sources(folder: &Folder, address: SocketAddr) -> Sources {
    let heeded = HEEDED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let environment: BTreeMap<String, String> = heeded.collect();
    let app_url = environment.get("APP_URL").cloned().unwrap_or_else(|| format!("http://{address}"));
    Sources { environment, ..Sources::default() }
        .with_flag("APP_URL", app_url)
        .with_flag("LISTEN", address.to_string())
        .with_flag("DATA_DIR", folder.path().display().to_string())
        .with_flag("STRIPE_SECRET", account::SECRET_KEY)
        .with_flag("STRIPE_WEBHOOK_SECRET", folder.webhook_secret())
}

fn load(sources: Sources) -> Result<Config> {
    Config::load(&sources).map_err(|problems| Error::invalid("", explain(&problems)))
}

async fn open(
    config: Config,
    mailbox: Arc<Mailbox>,
    films: Arc<film::Films>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<App>> {
    let db = open_database(&config).await.map_err(refused)?;
    if config.is_set("DATABASE_URL") {
        ours::must_be_ours(&db, &Cx::new(clock.now(), entropy.clone())).await?;
    }
    db.migrate(shop::MIGRATIONS, clock.now()).await?;
    let outside = outside(&config, entropy.clone()).map_err(refused)?;
    let outside = Outside { mailer: mailbox, streams: films, ..outside };
    Ok(App::new(config, db, outside, clock, entropy))
}

fn refused(error: OpenError) -> Error {
    let told = error.to_string();
    match error {
        OpenError::Unfit { fix, .. } => Refusal::new("configuration", told).fix(fix).into(),
        _ => Refusal::new("bootstrap_failed", told).into(),
    }
}

/// The shop while it runs.
struct Running {
    app: Arc<App>,
    sandbox_url: String,
    missed_port: Option<u16>,
    workers: worker::Workers,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    fn start(
        app: Arc<App>,
        listener: TcpListener,
        account: Account,
        mailbox: Arc<Mailbox>,
        films: &Arc<film::Films>,
    ) -> Result<Running> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (sandbox_url, missed_port) = (account.url().to_owned(), account.missed_port());
        let beside = storefront::router(app.shop.clone(), &app.config.app_url)
            .merge(mailbox::router(mailbox))
            .nest("/sandbox", account.router())
            .merge(films.router());
        let door = Door { listener, front: Front::new(app.clone(), beside) };
        account.start(&mut tasks, &stopped)?;
        let (served, over) = (app.clone(), account::stopped(stopped));
        let limits = Limits { drain: PATIENCE, ..Limits::default() };
        tasks.spawn(async move { serve::run(&served, vec![door], limits, over).await });
        let workers = worker::start(&app);
        Ok(Running { app, sandbox_url, missed_port, workers, stop, tasks })
    }

    /// Fills the shelves, says where everything is, and waits.
    async fn keep_shop(&self, args: &DevArgs, folder: &Folder, ink: Ink) -> Result<Outcome> {
        let banner = Banner {
            app_url: self.app.config.app_url.clone(),
            sandbox_url: self.sandbox_url.clone(),
            missed_port: self.missed_port,
            database: self.database(),
            elsewhere: match self.app.config.is_set("DATABASE_URL") {
                true => String::new(),
                false => format!("DATA_DIR={} ", folder.path().display()),
            },
            stocked: first_shop::stock(&self.app).await?,
            token: ours::first_token(&self.app).await?,
            operator: (ours::OPERATOR, ours::operator(&self.app, folder.webhook_secret()).await?),
        };
        say(&banner.print(ink));
        if !args.no_open {
            open_browser(&banner.app_url);
        }
        asked_to_stop().await;
        Ok(Outcome::Fine)
    }

    /// For people; the password of a server's address is nobody's business.
    fn database(&self) -> String {
        match &self.app.config.database {
            Target::Sqlite(path) => path.display().to_string(),
            Target::Postgres(_) => "PostgreSQL (DATABASE_URL)".into(),
        }
    }

    /// Lets what is under way end, and saves the sandbox.
    async fn stop(mut self) {
        let _ = self.stop.send(true);
        self.app.tasks.stop(PATIENCE).await;
        self.workers.stop(PATIENCE).await;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE * 2, all).await.is_err() {
            tracing::warn!("a connection was still open; it is cut");
        }
    }
}

/// A reader who has gone away (`makegood dev | head`) stops neither shop nor script.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A client that talks to this machine: past any proxy, and no redirect is followed.
fn local_client() -> reqwest::ClientBuilder {
    // Every client wants one, also where nothing is encrypted; another may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// Only where a person sits before a screen.
fn open_browser(url: &str) {
    use std::io::IsTerminal;
    let has_screen = cfg!(any(target_os = "macos", windows))
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !std::io::stdout().is_terminal() || !has_screen {
        return;
    }
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let quiet = std::process::Stdio::null;
    let opened = std::process::Command::new(opener).arg(url).stdout(quiet()).stderr(quiet()).spawn();
    if let Err(error) = opened {
        tracing::debug!(%error, "no browser was opened");
    }
}
