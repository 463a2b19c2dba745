//! What commands are called where that differs from the registry, and what people type from older runbooks.

/// Commands whose words are not those of the operation's, view's or task's name.
pub const RENAMED: &[(&str, &[&str])] = &[
    ("audit-logs.list", &["audit", "list"]),
    ("audit-logs.show", &["audit", "show"]),
    ("audit-logs.verify", &["audit", "verify"]),
    ("search", &["find"]),
    ("drills.list", &["runbook", "history"]),
    ("drills.record", &["runbook", "record"]),
    ("mails.list", &["mail", "list"]),
    ("mails.show", &["mail", "show"]),
    ("mails.resend", &["mail", "resend"]),
    ("runbooks.list", &["runbook", "list"]),
    ("runbooks.show", &["runbook", "show"]),
    ("runbooks.detect", &["runbook", "detect"]),
    ("runbooks.explain", &["runbook", "explain"]),
    ("runbooks.preview", &["runbook", "preview"]),
    ("runbooks.apply", &["runbook", "apply"]),
    ("runbooks.verify", &["runbook", "verify"]),
    ("runbooks.reply", &["runbook", "reply"]),
];

/// Second ways to the same command.
pub const ALSO: &[(&str, &[&str])] = &[("products.list", &["catalog", "list"])];

/// Words in the middle of the tree, and what stands below them.
pub const INNER: &[(&[&str], &str)] = &[
    (&["orders", "review"], "Flag an order for a person to look at, or clear it"),
    (&["media", "upload"], "Uploads of pictures"),
];

/// One word at the top of the command tree.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The word.
    pub name: &'static str,
    /// Under which heading the help lists it.
    pub heading: &'static str,
    /// What it is for.
    pub about: &'static str,
}

const fn group(heading: &'static str, name: &'static str, about: &'static str) -> Group {
    Group { name, heading, about }
}

const RUN: &str = "Run it";
const SHOP: &str = "See and repair the shop";
const CARE: &str = "Look after it";
const LEARN: &str = "Find out";

/// Every word at the top, in the order in which the help lists them. A test holds this list against the commands.
pub const GROUPS: &[Group] = &[
    group(RUN, "dev", "A shop to play with: server, workers, a Stripe of its own, nothing to install"),
    group(RUN, "serve", "Serve webhooks, the API and the workers"),
    group(RUN, "health", "Ask a running server how it is"),
    group(RUN, "status", "How the shop is, on one screen"),
    group(SHOP, "case", "Why somebody has no access: one line, the evidence, what mends it"),
    group(
        SHOP,
        "runbook",
        "What is wrong, why, and what mends it: detect, explain, preview, apply, verify, reply",
    ),
    group(
        SHOP,
        "find",
        "Anything by its id, Stripe's or ours, by an email, or by the name of a user, product or SKU",
    ),
    group(SHOP, "orders", "Purchases: where each stands, why, and what to do"),
    group(SHOP, "events", "Stripe's events: received, processed, to be replayed"),
    group(SHOP, "entitlements", "Who may use what, and who said so"),
    group(SHOP, "refunds", "Money that goes back: asked for, at Stripe, in doubt"),
    group(SHOP, "disputes", "Payments that a buyer's bank questions, and until when to answer"),
    group(SHOP, "downloads", "Files and films for buyers: links, what was given and denied, the switch"),
    group(SHOP, "checkout", "The switch for new orders"),
    group(SHOP, "customers", "Buyers"),
    group(SHOP, "claims", "What guests bought and have not added to an account yet"),
    group(SHOP, "mail", "What buyers were told, and whether it was sent"),
    group(SHOP, "catalog", "The catalog file: products, prices, first stock"),
    group(SHOP, "courses", "What courses and downloads hold: import, publish, look whether all is there"),
    group(SHOP, "resources", "Files of courses and downloads: where they lie"),
    group(SHOP, "products", "What is sold, and for how much"),
    group(SHOP, "media", "Pictures of the shop: uploaded, refused, and whether the store takes them"),
    group(SHOP, "prices", "Which price at Stripe stands for which of ours, for what Payment Links sell"),
    group(SHOP, "inventory", "Stock, by ledger entries"),
    group(SHOP, "reservations", "Stock set aside for orders"),
    group(CARE, "doctor", "Look at everything that may be wrong around the shop, before launch or now"),
    group(CARE, "check", "Run every check: what must be true and is not"),
    group(CARE, "findings", "What the checks find, one by one; put one off until a day"),
    group(CARE, "reconcile", "Compare with Stripe's objects, and every room with itself; mend what is safe"),
    group(CARE, "reconciliations", "Comparisons that run or have run, and what they found"),
    group(CARE, "switches", "What can be stopped at once, and how each switch stands"),
    group(CARE, "jobs", "Background work that waits or has given up"),
    group(CARE, "runs", "Long work that runs or has run: how far it is, how it ended"),
    group(CARE, "audit", "Who did what, when and why"),
    group(CARE, "alerts", "Rules for Prometheus: who is called when what is wrong"),
    group(CARE, "dashboards", "A dashboard for Grafana"),
    group(CARE, "tokens", "Tokens for the admin API"),
    group(CARE, "users", "People who sign in to the console"),
    group(CARE, "config", "The configuration: what counts, and where it came from"),
    group(CARE, "secrets", "The secrets: where each lies, how old it is, and reading them again"),
    group(CARE, "db", "The database: its schema and its state"),
    group(CARE, "whoami", "Who you are here, and what you may do"),
    group(LEARN, "explain-error", "What an error means and what to do about it"),
    group(LEARN, "openapi", "Print the API's description"),
    group(LEARN, "completion", "Print completions for a shell"),
    group(LEARN, "man", "Print the manual page, or write those of all commands"),
    group(LEARN, "sandbox", "Turn the sandbox's clock, break its deliveries, send its events"),
    group(LEARN, "bench", "Measure this machine beside its own limits"),
    group(LEARN, "version", "Which version this is"),
];
