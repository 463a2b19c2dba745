//! The rooms: what is sold, ordered, handed over and taken back. The doors are elsewhere; here nobody knows HTTP.
//!
//! Every room has the same furniture: nouns that decide, use cases that act, `store.rs` with all SQL on its tables, `ops.rs`,
//! `checks.rs`. A room asks another by its verb, never by its table. `tests/house.rs` holds which may ask which.

pub mod around;
pub mod cases;
pub mod catalog;
pub mod checkout;
pub mod claims;
pub mod content;
pub mod customers;
pub mod disputes;
pub mod downloads;
pub mod entitlements;
pub mod fetch;
pub mod given;
pub mod ids;
pub mod import;
pub mod inbox;
pub mod inventory;
pub mod mails;
pub mod media;
pub mod office;
pub mod orders;
pub mod reconcile;
pub mod refunds;
pub mod runbooks;
pub mod seam;
mod shop;
pub mod switches;
mod view;

use db::Migration;
use ops::{Check, OperationDef, TaskDef, ViewDef};

pub use seam::{Outside, Seam, Settings};
pub use shop::Shop;

/// Everything that makes the schema, in order.
pub const MIGRATIONS: &[Migration] = &[
    jobs::MIGRATION,
    ops::MIGRATION,
    Migration {
        version: 3,
        name: "foundation of the shop",
        sql: include_str!("../migrations/0001_foundation.sql"),
    },
    Migration {
        version: 4,
        name: "grants by order",
        sql: include_str!("../migrations/0002_grants_by_order.sql"),
    },
    Migration {
        version: 5,
        name: "money that goes back",
        sql: include_str!("../migrations/0003_money_back.sql"),
    },
    ops::MIGRATION_RUNS,
    Migration { version: 7, name: "looking up", sql: include_str!("../migrations/0004_looking_up.sql") },
    Migration {
        version: 8,
        name: "reading Stripe's events",
        sql: include_str!("../migrations/0005_reading_events.sql"),
    },
    Migration { version: 9, name: "reconciliations", sql: include_str!("../migrations/0006_reconcile.sql") },
    ops::MIGRATION_CHAIN,
    ops::MIGRATION_RESULTS,
    ops::MIGRATION_USERS,
    Migration { version: 14, name: "lists of many years", sql: include_str!("../migrations/0007_lists.sql") },
    Migration {
        version: 15,
        name: "ignored events by their payment",
        sql: include_str!("../migrations/0008_ignored_events.sql"),
    },
    Migration {
        version: 16,
        name: "switches and content",
        sql: include_str!("../migrations/0009_switches_and_content.sql"),
    },
    Migration {
        version: 17,
        name: "mail, and who a buyer is",
        sql: include_str!("../migrations/0010_mail_and_identity.sql"),
    },
    Migration { version: 18, name: "pictures", sql: include_str!("../migrations/0011_media.sql") },
    Migration {
        version: 20,
        name: "payment links",
        sql: include_str!("../migrations/0012_payment_links.sql"),
    },
    ops::MIGRATION_SNOOZES,
    Migration { version: 22, name: "drills", sql: include_str!("../migrations/0013_drills.sql") },
    Migration {
        version: 23,
        name: "links that were asked for",
        sql: include_str!("../migrations/0014_links_asked_for.sql"),
    },
    Migration {
        version: 24,
        name: "what only grows is not replaced",
        sql: include_str!("../migrations/0015_only_grow.sql"),
    },
    Migration {
        version: 25,
        name: "links asked from somewhere",
        sql: include_str!("../migrations/0017_links_asked_from.sql"),
    },
    Migration {
        version: 26,
        name: "events by their object",
        sql: include_str!("../migrations/0016_events_by_object.sql"),
    },
    ops::MIGRATION_REQUESTS,
];

