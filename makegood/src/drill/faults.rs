//! The faults, one for each runbook: what happens at Stripe and on the way, or what a hand in the database does.

use db::TxResult;
use kernel::{Duration, Error, Result};
use ops::{Actor, Role};
use sandbox::{DisputeStep, Fault, NewDispute, NewRefund, NotPossible, Trouble};
use serde_json::json;
use shop::downloads::{Asker, Wanted};
use shop::media::Upload;

use super::crowd::Crowd;
use super::stage::Stage;

/// Who buys.
pub(super) const ADA: &str = "ada@example.com";

/// What was broken.
pub(super) struct Broken {
    /// What happened, for people.
    pub(super) story: &'static str,
    /// What the runbook is asked about.
    pub(super) subject: String,
    /// As what `detect` may show it.
    pub(super) seen_as: Vec<String>,
    /// The cause that must be picked.
    pub(super) cause: &'static str,
    /// What only a person knows.
    pub(super) with: Option<&'static str>,
    /// What only a person can do, where no operation mends it.
    pub(super) hand: Option<Hand>,
}

/// What a person does elsewhere.
pub(super) enum Hand {
    /// Sees to it that fewer ask at once, or that there are more connections.
    Disperses(Crowd),
    /// Sets what was wrong right, and starts the program.
    Starts,
    /// Starts a server with workers.
    Works,
}

impl Hand {
    pub(super) async fn act(self, stage: &Stage) -> Result<()> {
        match self {
            Hand::Disperses(crowd) => crowd.leave().await,
            Hand::Starts => stage.start(),
            Hand::Works => stage.watch().await?,
        }
        Ok(())
    }
}

impl Broken {
    fn new(cause: &'static str, subject: impl ToString, story: &'static str) -> Self {
        let subject = subject.to_string();
        Broken { story, seen_as: vec![subject.clone()], subject, cause, with: None, hand: None }
    }
    fn seen_as(self, subject: impl ToString) -> Self {
        Broken { seen_as: vec![subject.to_string()], ..self }
    }
    fn with(self, with: &'static str) -> Self {
        Broken { with: Some(with), ..self }
    }
    fn by_hand(self, hand: Hand) -> Self {
        Broken { hand: Some(hand), ..self }
    }
}

/// What is younger may still be on its way, and is not missed.
const OLD_ENOUGH: Duration = Duration::from_secs(6 * 60);
/// After this time a check loses its patience.
const PATIENCE: Duration = Duration::from_secs(11 * 60);
const HOUR: Duration = Duration::from_secs(3600);

/// Every runbook that can be drilled.
pub(super) async fn inject(runbook: &str, stage: &Stage) -> Result<Broken> {
    match runbook {
        "paid-no-access" => paid_no_access(stage).await,
        "webhook-downtime" => webhook_downtime(stage).await,
        "webhook-failed" => webhook_failed(stage).await,
        "stuck-paid-orders" => stuck_paid_orders(stage).await,
        "refund-downgrade" => refund_downgrade(stage).await,
        "missed-refund" => missed_refund(stage).await,
        "refund-spike" => refund_spike(stage).await,
        "dispute" => dispute(stage).await,
        "inventory-drift" => inventory_drift(stage).await,
        "stale-payments" => stale_payments(stage).await,
        "review-hold" => review_hold(stage).await,
        "download-blocked-423" => download_blocked(stage).await,
        "download-link-expired" => download_link_expired(stage).await,
        "content-check" => content_check(stage).await,
        "downloads-kill-switch" => downloads_kill_switch(stage).await,
        "payment-intent-backfill" => payment_intent_backfill(stage).await,
        "media-upload-401" => media_upload_401(stage).await,
        "media-upload-signature" => media_upload_signature(stage).await,
        "secret-rotation" => secret_rotation(stage).await,
        "checkout-failures" => checkout_failures(stage).await,
        "db-pool-exhausted" => db_pool_exhausted(stage).await,
        "bootstrap-db-uri" => Ok(bootstrap_db_uri(stage)),
        "prelaunch" => prelaunch(stage).await,
        "security-checks" => security_checks(stage).await,
        other => Err(Error::bug(format!("nobody has written a fault for {other}"))),
    }
}

async fn paid_no_access(stage: &Stage) -> Result<Broken> {
    let started = stage.check_out(stage.buyer(ADA).await?, "course").await?;
    stage.deaf();
    stage.pay(&started)?;
    stage.heal();
    stage.settle().await?;
    stage.advance(OLD_ENOUGH);
    Ok(Broken::new("event_not_received", ADA, "Ada pays for a course, and Stripe never tells of it")
        .seen_as(started.order))
}

