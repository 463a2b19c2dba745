use sandbox::{ApiRequest, DisputeStatus, DisputeStep, NewDispute, NewRefund, NotPossible, RefundStatus};
use serde_json::{Value, json};

use crate::{GOOD_CARD, Stage};

impl Stage {
    fn dispute(&mut self, of: &str, wish: &NewDispute) -> String {
        let cx = self.cx();
        self.stripe.open_dispute(of, wish, &cx).unwrap()
    }

    fn step(&mut self, dispute: &str, step: DisputeStep) -> Result<DisputeStatus, NotPossible> {
        let cx = self.cx();
        self.stripe.move_dispute(dispute, step, &cx)
    }

    /// A payment and a dispute about it.
    fn disputed(&mut self, wish: &NewDispute) -> (String, String) {
        let intent = self.paid(GOOD_CARD);
        let dispute = self.dispute(&intent, wish);
        (intent, dispute)
    }

    /// The types of the events of one family since the last time, with the status that each shows.
    fn told(&self, family: &str) -> Vec<String> {
        let events = self.stripe.events().iter().filter(|event| event.kind.starts_with(family));
        let word = |kind: &str| kind.rsplit('.').next().unwrap().to_owned();
        events
            .map(|event| {
                let status = event.to_json()["data"]["object"]["status"].as_str().unwrap_or("").to_owned();
                format!("{} {status}", word(&event.kind))
            })
            .collect()
    }

    /// What the bank took and gave for a dispute.
    fn money(&mut self, dispute: &str) -> Vec<i64> {
        let dispute = self.get(&format!("/v1/disputes/{dispute}"));
        let entries = dispute["balance_transactions"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["amount"].as_i64().unwrap()).collect()
    }
}

fn refund(intent: &str) -> ApiRequest {
    ApiRequest::post("/v1/refunds", &format!("payment_intent={intent}"))
}

#[test]
fn what_cannot_be_disputed_or_moved_is_refused() {
    let mut stage = Stage::new();
    let cx = stage.cx();
    let wish = NewDispute::default();
    let refused = stage.stripe.open_dispute("ch_none", &wish, &cx).unwrap_err();
    assert_eq!(refused.to_string(), "there is no payment ch_none");
    let unpaid = stage.session();
    assert!(matches!(stage.stripe.open_dispute(&unpaid, &wish, &cx), Err(NotPossible::Now(_))));
    let held = stage.post(
        "/v1/payment_intents",
        "amount=100&currency=usd&confirm=true&payment_method=pm_card_createDispute&capture_method=manual",
    );
    let held = held["id"].as_str().unwrap();
    assert!(matches!(stage.stripe.open_dispute(held, &wish, &cx), Err(NotPossible::Now(_))));
    stage.wait(5);
    assert_eq!(stage.stripe.disputes().len(), 0, "nothing was taken, so nothing is disputed");
    stage.post(&format!("/v1/payment_intents/{held}/capture"), "");
    stage.wait(1);
    assert_eq!(stage.stripe.disputes().len(), 1);
    let (_, closed) = stage.disputed(&NewDispute::inquiry());
    stage.step(&closed, DisputeStep::CloseInquiry).unwrap();
    let refused = stage.step(&closed, DisputeStep::Win).unwrap_err();
    assert_eq!(refused.to_string(), format!("dispute {closed} is warning_closed: no Win from there"));
    let (status, error) = stage.refused(&ApiRequest::get("/v1/disputes/dp_none"));
    assert_eq!((status, &error["param"]), (404, &json!("dispute")));
}

