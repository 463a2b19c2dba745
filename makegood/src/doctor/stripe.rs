//! Stripe: the key, the account behind it, what it may do, and the clock there. What is asked changes nothing: where a
//! permission to write is tried, the request cannot be carried out.

use kernel::{Duration, Timestamp};
use stripe::{Call, CallError, KeyFault, Stripe};

use super::finding::Seen;
use super::patient::Patient;
use crate::config::StripeEvents;
use crate::outbound;

/// Signatures older than five minutes are refused, so a clock may not be off by much.
const SKEW: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) async fn key(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let key = match &patient.vitals {
        Ok(vitals) => vitals.secrets.api_key(),
        Err(why) => return vec![Seen::error(why.clone()).fix("makegood config check")],
    };
    let Some(key) = key else {
        return vec![
            Seen::error("STRIPE_SECRET is not set")
                .expected("rk_… or sk_…")
                .fix("see docs/19-stripe-cloudflare-setup.md"),
        ];
    };
    let mode = if key.is_live() { "live" } else { "test" };
    let mut seen = Vec::new();
    let publishable = config.stripe_key.as_deref();
    if publishable.is_some_and(|other| other.starts_with("pk_live_") != key.is_live()) {
        seen.push(
            Seen::error(format!("STRIPE_SECRET is of {mode} mode, and STRIPE_KEY of the other"))
                .expected("two keys of one mode")
                .fix("set STRIPE_KEY to the publishable key beside the secret one"),
        );
    }
    seen.push(match (key.is_restricted(), key.is_live()) {
        (true, _) => Seen::ok(format!("a restricted key of {mode} mode")),
        (false, false) => Seen::info("a secret key of test mode; a restricted one would show what it may do"),
        (false, true) => Seen::warning("a live secret key, which may do everything")
            .expected("a restricted key, rk_live_…")
            .fix("make one as docs/19-stripe-cloudflare-setup.md says, and put it where this one lies"),
    });
    seen
}

/// What a call came to, as far as a key or a connection is concerned.
pub(super) fn unanswered(error: &CallError) -> Seen {
    match error {
        CallError::Key(fault) => Seen::error(fault.to_string()).fix(fault.fix()),
        CallError::Refused(error) => Seen::error(format!("Stripe refused: {error}")),
        CallError::RateLimited { .. }
        | CallError::NotSent(_)
        | CallError::Unanswered(_)
        | CallError::Unknown(_) => Seen::warning(format!("Stripe could not be asked: {error}"))
            .fix("see that this machine reaches STRIPE_API_BASE, then look again"),
    }
}

pub(super) fn asked(patient: &Patient) -> Option<&dyn Stripe> {
    patient.vitals.as_ref().ok().map(|vitals| &*vitals.outside.stripe)
}

pub(super) async fn account(patient: &Patient) -> Vec<Seen> {
    let Some(stripe) = asked(patient) else { return Vec::new() };
    match stripe.call(Call::get("/v1/account")).await {
        Err(CallError::Key(KeyFault::Lacks { .. })) => {
            vec![Seen::info("Stripe takes the key; a restricted one may not look at its account")]
        }
        Err(error) => vec![unanswered(&error)],
        Ok(account) => {
            let id = account["id"].as_str().unwrap_or("unknown");
            match account["charges_enabled"] == false {
                true => vec![
                    Seen::error(format!(
                        "the account {id} may not take money yet (charges_enabled is false)"
                    ))
                    .expected("an account whose details are complete")
                    .fix("complete the account in Stripe's dashboard"),
                ],
                false => vec![Seen::ok(format!("the account is {id}"))],
            }
        }
    }
}

/// What the key must be allowed, as Stripe's dashboard calls it, and a request that shows it. Those that would write name
/// nothing that exists, or a parameter that no request has.
fn needed(events: StripeEvents, tag: i64) -> Vec<(&'static str, Call)> {
    let read = |path: &str| Call::get(path).with("limit", 1);
    let write = |path: &str| Call::post(path, format!("doctor-{tag}-{path}")).with("makegood_doctor", 1);
    let mut all = vec![
        ("Checkout Sessions: Write", write("/v1/checkout/sessions")),
        ("PaymentIntents: Read", read("/v1/payment_intents")),
        ("PaymentIntents: Write", write("/v1/payment_intents/pi_makegood_doctor/cancel")),
        ("Charges and Refunds: Read", read("/v1/charges")),
        ("Charges and Refunds: Write", write("/v1/refunds")),
        ("Disputes: Read", read("/v1/disputes")),
        ("Radar: Read", read("/v1/radar/early_fraud_warnings")),
        ("Radar: Read", read("/v1/reviews")),
    ];
    if events != StripeEvents::Push {
        all.push(("Events: Read", read("/v1/events")));
    }
    all
}

pub(super) async fn permissions(patient: &Patient) -> Vec<Seen> {
    let (Some(stripe), Ok(config)) = (asked(patient), &patient.config) else { return Vec::new() };
    let (mut missing, mut silent) = (Vec::new(), None);
    for (permission, call) in needed(config.stripe_events, patient.now().micros()) {
        match stripe.call(call).await {
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(CallError::Key(KeyFault::Lacks { .. })) => missing.push(permission),
            Err(error) => silent = Some(error),
        }
    }
    missing.dedup();
    let mut seen = Vec::new();
    if !missing.is_empty() {
        seen.push(
            Seen::error(format!("the key lacks {}", missing.join(", ")))
                .expected("the permissions of docs/19-stripe-cloudflare-setup.md")
                .fix("give them to the key in Stripe's dashboard (Developers, API keys)"),
        );
    }
    seen.extend(silent.map(|error| unanswered(&error)));
    seen
}

pub(super) async fn clock(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let http = match outbound::client(&config.stripe_api_base, PATIENCE) {
        Ok(http) => http,
        Err(why) => {
            return vec![Seen::warning(format!("no HTTPS client: {why}")).fix("install CA certificates")];
        }
    };
    // Without a key it is turned away; the date stands on the answer all the same.
    let answer =
        match http.get(format!("{}/v1/account", config.stripe_api_base.trim_end_matches('/'))).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let told =
                    format!("{} cannot be reached: {}", config.stripe_api_base, outbound::told(&error));
                return vec![
                    Seen::warning(told).fix("see that this machine reaches it: a firewall, a proxy, DNS"),
                ];
            }
        };
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).and_then(http_date);
    let Some(theirs) = date else { return vec![Seen::info("the answer has no date")] };
    let ours = patient.now();
    let off = ours.since(theirs).max(theirs.since(ours));
    match off > SKEW {
        false => vec![Seen::ok(format!("they differ by {} s at most", off.as_secs() + 1))],
        true => {
            let told = format!("this machine's clock differs from Stripe's by {} s", off.as_secs());
            vec![
                Seen::error(told)
                    .expected("less than 30 s: a signature older than 300 s is refused")
                    .fix("set the clock by NTP: timedatectl set-ntp true"),
            ]
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let read = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(read, "1994-11-06T08:49:37Z".parse().ok());
        assert_eq!(http_date("yesterday"), None);
        assert_eq!(http_date("Sun, 06 Foo 1994 08:49:37 GMT"), None);
    }
}
