//! What the configuration takes, what it refuses, and in which words.

use super::*;

fn sources(environment: &[(&str, &str)]) -> Sources {
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources { environment, ..Sources::default() }
}

fn load(environment: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    Config::load(&sources(environment))
}

fn told(environment: &[(&str, &str)]) -> String {
    explain(&load(environment).unwrap_err())
}

#[test]
fn nothing_set_is_an_embedded_database_and_stripe_is_missing_for_serving() {
    let config = load(&[]).unwrap();
    assert_eq!(config.database, Target::Sqlite("data/makegood.db".into()));
    assert_eq!(config.listen.to_string(), "127.0.0.1:3001");
    assert_eq!((config.pool_max, config.workers, config.auto_migrate), (20, 2, true));
    assert_eq!(config.reservation, Duration::from_secs(1_800));
    assert!(config.warnings.is_empty());
    let missing = explain(&config.missing_for_serving());
    assert!(
        missing.contains("STRIPE_SECRET is not set") && missing.contains("STRIPE_WEBHOOK_SECRET is not set")
    );
}

#[test]
fn every_default_has_the_form_of_its_key_and_names_are_unique() {
    let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KEYS.len());
    for key in KEYS {
        assert!(key.default.is_empty() || key.form.check(key.default).is_ok(), "{}", key.name);
        assert!(!key.help.is_empty(), "{}", key.name);
    }
}

