//! The shelves, and the counter where a basket becomes a checkout.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use db::Tx;
use kernel::{Currency, Error, Money, Result};
use serde::Deserialize;
use shop::Shop;
use shop::catalog::{self, Offer, ProductKind};
use shop::checkout::{Basket, Item};
use shop::inventory;

use super::page::{self, Note};

/// From so few pieces on the shelf says how many are left as a warning.
const SCARCE: i64 = 5;
/// The field `pieces.rust-course` holds how many of `rust-course` are wanted.
const PIECES: &str = "pieces.";

#[derive(Template)]
#[template(path = "shop/home.html")]
struct Home {
    products: Vec<Shelved>,
    currencies: Vec<String>,
    currency: String,
    decimals: u32,
    total: String,
    email: String,
    minutes: u64,
    notes: Vec<Note>,
}

/// A product as it stands on the shelf.
struct Shelved {
    id: String,
    name: String,
    about: String,
    is_course: bool,
    price: String,
    minor: i64,
    available: i64,
    wanted: i64,
}

impl Shelved {
    fn is_gone(&self) -> bool {
        !self.is_course && self.available <= 0
    }
    fn is_scarce(&self) -> bool {
        self.available <= SCARCE
    }
}

/// What a buyer chose, as far as it could be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    email: String,
    currency: Option<Currency>,
    pieces: BTreeMap<String, i64>,
    /// The product whose number could not be read.
    unreadable: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    currency: Option<String>,
    turned_back: Option<String>,
}

/// `GET /`
pub(super) async fn show(State(shop): State<Arc<Shop>>, Query(asked): Query<Asked>) -> Response {
    let currency = asked.currency.and_then(|code| code.parse().ok());
    let notes = asked.turned_back.map(|_| turned_back()).into_iter().collect();
    home(&shop, StatusCode::OK, Wish { currency, ..Wish::default() }, notes).await
}

fn turned_back() -> Note {
    let text =
        "You came back without paying, and nothing was charged. What you chose stays set aside until its \
                time is over."
            .to_owned();
    Note { tone: "", text }
}

/// `GET /checkout`: somebody loaded the address of the form.
pub(super) async fn back_to_the_shop() -> Redirect {
    Redirect::to("/")
}

/// `POST /checkout`
pub(super) async fn check_out(
    State(shop): State<Arc<Shop>>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let Ok(Form(fields)) = form else {
        return page::message(
            StatusCode::BAD_REQUEST,
            "That could not be read",
            "The form came in damaged. Please go back and send it again.",
        );
    };
    let wish = Wish::read(fields);
    if let Some(problem) = wish.problem() {
        return home(&shop, StatusCode::UNPROCESSABLE_ENTITY, wish, vec![bad(problem)]).await;
    }
    let basket = wish.basket(&shop.settings.app_url);
    match shop.starter.start(&shop, basket).await {
        Ok(started) => (StatusCode::SEE_OTHER, [(header::LOCATION, started.url)]).into_response(),
        Err(error) => {
            let (status, text) = refusal(&error);
            home(&shop, status, wish, vec![bad(text)]).await
        }
    }
}

fn bad(text: impl Into<String>) -> Note {
    Note { tone: "bad", text: text.into() }
}

impl Wish {
    fn read(fields: Vec<(String, String)>) -> Wish {
        let mut wish = Wish::default();
        for (name, value) in fields {
            let value = value.trim();
            match (name.as_str(), name.strip_prefix(PIECES)) {
                ("email", _) => wish.email = value.to_owned(),
                ("currency", _) => wish.currency = value.parse().ok(),
                (_, Some(product)) => match value.parse::<i64>() {
                    Ok(0) => {}
                    Ok(pieces) => drop(wish.pieces.insert(product.to_owned(), pieces)),
                    Err(_) if value.is_empty() => {}
                    Err(_) => wish.unreadable = Some(product.to_owned()),
                },
                // A field that nobody knows does not stop a buyer.
                _ => {}
            }
        }
        wish
    }

    /// What the buyer has to mend before anything is asked of the shop.
    fn problem(&self) -> Option<&'static str> {
        if self.unreadable.is_some() || self.pieces.values().any(|pieces| *pieces < 0) {
            return Some("Please write the number of pieces in digits, like 2.");
        }
        if self.pieces.is_empty() {
            return Some("Please choose at least one thing.");
        }
        let plausible =
            self.email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        (!plausible).then_some("Please give an email address, like you@example.com.")
    }

    fn basket(&self, app_url: &str) -> Basket {
        let item =
            |(product, quantity): (&String, &i64)| Item { product: product.clone(), quantity: *quantity };
        Basket {
            items: self.pieces.iter().map(item).collect(),
            currency: self.currency,
            email: Some(self.email.clone()),
            profile_id: None,
            success_url: None,
            cancel_url: Some(format!("{app_url}/?turned_back=yes")),
        }
    }
}

