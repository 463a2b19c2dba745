//! The steps of the first ten minutes. Each does something, waits until its effect is there, and compares.

use kernel::{Currency, Duration, Money, Refusal, Result, Timestamp};
use ops::Finding;
use reqwest::Method;
use serde_json::{Value, json};

use super::BUYER;
use super::caller::Caller;
use super::teller::Teller;
use crate::dev::Outcome;

const COURSE: &str = "rust-course";
const NOTEBOOK: (&str, &str) = ("field-notebook", "notebook-a5");
const MUG: (&str, &str) = ("ownership-mug", "mug-enamel");
const GOOD_CARD: &str = "4242 4242 4242 4242";
const DECLINED_CARD: &str = "4000 0000 0000 0002";
/// A session lives as long as its reservation, and at least Stripe's half hour; a little more is certainly enough.
const STRIPE_SHORTEST: Duration = Duration::from_secs(30 * 60);
const A_LITTLE_MORE: Duration = Duration::from_secs(5 * 60);
/// Before a script takes pieces from a shelf, so many must be on it.
const ENOUGH: i64 = 5;

pub(super) struct Steps {
    caller: Caller,
    teller: Teller,
    /// How long stock is set aside for a checkout.
    reservation: Duration,
    all_well: bool,
}

/// A checkout that was begun.
struct Begun {
    order: String,
    /// Where the buyer pays.
    url: String,
}

impl Steps {
    pub(super) fn new(caller: Caller, teller: Teller, reservation: Duration) -> Self {
        Steps { caller, teller, reservation, all_well: true }
    }

    /// A course, paid with a good card: handed over at once.
    pub(super) async fn buy_a_course(&mut self) -> Result<()> {
        self.teller.step("Ada buys a course");
        let begun = self.begin(COURSE, 1).await?;
        let paid_at = tokio::time::Instant::now();
        let thanks = self.pay(&begun).await?;
        let order = self.wait_for(&begun.order, "completed").await?;
        let wait = paid_at.elapsed().as_millis();
        self.expect(
            "the order is completed",
            order["status"] == "completed",
            &format!("{wait} ms after the payment"),
        );
        self.sees(&thanks, "Unlocked").await
    }

    /// A card that is declined, then another one: one order, handed over once.
    pub(super) async fn decline_and_try_again(&mut self) -> Result<()> {
        self.teller.step("A card is declined, the next one is not");
        let begun = self.begin(COURSE, 1).await?;
        let page = self.caller.pay(&begun.url, DECLINED_CARD).await?;
        let told = page.status == 402 && page.text.contains("Your card was declined.");
        self.expect(&format!("paid with {DECLINED_CARD}"), told, "\u{201c}Your card was declined.\u{201d}");
        let path = order_path(&begun.order);
        let (order, failed) = self.caller.until(&path, |order| order["payment_status"] == "failed").await?;
        let pending = failed && order["status"] == "pending";
        self.expect("the order waits for another card", pending, &standing(&order));
        let thanks = self.pay(&begun).await?;
        let order = self.wait_for(&begun.order, "completed").await?;
        self.expect("the same order is completed", order["status"] == "completed", &standing(&order));
        self.sees(&thanks, "Unlocked").await
    }

    /// Two notebooks: taken from stock at payment, completed when an operator ships them. Gives the order.
    pub(super) async fn buy_and_ship(&mut self) -> Result<String> {
        self.teller.step("Two notebooks are bought, and shipped");
        let (product, sku) = NOTEBOOK;
        self.stock_up(sku).await?;
        let before = self.pieces(sku).await?;
        let begun = self.begin(product, 2).await?;
        let aside = self.pieces(sku).await?;
        self.expect("two are set aside", aside == before - 2, &format!("{before} → {aside} to be sold"));
        let thanks = self.pay(&begun).await?;
        let order = self.wait_for(&begun.order, "confirmed").await?;
        self.expect("the order is confirmed", order["status"] == "confirmed", "it waits to be shipped");
        self.sees(&thanks, "Will be shipped").await?;
        let body = json!({ "tracking": "RR 123 456 785 GB", "reason": "the parcel was handed in" });
        let receipt = self.caller.post(&format!("{}/ship", order_path(&begun.order)), &body).await?;
        self.expect_applied("an operator ships it", &receipt);
        let order = self.caller.get(&order_path(&begun.order)).await?;
        self.expect("the order is completed", order["status"] == "completed", "nothing is left to deliver");
        Ok(begun.order)
    }

