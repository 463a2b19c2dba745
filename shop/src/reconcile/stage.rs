//! What is looked at, piece by piece, and in which order. This file decides; plain values only.

use stripe::lookup::Listed;

use super::{Area, Scope};

macro_rules! stages {
    ($($(#[$doc:meta])* $variant:ident $word:literal $area:ident;)*) => {
        /// A piece of a comparison that keeps its own place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Stage { $($(#[$doc])* $variant,)* }
        impl Stage {
            /// In this order: first what proves most, then what it is compared with.
            const ALL: &'static [Stage] = &[$(Stage::$variant),*];
            /// As stored and shown.
            pub(super) fn as_str(self) -> &'static str {
                match self { $(Stage::$variant => $word,)* }
            }
            /// What it belongs to.
            pub(super) fn area(self) -> Area {
                match self { $(Stage::$variant => Area::$area,)* }
            }
        }
    };
}

stages! {
    /// Every payment at Stripe, with its charge and that charge's refunds.
    Intents "payment_intents" Payments;
    /// Every refund at Stripe.
    Refunds "refunds" Refunds;
    /// Refunds that were asked for here and have no answer.
    RefundsAsked "refunds_asked_for" Refunds;
    /// Refunds that are on their way, as far as is known here, and were not shown by the list.
    RefundsOpen "refunds_under_way" Refunds;
    /// What must be true of refunds.
    RefundRows "refund_rows" Refunds;
    /// Every dispute at Stripe.
    Disputes "disputes" Disputes;
    /// Every early fraud warning at Stripe.
    Warnings "warnings" Disputes;
    /// Every open review at Stripe.
    Reviews "reviews" Disputes;
    /// Disputes and reviews that are open here and were not shown by the lists.
    DisputesOpen "disputes_under_way" Disputes;
    /// Every checkout session at Stripe.
    Sessions "sessions" Orders;
    /// Orders that wait for a payment and were not shown by the lists.
    OrdersWaiting "orders_waiting" Orders;
    /// Every order, and whether it is what is known of it.
    OrdersSettled "orders_settled" Orders;
    /// What must be true of orders.
    OrderRows "order_rows" Orders;
    /// What must be true of access.
    EntitlementRows "entitlement_rows" Entitlements;
    /// What must be true of stock.
    InventoryRows "inventory_rows" Inventory;
    /// The one order or object that was asked for; a piece of no scope.
    Only "only" Orders;
}

impl Stage {
    /// The pieces of a scope.
    pub(super) fn of(scope: Scope) -> impl Iterator<Item = Stage> {
        let of_a_scope = Stage::ALL.iter().copied().filter(|stage| *stage != Stage::Only);
        // A session may have brought money of which its payment does not say for what.
        let brings_money = move |stage: &Stage| scope == Scope::Payments && *stage == Stage::Sessions;
        of_a_scope.filter(move |stage| scope.holds(stage.area()) || brings_money(stage))
    }

    /// Which objects it lists, if it lists any.
    pub(super) fn listed(self) -> Option<Listed> {
        Some(match self {
            Stage::Intents => Listed::Intents,
            Stage::Refunds => Listed::Refunds,
            Stage::Disputes => Listed::Disputes,
            Stage::Warnings => Listed::Warnings,
            Stage::Reviews => Listed::Reviews,
            Stage::Sessions => Listed::Sessions,
            _ => return None,
        })
    }

    /// Of which kinds facts are looked at that may still change.
    pub(super) fn unfinished(self) -> Option<&'static [&'static str]> {
        match self {
            Stage::RefundsOpen => Some(&["refund"]),
            Stage::DisputesOpen => Some(&["dispute", "review"]),
            _ => None,
        }
    }
}
