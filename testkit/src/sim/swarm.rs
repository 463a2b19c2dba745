//! Which troubles a seed has, and how often each strikes. Most seeds have a few of them and not the others: a system
//! under every fault at once is mostly down and shows little.

use kernel::Seeded;

/// Rates in thousandths, unless said otherwise. Zero: this seed does not know that trouble.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swarm {
    /// No connection to the database.
    pub refuse: u64,
    /// A transaction commits and the answer is lost.
    pub lose_answer: u64,
    /// A transaction does not commit and the answer is lost.
    pub lose_both: u64,
    /// No connection to Stripe.
    pub not_sent: u64,
    /// A call is lost on its way to Stripe.
    pub lost_call: u64,
    /// Stripe executes a call and its answer is lost.
    pub lost_answer: u64,
    /// 429.
    pub limited: u64,
    /// 500 that Stripe keeps under the key; half of them after the work was done.
    pub stored_500: u64,
    /// 503, or 409 because a twin is under way.
    pub unavailable: u64,
    /// Of what happens between steps: a node dies.
    pub crash: u64,
    /// Of what happens between steps: a task stands still for longer than a lease.
    pub pause: u64,
    /// A node's clock is wrong by up to so many seconds.
    pub skew_seconds: u64,
    /// A webhook does not reach the door, or the door's answer does not reach Stripe.
    pub lost_delivery: u64,
    /// A webhook arrives twice.
    pub duplicate: u64,
    /// A webhook comes later, in seconds at most.
    pub late_seconds: u64,
    /// Two events tell of one change.
    pub twin: u64,
    /// A webhook is never sent; only the list of events shows the event.
    pub dropped: u64,
    /// Of what happens between steps: a node reads Stripe's list of events.
    pub reads: u64,
    /// A session costs or collects something else than was asked for.
    pub tampered: u64,
    /// A buyer pays for what was taken back from the order.
    pub late_buyer: u64,
    /// How often money goes back at Stripe: refunds in the dashboard, disputes, warnings.
    pub money_back: u64,
    /// How busy the operators are.
    pub operators: u64,
    /// Operators do nothing but take stock back and bring it again: every piece is fought for.
    pub scarce: bool,
    /// Pieces of each stock in the beginning.
    pub stock: u64,
    /// How long stock is set aside, in minutes.
    pub reservation_minutes: u64,
    /// How long a bank takes at most for a debit, in minutes.
    pub debit_minutes: u64,
    /// How many orders there may be.
    pub orders: u64,
}

impl Swarm {
    /// No trouble at all.
    pub fn calm() -> Self {
        Swarm { stock: 50, reservation_minutes: 45, debit_minutes: 60, orders: 30, ..Swarm::default() }
    }

    /// What `seed` has.
    pub fn draw(seed: u64) -> Self {
        let chance = Seeded::new(seed ^ 0x5eed_5eed_5eed_5eed);
        let some = |most: u64| if chance.below(2) == 0 { 0 } else { 1 + chance.below(most) };
        let swarm = Swarm {
            refuse: some(60),
            lose_answer: some(60),
            lose_both: some(60),
            not_sent: some(100),
            lost_call: some(100),
            lost_answer: some(150),
            limited: some(100),
            stored_500: some(60),
            unavailable: some(100),
            crash: some(25),
            pause: some(25),
            skew_seconds: some(25),
            lost_delivery: some(250),
            duplicate: some(300),
            late_seconds: some(4000),
            twin: some(300),
            dropped: some(300),
            reads: some(30),
            tampered: some(300),
            late_buyer: some(600),
            money_back: some(90),
            operators: some(120),
            stock: 1 + chance.below([2, 4, 12][chance.below(3) as usize]),
            reservation_minutes: 5 + chance.below(70),
            debit_minutes: 1 + chance.below(2000),
            orders: 5 + chance.below(40),
            scarce: chance.below(4) == 0,
        };
        match swarm.scarce {
            true => {
                Swarm { late_buyer: 800, operators: 300, stock: 1 + swarm.stock % 3, orders: 44, ..swarm }
            }
            false => swarm,
        }
    }
}
