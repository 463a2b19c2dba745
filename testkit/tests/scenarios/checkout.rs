//! From a basket to a page, and what happens when Stripe does not answer.

use kernel::{Duration, Error};
use sandbox::{Fault, Trouble};
use shop::orders::{CancelReason, State};
use testkit::World;
use testkit::world::basket;

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_basket_that_makes_no_sense_is_refused_before_anything_is_written(test: TestDb) {
        let world = World::open(test).await;
        for (items, code) in [
            (vec![], "invalid_input"),
            (vec![("mug", 0)], "invalid_input"),
            (vec![("mug", -1)], "invalid_input"),
            (vec![("mug", 1), ("mug", 2)], "invalid_input"),
            // One right of one buyer, which would be paid for three times.
            (vec![("rust-course", 3)], "invalid_input"),
            (vec![("unicorn", 1)], "not_on_offer"),
            (vec![("mug", 6)], "out_of_stock"),
        ] {
            assert_eq!(world.check_out(&items).await.unwrap_err().code(), code, "{items:?}");
        }
        let unknown = shop::checkout::Basket { profile_id: Some(world.shop.cx().id()), ..basket(&[("mug", 1)]) };
        assert_eq!(world.shop.starter.start(&world.shop, unknown).await.unwrap_err().code(), "not_found");
        assert_eq!(world.count("SELECT COUNT(*) FROM orders").await, 0);
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    async fn a_basket_that_costs_more_than_one_payment_can_be_is_refused(test: TestDb) {
        let world = World::open(test).await;
        let dear = testkit::world::CATALOG.replace("amount = 1500", "amount = 50000000");
        let file = shop::import::CatalogFile::parse(&dear).unwrap();
        world.operate("catalog.import", serde_json::json!({ "catalog": file })).await.unwrap();
        let refused = world.check_out(&[("mug", 2)]).await.unwrap_err();
        let Error::Invalid { at, why } = &refused else { panic!("{refused:?}") };
        assert!(at == "/items" && why.ends_with("expected at most 999999.99 usd"), "{refused}");
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.check_out(&[("mug", 1)]).await.unwrap();
        world.close().await;
    }

    async fn a_thousand_buyers_of_a_hundred_pieces_get_exactly_a_hundred(test: TestDb) {
        let world = World::open(test).await;
        let mut buyers = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let shop = world.shop.clone();
            buyers.spawn(async move { shop.starter.start(&shop, basket(&[("poster", 1)])).await });
        }
        let (mut sold, mut refused) = (0, 0);
        while let Some(result) = buyers.join_next().await {
            match result.unwrap() {
                Ok(_) => sold += 1,
                Err(error) => {
                    assert_eq!(error.code(), "out_of_stock");
                    refused += 1;
                }
            }
        }
        assert_eq!((sold, refused), (100, 900));
        assert_eq!(world.stock("POSTER").await, (100, 0));
        world.close().await;
    }

    async fn an_abandoned_checkout_gives_its_stock_back(test: TestDb) {
        let world = World::open(test).await;
        let started = world.check_out(&[("mug", 2)]).await.unwrap();
        assert_eq!(world.stock("MUG").await, (5, 3));
        world.advance(Duration::from_secs(32 * 60));
        world.settle().await;
        let State::Cancelled { reason, .. } = world.order(started.order).await.state else { panic!("cancelled") };
        assert_eq!(reason, CancelReason::SessionExpired);
        assert_eq!(world.stock("MUG").await, (5, 5));
        let late = "SELECT COUNT(*) FROM inventory_reservations WHERE status = 'expired'";
        assert_eq!(world.count(late).await, 1, "nobody paid in time");
        let refused = world.check_out(&[("mug", 1)]).await.unwrap();
        let cancel = serde_json::json!({ "order": refused.order });
        world.operate("orders.cancel", cancel).await.unwrap();
        assert_eq!(world.count(late).await, 1, "that one was let go");
        world.close().await;
    }

    /// Stripe keeps a page for half an hour at least; a shop that sets stock aside for less ends the page itself.
    async fn a_reservation_that_is_shorter_than_stripes_shortest_page_is_sold_or_ends_in_its_own_time(test: TestDb) {
        let world = World::open(test).await;
        let reservation = Duration::from_secs(10 * 60);
        let settings = shop::Settings { reservation, ..world.shop.settings.clone() };
        let (db, stripe) = (world.shop.db.clone(), world.stripe.clone());
        let brief = shop::Shop::new(db, stripe, settings, world.clock.clone(), kernel::Seeded::new(11));
        let sold = brief.starter.start(&brief, basket(&[("mug", 1)])).await.unwrap();
        let left = brief.starter.start(&brief, basket(&[("mug", 2)])).await.unwrap();
        world.advance(reservation - Duration::from_secs(60));
        world.pay(&sold, "4242424242424242");
        world.settle().await;
        assert_eq!(world.order(sold.order).await.state.status(), "confirmed");
        assert_eq!(world.account().session_facts(&left.session).unwrap().status, "open");
        world.advance(Duration::from_secs(60));
        world.settle().await;
        assert_eq!(world.account().session_facts(&left.session).unwrap().status, "expired", "long before its own end");
        assert_eq!(world.order(left.order).await.state.status(), "cancelled");
        assert_eq!(world.stock("MUG").await, (4, 4));
        world.close().await;
    }

    /// The session is ended at Stripe before the stock goes back, so that nobody pays for what another got.
    async fn a_missed_expiry_is_healed_by_ending_the_session_at_stripe(test: TestDb) {
        let world = World::open(test).await;
        world.account().inject(Fault::new(Trouble::Drop));
        let started = world.check_out(&[("mug", 2)]).await.unwrap();
        world.advance(Duration::from_secs(30 * 60 + 1));
        world.settle().await;
        assert_eq!(world.account().session_facts(&started.session).unwrap().status, "expired");
        assert_eq!(world.order(started.order).await.state.status(), "cancelled");
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }

    async fn a_refusal_at_stripe_releases_everything(test: TestDb) {
        let world = World::open(test).await;
        // Our clock is behind Stripe's: the session would end in its past.
        world.account().advance_clock(Duration::from_secs(2 * 3600));
        let error = world.check_out(&[("mug", 1)]).await.unwrap_err();
        assert_eq!(error.code(), "stripe_refused", "{error}");
        assert_eq!(world.count("SELECT COUNT(*) FROM orders WHERE status = 'cancelled'").await, 1);
        assert_eq!(world.stock("MUG").await, (5, 5));
        assert_eq!(world.count("SELECT COUNT(*) FROM checkouts WHERE state = 'failed'").await, 1);
        world.close().await;
    }

    /// Stripe made the session and its answer was lost: the job asks again with the same key and finds the same session.
    async fn a_lost_answer_is_asked_for_again_and_makes_no_second_session(test: TestDb) {
        let world = World::open(test).await;
        let lost = Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/checkout/sessions");
        world.account().inject(lost);
        let error = world.check_out(&[("mug", 1)]).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{error}");
        assert_eq!(world.stock("MUG").await, (5, 4), "nothing is released while nobody knows");
        world.advance(Duration::from_secs(150));
        world.settle().await;
        assert_eq!(world.account().sessions().count(), 1);
        assert_eq!(world.count("SELECT COUNT(*) FROM checkouts WHERE state = 'open'").await, 1);
        world.close().await;
    }

    /// A 500 that Stripe has stored under the key is repeated for a day; by then the session would be over.
    async fn a_stored_error_at_stripe_is_given_up_when_no_session_can_be_left(test: TestDb) {
        let world = World::open(test).await;
        let stored = Fault::new(Trouble::Stored500 { execute: true }).times(1).on_request("POST", "/v1/checkout/sessions");
        world.account().inject(stored);
        assert!(matches!(world.check_out(&[("mug", 1)]).await.unwrap_err(), Error::Unknown(_)));
        world.advance(Duration::from_secs(40 * 60));
        world.settle().await;
        assert_eq!(world.count("SELECT COUNT(*) FROM orders WHERE status = 'cancelled'").await, 1);
        assert_eq!(world.stock("MUG").await, (5, 5));
        world.close().await;
    }
}
