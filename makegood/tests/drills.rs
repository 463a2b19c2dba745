//! Every runbook is drilled on both databases: a fault, the whole loop, and nothing left. The drill itself is tested by
//! leaving out the mend: it must notice.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use makegood::drill::{Drilled, Mending, drill_on};
use testkit::{Engine, TestDb};

async fn drilled(id: &str, test: TestDb, mending: Mending) -> Drilled {
    let runbook = shop::runbooks::find(id).unwrap();
    drill_on(runbook, test.db.clone(), mending, &mut |_| {}).await
}

fn told(drilled: &Drilled) -> String {
    let steps = drilled
        .steps
        .iter()
        .map(|step| format!("{} {}: {}", if step.ok { "✓" } else { "✗" }, step.what, step.seen));
    steps.collect::<Vec<_>>().join("\n")
}

async fn loops(id: &str, test: TestDb) {
    let drilled = drilled(id, test, Mending::Applied).await;
    assert!(drilled.ok && drilled.steps.len() > 10, "{}\n{}", drilled.runbook, told(&drilled));
}

macro_rules! drills {
    ($($name:ident $id:literal;)*) => {
        testkit::on_both_engines! {
            migrated by shop::MIGRATIONS;
            $(async fn $name(test: TestDb) {
                loops($id, test).await;
            })*
        }

        const DRILLED: &[&str] = &[$($id),*];
    };
}

drills! {
    paid_no_access_is_found_explained_mended_and_verified "paid-no-access";
    webhook_downtime_is_found_explained_mended_and_verified "webhook-downtime";
    webhook_failed_is_found_explained_mended_and_verified "webhook-failed";
    stuck_paid_orders_are_found_explained_mended_and_verified "stuck-paid-orders";
    refund_downgrade_is_found_explained_mended_and_verified "refund-downgrade";
    a_missed_refund_is_found_explained_mended_and_verified "missed-refund";
    refund_spike_is_found_explained_mended_and_verified "refund-spike";
    a_dispute_is_found_explained_mended_and_verified "dispute";
    inventory_drift_is_found_explained_mended_and_verified "inventory-drift";
    stale_payments_are_found_explained_mended_and_verified "stale-payments";
    a_review_hold_is_found_explained_mended_and_verified "review-hold";
    a_blocked_download_is_found_explained_mended_and_verified "download-blocked-423";
    an_expired_link_is_found_explained_mended_and_verified "download-link-expired";
    a_kill_switch_is_found_explained_mended_and_verified "downloads-kill-switch";
    missing_content_is_found_explained_mended_and_verified "content-check";
    payment_intent_backfill_is_found_explained_mended_and_verified "payment-intent-backfill";
    a_refused_upload_is_found_explained_mended_and_verified "media-upload-401";
    an_invalid_signature_is_found_explained_mended_and_verified "media-upload-signature";
    secret_rotation_is_found_explained_mended_and_verified "secret-rotation";
    checkout_failures_are_found_explained_mended_and_verified "checkout-failures";
    an_exhausted_pool_is_found_explained_mended_and_verified "db-pool-exhausted";
    a_database_that_is_named_wrong_is_found_explained_mended_and_verified "bootstrap-db-uri";
    what_keeps_a_shop_from_opening_is_found_explained_mended_and_verified "prelaunch";
    what_lets_strangers_in_is_found_explained_mended_and_verified "security-checks";
}

#[test]
fn every_runbook_is_drilled() {
    let all: Vec<&str> = shop::RUNBOOKS.iter().map(|runbook| runbook.id).collect();
    assert_eq!(DRILLED, all);
}

/// A drill that passes whatever is done proves nothing.
#[test]
fn a_drill_fails_when_the_mend_is_left_out() {
    testkit::databases::runtime().block_on(async {
        for id in DRILLED {
            let test = TestDb::migrated(Engine::Sqlite, shop::MIGRATIONS).await.unwrap();
            let drilled = drilled(id, test, Mending::LeftOut).await;
            let failed: Vec<&str> =
                drilled.steps.iter().filter(|step| !step.ok).map(|step| step.what.as_str()).collect();
            assert!(!drilled.ok && failed.contains(&"verify holds"), "{id}: {failed:?}\n{}", told(&drilled));
        }
    });
}
