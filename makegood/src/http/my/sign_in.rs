//! Signing in by mail, and out. What is told to whoever types an address is always the same.

use askama::Template;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use db::TxResult;
use ops::Actor;
use ops::audit::{self, Entry};
use serde_json::json;
use shop::claims;
use shop::customers::identity::{self, Ending};

use super::page::{self, Frame, Message};
use super::visit::Visit;
use super::{Shown, to};
use crate::http::buyer::{FORM, SESSION};

#[derive(Template)]
#[template(path = "my/login.html")]
struct Login {
    frame: Frame,
    email: String,
    trouble: &'static str,
}

/// `/login`: an address is typed, and a link goes there if it is known.
pub(super) async fn ask(visit: &mut Visit) -> Shown {
    if visit.form.is_none() {
        return Ok(match visit.buyer {
            Some(_) => to("/my"),
            None => form(visit, StatusCode::OK, "", ""),
        });
    }
    let email = visit.field("email").trim().to_owned();
    if email.len() > 320 || !mail::is_address(&email) {
        let trouble = "Please give an email address, like you@example.com.";
        return Ok(form(visit, StatusCode::UNPROCESSABLE_ENTITY, &email, trouble));
    }
    if !visit.app.shop.mailer.is_there() {
        let text =
            "This shop sends no mail at the moment, so nobody can sign in by mail. Please write to the shop.";
        return Ok(page::message(visit, StatusCode::SERVICE_UNAVAILABLE, "No mail can be sent", text));
    }
    let from = visit.origin.address.to_string();
    if let Some(wait) = claims::send_link(&visit.app.shop, &email, &from).await? {
        let seconds = wait.as_secs() + 1;
        let text = format!(
            "Too many links were asked for from where you are. Please try again in {seconds} seconds."
        );
        let mut response = page::message(visit, StatusCode::TOO_MANY_REQUESTS, "Please wait a little", text);
        response.headers_mut().insert("retry-after", seconds.into());
        return Ok(response);
    }
    let text = format!(
        "If we know {email}, a link to sign in is on its way there. It works once, for {} minutes. If nothing comes, look \
         among the unwanted mail, or try the address with which you have bought.",
        identity::LINK_LASTS.as_secs() / 60
    );
    let frame = Frame::of(visit, "Look into your mailbox");
    let link = Some(("/login", "Try another address"));
    Ok(page::html(visit, StatusCode::OK, &Message { frame, text, button: None, link }))
}

fn form(visit: &Visit, status: StatusCode, email: &str, trouble: &'static str) -> Response {
    page::html(visit, status, &Login { frame: Frame::of(visit, "Sign in"), email: email.to_owned(), trouble })
}

/// `/login/{token}`: looking at it changes nothing; the button uses it up.
pub(super) async fn follow(visit: &mut Visit) -> Shown {
    if visit.form.is_none() {
        let (now, secret) = (visit.now, visit.id().to_owned());
        let link =
            visit.app.shop.db.read("sign_in.look", move |tx| identity::of_link(tx, now, &secret)).await?;
        let Some(link) = link else { return Ok(over(visit)) };
        let page = Message {
            frame: Frame::of(visit, "Sign in"),
            text: format!("You sign in as {}.", link.email),
            button: Some((format!("/login/{}", visit.id()), "Sign in")),
            link: None,
        };
        return Ok(page::html(visit, StatusCode::OK, &page));
    }
    let (cx, secret) = (visit.app.shop.cx(), visit.id().to_owned());
    let (address, browser) = (visit.origin.address.to_string(), visit.browser());
    let request = visit.origin.request_id.clone();
    let begun = visit.app.shop.db.write("sign_in.follow", move |tx| {
        let Some(profile) = claims::follow_link(tx, &cx, &secret)? else { return Ok(None) };
        let session = identity::begin_session(tx, &cx, profile.id, &address, &browser)?;
        let mut entry = Entry::new("buyer_signed_in", Actor::buyer(&profile.email), "profile", profile.id)
            .with(json!({ "address": address }));
        entry.request_id = Some(request.clone());
        audit::record(tx, &cx, vec![entry])?;
        Ok(Some(session))
    });
    // Should the answer be lost, the link may be used up: the buyer asks for another one.
    match begun.await.must_be_looked_up()? {
        Some(session) => Ok(signed_in(visit, &session)),
        None => Ok(over(visit)),
    }
}

fn over(visit: &Visit) -> Response {
    let text = "The link was used already, is older than 15 minutes, or lost some letters on its way. Ask for a new one.";
    page::message(visit, StatusCode::GONE, "This link leads nowhere any more", text)
}

/// On to the account, with the cookie of this session.
pub(super) fn signed_in(visit: &Visit, session: &str) -> Response {
    let mut response = to("/my");
    SESSION.set(&visit.app, session, &mut response);
    FORM.set(&visit.app, "", &mut response);
    response
}

/// `/logout`
pub(super) async fn out(visit: &mut Visit) -> Shown {
    let ending = match visit.field("where") {
        "everywhere" => Ending::Everywhere,
        _ => Ending::This,
    };
    if let Some(session) = visit.session.clone() {
        let ended = visit
            .app
            .shop
            .db
            .write("sign_in.out", move |tx| identity::end_session(tx, &session, ending))
            .await;
        ended.safe_to_repeat()?;
    }
    let mut response = to("/login");
    SESSION.set(&visit.app, "", &mut response);
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}
