//! What guests bought becomes theirs when they prove that they read the mailbox they gave, and nobody else's ever.

use kernel::Duration;
use serde_json::json;
use shop::Shop;
use shop::claims::{ClaimError, Claimed, claim_all, claim_by_link, follow_link, send_link};
use shop::ids::{OrderId, ProfileId};
use testkit::World;

const VISA: &str = "4242424242424242";
const BUYER: &str = "buyer@example.com";

/// A guest has bought the course and a mug, and was mailed of it.
async fn bought(world: &World) -> OrderId {
    let started = world.check_out(&[("rust-course", 1), ("mug", 1)]).await.unwrap();
    world.pay(&started, VISA);
    world.settle().await;
    started.order
}

/// The secret of the newest link under this path in any mail.
fn link(world: &World, path: &str) -> Option<String> {
    let stem = format!("http://shop.invalid/{path}/");
    world.mailbox.all().iter().find_map(|mail| {
        let at = mail.message.text.find(&stem)? + stem.len();
        Some(mail.message.text[at..].chars().take_while(char::is_ascii_hexdigit).collect())
    })
}

async fn claim(shop: &Shop, secret: &str) -> Result<Claimed, ClaimError> {
    claim_by_link(shop, secret, "192.0.2.1", "a browser").await.unwrap()
}

/// Whoever reads this mailbox signs in.
async fn sign_in(world: &World, email: &str) -> Option<ProfileId> {
    assert_eq!(send_link(&world.shop, email, "192.0.2.1").await.unwrap(), None);
    world.settle().await;
    let newest = world.mailbox.all().into_iter().next()?.message;
    let secret = link(world, "login").filter(|_| newest.to == email && newest.text.contains("/login/"))?;
    use_link(world, &secret).await
}

async fn use_link(world: &World, secret: &str) -> Option<ProfileId> {
    let (cx, secret) = (world.shop.cx(), secret.to_owned());
    let used = world.shop.db.write("test.sign_in", move |tx| follow_link(tx, &cx, &secret)).await;
    db::TxResult::must_be_looked_up(used).unwrap().map(|profile| profile.id)
}

