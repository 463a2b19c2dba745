//! What a buyer is told of an order. This file decides, from plain values; it reads no clock and asks nobody.

use kernel::Duration;
use shop::catalog::ProductKind;
use shop::orders::{CancelReason, Order, PaymentStatus, State, WaitsFor};

/// What stands beside the heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Something is still going on.
    Waiting,
    /// All is well.
    Good,
    /// All is well, but it takes longer.
    Heed,
    /// It came to nothing.
    Bad,
}

impl Sign {
    /// Its classes in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Sign::Waiting => "waiting",
            Sign::Good => "good",
            Sign::Heed => "heed",
            Sign::Bad => "bad",
        }
    }
    /// Its picture. Every sign has a heading beside it, so the picture is no news to a screen reader.
    pub fn svg(self) -> &'static str {
        match self {
            Sign::Waiting => {
                r#"<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true"><path d="M12 3a9 9 0 1 0 9 9"/></svg>"#
            }
            Sign::Good => {
                r#"<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M5 12.8l4.6 4.6L19 7.4"/></svg>"#
            }
            Sign::Heed => {
                r#"<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><circle cx="12" cy="12" r="8.5"/><path d="M12 7.5V12l3 2"/></svg>"#
            }
            Sign::Bad => {
                r#"<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" aria-hidden="true"><path d="M6.5 6.5l11 11M17.5 6.5l-11 11"/></svg>"#
            }
        }
    }
}

/// What a buyer reads about an order as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What stands beside the heading.
    pub sign: Sign,
    /// A few words.
    pub heading: &'static str,
    /// A sentence or two.
    pub text: &'static str,
    /// How soon it may read differently; none when nothing more happens by itself.
    pub look_again_seconds: Option<u32>,
    /// What the buyer can do.
    pub next_step: Option<Step>,
}

/// What a buyer can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The words.
    pub words: &'static str,
    /// The address.
    pub url: String,
    /// Whether it is what the buyer should do.
    pub weight: Weight,
}

/// How much a step stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// This is what comes next.
    First,
    /// Only for whom it is meant.
    Second,
}

impl Story {
    fn new(sign: Sign, heading: &'static str, text: &'static str) -> Self {
        Story { sign, heading, text, look_again_seconds: None, next_step: None }
    }
    fn look_again(self, seconds: u32) -> Self {
        Story { look_again_seconds: Some(seconds), ..self }
    }
    fn next(self, words: &'static str, url: Option<String>, weight: Weight) -> Self {
        Story { next_step: url.map(|url| Step { words, url, weight }), ..self }
    }
}

/// A moment: the event is on its way and is processed at once.
const SOON: u32 = 2;
/// A bank, a person or a parcel has to move.
const LATER: u32 = 5;

/// After so long a payment should have been heard of; whoever still waits is told that nothing is lost.
pub const USUALLY: Duration = Duration::from_secs(20);

/// The story of `order`, whose payment page is at `pay_at` as long as it is open, for somebody who has waited so long.
pub fn tell(order: &Order, pay_at: Option<String>, waited: Duration) -> Story {
    use Sign::{Bad, Good, Heed, Waiting};
    match &order.state {
        State::Pending => pending(order.payment_status, pay_at, waited),
        _ if order.open_review().is_some() => under_review(),
        State::Paid { waits_for: WaitsFor::Review } => under_review(),
        State::Paid { waits_for: WaitsFor::Stock } => Story::new(
            Heed,
            "Thank you, your payment arrived",
            "The last piece was sold while you paid. Yours is set aside as soon as new stock comes in.",
        )
        .look_again(LATER),
        State::Paid { waits_for: WaitsFor::Breakdown } => Story::new(
            Waiting,
            "Thank you, your payment arrived",
            "We are putting your order together. This takes a moment.",
        )
        .look_again(SOON),
        State::Confirmed { .. } => {
            Story::new(Good, "Thank you, it is yours", "Your order is confirmed. We pack your parcel next.")
                .look_again(LATER)
        }
        State::Completed { .. } if order.has_physical() => {
            Story::new(Good, "Your parcel is on its way", "Everything in your order has been handed over.")
        }
        State::Completed { .. } => {
            Story::new(Good, "Thank you, it is yours", "Your course is unlocked. Enjoy the first lesson.")
        }
        State::Cancelled { reason, .. } => Story::new(Bad, "Nothing was bought", why_cancelled(*reason)),
        State::Refunded { .. } => {
            Story::new(Heed, "Your money is on its way back", "The order was refunded in full.")
        }
    }
}

