//! The webhook: that Stripe has an endpoint which leads here, that it answers, and that what Stripe signs matches.

use kernel::Duration;
use serde_json::Value;
use shop::inbox;
use stripe::{Call, CallError, KeyFault};

use super::finding::Seen;
use super::patient::Patient;
use super::queue::rows;
use super::stripe::{asked, unanswered};
use crate::config::{Config, StripeEvents};
use crate::http::webhook::PATHS;
use crate::outbound;

const PATIENCE: Duration = Duration::from_secs(8);
const SETUP: &str = "see docs/19-stripe-cloudflare-setup.md, section 2";

fn address(config: &Config) -> String {
    format!("{}{}", config.app_url, PATHS[0])
}

pub(super) async fn endpoint(patient: &Patient) -> Vec<Seen> {
    let (Some(stripe), Ok(config)) = (asked(patient), &patient.config) else { return Vec::new() };
    if config.stripe_events == StripeEvents::Pull {
        return vec![Seen::ok("none is needed: STRIPE_EVENTS is pull")];
    }
    match stripe.call(Call::get("/v1/webhook_endpoints").with("limit", 100)).await {
        Err(CallError::Key(KeyFault::Lacks { permission, .. })) => {
            vec![Seen::info(format!(
                "the key may not look at webhook endpoints ({permission}); look in Stripe's dashboard that one leads to {}",
                address(config)
            ))]
        }
        Err(error) => vec![unanswered(&error)],
        Ok(list) => judged(&list, config),
    }
}

fn judged(list: &Value, config: &Config) -> Vec<Seen> {
    let all: Vec<&Value> = list["data"].as_array().map(|all| all.iter().collect()).unwrap_or_default();
    let url =
        |endpoint: &Value| endpoint["url"].as_str().unwrap_or_default().trim_end_matches('/').to_owned();
    let ours = [0, 1].map(|path| format!("{}{}", config.app_url, PATHS[path]));
    let leads_here: Vec<&&Value> = all.iter().filter(|endpoint| ours.contains(&url(endpoint))).collect();
    let enabled = leads_here.iter().find(|endpoint| endpoint["status"] == "enabled");
    let Some(endpoint) = enabled else {
        let told = match leads_here.is_empty() {
            false => format!("the endpoint that leads to {} is disabled", address(config)),
            true => {
                let others: Vec<String> = all.iter().map(|endpoint| url(endpoint)).collect();
                let others = if others.is_empty() { "none at all".to_owned() } else { others.join(", ") };
                format!("no endpoint leads to {}; there are: {others}", address(config))
            }
        };
        return vec![
            Seen::error(told).expected(format!("an enabled endpoint at {}", address(config))).fix(SETUP),
        ];
    };
    let mut seen = vec![Seen::ok(format!(
        "{} leads here, in the version {}",
        endpoint["id"].as_str().unwrap_or("an endpoint"),
        endpoint["api_version"].as_str().unwrap_or("of the account"),
    ))];
    if leads_here.iter().filter(|endpoint| endpoint["status"] == "enabled").count() > 1 {
        seen.push(
            Seen::warning("several enabled endpoints lead here: each event comes once for each, signed with another secret")
                .expected("one")
                .fix("delete all but one of them in Stripe's dashboard"),
        );
    }
    seen.extend(missing_events(endpoint));
    seen
}

