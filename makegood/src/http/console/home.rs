//! The home page.

use askama::Template;
use axum::http::StatusCode;

use super::Shown;
use super::frame::{Frame, html};
use super::visit::Visit;

#[derive(Template)]
#[template(path = "console/home.html")]
struct Home {
    frame: Frame,
}

/// `/_/`
pub(super) async fn page(visit: &mut Visit) -> Shown {
    Ok(html(StatusCode::OK, &Home { frame: Frame::of(visit, "Home") }))
}
