//! Throwing the switches as operations, and how they stand as a view.

use db::Tx;
use kernel::{Cx, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Switch, store};

/// One operation for each way to throw a switch: its struct, name, audit type, switch and position.
macro_rules! thrown {
    ($($(#[$doc:meta])* $name:ident $operation:literal $audit:literal $switch:ident $is_on:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl Operation for $name {
            const NAME: &'static str = $operation;
            const SUBJECT: Option<&'static str> = None;
            const AUDIT: &'static str = $audit;
            const RISK: Risk = Risk::Changes;
            const ROLE: Role = Role::Operator;

            fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
                plan(tx, Switch::$switch, $is_on)
            }
            fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
                let reason = by.reason.as_deref().unwrap_or_default();
                super::throw(tx, cx, Switch::$switch, $is_on, &by.actor.name, reason)
            }
            fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
                verify(tx, Switch::$switch, $is_on)
            }
            fn subject(&self) -> (&'static str, String) {
                ("switch", Switch::$switch.as_str().into())
            }
        }
    )*};
}

thrown! {
    /// Stop downloads and streams at once, on every node; links that are out die within their time
    DisableDownloads "downloads.disable" "downloads_disabled" Downloads false;
    /// Let downloads and streams go on
    EnableDownloads "downloads.enable" "downloads_enabled" Downloads true;
    /// Stop new checkouts at once; what was begun can still be paid
    DisableCheckout "checkout.disable" "checkout_disabled" Checkout false;
    /// Let new checkouts begin again
    EnableCheckout "checkout.enable" "checkout_enabled" Checkout true;
    /// Stop refunds from being asked for here; what was asked for before is still sent
    DisableRefunds "refunds.disable" "refunds_disabled" Refunds false;
    /// Let refunds be asked for again
    EnableRefunds "refunds.enable" "refunds_enabled" Refunds true;
}

fn word(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn plan(tx: &mut Tx<'_>, switch: Switch, is_on: bool) -> Result<Plan> {
    let position = store::find(tx, switch)?;
    let from = if position.is_on == is_on { word(is_on).to_owned() } else { position.in_words() };
    Ok(Plan::default().change(format!("switch {}", switch.as_str()), from, word(is_on)))
}

fn verify(tx: &mut Tx<'_>, switch: Switch, is_on: bool) -> Result<Vec<Proof>> {
    let position = store::find(tx, switch)?;
    let must = format!("the switch {} is {}", switch.as_str(), word(is_on));
    Ok(vec![Proof::new(must, position.is_on == is_on, position.in_words())])
}

/// List the switches: what an operator may stop at once, and how each stands
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {}

impl View for List {
    const NAME: &'static str = "switches.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["name", "is_on", "reason", "actor", "changed_at"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let rows = crate::view::objects("switch", store::all(tx)?)?;
        Ok(serde_json::json!({
            "object": "list", "data": rows, "has_more": false, "url": "/api/v1/admin/switches",
        }))
    }
}