/// What a buyer reads when the shop says no; the operator reads the refusal itself, in the log.
fn refusal(error: &Error) -> (StatusCode, &'static str) {
    tracing::info!(%error, code = error.code(), "checkout refused");
    match error {
        Error::Refused(refusal) if refusal.code == "out_of_stock" => (
            StatusCode::CONFLICT,
            "There are not as many left as you would like. Please take fewer, or come back later.",
        ),
        Error::Refused(refusal) if refusal.code == "not_on_offer" => {
            (StatusCode::CONFLICT, "One of these things is not on offer any more. Please choose again.")
        }
        Error::Refused(refusal) if refusal.code == "checkout_disabled" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The shop takes no new orders at the moment. Nothing was charged; please come back later.",
        ),
        Error::Refused(_) | Error::NotFound { .. } => (
            StatusCode::CONFLICT,
            "The payment page could not be opened. Nothing was charged; please try again.",
        ),
        Error::Invalid { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Please look at the numbers and the email address once more.")
        }
        Error::Busy(_) | Error::Unknown(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The payment service does not answer right now. Nothing was charged; please try again in a minute.",
        ),
        Error::Bug(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong on our side. Nothing was charged; please try again.",
        ),
    }
}

async fn home(shop: &Shop, status: StatusCode, wish: Wish, notes: Vec<Note>) -> Response {
    let stocked = match shop.db.read("storefront.shelf", stocked).await {
        Ok(stocked) => stocked,
        Err(error) => return page::trouble(&error),
    };
    let mut currencies: Vec<Currency> = stocked.iter().map(|(offer, _)| offer.price.currency).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let usual = shop.settings.currency;
    // The shop's own comes first.
    currencies.sort_by_key(|currency| *currency != usual);
    let currency = wish.currency.filter(|asked| currencies.contains(asked)).unwrap_or(usual);
    let offered = stocked.into_iter().filter(|(offer, _)| offer.price.currency == currency);
    let mut products: Vec<Shelved> =
        offered.map(|(offer, available)| shelved(offer, available, &wish)).collect();
    // Courses first, what is sold out last, otherwise by name.
    products.sort_by_key(|product| (product.is_gone(), !product.is_course));
    let total = products.iter().map(|product| product.minor.saturating_mul(product.wanted)).sum();
    let page = Home {
        products,
        currencies: currencies.iter().map(ToString::to_string).collect(),
        currency: currency.to_string(),
        decimals: currency.decimals(),
        total: Money::new(total, currency).tag(),
        email: wish.email,
        minutes: shop.settings.reservation.as_secs() / 60,
        notes,
    };
    page::html(status, &page)
}

/// What is on offer, with the pieces that can be sold now.
fn stocked(tx: &mut Tx<'_>) -> Result<Vec<(Offer, i64)>> {
    let offers = catalog::list(tx)?.into_iter().filter(|offer| offer.product.active);
    offers
        .map(|offer| {
            let level =
                offer.product.sku.as_deref().map(|sku| inventory::level(tx, sku)).transpose()?.flatten();
            Ok((offer, level.map_or(0, |level| level.available)))
        })
        .collect()
}

fn shelved(offer: Offer, available: i64, wish: &Wish) -> Shelved {
    Shelved {
        is_course: match offer.product.kind {
            ProductKind::Course | ProductKind::Download => true,
            ProductKind::Physical => false,
        },
        price: Money::new(offer.price.unit_amount, offer.price.currency).tag(),
        minor: offer.price.unit_amount,
        available,
        wanted: wish.pieces.get(&offer.product.id).copied().unwrap_or(0).max(0),
        name: offer.product.name,
        about: offer.product.description,
        id: offer.product.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Wish {
        Wish::read(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_wish_that_makes_no_sense_is_explained() {
        for (fields, part) in [
            (vec![("email", "a@b.c")], "at least one thing"),
            (vec![("email", "a@b.c"), ("pieces.mug", "0")], "at least one thing"),
            (vec![("email", "a@b.c"), ("pieces.mug", "")], "at least one thing"),
            (vec![("email", "a@b.c"), ("pieces.mug", "two")], "in digits"),
            (vec![("email", "a@b.c"), ("pieces.mug", "-1")], "in digits"),
            (vec![("email", "a@b.c"), ("pieces.mug", "99999999999999999999")], "in digits"),
            (vec![("pieces.mug", "1")], "email"),
            (vec![("email", "@"), ("pieces.mug", "1")], "email"),
        ] {
            let problem = read(&fields).problem().unwrap_or_default();
            assert!(problem.contains(part), "{fields:?}: {problem}");
        }
    }

    #[test]
    fn a_wish_becomes_a_basket() {
        let wish =
            read(&[("email", " a@b.c "), ("currency", "eur"), ("pieces.mug", "2"), ("pieces.course", "1")]);
        assert_eq!(wish.problem(), None);
        let basket = wish.basket("http://shop");
        assert_eq!(basket.email.as_deref(), Some("a@b.c"));
        assert_eq!(basket.currency.map(|c| c.to_string()).as_deref(), Some("eur"));
        let items: Vec<_> = basket.items.iter().map(|item| (item.product.as_str(), item.quantity)).collect();
        assert_eq!(items, [("course", 1), ("mug", 2)]);
        assert!(basket.check().is_ok());
    }
}
