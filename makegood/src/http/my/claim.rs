//! Claiming what was bought as a guest: by the mailed link, or because the email was proved before.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use ops::token_hash;
use shop::claims::{self, ClaimError, Standing};
use shop::orders::{self, Claim, claimable};

use super::account::{Line, lines};
use super::page::{self, Frame};
use super::sign_in::signed_in;
use super::visit::Visit;
use super::{Shown, to};

#[derive(Template)]
#[template(path = "my/claim.html")]
struct ClaimPage {
    frame: Frame,
    secret: String,
    email: String,
    lines: Vec<Line>,
    order: String,
    /// Who is signed in with another address.
    other: Option<String>,
}

/// `/claim/{token}`: shows what is to be claimed; the button claims it.
pub(super) async fn by_link(visit: &mut Visit) -> Shown {
    if visit.form.is_none() {
        return look(visit).await;
    }
    let (address, browser) = (visit.origin.address.to_string(), visit.browser());
    match claims::claim_by_link(&visit.app.shop, visit.id(), &address, &browser).await? {
        Ok(claimed) => Ok(signed_in(visit, &claimed.session)),
        Err(error) => Ok(refused(visit, error)),
    }
}

async fn look(visit: &Visit) -> Shown {
    let (now, hash) = (visit.now, token_hash(visit.id()));
    let found = visit.app.shop.db.read("claims.look", move |tx| {
        let Some(claim) = claims::of_link(tx, &hash)? else { return Ok(None) };
        let order = orders::find(tx, claim.order)?;
        Ok(order.map(|order| (claim, order)))
    });
    let Some((claim, order)) = found.await? else { return Ok(refused(visit, ClaimError::NoSuchLink)) };
    let error = match (claim.status, claimable(&order, None)) {
        (Standing::Claimed, _) | (_, Claim::Taken | Claim::Already) => Some(ClaimError::Claimed),
        _ if !claim.is_open_at(now) => Some(ClaimError::NoSuchLink),
        (Standing::Open, Claim::GoneBack) => Some(ClaimError::GoneBack),
        (Standing::Open, Claim::NotYet) => Some(ClaimError::NotYet),
        (Standing::Open, Claim::Theirs) => None,
    };
    if let Some(error) = error {
        return Ok(refused(visit, error));
    }
    let proved = shop::customers::folded(&claim.email);
    let other = visit.buyer.as_ref().filter(|buyer| buyer.proved_email.as_ref() != Some(&proved));
    let page = ClaimPage {
        frame: Frame::of(visit, "Add your purchase to your account"),
        secret: visit.id().to_owned(),
        lines: lines(&order),
        order: order.id.to_string(),
        other: other.map(|buyer| buyer.email.clone()),
        email: claim.email,
    };
    Ok(page::html(visit, StatusCode::OK, &page))
}

fn refused(visit: &Visit, error: ClaimError) -> Response {
    let say = |status, title, text: &str| page::message(visit, status, title, text);
    match error {
        ClaimError::NoSuchLink => say(
            StatusCode::GONE,
            "This link leads nowhere any more",
            "It is too old, a newer one was sent, or some letters were lost on its way. Sign in with the address with which \
             you bought: your purchase is offered to you there.",
        ),
        ClaimError::Claimed => say(
            StatusCode::GONE,
            "This purchase is in an account already",
            "The link was used before. Sign in with the address with which you bought.",
        ),
        ClaimError::GoneBack => say(
            StatusCode::GONE,
            "This purchase was refunded",
            "The money went back, so there is nothing to add to your account.",
        ),
        ClaimError::NotYet => say(
            StatusCode::CONFLICT,
            "Your purchase is not ready yet",
            "We are still looking at it. The link works as soon as it is confirmed; please try again later.",
        ),
    }
}

/// `/my/claim`: everything that waits for whoever is signed in.
pub(super) async fn all(visit: &mut Visit) -> Shown {
    let profile = visit.buyer()?.id;
    claims::claim_all(&visit.app.shop, profile).await?;
    Ok(to("/my"))
}
