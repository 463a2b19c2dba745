//! Pictures whose upload was cut off: whatever lies outside has a row here, and what nobody knows of is taken away.

#![allow(clippy::unwrap_used, reason = "a test says by a panic that it failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kernel::{Currency, Duration, FixedClock, Seeded, Timestamp};
use ops::Actor;
use shop::media::{Upload, upload};
use shop::{Outside, Settings, Shop};
use storage::{Key, MediaError, MediaStore, Placing, StorageError};
use testkit::{TestDb, on_both_engines};

const BEGINNING: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// What happens to an upload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Fine,
    /// It is never there, and no answer comes.
    LostOnTheWay,
    /// It is there, and no answer comes.
    AnswerLost,
    /// The store is away.
    Away,
}

#[derive(Default)]
struct Store {
    files: Mutex<BTreeMap<String, usize>>,
    fate: Mutex<Fate>,
}

impl Store {
    fn next(&self, fate: Fate) {
        *self.fate.lock().unwrap() = fate;
    }
    fn files(&self) -> usize {
        self.files.lock().unwrap().len()
    }
}

fn away<T>() -> Result<T, MediaError> {
    Err(StorageError::Unavailable("away".into()).into())
}

impl MediaStore for Store {
    fn name(&self) -> &'static str {
        "cloudinary"
    }
    fn put<'a>(&'a self, key: &'a Key, _: &'a str, bytes: bytes::Bytes, _: Timestamp) -> Placing<'a, String> {
        Box::pin(async move {
            let fate = *self.fate.lock().unwrap();
            if matches!(fate, Fate::Fine | Fate::AnswerLost) {
                self.files.lock().unwrap().insert(key.to_string(), bytes.len());
            }
            match fate {
                Fate::Fine => Ok(format!("https://pictures.example/{key}")),
                Fate::Away => away(),
                Fate::LostOnTheWay | Fate::AnswerLost => std::future::pending().await,
            }
        })
    }
    fn delete<'a>(&'a self, key: &'a Key, _: &'a str, _: Timestamp) -> Placing<'a, ()> {
        Box::pin(async move {
            if *self.fate.lock().unwrap() == Fate::Away {
                return away();
            }
            self.files.lock().unwrap().remove(key.as_str());
            Ok(())
        })
    }
    fn check(&self, _: Timestamp) -> Placing<'_, String> {
        Box::pin(async { Ok("fine".to_owned()) })
    }
}

struct Stage {
    shop: Shop,
    clock: Arc<FixedClock>,
    store: Arc<Store>,
}

fn stage(test: &TestDb) -> Stage {
    let (clock, store) = (FixedClock::new(BEGINNING), Arc::new(Store::default()));
    let stripe: Arc<dyn stripe::Stripe> = Arc::new(Nobody);
    let outside = Outside { media: store.clone(), ..Outside::from(stripe) };
    let settings = Settings {
        app_url: "https://shop.example".into(),
        livemode: false,
        currency: "usd".parse::<Currency>().unwrap(),
        reservation: Duration::from_secs(1800),
        cleanup_after: Duration::from_secs(3600),
        downloads_enabled: true,
        download_ttl: Duration::from_secs(300),
    };
    let shop = Shop::new(test.db.clone(), outside, settings, clock.clone(), Seeded::new(3));
    Stage { shop, clock, store }
}

struct Nobody;
impl stripe::Stripe for Nobody {
    fn call(&self, _: stripe::Call) -> stripe::Answer<'_> {
        Box::pin(async { Err(stripe::CallError::NotSent("nobody is asked here".into())) })
    }
}

impl Stage {
    /// An upload whose process dies where it waits for an answer that does not come.
    async fn upload(&self, fate: Fate) -> Option<Result<shop::media::Asset, kernel::Error>> {
        self.store.next(fate);
        let wanted = Upload {
            bytes: bytes::Bytes::from_static(
                b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;",
            ),
            content_type: Some("image/gif".into()),
            file_name: None,
            actor: Actor::operator("ada"),
            request_id: None,
        };
        let ended = tokio::time::timeout(Duration::from_millis(300), upload(&self.shop, wanted)).await.ok();
        self.store.next(Fate::Fine);
        ended
    }

