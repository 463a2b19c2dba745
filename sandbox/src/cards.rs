//! Stripe's test cards: numbers that always do the same thing.

use serde::{Deserialize, Serialize};

/// What a card does when it is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The money moves.
    Pays,
    /// The bank refuses.
    Declines(Decline),
    /// The bank first wants to see its customer (3-D Secure).
    AsksForAuthentication,
}

/// Why a bank refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) advice: &'static str,
    pub(crate) message: &'static str,
}

/// What the bank of a test card does once the money was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    Nothing,
    /// It disputes the charge, for this reason.
    Dispute(&'static str),
    /// It disputes each half of the charge.
    TwoDisputes,
    /// It asks.
    Inquiry,
    /// It warns of fraud.
    Warning,
}

/// A test card.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Card {
    pub(crate) number: &'static str,
    pub(crate) method: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) elevated_risk: bool,
    pub(crate) aftermath: Aftermath,
    /// What it does, for the list on the payment page.
    pub(crate) about: &'static str,
}

impl Card {
    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// In groups of four, as people type it.
    pub(crate) fn spaced(&self) -> String {
        let groups: Vec<&str> = [0..4, 4..8, 8..12, 12..16].iter().map(|r| &self.number[r.clone()]).collect();
        groups.join(" ")
    }
}

const fn card(number: &'static str, method: &'static str, verdict: Verdict, about: &'static str) -> Card {
    Card {
        number,
        method,
        brand: "visa",
        verdict,
        elevated_risk: false,
        aftermath: Aftermath::Nothing,
        about,
    }
}

const fn declines(
    code: &'static str,
    decline_code: Option<&'static str>,
    advice: &'static str,
    message: &'static str,
) -> Verdict {
    Verdict::Declines(Decline { code, decline_code, advice, message })
}

use Verdict::{AsksForAuthentication, Pays};

/// Every card that the sandbox knows.
#[rustfmt::skip]
pub(crate) const CARDS: [Card; 18] = [
    card("4242424242424242", "pm_card_visa", Pays, "pays"),
    Card { brand: "mastercard", ..card("5555555555554444", "pm_card_mastercard", Pays, "pays (Mastercard)") },
    card("4000000000000002", "pm_card_chargeDeclined",
        declines("card_declined", Some("generic_decline"), "try_again_later", "Your card was declined."), "is declined"),
    card("4000000000009995", "pm_card_chargeDeclinedInsufficientFunds",
        declines("card_declined", Some("insufficient_funds"), "try_again_later", "Your card has insufficient funds."), "has insufficient funds"),
    card("4000000000009987", "pm_card_chargeDeclinedLostCard",
        declines("card_declined", Some("lost_card"), "do_not_try_again", "Your card was declined."), "was reported lost"),
    card("4000000000000069", "pm_card_chargeDeclinedExpiredCard",
        declines("expired_card", None, "do_not_try_again", "Your card has expired."), "has expired"),
    card("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc",
        declines("incorrect_cvc", None, "confirm_card_data", "Your card's security code is incorrect."), "has a wrong security code"),
    card("4000000000000119", "pm_card_chargeDeclinedProcessingError",
        declines("processing_error", None, "try_again_later", "An error occurred while processing your card. Try again in a little bit."), "meets a processing error"),
    card("4000002500003155", "pm_card_authenticationRequiredOnSetup", AsksForAuthentication, "asks for 3-D Secure"),
    card("4000002760003184", "pm_card_authenticationRequired", AsksForAuthentication, "always asks for 3-D Secure"),
    Card { elevated_risk: true, ..card("4000000000009235", "pm_card_riskLevelElevated", Pays, "pays, at elevated risk") },
    Card { aftermath: Aftermath::Dispute("fraudulent"), ..card("4000000000000259", "pm_card_createDispute", Pays, "pays, then is disputed as fraudulent") },
    Card { aftermath: Aftermath::Dispute("product_not_received"), ..card("4000000000002685", "pm_card_createDisputeProductNotReceived", Pays, "pays, then is disputed as not received") },
    Card { aftermath: Aftermath::Inquiry, ..card("4000000000001976", "pm_card_createDisputeInquiry", Pays, "pays, then an inquiry is opened") },
    Card { aftermath: Aftermath::TwoDisputes, ..card("4000000404000079", "pm_card_createMultipleDisputes", Pays, "pays, then is disputed twice") },
    Card { aftermath: Aftermath::Warning, ..card("4000000000005423", "pm_card_createIssuerFraudRecord", Pays, "pays, then the bank warns of fraud") },
    card("4000000000005126", "pm_card_pendingRefund", Pays, "pays; its refund succeeds later"),
    card("4000000000007726", "pm_card_refundFail", Pays, "pays; its refund fails later"),
];

/// The card with this number (spaces are allowed) or with this PaymentMethod id.
pub(crate) fn find(number_or_method: &str) -> Option<&'static Card> {
    let wanted: String = number_or_method.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    CARDS.iter().find(|card| card.number == wanted || card.method == wanted)
}

/// How something was paid, as far as the objects tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Instrument {
    /// One of the test cards, by number.
    Card(String),
    /// A bank debit, which settles days later.
    BankDebit,
}

impl Instrument {
    /// Its name among Stripe's payment method types.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Instrument::Card(_) => "card",
            Instrument::BankDebit => "us_bank_account",
        }
    }

    pub(crate) fn card(&self) -> Option<&'static Card> {
        match self {
            Instrument::Card(number) => find(number),
            Instrument::BankDebit => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_lists_every_card_with_what_it_does() {
        let document = include_str!("../../docs/sandbox.md");
        for card in &CARDS {
            let row = format!(
                "| {} | `{}` | {} |",
                card.spaced(),
                card.method,
                card.about.replace(" (Mastercard)", "")
            );
            assert!(document.contains(&row), "docs/sandbox.md has no row {row}");
        }
    }
}
