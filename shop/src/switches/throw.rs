//! Throws a switch, and asks how it stands.

use db::Tx;
use kernel::{Cx, Result};

use super::{Position, Switch, store};

/// Whether things go on as usual.
///
/// # Errors
/// Whatever the database says; nobody may take that for on.
pub fn is_on(tx: &mut Tx<'_>, switch: Switch) -> Result<bool> {
    Ok(store::find(tx, switch)?.is_on)
}

/// Goes on only when the switch is on.
///
/// # Errors
/// Refused with the switch's own code when it is off.
pub fn must_be_on(tx: &mut Tx<'_>, switch: Switch) -> Result<()> {
    if is_on(tx, switch)? { Ok(()) } else { Err(switch.refusal().into()) }
}

/// Throws it. The runner writes the audit entry.
///
/// # Errors
/// Whatever the database says.
pub fn throw(tx: &mut Tx<'_>, cx: &Cx, switch: Switch, is_on: bool, actor: &str, reason: &str) -> Result<()> {
    let reason = Some(reason.to_owned()).filter(|_| !is_on);
    let position = Position { name: switch, is_on, reason, actor: Some(actor.to_owned()), changed_at: None };
    store::save(tx, cx, &position)
}