/// The promise of start-up: the variable, what was wrong, what is expected, and never the password.
#[test]
fn a_wrong_database_url_is_told_as_bootstrap_failed() {
    for (url, part) in [
        (
            "mongodb://u:secret@h/db",
            "Bootstrap failed: DATABASE_URL: Invalid scheme, expected connection string to start with",
        ),
        ("\"postgres://u:secret@h/db\"", "Bootstrap failed: DATABASE_URL is wrapped in quotes"),
        (" postgres://u:secret@h/db", "Bootstrap failed: DATABASE_URL has spaces"),
        ("postgres://u:secret@h/db\n", "Bootstrap failed: DATABASE_URL has spaces or line breaks"),
        ("", "Bootstrap failed: DATABASE_URL is empty"),
        ("<your database url>", "Bootstrap failed: DATABASE_URL is still a placeholder"),
    ] {
        let told = told(&[("DATABASE_URL", url)]);
        assert!(told.contains(part), "{url:?}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let told = told(&[("DB_CONNECTION", "pgsql")]);
    assert!(
        told.contains("Bootstrap failed: DB_CONNECTION is pgsql, which needs DB_DATABASE and DB_USERNAME"),
        "{told}"
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = load(&[
        ("LISTEN", "3001"),
        ("CURRENCY", "dollars"),
        ("DB_POOL_MAX", "0"),
        ("AUTO_MIGRATE", "yes"),
        ("STRIPE_SECRET", "pk_test_1"),
        ("STRIPE_KEY", "sk_test_1"),
        ("STRIPE_WEBHOOK_SECRET", "sk_test_1"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("ADMIN_TOKEN", "short"),
        ("APP_URL", "shop.example"),
        ("LOG_FORMAT", "xml"),
        ("QUEUE_CONNECTION", "redis"),
        ("CF_STREAM_TOKEN_TTL_SECONDS", "soon"),
    ])
    .unwrap_err();
    let keys: std::collections::BTreeSet<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys.len(), 13, "{problems:?}");
    // A secret in the wrong place is still a secret.
    assert!(!explain(&problems).contains("sk_test_1") && !explain(&problems).contains("short"));
}

#[test]
fn the_first_source_that_has_a_value_wins() {
    let mut all = sources(&[("CURRENCY", "eur"), ("DB_POOL_MAX", "7")]);
    all.dotenv = Some(
        "CURRENCY=chf\nDB_POOL_MAX=8\nexport RESERVATION_MINUTES=\"45\" \n# a comment\nWORKERS=3 # three\n"
            .into(),
    );
    all.toml =
        Some(("makegood.toml".into(), "currency = 'gbp'\nworkers = 5\nlisten = \"127.0.0.1:9\"\n".into()));
    let config = Config::load(&all.clone().with_flag("DB_POOL_MAX", "6")).unwrap();
    assert_eq!((config.currency.as_str(), config.pool_max), ("eur", 6));
    assert_eq!((config.reservation, config.workers), (Duration::from_secs(2_700), 3));
    assert_eq!(config.listen.port(), 9);
    let source =
        |name: &str| config.settings().iter().find(|s| s.key.name == name).unwrap().source.to_string();
    assert_eq!(source("DB_POOL_MAX"), "flag");
    assert_eq!(source("CURRENCY"), "environment");
    assert_eq!(source("WORKERS"), ".env");
    assert_eq!(source("LISTEN"), "makegood.toml");
    assert_eq!(source("APP_URL"), "default");
}

#[test]
fn the_file_takes_tables_and_refuses_unknown_keys_with_their_path() {
    let with = |text: &str| {
        let toml = Some(("m.toml".into(), text.to_owned()));
        Config::load(&Sources { toml, ..Sources::default() })
    };
    let config = with("trusted_proxies = ['10.0.0.0/8', '::1']\n[stripe]\nsecret = 'sk_live_1'\n").unwrap();
    assert!(config.is_live() && config.trusted_proxies.len() == 2);
    let told = explain(&with("[stripe]\nsecrt = 'sk_test_1'\n[mail]\nhots = 'x'\n").unwrap_err());
    assert!(told.contains("m.toml: stripe.secrt: unknown key; did you mean stripe_secret?"), "{told}");
    assert!(told.contains("m.toml: mail.hots: unknown key"), "{told}");
    assert!(!told.contains("sk_test_1"));
    assert!(explain(&with("a = \n").unwrap_err()).contains("line 1"));
}

#[test]
fn a_near_miss_in_the_environment_is_warned_of_and_a_stranger_is_not() {
    let config = load(&[
        ("STRIPE_WEBHOK_SECRET", "whsec_1"),
        ("DATABSE_URL_FILE", "x"),
        ("HOME", "/root"),
        ("LISTEN_FDS", "1"),
        ("PATH", "/bin"),
        ("MAIL_FROM_NAME", "The shop"),
    ])
    .unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        [
            "DATABSE_URL_FILE is no key of makegood; did you mean DATABASE_URL_FILE?",
            "STRIPE_WEBHOK_SECRET is no key of makegood; did you mean STRIPE_WEBHOOK_SECRET?",
        ]
    );
}

#[test]
fn a_shop_that_names_no_address_is_reached_where_it_listens() {
    let reached = |set: &[(&str, &str)]| load(set).unwrap().app_url;
    assert_eq!(reached(&[("LISTEN", "127.0.0.1:7311")]), "http://127.0.0.1:7311");
    assert_eq!(reached(&[("LISTEN", "0.0.0.0:80")]), "http://127.0.0.1:80");
    assert_eq!(reached(&[("LISTEN", "[::1]:7311")]), "http://[::1]:7311");
    let named = [("LISTEN", "0.0.0.0:80"), ("APP_URL", "https://shop.example/")];
    assert_eq!(reached(&named), "https://shop.example");
    assert!(!load(&[("LISTEN", "0.0.0.0:80")]).unwrap().is_set("APP_URL"));
}

#[test]
fn a_database_that_is_named_in_two_ways_is_warned_of() {
    let both = [("DATABASE_URL", "sqlite:a.db"), ("DB_DATABASE", "b.db")];
    let warned = load(&both).unwrap().warnings.iter().map(Problem::to_string).collect::<String>();
    assert!(warned.contains("DB_DATABASE is set beside DATABASE_URL, which counts alone"), "{warned}");
}

/// A shop may be called so, and a password may look so; only what nothing has filled in stops it.
#[test]
fn a_text_that_looks_like_a_placeholder_is_warned_of_and_starts() {
    let doubtful = [
        ("CLOUDINARY_CLOUD_NAME", "your-cloud-name"),
        ("MAIL_FROM_NAME", "Todo"),
        ("MAIL_USERNAME", "your_shop_user"),
        ("MAIL_PASSWORD", "[abc]"),
    ];
    let warned: Vec<String> = load(&doubtful).unwrap().warnings.iter().map(Problem::to_string).collect();
    for (name, _) in doubtful {
        let told = format!("{name}: looks as if it is still a placeholder");
        assert!(warned.iter().any(|line| line.starts_with(&told)), "{told} in {warned:?}");
    }
    let plain = [("MAIL_FROM_NAME", "\"De Boekenwinkel\" en \"Meer\""), ("MAIL_PASSWORD", "a'b\"c")];
    assert!(load(&plain).unwrap().warnings.is_empty());
    let left = load(&[("MAIL_PASSWORD", "${MAIL_PASSWORD}")]).unwrap_err().remove(0).to_string();
    assert!(left.starts_with("MAIL_PASSWORD is still a placeholder"), "{left}");
}

/// A wrong word would leave a shop deaf; and who pulls needs no signing secret.
#[test]
fn whoever_reads_the_list_of_events_needs_no_endpoint() {
    let problem = load(&[("STRIPE_EVENTS", "poll")]).unwrap_err().remove(0).to_string();
    assert_eq!(problem, "STRIPE_EVENTS: `poll`; expected both or push or pull");
    let missing = |events: &[(&str, &str)]| {
        let all = [&[("STRIPE_SECRET", "sk_test_1")], events].concat();
        load(&all).unwrap().missing_for_serving().iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    for events in [&[][..], &[("STRIPE_EVENTS", "push")], &[("STRIPE_EVENTS", "both")]] {
        let told = missing(events);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("STRIPE_WEBHOOK_SECRET is not set") && told[0].contains("STRIPE_EVENTS=pull")
        );
    }
    assert_eq!(missing(&[("STRIPE_EVENTS", "pull")]), Vec::<String>::new());
    assert_eq!(load(&[]).unwrap().stripe_events, StripeEvents::Both);
}

#[test]
fn keys_of_other_systems_are_explained() {
    let config = load(&[("MONGO_URI", "mongodb://u:secret@h/db"), ("QUEUE_CONNECTION", "sync")]).unwrap();
    let warnings: Vec<_> = config.warnings.iter().map(Problem::to_string).collect();
    assert!(
        warnings[0].starts_with("MONGO_URI is set, but") && !warnings[0].contains("secret"),
        "{warnings:?}"
    );
    assert!(warnings[1].starts_with("QUEUE_CONNECTION is `sync`"), "{warnings:?}");
}

#[test]
fn secrets_come_from_files_and_as_a_secrets_managers_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = load(&[
        ("STRIPE_SECRET_FILE", &file("key", "{\"secretKey\": \"sk_live_json\"}\n")),
        ("STRIPE_WEBHOOK_SECRET", "{\"webhookSecret\":\"whsec_a,whsec_b\"}"),
        ("DATABASE_URL_FILE", &file("db", "postgres://u:p@h/x\r\n")),
        ("ADMIN_TOKEN_FILE", &file("token", "sixteen characters\n")),
    ])
    .unwrap();
    assert!(config.is_live());
    assert_eq!(config.webhook_secrets.len(), 2);
    assert_eq!(config.database, Target::Postgres("postgres://u:p@h/x".into()));
    assert_eq!(config.admin_token.as_ref().unwrap().reveal(), "sixteen characters");
    assert!(told(&[("STRIPE_SECRET_FILE", "/nowhere/key")]).contains("STRIPE_SECRET_FILE: /nowhere/key:"));
    let wrong = file("wrong", "{\"key\": \"sk_test_hush\"}");
    let told_wrong = told(&[("STRIPE_SECRET_FILE", &wrong)]);
    assert!(
        told_wrong.contains("is JSON without the text `secretKey`") && !told_wrong.contains("hush"),
        "{told_wrong}"
    );
    assert!(told(&[("STRIPE_SECRET", "sk_test_1"), ("STRIPE_SECRET_FILE", &wrong)]).contains("keep one"));
}

#[test]
fn parts_make_a_database_url() {
    let config = load(&[
        ("DB_CONNECTION", "pgsql"),
        ("DB_HOST", "db.example"),
        ("DB_DATABASE", "shop"),
        ("DB_USERNAME", "me"),
        ("DB_PASSWORD", "p@ss/word"),
    ])
    .unwrap();
    assert_eq!(config.database, Target::Postgres("postgres://me:p%40ss%2Fword@db.example:5432/shop".into()));
    let config = load(&[("DB_CONNECTION", "sqlite"), ("DB_DATABASE", "here.db")]).unwrap();
    assert_eq!(config.database, Target::Sqlite("here.db".into()));
    assert_eq!(
        load(&[("DATA_DIR", "/var/lib/m")]).unwrap().database,
        Target::Sqlite("/var/lib/m/makegood.db".into())
    );
}

/// What stands in an address is shown in many places.
#[test]
fn no_address_may_hold_a_password_and_what_is_asked_there_is_not_shown() {
    let urls = super::KEYS.iter().filter(|key| matches!(key.form, super::Form::Url | super::Form::Base));
    for key in urls {
        for value in
            ["https://u:hush@x.example", "http://hush@x.example/y", "u:hush@x.example", "https://u:hush@x:y"]
        {
            let told = explain(&load(&[(key.name, value)]).unwrap_err());
            assert!(told.contains(key.name) && !told.contains("hush"), "{told}");
        }
    }
    for value in ["https://shop.example/?x=1", "https://shop.example#top"] {
        assert!(told(&[("APP_URL", value)]).contains("APP_URL has a query or a fragment"), "{value}");
    }
    let keys = [
        ("BUYER_JWKS_URL", "https://id.example/keys?key=hush"),
        ("BUYER_JWT_ISSUER", "i"),
        ("BUYER_JWT_AUDIENCE", "a"),
    ];
    let config = load(&keys).unwrap();
    let shown = config.settings().iter().find(|setting| setting.key.name == "BUYER_JWKS_URL").unwrap();
    assert_eq!(shown.shown.as_deref(), Some("https://id.example/keys?…"));
}

#[test]
fn no_secret_is_ever_shown() {
    let config = load(&[
        ("STRIPE_SECRET", "sk_live_hush"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_hush"),
        ("DATABASE_URL", "postgres://u:hush@db.example/shop?application_name=hush"),
        ("ADMIN_TOKEN", "hush hush hush hush"),
        ("CLOUDINARY_API_SECRET", "hush"),
    ])
    .unwrap();
    let shown: Vec<_> = config
        .settings()
        .iter()
        .map(|s| format!("{} {}", s.key.name, s.shown.clone().unwrap_or_default()))
        .collect();
    let shown = shown.join("\n");
    assert!(!shown.contains("hush"), "{shown}");
    assert!(
        shown.contains("STRIPE_SECRET sk_live_…redacted")
            && shown.contains("DATABASE_URL postgres:…db.example/shop")
    );
    assert!(!format!("{:?}", config.admin_token).contains("hush"));
    assert!(!format!("{config:?}").contains("hush"), "{config:?}");
}
