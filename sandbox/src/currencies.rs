//! Which currencies Stripe takes, and how little and how much may be charged in one, from its documentation.

use kernel::{Currency, Money};

use crate::error::ApiError;

/// What can be charged in.
const KNOWN: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn \
                     bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf \
                     gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr \
                     lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen \
                     pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd \
                     top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw";

/// The least that is charged, in minor units, where Stripe names it.
const LEAST: [(&str, i64); 24] = [
    ("usd", 50),
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
];

/// Eight digits, but for currencies with small units.
const MOST: i64 = 99_999_999;
const MOST_IN_SMALL_UNITS: [(&str, i64); 3] =
    [("idr", 999_999_999_999), ("cop", 9_999_999_999), ("inr", 999_999_999)];

/// The currency that is meant; `None` when Stripe charges in no such.
pub(crate) fn find(text: &str) -> Option<Currency> {
    let currency: Currency = text.parse().ok()?;
    KNOWN.split_ascii_whitespace().any(|known| known == currency.as_str()).then_some(currency)
}

/// All of them, for whoever named another.
pub(crate) fn listed() -> String {
    KNOWN.split_ascii_whitespace().collect::<Vec<_>>().join(", ")
}

fn limit(table: &[(&str, i64)], currency: &str) -> Option<i64> {
    table.iter().find(|(known, _)| *known == currency).map(|(_, limit)| *limit)
}

/// Refuses what a page cannot collect; nothing at all is fine.
pub(crate) fn check_total(total: i64, currency: &str) -> Result<(), ApiError> {
    match total {
        ..=0 => Ok(()),
        total => check_charge(total, currency, "The Checkout Session's total amount due must add up to"),
    }
}

/// Refuses a sum that is too small or too large to be charged; `what` begins the sentence.
pub(crate) fn check_charge(minor: i64, currency: &str, what: &str) -> Result<(), ApiError> {
    let least = limit(&LEAST, currency).unwrap_or(1);
    let most = limit(&MOST_IN_SMALL_UNITS, currency).unwrap_or(MOST);
    let tag = |minor: i64| find(currency).map_or(minor.to_string(), |known| Money::new(minor, known).tag());
    let step = find(currency).map_or(1, |known| known.step());
    if minor % step != 0 {
        let message = format!(
            "Invalid amount: {minor} {currency} is no multiple of {step}, and only such sums are charged"
        );
        return Err(ApiError::invalid(message));
    }
    if minor < least {
        let message = format!("{what} at least {} {currency}", tag(least));
        return Err(ApiError::invalid(message).code("amount_too_small"));
    }
    if minor > most {
        let message = format!("{what} no more than {}", tag(most));
        return Err(ApiError::invalid(message).code("amount_too_large"));
    }
    Ok(())
}