async fn refund(world: &World, order: OrderId) {
    world.operate("refunds.create", json!({ "order": order })).await.unwrap();
    world.settle().await;
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_guest_claims_by_the_mailed_link_and_only_once(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        assert_eq!(claim(&world.shop, &"0".repeat(64)).await, Err(ClaimError::NoSuchLink));
        let secret = link(&world, "claim").unwrap();
        let claimed = claim(&world.shop, &secret).await.unwrap();
        assert_eq!(claimed.order, order);
        assert!(world.may_use(claimed.profile, "rust-course").await);
        assert_eq!(world.order(order).await.profile, Some(claimed.profile));
        assert_eq!(claim(&world.shop, &secret).await, Err(ClaimError::Claimed));
        assert_eq!(world.story(order).await.iter().filter(|kind| *kind == "claimed").count(), 1);
        let audited = "SELECT COUNT(*) FROM audit_logs WHERE event_type = 'purchase_claim_completed'";
        assert_eq!(world.count(audited).await, 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM entitlements WHERE profile_id IS NULL").await, 0);
        // Whatever comes again changes nothing of it.
        let events = world.view("events.list", json!({})).await.unwrap();
        for event in events["data"].as_array().unwrap() {
            world.operate("events.replay", json!({ "event": event["id"] })).await.ok();
        }
        world.operate("orders.mend", json!({ "order": order })).await.ok();
        world.settle().await;
        assert!(world.may_use(claimed.profile, "rust-course").await);
        assert_eq!(world.count("SELECT COUNT(*) FROM entitlement_grants").await, 1);
        world.close().await;
    }

    async fn what_a_guest_was_told_and_whether_they_claimed_it_is_explained(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let sent = world.shop.now();
        let explained = async || world.view("orders.explain", json!({ "order": order })).await.unwrap();
        let evidence = async |kind: &str| -> Vec<(String, String)> {
            let case = world.task("case", json!({ "who": order })).await.unwrap().answer;
            let rows = case["evidence"].as_array().unwrap().iter().filter(|row| row["kind"] == kind);
            let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
            rows.map(|row| (text(row, "status"), text(row, "says"))).collect()
        };
        let told = explained().await;
        let [mail] = told["mails"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!((&mail["kind"], &mail["to"]), (&json!("order_confirmation"), &json!(BUYER)));
        assert_eq!((&mail["status"], &mail["sent_at"]), (&json!("sent"), &json!(sent)));
        assert!(!mail.to_string().contains("text"), "what it says stands elsewhere: {mail}");
        assert_eq!((&told["claim"]["status"], &told["claim"]["profile"]), (&json!("open"), &serde_json::Value::Null));
        let mails = evidence("mail").await;
        assert!(mails[0].0 == "sent" && mails[0].1.starts_with("order confirmation to buyer@example.com, "), "{mails:?}");
        assert!(evidence("claim").await[0].1.starts_with("the link for buyer@example.com counts until "));

        world.advance(Duration::from_secs(60));
        let claimed = claim(&world.shop, &link(&world, "claim").unwrap()).await.unwrap();
        let told = explained().await;
        assert_eq!((&told["claim"]["status"], &told["claim"]["profile"]), (&json!("claimed"), &json!(claimed.profile)));
        assert_eq!(told["claim"]["claimed_at"], json!(world.shop.now()));
        let (status, says) = evidence("claim").await.remove(0);
        assert!(status == "claimed" && says.starts_with(&format!("by {}, ", claimed.profile)), "{says}");
        // An order of a profile has nothing to claim.
        let ada = world.buyer("ada@example.com").await;
        let started = world.check_out_for(ada, &[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.settle().await;
        let told = world.view("orders.explain", json!({ "order": started.order })).await.unwrap();
        assert!(told["claim"].is_null() && told["mails"][0]["to"] == BUYER, "{}", told["mails"]);
        world.close().await;
    }

    async fn the_link_stands_in_the_mail_alone(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let started = world.check_out(&[("rust-course", 1)]).await.unwrap();
        world.pay(&started, VISA);
        world.mailbox.refuse_next(mail::MailError::Unavailable("not yet".into()));
        world.settle().await;
        for moment in ["while it waits", "once it is sent"] {
            let list = world.view("mails.list", json!({})).await.unwrap();
            let shown = world.view("mails.show", json!({ "mail": list["data"][0]["id"] })).await.unwrap();
            for text in [list.to_string(), shown.to_string()] {
                assert!(!text.contains("/claim/"), "{moment}: {text}");
                assert!(text.contains("[one-time link]"), "{moment}: {text}");
            }
            world.advance(Duration::from_secs(3600));
            world.settle().await;
        }
        let secret = link(&world, "claim").unwrap();
        let kept = world.count("SELECT COUNT(*) FROM mails WHERE secret IS NOT NULL").await;
        assert_eq!(kept, 0, "it is forgotten once it is sent");
        let list = world.view("mails.list", json!({})).await.unwrap();
        let again = world.operate("mails.resend", json!({ "mail": list["data"][0]["id"] })).await;
        assert_eq!(again.unwrap_err().code(), "refused_by_guard");
        assert!(claim(&world.shop, &secret).await.is_ok());
        world.close().await;
    }

    async fn a_stranger_who_types_the_email_gets_nothing(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        // An account with the same email, made by whoever registered it: nobody has proved it.
        let stranger = world.buyer(BUYER).await;
        assert_eq!(claim_all(&world.shop, stranger).await.unwrap(), 0);
        assert!(!world.may_use(stranger, "rust-course").await);
        let claimed = claim(&world.shop, &link(&world, "claim").unwrap()).await.unwrap();
        assert_ne!(claimed.profile, stranger, "the stranger's account does not get it either");
        assert!(!world.may_use(stranger, "rust-course").await);
        assert_eq!(world.order(order).await.profile, Some(claimed.profile));
        // Nor does a link to sign in lead into the stranger's account.
        assert_eq!(sign_in(&world, BUYER).await, Some(claimed.profile));
        world.close().await;
    }

    async fn who_has_proved_the_email_claims_without_a_mail(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let other = bought(&world).await;
        let profile = sign_in(&world, BUYER).await.unwrap();
        let mallory = world.buyer("mallory@example.com").await;
        world.operate("customers.create", json!({ "id": mallory, "email": "mallory@example.com", "email_proved": true })).await.unwrap();
        assert_eq!(claim_all(&world.shop, mallory).await.unwrap(), 0);
        assert_eq!(claim_all(&world.shop, profile).await.unwrap(), 2);
        assert_eq!(claim_all(&world.shop, profile).await.unwrap(), 0);
        for id in [order, other] {
            assert_eq!(world.order(id).await.profile, Some(profile));
        }
        assert!(world.may_use(profile, "rust-course").await);
        // One of two goes back: the other still gives access.
        refund(&world, order).await;
        assert!(world.may_use(profile, "rust-course").await);
        refund(&world, other).await;
        assert!(!world.may_use(profile, "rust-course").await);
        assert_eq!(claim(&world.shop, &link(&world, "claim").unwrap()).await, Err(ClaimError::Claimed));
        world.close().await;
    }

    async fn the_shops_own_server_may_say_that_an_email_is_proved(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let id: ProfileId = world.shop.cx().id();
        let made = json!({ "id": id, "email": "Buyer@Example.com", "email_proved": true });
        world.operate("customers.create", made.clone()).await.unwrap();
        world.operate("customers.create", made).await.unwrap();
        let another: ProfileId = world.shop.cx().id();
        let taken = json!({ "id": another, "email": BUYER, "email_proved": true });
        assert_eq!(world.operate("customers.create", taken).await.unwrap_err().code(), "refused_by_guard");
        bought(&world).await;
        let claimed = claim(&world.shop, &link(&world, "claim").unwrap()).await.unwrap();
        assert_eq!(claimed.profile, id);
        assert_eq!(sign_in(&world, BUYER).await, Some(id));
        world.close().await;
    }

    async fn two_clicks_at_once_claim_once(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let (first, second) = (world.shop.clone(), world.another_node().await);
        let secret = link(&world, "claim").unwrap();
        let (one, two) = tokio::join!(claim(&first, &secret), claim(&second, &secret));
        let won: Vec<Claimed> = [one, two].into_iter().flatten().collect();
        assert_eq!(won.len(), 1);
        assert_eq!(world.order(order).await.profile, Some(won[0].profile));
        assert_eq!(world.count("SELECT COUNT(*) FROM profiles").await, 1, "one mailbox, one profile");
        assert_eq!(world.count("SELECT COUNT(*) FROM entitlements").await, 1);
        world.close().await;
    }

    async fn a_link_and_a_profile_that_claim_at_once_end_alike(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let secret = link(&world, "claim").unwrap();
        let profile = sign_in(&world, BUYER).await.unwrap();
        let (first, second) = (world.shop.clone(), world.another_node().await);
        let (by_link, by_email) = tokio::join!(claim(&first, &secret), claim_all(&second, profile));
        assert_eq!(usize::from(by_link.is_ok()) + by_email.unwrap(), 1);
        assert_eq!(world.order(order).await.profile, Some(profile));
        assert!(world.may_use(profile, "rust-course").await);
        world.close().await;
    }

    async fn what_went_back_is_handed_to_nobody(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        refund(&world, order).await;
        let secret = link(&world, "claim").unwrap();
        assert_eq!(claim(&world.shop, &secret).await, Err(ClaimError::GoneBack));
        assert_eq!(world.count("SELECT COUNT(*) FROM profiles").await, 0, "nothing was made for it");
        let profile = sign_in(&world, BUYER).await.unwrap();
        assert_eq!(claim_all(&world.shop, profile).await.unwrap(), 0);
        let resent = world.operate("claims.resend", json!({ "order": order })).await;
        assert_eq!(resent.unwrap_err().code(), "refused_by_guard");
        world.close().await;
    }

    async fn a_refund_after_the_claim_takes_it_back(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let claimed = claim(&world.shop, &link(&world, "claim").unwrap()).await.unwrap();
        refund(&world, order).await;
        assert!(!world.may_use(claimed.profile, "rust-course").await);
        world.close().await;
    }

    async fn while_a_bank_decides_a_claim_gives_no_access_and_afterwards_it_does(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let intent = world.order(order).await.payment_intent.unwrap();
        let cx = world.stripe.cx();
        let dispute = world.account().open_dispute(&intent, &sandbox::NewDispute::default(), &cx).unwrap();
        world.settle().await;
        let claimed = claim(&world.shop, &link(&world, "claim").unwrap()).await.unwrap();
        assert!(!world.may_use(claimed.profile, "rust-course").await);
        let cx = world.stripe.cx();
        world.account().move_dispute(&dispute, sandbox::DisputeStep::Win, &cx).unwrap();
        world.settle().await;
        assert!(world.may_use(claimed.profile, "rust-course").await);
        world.close().await;
    }

    async fn a_new_link_replaces_the_one_before(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let first = link(&world, "claim").unwrap();
        world.operate("claims.resend", json!({ "order": order })).await.unwrap();
        world.settle().await;
        let second = link(&world, "claim").unwrap();
        assert_ne!(first, second);
        assert_eq!(claim(&world.shop, &first).await, Err(ClaimError::NoSuchLink));
        let claimed = claim(&world.shop, &second).await.unwrap();
        let resent = world.operate("claims.resend", json!({ "order": order })).await;
        assert_eq!(resent.unwrap_err().code(), "refused_by_guard");
        let list = world.view("claims.list", json!({ "all": true })).await.unwrap();
        assert_eq!(list["data"][0]["profile"], json!(claimed.profile));
        assert_eq!(world.view("claims.list", json!({})).await.unwrap()["data"], json!([]));
        world.close().await;
    }

    async fn what_nobody_has_claimed_is_listed_the_newest_first_with_its_letters(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let (mut all, paid) = (Vec::new(), world.shop.now());
        for _ in 0..3 {
            all.insert(0, bought(&world).await);
            world.advance(Duration::from_secs(60));
        }
        let page = async |after: Option<OrderId>| {
            let list = world.view("claims.list", json!({ "limit": 2, "starting_after": after })).await.unwrap();
            let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
            (json!(ids), list["has_more"] == true)
        };
        assert_eq!(page(None).await, (json!(all[..2]), true));
        assert_eq!(page(Some(all[1])).await, (json!(all[2..]), false));

        world.mailbox.refuse_next(mail::MailError::Refused("no such user".into()));
        world.operate("claims.resend", json!({ "order": all[2] })).await.unwrap();
        world.settle().await;
        refund(&world, all[1]).await;
        let list = world.view("claims.list", json!({})).await.unwrap();
        let told = |at: usize, name: &str| list["data"][at][name].clone();
        assert_eq!((told(0, "letters"), told(0, "last_letter")), (json!(1), json!("sent")));
        assert_eq!((told(2, "letters"), told(2, "last_letter")), (json!(1), json!("failed")));
        assert_eq!((told(2, "email"), told(2, "paid_at")), (json!(BUYER), json!(paid)));
        // It waits no less, but whoever looks sees why nobody comes for it.
        assert_eq!(told(1, "order_status"), "refunded");
        world.close_with(&["mails_failed"]).await;
    }

    async fn the_list_of_what_nobody_has_claimed_is_answered_by_indexes(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        let list = shop::VIEWS.iter().find(|def| def.name == "claims.list").unwrap();
        let cx = world.shop.cx();
        let plans = world.shop.db.read("test", move |tx| {
            let explain = match tx.dialect() {
                db::Dialect::Sqlite => ("EXPLAIN QUERY PLAN", "detail"),
                db::Dialect::Postgres => ("EXPLAIN", "QUERY PLAN"),
            };
            if tx.dialect() == db::Dialect::Postgres {
                // An empty table is read whole by any planner that may.
                tx.execute("SET LOCAL enable_seqscan = off", &[])?;
            }
            let mut all = Vec::new();
            for (sql, params) in tx.asked_by(|tx| (list.ask)(json!({}), tx, &cx).map(drop))? {
                let rows = tx.query(&format!("{} {sql}", explain.0), &params)?;
                let lines: Vec<String> = rows.iter().map(|row| row.get(explain.1)).collect::<Result<_, _>>()?;
                all.push((sql, lines.join("\n")));
            }
            Ok(all)
        });
        let plans = plans.await.unwrap();
        for (table, index) in [("FROM purchase_claims", "purchase_claims_open"), ("FROM mails", "mails_order")] {
            let (sql, plan) = plans.iter().find(|(sql, _)| sql.contains(table)).unwrap();
            assert!(plan.contains(index), "{index} does not answer {sql}\n{plan}");
        }
        world.close().await;
    }

    async fn a_link_that_is_too_old_leads_nowhere(test: TestDb) {
        let world = World::open_with_mail(test).await;
        bought(&world).await;
        world.advance(Duration::from_secs(30 * 24 * 3600));
        assert_eq!(claim(&world.shop, &link(&world, "claim").unwrap()).await, Err(ClaimError::NoSuchLink));
        world.close().await;
    }

    async fn a_claim_that_dies_before_its_commit_can_be_made_again(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let secret = link(&world, "claim").unwrap();
        // The transaction does everything and is rolled back: the process died.
        let (cx, tried) = (world.shop.cx(), order);
        let died = world.shop.db.write("test.died", move |tx| {
            let profile = shop::customers::identity::of_proved_email(tx, &cx, BUYER)?;
            shop::orders::claim(tx, &cx, tried, profile.id, &ops::Actor::buyer(BUYER))?;
            Err::<(), _>(kernel::Error::bug("the process dies"))
        }).await;
        assert!(died.is_err());
        assert_eq!(world.order(order).await.profile, None);
        assert!(claim(&world.shop, &secret).await.is_ok());
        world.close().await;
    }

    async fn a_case_of_a_guest_names_the_claim_and_offers_a_new_link(test: TestDb) {
        let world = World::open_with_mail(test).await;
        let order = bought(&world).await;
        let case = world.task("case", json!({ "who": BUYER, "course": "rust-course" })).await.unwrap().answer;
        assert_eq!((&case["access"], &case["place"]), (&json!(false), &json!("not_claimed")), "{case}");
        assert_eq!(case["mend"]["command"], format!("makegood claims resend {order}"));
        let mend = &case["mend"];
        world.operate(mend["operation"].as_str().unwrap(), mend["input"].clone()).await.unwrap();
        world.settle().await;
        claim(&world.shop, &link(&world, "claim").unwrap()).await.unwrap();
        let case = world.task("case", json!({ "who": BUYER, "course": "rust-course" })).await.unwrap().answer;
        assert_eq!(case["access"], json!(true), "{case}");
        world.close().await;
    }

    async fn a_link_to_sign_in_goes_to_those_who_are_known_and_works_once(test: TestDb) {
        let world = World::open_with_mail(test).await;
        assert_eq!(sign_in(&world, "nobody@example.com").await, None);
        assert!(world.mailbox.all().is_empty());
        world.buyer("ada@example.com").await;
        send_link(&world.shop, "ADA@example.com", "192.0.2.1").await.unwrap();
        send_link(&world.shop, "ada@example.com", "192.0.2.1").await.unwrap();
        world.settle().await;
        assert_eq!(world.mailbox.all().len(), 2);
        let secret = link(&world, "login").unwrap();
        let ada = use_link(&world, &secret).await.unwrap();
        assert_eq!(use_link(&world, &secret).await, None);
        assert_eq!(world.count("SELECT COUNT(*) FROM profile_links").await, 0, "the other one is used up too");
        assert_eq!(sign_in(&world, "ada@example.com").await, Some(ada));
        send_link(&world.shop, "ada@example.com", "192.0.2.1").await.unwrap();
        world.settle().await;
        let secret = link(&world, "login").unwrap();
        world.advance(Duration::from_secs(15 * 60));
        assert_eq!(use_link(&world, &secret).await, None, "it is too old");
        world.close().await;
    }

    async fn who_uses_their_links_waits_for_nothing_nor_do_others_behind_the_same_address(test: TestDb) {
        let world = World::open_with_mail(test).await;
        for n in 0..30 {
            let email = format!("ada{n}@example.com");
            world.buyer(&email).await;
            assert!(sign_in(&world, &email).await.is_some(), "{email}");
        }
        for round in 0..6 {
            assert!(sign_in(&world, "ada0@example.com").await.is_some(), "{round}");
        }
        assert_eq!(world.mailbox.all().len(), 36);
        world.close().await;
    }

    /// What the request does is the same for both, so neither its answer nor its time tells who is known.
    async fn whether_an_email_is_known_is_looked_up_when_nobody_waits_for_it(test: TestDb) {
        let world = World::open_with_mail(test).await;
        world.buyer("ada@example.com").await;
        for (email, jobs) in [("ada@example.com", 1), ("nobody@example.com", 2)] {
            assert_eq!(send_link(&world.shop, email, "192.0.2.1").await.unwrap(), None);
            assert_eq!(world.count("SELECT COUNT(*) FROM jobs WHERE kind = 'claims.sign_in'").await, jobs);
            assert_eq!(world.count("SELECT COUNT(*) FROM profile_links").await, 0);
            assert_eq!(world.count("SELECT COUNT(*) FROM mails").await, 0);
        }
        world.settle().await;
        assert_eq!(world.mailbox.all().len(), 1);
        send_link(&world.shop, "ada@example.com", "192.0.2.1").await.unwrap();
        world.advance(Duration::from_secs(15 * 60));
        world.settle().await;
        assert_eq!(world.mailbox.all().len(), 1, "it came too late to be of use");
        world.close().await;
    }

    async fn nobodys_mailbox_is_flooded(test: TestDb) {
        let world = World::open_with_mail(test).await;
        world.buyer("ada@example.com").await;
        for n in 0..40 {
            // From everywhere, so that only the mailbox is the same.
            let from = format!("192.0.2.{n}");
            assert_eq!(send_link(&world.shop, "ada@example.com", &from).await.unwrap(), None);
        }
        world.settle().await;
        assert!((3..=4).contains(&world.mailbox.all().len()), "{}", world.mailbox.all().len());
        let mut waits = 0;
        for n in 0..40 {
            let who = format!("somebody{n}@example.com");
            waits += usize::from(send_link(&world.shop, &who, "198.51.100.1").await.unwrap().is_some());
        }
        assert!(waits >= 15, "{waits}");
        world.close().await;
    }
}
