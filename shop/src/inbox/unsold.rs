//! Sales that wait: somebody has paid, and no order can be made of it, because a price at Stripe stands for nothing here.

use db::Tx;
use kernel::Result;
use stripe::{Event, Fact, Reading};

use super::{StoredEvent, store};

/// So many are looked at; there are more only where nobody looks at findings.
const MOST: i64 = 500;

/// Events about sales that wait in which a buyer has given this email, in any case; the oldest first.
pub fn unsold_to(tx: &mut Tx<'_>, email: &str) -> Result<Vec<StoredEvent>> {
    let mut theirs = Vec::new();
    for (id, payload) in store::unsold(tx, MOST)? {
        if email_in(&payload).is_some_and(|given| given.eq_ignore_ascii_case(email)) {
            theirs.extend(store::find(tx, &id)?);
        }
    }
    Ok(theirs)
}

fn email_in(payload: &str) -> Option<String> {
    let Ok(Reading::Proof(proof)) = stripe::read(&Event::parse(payload.as_bytes()).ok()?) else {
        return None;
    };
    proof.facts.into_iter().find_map(|fact| match fact {
        Fact::Session(session) => session.email,
        _ => None,
    })
}