async fn webhook_downtime(stage: &Stage) -> Result<Broken> {
    stage.trouble(Fault::new(Trouble::Drop));
    for email in [ADA, "bob@example.com"] {
        let started = stage.check_out(stage.buyer(email).await?, "course").await?;
        stage.pay(&started)?;
    }
    stage.heal();
    stage.settle().await?;
    stage.advance(OLD_ENOUGH);
    Ok(Broken::new("events_missed", "all", "two people pay while the endpoint is down; nothing is delivered"))
}

/// Only one event tells of the payment, and its processing gave up.
async fn webhook_failed(stage: &Stage) -> Result<Broken> {
    for kind in ["payment_intent.*", "charge.*"] {
        stage.trouble(Fault::new(Trouble::NotGenerated).on_event(kind));
    }
    let started = stage.check_out(stage.buyer(ADA).await?, "course").await?;
    stage.pay(&started)?;
    stage.heal();
    stage.deliver().await?;
    stage
        .by_hand(
            "UPDATE stripe_events SET status = 'error', attempts = 12,
               last_error_kind = 'database', last_error = 'Database connection failed'
             WHERE type = 'checkout.session.completed'",
        )
        .await?;
    stage.settle().await?;
    let event = stage
        .text("SELECT stripe_event_id AS found FROM stripe_events WHERE type = 'checkout.session.completed'")
        .await?;
    stage.advance(PATIENCE);
    Ok(Broken::new(
        "gave_up",
        event,
        "Ada pays, the database is away while her event is processed, and it is given up",
    ))
}

/// The last mug is sold to somebody else while Ada is paying.
async fn stuck_paid_orders(stage: &Stage) -> Result<Broken> {
    stage.operate("inventory.adjust", json!({ "sku": "MUG", "change": -4 })).await?;
    let ada = stage.check_out(stage.buyer(ADA).await?, "mug").await?;
    let reservation = stage.reservation(ada.order).await?;
    stage.operate("reservations.release", json!({ "reservation": reservation })).await?;
    let bob = stage.check_out(stage.buyer("bob@example.com").await?, "mug").await?;
    stage.pay(&bob)?;
    stage.settle().await?;
    stage.pay(&ada)?;
    stage.settle().await?;
    stage.advance(PATIENCE);
    let story = "Ada pays for the last mug after her reservation was let go and Bob has bought it";
    Ok(Broken::new("waits_for_stock", ada.order, story).with("change=1"))
}

async fn refund_downgrade(stage: &Stage) -> Result<Broken> {
    let started = stage.bought("course").await?;
    refund(stage, &started.session)?;
    stage.settle().await?;
    stage.by_hand("UPDATE entitlement_grants SET status = 'active'").await?;
    stage.by_hand("UPDATE entitlements SET status = 'active'").await?;
    let story = "Ada's money went back, and a hand in the database has given her the access again";
    Ok(Broken::new("access_stayed", started.order, story))
}

fn refund(stage: &Stage, session: &str) -> Result<()> {
    let cx = stage.cx();
    possible(stage.stripe().refund_in_dashboard(session, &NewRefund::default(), &cx)).map(drop)
}

fn possible<T>(done: Result<T, NotPossible>) -> Result<T> {
    done.map_err(|why| Error::Bug(Box::new(why)))
}

async fn missed_refund(stage: &Stage) -> Result<Broken> {
    let started = stage.bought("course").await?;
    stage.deaf();
    refund(stage, &started.session)?;
    stage.settle().await?;
    stage.advance(OLD_ENOUGH);
    stage.heal();
    let story = "Ada's payment is refunded in the dashboard, and Stripe never tells of it";
    Ok(Broken::new("refund_missed", started.order, story))
}

