//! Whatever was bought, sent back and disputed, and whatever of it nobody was told: one comparison makes everything right,
//! as if every event had come, and a second one finds and changes nothing.

use kernel::{Cx, Duration};
use proptest::prelude::*;
use sandbox::{
    DisputeStatus, DisputeStep, Fault, Later, NewDispute, NewRefund, PayOutcome, Payment, RefundStatus,
    ReviewClosed, ReviewOpened, Sandbox, Trouble,
};
use serde_json::json;
use shop::checkout::Started;
use shop::ids::ProfileId;
use testkit::{Engine, TestDb, World};

use super::reconcile::{causes, rows};

/// Something that happens to a purchase.
#[derive(Debug, Clone, Copy)]
enum Act {
    Pay,
    Decline,
    Debit(Later),
    Expire,
    Refund(Option<i64>),
    TurnRefund(RefundStatus),
    Dispute(DisputeStatus),
    MoveDispute(DisputeStep),
    Warn,
    Review,
    Approve,
    /// Hours pass, with all the work that is done in them.
    Wait(u64),
    /// An operator, who knows only what is known here.
    OperatorRefunds,
    OperatorCancels,
    OperatorMends,
}

/// A purchase, and what happens to it; each thing is heard of, or not.
#[derive(Debug, Clone)]
struct Purchase {
    items: Vec<(&'static str, i64)>,
    acts: Vec<(Act, bool)>,
}

fn act(operators: bool) -> impl Strategy<Value = Act> {
    use DisputeStatus::{Lost, NeedsResponse, WarningNeedsResponse};
    let dispute = prop::sample::select(vec![NeedsResponse, NeedsResponse, WarningNeedsResponse, Lost]);
    let turned = vec![RefundStatus::Succeeded, RefundStatus::Failed, RefundStatus::Canceled];
    let stripe = prop_oneof![
        4 => Just(Act::Pay),
        1 => Just(Act::Decline),
        1 => prop::bool::ANY.prop_map(|ok| Act::Debit(if ok { Later::Succeeds } else { Later::Fails })),
        1 => Just(Act::Expire),
        2 => prop::option::of(1..6_000_i64).prop_map(Act::Refund),
        2 => prop::sample::select(turned).prop_map(Act::TurnRefund),
        2 => dispute.prop_map(Act::Dispute),
        4 => prop::sample::select(DisputeStep::ALL.to_vec()).prop_map(Act::MoveDispute),
        1 => Just(Act::Warn),
        1 => Just(Act::Review),
        1 => Just(Act::Approve),
        2 => (0..80_u64).prop_map(Act::Wait),
    ];
    let people = prop::sample::select(vec![Act::OperatorRefunds, Act::OperatorCancels, Act::OperatorMends]);
    prop_oneof![if operators { 4 } else { 1 } => stripe.clone(), u32::from(operators) => people]
        .prop_filter("nobody acts here", move |act| operators || !act.is_an_operators())
}

impl Act {
    fn is_an_operators(self) -> bool {
        matches!(self, Act::OperatorRefunds | Act::OperatorCancels | Act::OperatorMends)
    }
}

fn purchases(operators: bool) -> impl Strategy<Value = Vec<Purchase>> {
    let goods = vec![vec![("rust-course", 1)], vec![("poster", 2)], vec![("rust-course", 1), ("poster", 1)]];
    let acts = prop::collection::vec((act(operators), prop::bool::weighted(0.4)), 0..7);
    let purchase = (prop::sample::select(goods), acts).prop_map(|(items, later)| {
        // Most are paid, so that there is something to send back.
        let paid = (later.len() != 1).then_some((Act::Pay, later.len() % 2 == 0));
        Purchase { items, acts: paid.into_iter().chain(later).collect() }
    });
    prop::collection::vec(purchase, 1..5)
}

/// What Stripe knows of a purchase, as far as the next act needs it.
struct Sold {
    started: Started,
    buyer: ProfileId,
    refund: Option<String>,
    dispute: Option<String>,
    review: Option<String>,
}

/// Everything happens; what is not heard of is never made an event, unless `hears_all`.
async fn live(world: &World, purchases: &[Purchase], hears_all: bool) -> Vec<Sold> {
    let mut sold = Vec::new();
    for (n, purchase) in purchases.iter().enumerate() {
        let buyer = world.buyer(&format!("buyer{n}@example.com")).await;
        let started = world.check_out_for(buyer, &purchase.items).await.unwrap();
        sold.push(Sold { started, buyer, refund: None, dispute: None, review: None });
    }
    let longest = purchases.iter().map(|purchase| purchase.acts.len()).max().unwrap_or_default();
    for turn in 0..longest {
        for (purchase, sold) in purchases.iter().zip(&mut sold) {
            if let Some((act, heard)) = purchase.acts.get(turn) {
                if !heard && !hears_all {
                    world.account().inject(Fault::new(Trouble::NotGenerated));
                }
                happen(world, sold, *act).await;
                world.account().clear_faults();
            }
        }
        world.settle().await;
    }
    world.advance(Duration::from_secs(9 * 24 * 3600));
    world.settle().await;
    sold
}

async fn happen(world: &World, sold: &mut Sold, act: Act) {
    let order = sold.started.order;
    match act {
        Act::Wait(hours) => {
            world.advance(Duration::from_secs(hours * 3600));
        }
        Act::Expire => {
            let call = stripe::checkout::expire_session(&sold.started.session);
            let _ = world.shop.stripe.call(call).await;
        }
        // Refused where it makes no sense.
        Act::OperatorRefunds => drop(world.operate("refunds.create", json!({ "order": order })).await),
        Act::OperatorCancels => drop(world.operate("orders.cancel", json!({ "order": order })).await),
        Act::OperatorMends => drop(world.operate("orders.mend", json!({ "order": order })).await),
        _ => {
            let cx = world.stripe.cx();
            at_stripe(&mut world.account(), sold, act, &cx);
        }
    }
}

fn at_stripe(account: &mut Sandbox, sold: &mut Sold, act: Act, cx: &Cx) {
    let session = sold.started.session.clone();
    let mut pay = |payment: Payment| -> Option<PayOutcome> { account.pay(&session, &payment, cx).ok() };
    match act {
        Act::Pay => drop(pay(Payment::by_card("4242424242424242"))),
        Act::Decline => drop(pay(Payment::by_card("4000000000000002"))),
        Act::Debit(later) => drop(pay(Payment::by_bank_debit(later))),
        Act::Refund(amount) => {
            let refund = NewRefund { amount, status: Some(RefundStatus::Pending), ..NewRefund::default() };
            sold.refund = account.refund_in_dashboard(&session, &refund, cx).ok().or(sold.refund.take());
        }
        Act::TurnRefund(to) => {
            sold.refund.iter().for_each(|refund| drop(account.turn_refund(refund, to, cx)));
        }
        Act::Dispute(status) => {
            let dispute = NewDispute::default().starting(status);
            sold.dispute = account.open_dispute(&session, &dispute, cx).ok().or(sold.dispute.take());
        }
        Act::MoveDispute(step) => {
            sold.dispute.iter().for_each(|dispute| drop(account.move_dispute(dispute, step, cx)));
        }
        Act::Warn => drop(account.warn_of_fraud(&session, "made_with_stolen_card", cx)),
        Act::Review => {
            sold.review = account.open_review(&session, ReviewOpened::Rule, cx).ok().or(sold.review.take());
        }
        Act::Approve => {
            sold.review
                .iter()
                .for_each(|review| drop(account.close_review(review, ReviewClosed::Approved, cx)));
        }
        Act::Wait(_) | Act::Expire | Act::OperatorRefunds | Act::OperatorCancels | Act::OperatorMends => {}
    }
}

/// How each purchase stands, and the stock.
async fn stands(world: &World, sold: &[Sold]) -> Vec<String> {
    let mut all = Vec::new();
    for sold in sold {
        let order = world.order(sold.started.order).await;
        let open = order.reviews.iter().filter(|review| review.is_open()).map(|review| review.kind);
        let mut open: Vec<_> = open.collect();
        open.sort_unstable();
        all.push(format!(
            "{} {:?} refunded {} dispute {:?} paid {:?} reviews {open:?} course {}",
            order.state.status(),
            order.payment_status,
            order.refunded_amount,
            order.dispute,
            order.paid_amount,
            world.may_use(sold.buyer, "rust-course").await,
        ));
    }
    all.push(format!("posters {:?}", world.stock("POSTER").await));
    all
}

async fn heals_and_stays(world: &World) -> Result<(), TestCaseError> {
    let first = world.task("reconcile", json!({ "apply": true })).await.unwrap();
    prop_assert_eq!(first.findings, Some(0), "{:#}", first.answer);
    let before = rows(world).await;
    let second = world.task("reconcile", json!({ "apply": true })).await.unwrap();
    prop_assert_eq!(causes(&second), Vec::<String>::new(), "{:#}", second.answer);
    prop_assert_eq!(rows(world).await, before);
    world.settle().await;
    let third = world.task("reconcile", json!({})).await.unwrap();
    prop_assert_eq!(causes(&third), Vec::<String>::new(), "{:#}", third.answer);
    Ok(())
}

async fn world(engine: Engine) -> Option<World> {
    Some(World::open(TestDb::migrated(engine, shop::MIGRATIONS).await?).await)
}

/// As if every event had come.
fn is_as_if_all_was_heard(engine: Engine, purchases: &[Purchase]) -> Result<(), TestCaseError> {
    testkit::databases::runtime().block_on(async {
        let Some(deaf) = world(engine).await else { return Ok(()) };
        let sold = live(&deaf, purchases, false).await;
        heals_and_stays(&deaf).await?;
        let told = world(Engine::Sqlite).await.expect("a database in a file");
        let expected = live(&told, purchases, true).await;
        prop_assert_eq!(stands(&deaf, &sold).await, stands(&told, &expected).await);
        Ok(())
    })
}

/// Whatever operators did meanwhile.
fn is_a_fixpoint(engine: Engine, purchases: &[Purchase]) -> Result<(), TestCaseError> {
    testkit::databases::runtime().block_on(async {
        let Some(deaf) = world(engine).await else { return Ok(()) };
        live(&deaf, purchases, false).await;
        heals_and_stays(&deaf).await
    })
}

/// So many stories, or as many as `PROPTEST_CASES` says.
fn config(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { usual.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..usual }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn one_comparison_makes_up_for_every_event_that_was_never_made(purchases in purchases(false)) {
        is_as_if_all_was_heard(Engine::Sqlite, &purchases)?;
    }

    #[test]
    fn a_second_comparison_finds_and_changes_nothing(purchases in purchases(true)) {
        is_a_fixpoint(Engine::Sqlite, &purchases)?;
    }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn the_same_on_postgres(purchases in purchases(false), others in purchases(true)) {
        is_as_if_all_was_heard(Engine::Postgres, &purchases)?;
        is_a_fixpoint(Engine::Postgres, &others)?;
    }
}
