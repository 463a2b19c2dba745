//! Sums of money: whole minor units of one currency, never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A three-letter currency code in lower case, as Stripe writes it (`usd`, `jpy`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A text that is not a currency code.
#[derive(Debug, thiserror::Error)]
#[error("`{seen}` is not a currency; expected three letters, like usd")]
pub struct CurrencyError {
    seen: String,
}

/// Currencies that have no minor unit, from Stripe's documentation ("zero-decimal currencies").
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Currencies that have no minor unit either, and are written with two digits that are always 00 ("special cases" there).
const ALWAYS_WHOLE: [&str; 2] = ["isk", "ugx"];
/// Currencies with a thousandth as minor unit, from the same page.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII letters are ever stored, so this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
    /// How many digits its minor unit has: 2 for most, 0 for yen, 3 for dinars.
    pub fn decimals(&self) -> u32 {
        match self.as_str() {
            code if ZERO_DECIMAL.contains(&code) => 0,
            code if THREE_DECIMAL.contains(&code) => 3,
            _ => 2,
        }
    }
    /// Stripe takes only multiples of so many minor units: mostly of 1, of 10 where there are thousandths, of 100 in a currency
    /// that is written with hundredths and has none.
    pub fn step(&self) -> i64 {
        match self.decimals() {
            3 => 10,
            _ if ALWAYS_WHOLE.contains(&self.as_str()) => 100,
            _ => 1,
        }
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|b| b.is_ascii_alphabetic()) => {
                Ok(Currency([a.to_ascii_lowercase(), b.to_ascii_lowercase(), c.to_ascii_lowercase()]))
            }
            _ => Err(CurrencyError { seen: text.to_owned() }),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A sum in minor units (cents, or whole yen) of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Money {
    /// Minor units.
    #[serde(rename = "amount")]
    pub minor: i64,
    /// In which currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Money { minor, currency }
    }

    /// As a price tag shows it: `$1,234.50`, `¥4,900`, `12.000 KWD`.
    pub fn tag(&self) -> String {
        let decimals = self.currency.decimals();
        let unit = 10_u64.pow(decimals);
        let (whole, part) = (self.minor.unsigned_abs() / unit, self.minor.unsigned_abs() % unit);
        let mut number = grouped(whole);
        if decimals > 0 {
            number.push_str(&format!(".{part:0width$}", width = decimals as usize));
        }
        let sign = if self.minor < 0 { "−" } else { "" };
        match self.currency.as_str() {
            "usd" => format!("{sign}${number}"),
            "eur" => format!("{sign}€{number}"),
            "gbp" => format!("{sign}£{number}"),
            "jpy" => format!("{sign}¥{number}"),
            "sgd" => format!("{sign}S${number}"),
            other => format!("{sign}{number} {}", other.to_uppercase()),
        }
    }
}

/// With a comma before every third digit from the right.
fn grouped(whole: u64) -> String {
    let digits = whole.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// For logs and terminals: `49.00 usd`, `4900 jpy`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i64.pow(self.currency.decimals());
        let sign = if self.minor < 0 { "-" } else { "" };
        let (whole, part) =
            (self.minor.unsigned_abs() / unit as u64, self.minor.unsigned_abs() % unit as u64);
        match self.currency.decimals() {
            0 => write!(f, "{sign}{whole} {}", self.currency),
            digits => write!(f, "{sign}{whole}.{part:0width$} {}", self.currency, width = digits as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_printed_with_the_digits_of_its_currency() {
        let print = |minor, code: &str| Money::new(minor, code.parse().unwrap()).to_string();
        assert_eq!(print(4900, "usd"), "49.00 usd");
        assert_eq!(print(-5, "EUR"), "-0.05 eur");
        assert_eq!(print(4900, "jpy"), "4900 jpy");
        assert_eq!(print(1234, "kwd"), "1.234 kwd");
        assert_eq!(print(500, "ugx"), "5.00 ugx");
        assert_eq!(print(i64::MIN, "usd"), "-92233720368547758.08 usd");
    }

    #[test]
    fn a_price_tag_is_written_as_its_currency_is() {
        let tag = |minor, code: &str| Money::new(minor, code.parse().unwrap()).tag();
        assert_eq!(tag(123_450, "usd"), "$1,234.50");
        assert_eq!(tag(4_900, "jpy"), "¥4,900");
        assert_eq!(tag(12_000, "kwd"), "12.000 KWD");
        assert_eq!(tag(-5, "eur"), "−€0.05");
        assert_eq!(tag(100_000_000, "chf"), "1,000,000.00 CHF");
        assert_eq!(tag(0, "sgd"), "S$0.00");
    }

    #[test]
    fn stripe_takes_only_whole_steps_of_a_currency() {
        let step = |code: &str| code.parse::<Currency>().unwrap().step();
        assert_eq!(["usd", "jpy", "kwd", "isk", "ugx"].map(step), [1, 1, 10, 100, 100]);
    }

    #[test]
    fn a_wrong_currency_is_named() {
        assert!("dollars".parse::<Currency>().unwrap_err().to_string().contains("`dollars`"));
        assert!("u$d".parse::<Currency>().is_err());
    }
}
