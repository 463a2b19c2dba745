//! The comparison with Stripe through the real binary: what scripts get, and by which exit code they know.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;

use std::sync::Arc;
use std::time::Duration;

use cli_stage::Stage;
use makegood::clock::{OsEntropy, SystemClock};
use sandbox::http::{Shared, router};
use sandbox::{Fault, NewDispute, Sandbox, Trouble};
use testkit::World;

/// Serves this account; gives its address.
fn served(account: Sandbox) -> (Arc<Shared>, String) {
    let shared = Shared::new(account, Arc::new(SystemClock), Arc::new(OsEntropy));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let account = shared.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router(account)).await.unwrap();
        });
    });
    (shared, url)
}

/// A Stripe that answers everything so; gives its address.
fn refusing(status: u16) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let answer = move || async move {
                let status = axum::http::StatusCode::from_u16(status).unwrap();
                (status, r#"{"error":{"type":"invalid_request_error","message":"because of your key"}}"#)
            };
            axum::serve(listener, axum::Router::new().fallback(answer)).await.unwrap();
        });
    });
    url
}

/// A buyer has paid and been served; then a bank asked for the money, and nobody was told. Gives the dispute.
async fn disputed_unheard(world: &World) -> String {
    let ada = world.buyer("ada@example.com").await;
    let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
    world.pay(&started, "4242424242424242");
    world.settle().await;
    world.advance(Duration::from_secs(24 * 3600));
    let cx = world.stripe.cx();
    let mut account = world.account();
    account.inject(Fault::new(Trouble::NotGenerated));
    let dispute = account.open_dispute(&started.session, &NewDispute::default(), &cx).unwrap();
    account.clear_faults();
    dispute
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    /// None of these is an outage: to try again in a moment changes nothing, and a script shall not do so.
    async fn what_is_wrong_with_the_key_is_said_with_what_to_do(test: TestDb) {
        let world = World::open(test).await;
        let keyless = Stage::on(&world.test);
        let with = |status| {
            Stage::on(&world.test)
                .with("STRIPE_SECRET", "rk_test_0123456789abcdef")
                .with("STRIPE_API_BASE", refusing(status))
        };
        let stages = [
            (keyless, 2, "stripe_key_missing", "STRIPE_SECRET is not set"),
            (with(401), 8, "stripe_key_not_taken", "does not take the key in STRIPE_SECRET"),
            (with(403), 8, "stripe_permission_missing", "lacks Events: Read, so GET /v1/events is not allowed"),
        ];
        for (stage, exit, code, why) in stages {
            let said = stage.type_in("events gaps --json").ends(exit).problem();
            assert_eq!(said["code"], code, "{said:#}");
            assert!(said["detail"].as_str().unwrap().contains(why), "{said:#}");
            assert!(said["hint"].as_str().unwrap().contains("makegood.toml"), "{said:#}");
            // Whoever has no key may be somewhere else than the server that has it.
            assert_eq!(said["hint"].as_str().unwrap().contains("MAKEGOOD_URL="), exit == 2, "{said:#}");
            let said = stage.type_in("reconcile").ends(exit);
            assert!(said.err.contains("STRIPE_SECRET") && said.err.contains("fix: "), "{said:?}");
            stage.type_in("events backfill --since 1h --yes --reason x").ends(exit);
            let told = stage.type_in("check --json");
            assert!(!told.out.contains("try again"), "{told:?}");
        }
    }

    async fn a_script_knows_by_the_exit_code_whether_anything_differs(test: TestDb) {
        let world = World::open(test).await;
        let dispute = disputed_unheard(&world).await;
        let account = world.account().clone();
        let (stripe, url) = served(account);
        let stage = Stage::on(&world.test)
            .with("STRIPE_SECRET", "sk_test_0123456789abcdef")
            .with("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef")
            .with("STRIPE_API_BASE", url);
        let wrong = stage.type_in("reconcile everything").ends(2);
        assert!(wrong.err.contains("inventory"), "{wrong:?}");
        let seen = stage.type_in("reconcile disputes").ends(3);
        assert!(seen.out.contains(&format!("{dispute} is needs_response at Stripe, and not known here")), "{seen:?}");
        assert!(seen.out.contains(&format!("makegood reconcile --only {dispute} --apply")), "{seen:?}");
        // Whoever changes something says why.
        let unsaid = stage.type_in("reconcile --apply --json").ends(2);
        assert_eq!(unsaid.problem()["code"], "reason_required");
        let planned = stage.type_in("reconcile --apply --dry-run --json --reason hooks-were-down").ends(3).json();
        assert_eq!((&planned["data"][0]["applied"], &planned["findings"]), (&false.into(), &1.into()));
        let mended = stage.type_in("reconcile --apply --json --reason hooks-were-down").ends(0).json();
        assert_eq!((&mended["data"][0]["applied"], &mended["findings"]), (&true.into(), &0.into()));
        let again = stage.type_in("reconcile --apply --json --reason hooks-were-down").ends(0).json();
        assert_eq!(again["data"], serde_json::json!([]));
        let audited = stage.type_in("audit list --type reconciled --json").ends(0).json();
        assert_eq!(audited["data"][0]["reason"], "hooks-were-down", "{audited:#}");
        assert_eq!(audited["data"].as_array().unwrap().len(), 2);
        // A single one, by the command that a finding prints.
        stage.run(&["reconcile", "--only", &dispute, "--apply", "--reason", "looked at it"]).ends(0);
        // Stripe limits the rate: it is not said that all is well.
        stripe.with(|account, _| account.inject(Fault::new(Trouble::RateLimit).on_request("GET", "/v1/refunds")));
        let stopped = stage.type_in("reconcile --json").ends(3).json();
        assert_eq!((&stopped["complete"], &stopped["data"][0]["cause"]), (&false.into(), &"not_finished".into()));
        stripe.with(|account, _| account.clear_faults());
        let gone_on = stage.type_in("reconcile --json").ends(0).json();
        assert_eq!(gone_on["reconciliation"], stopped["reconciliation"]);
        let run = gone_on["reconciliation"].as_str().unwrap().to_owned();
        let listed = stage.type_in("reconciliations list").ends(0);
        assert!(listed.out.contains(&run), "{listed:?}");
        let shown = stage.type_in(&format!("reconciliations show {run} --json")).ends(0).json();
        assert_eq!(shown["status"], "finished");
        assert!(shown["stages"].as_array().unwrap().len() > 10);
        stage.type_in(&format!("reconciliations findings {run}")).ends(0);
    }
}
