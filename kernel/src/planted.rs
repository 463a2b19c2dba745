//! Defects planted on purpose, to prove that the simulation finds such things. Each stands where the real mistake
//! would be made. Without the feature `planted` every question is `false` at compile time and leaves no code.

/// One mistake that someone could make here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// The webhook is answered before it is stored.
    AcknowledgeBeforeStoring,
    /// Stock that is set aside is not counted against what is available.
    ReservedNotCounted,
    /// Each event of a payment hands over by itself, whatever was handed over before.
    EachEventHandsOver,
    /// A worker finishes an event or a job that another has claimed since, or that was asked for again meanwhile.
    NoFencing,
    /// An event whose worker died is never claimed again.
    NoLeaseRecovery,
    /// Each attempt at Stripe gets a new idempotency key.
    KeyPerAttempt,
    /// A lost answer from Stripe is taken for a refusal.
    UnknownTakenForFailure,
    /// A payment of the wrong amount is confirmed.
    WrongAmountConfirmed,
    /// A cancelled order keeps its stock.
    StockNotReleased,
    /// A payment after cancellation is dropped.
    LatePaymentIgnored,
    /// A replay subtracts the stock again.
    ReplaySellsTwice,
    /// The event is marked processed in another transaction, before its effect.
    MarkedBeforeDone,
    /// A partial refund takes everything back.
    PartialRefundTakesAll,
    /// A refund that failed leaves the order refunded.
    FailedRefundIgnored,
    /// A full refund leaves access as it was.
    RefundLeavesAccess,
    /// A full refund keeps unshipped stock out of the stock.
    StockNotReturned,
    /// A dispute suspends nothing.
    DisputeIgnored,
    /// A lost dispute takes nothing back.
    LostDisputeIgnored,
    /// The payload of an event about a refund or dispute is believed, and the object never fetched.
    PayloadBelieved,
    /// Each attempt at a refund gets a new idempotency key, and nobody looks whether the last one arrived.
    RefundSentBlindly,
    /// A refund whose answer was lost is taken for failed.
    LostRefundTakenForFailed,
    /// Cleaning up cancels without asking Stripe.
    CleanupNeverAsks,
    /// What stands in the address of a Payment Link is taken for the shop's own word.
    TypedReferenceTrusted,
    /// A sale of which only a part is known becomes an order of that part.
    StrangeLinesDropped,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 24] = [
        Defect::AcknowledgeBeforeStoring,
        Defect::ReservedNotCounted,
        Defect::EachEventHandsOver,
        Defect::NoFencing,
        Defect::NoLeaseRecovery,
        Defect::KeyPerAttempt,
        Defect::UnknownTakenForFailure,
        Defect::WrongAmountConfirmed,
        Defect::StockNotReleased,
        Defect::LatePaymentIgnored,
        Defect::ReplaySellsTwice,
        Defect::MarkedBeforeDone,
        Defect::PartialRefundTakesAll,
        Defect::FailedRefundIgnored,
        Defect::RefundLeavesAccess,
        Defect::StockNotReturned,
        Defect::DisputeIgnored,
        Defect::LostDisputeIgnored,
        Defect::PayloadBelieved,
        Defect::RefundSentBlindly,
        Defect::LostRefundTakenForFailed,
        Defect::CleanupNeverAsks,
        Defect::TypedReferenceTrusted,
        Defect::StrangeLinesDropped,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Plants `defect` on this thread; `None` takes it out again.
#[cfg(feature = "planted")]
pub fn plant(defect: Option<Defect>) {
    PLANTED.with(|cell| cell.set(defect));
}

/// Is this mistake being made?
#[cfg(feature = "planted")]
pub fn planted(defect: Defect) -> bool {
    PLANTED.with(|cell| cell.get() == Some(defect))
}

/// Is this mistake being made? Never, in what people run.
#[cfg(not(feature = "planted"))]
pub const fn planted(_: Defect) -> bool {
    false
}