#[test]
fn a_test_card_is_disputed_a_second_after_it_paid() {
    let cards = [
        ("4000000000000259", "fraudulent", "needs_response", "chargeback", "10.4"),
        ("4000000000002685", "product_not_received", "needs_response", "chargeback", "13.1"),
        ("4000000000001976", "fraudulent", "warning_needs_response", "inquiry", "10"),
    ];
    for (card, reason, status, case_type, code) in cards {
        let mut stage = Stage::new();
        let intent = stage.paid(card);
        assert_eq!(stage.get("/v1/disputes")["data"], json!([]));
        stage.wait(1);
        let disputes = stage.get(&format!("/v1/disputes?payment_intent={intent}&expand[]=data.charge"));
        let dispute = &disputes["data"][0];
        assert_eq!((&dispute["reason"], &dispute["status"]), (&json!(reason), &json!(status)));
        assert_eq!(dispute["payment_method_details"]["card"]["case_type"], case_type);
        assert_eq!(dispute["payment_method_details"]["card"]["network_reason_code"], code);
        assert_eq!(dispute["charge"]["disputed"], true);
        assert_eq!(dispute["is_charge_refundable"], json!(case_type == "inquiry"));
        // The end of the eighth day.
        let due = dispute["evidence_details"]["due_by"].as_i64().unwrap();
        assert_eq!((due + 1) % 86_400, 0);
        assert_eq!((due - dispute["created"].as_i64().unwrap()) / 86_400, 8);
    }
}

#[test]
fn a_dispute_takes_the_money_and_a_win_brings_it_back() {
    let mut stage = Stage::new();
    let (intent, dispute) = stage.disputed(&NewDispute::because("product_not_received"));
    assert_eq!(stage.told("charge.dispute"), ["created needs_response", "funds_withdrawn needs_response"]);
    let (status, error) = stage.refused(&refund(&intent));
    assert_eq!((status, &error["code"]), (400, &json!("charge_disputed")));
    assert!(error["message"].as_str().unwrap().ends_with("has been charged back; cannot issue a refund."));
    stage.step(&dispute, DisputeStep::Review).unwrap();
    assert_eq!(stage.step(&dispute, DisputeStep::Win), Ok(DisputeStatus::Won));
    let told = stage.told("charge.dispute");
    assert_eq!(told[2..], ["updated under_review", "funds_reinstated won", "closed won"]);
    assert_eq!(stage.money(&dispute), [-4900, 4900]);
    let shown = stage.get(&format!("/v1/disputes/{dispute}?expand[]=charge&expand[]=payment_intent"));
    assert_eq!((&shown["is_charge_refundable"], &shown["charge"]["disputed"]), (&json!(true), &json!(true)));
    assert_eq!(shown["payment_intent"]["id"], json!(intent));
    let entry = shown["balance_transactions"][0].clone();
    let path = format!("/v1/balance_transactions/{}?expand[]=source", entry["id"].as_str().unwrap());
    let found = stage.get(&path);
    assert_eq!((&found["net"], &found["source"]["id"]), (&json!(-6400), &json!(dispute)));
    stage.good(&refund(&intent));
}

#[test]
fn a_loss_may_be_won_late_or_appealed() {
    let mut stage = Stage::new();
    let (intent, dispute) = stage.disputed(&NewDispute::default());
    stage.step(&dispute, DisputeStep::Lose).unwrap();
    assert_eq!(stage.refused(&refund(&intent)).1["code"], "charge_disputed");
    stage.step(&dispute, DisputeStep::Appeal).unwrap();
    stage.step(&dispute, DisputeStep::Review).unwrap();
    stage.step(&dispute, DisputeStep::Lose).unwrap();
    stage.step(&dispute, DisputeStep::Win).unwrap();
    assert_eq!(
        stage.told("charge.dispute")[2..],
        [
            "closed lost",
            "updated appeal_needs_response",
            "updated appeal_under_review",
            "closed lost",
            "funds_reinstated won",
            "closed won"
        ]
    );
    assert_eq!(stage.money(&dispute), [-4900, 4900]);
}