/// Stripe carries it out, its answer is lost, and nobody looks for an hour.
async fn refund_spike(stage: &Stage) -> Result<Broken> {
    let started = stage.bought("course").await?;
    stage.operate("refunds.create", json!({ "order": started.order })).await?;
    stage.deaf();
    stage.trouble(Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/refunds"));
    stage.work().await?;
    stage.heal();
    stage.advance(HOUR + OLD_ENOUGH);
    let refund =
        stage.shop.db.read("drill.look", move |tx| shop::refunds::of_order(tx, started.order)).await?;
    let refund =
        refund.last().map(|refund| refund.id).ok_or_else(|| Error::bug("no refund was asked for"))?;
    let story = "a refund is sent to Stripe, its answer is lost, and workers are away for an hour";
    Ok(Broken::new("answer_lost", refund, story))
}

async fn dispute(stage: &Stage) -> Result<Broken> {
    let started = stage.bought("course").await?;
    let cx = stage.cx();
    let dispute = possible(stage.stripe().open_dispute(&started.session, &NewDispute::default(), &cx))?;
    stage.settle().await?;
    stage.deaf();
    for step in [DisputeStep::Review, DisputeStep::Win] {
        possible(stage.stripe().move_dispute(&dispute, step, &cx))?;
    }
    stage.settle().await?;
    stage.advance(OLD_ENOUGH);
    stage.heal();
    let story = "Ada's bank disputes the payment, the shop wins, and Stripe never tells that it has";
    Ok(Broken::new("dispute_missed", started.order, story))
}

async fn inventory_drift(stage: &Stage) -> Result<Broken> {
    stage.check_out(stage.buyer(ADA).await?, "mug").await?;
    stage.by_hand("UPDATE inventory SET stock_count = stock_count + 3 WHERE sku = 'MUG'").await?;
    let story = "somebody sets the stock of mugs by hand; seven are counted on the shelf";
    Ok(Broken::new("changed_past_the_ledger", "MUG", story).with("pieces=7"))
}

/// Workers are away while a checkout ends, and Stripe never tells of it.
async fn stale_payments(stage: &Stage) -> Result<Broken> {
    let started = stage.check_out(stage.buyer(ADA).await?, "mug").await?;
    stage.deaf();
    stage.advance(HOUR);
    stage.heal();
    let reservation = stage.reservation(started.order).await?;
    let story = "Ada leaves her basket, workers are away, and Stripe never tells that the page has closed";
    Ok(Broken::new("ended_unnoticed", &reservation, story).seen_as(reservation))
}

async fn review_hold(stage: &Stage) -> Result<Broken> {
    let started = stage.check_out(stage.buyer(ADA).await?, "course").await?;
    stage.stripe().reprice(&started.session, 100).map_err(|e| Error::Bug(Box::new(e)))?;
    stage.pay(&started)?;
    stage.settle().await?;
    Ok(Broken::new("amount_mismatch", started.order, "somebody pays 1.00 for what costs 49.00"))
}

async fn download_blocked(stage: &Stage) -> Result<Broken> {
    let resource = stage.with_content().await?;
    let started = stage.bought("course").await?;
    let flag = json!({ "order": started.order, "detail": "bought from two countries within an hour" });
    stage.operate("orders.review.flag", flag).await?;
    let buyer = stage.shop.db.read("drill.look", move |tx| shop::orders::find(tx, started.order)).await?;
    let profile = buyer.and_then(|order| order.profile);
    let asker = Asker { profile, actor: Actor::buyer(ADA), address: "192.0.2.1".into(), request_id: None };
    let wanted = Wanted::OfCourse { course: "course".into(), resource };
    if stage.shop.deliverer.deliver(&stage.shop, asker, wanted).await.is_ok() {
        return Err(Error::bug("an order under review gave a file"));
    }
    let story = "an operator flags Ada's order, and she asks for the notes of her course";
    Ok(Broken::new("under_review", started.order, story))
}

/// Somebody has put the notes under another name.
async fn download_link_expired(stage: &Stage) -> Result<Broken> {
    let resource = stage.with_content().await?;
    stage.bought("course").await?;
    stage.by_hand("UPDATE course_resources SET object_key = 'course/old.pdf'").await?;
    let story = "Ada's link is old, and a fresh one leads to a name under which nothing lies; the notes lie elsewhere";
    Ok(Broken::new("file_missing", resource, story).with("object_key=course/notes.pdf"))
}

async fn content_check(stage: &Stage) -> Result<Broken> {
    stage.with_content().await?;
    stage.by_hand("UPDATE course_lessons SET published = false").await?;
    let story = "a course is published, and a hand in the database takes its only lesson back";
    Ok(Broken::new("shows_nothing", "course", story))
}

async fn downloads_kill_switch(stage: &Stage) -> Result<Broken> {
    stage.bought("course").await?;
    stage.operate("downloads.disable", json!({})).await?;
    let story = "a file of the course is found elsewhere, and an operator stops all downloads";
    Ok(Broken::new("downloads_off", "downloads", story))
}

async fn payment_intent_backfill(stage: &Stage) -> Result<Broken> {
    let started = stage.bought("course").await?;
    stage.by_hand("UPDATE orders SET stripe_payment_intent_id = NULL").await?;
    let story = "an order is brought in from elsewhere without its payment; only its timeline knows it";
    Ok(Broken::new("timeline_knows", started.order, story))
}

/// The old secret ends at once; the new one is put in its place, and nothing has read it yet.
async fn secret_rotation(stage: &Stage) -> Result<Broken> {
    let started = stage.check_out(stage.buyer(ADA).await?, "course").await?;
    stage.advance(Duration::from_secs(60));
    let secret = stage.roll_secret()?;
    stage.pay(&started)?;
    stage.deliver().await?;
    stage.put_secret(&secret)?;
    let story = "the signing secret is rolled at Stripe and the old one ends at once; Ada pays, and her events are refused";
    Ok(Broken::new("not_read_again", "STRIPE_WEBHOOK_SECRET", story))
}

async fn media_upload_401(stage: &Stage) -> Result<Broken> {
    let (cx, ends) = (stage.shop.cx(), stage.shop.now() + HOUR);
    let token = stage.shop.db.write("drill.token", move |tx| {
        let (id, token) = ops::create_token(tx, &cx, "the uploads of the shop", Role::Operator, Some(ends))?;
        ops::note_token_use(tx, cx.now, &token)?;
        Ok(id)
    });
    let token = token.await.must_be_looked_up()?;
    stage.advance(HOUR + OLD_ENOUGH);
    Ok(Broken::new(
        "ended",
        token,
        "The token by which pictures are uploaded ends, and its client goes on sending it",
    ))
}

async fn media_upload_signature(stage: &Stage) -> Result<Broken> {
    stage.pictures().secret_is_wrong(true);
    let picture = Upload {
        bytes: bytes::Bytes::from_static(b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"),
        content_type: Some("image/gif".into()),
        file_name: None,
        actor: Actor::operator("the uploads of the shop"),
        request_id: None,
    };
    let refused = shop::media::upload(&stage.shop, picture).await.err().map(|error| error.code());
    if refused != Some("CLOUDINARY_ERROR") {
        return Err(Error::bug(format!("the upload was not refused: {refused:?}")));
    }
    stage.pictures().secret_is_wrong(false);
    stage.advance(OLD_ENOUGH);
    let found = stage.findings().await?;
    let picture = found.first().ok_or_else(|| Error::bug("nothing was found"))?.subject.clone();
    let story = "Somebody rotates the secret at Cloudinary, an upload is refused, and the new secret is set; nobody has tried it";
    Ok(Broken::new("wrong_secret", picture, story))
}

/// The job that closes a checkout asks Stripe in vain until it gives up.
async fn checkout_failures(stage: &Stage) -> Result<Broken> {
    stage.check_out(stage.buyer(ADA).await?, "mug").await?;
    stage.deaf();
    stage.trouble(Fault::new(Trouble::Unavailable).on_request("GET", "/v1/checkout/sessions"));
    for _ in 0..14 {
        stage.advance(HOUR);
        stage.work().await?;
    }
    stage.heal();
    let failed = stage.shop.db.read("drill.look", |tx| {
        let all = jobs::list(tx, Some("failed"), None, 1)?;
        all.iter().map(|row| row.get::<jobs::JobId>("id")).collect::<Result<Vec<_>>>()
    });
    let failed = failed.await?;
    let job = failed.first().ok_or_else(|| Error::bug("no job has given up"))?;
    let story = "Ada leaves her basket, and Stripe is away for so long that the work on it gives up";
    Ok(Broken::new("job_gave_up", job, story))
}

/// A real crowd: every connection of the pool is held, and more work waits than there are connections.
async fn db_pool_exhausted(stage: &Stage) -> Result<Broken> {
    let crowd = Crowd::gather(&stage.shop.db).await;
    let story = "a campaign brings more people at once than there are connections to the database";
    Ok(Broken::new("pool_too_small", "database.pool", story).by_hand(Hand::Disperses(crowd)))
}

fn bootstrap_db_uri(stage: &Stage) -> Broken {
    stage.start_with("DATABASE_URL", "mongodb+srv://shop:CHANGE_ME@cluster.example/shop");
    let story = "the program is deployed anew with the address of another database, and does not start";
    Broken::new("address_wrong", "config.database", story).by_hand(Hand::Starts)
}

async fn prelaunch(stage: &Stage) -> Result<Broken> {
    stage.watch().await?;
    stage.advance(PATIENCE);
    let story = "the shop is to open, and the one server with workers was stopped ten minutes ago";
    Ok(Broken::new("nobody_works", "queue.workers", story).by_hand(Hand::Works))
}

async fn security_checks(stage: &Stage) -> Result<Broken> {
    stage.hide_secret(true)?;
    stage.read_secrets().await?;
    stage.hide_secret(false)?;
    let story = "the file of the signing secret is gone while it is read again; somebody puts it back";
    Ok(Broken::new("secret_not_readable", "secrets.readable", story))
}