/// Types that we act on and that are not sent; without these, only reading Stripe's list brings them.
fn missing_events(endpoint: &Value) -> Option<Seen> {
    let sent: Vec<&str> = endpoint["enabled_events"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if sent.contains(&"*") {
        return None;
    }
    let missing: Vec<&str> = stripe::facts::handled().filter(|kind| !sent.contains(kind)).collect();
    (!missing.is_empty()).then(|| {
        Seen::error(format!("the endpoint is not told of {}", missing.join(", ")))
            .expected("every event type that makegood acts on")
            .fix("select them in Stripe's dashboard (Webhooks, the endpoint, Edit)")
    })
}

/// Asked as a stranger would: without a signature, and with another method.
pub(super) async fn reachable(patient: &Patient) -> Vec<Seen> {
    let Ok(config) = &patient.config else { return Vec::new() };
    let http = match outbound::client(&config.app_url, PATIENCE) {
        Ok(http) => http,
        Err(why) => {
            return vec![Seen::warning(format!("no HTTPS client: {why}")).fix("install CA certificates")];
        }
    };
    let url = address(config);
    let posted = http.post(&url).header("stripe-signature", "makegood doctor").body("{}").send().await;
    let posted = match posted {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => {
            let told = format!("nothing answers at {url}: {}", outbound::told(&error));
            let seen = if patient.serves { Seen::warning(told) } else { Seen::error(told) };
            return vec![seen.expected("401 to a wrong signature").fix(
                "start makegood serve; see that APP_URL, the proxy and DNS lead to it, also from here",
            )];
        }
    };
    let mut seen = Vec::new();
    if posted != 401 {
        let seen_there = match posted {
            200..300 => Seen::error(format!("{url} accepts a body that nobody has signed ({posted})")),
            other => Seen::error(format!("{url} answers a wrong signature with {other}")),
        };
        seen.push(
            seen_there
                .expected("401: open to everybody's POST, and to no wrong signature")
                .fix("see that the proxy passes POST /webhooks/stripe on, with its body and without a sign-in of its own"),
        );
    }
    match http.get(&url).send().await.map(|answer| answer.status().as_u16()) {
        Ok(405) | Err(_) => {}
        Ok(other) => seen.push(
            Seen::warning(format!("{url} answers GET with {other}"))
                .expected("405: it is open to POST only")
                .fix("let the proxy pass only POST on to this path"),
        ),
    }
    seen
}

/// Stripe does not show a signing secret again, so what it has signed is compared.
pub(super) async fn secret(patient: &Patient) -> Vec<Seen> {
    let (Ok(vitals), Ok(config)) = (&patient.vitals, &patient.config) else { return Vec::new() };
    if config.stripe_events == StripeEvents::Pull {
        return vec![Seen::ok("none is needed: STRIPE_EVENTS is pull")];
    }
    if vitals.secrets.signing_secrets() == 0 {
        return vec![Seen::error("STRIPE_WEBHOOK_SECRET is not set").expected("whsec_…").fix(SETUP)];
    }
    let mut seen = recent(patient);
    if patient.db.is_err() {
        return seen;
    }
    let newest = rows!(patient, "doctor.newest_signed", inbox::newest_signed);
    seen.push(match newest {
        None => Seen::info("no webhook has come yet, so nothing was compared; send one from Stripe's dashboard"),
        Some((payload, signature, at)) => {
            let age = patient.now().since(at).as_secs() / 60;
            match vitals.secrets.made(&signature, payload.as_bytes()) {
                true => Seen::ok(format!("the newest webhook, {age} minutes ago, matches a secret that counts")),
                // It matched when it came: it was rolled since then.
                false => Seen::info(format!(
                    "the newest webhook, {age} minutes ago, was signed with a secret that counts no longer: it was rolled \
                     since, and no webhook has come with the new one yet"
                )),
            }
        }
    });
    seen
}

/// In the process that takes the webhooks: signatures that match nothing, after the last that did.
fn recent(patient: &Patient) -> Vec<Seen> {
    let Ok(vitals) = &patient.vitals else { return Vec::new() };
    let (count, Some(last)) = vitals.secrets.mismatches() else { return Vec::new() };
    let ago = patient.now().since(last).as_secs();
    let matched = vitals.secrets.matched_at();
    match matched.is_some_and(|at| at >= last) {
        true => vec![Seen::info(format!(
            "{count} signatures matched no secret since the start, the last {ago} s ago; later ones did match"
        ))],
        false => vec![
            Seen::error(format!(
                "{count} signatures matched no secret since the start, the last {ago} s ago, and none has matched since"
            ))
            .expected("the signing secret of the endpoint that leads here")
            .fix("makegood runbook explain secret-rotation"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use serde_json::json;

    fn config() -> Config {
        Config::load(&Sources::default().with_flag("APP_URL", "https://shop.example")).unwrap()
    }

    fn words(list: Value) -> Vec<(&'static str, String)> {
        judged(&list, &config()).into_iter().map(|seen| (seen.severity.word(), seen.seen)).collect()
    }

    fn endpoint(url: &str, status: &str, events: Value) -> Value {
        json!({ "id": "we_1", "url": url, "status": status, "enabled_events": events, "api_version": null })
    }

    #[test]
    fn an_endpoint_elsewhere_or_disabled_or_deaf_is_told() {
        let ours = "https://shop.example/webhooks/stripe";
        let all = json!(["*"]);
        let judge = |endpoints: Vec<Value>| words(json!({ "data": endpoints }));
        let elsewhere =
            judge(vec![endpoint("https://other.example/webhooks/stripe", "enabled", all.clone())]);
        assert!(
            elsewhere[0].0 == "error" && elsewhere[0].1.contains("https://other.example"),
            "{elsewhere:?}"
        );
        let disabled = judge(vec![endpoint(ours, "disabled", all.clone())]);
        assert!(disabled[0].0 == "error" && disabled[0].1.contains("disabled"), "{disabled:?}");
        let deaf = judge(vec![endpoint(ours, "enabled", json!(["checkout.session.completed"]))]);
        assert!(deaf[1].0 == "error" && deaf[1].1.contains("charge.refunded"), "{deaf:?}");
        assert!(!deaf[1].1.contains("checkout.session.completed"));
        let good = judge(vec![endpoint(ours, "enabled", all.clone())]);
        assert_eq!(good.len(), 1);
        assert_eq!(good[0].0, "ok");
        let twice = judge(vec![endpoint(ours, "enabled", all.clone()), endpoint(ours, "enabled", all)]);
        assert_eq!(twice[1].0, "warning");
    }
}
