//! Who guesses waits longer each time; who mistypes now and then does not, and who signs in makes nobody wait.

use db::TxResult;
use kernel::Duration;
use ops::sessions::{self, Attempt, Counted, Tried};
use testkit::World;

const HOUR: Duration = Duration::from_secs(3600);

fn office() -> Counted {
    Counted { who: "address 192.0.2.1".into(), borne: 20 }
}

async fn attempt(world: &World) -> Attempt {
    let now = world.shop.now();
    let tried = world.shop.db.write("test.attempt", move |tx| sessions::attempt(tx, now, &[office()]));
    tried.await.must_be_looked_up().unwrap()
}

async fn may(world: &World) -> Tried {
    match attempt(world).await {
        Attempt::May(tried) => tried.into_iter().next().unwrap(),
        Attempt::Wait(wait) => panic!("has to wait for {wait:?}"),
    }
}

async fn wait(world: &World) -> u64 {
    match attempt(world).await {
        Attempt::May(_) => 0,
        Attempt::Wait(wait) => wait.as_secs(),
    }
}

async fn succeeded(world: &World, tried: Tried) {
    let ended = world.shop.db.write("test.succeeded", move |tx| sessions::succeeded(tx, &tried));
    ended.await.must_be_looked_up().unwrap();
}

testkit::on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn a_good_sign_in_makes_no_colleague_wait_however_often_others_mistyped(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..26 {
            attempt(&world).await;
            world.advance(Duration::from_secs(15 * 60));
        }
        world.advance(Duration::from_secs(15 * 60));
        for _ in 0..30 {
            let tried = may(&world).await;
            succeeded(&world, tried).await;
        }
    }

    async fn a_failure_an_hour_is_forgiven_and_a_success_forgives_no_more(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..20 {
            may(&world).await;
        }
        assert_eq!(wait(&world).await, 15);
        for _ in 0..5 {
            world.advance(HOUR);
            let tried = may(&world).await;
            succeeded(&world, tried).await;
        }
        for _ in 0..5 {
            may(&world).await;
        }
        assert_eq!(wait(&world).await, 15, "five hours have forgiven five");
        for _ in 0..40 {
            may_after(&world, HOUR).await;
        }
    }

    async fn a_guesser_gains_nothing_by_signing_in_elsewhere(test: TestDb) {
        let world = World::open(test).await;
        for _ in 0..19 {
            may(&world).await;
        }
        // A token that is their own, between two guesses.
        let own = may(&world).await;
        assert_eq!(wait(&world).await, 15, "what is under way counts");
        succeeded(&world, own).await;
        may(&world).await;
        assert_eq!(wait(&world).await, 15);
        for pause in [15, 30, 60, 120, 240, 480] {
            assert_eq!(wait(&world).await, pause);
            may_after(&world, Duration::from_secs(pause)).await;
        }
        for _ in 0..20 {
            assert_eq!(wait(&world).await, 900);
            may_after(&world, Duration::from_secs(900)).await;
        }
    }
}

async fn may_after(world: &World, pause: Duration) {
    world.advance(pause);
    may(world).await;
}
