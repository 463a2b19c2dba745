//! What went wrong in other shops, played against the real binary: each test names the report that it comes from, and each ends
//! with every check content. See also `testkit/tests/scenarios`, where the same and more is played with a hand-turned clock.

use std::time::Instant;

use kernel::Duration;
use sandbox::{DisputeStep, Fault, Later, NewDispute, NewRefund, PayOutcome, Payment, Trouble};
use serde_json::Value;

use crate::books;
use crate::node::Node;
use crate::people::{Begun, basket, must_check_out};
use crate::stage::{Stage, on_both_engines};

const PATIENCE: Duration = Duration::from_secs(40);

/// A running node that Stripe sends its events to.
async fn open(stage: &Stage) -> Node {
    let mut node = stage.node();
    stage.send_webhooks_to(&node);
    node.start().await;
    node
}

async fn begin(stage: &Stage, node: &Node, items: &[(&str, i64)]) -> Begun {
    must_check_out(&stage.http, &node.url, &basket(items, None)).await
}

/// What a command answers, and its exit code.
fn json(node: &Node, arguments: &[&str]) -> (Option<i32>, Value) {
    node.run_json(&[arguments, &["--json"]].concat())
}

fn order(node: &Node, order: &str) -> Value {
    let (code, shown) = json(node, &["orders", "show", order]);
    assert_eq!(code, Some(0), "{shown}");
    shown
}

