//! A secret of Stripe's was rolled, or is to be. This file decides by what is known of the secrets; plain values only.

use ops::{About, Cause, Look, Mend, Picked, Quote, Reads};
use serde_json::json;

use super::{broken, fine};
use crate::runbooks::{Facts, Runbook};

/// The definition.
pub const RUNBOOK: Runbook = Runbook {
    id: "secret-rotation",
    title: "A secret of Stripe's is rolled",
    symptom: "A key or a signing secret was rolled at Stripe or is to be; Stripe's dashboard shows 401 for webhooks, or makegood secrets list ends with 3.",
    seed: &[
        Quote {
            from: "seed 003, Stripe Secret Rotation",
            text: "Generate new secret key or webhook signing secret in Stripe dashboard.",
        },
        Quote {
            from: "seed 003, Stripe Secret Rotation",
            text: "No redeploy required (functions refetch after TTL ≤ 15 minutes). To force immediate refresh: redeploy stack or temporarily set `forceRefresh` logic (future enhancement).",
        },
        Quote {
            from: "seed 001, Investigate Failed Webhook",
            text: "\"Invalid signature\": Check STRIPE_WEBHOOK_SECRET matches dashboard",
        },
    ],
    rows: &["M1", "L4"],
    checks: &[],
    alerts: &["MakegoodSecretsTroubled"],
    looks: &[Look { task: "secrets.list", input: "{}", causes: &[] }],
    subject: "the secret's name, like STRIPE_WEBHOOK_SECRET, or all",
    about: About::Other(|facts| !facts.secrets.is_empty()),
    reads: Reads::Secrets,
    causes: CAUSES,
    operations: &["secrets.refresh"],
    pick,
};

const CAUSES: &[Cause] = &[
    broken(
        "cannot_be_read",
        "The secret could not be read again, or what was read may not take its place; the last good value counts. When the file or the secret is mended, it is read again.",
        &["secrets.refresh"],
        "We received word of your payment late. Nothing was lost; you need to do nothing.",
    ),
    broken(
        "not_read_again",
        "Signatures match none of the secrets that count: the secret was rolled at Stripe. Put the new one where the old one lies; it is read again, and Stripe sends again what was refused.",
        &["secrets.refresh"],
        "We received word of your payment late. Nothing was lost; you need to do nothing.",
    ),
    broken(
        "lies_in_the_environment",
        "Signatures match none of the secrets that count, and the secret lies in the environment, which cannot change while the server runs. Set both, the new one and the old one with a comma between, and restart.",
        &[],
        "We received word of your payment late. Nothing was lost; you need to do nothing.",
    ),
    fine(
        "all_well",
        "Every secret can be read, and no signature was refused since one last matched.",
        "Our shop hears of your payment as it should. If something is missing in your account, please send us your order number.",
    ),
];

fn pick(facts: &Facts) -> Picked {
    let troubled = facts.secrets.iter().find_map(|secret| Some((secret, secret.trouble.as_ref()?)));
    if let Some((secret, why)) = troubled {
        let because = format!("{} in {}: {why}", secret.name, secret.source);
        return Picked::new("cannot_be_read", because).mend(refresh());
    }
    let unmatched = facts.secrets.iter().find_map(|secret| Some((secret, secret.unmatched.as_ref()?)));
    match unmatched {
        Some((secret, why)) if secret.changes => {
            Picked::new("not_read_again", format!("{} in {}: {why}", secret.name, secret.source))
                .mend(refresh())
        }
        Some((secret, why)) => Picked::new("lies_in_the_environment", format!("{}: {why}", secret.name)),
        None => Picked::new("all_well", format!("{} secrets were looked at", facts.secrets.len())),
    }
}

fn refresh() -> Mend {
    Mend {
        operation: "secrets.refresh",
        input: json!({}),
        command: "makegood secrets refresh --reason \"rolled at Stripe\"".to_owned(),
    }
}