    /// Stripe may deliver an event twice: the second is acknowledged and does nothing.
    pub(super) async fn deliver_twice(&mut self, order: &str) -> Result<()> {
        self.teller.step("Stripe delivers an event twice");
        const DUPLICATES: &str = "webhook_events_total{status=\"duplicate\"}";
        self.caller.all_delivered().await?;
        let (before, counted) = (self.whole(order).await?, self.caller.metric(DUPLICATES).await?);
        let event = self.completed_event(order).await?;
        self.caller.control(Method::POST, "events", &json!({ "resend": event })).await?;
        self.caller.all_delivered().await?;
        let more = self.caller.metric(DUPLICATES).await? - counted;
        self.expect("acknowledged as a duplicate", more == 1, &event);
        let same = before == self.whole(order).await?;
        self.expect("nothing has changed", same, "order, reservations and entitlements");
        Ok(())
    }

    /// An operator may replay any event at any time.
    pub(super) async fn replay(&mut self, order: &str) -> Result<()> {
        self.teller.step("An operator replays the same event");
        let (before, event) = (self.whole(order).await?, self.completed_event(order).await?);
        let path = format!("/api/v1/admin/events/{event}/replay");
        let receipt = self.caller.post(&path, &json!({ "reason": "to see that it changes nothing" })).await?;
        self.expect_applied("processed once more", &receipt);
        let same = before == self.whole(order).await?;
        self.expect("nothing has changed", same, "but the audit log says who did it and why");
        Ok(())
    }

    /// Nobody pays: when the session expires, the stock comes back.
    pub(super) async fn let_expire(&mut self) -> Result<()> {
        self.teller.step("A checkout that nobody pays");
        let (product, sku) = MUG;
        self.stock_up(sku).await?;
        let before = self.pieces(sku).await?;
        let begun = self.begin(product, 1).await?;
        let aside = self.pieces(sku).await?;
        self.expect("one mug is set aside", aside == before - 1, &format!("{before} → {aside} to be sold"));
        let ahead = self.reservation.max(STRIPE_SHORTEST) + A_LITTLE_MORE;
        let turn = json!({ "advance_seconds": ahead.as_secs() });
        self.caller.control(Method::POST, "clock", &turn).await?;
        let minutes = ahead.as_secs() / 60;
        let seen = format!("{minutes} minutes ahead; the shop's own goes on as it does");
        self.teller.done("the sandbox's clock is turned", &seen);
        let order = self.wait_for(&begun.order, "cancelled").await?;
        // Later sessions are to live as long as they should.
        self.caller.control(Method::DELETE, "clock", &json!({})).await?;
        let why = order["cancel_reason"].as_str().unwrap_or_default();
        self.expect("the order is cancelled", order["status"] == "cancelled", why);
        // Other baskets may have ended at the same turn of the clock, so this order's own reservation tells.
        let told = self.caller.get(&format!("{}/explain", order_path(&begun.order))).await?;
        let given_back = told["reservations"][0]["status"] == "expired";
        let after = self.pieces(sku).await?;
        self.expect(
            "the mug is back on the shelf",
            given_back && after > aside,
            &format!("{aside} → {after} to be sold"),
        );
        Ok(())
    }

    /// Everything that happened to one order, with its causes.
    pub(super) async fn explain(&mut self, order: &str) -> Result<()> {
        self.teller.step(&format!("makegood orders explain {order}"));
        let explained = self.caller.get(&format!("{}/explain", order_path(order))).await?;
        let story = explained["story"].as_array().cloned().unwrap_or_default();
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let first = story.first().and_then(|line| text(line, "at").parse::<Timestamp>().ok());
        for line in &story {
            let since =
                first.zip(text(line, "at").parse().ok()).map(|(first, at): (_, Timestamp)| at.since(first));
            let when = since.map_or(String::new(), |since| format!("+{:.3} s", since.as_secs_f64()));
            self.teller.story(&when, &text(line, "what"), &text(line, "cause"));
        }
        self.expect("and next", !story.is_empty(), explained["next"].as_str().unwrap_or_default());
        Ok(())
    }

    /// Every check, and the last words.
    pub(super) fn end(mut self, findings: &[Finding], took: Duration) -> Outcome {
        let checks = shop::checks();
        self.teller.step(&format!("makegood check: {} things that must be true", checks.len()));
        for check in &checks {
            let found: Vec<&Finding> =
                findings.iter().filter(|finding| finding.check == check.name).collect();
            let seen = found.first().map_or(String::new(), |one| format!("{}: {}", one.subject, one.text));
            self.expect(check.must, found.is_empty(), &seen);
        }
        let seconds = took.as_secs_f64();
        if self.all_well {
            self.teller
                .end(&format!("All is as it must be, after {seconds:.1} s. Now by hand: makegood dev"));
            return Outcome::Fine;
        }
        self.teller.end("Something is not as it must be: see ✗ above.");
        Outcome::Findings
    }
}

