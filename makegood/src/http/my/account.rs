//! What a buyer has: orders, courses, downloads. Everything is asked for by whoever is signed in, never by an id alone.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use db::Tx;
use kernel::{Error, Money, Result};
use ops::Page;
use shop::catalog::{self, ProductKind};
use shop::claims;
use shop::customers::Profile;
use shop::entitlements;
use shop::ids::{OrderId, ProfileId};
use shop::orders::{self, Order, State};

use super::Shown;
use super::page::{self, Frame};
use super::visit::Visit;
use crate::http::problem::Problem;
use crate::http::thanks::story::{LineFate, Story, line_fate, tell};

/// So many of a buyer's orders stand on one page.
const ORDERS: i64 = 50;
const ENTITLEMENTS: i64 = 200;

/// One line of an order as it is shown.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) quantity: i64,
    pub(super) sum: String,
    pub(super) fate: LineFate,
    /// The course that it opens.
    pub(super) course: Option<String>,
}

pub(super) fn lines(order: &Order) -> Vec<Line> {
    let line = |line: &orders::Line| Line {
        name: line.name.clone(),
        quantity: line.quantity,
        sum: Money::new(line.unit_amount.saturating_mul(line.quantity), order.amounts.currency).tag(),
        fate: line_fate(line.kind, order),
        course: match line.kind {
            ProductKind::Course | ProductKind::Download => Some(line.product_id.clone()),
            ProductKind::Physical => None,
        },
    };
    order.lines.iter().map(line).collect()
}

/// An order in a list.
struct Listed {
    id: String,
    day: String,
    names: String,
    total: String,
    state: &'static str,
}

fn listed(order: &Order) -> Listed {
    let names: Vec<&str> = order.lines.iter().map(|line| line.name.as_str()).collect();
    Listed {
        id: order.id.to_string(),
        day: order.created_at.in_words().chars().take(10).collect(),
        names: names.join(", "),
        total: order.amounts.total().tag(),
        state: state(order),
    }
}

/// Where an order stands, in few words.
fn state(order: &Order) -> &'static str {
    match &order.state {
        _ if order.open_review().is_some() => "Being looked at by a person",
        State::Pending => "Not paid yet",
        State::Paid { .. } => "Paid, not handed over yet",
        State::Confirmed { .. } => "Confirmed",
        State::Completed { .. } => "Completed",
        State::Cancelled { .. } => "Cancelled",
        State::Refunded { .. } => "Refunded",
    }
}

/// A course that somebody has.
struct Course {
    id: String,
    name: String,
}

#[derive(Template)]
#[template(path = "my/home.html")]
struct Home {
    frame: Frame,
    waiting: Vec<Listed>,
    courses: Vec<Course>,
    orders: Vec<Listed>,
    /// Whether newer ones stand on another page.
    is_further: bool,
    /// The last of these orders, where there are older ones.
    last: Option<String>,
}

/// `/my`
pub(super) async fn home(visit: &mut Visit) -> Shown {
    let (buyer, page) = (visit.buyer()?.clone(), page(visit)?);
    let is_further = page.starting_after.is_some();
    let read = visit.app.shop.db.read("my.home", move |tx| all(tx, &buyer, &page));
    let (waiting, courses, (orders, last)) = read.await?;
    let page = Home {
        frame: Frame::of(visit, "My account"),
        waiting: waiting.iter().map(listed).collect(),
        courses,
        orders: orders.iter().map(listed).collect(),
        is_further,
        last,
    };
    Ok(page::html(visit, StatusCode::OK, &page))
}

/// Which of the orders: those after the one that the address names.
fn page(visit: &Visit) -> Result<Page, Problem> {
    let pairs: Query<Vec<(String, String)>> = Query::try_from_uri(&visit.head.uri)
        .map_err(|error| Problem::invalid("", format!("the query cannot be read: {error}")))?;
    let after = pairs.0.into_iter().find(|(name, _)| name == "starting_after").map(|(_, id)| id);
    Ok(Page { limit: ORDERS, starting_after: after })
}

type Orders = (Vec<Order>, Option<String>);

fn all(tx: &mut Tx<'_>, buyer: &Profile, page: &Page) -> Result<(Vec<Order>, Vec<Course>, Orders)> {
    let waiting = claims::waiting_for(tx, buyer)?;
    let mut orders = orders::page_of_profile(tx, buyer.id, page)?;
    let has_more = orders.len() as i64 > page.limit;
    orders.truncate(page.limit as usize);
    let last = orders.last().map(|order| order.id.to_string()).filter(|_| has_more);
    // What nobody paid for is nothing that somebody has.
    orders.retain(|order| order.paid_amount.is_some());
    Ok((waiting, courses(tx, buyer.id)?, (orders, last)))
}

/// The courses that this profile may use now, by name.
fn courses(tx: &mut Tx<'_>, profile: ProfileId) -> Result<Vec<Course>> {
    let mut courses = Vec::new();
    for held in entitlements::of_profile(tx, profile, ENTITLEMENTS)?.into_iter().filter(|held| held.active) {
        let product = catalog::find(tx, &held.product_id)?;
        let name = product.map_or_else(|| held.product_id.clone(), |product| product.name);
        courses.push(Course { id: held.product_id, name });
    }
    courses.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(courses)
}

#[derive(Template)]
#[template(path = "my/order.html")]
struct OrderPage {
    frame: Frame,
    story: Story,
    id: String,
    day: String,
    lines: Vec<Line>,
    total: String,
    tracking: Option<String>,
}

/// `/my/orders/{id}`: another's order is as little there as one that is not.
pub(super) async fn order(visit: &mut Visit) -> Shown {
    let buyer = visit.buyer()?.id;
    let nothing = || Problem::from(Error::not_found("order", "here"));
    let id: OrderId = visit.id().parse().map_err(|_| nothing())?;
    let found = visit.app.shop.db.read("my.order", move |tx| orders::find(tx, id)).await?;
    let order = found.filter(|order| order.profile == Some(buyer)).ok_or_else(nothing)?;
    let page = OrderPage {
        frame: Frame::of(visit, "Your order"),
        story: tell(&order, None, visit.app.shop.now().since(order.created_at)),
        id: order.id.to_string(),
        day: order.created_at.in_words(),
        lines: lines(&order),
        total: order.amounts.total().tag(),
        tracking: order.shipped.and_then(|(_, tracking)| tracking),
    };
    Ok(page::html(visit, StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "my/downloads.html")]
struct Downloads {
    frame: Frame,
    courses: Vec<Course>,
}

/// `/my/downloads`
pub(super) async fn downloads(visit: &mut Visit) -> Shown {
    let buyer = visit.buyer()?.id;
    let courses = visit.app.shop.db.read("my.downloads", move |tx| courses(tx, buyer)).await?;
    let page = Downloads { frame: Frame::of(visit, "My downloads"), courses };
    Ok(page::html(visit, StatusCode::OK, &page))
}
