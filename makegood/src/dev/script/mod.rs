//! The first ten minutes with makegood, without hands: every step goes over HTTP through the doors that a website, an
//! operator and a buyer use.

mod caller;
mod steps;
mod teller;

use std::net::SocketAddr;

use kernel::Result;

use super::ink::Ink;
use super::{Outcome, Running, first_shop, ours};
use crate::worker;
use caller::Caller;
use steps::Steps;
use teller::Teller;

/// Who buys.
const BUYER: &str = "ada@example.com";

/// Runs the script and says what happens.
///
/// # Errors
/// When something cannot even be asked; what is seen and must not be so is told and ends in [`Outcome::Findings`].
pub(super) async fn first_ten_minutes(running: &Running, address: SocketAddr, ink: Ink) -> Result<Outcome> {
    let (began, teller) = (tokio::time::Instant::now(), Teller::new(ink));
    teller.begin("makegood dev: the first ten minutes");
    first_shop::stock(&running.app).await?;
    let token = ours::token_for_script(&running.app).await?;
    let caller = Caller::new(format!("http://{address}"), running.sandbox_url.clone(), token)?;
    let mut steps = Steps::new(caller, teller, running.app.config.reservation);
    steps.buy_a_course().await?;
    steps.decline_and_try_again().await?;
    let parcel = steps.buy_and_ship().await?;
    steps.deliver_twice(&parcel).await?;
    steps.replay(&parcel).await?;
    steps.let_expire().await?;
    steps.explain(&parcel).await?;
    let findings = worker::check(&running.app, shop::checks()).await?;
    Ok(steps.end(&findings, began.elapsed()))
}
