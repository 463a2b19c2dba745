//! Who may have a file or a film, and who learns what: through the one decision, whatever happens in between.

use std::sync::Arc;

use kernel::{Duration, Error};
use ops::Actor;
use serde_json::{Value, json};
use shop::downloads::{Asker, Delivered, Served, Wanted};
use shop::ids::{LessonId, OrderId, ProfileId, ResourceId};
use testkit::World;
use testkit::stripe_double::SandboxStripe;

use crate::content::stocked;

const VISA: &str = "4242424242424242";

fn as_buyer(profile: Option<ProfileId>) -> Asker {
    let actor = Actor::buyer(&profile.map_or("nobody".to_owned(), |id| id.to_string()));
    Asker { profile, actor, address: "192.0.2.7".into(), request_id: None }
}

async fn get(world: &World, profile: Option<ProfileId>, wanted: &Wanted) -> Result<Delivered, Error> {
    world.shop.deliverer.deliver(&world.shop, as_buyer(profile), wanted.clone()).await
}

/// The code of the refusal.
async fn denied(world: &World, profile: Option<ProfileId>, wanted: &Wanted) -> String {
    get(world, profile, wanted).await.expect_err("refused").code().to_owned()
}

/// The id of a file or a lesson by its slug.
async fn id_of(world: &World, table: &'static str, slug: &'static str) -> uuid::Uuid {
    let sql = format!("SELECT id FROM {table} WHERE slug = '{slug}'");
    world.shop.db.read("id", move |tx| tx.query_one(&sql, &[])?.get("id")).await.unwrap()
}

async fn file(world: &World, slug: &'static str) -> ResourceId {
    ResourceId::from_uuid(id_of(world, "course_resources", slug).await)
}

async fn lesson(world: &World, slug: &'static str) -> Wanted {
    Wanted::Film { lesson: LessonId::from_uuid(id_of(world, "course_lessons", slug).await) }
}

async fn bought(world: &World, profile: ProfileId, product: &str) -> OrderId {
    let started = world.check_out_for(profile, &[(product, 1)]).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

fn of_course(course: &str, resource: ResourceId) -> Wanted {
    Wanted::OfCourse { course: course.into(), resource }
}

/// What was written down: the event and the reason, the oldest first.
async fn log(world: &World) -> Vec<(String, String)> {
    let list = world.view("downloads.log", json!({ "limit": 100 })).await.unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| (text(row, "event"), text(row, "reason")))
        .collect()
}

