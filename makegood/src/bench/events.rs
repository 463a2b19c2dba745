//! The events of many purchases: made once by the sandbox, then told again with other ids. So they have Stripe's sizes and
//! shapes, and ten thousand of them cost nothing to make.

use std::sync::Arc;

use kernel::{Clock, Cx, Timestamp};
use sandbox::{ApiRequest, Payment, Sandbox};
use shop::ids::OrderId;
use shop::inbox::Incoming;

use crate::clock::{OsEntropy, SystemClock};

/// What settles an order; Stripe sends more, and the shop keeps and ignores them.
pub const SETTLING: [&str; 3] =
    ["payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"];

/// Everything that Stripe says about the purchase of one product.
pub struct Purchase {
    events: Vec<Told>,
    order: String,
}

/// One event as the sandbox told it.
struct Told {
    kind: String,
    text: String,
    /// What must differ in each telling: ids at Stripe.
    ids: Arc<Vec<String>>,
}

/// The ids of one telling end in this number; they stay as long as Stripe's.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub u64);

impl Purchase {
    /// Buys one `name` for `cents` US cents in a sandbox of its own.
    pub fn of(name: &str, cents: i64) -> Self {
        let cx = Cx::new(SystemClock.now(), Arc::new(OsEntropy));
        let order = cx.id::<shop::ids::OrderKind>().to_string();
        let mut stripe = Sandbox::new(sandbox::Settings::default());
        let form = format!(
            "mode=payment&success_url=https://shop.test/thanks&client_reference_id={order}\
             &customer_email=buyer@example.com&metadata[orderId]={order}\
             &payment_intent_data[metadata][orderId]={order}\
             &line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]={cents}\
             &line_items[0][price_data][product_data][name]={name}&line_items[0][quantity]=1"
        );
        let session = stripe.handle(&ApiRequest::post("/v1/checkout/sessions", &form), &cx).body;
        let session = session["id"].as_str().unwrap_or_default().to_owned();
        // A session that could not be made or paid shows at once: it has no events, and nothing is measured.
        let _ = stripe.pay(&session, &Payment::by_card("4242424242424242"), &cx);
        Purchase::told_by(&stripe, order)
    }

    fn told_by(stripe: &Sandbox, order: String) -> Self {
        let mut ids: Vec<String> =
            stripe.events().iter().flat_map(|e| [e.id.clone(), e.object.clone()]).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids = Arc::new(ids);
        let told =
            |event: &sandbox::Event| Told { kind: event.kind.clone(), text: event.body(), ids: ids.clone() };
        Purchase { events: stripe.events().iter().map(told).collect(), order }
    }

    /// Everything that Stripe said, told again as purchase `number` of `order`.
    pub fn all(&self, number: Number, order: OrderId) -> Vec<String> {
        self.events.iter().map(|event| event.again(number, &self.order, order)).collect()
    }

    /// The three events that settle `order`, each of them enough to prove the payment.
    pub fn settling(&self, number: Number, order: OrderId) -> Vec<String> {
        let settles = |event: &&Told| SETTLING.contains(&event.kind.as_str());
        self.events.iter().filter(settles).map(|event| event.again(number, &self.order, order)).collect()
    }

    /// The id of the session that purchase `number` went through.
    pub fn session(&self, number: Number) -> Option<String> {
        let ids = self.events.first().map(|event| event.ids.as_slice()).unwrap_or_default();
        ids.iter().find(|id| id.starts_with("cs_")).map(|id| number.instead_of(id))
    }
}

impl Told {
    fn again(&self, number: Number, before: &str, order: OrderId) -> String {
        let text = self.text.replace(before, &order.to_string());
        self.ids.iter().fold(text, |text, id| text.replace(id, &number.instead_of(id)))
    }
}

impl Number {
    fn instead_of(self, id: &str) -> String {
        format!("{}{:010}", &id[..id.len().saturating_sub(10)], self.0)
    }
}

/// The event as the inbox takes it; none when the text is no event.
pub fn incoming(payload: String, now: Timestamp) -> Option<Incoming> {
    let signature = "t=1790000000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd";
    Incoming::read(payload, signature, now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purchase_told_again_has_other_ids_and_names_another_order() {
        let purchase = Purchase::of("Tea", 1800);
        let cx = Cx::new(SystemClock.now(), Arc::new(OsEntropy));
        let (first, second): (OrderId, OrderId) = (cx.id(), cx.id());
        let one = purchase.settling(Number(1), first);
        let two = purchase.settling(Number(2), second);
        assert_eq!(one.len(), SETTLING.len());
        for (a, b) in one.iter().zip(&two) {
            let (a, b) =
                (stripe::Event::parse(a.as_bytes()).unwrap(), stripe::Event::parse(b.as_bytes()).unwrap());
            assert_ne!(a.id, b.id);
            assert_ne!(a.object_id, b.object_id);
            let Ok(stripe::Reading::Proof(proof)) = stripe::read(&b) else { panic!("{}", b.kind) };
            assert_eq!(proof.references.order, Some(second.to_string()));
        }
    }
}