fn under_review() -> Story {
    Story::new(
        Sign::Heed,
        "Thank you, your payment arrived",
        "A person takes a look at it before anything more is handed over. You need not do anything.",
    )
    .look_again(LATER)
}

fn pending(payment: PaymentStatus, pay_at: Option<String>, waited: Duration) -> Story {
    match payment {
        PaymentStatus::Processing => Story::new(
            Sign::Heed,
            "Your payment is on its way",
            "Your bank needs a while for it, sometimes days. Your order is handed over when the money arrives; you \
             need not wait here.",
        )
        .look_again(LATER),
        PaymentStatus::Failed => Story::new(
            Sign::Bad,
            "Your payment did not go through",
            "Nothing was charged. You may try again, with another card if you like.",
        )
        .look_again(LATER)
        .next("Try again", pay_at, Weight::First),
        PaymentStatus::Unpaid
        | PaymentStatus::Paid
        | PaymentStatus::RefundPending
        | PaymentStatus::Refunded
        | PaymentStatus::Disputed => {
            let story = match waited < USUALLY {
                true => Story::new(
                    Sign::Waiting,
                    "Waiting for your payment",
                    "This takes a moment once you have paid, and this page brings itself up to date.",
                )
                .look_again(SOON),
                false => Story::new(
                    Sign::Heed,
                    "Still waiting for your payment",
                    "Stripe has not told us yet. If you have paid, nothing is lost: your order is handed over as soon \
                     as we hear of it, and you may close this page.",
                )
                .look_again(LATER),
            };
            // Most who see this have paid: nobody shall believe that they have to do it again.
            story.next("Not paid yet?", pay_at, Weight::Second)
        }
    }
}

fn why_cancelled(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::SessionExpired => {
            "The time to pay was over. Nothing was charged, and what was set aside went back to the shelf."
        }
        CancelReason::PaymentFailed => "The payment failed for good. Nothing was charged.",
        CancelReason::PaymentCanceled => "The payment was cancelled. Nothing was charged.",
        CancelReason::CheckoutFailed => "The payment page could not be opened. Nothing was charged.",
        CancelReason::Operator => "The shop cancelled it. Nothing was charged.",
    }
}

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFate {
    /// A class of the design system.
    pub tone: &'static str,
    /// A few words.
    pub text: &'static str,
}

