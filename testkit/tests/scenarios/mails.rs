//! Mails: each thing is told once, whatever dies in between, and what was not sent is seen.

use kernel::Duration;
use mail::MailError;
use serde_json::json;
use shop::ids::OrderId;
use testkit::World;

const VISA: &str = "4242424242424242";

async fn bought(world: &World) -> OrderId {
    let ada = world.buyer("ada@example.com").await;
    let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
    world.pay(&started, VISA);
    started.order
}

/// The only mail, as an admin sees it.
async fn mail(world: &World) -> serde_json::Value {
    let all = world.view("mails.list", json!({})).await.unwrap();
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
    all["data"][0].clone()
}

async fn hours(world: &World, hours: u64) {
    for _ in 0..hours {
        world.advance(Duration::from_secs(3600));
        world.settle().await;
    }
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn an_order_is_confirmed_once_however_often_its_events_come(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        world.settle().await;
        world.settle().await;
        let events = world.view("events.list", json!({})).await.unwrap();
        for event in events["data"].as_array().unwrap() {
            world.operate("events.replay", json!({ "event": event["id"] })).await.ok();
        }
        world.operate("orders.mend", json!({ "order": order })).await.ok();
        world.settle().await;
        let all = world.mailbox.all();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0].message.to, "buyer@example.com");
        assert!(all[0].message.text.contains("Rust from the ground up"), "{}", all[0].message.text);
        assert!(all[0].message.text.contains("http://shop.invalid/my"));
        assert_eq!(mail(&world).await["status"], "sent");
        world.close().await;
    }

    async fn an_answer_that_was_lost_is_shown_and_not_sent_again_by_itself(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        world.mailbox.refuse_next(MailError::Unknown("the line broke".into()));
        world.settle().await;
        hours(&world, 5).await;
        assert_eq!(world.mailbox.all().len(), 1, "nobody sends it again");
        let seen = mail(&world).await;
        assert_eq!((&seen["status"], &seen["last_error"]), (&json!("unknown"), &json!("the line broke")));
        let found = world.findings().await;
        assert_eq!(found.iter().map(|f| f.check).collect::<Vec<_>>(), ["mails_failed"]);
        let mend = found[0].mend.clone().unwrap();
        world.operate(mend.operation, mend.input).await.unwrap();
        world.settle().await;
        assert_eq!(world.mailbox.all().len(), 2);
        assert_eq!(mail(&world).await["status"], "sent");
        world.close().await;
    }

    async fn whoever_dies_while_sending_leaves_a_mail_of_which_nobody_knows(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        world.hear().await;
        // The job that tells of the order is done, and whoever took the mail to send it never comes back.
        world.shop.work_jobs(1).await.unwrap();
        let taken = world.shop.db.write("test.taken", |tx| {
            tx.execute("UPDATE mails SET status = 'sending', attempts = 1", &[])
        }).await;
        assert_eq!(db::TxResult::must_be_looked_up(taken).unwrap(), 1);
        world.settle().await;
        assert_eq!(mail(&world).await["status"], "unknown");
        assert!(world.mailbox.all().is_empty());
        hours(&world, 2).await;
        assert!(world.mailbox.all().is_empty());
        world.close_with(&["mails_failed"]).await;
    }

    async fn a_server_that_is_away_is_tried_again_until_it_is_there(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        for _ in 0..4 {
            world.mailbox.refuse_next(MailError::Unavailable("connection refused".into()));
        }
        world.settle().await;
        assert_eq!(mail(&world).await["status"], "queued");
        hours(&world, 4).await;
        assert_eq!(mail(&world).await["status"], "sent");
        assert_eq!(world.mailbox.all().len(), 1);
        world.close().await;
    }

    async fn a_server_that_stays_away_is_given_up_and_shown(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        for _ in 0..18 {
            world.mailbox.refuse_next(MailError::Unavailable("connection refused".into()));
        }
        world.settle().await;
        hours(&world, 24).await;
        let seen = mail(&world).await;
        assert_eq!((&seen["status"], &seen["attempts"]), (&json!("failed"), &json!(18)));
        assert!(world.mailbox.all().is_empty());
        world.close_with(&["mails_failed"]).await;
    }

    async fn what_the_server_refuses_is_not_tried_again(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        world.mailbox.refuse_next(MailError::Refused("550 no such user".into()));
        world.settle().await;
        hours(&world, 3).await;
        assert_eq!(mail(&world).await["status"], "failed");
        assert!(world.mailbox.all().is_empty());
        world.close_with(&["mails_failed"]).await;
    }

    /// It may be sent again as long as its link leads somewhere; after that the link is nobody's business.
    async fn a_link_is_forgotten_when_its_mail_can_no_longer_be_sent(test: TestDb) {
        let world = World::open_with_mail(test).await;
        const KEPT: &str = "SELECT COUNT(*) FROM mails WHERE secret IS NOT NULL";
        for error in [MailError::Unknown("the line broke".into()), MailError::Refused("550 no".into())] {
            let email = format!("ada{}@example.com", world.mailbox.all().len());
            world.buyer(&email).await;
            world.mailbox.refuse_next(error);
            shop::claims::send_link(&world.shop, &email, "192.0.2.1").await.unwrap();
            world.settle().await;
        }
        assert_eq!(world.count(KEPT).await, 2);
        world.advance(Duration::from_secs(15 * 60));
        bought(&world).await;
        world.settle().await;
        assert_eq!(world.count(KEPT).await, 0);
        world.close().await;
    }

    async fn where_no_mail_is_sent_nothing_is_written(test: TestDb) {
        let world = World::open(test).await;
        bought(&world).await;
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM mails").await, 0);
        world.close().await;
    }
}