fn entries(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(event, reason)| ((*event).to_owned(), (*reason).to_owned())).collect()
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn whoever_has_no_right_gets_nothing_and_learns_nothing(test: TestDb) {
        let world = stocked(test).await;
        let (ada, bob) = (world.buyer("ada@example.com").await, world.buyer("bob@example.com").await);
        let order = bought(&world, ada, "rust-course").await;
        let (slides, otf) = (file(&world, "slides").await, file(&world, "otf").await);
        let wanted = of_course("rust-course", slides);
        assert_eq!(denied(&world, None, &wanted).await, "unauthenticated");
        assert_eq!(denied(&world, Some(bob), &wanted).await, "no_entitlement");
        assert_eq!(denied(&world, Some(bob), &Wanted::OfOrder { order, resource: slides }).await, "no_entitlement");
        // Whether there is such a file is nothing that Bob hears.
        let nothing: ResourceId = world.shop.cx().id();
        assert_eq!(denied(&world, Some(bob), &of_course("rust-course", nothing)).await, "no_entitlement");
        assert_eq!(denied(&world, Some(bob), &Wanted::OfOrder { order, resource: nothing }).await, "no_entitlement");
        assert_eq!(denied(&world, Some(ada), &Wanted::OfOrder { order, resource: nothing }).await, "not_found");
        // A file of another course, by an order that does not hold it, and by a course that is not its own.
        assert_eq!(denied(&world, Some(ada), &Wanted::OfOrder { order, resource: otf }).await, "no_entitlement");
        assert_eq!(denied(&world, Some(ada), &of_course("rust-course", otf)).await, "not_found");
        assert_eq!(denied(&world, Some(ada), &of_course("font", otf)).await, "no_entitlement");
        assert_eq!(denied(&world, Some(bob), &lesson(&world, "hello").await).await, "no_entitlement");
        world.close().await;
    }

    async fn whoever_has_the_right_gets_a_fresh_link_each_time(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        let order = bought(&world, ada, "rust-course").await;
        let slides = file(&world, "slides").await;
        let first = get(&world, Some(ada), &Wanted::OfOrder { order, resource: slides }).await.unwrap();
        assert_eq!(first.expires_at, Some(world.shop.now() + Duration::from_secs(300)));
        assert!(matches!(&first.served, Served::File { file_name, .. } if file_name == "slides.pdf"), "{first:?}");
        world.advance(Duration::from_secs(301));
        let second = get(&world, Some(ada), &of_course("rust-course", slides)).await.unwrap();
        assert!(second.url != first.url && second.expires_at > first.expires_at);
        let film = get(&world, Some(ada), &lesson(&world, "hello").await).await.unwrap();
        assert_eq!((film.url.as_str(), film.served), ("https://player.invalid/film-1/iframe", Served::Film));
        let given = ("resource_download_requested", "");
        assert_eq!(log(&world).await, entries(&[given, given, ("resource_stream_served", "")]));
        // By hand, on her behalf: the same decision.
        let made = world.task("downloads.link", json!({ "resource": slides, "user": ada })).await.unwrap();
        assert!(made.answer["data"][0]["url"].as_str().unwrap().starts_with("memory:rust/slides.pdf?"), "{:?}", made.answer);
        assert!(!made.summary().to_string().contains("memory:"), "no link goes into the audit log");
        let bob = world.buyer("bob@example.com").await;
        let refused = world.task("downloads.link", json!({ "resource": slides, "user": bob })).await.unwrap_err();
        assert_eq!(refused.code(), "no_entitlement");
        world.close().await;
    }

    async fn what_is_not_published_is_not_there(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada, "rust-course").await;
        assert_eq!(denied(&world, Some(ada), &lesson(&world, "secret").await).await, "not_found");
        let draft = file(&world, "draft").await;
        assert_eq!(denied(&world, Some(ada), &of_course("rust-course", draft)).await, "not_found");
        world.operate("courses.unpublish", json!({ "course": "rust-course" })).await.unwrap();
        assert_eq!(denied(&world, Some(ada), &lesson(&world, "hello").await).await, "not_found");
        world.close().await;
    }

    async fn a_file_that_is_gone_is_told_apart_from_a_disk_that_is_silent(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada, "font").await;
        let wanted = of_course("font", file(&world, "otf").await);
        world.disk.silence(true);
        assert_eq!(denied(&world, Some(ada), &wanted).await, "busy");
        world.disk.silence(false);
        world.disk.lose("font/font.otf");
        assert_eq!(denied(&world, Some(ada), &wanted).await, "object_missing");
        assert_eq!(log(&world).await, entries(&[("resource_download_denied", "object_missing")]));
        world.disk.lay("font/font.otf", 5);
        get(&world, Some(ada), &wanted).await.unwrap();
        world.close().await;
    }

    async fn an_order_under_review_holds_back_what_it_gives_whatever_else_gives_it(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        let (first, second) = (bought(&world, ada, "rust-course").await, bought(&world, ada, "rust-course").await);
        let wanted = of_course("rust-course", file(&world, "slides").await);
        get(&world, Some(ada), &wanted).await.unwrap();
        world.operate("orders.review.flag", json!({ "order": second, "detail": "looks odd" })).await.unwrap();
        assert_eq!(denied(&world, Some(ada), &wanted).await, "order_under_review");
        let by_the_other = Wanted::OfOrder { order: first, resource: file(&world, "slides").await };
        assert_eq!(denied(&world, Some(ada), &by_the_other).await, "order_under_review");
        assert_eq!(denied(&world, Some(ada), &lesson(&world, "hello").await).await, "order_under_review");
        world.operate("orders.review.clear", json!({ "order": second })).await.unwrap();
        get(&world, Some(ada), &wanted).await.unwrap();
        world.close().await;
    }

    async fn money_that_goes_back_takes_the_files_with_it(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        let wanted = of_course("rust-course", file(&world, "slides").await);
        let order = bought(&world, ada, "rust-course").await;
        get(&world, Some(ada), &wanted).await.unwrap();
        world.operate("refunds.create", json!({ "order": order })).await.unwrap();
        world.settle().await;
        assert_eq!(denied(&world, Some(ada), &wanted).await, "no_entitlement");
        // A gift stays until it is taken back.
        world.operate("entitlements.grant", json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        get(&world, Some(ada), &wanted).await.unwrap();
        world.operate("entitlements.revoke", json!({ "user": ada, "course": "rust-course" })).await.unwrap();
        assert_eq!(denied(&world, Some(ada), &wanted).await, "no_entitlement");
        world.close().await;
    }

    async fn a_dispute_holds_the_files_until_it_is_decided(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let wanted = of_course("rust-course", file(&world, "slides").await);
        let cx = world.stripe.cx();
        let dispute =
            world.account().open_dispute(&started.session, &sandbox::NewDispute::default(), &cx).unwrap();
        world.settle().await;
        assert_eq!(denied(&world, Some(ada), &wanted).await, "no_entitlement");
        for step in [sandbox::DisputeStep::Review, sandbox::DisputeStep::Win] {
            let cx = world.stripe.cx();
            world.account().move_dispute(&dispute, step, &cx).unwrap();
        }
        world.settle().await;
        get(&world, Some(ada), &wanted).await.unwrap();
        world.close().await;
    }

    async fn what_a_guest_bought_waits_until_it_is_claimed(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("buyer@example.com").await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let wanted = Wanted::OfOrder { order: started.order, resource: file(&world, "slides").await };
        assert_eq!(denied(&world, None, &wanted).await, "unauthenticated");
        assert_eq!(denied(&world, Some(ada), &wanted).await, "no_entitlement");
        world.close().await;
    }

    async fn a_switch_that_is_thrown_stops_every_node_before_anything_else_is_told(test: TestDb) {
        let world = stocked(test).await;
        let ada = world.buyer("ada@example.com").await;
        bought(&world, ada, "rust-course").await;
        let wanted = of_course("rust-course", file(&world, "slides").await);
        get(&world, Some(ada), &wanted).await.unwrap();
        world.operate("downloads.disable", json!({})).await.unwrap();
        let node = world.another_node().await;
        let there = node.deliverer.deliver(&node, as_buyer(Some(ada)), wanted.clone()).await.unwrap_err();
        assert_eq!(there.code(), "downloads_disabled");
        assert_eq!(denied(&world, None, &wanted).await, "downloads_disabled");
        assert_eq!(denied(&world, Some(ada), &lesson(&world, "hello").await).await, "downloads_disabled");
        let by_hand = json!({ "resource": file(&world, "slides").await, "user": ada });
        assert_eq!(world.task("downloads.link", by_hand).await.unwrap_err().code(), "downloads_disabled");
        world.operate("downloads.enable", json!({})).await.unwrap();
        get(&world, Some(ada), &wanted).await.unwrap();
        // The configuration of one process stops that process.
        let settings = shop::Settings { downloads_enabled: false, ..world.shop.settings.clone() };
        let stripe: Arc<SandboxStripe> = world.stripe.clone();
        let entropy = kernel::Seeded::new(3);
        let off = shop::Shop::new(world.shop.db.clone(), stripe, settings, world.clock.clone(), entropy);
        let refused = off.deliverer.deliver(&off, as_buyer(Some(ada)), wanted).await.unwrap_err();
        assert_eq!(refused.code(), "downloads_disabled");
        world.close().await;
    }

    /// The audit log is for ever: nobody may fill it by asking for what they may not have.
    async fn denials_that_are_alike_are_written_once_a_minute(test: TestDb) {
        let world = stocked(test).await;
        let bob = world.buyer("bob@example.com").await;
        let wanted = of_course("rust-course", file(&world, "slides").await);
        for _ in 0..20 {
            assert_eq!(denied(&world, None, &wanted).await, "unauthenticated");
            assert_eq!(denied(&world, Some(bob), &wanted).await, "no_entitlement");
        }
        let told = "resource_download_denied";
        assert_eq!(log(&world).await, entries(&[(told, "unauthenticated"), (told, "no_entitlement")]));
        world.advance(Duration::from_secs(61));
        assert_eq!(denied(&world, None, &wanted).await, "unauthenticated");
        let newest = world.view("downloads.log", json!({ "denied": true, "limit": 1 })).await.unwrap();
        assert_eq!(newest["data"][0]["more_since_the_last"], 19);
        assert_eq!(newest["data"][0]["address"], "192.0.2.7");
        world.close().await;
    }
}
