//! What the mails of this room say of an order. This file decides; plain values only.

use kernel::Duration;

use crate::mails::Bought;
use crate::orders::Order;

/// How long the link to a guest's purchase leads somewhere; after that a new one is sent.
pub(super) const LINK_LASTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// The lines of an order.
pub(super) fn bought(order: &Order) -> Vec<Bought> {
    let line = |line: &crate::orders::Line| {
        let sum = line.unit_amount.saturating_mul(line.quantity);
        Bought::new(&line.name, line.quantity, kernel::Money::new(sum, order.amounts.currency).tag())
    };
    order.lines.iter().map(line).collect()
}

/// How a shop calls itself: the host under which it is reached.
pub(super) fn shop_name(app_url: &str) -> &str {
    let rest = app_url.split_once("://").map_or(app_url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_called_by_its_host() {
        assert_eq!(shop_name("https://shop.example/base"), "shop.example");
        assert_eq!(shop_name("http://127.0.0.1:3001"), "127.0.0.1:3001");
    }
}
