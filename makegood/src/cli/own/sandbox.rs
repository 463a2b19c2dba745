//! `makegood sandbox`: the control surface of a running sandbox, as commands.

use kernel::Duration;
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::Call;
use crate::cli::backend::Remote;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::dev;

/// Which sandbox.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Where the sandbox is [default: that of the makegood dev whose folder is DATA_DIR, else makegood-data]
    #[arg(long, value_name = "URL", env = "MAKEGOOD_SANDBOX")]
    pub at: Option<String>,
}

/// Where it is when nobody says, and no `makegood dev` has left word.
const USUAL: &str = "http://127.0.0.1:3001/sandbox";

const FIND_IT: &str = "start one with makegood dev, name its folder by DATA_DIR, or its address by --at";

impl Place {
    fn address(&self) -> String {
        let named = self.at.clone().filter(|at| !at.is_empty());
        let at = named.or_else(dev::sandbox_left).unwrap_or_else(|| USUAL.to_owned());
        at.trim_end_matches('/').to_owned()
    }

    async fn control(
        &self,
        call: &Call<'_>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        if call.globals.dry_run && method != Method::GET {
            let detail = "the sandbox cannot say what would change; nothing was sent to it";
            return Err(Failure::new("no_preview", detail)
                .fix("leave --dry-run out; makegood dev --reset begins anew"));
        }
        let at = self.address();
        let sandbox = Remote::open(&at)?;
        let asked = sandbox.raw(method, &format!("/control/{path}"), body).await;
        let (status, text) = asked.map_err(|failure| match failure.code.as_str() {
            "unreachable" => failure.fix(FIND_IT),
            _ => failure,
        })?;
        let answer = serde_json::from_str::<Value>(&text).unwrap_or(Value::Null);
        match status {
            200..=299 => Ok(answer),
            404 if answer.is_null() => {
                let detail = format!("there is no sandbox at {at}");
                Err(Failure::new("unreachable", detail).fix(FIND_IT))
            }
            status => {
                let detail = answer["error"].as_str().unwrap_or(text.trim()).to_owned();
                Err(Failure { detail, ..Failure::from_problem(status, &Value::Null) })
            }
        }
    }
}

/// Turn the sandbox's clock forward: sessions expire, delayed events come
#[derive(Debug, clap::Args)]
pub struct ClockArguments {
    /// How far, like 90s, 35m, 2h or 3d; without it, back to the machine's time
    #[arg(value_parser = duration)]
    pub forward: Option<Duration>,
    #[command(flatten)]
    place: Place,
}

/// Break something on its way: events, or the sandbox's answers
#[derive(Debug, clap::Args, Serialize)]
pub struct FaultArguments {
    /// What goes wrong: drop, delay, duplicate, reorder, twin, not_generated, timeout_before_executing,
    /// timeout_after_executing, slow, rate_limit, stored_500, connection_refused, unavailable or in_flight; without it,
    /// what is set is shown
    pub kind: Option<String>,
    /// Only events of this type, like charge.*
    #[arg(long)]
    pub event: Option<String>,
    /// Only requests with this method, like POST
    #[arg(long)]
    pub method: Option<String>,
    /// Only requests whose path begins so, like /v1/checkout
    #[arg(long)]
    pub path: Option<String>,
    /// How long, for delay and slow
    #[arg(long)]
    pub seconds: Option<u64>,
    /// How long an event is held back at most, for reorder
    #[arg(long)]
    pub within_seconds: Option<u64>,
    /// How many times more an event comes, for duplicate
    #[arg(long)]
    pub copies: Option<u32>,
    /// Do the work all the same, for stored_500
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub execute: bool,
    /// How many times; without it, until it is cleared
    #[arg(long)]
    pub count: Option<u32>,
    /// How likely it strikes when it matches, from 0 to 1
    #[arg(long, value_parser = probability)]
    pub probability: Option<f64>,
    /// Take all faults away
    #[arg(long, conflicts_with = "kind")]
    #[serde(skip)]
    pub clear: bool,
    #[command(flatten)]
    #[serde(skip)]
    place: Place,
}

/// Send a known event once more
#[derive(Debug, clap::Args)]
pub struct EventArguments {
    /// Which event, evt_…
    pub event: String,
    #[command(flatten)]
    place: Place,
}

/// Say what the sandbox holds: its time, its endpoints, its faults
#[derive(Debug, clap::Args)]
pub struct StateArguments {
    #[command(flatten)]
    place: Place,
}

fn probability(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| format!("`{text}` is not a number from 0 to 1"))
}

pub async fn clock(call: &Call<'_>, arguments: ClockArguments) -> Result<Exit, Failure> {
    let turned = match arguments.forward {
        Some(by) => {
            arguments
                .place
                .control(call, Method::POST, "clock", Some(json!({ "advance_seconds": by.as_secs() })))
                .await
        }
        None => arguments.place.control(call, Method::DELETE, "clock", None).await,
    };
    told(call, &turned?)
}

pub async fn fault(call: &Call<'_>, arguments: FaultArguments) -> Result<Exit, Failure> {
    let place = &arguments.place;
    let answer = match arguments.kind.as_deref() {
        _ if arguments.clear => place.control(call, Method::DELETE, "faults", None).await?,
        None => place.control(call, Method::GET, "faults", None).await?,
        Some(kind @ ("delay" | "slow")) if arguments.seconds.is_none() => {
            return Err(Failure::usage(format!("{kind} needs --seconds")));
        }
        Some(_) => {
            let wish = serde_json::to_value(&arguments)?;
            place.control(call, Method::POST, "faults", Some(wish)).await?
        }
    };
    told(call, &answer)
}

pub async fn event(call: &Call<'_>, arguments: EventArguments) -> Result<Exit, Failure> {
    let wish = json!({ "resend": arguments.event });
    told(call, &arguments.place.control(call, Method::POST, "events", Some(wish)).await?)
}

pub async fn state(call: &Call<'_>, arguments: StateArguments) -> Result<Exit, Failure> {
    told(call, &arguments.place.control(call, Method::GET, "state", None).await?)
}

fn told(call: &Call<'_>, answer: &Value) -> Result<Exit, Failure> {
    match answer {
        Value::Null => call.terminal.say("done"),
        answer => call.terminal.print(&serde_json::to_string_pretty(answer)?)?,
    }
    Ok(Exit::Ok)
}

/// `90s`, `35m`, `2h`, `3d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time; expected 90s, 35m, 2h or 3d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(factor).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_needs_its_unit() {
        for wrong in ["", "5", "m", "-5m", "5 m", "5w", "999999999999999999d", "5µ"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(duration("35m"), Ok(Duration::from_secs(2_100)));
    }
}
