//! `find` and `case` at the doors: exit codes, statuses, the same words; and that whatever is offered as a remedy can be
//! done, by hand and by a program.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

mod cli_stage;
mod doors;

use cli_stage::Stage;
use doors::{ADMIN_TOKEN, Server};
use makegood::cli::tree;
use makegood::http::routes::ROUTES;
use shop::cases::Remedy;
use shop::ids::{OrderId, ProfileId};
use testkit::World;

const VISA: &str = "4242424242424242";

/// Every remedy that there is.
fn remedies() -> Vec<Remedy> {
    let order: OrderId = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().unwrap();
    let profile: ProfileId = "prf_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().unwrap();
    vec![
        Remedy::replay("evt_1"),
        Remedy::compare(order),
        Remedy::clear(order, "amount_mismatch"),
        Remedy::settle(order),
        Remedy::mend(order),
        Remedy::grant(Some(profile), "rust-course", Some(order)),
        Remedy::stock("MUG"),
        Remedy::look_at_dispute("dp_1"),
    ]
}

#[test]
fn every_remedy_is_a_command_and_a_route() {
    for remedy in remedies() {
        let name = remedy.operation;
        let words: Vec<&str> =
            remedy.command.split(' ').map(|word| if word == "PIECES" { "3" } else { word }).collect();
        let parsed = tree::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{}: {:?}", remedy.command, parsed.err());
        let (matches, command) = (parsed.unwrap(), &remedy.command);
        let (leaf, _) = tree::chosen(&matches).unwrap();
        let does = match leaf.does {
            tree::Does::Operation(operation) => operation.name,
            tree::Does::View(view) => view.name,
            tree::Does::Task(task) => task.name,
            tree::Does::Own(_) => panic!("{command} is no operation"),
        };
        assert_eq!(does, name, "{command}");
        let (method, path) = remedy.api.split_once(' ').unwrap();
        let fits = |route: &str| {
            let (asked, known): (Vec<&str>, Vec<&str>) =
                (path.split('/').collect(), route.split('/').collect());
            asked.len() == known.len() && asked.iter().zip(&known).all(|(a, k)| a == k || *k == "{id}")
        };
        let route = ROUTES.iter().find(|route| route.method == method && fits(route.path));
        // What only looks or changes, as it is asked, has a route for each.
        let named = route.map(|route| route.name.trim_end_matches(".change"));
        assert_eq!(named, Some(name), "{}", remedy.api);
    }
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn what_is_not_there_ends_with_5_and_whoever_has_no_access_with_3(test: TestDb) {
        let world = World::open(test).await;
        let stage = Stage::on(&world.test);
        let gone = stage.type_in("find pi_nobody").ends(5);
        assert!(gone.out.is_empty() && gone.err.contains("no trace of pi_nobody"), "{gone:?}");
        let zzz = stage.type_in("find zzz").ends(5).err;
        assert!(zzz.contains("no trace of zzz; it is neither an email nor the id of an event"), "{zzz}");
        stage.type_in("find ord_1").ends(2);
        stage.type_in("orders explain nobody@example.com").ends(5);
        stage.type_in("case ord_1").ends(2);
        let none = stage.type_in("case nobody@example.com").ends(3);
        assert_eq!(none.out.lines().next(), Some("✗ no access: no such purchase — no purchase is known for nobody@example.com; looked among profiles and orders by their email"));
        let none = stage.type_in("case nobody@example.com --json").ends(3).json();
        assert_eq!((&none["place"], &none["findings"]), (&serde_json::json!("no_such_purchase"), &serde_json::json!(1)));
        stage.type_in("disputes show dp_nobody").ends(5);
        assert!(stage.type_in("disputes list").ends(0).out.is_empty());
    }

    async fn a_buyer_with_access_is_one_line_and_exit_code_0(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let stage = Stage::on(&world.test);
        let fine = stage.type_in("case ada@example.com").ends(0);
        let line = format!("✓ has access: rust-course, by order {}", started.order);
        assert_eq!(fine.out.lines().next(), Some(line.as_str()), "{fine:?}");
        let found = stage.type_in("find ada@example.com").ends(0);
        assert!(found.out.contains(&format!("makegood orders explain {}", started.order)), "{found:?}");
        let intent = world.order(started.order).await.payment_intent.unwrap();
        let told = stage.type_in(&format!("orders explain {intent}")).ends(0);
        assert!(told.out.starts_with(&format!("order {}", started.order)), "{told:?}");
        world.operate("entitlements.revoke", serde_json::json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        let removed = stage.type_in("case ada@example.com").ends(3);
        let mut lines = removed.out.lines();
        assert!(lines.next().unwrap().starts_with("✗ no access: access removed — an operator took rust-course away"));
        let mend = lines.next().unwrap().trim().strip_prefix("mend: makegood ").unwrap().to_owned();
        stage.type_in(&format!("{mend} --yes --reason sorry")).ends(0);
        stage.type_in("case ada@example.com").ends(0);
    }

    async fn a_guests_order_says_who_was_told_and_who_claimed_it(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let stage = Stage::on(&world.test);
        let told = stage.type_in(&format!("orders explain {}", started.order)).ends(0).out;
        assert!(told.contains("\nClaimed\n  by nobody; the link for buyer@example.com ends "), "{told}");
        assert!(told.contains("\nMails\n  order confirmation to buyer@example.com sent "), "{told}");
        let case = stage.type_in(&format!("case {}", started.order)).ends(3).out;
        for row in ["claim  ord_", "mail   mal_"] {
            assert!(case.contains(row), "{row}: {case}");
        }
    }

    /// Without a key Stripe cannot be asked; what is known here is still said.
    async fn without_stripe_a_case_is_judged_by_what_is_here(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        let stage = Stage::on(&world.test);
        let said = stage.type_in("case ada@example.com").ends(3);
        assert!(said.out.starts_with("✗ no access: not paid") && said.out.contains("Stripe could not be asked"), "{said:?}");
        let said = stage.type_in("case pi_nobody").ends(3);
        assert!(said.out.contains("Stripe could not be asked"), "{said:?}");
    }

    async fn over_http_they_are_read_by_whoever_may_read(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let server = Server::start(&world.test).await;
        for path in ["/api/v1/admin/search?q=ada@example.com", "/api/v1/admin/case/ada@example.com", "/api/v1/admin/disputes"] {
            assert_eq!(server.get(path, None).await.status, 401, "{path}");
        }
        let nobody = server.get("/api/v1/admin/search?q=pi_nobody", Some(ADMIN_TOKEN)).await;
        assert_eq!((nobody.status, nobody.code()), (404, "not_found"), "{}", nobody.text);
        assert_eq!(server.get("/api/v1/admin/search", Some(ADMIN_TOKEN)).await.status, 422);
        assert_eq!(server.get("/api/v1/admin/case/ord_1", Some(ADMIN_TOKEN)).await.status, 422);
        let found = server.get("/api/v1/admin/search?q=ada%40example.com", Some(ADMIN_TOKEN)).await;
        let kinds: Vec<&str> = found.body["data"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
        assert_eq!((found.status, kinds), (200, vec!["profile", "entitlement", "order"]), "{}", found.text);
        let case = server.get("/api/v1/admin/case/ada%40example.com?course=rust-course", Some(ADMIN_TOKEN)).await;
        assert_eq!((case.status, case.body["place"].as_str()), (200, Some("has_access")), "{}", case.text);
        let told = server.get("/api/v1/admin/orders/ada@example.com/explain", Some(ADMIN_TOKEN)).await;
        assert_eq!(told.body["order"]["id"], started.order.to_string(), "{}", told.text);
        server.stop().await;
    }
}