/// What became of a line of this kind in `order`.
pub fn line_fate(kind: ProductKind, order: &Order) -> LineFate {
    let fate = |tone, text| LineFate { tone, text };
    match (&order.state, kind) {
        (State::Pending, ProductKind::Course | ProductKind::Download) => fate("", "Unlocked after payment"),
        (State::Pending, ProductKind::Physical) => fate("", "Set aside for you"),
        (State::Paid { .. }, _) => fate("heed", "Paid, not handed over yet"),
        (State::Confirmed { .. } | State::Completed { .. }, ProductKind::Course | ProductKind::Download) => {
            fate("good", "Unlocked")
        }
        (State::Confirmed { .. }, ProductKind::Physical) => fate("good", "Will be shipped"),
        (State::Completed { .. }, ProductKind::Physical) => fate("good", "Shipped"),
        (State::Cancelled { .. }, _) => fate("", "Not bought"),
        (State::Refunded { .. }, _) => fate("", "Refunded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Cx, Seeded, Timestamp};
    use shop::orders::{Amounts, Line, Review, ReviewKind};

    fn order(state: State, payment_status: PaymentStatus, kind: ProductKind) -> Order {
        let now = Timestamp::from_seconds(1_790_000_000);
        Order {
            id: Cx::new(now, Seeded::new(1)).id(),
            profile: None,
            email: None,
            seller: None,
            state,
            payment_status,
            amounts: Amounts {
                currency: "usd".parse().unwrap(),
                subtotal: 100,
                discount: 0,
                tax: 0,
                shipping: 0,
            },
            paid_amount: None,
            refunded_amount: 0,
            refund_marked_at: None,
            dispute: None,
            payment_intent: None,
            session: None,
            webhook_processed_at: None,
            shipped: None,
            lines: vec![Line {
                product_id: "x".into(),
                kind,
                name: "X".into(),
                sku: None,
                quantity: 1,
                unit_amount: 100,
            }],
            reviews: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    #[test]
    fn every_state_has_its_story() {
        use PaymentStatus::{Failed, Paid, Processing, Unpaid};
        use ProductKind::{Course, Physical};
        let at = Timestamp::from_seconds(1);
        let cancelled = |reason| State::Cancelled { reason, at };
        #[rustfmt::skip]
        let table = [
            (State::Pending, Unpaid, Course, "Waiting for your payment", "Unlocked after payment", Some(SOON)),
            (State::Pending, Processing, Physical, "Your payment is on its way", "Set aside for you", Some(LATER)),
            (State::Pending, Failed, Course, "Your payment did not go through", "Unlocked after payment", Some(LATER)),
            (State::Paid { waits_for: WaitsFor::Review }, Paid, Course, "Thank you, your payment arrived", "Paid, not handed over yet", Some(LATER)),
            (State::Paid { waits_for: WaitsFor::Stock }, Paid, Physical, "Thank you, your payment arrived", "Paid, not handed over yet", Some(LATER)),
            (State::Paid { waits_for: WaitsFor::Breakdown }, Paid, Course, "Thank you, your payment arrived", "Paid, not handed over yet", Some(SOON)),
            (State::Confirmed { at }, Paid, Physical, "Thank you, it is yours", "Will be shipped", Some(LATER)),
            (State::Confirmed { at }, Paid, Course, "Thank you, it is yours", "Unlocked", Some(LATER)),
            (State::Completed { confirmed_at: at, at }, Paid, Physical, "Your parcel is on its way", "Shipped", None),
            (State::Completed { confirmed_at: at, at }, Paid, Course, "Thank you, it is yours", "Unlocked", None),
            (cancelled(CancelReason::SessionExpired), Unpaid, Physical, "Nothing was bought", "Not bought", None),
            (State::Refunded { at }, PaymentStatus::Refunded, Course, "Your money is on its way back", "Refunded", None),
        ];
        for (state, payment, kind, heading, fate, look_again) in table {
            let order = order(state, payment, kind);
            let story = tell(&order, None, Duration::ZERO);
            assert_eq!(
                (story.heading, line_fate(kind, &order).text, story.look_again_seconds),
                (heading, fate, look_again),
                "{order:?}"
            );
        }
    }

    #[test]
    fn an_open_review_is_told_before_anything_that_was_paid() {
        let at = Timestamp::from_seconds(1);
        let mut held = order(State::Confirmed { at }, PaymentStatus::Paid, ProductKind::Physical);
        held.reviews.push(Review {
            kind: ReviewKind::Operator,
            detail: "secret".into(),
            opened_at: at,
            cleared_at: None,
            cleared_by: None,
        });
        let story = tell(&held, None, Duration::ZERO);
        assert!(story.text.contains("A person takes a look") && !story.text.contains("secret"));
    }

    #[test]
    fn whoever_has_paid_is_not_pressed_to_pay_again_and_after_a_while_told_that_nothing_is_lost() {
        let waits = |payment, seconds| {
            let order = order(State::Pending, payment, ProductKind::Course);
            tell(&order, Some("http://pay".into()), Duration::from_secs(seconds))
        };
        let (first, late) = (waits(PaymentStatus::Unpaid, 19), waits(PaymentStatus::Unpaid, 20));
        assert!(
            !first.text.contains("nothing is lost") && late.text.contains("nothing is lost"),
            "{first:?} {late:?}"
        );
        assert_eq!(late.look_again_seconds, Some(LATER), "it goes on looking");
        for story in [first, late] {
            assert_eq!(story.next_step.map(|step| step.weight), Some(Weight::Second));
        }
        let failed = waits(PaymentStatus::Failed, 60);
        assert_eq!(failed.next_step.map(|step| step.weight), Some(Weight::First));
    }

    #[test]
    fn the_payment_page_is_offered_only_while_nothing_is_paid() {
        let page = || Some("http://pay".to_owned());
        let told = |state, payment| {
            tell(&order(state, payment, ProductKind::Course), page(), Duration::ZERO).next_step.is_some()
        };
        assert!(told(State::Pending, PaymentStatus::Unpaid) && told(State::Pending, PaymentStatus::Failed));
        assert!(!told(State::Pending, PaymentStatus::Processing));
        let at = Timestamp::from_seconds(1);
        assert!(!told(State::Completed { confirmed_at: at, at }, PaymentStatus::Paid));
    }
}
