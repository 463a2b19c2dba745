//! Tells a buyer that an order is confirmed, and gives a guest the link with which they claim it. The link's secret stands in
//! the mail alone; here only its hash is kept.

use db::Tx;
use kernel::{Cx, Result};
use ops::token_hash;

use super::mailing::{LINK_LASTS, bought, shop_name};
use super::store;
use crate::customers;
use crate::ids::OrderId;
use crate::mails::{self, ClaimLink, Confirmation, MailKind, NewMail};
use crate::orders::{self, Claim, Order, claimable};

const DAYS: u64 = LINK_LASTS.as_secs() / (24 * 3600);

/// The order was confirmed: its buyer is told, once. What went back meanwhile is told nobody.
pub(super) fn confirmed(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, app_url: &str, is_mailed: bool) -> Result<()> {
    let Some(order) = orders::find(tx, id)?.filter(Order::is_handed_over) else { return Ok(()) };
    let Some(to) = address(tx, &order)? else { return Ok(()) };
    let key = format!("order_confirmation:{id}");
    if mails::is_written(tx, &key)? {
        return Ok(());
    }
    let link = match order.profile {
        Some(_) => None,
        None => {
            let made = store::of_order(tx, id)?.map_or(0, |claim| claim.generation);
            open(tx, cx, id, made + 1, &to, app_url)?
        }
    };
    if !is_mailed {
        return Ok(());
    }
    let letter = Confirmation {
        shop: shop_name(app_url).to_owned(),
        order: id.to_string(),
        bought: bought(&order),
        total: order.amounts.total().tag(),
        is_shipped: order.has_physical(),
        account: link.is_none().then(|| format!("{app_url}/my")),
        link_days: DAYS,
    };
    let useless_after = link.is_some().then(|| cx.now + LINK_LASTS);
    let new = NewMail {
        kind: MailKind::OrderConfirmation,
        key,
        to,
        letter: letter.letter()?,
        link,
        order: Some(id),
        profile: order.profile,
        useless_after,
    };
    mails::write(tx, cx, &new).map(drop)
}

/// A guest gets the link of this number; the one before leads nowhere from now on. A link that was made is not made again.
pub(super) fn new_link(tx: &mut Tx<'_>, cx: &Cx, id: OrderId, number: i64, app_url: &str) -> Result<()> {
    let Some(order) = orders::find(tx, id)? else { return Ok(()) };
    let (Claim::Theirs, Some(to)) = (claimable(&order, None), order.email.clone()) else { return Ok(()) };
    let Some(link) = open(tx, cx, id, number, &to, app_url)? else { return Ok(()) };
    let shop = shop_name(app_url).to_owned();
    let letter = ClaimLink { shop, order: id.to_string(), bought: bought(&order), link_days: DAYS };
    let new = NewMail {
        kind: MailKind::ClaimLink,
        key: format!("claim_link:{id}:{number}"),
        to,
        letter: letter.letter()?,
        link: Some(link),
        order: Some(id),
        profile: None,
        useless_after: Some(cx.now + LINK_LASTS),
    };
    mails::write(tx, cx, &new).map(drop)
}

/// Opens the claim of an order, or gives it a new link: the link's whole address, unless there is a newer one.
fn open(
    tx: &mut Tx<'_>,
    cx: &Cx,
    order: OrderId,
    number: i64,
    email: &str,
    app_url: &str,
) -> Result<Option<String>> {
    let secret = ops::secret(cx);
    let link = store::Link { number, hash: token_hash(&secret), until: cx.now + LINK_LASTS };
    let is_newest = store::open(tx, cx, order, email, &link)?;
    Ok(is_newest.then(|| format!("{app_url}/claim/{secret}")))
}

/// Where the buyer of an order reads mail.
fn address(tx: &mut Tx<'_>, order: &Order) -> Result<Option<String>> {
    match (&order.email, order.profile) {
        (Some(email), _) => Ok(Some(email.clone())),
        (None, Some(profile)) => Ok(customers::find(tx, profile)?.map(|profile| profile.email)),
        (None, None) => Ok(None),
    }
}
