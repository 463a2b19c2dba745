//! Learns from an object that was fetched from Stripe: after an event about it that could not be believed alone, or because
//! somebody asks.

use db::{Tx, TxResult};
use jobs::{Claimed, Fate};
use kernel::{Cx, Error, Result};
use ops::Actor;
use stripe::{Proof, Target};

use crate::fetch;
use crate::ids::OrderId;
use crate::orders::{self, Learned, OfSale};
use crate::refunds;
use crate::seam::Seam;

/// Does that job. An object that Stripe does not have stays as it was told.
pub async fn run(seam: &Seam, job: &Claimed) -> Result<Fate> {
    let target: Target =
        serde_json::from_value(job.payload["target"].clone()).map_err(|e| Error::Bug(Box::new(e)))?;
    let proof = match fetch::one(seam, &target).await {
        Ok(proof) => proof,
        Err(Error::NotFound { .. }) => return Ok(Fate::Done),
        Err(error) => return Err(error),
    };
    learn(seam, proof, Actor::system("stripe.fetch")).await?;
    Ok(Fate::Done)
}

/// Lets the order learn what a fetched object proves; gives the order, if there is one.
pub async fn learn(seam: &Seam, proof: Proof, cause: Actor) -> Result<Option<OrderId>> {
    let cx = seam.cx();
    seam.db.write("inbox.learn", move |tx| take_in(tx, &cx, &proof, &cause)).await.safe_to_repeat()
}

/// The same within a transaction. What a session sold that this shop did not open becomes an order.
pub fn take_in(tx: &mut Tx<'_>, cx: &Cx, proof: &Proof, cause: &Actor) -> Result<Option<OrderId>> {
    let matched = orders::match_references(tx, &[&proof.references])?.into_iter().next().flatten();
    let order = match matched {
        Some(order) => Some(order),
        None => match orders::order_of_sale(tx, cx, proof, cause)? {
            Some(OfSale::Order(order)) => Some(order),
            Some(OfSale::Foreign(_) | OfSale::Waits(_)) | None => None,
        },
    };
    if let Some(order) = order {
        let facts = proof.facts.iter().cloned();
        let learned = facts.map(|fact| Learned { order, fact, cause: cause.clone() });
        orders::learn(tx, cx, learned.collect())?;
        refunds::follow(tx, cx, proof.facts.iter(), cause)?;
    }
    Ok(order)
}
