//! Every code that an answer may carry: its status, what it means and what to do next. The API, `/docs/errors/{code}` and
//! `makegood explain-error` are made from this list.

use axum::http::StatusCode;

/// One code.
#[derive(Debug, Clone, Copy)]
pub struct ErrorPage {
    /// The stable name.
    pub code: &'static str,
    /// The HTTP status that goes with it; none where only the command line says it.
    pub status: Option<u16>,
    /// A few words for people.
    pub title: &'static str,
    /// Whether the same request may succeed later without anyone changing anything.
    pub retryable: bool,
    /// What has happened.
    pub means: &'static str,
    /// What to do, ending with a command where there is one.
    pub next: &'static str,
    /// The runbook that explains what lies behind it, where one does.
    pub runbook: Option<&'static str>,
}

impl ErrorPage {
    /// The page of `code`.
    pub fn find(code: &str) -> Option<&'static ErrorPage> {
        PAGES.iter().find(|page| page.code == code)
    }

    /// The status as HTTP has it.
    pub fn http_status(&self) -> StatusCode {
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Where it is said, in words: with which HTTP status, or by the command line alone.
    pub fn said(&self) -> String {
        self.status.map_or_else(|| "command line".to_owned(), |status| format!("HTTP {status}"))
    }

    /// The page as HTML, with no script and nothing from elsewhere.
    pub fn html(&self) -> String {
        let retry = if self.retryable {
            "The same request may succeed later."
        } else {
            "Trying again changes nothing."
        };
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · makegood</title>\
             <style>body{{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;\
             color-scheme:light dark}}code{{background:rgba(127,127,127,.15);padding:.1em .3em;border-radius:4px}}\
             </style></head>\n<body><main><p><code>{code}</code> · {said}</p><h1>{title}</h1>\n<p>{means}</p>\n\
             <h2>What to do</h2>\n<p>{next}</p>\n<p>{retry}</p>\n{runbook}</main></body></html>\n",
            title = escape(self.title),
            code = escape(self.code),
            said = self.said(),
            means = marked(self.means),
            next = marked(self.next),
            runbook = self.runbook.map_or(String::new(), |id| {
                format!("<p>Runbook: <code>makegood runbook show {}</code></p>", escape(id))
            }),
        )
    }
}

/// What may not be found, as its errors call it, and the command that lists its kind.
pub const LISTS: &[(&str, &str)] = &[
    ("order", "orders list"),
    ("event", "events list"),
    ("reservation", "reservations list"),
    ("stock", "inventory list"),
    ("entitlement", "entitlements list"),
    ("profile", "customers list"),
    ("refund", "refunds list"),
    ("dispute", "disputes list"),
    ("mail", "mail list"),
    ("picture", "media list"),
    ("job", "jobs list"),
    ("failed job", "jobs list --status failed"),
    ("run", "runs list"),
    ("runbook", "runbook list"),
    ("check", "check"),
    ("finding", "findings list"),
    ("reconciliation", "reconciliations list"),
    ("audit entry", "audit list"),
    ("token", "tokens list"),
    ("live token", "tokens list"),
    ("user", "users list"),
];

/// What to do where there is no `what` of this id; the page of `not_found` says it of kinds that have no list.
pub fn when_not_found(what: &str) -> Option<String> {
    let (_, list) = LISTS.iter().find(|(kind, _)| *kind == what)?;
    Some(format!(
        "Check the id, and that it belongs to this environment; `makegood {list}` shows what there is, `makegood find ID` \
         looks among all kinds."
    ))
}