impl Steps {
    fn expect(&mut self, what: &str, holds: bool, seen: &str) {
        self.all_well &= holds;
        if holds { self.teller.done(what, seen) } else { self.teller.wrong(what, seen) }
    }

    /// An operation was applied, and what must be true afterwards is.
    fn expect_applied(&mut self, what: &str, receipt: &Value) {
        let proofs = receipt["verify"].as_array().cloned().unwrap_or_default();
        let holds = receipt["status"] == "applied" && receipt["verified"] == true;
        let read_back: Vec<&str> = proofs.iter().filter_map(|proof| proof["must"].as_str()).collect();
        let seen = format!("read back: {}", read_back.join(", "));
        self.expect(what, holds, &seen);
    }

    async fn begin(&mut self, product: &str, quantity: i64) -> Result<Begun> {
        let basket = json!({ "items": [{ "product": product, "quantity": quantity }], "email": BUYER });
        let begun = self.caller.post("/api/v1/checkout/sessions", &basket).await?;
        let text = |key: &str| begun[key].as_str().map(str::to_owned);
        let (Some(order), Some(url)) = (text("order_id"), text("url")) else {
            return Err(Refusal::new("script_stuck", format!("no order_id and url in {begun}")).into());
        };
        let seen = self.caller.get(&order_path(&order)).await?;
        self.expect("the website asks for a checkout", seen["status"] == "pending", &standing(&seen));
        Ok(Begun { order, url })
    }

    /// Pays with a good card; gives the address to which the buyer is sent.
    async fn pay(&mut self, begun: &Begun) -> Result<String> {
        let page = self.caller.pay(&begun.url, GOOD_CARD).await?;
        self.expect(&format!("paid with {GOOD_CARD}"), page.status == 303, "on the sandbox's payment page");
        page.next.ok_or_else(|| Refusal::new("script_stuck", "the payment page led nowhere").into())
    }

    /// What the buyer reads on the page to which Stripe sends them.
    async fn sees(&mut self, url: &str, text: &str) -> Result<()> {
        let page = self.caller.visit(url).await?;
        self.expect("the buyer reads", page.text.contains(text), &format!("\u{201c}{text}\u{201d}"));
        Ok(())
    }

    async fn wait_for(&self, order: &str, status: &str) -> Result<Value> {
        Ok(self.caller.until(&order_path(order), |seen| seen["status"] == status).await?.0)
    }

    /// Pieces that can be sold now.
    async fn pieces(&self, sku: &str) -> Result<i64> {
        let list = self.caller.get("/api/v1/admin/inventory?limit=100").await?;
        let levels = list["data"].as_array().cloned().unwrap_or_default();
        let level = levels.iter().find(|level| level["sku"] == sku);
        let available = level.and_then(|level| level["available"].as_i64());
        available.ok_or_else(|| Refusal::new("script_stuck", format!("there is no stock {sku}")).into())
    }

    /// A shop in which many scripts ran may have sold everything.
    async fn stock_up(&mut self, sku: &str) -> Result<()> {
        if self.pieces(sku).await? >= ENOUGH {
            return Ok(());
        }
        let body = json!({ "change": 2 * ENOUGH, "reason": "the shelf was nearly empty" });
        let receipt = self.caller.post(&format!("/api/v1/admin/inventory/{sku}/adjust"), &body).await?;
        self.expect_applied("the shelf is filled", &receipt);
        Ok(())
    }

    /// The event that says that the order's session was completed.
    async fn completed_event(&self, order: &str) -> Result<String> {
        let path = format!("/api/v1/admin/events?type=checkout.session.completed&order={order}");
        let (list, _) = self.caller.until(&path, |list| list["data"][0]["status"] == "processed").await?;
        let id = list["data"][0]["id"].as_str().map(str::to_owned);
        id.ok_or_else(|| Refusal::new("script_stuck", format!("no event touched {order}")).into())
    }

    /// All that an order is and has brought about, as one value to compare.
    async fn whole(&self, order: &str) -> Result<Value> {
        let explained = self.caller.get(&format!("{}/explain", order_path(order))).await?;
        Ok(json!([explained["order"], explained["reservations"], explained["entitlements"]]))
    }
}

fn order_path(order: &str) -> String {
    format!("/api/v1/admin/orders/{order}")
}

/// `$49.00, pending, unpaid`
fn standing(order: &Value) -> String {
    let text = |key: &str| order[key].as_str().unwrap_or("?");
    let total = text("currency").parse::<Currency>().ok().zip(order["total_amount"].as_i64());
    let total = total.map_or("?".to_owned(), |(currency, minor)| Money::new(minor, currency).tag());
    format!("{total}, {}, {}", text("status"), text("payment_status"))
}