    async fn rows(&self, status: &'static str) -> i64 {
        let sql = "SELECT COUNT(*) FROM media_assets WHERE status = $1";
        self.shop.db.read("test.count", move |tx| tx.count(sql, &[status.into()])).await.unwrap()
    }

    async fn findings(&self) -> Vec<&'static str> {
        let now = self.shop.now();
        let found = self.shop.db.read("test.checks", move |tx| {
            let all = shop::checks().into_iter().map(|check| check.run(tx, now));
            Ok(all.collect::<Result<Vec<_>, _>>()?.concat())
        });
        found.await.unwrap().iter().map(|finding| finding.check).collect()
    }

    /// A quarter of an hour later a worker looks.
    async fn later(&self) {
        self.clock.advance(Duration::from_secs(16 * 60));
        while self.shop.work_jobs(20).await.unwrap() > 0 {}
    }
}

on_both_engines! {
    migrated by shop::MIGRATIONS;

    async fn an_upload_that_died_leaves_a_row_and_then_nothing_outside(test: TestDb) {
        let stage = stage(&test);
        for fate in [Fate::LostOnTheWay, Fate::AnswerLost] {
            assert!(stage.upload(fate).await.is_none(), "it waits for an answer that never comes");
            assert_eq!((stage.rows("pending").await, stage.store.files()), (1, usize::from(fate == Fate::AnswerLost)));
            stage.later().await;
            assert_eq!((stage.rows("pending").await, stage.store.files()), (0, 0), "{fate:?}");
            assert_eq!(stage.findings().await, Vec::<&str>::new());
        }
    }

    async fn the_same_picture_again_takes_the_place_of_one_whose_answer_was_lost(test: TestDb) {
        let stage = stage(&test);
        assert!(stage.upload(Fate::AnswerLost).await.is_none());
        stage.clock.advance(Duration::from_secs(14 * 60));
        let made = stage.upload(Fate::Fine).await.unwrap().unwrap();
        assert_eq!((stage.rows("stored").await, stage.rows("pending").await, stage.store.files()), (1, 0, 1));
        stage.later().await;
        assert_eq!((stage.rows("stored").await, stage.store.files()), (1, 1), "what is known stays");
        // Once more it is put there again, for its file may be lost; a store that is away takes nothing back.
        let refused = stage.upload(Fate::Away).await.unwrap().unwrap_err();
        assert_eq!(refused.code(), "CLOUDINARY_ERROR");
        assert_eq!((stage.rows("stored").await, stage.rows("pending").await), (1, 0));
        let again = stage.upload(Fate::Fine).await.unwrap().unwrap();
        assert_eq!((again.id, stage.rows("stored").await, stage.store.files()), (made.id, 1, 1));
    }

    async fn what_was_given_up_is_taken_away_as_soon_as_the_store_answers_and_until_then_somebody_is_told(test: TestDb) {
        let stage = stage(&test);
        let refused = stage.upload(Fate::Away).await.unwrap().unwrap_err();
        assert_eq!(refused.code(), "CLOUDINARY_ERROR");
        assert!(stage.upload(Fate::AnswerLost).await.is_none());
        assert_eq!((stage.rows("pending").await, stage.store.files()), (1, 1), "it is the same picture");
        // No worker for two hours.
        stage.clock.advance(Duration::from_secs(2 * 3600));
        assert_eq!(stage.findings().await, ["media_pending_old"]);
        stage.store.next(Fate::Away);
        stage.later().await;
        assert_eq!((stage.rows("dropped").await, stage.store.files()), (1, 1));
        stage.store.next(Fate::Fine);
        stage.later().await;
        assert_eq!(stage.store.files(), 0);
        assert_eq!(stage.findings().await, Vec::<&str>::new());
        // A new upload is a new one, under another name.
        stage.upload(Fate::Fine).await.unwrap().unwrap();
        assert_eq!((stage.rows("stored").await, stage.store.files()), (1, 1));
    }

    async fn two_that_send_the_same_picture_at_once_store_one(test: TestDb) {
        let stage = stage(&test);
        let (one, two) = tokio::join!(stage.upload(Fate::Fine), stage.upload(Fate::Fine));
        let (one, two) = (one.unwrap().unwrap(), two.unwrap().unwrap());
        assert_eq!((one.id, one.url), (two.id, two.url));
        assert_eq!((stage.rows("stored").await, stage.store.files()), (1, 1));
    }
}