/// Waits until the order stands so.
async fn stands(node: &Node, id: &str, status: &str) -> Value {
    let began = Instant::now();
    loop {
        let shown = order(node, id);
        if shown["status"] == status {
            return shown;
        }
        assert!(began.elapsed() < PATIENCE, "{id} is not {status}: {shown}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether what the order granted counts now.
async fn access_is(node: &Node, id: &str, wanted: bool) {
    let began = Instant::now();
    loop {
        let (_, story) = json(node, &["orders", "explain", id]);
        let entitlements = story["entitlements"].as_array().cloned().unwrap_or_default();
        if !entitlements.is_empty() && entitlements.iter().all(|one| one["active"] == wanted) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "access is not {wanted}: {story}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn says(node: &Node, arguments: &[&str]) -> Value {
    let (code, said) = json(node, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

fn dispute(stage: &Stage, session: &str, dispute: &NewDispute) -> String {
    stage.stripe.with(|account, cx| account.open_dispute(session, dispute, cx)).unwrap()
}

fn step(stage: &Stage, dispute: &str, step: DisputeStep) {
    stage.stripe.with(|account, cx| account.move_dispute(dispute, step, cx)).unwrap();
}

fn fault(stage: &Stage, fault: Fault) {
    stage.stripe.with(|account, _| account.inject(fault));
}

fn calm(stage: &Stage) {
    stage.stripe.with(|account, _| account.clear_faults());
}

async fn all_is_well(stage: &Stage, node: &Node) {
    let began = Instant::now();
    loop {
        let (code, found) = json(node, &["check"]);
        if code == Some(0) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{:?}: {found}", stage.engine);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

on_both_engines! {
    /// medusajs/medusa#13301: of twenty payments one had no order. The order stands before the payment, and a webhook that
    /// never comes is read from Stripe's list.
    async fn every_payment_has_its_order_though_webhooks_never_come(stage: Stage) {
        let node = open(&stage).await;
        fault(&stage, Fault::new(Trouble::Drop));
        let mut all = Vec::new();
        for _ in 0..20 {
            let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
            stage.pay(&begun.session);
            all.push(begun.order);
        }
        calm(&stage);
        let said = says(&node, &["events", "backfill", "--since", "24h", "--yes", "--reason", "webhooks never came"]);
        assert!(said["stored"].as_u64().unwrap() >= 60, "{said}");
        for id in &all {
            stands(&node, id, "completed").await;
        }
        all_is_well(&stage, &node).await;
    }

    /// pinelab-vendure-plugins#620: one order was settled three times, by three events of one payment at once.
    async fn three_events_of_one_payment_settle_one_order_once(stage: Stage) {
        let node = open(&stage).await;
        fault(&stage, Fault::new(Trouble::Twin));
        fault(&stage, Fault::new(Trouble::Duplicate { copies: 3 }));
        let begun = begin(&stage, &node, &[("rust-course", 1), ("mug", 1)]).await;
        stage.pay(&begun.session);
        stands(&node, &begun.order, "confirmed").await;
        all_is_well(&stage, &node).await;
        let db = stage.db().await;
        assert_eq!(books::count(&db, "SELECT COUNT(*) FROM order_timeline WHERE type = 'confirmed'").await, 1);
        assert_eq!(books::count(&db, "SELECT COUNT(*) FROM inventory_ledger WHERE reason = 'sale'").await, 1);
    }

    /// woocommerce-gateway-stripe#889: the payment succeeded, and the order stayed "on hold" because its webhook failed.
    async fn a_payment_whose_webhook_the_shop_could_not_take_is_settled_when_it_can(stage: Stage) {
        let mut node = open(&stage).await;
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        node.kill();
        stage.pay(&begun.session);
        tokio::time::sleep(Duration::from_secs(2)).await;
        node.start().await;
        stands(&node, &begun.order, "completed").await;
        all_is_well(&stage, &node).await;
    }

    /// woocommerce-gateway-stripe#3414: a late "failed" of the first attempt cancelled an order that the second had paid.
    async fn a_failed_attempt_that_is_heard_of_late_does_not_undo_the_payment(stage: Stage) {
        let node = open(&stage).await;
        fault(&stage, Fault::new(Trouble::Delay { seconds: 3 }).on_event("payment_intent.payment_failed"));
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        let declined = Payment::by_card("4000000000000002");
        let outcome = stage.stripe.with(|account, cx| account.pay(&begun.session, &declined, cx));
        assert!(matches!(outcome, Ok(PayOutcome::Declined { .. })), "{outcome:?}");
        stage.pay(&begun.session);
        stands(&node, &begun.order, "completed").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let shown = order(&node, &begun.order);
        assert_eq!((shown["status"].as_str(), shown["payment_status"].as_str()), (Some("completed"), Some("paid")));
        all_is_well(&stage, &node).await;
    }

    /// saleor#19220: the payment was there, its events came before the page's own answer, and the checkout was lost.
    async fn events_that_overtake_each_other_and_the_answer_make_one_order(stage: Stage) {
        let node = open(&stage).await;
        fault(&stage, Fault::new(Trouble::TimeoutAfterExecuting).times(1).on_request("POST", "/v1/checkout/sessions"));
        fault(&stage, Fault::new(Trouble::Reorder { within_seconds: 3 }));
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        stage.pay(&begun.session);
        stands(&node, &begun.order, "completed").await;
        all_is_well(&stage, &node).await;
        let db = stage.db().await;
        assert_eq!(books::count(&db, "SELECT COUNT(*) FROM orders").await, 1);
        assert_eq!(stage.stripe.with(|account, _| account.sessions().count()), 1);
    }

    /// gumroad#6852: the event that closed a dispute never came, and it was stuck for ever. The objects say it, of any age.
    async fn a_dispute_whose_end_was_missed_is_healed_from_the_object(stage: Stage) {
        let node = open(&stage).await;
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        stage.pay(&begun.session);
        stands(&node, &begun.order, "completed").await;
        let dispute = dispute(&stage, &begun.session, &NewDispute::default());
        access_is(&node, &begun.order, false).await;
        fault(&stage, Fault::new(Trouble::NotGenerated));
        step(&stage, &dispute, DisputeStep::Win);
        calm(&stage);
        let (code, found) = json(&node, &["reconcile", "disputes"]);
        assert_eq!(code, Some(3), "{found}");
        let healed = ["reconcile", "disputes", "--apply", "--yes", "--reason", "its end was missed"];
        let (code, said) = json(&node, &healed);
        assert_eq!(code, Some(0), "{said}");
        access_is(&node, &begun.order, true).await;
        let (code, found) = json(&node, &["reconcile", "disputes"]);
        assert_eq!(code, Some(0), "a second look finds nothing: {found}");
        all_is_well(&stage, &node).await;
    }

    /// gumroad#6833: disputes were recorded both won and lost. There is one state, and it is the object's.
    async fn a_dispute_is_won_or_lost_and_never_both(stage: Stage) {
        let node = open(&stage).await;
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        stage.pay(&begun.session);
        stands(&node, &begun.order, "completed").await;
        fault(&stage, Fault::new(Trouble::Duplicate { copies: 2 }));
        fault(&stage, Fault::new(Trouble::Reorder { within_seconds: 4 }));
        let dispute = dispute(&stage, &begun.session, &NewDispute::default());
        step(&stage, &dispute, DisputeStep::Lose);
        step(&stage, &dispute, DisputeStep::Win);
        stands(&node, &begun.order, "completed").await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        access_is(&node, &begun.order, true).await;
        let shown = says(&node, &["disputes", "show", &dispute]);
        assert_eq!(shown["status"], "won", "{shown}");
        all_is_well(&stage, &node).await;
    }

    /// gumroad#5394: buyers were locked out for inquiries and for disputes that had been won.
    async fn an_inquiry_and_a_won_dispute_lock_nobody_out(stage: Stage) {
        let node = open(&stage).await;
        let (first, second) =
            (begin(&stage, &node, &[("rust-course", 1)]).await, begin(&stage, &node, &[("rust-course", 1)]).await);
        for begun in [&first, &second] {
            stage.pay(&begun.session);
            stands(&node, &begun.order, "completed").await;
        }
        let inquiry = dispute(&stage, &first.session, &NewDispute::inquiry());
        let won = dispute(&stage, &second.session, &NewDispute::default());
        access_is(&node, &second.order, false).await;
        step(&stage, &won, DisputeStep::Win);
        access_is(&node, &second.order, true).await;
        access_is(&node, &first.order, true).await;
        step(&stage, &inquiry, DisputeStep::CloseInquiry);
        all_is_well(&stage, &node).await;
    }

    /// A session that is complete is not always paid: a bank debit is decided days later.
    async fn a_bank_debit_is_handed_over_when_the_bank_has_paid_and_not_before(stage: Stage) {
        let node = open(&stage).await;
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        let debit = Payment { settles_after: Some(Duration::from_secs(3)), ..Payment::by_bank_debit(Later::Succeeds) };
        stage.stripe.with(|account, cx| account.pay(&begun.session, &debit, cx)).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(order(&node, &begun.order)["status"], "pending");
        stands(&node, &begun.order, "completed").await;
        all_is_well(&stage, &node).await;
    }

    /// `charge.refunded` is sent for partial refunds too, and what is typed on a refund is not on its charge.
    async fn a_partial_refund_takes_nothing_and_the_rest_of_it_takes_all(stage: Stage) {
        let node = open(&stage).await;
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        stage.pay(&begun.session);
        stands(&node, &begun.order, "completed").await;
        let typed = [("orderId".to_owned(), "ord_00000000000000000000000000000000".to_owned())];
        let part = NewRefund { metadata: typed.into(), ..NewRefund::of(100) };
        stage.stripe.with(|account, cx| account.refund_in_dashboard(&begun.session, &part, cx)).unwrap();
        let began = Instant::now();
        while order(&node, &begun.order)["refunded_amount"] != 100 {
            assert!(began.elapsed() < PATIENCE, "{}", order(&node, &begun.order));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        access_is(&node, &begun.order, true).await;
        let rest = NewRefund::default();
        stage.stripe.with(|account, cx| account.refund_in_dashboard(&begun.session, &rest, cx)).unwrap();
        stands(&node, &begun.order, "refunded").await;
        access_is(&node, &begun.order, false).await;
        all_is_well(&stage, &node).await;
    }

    /// A refund that succeeded may fail later: then the money is the shop's, and the goods are the buyer's again.
    async fn a_refund_that_fails_gives_back_what_it_took(stage: Stage) {
        let node = open(&stage).await;
        let begun = begin(&stage, &node, &[("rust-course", 1)]).await;
        stage.pay(&begun.session);
        stands(&node, &begun.order, "completed").await;
        let refund = stage
            .stripe
            .with(|account, cx| account.refund_in_dashboard(&begun.session, &NewRefund::default(), cx))
            .unwrap();
        stands(&node, &begun.order, "refunded").await;
        stage.stripe.with(|account, cx| account.turn_refund(&refund, sandbox::RefundStatus::Failed, cx)).unwrap();
        stands(&node, &begun.order, "completed").await;
        access_is(&node, &begun.order, true).await;
        all_is_well(&stage, &node).await;
    }
}