#[test]
fn an_inquiry_moves_no_money_until_it_is_escalated() {
    let mut stage = Stage::new();
    let (intent, inquiry) = stage.disputed(&NewDispute::inquiry());
    assert_eq!(stage.told("charge.dispute"), ["created warning_needs_response"]);
    assert!(stage.money(&inquiry).is_empty());
    stage.post("/v1/refunds", &format!("payment_intent={intent}&amount=900"));
    stage.step(&inquiry, DisputeStep::Escalate).unwrap();
    assert_eq!(
        stage.told("charge.dispute")[1..],
        ["updated needs_response", "funds_withdrawn needs_response"]
    );
    let event = stage.get("/v1/events?type=charge.dispute.updated")["data"][0].clone();
    assert_eq!(event["data"]["previous_attributes"]["status"], "warning_needs_response");
    // Nobody asked back what was refunded before: the bank takes it all, and what was too much returns with the loss.
    assert_eq!(stage.money(&inquiry), [-4900]);
    stage.step(&inquiry, DisputeStep::Lose).unwrap();
    assert_eq!(stage.told("charge.dispute")[3..], ["funds_reinstated lost", "closed lost"]);
    assert_eq!(stage.money(&inquiry), [-4900, 900]);
    stage.step(&inquiry, DisputeStep::Win).unwrap();
    assert_eq!(stage.money(&inquiry), [-4900, 900, 4000]);
}

#[test]
fn a_charge_has_several_disputes_of_any_amount() {
    let mut stage = Stage::new();
    let (intent, won) = stage.disputed(&NewDispute::default().over(2000));
    let lost = stage.dispute(&intent, &NewDispute::because("duplicate").over(9900));
    stage.step(&won, DisputeStep::Win).unwrap();
    assert_eq!(stage.refused(&refund(&intent)).1["code"], "charge_disputed", "the other is still open");
    stage.step(&lost, DisputeStep::Lose).unwrap();
    assert_eq!((stage.money(&won), stage.money(&lost)), (vec![-2000, 2000], vec![-9900]));
    let charge = stage.stripe.charges_of(&intent)[0].id.clone();
    let ids = |list: Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
    };
    let (only_lost, newest_first) = (vec![lost.clone()], [lost.clone(), won.clone()]);
    assert_eq!(ids(stage.get(&format!("/v1/disputes?charge={charge}"))), newest_first);
    assert_eq!(ids(stage.get(&format!("/v1/disputes?payment_intent={intent}&limit=1"))), only_lost);
    assert_eq!(ids(stage.get(&format!("/v1/disputes?starting_after={lost}"))), [won]);
    let twice = stage.paid("4000000404000079");
    stage.wait(1);
    assert_eq!(ids(stage.get(&format!("/v1/disputes?payment_intent={twice}"))).len(), 2);
}

#[test]
fn a_dispute_may_be_over_when_it_is_first_heard_of() {
    let mut stage = Stage::new();
    stage.disputed(&NewDispute::default().starting(DisputeStatus::Lost).due_in_days(Some(0)));
    assert_eq!(stage.told("charge.dispute"), ["created lost", "funds_withdrawn lost", "closed lost"]);
    assert_eq!(stage.get("/v1/disputes")["data"][0]["evidence_details"]["due_by"], 0);
    let mut stage = Stage::new();
    let wish = NewDispute::default().starting(DisputeStatus::Prevented).due_in_days(None);
    let (intent, dispute) = stage.disputed(&wish);
    assert_eq!(stage.told("charge.dispute"), ["created prevented"]);
    let shown = stage.get(&format!("/v1/disputes/{dispute}"));
    assert_eq!(shown["evidence_details"]["due_by"], Value::Null);
    stage.good(&refund(&intent));
    let (_, old) = stage.disputed(&NewDispute::default());
    assert_eq!(stage.step(&old, DisputeStep::RefundInstead), Ok(DisputeStatus::ChargeRefunded));
    assert_eq!(stage.money(&old), [-4900, 4900]);
}

#[test]
fn a_shop_answers_once_staged_and_then_sent() {
    let mut stage = Stage::new();
    let (_, dispute) = stage.disputed(&NewDispute::default());
    let path = format!("/v1/disputes/{dispute}");
    let (_, error) = stage.refused(&ApiRequest::post(&path, "evidence[nonsense]=1"));
    assert_eq!(error["param"], "evidence[nonsense]");
    let staged = stage.post(&path, "evidence[product_description]=Tea&submit=false&metadata[case]=7");
    assert_eq!((&staged["status"], &staged["metadata"]["case"]), (&json!("needs_response"), &json!("7")));
    assert_eq!(staged["evidence_details"]["has_evidence"], true);
    assert_eq!(staged["evidence_details"]["submission_count"], 0);
    let sent = stage.post(&path, "submit=true");
    assert_eq!(
        (&sent["status"], &sent["evidence"]["product_description"]),
        (&json!("under_review"), &json!("Tea"))
    );
    assert_eq!(sent["evidence_details"]["submission_count"], 1);
    assert_eq!(stage.told("charge.dispute")[2..], ["updated needs_response", "updated under_review"]);
    stage.wait(30 * 24 * 3600);
    assert_eq!(stage.stripe.disputes()[0].status, DisputeStatus::UnderReview, "no verdict falls by itself");
}

