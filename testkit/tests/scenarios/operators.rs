//! What operators do, and what is refused to them.

use testkit::World;

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn shipping_completes_a_confirmed_order_and_nothing_else(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        let ship = serde_json::json!({ "order": started.order, "tracking": "XY1" });
        assert_eq!(world.operate("orders.ship", ship.clone()).await.unwrap_err().code(), "refused_by_guard");
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let receipt = world.operate("orders.ship", ship.clone()).await.unwrap();
        assert!(receipt.is_verified() && receipt.audit_id.is_some(), "{receipt:?}");
        assert_eq!(world.order(started.order).await.state.status(), "completed");
        assert_eq!(world.operate("orders.ship", ship).await.unwrap().status, ops::Status::Already);
        let corrected = serde_json::json!({ "order": started.order, "tracking": "XY2" });
        assert_eq!(world.operate("orders.ship", corrected).await.unwrap().status, ops::Status::Applied);
        let blank = serde_json::json!({ "order": started.order, "tracking": "  " });
        assert_eq!(world.operate("orders.ship", blank).await.unwrap_err().code(), "invalid_input");
        let silent = serde_json::json!({ "order": started.order });
        assert_eq!(world.operate("orders.ship", silent).await.unwrap().status, ops::Status::Already);
        let shipped = world.order(started.order).await.shipped;
        assert_eq!(shipped.unwrap().1.as_deref(), Some("XY2"), "a corrected number is kept");
        world.close().await;
    }

    async fn what_an_operator_revoked_stays_revoked_whatever_is_replayed(test: TestDb) {
        let world = World::open(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert!(world.may_use(ada, "rust-course").await);
        let revoke = serde_json::json!({ "user": ada, "course": "rust-course" });
        world.operate("entitlements.revoke", revoke).await.unwrap();
        let events = world.view("events.list", serde_json::json!({ "limit": 100 })).await.unwrap();
        for event in events["data"].as_array().unwrap() {
            world.operate("events.replay", serde_json::json!({ "event": event["id"] })).await.unwrap();
        }
        assert!(!world.may_use(ada, "rust-course").await);
        let grant = serde_json::json!({ "user": ada, "course": "rust-course", "order": started.order });
        world.operate("entitlements.grant", grant).await.unwrap();
        assert!(world.may_use(ada, "rust-course").await);
        world.close().await;
    }

    /// Most of them were made at the same instant: only their ids tell them apart.
    async fn a_list_by_status_is_paged_without_a_gap_or_a_repeat(test: TestDb) {
        let world = World::open(test).await;
        let mut made = Vec::new();
        for number in 0..7 {
            if number == 5 {
                world.advance(kernel::Duration::from_secs(60));
            }
            made.push(world.check_out(&[("poster", 1)]).await.unwrap().order.to_string());
        }
        let (mut seen, mut after) = (Vec::new(), serde_json::Value::Null);
        loop {
            let mut query = serde_json::json!({ "status": "pending", "limit": 2 });
            if !after.is_null() {
                query["starting_after"] = after.clone();
            }
            let page = world.view("orders.list", query).await.unwrap();
            seen.extend(page["data"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()));
            after = page["data"].as_array().unwrap().last().unwrap()["id"].clone();
            if page["has_more"] == false {
                break;
            }
        }
        made.reverse();
        assert_eq!(seen, made, "the newest first, each once");
    }

    async fn a_timeline_is_listed_from_its_beginning_and_paged_without_a_gap(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let other = world.check_out(&[("poster", 1)]).await.unwrap().order;
        let ask = |order: shop::ids::OrderId, after: serde_json::Value| {
            let query = serde_json::json!({ "order": order, "limit": 1, "starting_after": after });
            world.view("orders.timeline", query)
        };
        let strange = ask(other, serde_json::Value::Null).await.unwrap()["data"][0]["id"].clone();
        assert_eq!(ask(started.order, strange).await.unwrap_err().code(), "not_found");
        assert_eq!(ask(started.order, "evt_1".into()).await.unwrap_err().code(), "invalid_input");
        let nobody = "ord_0199f3a27b3c7d2e8f1a2b3c4d5e6f70".parse().unwrap();
        assert_eq!(ask(nobody, serde_json::Value::Null).await.unwrap_err().code(), "not_found");

        let (mut seen, mut after) = (Vec::new(), serde_json::Value::Null);
        loop {
            let page = ask(started.order, after).await.unwrap();
            let entry = page["data"][0].clone();
            after = entry["id"].clone();
            seen.push(entry["type"].as_str().unwrap().to_owned());
            if page["has_more"] == false {
                break;
            }
        }
        let kinds: Vec<_> = world.timeline(started.order).await.into_iter().map(|entry| entry.kind).collect();
        assert!(kinds.len() > 2 && kinds.contains(&"payment_succeeded".to_owned()), "{kinds:?}");
        assert_eq!(seen, kinds);
        world.close().await;
    }

    async fn a_reservation_is_confirmed_by_its_uuid_and_sold_once(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 2)]).await.unwrap();
        let order = started.order;
        let held = world.shop.db.read("test", move |tx| shop::inventory::reservations_of(tx, order)).await.unwrap();
        let by_uuid = serde_json::json!({ "reservation": held[0].id.uuid().to_string() });
        world.operate("reservations.confirm", by_uuid.clone()).await.unwrap();
        assert_eq!(world.operate("reservations.confirm", by_uuid).await.unwrap().status, ops::Status::Already);
        assert_eq!(world.stock("MUG").await, (3, 3));
        world.pay(&started, "4242424242424242");
        world.settle().await;
        assert_eq!(world.stock("MUG").await, (3, 3));
        assert_eq!(world.order(started.order).await.state.status(), "confirmed");
        world.close().await;
    }

    async fn stock_is_corrected_by_the_ledger_and_never_below_what_is_set_aside(test: TestDb) {
        let world = World::open(test).await;
        world.check_out(&[("mug", 2)]).await.unwrap();
        let adjust = |change: i64| serde_json::json!({ "sku": "MUG", "change": change });
        assert_eq!(world.operate("inventory.adjust", adjust(-4)).await.unwrap_err().code(), "refused_by_guard");
        world.operate("inventory.adjust", adjust(-3)).await.unwrap();
        assert_eq!(world.stock("MUG").await, (2, 0));
        world.close().await;
    }

    /// A correction by so many pieces more or less leaves counter and ledger as far apart as they were.
    async fn a_stock_that_has_drifted_is_recounted_and_never_below_what_is_set_aside(test: TestDb) {
        let world = World::open(test).await;
        world.check_out(&[("mug", 2)]).await.unwrap();
        let by_hand = "UPDATE inventory SET stock_count = stock_count + 3, reserved_count = 1 WHERE sku = 'MUG'";
        world.shop.db.write("test", move |tx| tx.execute(by_hand, &[]).map(drop)).await.unwrap();
        let found: Vec<&str> = world.findings().await.iter().map(|found| found.check).collect();
        assert_eq!(found, ["stock_differs_from_ledger", "reserved_differs_from_reservations"]);
        let books = world.view("inventory.audit", serde_json::json!({})).await.unwrap();
        let differing: Vec<_> = books["data"].as_array().unwrap().iter().filter(|row| row["agrees"] == false).collect();
        let expected = serde_json::json!({ "object": "stock_audit", "sku": "MUG", "stock_count": 8, "ledger_sum": 5,
            "reserved_count": 1, "reservations_sum": 2, "agrees": false });
        assert_eq!(differing, [&expected]);
        assert!(books["data"].as_array().unwrap().len() > 1, "those that agree are there too: {books}");
        let adjusted = world.operate("inventory.adjust", serde_json::json!({ "sku": "MUG", "change": -3 })).await.unwrap();
        assert!(!adjusted.is_verified(), "{adjusted:?}");
        let recount = |pieces: i64| serde_json::json!({ "sku": "MUG", "pieces": pieces });
        assert_eq!(world.operate("inventory.recount", recount(1)).await.unwrap_err().code(), "refused_by_guard");
        let done = world.operate("inventory.recount", recount(6)).await.unwrap();
        assert!(done.is_verified() && done.status == ops::Status::Applied, "{done:?}");
        assert_eq!(world.stock("MUG").await, (6, 4));
        let again = world.operate("inventory.recount", recount(6)).await.unwrap();
        assert_eq!(again.status, ops::Status::Already, "{again:?}");
        let reason = "SELECT COUNT(*) FROM inventory_ledger WHERE reason = 'manual_correction'";
        assert_eq!(world.count(reason).await, 2, "each correction has its entry");
        world.close().await;
    }

    async fn a_note_stands_on_the_timeline_under_the_name_of_who_wrote_it(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        let note = |text: &str| serde_json::json!({ "order": started.order, "text": text });
        assert!(world.operate("orders.note", note("rang, calls back")).await.unwrap().is_verified());
        for again in ["rang, calls back", "none"] {
            let receipt = world.operate("orders.note", note(again)).await.unwrap();
            assert!(receipt.is_verified() && receipt.status == ops::Status::Applied, "{receipt:?}");
        }
        for empty in ["", "  \n", &"x".repeat(1_001)] {
            assert_eq!(world.operate("orders.note", note(empty)).await.unwrap_err().code(), "invalid_input");
        }
        let notes: Vec<_> = world.timeline(started.order).await.into_iter().filter(|entry| entry.kind == "note").collect();
        let told: Vec<_> = notes.iter().map(|entry| (entry.actor.as_str(), entry.meta["text"].as_str().unwrap())).collect();
        assert_eq!(told, [("ada", "rang, calls back"), ("ada", "rang, calls back"), ("ada", "none")]);
        world.close().await;
    }

    /// Whoever has it in hands at that moment does it too, and its end does not count.
    async fn a_job_that_waits_for_its_time_is_done_at_once_when_a_person_says_so(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        let jobs = world.view("jobs.list", serde_json::json!({})).await.unwrap();
        let close = jobs["data"].as_array().unwrap().iter().find(|job| job["kind"] == "checkout.close").unwrap().clone();
        assert!(world.operate("jobs.run", serde_json::json!({ "job": close["id"] })).await.unwrap().is_verified());
        world.settle().await;
        assert_eq!(world.order(started.order).await.state.status(), "cancelled", "its page was closed long before its time");
        let gone = world.operate("jobs.run", serde_json::json!({ "job": close["id"] })).await.unwrap_err();
        assert_eq!(gone.code(), "not_found", "{gone}");
        world.close().await;
    }

    async fn a_plan_whose_facts_have_changed_is_refused(test: TestDb) {
        let world = World::open(test).await;
        let definition = shop::OPERATIONS.iter().find(|def| def.name == "inventory.adjust").unwrap();
        let runner = ops::Runner { db: world.shop.db.clone() };
        let by = ops::By { actor: ops::Actor::operator("ada"), role: ops::Role::Admin,
            reason: Some("counted".into()), request_id: None };
        let input = serde_json::json!({ "sku": "MUG", "change": 1 });
        let plan = runner.run(definition, input.clone(), ops::Mode::Preview, by.clone(), world.shop.cx()).await.unwrap();
        world.operate("inventory.adjust", serde_json::json!({ "sku": "MUG", "change": 2 })).await.unwrap();
        let mode = ops::Mode::Apply { plan_id: Some(plan.plan_id) };
        let refused = runner.run(definition, input, mode, by, world.shop.cx()).await.unwrap_err();
        assert_eq!(refused.code(), "stale_plan");
        world.close().await;
    }

    /// PostgreSQL could not keep it; SQLite would.
    async fn a_text_with_nul_in_it_is_refused_whichever_door_it_came_through(test: TestDb) {
        let world = World::open(test).await;
        let catalog = testkit::world::CATALOG.replace("A poster", "A\\u0000poster");
        let catalog = shop::import::CatalogFile::parse(&catalog).unwrap();
        let refused = world.operate("catalog.import", serde_json::json!({ "catalog": catalog })).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_input");
        assert!(refused.to_string().contains("/catalog/product/2/name"), "{refused}");
        let content = crate::content::CONTENT.replace("Basics", "Ba\\u0000sics");
        let refused = world.task("courses.import", crate::content::content(&content)).await.unwrap_err();
        assert!(refused.code() == "invalid_input" && refused.to_string().contains("NUL"), "{refused}");
        let asked = world.view("search", serde_json::json!({ "q": "a\u{0}b" })).await.unwrap_err();
        assert_eq!(asked.code(), "invalid_input");
        world.close().await;
    }

    async fn an_email_that_would_be_more_than_one_buys_nothing(test: TestDb) {
        let world = World::open(test).await;
        for email in ["a@example.com\r\nBcc: eve@example.com", "\u{1b}[2J@example.com", "<script>@example.com", "a b@c", "a@b@c", "a"] {
            let basket = shop::checkout::Basket { email: Some(email.into()), ..testkit::world::basket(&[("mug", 1)]) };
            let refused = world.shop.starter.start(&world.shop, basket).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_input", "{email:?}");
            let id: shop::ids::ProfileId = world.shop.cx().id();
            let made = world.operate("customers.create", serde_json::json!({ "id": id, "email": email })).await;
            assert_eq!(made.unwrap_err().code(), "invalid_input", "{email:?}");
        }
        assert_eq!(world.count("SELECT COUNT(*) FROM orders").await, 0);
        world.close().await;
    }

    async fn an_empty_subject_is_called_by_its_name(test: TestDb) {
        let world = World::open(test).await;
        for (task, input, field) in [
            ("runbooks.explain", serde_json::json!({ "runbook": "stuck-paid-orders", "subject": " " }), "subject"),
            ("runbooks.explain", serde_json::json!({ "runbook": "stuck-paid-orders", "subject": "x".repeat(501) }), "subject"),
            ("case", serde_json::json!({ "who": "" }), "who"),
        ] {
            let refused = world.task(task, input).await.unwrap_err().to_string();
            assert!(refused.starts_with(field), "{refused}");
        }
        world.close().await;
    }

    /// There is no override: whoever is the last lets nobody in again.
    async fn the_last_admin_is_neither_disabled_nor_made_less(test: TestDb) {
        let world = World::open(test).await;
        for name in ["ada", "bob", "eve"] {
            user(&world, name, name != "eve").await;
        }
        let disable = |name: &'static str| world.operate("users.disable", serde_json::json!({ "name": name }));
        let less = |name: &'static str| world.operate("users.role", serde_json::json!({ "name": name, "role": "viewer" }));
        disable("ada").await.unwrap();
        // Eve was invited and has no password yet: she cannot sign in.
        assert_eq!(disable("bob").await.unwrap_err().code(), "refused_by_guard");
        assert_eq!(less("bob").await.unwrap_err().code(), "refused_by_guard");
        disable("eve").await.unwrap();
        world.operate("users.enable", serde_json::json!({ "name": "ada" })).await.unwrap();
        let (one, other) = tokio::join!(disable("ada"), less("bob"));
        let refused: Vec<_> = [one.err(), other.err()].into_iter().flatten().map(|error| error.code()).collect();
        assert_eq!(refused, ["refused_by_guard"], "one of two at once");
        let cx = world.shop.cx();
        let made = world.shop.db.write("test.token", move |tx| {
            ops::create_token(tx, &cx, "ops", ops::Role::Admin, None)
        });
        made.await.unwrap();
        disable("ada").await.unwrap();
        less("bob").await.unwrap();
        world.close().await;
    }

    async fn a_change_needs_a_reason_and_a_role(test: TestDb) {
        let world = World::open(test).await;
        let definition = shop::OPERATIONS.iter().find(|def| def.name == "inventory.adjust").unwrap();
        let runner = ops::Runner { db: world.shop.db.clone() };
        let input = serde_json::json!({ "sku": "MUG", "change": 1 });
        let long = "because ".repeat(251);
        for (role, reason, code) in [
            (ops::Role::Admin, None, "reason_required"),
            (ops::Role::Admin, Some("  "), "reason_required"),
            (ops::Role::Admin, Some("\u{200b}\u{3164}\t"), "reason_required"),
            (ops::Role::Admin, Some(long.as_str()), "invalid_input"),
            (ops::Role::Viewer, Some("counted"), "forbidden"),
        ] {
            let by = ops::By { actor: ops::Actor::operator("eve"), role, reason: reason.map(str::to_owned),
                request_id: None };
            let mode = ops::Mode::Apply { plan_id: None };
            let refused = runner.run(definition, input.clone(), mode, by, world.shop.cx()).await.unwrap_err();
            assert_eq!(refused.code(), code);
        }
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    async fn an_import_changes_only_what_differs(test: TestDb) {
        let world = World::open(test).await;
        let file = shop::import::CatalogFile::parse(testkit::world::CATALOG).unwrap();
        let again = world.operate("catalog.import", serde_json::json!({ "catalog": file })).await.unwrap();
        assert_eq!(again.status, ops::Status::Already, "{again:?}");
        let dearer = testkit::world::CATALOG.replace("amount = 1500", "amount = 1600").replace("stock = 5", "stock = 9");
        let file = shop::import::CatalogFile::parse(&dearer).unwrap();
        let receipt = world.operate("catalog.import", serde_json::json!({ "catalog": file })).await.unwrap();
        assert_eq!(receipt.plan.changes.len(), 1, "stock is changed by the ledger, not by a file: {receipt:?}");
        world.close().await;
    }

    async fn a_price_that_is_taken_out_of_the_file_is_taken_off_sale(test: TestDb) {
        let world = World::open(test).await;
        let import = |text: &str| {
            let file = shop::import::CatalogFile::parse(text).unwrap();
            world.operate("catalog.import", serde_json::json!({ "catalog": file }))
        };
        let in_eur = || shop::checkout::Basket { currency: Some("eur".parse().unwrap()), ..testkit::world::basket(&[("mug", 1)]) };
        let both = testkit::world::CATALOG.replace(
            "amount = 1500", "amount = 1500\n[[product.price]]\ncurrency = \"eur\"\namount = 1400");
        import(&both).await.unwrap();
        let sold = world.shop.starter.start(&world.shop, in_eur()).await.unwrap();
        let receipt = import(testkit::world::CATALOG).await.unwrap();
        let [change] = receipt.plan.changes.as_slice() else { panic!("{receipt:?}") };
        assert_eq!((change.what.as_str(), change.from.as_str(), change.to.as_str()), ("price mug-eur", "14.00 eur", "off sale"));
        assert!(receipt.is_verified(), "{receipt:?}");
        let refused = world.shop.starter.start(&world.shop, in_eur()).await.unwrap_err();
        assert_eq!(refused.code(), "not_on_offer");
        world.check_out(&[("mug", 1)]).await.unwrap();
        let again = import(testkit::world::CATALOG).await.unwrap();
        assert_eq!(again.status, ops::Status::Already, "{again:?}");
        // Who began to buy it before pays what it cost.
        world.pay(&sold, "4242424242424242");
        world.settle().await;
        let order = world.view("orders.show", serde_json::json!({ "order": sold.order })).await.unwrap();
        assert_eq!((order["status"].as_str(), order["currency"].as_str()), (Some("confirmed"), Some("eur")), "{order}");
        let back = import(&both).await.unwrap();
        assert_eq!(back.plan.changes.len(), 1, "{back:?}");
        world.shop.starter.start(&world.shop, in_eur()).await.unwrap();
        world.close().await;
    }

    /// A file that is a part of the catalog takes nothing away, and says so.
    async fn a_product_that_the_file_leaves_out_stays_and_is_named(test: TestDb) {
        let world = World::open(test).await;
        let only = testkit::world::CATALOG.split("[[product]]").nth(1).unwrap();
        let file = shop::import::CatalogFile::parse(&format!("[[product]]{only}")).unwrap();
        let receipt = world.operate("catalog.import", serde_json::json!({ "catalog": file })).await.unwrap();
        assert_eq!(receipt.status, ops::Status::Already, "{receipt:?}");
        let stays = receipt.plan.guards.iter().find(|guard| guard.name == "products_that_the_file_leaves_out_stay");
        assert!(stays.is_some_and(|guard| guard.seen.starts_with("free-course, mug, poster; ")), "{receipt:?}");
        assert!(receipt.verify.iter().any(|proof| proof.seen.starts_with("free-course, mug, poster; ")), "{receipt:?}");
        world.check_out(&[("mug", 1)]).await.unwrap();
        world.close().await;
    }

    async fn an_order_explains_itself_with_its_causes(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        let order = world.view("orders.show", serde_json::json!({ "order": started.order })).await.unwrap();
        let events = world.view("events.list", serde_json::json!({ "order": order["id"] })).await.unwrap();
        world.operate("events.replay", serde_json::json!({ "event": events["data"][0]["id"] })).await.unwrap();
        let told = world.view("orders.explain", serde_json::json!({ "order": started.order })).await.unwrap();
        let story = told["story"].as_array().unwrap();
        let what: Vec<&str> = story.iter().map(|line| line["what"].as_str().unwrap()).collect();
        for expected in ["order_created", "payment_succeeded", "confirmed", "stripe_webhook_processed",
                         "checkout.session.completed received", "stripe_event_reprocessed"] {
            assert!(what.contains(&expected), "{expected} in {what:?}");
        }
        let confirmed = story.iter().find(|line| line["what"] == "confirmed").unwrap();
        assert!(confirmed["cause"].as_str().unwrap().starts_with("stripe evt_"), "{confirmed}");
        assert!(told["next"].as_str().unwrap().contains("makegood orders ship"), "{}", told["next"]);
        world.close().await;
    }
}

async fn user(world: &World, name: &'static str, has_password: bool) {
    let cx = world.shop.cx();
    let made = world.shop.db.write("test.user", move |tx| {
        let by = ops::Actor::operator("the tests");
        let (user, _) = ops::users::invite(tx, &cx, name, Some(ops::Role::Admin), &by)?;
        if has_password { ops::users::set_password(tx, user.id, "hashed") } else { Ok(()) }
    });
    made.await.unwrap();
}
