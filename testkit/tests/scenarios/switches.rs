//! What an operator stops stops at once, on every node, and goes on when it is switched on again.

use db::TxResult;
use serde_json::{Value, json};
use shop::switches::{Switch, all, is_on};
use testkit::World;
use testkit::world::basket;

async fn stands(shop: &shop::Shop, switch: Switch) -> bool {
    shop.db.read("switch", move |tx| is_on(tx, switch)).await.unwrap()
}

async fn by_hand(world: &World, sql: &'static str) {
    world.shop.db.write("a hand", move |tx| tx.execute(sql, &[])).await.safe_to_repeat().unwrap();
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_checkout_that_is_switched_off_takes_no_order_on_any_node(test: TestDb) {
        let world = World::open(test).await;
        let begun = world.check_out(&[("rust-course", 1)]).await.unwrap();
        let receipt = world.operate("checkout.disable", json!({})).await.unwrap();
        assert!(receipt.is_verified() && receipt.audit_id.is_some(), "{receipt:?}");
        assert_eq!(world.operate("checkout.disable", json!({})).await.unwrap().status, ops::Status::Already);
        let node = world.another_node().await;
        let refused = node.starter.start(&node, basket(&[("mug", 1)])).await.unwrap_err();
        assert_eq!(refused.code(), "checkout_disabled");
        assert!(!refused.to_string().contains("a test says so"), "the reason is not for buyers: {refused}");
        assert_eq!(world.check_out(&[("mug", 1)]).await.unwrap_err().code(), "checkout_disabled");
        assert_eq!(world.stock("MUG").await, (5, 5));
        // What was begun before goes on.
        world.pay(&begun, "4242424242424242");
        world.settle().await;
        assert_eq!(world.order(begun.order).await.state.status(), "completed");
        let found = world.findings().await;
        assert_eq!((found[0].check, found[0].subject.as_str()), ("switched_off", "checkout"));
        assert!(found[0].text.contains("a test says so") && found[0].since.is_some(), "{found:?}");
        world.operate("checkout.enable", json!({})).await.unwrap();
        assert!(node.starter.start(&node, basket(&[("mug", 1)])).await.is_ok());
        world.close().await;
    }

    async fn a_refund_that_is_switched_off_is_refused_with_the_reason(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, "4242424242424242");
        world.settle().await;
        world.operate("refunds.disable", json!({})).await.unwrap();
        let refused = world.operate("refunds.create", json!({ "order": started.order })).await.unwrap_err();
        assert_eq!(refused.code(), "refused_by_guard");
        assert!(refused.to_string().contains("a test says so"), "{refused}");
        assert_eq!(world.count("SELECT COUNT(*) FROM refunds").await, 0);
        world.operate("refunds.enable", json!({})).await.unwrap();
        world.operate("refunds.create", json!({ "order": started.order })).await.unwrap();
        world.close().await;
    }

    async fn a_switch_whose_row_is_gone_is_off_and_can_be_switched_on(test: TestDb) {
        let world = World::open(test).await;
        assert!(stands(&world.shop, Switch::Downloads).await);
        by_hand(&world, "DELETE FROM switches").await;
        for switch in Switch::ALL {
            assert!(!stands(&world.shop, switch).await, "{switch:?}");
        }
        assert_eq!(world.findings().await.len(), 3);
        for name in ["downloads.enable", "checkout.enable", "refunds.enable"] {
            world.operate(name, json!({})).await.unwrap();
        }
        let positions = world.shop.db.read("switches", all).await.unwrap();
        assert!(positions.iter().all(|position| position.is_on && position.actor.as_deref() == Some("ada")));
        world.close().await;
    }

    async fn the_list_says_how_each_stands_and_why(test: TestDb) {
        let world = World::open(test).await;
        world.operate("downloads.disable", json!({})).await.unwrap();
        let list = world.view("switches.list", json!({})).await.unwrap();
        let rows = list["data"].as_array().unwrap();
        let shown: Vec<Value> = rows.iter().map(|row| json!([row["name"], row["is_on"]])).collect();
        assert_eq!(json!(shown), json!([["downloads", false], ["checkout", true], ["refunds", true]]));
        assert_eq!(list["data"][0]["reason"], "a test says so");
        let audit = world.view("audit-logs.list", json!({ "event_type": "downloads_disabled" })).await;
        assert!(audit.is_ok_and(|audit| audit["data"][0]["reason"] == "a test says so"));
        world.operate("downloads.enable", json!({})).await.unwrap();
        world.close().await;
    }
}