/// Every operation there is. The doors are made from this list.
pub const OPERATIONS: &[OperationDef] = &[
    OperationDef::of::<import::ops::Import>(),
    OperationDef::of::<catalog::ops::MapPrice>(),
    OperationDef::of::<catalog::ops::UnmapPrice>(),
    OperationDef::of::<claims::ops::Resend>(),
    OperationDef::of::<switches::ops::DisableCheckout>(),
    OperationDef::of::<switches::ops::EnableCheckout>(),
    OperationDef::of::<content::ops::Publish>(),
    OperationDef::of::<content::ops::Unpublish>(),
    OperationDef::of::<content::ops::Relocate>(),
    OperationDef::of::<customers::ops::Create>(),
    OperationDef::of::<switches::ops::DisableDownloads>(),
    OperationDef::of::<switches::ops::EnableDownloads>(),
    OperationDef::of::<orders::grant::Grant>(),
    OperationDef::of::<entitlements::ops::Revoke>(),
    OperationDef::of::<inbox::ops::Replay>(),
    OperationDef::of::<inbox::ops::Ignore>(),
    OperationDef::of::<inventory::ops::Adjust>(),
    OperationDef::of::<inventory::ops::Recount>(),
    OperationDef::of::<inventory::ops::Confirm>(),
    OperationDef::of::<inventory::ops::LetGo>(),
    OperationDef::of::<office::findings::Put>(),
    OperationDef::of::<office::findings::Wake>(),
    OperationDef::of::<mails::ops::Resend>(),
    OperationDef::of::<office::jobs::Retry>(),
    OperationDef::of::<office::jobs::Discard>(),
    OperationDef::of::<office::jobs::RunNow>(),
    OperationDef::of::<office::tokens::Revoke>(),
    OperationDef::of::<office::users::SetRole>(),
    OperationDef::of::<office::users::Disable>(),
    OperationDef::of::<office::users::Enable>(),
    OperationDef::of::<runbooks::drills::Record>(),
    OperationDef::of::<orders::ops::Confirm>(),
    OperationDef::of::<orders::ops::Cancel>(),
    OperationDef::of::<orders::ops::Ship>(),
    OperationDef::of::<orders::ops::Note>(),
    OperationDef::of::<orders::mend::Mend>(),
    OperationDef::of::<orders::backfill::BackfillPaymentIntents>(),
    OperationDef::of::<orders::ops::FlagReview>(),
    OperationDef::of::<orders::ops::ClearReview>(),
    OperationDef::of::<refunds::ops::Create>(),
    OperationDef::of::<refunds::ops::Mark>(),
    OperationDef::of::<switches::ops::DisableRefunds>(),
    OperationDef::of::<switches::ops::EnableRefunds>(),
];

/// Every read there is. The doors are made from this list.
pub const VIEWS: &[ViewDef] = &[
    ViewDef::of::<catalog::views::ListProducts>(),
    ViewDef::of::<claims::ops::List>(),
    ViewDef::of::<content::ops::List>(),
    ViewDef::of::<content::ops::Show>(),
    ViewDef::of::<customers::ops::List>(),
    ViewDef::of::<disputes::views::List>(),
    ViewDef::of::<disputes::views::Show>(),
    ViewDef::of::<downloads::views::Log>(),
    ViewDef::of::<entitlements::ops::List>(),
    ViewDef::of::<entitlements::ops::Check>(),
    ViewDef::of::<inbox::views::List>(),
    ViewDef::of::<inbox::views::Show>(),
    ViewDef::of::<inventory::ops::ListStock>(),
    ViewDef::of::<inventory::ops::AuditStock>(),
    ViewDef::of::<inventory::ops::ListReservations>(),
    ViewDef::of::<mails::views::List>(),
    ViewDef::of::<mails::views::Show>(),
    ViewDef::of::<media::views::List>(),
    ViewDef::of::<office::audit::List>(),
    ViewDef::of::<office::audit::Show>(),
    ViewDef::of::<office::findings::List>(),
    ViewDef::of::<office::findings::Show>(),
    ViewDef::of::<office::jobs::List>(),
    ViewDef::of::<office::jobs::Show>(),
    ViewDef::of::<office::runs::List>(),
    ViewDef::of::<office::runs::Show>(),
    ViewDef::of::<office::tokens::List>(),
    ViewDef::of::<office::users::List>(),
    ViewDef::of::<orders::views::List>(),
    ViewDef::of::<orders::views::Show>(),
    ViewDef::of::<orders::views::Timeline>(),
    ViewDef::of::<cases::Explain>(),
    ViewDef::of::<cases::Find>(),
    ViewDef::of::<reconcile::views::List>(),
    ViewDef::of::<reconcile::views::Show>(),
    ViewDef::of::<reconcile::views::Findings>(),
    ViewDef::of::<refunds::views::List>(),
    ViewDef::of::<refunds::views::Show>(),
    ViewDef::of::<runbooks::drills::List>(),
    ViewDef::of::<runbooks::views::List>(),
    ViewDef::of::<runbooks::views::Show>(),
    ViewDef::of::<switches::ops::List>(),
];