/// `text between backquotes` is code.
fn marked(text: &str) -> String {
    let parts = escape(text);
    let mut out = String::with_capacity(parts.len());
    for (at, part) in parts.split('`').enumerate() {
        match at % 2 {
            1 => out.push_str(&format!("<code>{part}</code>")),
            _ => out.push_str(part),
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const fn page(
    code: &'static str,
    status: u16,
    title: &'static str,
    means: &'static str,
    next: &'static str,
) -> ErrorPage {
    ErrorPage { code, status: Some(status), title, retryable: false, means, next, runbook: None }
}
/// What only the command line says.
const fn typed(
    code: &'static str,
    title: &'static str,
    means: &'static str,
    next: &'static str,
) -> ErrorPage {
    ErrorPage { code, status: None, title, retryable: false, means, next, runbook: None }
}
const fn explained_by(runbook: &'static str, page: ErrorPage) -> ErrorPage {
    ErrorPage { runbook: Some(runbook), ..page }
}
const fn later(page: ErrorPage) -> ErrorPage {
    ErrorPage { retryable: true, ..page }
}

/// All codes, by status.
pub const PAGES: &[ErrorPage] = &[
    // The request itself ---------------------------------------------------------------------------------------
    page(
        "malformed_body",
        400,
        "The body cannot be read",
        "The body is not the JSON that this route takes: it is cut off, not UTF-8, nested too deeply, or no JSON at all. The detail says where.",
        "Send one JSON object with `Content-Type: application/json`. `GET /openapi.json` describes it.",
    ),
    explained_by(
        "webhook-failed",
        page(
            "signature_missing",
            400,
            "No signature",
            "A request to the webhook had no `Stripe-Signature` header, or no body. Stripe always sends both; something between Stripe and makegood took them away, or someone else is calling.",
            "Check that the proxy passes headers and the raw body on unchanged.",
        ),
    ),
    explained_by(
        "webhook-failed",
        page(
            "not_an_event",
            400,
            "Not an event",
            "The signature is right, but the body is not an event of Stripe's.",
            "Check what signs with this secret. Stripe's own events carry `id`, `object`, `type`, `created` and `livemode`.",
        ),
    ),
    page(
        "unauthenticated",
        401,
        "No valid token",
        "The request has no `Authorization: Bearer` header, or its token is unknown, revoked or expired.",
        "Send a token, or make one: `makegood tokens create NAME --role ROLE`.",
    ),
    explained_by(
        "webhook-failed",
        page(
            "signature_invalid",
            401,
            "Invalid signature",
            "Stripe signature verification failed: the header is malformed, was made with another secret or over other bytes, or is older than 300 seconds.",
            "Compare `STRIPE_WEBHOOK_SECRET` with the endpoint's page at Stripe, check that a proxy does not change the body, and that the machine's clock is right. During a roll both secrets may stand there, separated by a comma.",
        ),
    ),
    page(
        "forbidden",
        403,
        "The role does not reach",
        "The token is valid, but its role may not do this. Each role may do all that the ones before it may: app, viewer, support, finance, operator, admin.",
        "Ask an admin for a token with that role: `makegood tokens create NAME --role ROLE`.",
    ),
    page(
        "form_refused",
        403,
        "The form is not ours",
        "A form was sent to the console that does not belong to the session of this browser, or that another site has sent. Nothing was done.",
        "Load the page again and send its form; sign in first where you are asked to. A proxy in front must pass `Host`, `Origin` and cookies on unchanged.",
    ),
    page(
        "link_invalid",
        403,
        "The link is not one of ours",
        "A link to a file carries a signature over the file, its name and its end. This one was altered, cut when it was copied, or made with another secret: after `APP_KEY` or `DATA_DIR` has changed, links from before open nothing.",
        "Ask for a fresh link where this one came from, and open it as it is.",
    ),
    page(
        "not_found",
        404,
        "Not found",
        "Nothing of this kind has this id here.",
        "Check the id, and that it belongs to this environment; `makegood find ID` looks for it among all kinds.",
    ),
    page(
        "no_such_route",
        404,
        "No such route",
        "There is nothing at this path.",
        "`GET /openapi.json` lists every route.",
    ),
    page(
        "method_not_allowed",
        405,
        "Method not allowed",
        "The path is right, the method is not. The `Allow` header says which are.",
        "Use one of the methods in `Allow`.",
    ),
    later(page(
        "request_timeout",
        408,
        "The request took too long to arrive",
        "The body stopped coming, or came too slowly, and the connection was given up.",
        "Send the request again.",
    )),
    page(
        "link_expired",
        410,
        "The link has ended",
        "Links to files work for a while only, so that one that was passed on dies. This one was genuine, and its time is over.",
        "Ask the same endpoint again that gave this link; it gives a fresh one to whoever may still have the file.",
    ),
    page(
        "payload_too_large",
        413,
        "The body is too large",
        "Bodies end at 256 KiB for the API, at 1 MiB for the webhook, and at `MEDIA_MAX_BYTES` for pictures.",
        "Send less at once.",
    ),
    page(
        "media_too_large",
        413,
        "The picture has too many pixels",
        "A small file can unfold into a huge picture. No side may have more than 16384 pixels, and all of it no more than 50 millions.",
        "Make the picture smaller.",
    ),
    page(
        "unsupported_media_type",
        415,
        "Not JSON",
        "The `Content-Type` of the request is not JSON.",
        "Send `Content-Type: application/json`.",
    ),
    page(
        "media_type_refused",
        415,
        "The file is not what it is said to be",
        "Pictures are known by their own bytes: PNG, JPEG, GIF, WebP and AVIF, and PDF and MP4 beside them. The file is none of these, is another one than its `Content-Type` says, or is cut off. SVG is not taken, because it can run scripts.",
        "Send the file as what it is, whole. `file NAME` says what it is.",
    ),
    page(
        "range_not_satisfiable",
        416,
        "There is no such part",
        "The `Range` header asks for a part that lies behind the end of the file. Most likely the file has changed since the download began.",
        "Begin the download anew, without `Range`.",
    ),
    page(
        "invalid_input",
        422,
        "Something in the input is not right",
        "The request can be read, but a value is missing, unknown or out of bounds. `errors` says which, as JSON pointers.",
        "Mend the values that are named. `GET /openapi.json` describes them all.",
    ),
    page(
        "idempotency_key_reused",
        422,
        "The Idempotency-Key belongs to another request",
        "The same key was sent before with another body or path. A key names one request.",
        "Send a new `Idempotency-Key` with each new request, and the old one only to repeat the same.",
    ),
    later(page(
        "idempotency_in_flight",
        409,
        "The first request with this key is still under way",
        "Another request with this `Idempotency-Key` has not ended yet.",
        "Wait a moment and send it again with the same key.",
    )),
    later(page(
        "too_many_attempts",
        429,
        "Too many failed attempts",
        "Too many requests from this address had no valid token.",
        "Wait for as long as `Retry-After` says, then send a valid token.",
    )),
    // The shop's rules -----------------------------------------------------------------------------------------
    page(
        "reason_required",
        422,
        "A reason is needed",
        "Every change by hand is written into the audit log with its reason.",
        "Add `\"reason\"` to the request, or `--reason TEXT` on the command line.",
    ),
    later(explained_by(
        "webhook-downtime",
        page(
            "backfill_under_way",
            409,
            "Stripe's events are being read already",
            "Another process reads Stripe's list of events at this moment: the schedule of a node, or somebody else's backfill.",
            "Wait until it has ended, a few seconds mostly, then look with `makegood events gaps`.",
        ),
    )),
    explained_by(
        "refund-spike",
        page(
            "refund_exists",
            409,
            "A refund was asked for already",
            "An order is refunded at most once. The refund that exists is under way or done; only when it has failed may another be asked for.",
            "Look at it: `makegood refunds show ID`.",
        ),
    ),
    explained_by(
        "missed-refund",
        page(
            "already_refunded",
            409,
            "It is refunded",
            "All the money of this order went back already, here or in Stripe's dashboard.",
            "Nothing is left to do. To see how: `makegood orders explain ORDER`.",
        ),
    ),
    explained_by(
        "dispute",
        page(
            "payment_disputed",
            409,
            "A bank decides about the payment",
            "The buyer's bank has taken the money and decides who gets it. A refund now would pay the buyer twice.",
            "Answer the dispute, or accept it, in Stripe's dashboard: `makegood disputes list` says until when.",
        ),
    ),
    explained_by(
        "dispute",
        page(
            "dispute_lost",
            409,
            "The bank has paid the buyer back",
            "A dispute about the payment was lost: the bank has sent the buyer what was disputed, and what was bought has \
             gone back. A refund would be paid on top of that.",
            "Nothing is left to do here. To see what the bank has sent: `makegood orders explain ORDER`.",
        ),
    ),
    explained_by(
        "payment-intent-backfill",
        page(
            "payment_unknown",
            409,
            "Nobody knows the payment",
            "The order is paid, and no payment intent is kept with it, so Stripe cannot be told what to send back.",
            "If its timeline names one: `makegood orders backfill-payment-intents --reason TEXT`; then ask for the refund again.",
        ),
    ),
    explained_by(
        "paid-no-access",
        page(
            "nothing_paid",
            409,
            "Nothing was paid",
            "No money has come for this order, so none can go back.",
            "Look at it: `makegood orders explain ORDER`. A pending order can be cancelled: `makegood orders cancel ORDER --reason TEXT`.",
        ),
    ),
    explained_by(
        "dispute",
        page(
            "money_may_go_back",
            409,
            "The money may go back",
            "The payment is disputed, or its refund is under way. What is shipped now may be gone together with the money.",
            "Wait until it is decided: `makegood orders explain ORDER` says what it waits for, `makegood disputes list` until when.",
        ),
    ),
    page(
        "reconcile_taken_over",
        409,
        "Another process goes on with it",
        "This comparison with Stripe was gone on with by another process, because this one was not heard of for a while. What both have found is kept in one place.",
        "Look at how far it is: `makegood reconciliations show ID`.",
    ),
    page(
        "reconcile_place_lost",
        409,
        "The place is lost",
        "A comparison with Stripe that was cut off should go on behind an object that Stripe does not know any more, so nobody can say what was looked at.",
        "Begin anew: `makegood reconcile --from-start`.",
    ),
    page(
        "no_preview",
        422,
        "It cannot be said beforehand",
        "What this task would change depends on what Stripe says while it runs, so it has no dry run.",
        "Leave out `--dry-run`, or `\"dry_run\"` in the request. It may be run at any time: what is right already is not changed.",
    ),
    page(
        "stale_plan",
        409,
        "The plan is stale",
        "What the operation would do now is not what was previewed: something has changed since.",
        "Look at a new preview (`\"dry_run\": true`), then apply with its `plan_id`.",
    ),
    page(
        "refused_by_guard",
        409,
        "A guard does not hold",
        "The operation has a condition that is not true now. Guards have no override; the detail says what was seen.",
        "Look at the guards of a preview, and at the thing itself: `makegood orders explain ID`.",
    ),
    page(
        "nothing_mends_it",
        409,
        "Nothing here mends it",
        "The runbook has found the cause, and no operation of this shop mends it: somebody has to act elsewhere, like in Stripe's dashboard, or to wait. The detail says what was found.",
        "Read what the cause means and what to do: `makegood runbook show ID`. What to tell the customer: `makegood runbook reply ID SUBJECT`.",
    ),
    explained_by(
        "inventory-drift",
        page(
            "out_of_stock",
            409,
            "Out of stock",
            "Fewer pieces are free than the basket wants. What is reserved by checkouts that are under way counts as taken.",
            "Order fewer, or add stock: `makegood inventory adjust SKU CHANGE --reason TEXT`.",
        ),
    ),
    page(
        "not_on_offer",
        422,
        "Not on offer",
        "The product is unknown, inactive, or has no price in this currency.",
        "See what is on offer with `makegood products list`, or add it: `makegood catalog import FILE`.",
    ),
    explained_by(
        "stale-payments",
        page(
            "checkout_over",
            409,
            "The checkout is over",
            "It was paid, has expired, or failed; it cannot be opened again.",
            "Start a new checkout. To see what happened: `makegood orders explain ID`.",
        ),
    ),
    explained_by(
        "review-hold",
        page(
            "no_open_review",
            409,
            "No review is open",
            "The order is not under review, so there is nothing to clear.",
            "Look at it: `makegood orders explain ID`.",
        ),
    ),
    explained_by(
        "review-hold",
        page(
            "order_under_review",
            423,
            "The order is under review",
            "Money came that does not fit the order, or someone flagged it. Nothing is shipped, no file and no stream is delivered until a person has looked.",
            "Look at it: `makegood orders explain ID`; then `makegood orders review clear ID --reason TEXT`, or refund.",
        ),
    ),
    explained_by(
        "stuck-paid-orders",
        page(
            "order_not_confirmed",
            409,
            "The order is not confirmed",
            "Only an order whose payment is proven and settled can be shipped.",
            "See what it waits for: `makegood orders explain ID`.",
        ),
    ),
    explained_by(
        "downloads-kill-switch",
        page(
            "refunds_disabled",
            409,
            "Refunds are switched off",
            "An operator has switched refunds off. What was asked for before is still sent; nothing new is.",
            "See why with `makegood switches list`; then `makegood refunds enable --reason TEXT`.",
        ),
    ),
    explained_by(
        "downloads-kill-switch",
        page(
            "downloads_disabled",
            403,
            "Downloads are switched off",
            "An operator has switched delivery off, or `DOWNLOADS_ENABLED` is false. Nobody gets a file or a film, whatever they bought; links that were out die within their time. Nothing is lost.",
            "See why with `makegood switches list`; then `makegood downloads enable --reason TEXT`.",
        ),
    ),
    page(
        "no_entitlement",
        403,
        "Not yours to use",
        "Whoever asks has no active right to what is asked for: it was not bought, the money went back, a bank decides about the payment, or an operator took it back. Whether there is such a thing is not said.",
        "See why: `makegood case USER --course COURSE`.",
    ),
    page(
        "object_missing",
        404,
        "The file is not where it should be",
        "The shop knows the file, and it does not lie on the disk of `COURSE_RESOURCES_DISK`.",
        "See what is missing with `makegood courses check`, and put it there; its link works again at once.",
    ),
    page(
        "storage_not_configured",
        503,
        "No place for files is configured",
        "Something lies on a disk or at a player's service that this process knows nothing of. The detail names the setting.",
        "Set it, then look: `makegood config check`.",
    ),
    page(
        "storage_refused",
        502,
        "The disk refuses",
        "The disk or the player's service answered no: credentials, a bucket or an account are wrong. Trying again changes nothing.",
        "Compare the settings with what the service shows; then `makegood courses check`.",
    ),
    page(
        "user_exists",
        409,
        "The user has another role",
        "Somebody with this name is known already, with another role than the one asked for.",
        "Change the role: `makegood users role NAME --role ROLE`. For a new link leave the role out: `makegood users invite NAME`.",
    ),
    page(
        "user_disabled",
        409,
        "The user is disabled",
        "Somebody who was kept out cannot be invited again by a link.",
        "Let them in again first: `makegood users enable NAME`.",
    ),
    explained_by(
        "stale-payments",
        page(
            "reservation_not_live",
            409,
            "The reservation is over",
            "It was confirmed, released or has expired; the pieces may belong to someone else by now.",
            "See where it stands: `makegood reservations list`.",
        ),
    ),
    explained_by(
        "inventory-drift",
        page(
            "stock_below_zero",
            409,
            "Stock would fall below what is reserved",
            "The correction would leave fewer pieces than live reservations hold.",
            "See the counts with `makegood inventory list`, and release reservations first: `makegood reservations release ID`.",
        ),
    ),
    page(
        "migration_changed",
        409,
        "A migration ran in another form",
        "The database was made by another line of versions of makegood.",
        "Run the version that made this database, or restore a backup. `makegood db status` shows what ran.",
    ),
    page(
        "migration_out_of_order",
        409,
        "A migration is missing below one that ran",
        "The database was made by another line of versions of makegood.",
        "Run the version that made this database, or restore a backup. `makegood db status` shows what ran.",
    ),
    // Starting up, and makegood dev ----------------------------------------------------------------------------
    page(
        "bootstrap_failed",
        500,
        "The shop did not open",
        "The configuration, the database or Stripe's key is not right. The detail names the key and what was seen.",
        "Mend the key that is named: `makegood config check` tells everything that is wrong at once.",
    ),
    page(
        "port_taken",
        409,
        "The address is taken",
        "Something else listens at this address and port.",
        "Stop it, or take another port: `makegood dev --listen 127.0.0.1:PORT`.",
    ),
    page(
        "folder_in_use",
        409,
        "The folder is in use",
        "Another `makegood dev` works in this folder.",
        "Stop it, or name another folder: `makegood dev --data-dir FOLDER`.",
    ),
    page(
        "folder_not_ours",
        409,
        "The folder holds something else",
        "The folder is not empty, and `makegood dev` did not make what is in it. It never touches what it did not make.",
        "Name another folder: `makegood dev --data-dir FOLDER`.",
    ),
    page(
        "folder_unusable",
        409,
        "The folder cannot be used",
        "The folder cannot be made, read or written. The detail carries the system's words.",
        "Mend its permissions, or name another folder: `makegood dev --data-dir FOLDER`.",
    ),
    page(
        "database_not_ours",
        409,
        "The database holds another shop",
        "`makegood dev` uses only databases that are empty or that it made itself.",
        "Unset `DATABASE_URL` for an embedded database, or name an empty one.",
    ),
    page(
        "sandbox_unreadable",
        409,
        "The sandbox's account cannot be read",
        "The file in which the sandbox keeps its account is damaged, or was written by another version.",
        "Begin anew: `makegood dev --reset`.",
    ),
    page(
        "script_stuck",
        409,
        "The script cannot go on",
        "A step of the script did not find what the step before should have left.",
        "Begin anew with `makegood dev --reset --script first-ten-minutes`; if it is stuck again, report it.",
    ),
    // At the terminal ------------------------------------------------------------------------------------------
    typed(
        "usage",
        "The command cannot be followed",
        "A word, a flag or a value in the command line is not one that this command knows. Nothing was done.",
        "The detail names it. `--help` after a command says what it takes, as in `makegood orders list --help`.",
    ),
    typed(
        "flag_required",
        "A flag is missing",
        "The command would ask before it changes something, and there is nobody to ask: it runs in a script, or with `--no-input`. Nothing was done.",
        "Look first with `--dry-run`; then add `--yes`. For an operation: `makegood orders ship ORDER --yes --reason TEXT`.",
    ),
    typed(
        "configuration",
        "The configuration is not right",
        "A key has a value that cannot be used, or one that is needed is missing. Each is named with what was seen and expected.",
        "Mend what is named: `makegood config check` tells everything at once, `makegood config env` what each key is for.",
    ),
    typed(
        "disk_failed",
        "The disk failed",
        "The disk gave an error while SQLite wrote a commit. Nobody was told that it is stored; whether it is, the next start finds out by reading the log. Until then nothing could be promised, so the server has ended.",
        "See that the disk is well (`dmesg`, `df`), then start again: `makegood serve`. A service manager that restarts what ends does it by itself. Stripe sends again what was not acknowledged, and `makegood events gaps` shows what is missing.",
    ),
    typed(
        "not_migrated",
        "The database is not up to date",
        "The database was made by an older version, and migrations are to come first.",
        "`makegood db status` shows which; `makegood db migrate` runs them.",
    ),
    later(typed(
        "unreachable",
        "Unreachable",
        "Nobody answers at the address that `--server` or `MAKEGOOD_URL` names, or something that is not makegood does. Nothing was asked for.",
        "See that it runs and that this is its address: `makegood health --server URL`.",
    )),
    typed(
        "conflict",
        "It changed meanwhile",
        "The server answered 409 and named no code; mostly something between here and makegood said so.",
        "Look how it stands now, for an order with `makegood orders explain ID`, and try again.",
    ),
    // Not now --------------------------------------------------------------------------------------------------
    explained_by(
        "checkout-failures",
        page(
            "stripe_refused",
            502,
            "Stripe refused",
            "Stripe answered with an error that trying again does not change; the detail carries Stripe's words and request id. What was reserved for it is free again.",
            "Read Stripe's message; check the key with `makegood config check`.",
        ),
    ),
    page(
        "stripe_key_missing",
        500,
        "There is no key for Stripe",
        "`STRIPE_SECRET` is not set, so Stripe cannot be asked. Nothing was sent. Trying again changes nothing.",
        "Set `STRIPE_SECRET` (sk_… or rk_…) in the environment, in `.env` or in `makegood.toml`, or `STRIPE_SECRET_FILE`; then `makegood config check`.",
    ),
    page(
        "stripe_key_not_taken",
        502,
        "Stripe does not take the key",
        "Stripe answered 401: the key in `STRIPE_SECRET` is mistyped, rolled, expired or deleted. Nothing was carried out. Jobs and events are tried again with growing pauses and then wait for a person; a refund waits and is never taken for failed.",
        "Put a valid key into `STRIPE_SECRET` and restart; `makegood config show` says where it is read. Then `makegood events replay EVENT` and `makegood jobs retry JOB` for what `makegood check` still names.",
    ),
    page(
        "stripe_permission_missing",
        502,
        "The key lacks a permission",
        "Stripe answered 403: the restricted key in `STRIPE_SECRET` may not do this. The detail names the endpoint, the permission and Stripe's words. Nothing was carried out. Jobs and events are tried again with growing pauses and then wait for a person; a refund waits and is never taken for failed.",
        "Give the key the permission in Stripe's dashboard (Developers → API keys), or put another one into `STRIPE_SECRET` and restart. Then `makegood events replay EVENT` and `makegood jobs retry JOB` for what `makegood check` still names.",
    ),
    later(explained_by(
        "checkout-failures",
        page(
            "stripe_unreachable",
            503,
            "Stripe cannot be reached",
            "Stripe was not reached, or asks us to slow down, so the buyer has no page to pay at. Nothing was carried out there; the order is given up, and what was set aside for it is free again.",
            "Try again in a moment. If it lasts: `makegood doctor` says what it is.",
        ),
    )),
    later(explained_by(
        "db-pool-exhausted",
        page(
            "busy",
            503,
            "Not now",
            "The database or Stripe cannot be reached, or too much is waiting. Nothing was lost: what was not acknowledged was not done.",
            "Try again after the time in `Retry-After`. If it lasts: `GET /readyz?verbose`.",
        ),
    )),
    explained_by(
        "downloads-kill-switch",
        page(
            "checkout_disabled",
            503,
            "Nothing can be bought for now",
            "An operator has switched checkout off. What was begun before can still be paid, and is delivered.",
            "See why with `makegood switches list`; then `makegood checkout enable --reason TEXT`.",
        ),
    ),
    later(page(
        "interrupted",
        503,
        "It was cut off",
        "A task was cut off between two of its steps, because its server stopped or somebody pressed Ctrl-C. What it had done by then stays done, and nothing is half done.",
        "Run it again: it goes on with what is left. `makegood runs list` shows how far it had come.",
    )),
    explained_by(
        "media-upload-signature",
        later(page(
            "CLOUDINARY_ERROR",
            503,
            "Cloudinary did not take the picture",
            "Cloudinary refuses the upload, or cannot be reached. When it calls a signature invalid, it says which text it signed; the detail compares that with ours and says whether the secret is wrong, holds stray white space, or the parameters arrived otherwise.",
            "`makegood media upload check` asks Cloudinary without uploading anything. The checklist: docs/cloudinary-invalid-signature.md",
        )),
    ),
    explained_by(
        "media-upload-signature",
        later(page(
            "media_store_error",
            503,
            "The picture could not be stored",
            "The place for pictures (`MEDIA_DISK`) is not configured, says no, or cannot be reached. The detail has its words. What may have been put there all the same is taken away after a while.",
            "`makegood media upload check`",
        )),
    ),
    later(page(
        "outcome_unknown",
        504,
        "The answer was lost",
        "The work may or may not have been done. makegood looks for itself and finishes what was begun.",
        "Send the same request with the same `Idempotency-Key`, or look first: `makegood orders explain ID`.",
    )),
    page(
        "internal_error",
        500,
        "Something is wrong in makegood",
        "Something happened that must not. It was logged with the request's id.",
        "Look for the `request_id` in the log, and report it.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_there_once_and_its_page_is_whole() {
        let mut codes: Vec<_> = PAGES.iter().map(|page| page.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), PAGES.len());
        for page in PAGES {
            assert!(page.http_status().is_client_error() || page.http_status().is_server_error());
            assert_eq!(page.means.matches('`').count() % 2, 0, "{}", page.code);
            assert_eq!(page.next.matches('`').count() % 2, 0, "{}", page.code);
            assert!(page.html().contains(page.code) && !page.html().contains("<script"));
            assert!(page.runbook.is_none_or(|id| shop::runbooks::find(id).is_ok()), "{}", page.code);
        }
    }
}