#[test]
fn the_test_evidence_decides_seconds_later() {
    let told = [
        ("winning_evidence", NewDispute::default(), "under_review", "won"),
        ("losing_evidence", NewDispute::default(), "under_review", "lost"),
        ("losing_evidence", NewDispute::inquiry(), "warning_under_review", "warning_closed"),
        ("escalate_inquiry_evidence", NewDispute::inquiry(), "warning_under_review", "needs_response"),
    ];
    for (evidence, wish, at_once, later) in told {
        let mut stage = Stage::new();
        let (_, dispute) = stage.disputed(&wish);
        let path = format!("/v1/disputes/{dispute}");
        let sent = stage.post(&path, &format!("evidence[uncategorized_text]={evidence}"));
        assert_eq!(sent["status"], at_once);
        stage.wait(5);
        assert_eq!(stage.get(&path)["status"], later);
    }
}

#[test]
fn a_shop_gives_in_once() {
    let mut stage = Stage::new();
    let (_, dispute) = stage.disputed(&NewDispute::default());
    let close = ApiRequest::post(&format!("/v1/disputes/{dispute}/close"), "").under_key("give-in");
    assert_eq!(stage.good(&close)["status"], "lost");
    assert_eq!(stage.good(&close)["status"], "lost", "the same key, the same answer");
    assert_eq!(stage.told("charge.dispute")[2..], ["closed lost"]);
    let (status, error) = stage.refused(&ApiRequest::post(&format!("/v1/disputes/{dispute}/close"), ""));
    assert_eq!((status, error["message"].as_str()), (400, Some("This dispute is already closed")));
    let (_, inquiry) = stage.disputed(&NewDispute::inquiry());
    assert_eq!(stage.refused(&ApiRequest::post(&format!("/v1/disputes/{inquiry}/close"), "")).0, 400);
}

#[test]
fn an_appeal_takes_evidence_of_its_own() {
    let mut stage = Stage::new();
    let (_, dispute) = stage.disputed(&NewDispute::default().starting(DisputeStatus::AppealNeedsResponse));
    let path = format!("/v1/disputes/{dispute}");
    assert_eq!(stage.refused(&ApiRequest::post(&path, "evidence[receipt]=file_1")).0, 400);
    let sent = stage.post(&path, "evidence[appeal][card][reason_for_filing]=Delivered");
    assert_eq!(sent["status"], "appeal_under_review");
    assert_eq!(sent["evidence"]["appeal"]["card"]["reason_for_filing"], "Delivered");
}

#[test]
fn a_refund_under_way_fails_when_the_bank_takes_the_money() {
    let mut stage = Stage::new();
    let intent = stage.paid("pm_card_pendingRefund");
    let cx = stage.cx();
    stage.good(&refund(&intent));
    stage.dispute(&intent, &NewDispute::default());
    assert_eq!(stage.stripe.refunds()[0].status, RefundStatus::Failed);
    let shown = stage.get("/v1/refunds")["data"][0].clone();
    assert_eq!(shown["failure_reason"], "charge_for_pending_refund_disputed");
    assert_eq!(stage.stripe.charges_of(&intent)[0].amount_refunded, 0);
    stage.wait(60);
    assert_eq!(stage.stripe.refunds()[0].status, RefundStatus::Failed, "what was foreseen no longer counts");
    let refused = stage.stripe.refund_in_dashboard(&intent, &NewRefund::default(), &cx).unwrap_err();
    assert!(refused.to_string().contains("charged back"));
}