/// Everything that talks to the world and may take long. The doors are made from this list.
pub const TASKS: &[TaskDef<Shop>] = &[
    TaskDef::of::<cases::Case>(),
    TaskDef::of::<checkout::tasks::CleanUpFailed>(),
    TaskDef::of::<office::connections::Pool>(),
    TaskDef::of::<office::connections::Cut>(),
    TaskDef::of::<office::doctor::Doctor>(),
    TaskDef::of::<office::status::Status>(),
    TaskDef::of::<content::tasks::CheckContent>(),
    TaskDef::of::<content::tasks::Import>(),
    TaskDef::of::<downloads::tasks::MakeLink>(),
    TaskDef::of::<inbox::tasks::Backfill>(),
    TaskDef::of::<inbox::tasks::FindGaps>(),
    TaskDef::of::<inbox::tasks::ReplayMatching>(),
    TaskDef::of::<office::secrets::List>(),
    TaskDef::of::<office::secrets::Refresh>(),
    TaskDef::of::<media::tasks::CheckUpload>(),
    TaskDef::of::<media::tasks::TestUpload>(),
    TaskDef::of::<office::verify::Verify>(),
    TaskDef::of::<reconcile::ops::Reconcile>(),
    TaskDef::of::<runbooks::tasks::Detect>(),
    TaskDef::of::<runbooks::tasks::Explain>(),
    TaskDef::of::<runbooks::tasks::Preview>(),
    TaskDef::of::<runbooks::tasks::Apply>(),
    TaskDef::of::<runbooks::tasks::Verify>(),
    TaskDef::of::<runbooks::tasks::Reply>(),
];

/// Every runbook there is. Commands, pages and documents are made from this list.
pub const RUNBOOKS: &[runbooks::Runbook] = &[
    runbooks::pages::paid_no_access::RUNBOOK,
    runbooks::pages::webhook_downtime::RUNBOOK,
    runbooks::pages::webhook_failed::RUNBOOK,
    runbooks::pages::stuck_paid_orders::RUNBOOK,
    runbooks::pages::refund_downgrade::RUNBOOK,
    runbooks::pages::missed_refund::RUNBOOK,
    runbooks::pages::refund_spike::RUNBOOK,
    runbooks::pages::dispute::RUNBOOK,
    runbooks::pages::inventory_drift::RUNBOOK,
    runbooks::pages::stale_payments::RUNBOOK,
    runbooks::pages::review_hold::RUNBOOK,
    runbooks::pages::download_blocked_423::RUNBOOK,
    runbooks::pages::download_link_expired::RUNBOOK,
    runbooks::pages::downloads_kill_switch::RUNBOOK,
    runbooks::pages::content_check::RUNBOOK,
    runbooks::pages::payment_intent_backfill::RUNBOOK,
    runbooks::pages::media_upload_401::RUNBOOK,
    runbooks::pages::media_upload_signature::RUNBOOK,
    runbooks::pages::secret_rotation::RUNBOOK,
    runbooks::pages::checkout_failures::RUNBOOK,
    runbooks::pages::db_pool_exhausted::RUNBOOK,
    runbooks::pages::bootstrap_db_uri::RUNBOOK,
    runbooks::pages::prelaunch::RUNBOOK,
    runbooks::pages::security_checks::RUNBOOK,
];

/// What a program may do at run time with the tables that prove something: to those that only grow it adds, the end of the
/// chain it moves, and from the notes of what waits for its seal it takes away.
pub const LIMITED: [(&str, &str); 5] = [
    (ops::ONLY_GROW[0], "SELECT, INSERT"),
    (ops::ONLY_GROW[1], "SELECT, INSERT"),
    (inventory::ONLY_GROWS, "SELECT, INSERT"),
    ("audit_head", "SELECT, UPDATE"),
    ("audit_unchained", "SELECT, DELETE"),
];

/// Tables that only grow: a program that runs may add to them, and nothing else.
pub const ONLY_GROW: [&str; 3] = [ops::ONLY_GROW[0], ops::ONLY_GROW[1], inventory::ONLY_GROWS];

/// Everything that must be true. `makegood check`, the gauges and the end of every test run this list.
pub fn checks() -> Vec<Check> {
    [
        orders::checks::CHECKS.as_slice(),
        &inbox::checks::CHECKS,
        &entitlements::checks::CHECKS,
        &content::checks::CHECKS,
        &inventory::checks::CHECKS,
        &media::checks::CHECKS,
        &refunds::checks::CHECKS,
        &mails::checks::CHECKS,
        &downloads::checks::CHECKS,
        &switches::checks::CHECKS,
        &office::checks::CHECKS,
    ]
    .concat()
}
