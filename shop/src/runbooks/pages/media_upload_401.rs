//! An upload, or any call of the admin API, is answered with 401. This file decides by the token alone; plain values only.

use ops::{About, Cause, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "media-upload-401",
    title: "An upload is answered with 401",
    symptom: "Whoever uploads pictures gets 401 at once, before the file was sent; other pages may work.",
    seed: &[
        Quote {
            from: "seed 004, Admin media upload: 401 Unauthorized",
            text: "Browser console or network tab shows 401 before request body is sent.",
        },
        Quote {
            from: "seed 004, Admin media upload: 401 Unauthorized",
            text: "Confirm token is not expired; refresh and retry if needed.",
        },
    ],
    rows: &["E12"],
    checks: &["token_ended_in_use"],
    alerts: &[],
    looks: &[],
    subject: "the token, by its id (makegood tokens list)",
    about: About::Other(|facts| facts.token.is_some() || facts.asked.starts_with("tok_")),
    reads: Reads::Rows,
    causes: CAUSES,
    operations: &["tokens.revoke"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "ended",
        "The token has ended while somebody used it, and who sends it gets 401. Make another for them with makegood tokens create, give it to the client, and take the old one back.",
        &["tokens.revoke"],
        "Your access has run out. You get a new token from us; put it in the place of the old one.",
    ),
    fine(
        "taken_back",
        "The token was taken back on purpose: who still sends it needs another.",
        "Your token was taken back. If you still need access, please ask us for a new one.",
    ),
    fine(
        "counts",
        "The token counts. A client that gets 401 with it does not send it: each upload needs the header Authorization: Bearer TOKEN like every other call, also from an upload client of its own.",
        "Your token is fine. Please see that your upload sends the header Authorization: Bearer with it.",
    ),
    fine(
        "unknown",
        "No token has this id. A client may send the token of another shop, or a part of one.",
        "We do not know this token. Please send us its first characters, and we will see what it is.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let Some(token) = &facts.token else { return Picked::new("unknown", "no token has this id") };
    let (name, prefix) = (&token.name, &token.prefix);
    if let Some(at) = token.revoked_at {
        return Picked::new("taken_back", format!("{name} ({prefix}…) was taken back at {at}"));
    }
    match token.expires_at {
        Some(at) if at <= facts.now => {
            let used = token.last_used_at.map_or("never used".into(), |used| format!("last used at {used}"));
            Picked::new("ended", format!("{name} ({prefix}…) ended at {at}, {used}")).mend(Mend {
                operation: "tokens.revoke",
                input: json!({ "token": token.id }),
                command: format!("makegood tokens revoke {}", token.id),
            })
        }
        _ => Picked::new("counts", format!("{name} ({prefix}…) counts, as {}", token.role)),
    }
}
