use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sandbox::{NotPossible, Reach};

use crate::{GOOD_CARD, Stage};

const HOUR: u64 = 3600;

impl Stage {
    fn heard_by(endpoints: &[&str]) -> Self {
        let mut stage = Stage::new();
        let cx = stage.cx();
        for url in endpoints {
            stage.stripe.add_endpoint(url, &["charge.succeeded"], &cx);
        }
        stage
    }

    fn reach(&mut self, endpoint: Option<&str>, reach: Reach) -> Result<usize, NotPossible> {
        let cx = self.cx();
        self.stripe.set_reach(endpoint, reach, &cx)
    }

    /// Takes what is due with 200, and gives the places to which it went.
    fn take_all(&mut self) -> Vec<(String, u32)> {
        let cx = self.cx();
        let due = self.stripe.due_deliveries(&cx);
        let taken = due.iter().map(|delivery| (delivery.url.clone(), delivery.attempt)).collect();
        due.iter().for_each(|delivery| self.stripe.delivery_result(delivery.id, Some(200), &cx));
        taken
    }

    fn sell(&mut self) {
        let session = self.session();
        self.pay(&session, GOOD_CARD);
    }
}

#[test]
fn only_the_endpoint_that_is_down_misses_its_tries_each_at_its_time() {
    let mut stage = Stage::heard_by(&["https://one.test", "https://two.test"]);
    let one = stage.stripe.endpoints().next().unwrap().0.to_owned();
    assert!(matches!(stage.reach(Some("we_none"), Reach::Down), Err(NotPossible::NoSuch { .. })));
    assert_eq!(stage.reach(Some(&one), Reach::Down), Ok(1));
    stage.sell();
    assert_eq!(stage.take_all(), [("https://two.test".to_owned(), 1)]);
    // Tries at once, after 5 minutes, after 35, after 2 h 35 min; the next after 7 h 35 min.
    stage.wait(3 * HOUR);
    assert_eq!(stage.reach(None, Reach::Up), Ok(2));
    assert_eq!(stage.take_all(), []);
    stage.wait(4 * HOUR + 35 * 60 - 1);
    assert_eq!(stage.take_all(), []);
    stage.wait(1);
    assert_eq!(stage.take_all(), [("https://one.test".to_owned(), 5)]);
    assert!(
        stage.get("/v1/events?delivery_success=false&type=charge.*")["data"].as_array().unwrap().is_empty()
    );
}

#[test]
fn after_three_days_down_an_event_is_only_in_the_list() {
    let mut stage = Stage::heard_by(&["https://one.test"]);
    stage.reach(None, Reach::Down).unwrap();
    stage.sell();
    stage.wait(73 * HOUR);
    stage.sell();
    stage.reach(None, Reach::Up).unwrap();
    stage.wait(100 * HOUR);
    assert_eq!(stage.take_all(), [("https://one.test".to_owned(), 2)]);
    let lost = stage.get("/v1/events?delivery_success=false&type=charge.succeeded");
    assert_eq!(lost["data"].as_array().unwrap().len(), 1);
    assert_eq!(lost["data"][0]["pending_webhooks"], 0);
}

/// An outage as long as Stripe's patience, with a sale every 26 seconds.
#[test]
fn ten_thousand_purchases_in_an_outage_take_seconds() {
    let (purchases, began) = (10_000, Instant::now());
    let mut stage = Stage::heard_by(&["https://one.test"]);
    stage.reach(None, Reach::Down).unwrap();
    for _ in 0..purchases {
        stage.sell();
        stage.clock.advance(Duration::from_secs(72 * HOUR / purchases));
    }
    println!("{purchases} purchases in {:.1?}", began.elapsed());
    stage.reach(None, Reach::Up).unwrap();
    stage.wait(12 * HOUR);
    let heard = stage.take_all().len();
    let mut listed = BTreeSet::new();
    let mut path = "/v1/events?type=charge.succeeded&delivery_success=false&limit=100".to_owned();
    loop {
        let page = stage.get(&path);
        let ids: Vec<String> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_str().unwrap().into())
            .collect();
        listed.extend(ids.iter().cloned());
        if page["has_more"] == false {
            break;
        }
        path = format!(
            "/v1/events?type=charge.succeeded&delivery_success=false&limit=100&starting_after={}",
            ids.last().unwrap()
        );
    }
    println!("{heard} heard later, {} given up, in {:.1?}", listed.len(), began.elapsed());
    assert_eq!(heard + listed.len(), purchases as usize, "each is heard of or listed");
    assert!(heard > 0 && !listed.is_empty());
    assert_eq!(stage.stripe.charges().len(), purchases as usize);
    assert!(began.elapsed() < Duration::from_secs(120), "a few seconds where the machine is free");
}
