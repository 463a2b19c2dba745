//! Makes the order of a session that this shop did not open: a Payment Link's, mostly. Exactly one for each session, whoever
//! comes first, and by whatever way.
//!
//! It is a guest's: what is proved is that somebody with that email has paid. Neither `client_reference_id`, which the
//! buyer's browser says, nor metadata, which every buyer of a link shares, binds it to a profile.

use db::Tx;
use jobs::NewJob;
use kernel::{Cx, Duration, Error, Result, Timestamp};
use ops::Actor;
use stripe::{Fact, Proof, Sale, SessionFact};

use super::sale::{SaleVerdict, Unsold, judge_sale};
use super::store::{self, NewEntry};
use super::{Draft, INTENTS_KNOWN, place};
use crate::catalog;
use crate::ids::OrderId;

/// What became of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfSale {
    /// This order is made of it: now, or by somebody before.
    Order(OrderId),
    /// Nothing in it is ours.
    Foreign(Unsold),
    /// Some of it is ours, and no order can be made of it.
    Waits(Unsold),
}

/// What would become of the sale that this proves; nothing when it proves none.
pub fn foresee_sale(tx: &mut Tx<'_>, proof: &Proof) -> Result<Option<SaleVerdict>> {
    let Some((sale, session)) = sale_in(proof) else { return Ok(None) };
    let prices: Vec<&str> = sale.lines.iter().filter_map(|line| line.price.as_deref()).collect();
    let offers = catalog::offers_at_stripe(tx, &prices)?;
    let verdict = judge_sale(sale, session, &offers);
    Ok(Some(match verdict {
        // What was sold by this link before was ours.
        SaleVerdict::Foreign(why) if store::has_sold(tx, sale.payment_link.as_deref())? => {
            SaleVerdict::Waits(why)
        }
        verdict => verdict,
    }))
}

/// Makes the order of the sale that this proves, or finds the one that was made of it; nothing when it proves none. What the
/// session says of the money is still to be learned.
pub fn order_of_sale(tx: &mut Tx<'_>, cx: &Cx, proof: &Proof, cause: &Actor) -> Result<Option<OfSale>> {
    let (Some(verdict), Some((sale, session))) = (foresee_sale(tx, proof)?, sale_in(proof)) else {
        return Ok(None);
    };
    let (amounts, lines) = match verdict {
        SaleVerdict::Foreign(why) => return Ok(Some(OfSale::Foreign(why))),
        SaleVerdict::Waits(why) => return Ok(Some(OfSale::Waits(why))),
        SaleVerdict::Order(amounts, lines) => (amounts, lines),
    };
    let id: OrderId = cx.id();
    // Of two workers the second waits here and then finds the order of the first.
    if !store::claim_session(tx, cx, &sale.session, sale.payment_link.as_deref(), id)? {
        let made = store::order_of_session(tx, &sale.session)?;
        let nobody = || Error::bug("a session belongs to an order that nobody knows");
        return made.map(|order| Some(OfSale::Order(order))).ok_or_else(nobody);
    }
    place(tx, cx, vec![Draft { id, profile: None, email: session.email.clone(), amounts, lines }])?;
    store::set_session(tx, cx, id, &sale.session)?;
    let meta = serde_json::json!({
        "session": sale.session, "paymentLink": sale.payment_link,
        // As typed: for the eyes of an operator, and for nothing else.
        "clientReference": proof.references.client_reference,
    });
    store::write_timeline(tx, cx, vec![NewEntry::new(id, "made_of_session", cause, meta)])?;
    announce(tx, cx, session)?;
    Ok(Some(OfSale::Order(id)))
}

/// Since when anything at Stripe may be ours: since the first order was made, or the first price was that stands for one at
/// Stripe, and by which a link may have sold since.
pub fn ours_since(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let (placed, mapped) = (store::first_placed_at(tx)?, catalog::first_mapped(tx)?);
    Ok(placed.into_iter().chain(mapped).min())
}

fn sale_in(proof: &Proof) -> Option<(&Sale, &SessionFact)> {
    let sale = proof.sale.as_ref()?;
    let session = proof.facts.iter().find_map(|fact| match fact {
        Fact::Session(session) if session.id == sale.session => Some(session),
        _ => None,
    })?;
    Some((sale, session))
}

/// A worker that looked for the order just before it was made may put an event aside just after the first look.
const ONCE_MORE: Duration = Duration::from_secs(60);

/// Events about its payment that came before may have been ignored: nothing in them was ours.
fn announce(tx: &mut Tx<'_>, cx: &Cx, session: &SessionFact) -> Result<()> {
    let Some(intent) = &session.payment_intent else { return Ok(()) };
    let job = |run_at| NewJob {
        kind: INTENTS_KNOWN,
        key: None,
        payload: serde_json::json!({ "intents": [intent] }),
        run_at,
    };
    jobs::enqueue(tx, cx, [cx.now, cx.now + ONCE_MORE].map(job).into())
}
