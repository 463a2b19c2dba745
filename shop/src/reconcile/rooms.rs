//! Every room with itself: its checks, and the operations that mend what they find where that is safe.

use db::Db;
use kernel::{Cx, Error, Result, Timestamp};
use ops::{By, Check, Mend, Mode, OperationDef, Receipt, Risk, Runner};
use serde_json::json;

use super::compare::plain;
use super::{Area, Cause, Finding};
use crate::{entitlements, inventory, orders, refunds};

/// Checks that ask a person to act where nothing contradicts anything.
const NO_CONTRADICTION: &[&str] = &["orders_in_review", "refund_partial", "dispute_needs_response"];
/// Checks of the orders that are about what the orders have handed over.
const OF_ACCESS: &[&str] = &["order_without_grant", "grant_without_order", "grant_not_as_disputed"];
const OF_STOCK: &[&str] = &["refunded_stock_out"];

/// The checks of an area.
pub(super) fn checks(area: Area) -> Vec<Check> {
    let of_orders = |area| {
        let all = orders::checks::CHECKS.iter();
        all.filter(move |check| area_of(check.name) == area).copied()
    };
    let rooms: &[Check] = match area {
        Area::Refunds => &refunds::checks::CHECKS,
        Area::Entitlements => &entitlements::checks::CHECKS,
        Area::Inventory => &inventory::checks::CHECKS,
        Area::Payments | Area::Disputes | Area::Orders => &[],
    };
    let all = rooms.iter().copied().chain(of_orders(area));
    all.filter(|check| !NO_CONTRADICTION.contains(&check.name)).collect()
}

fn area_of(name: &str) -> Area {
    if OF_ACCESS.contains(&name) {
        Area::Entitlements
    } else if OF_STOCK.contains(&name) {
        Area::Inventory
    } else {
        Area::Orders
    }
}

/// Runs the checks of an area and says what each finding would take; changes nothing.
pub(super) async fn look(db: &Db, area: Area, by: &By, cx: &Cx) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for found in run(db, area, cx.now).await? {
        findings.push(finding(db, area, found, by, cx).await?);
    }
    Ok(findings)
}

async fn run(db: &Db, area: Area, now: Timestamp) -> Result<Vec<ops::Finding>> {
    db.read("reconcile.check", move |tx| {
        let found: Result<Vec<_>> = checks(area).iter().map(|check| check.run(tx, now)).collect();
        Ok(found?.concat())
    })
    .await
}

async fn finding(db: &Db, area: Area, found: ops::Finding, by: &By, cx: &Cx) -> Result<Finding> {
    let order = found.mend.as_ref().and_then(|mend| mend.input["order"].as_str()?.parse().ok());
    let order = order.or_else(|| found.subject.parse().ok().filter(|_| found.subject.starts_with("ord_")));
    let evidence = json!({ "check": found.check, "since": found.since });
    let mut finding = Finding {
        area,
        mend: found.mend,
        ..plain(Cause::RoomDisagrees, found.subject, order, format!("{}: {}", found.check, found.text))
    };
    finding.evidence = evidence;
    finding.runbook = ops::Runbook::of_check(crate::RUNBOOKS, found.check).map(|runbook| runbook.id);
    if let Some(operation) = finding.mend.as_ref().and_then(safe) {
        match perform(db, operation, &finding, Mode::Preview, by, cx).await {
            Ok(receipt) => {
                finding.safe = can_be_applied(&receipt);
                finding.plan = receipt.plan.changes;
            }
            // It says why it cannot be done; that is for whoever does it by hand.
            Err(Error::Refused(_) | Error::NotFound { .. } | Error::Invalid { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(finding)
}

/// The operation that mends it, if it repeats only what should be so anyway.
fn safe(mend: &Mend) -> Option<&'static OperationDef> {
    let named = |operation: &&OperationDef| operation.name == mend.operation && operation.risk == Risk::Safe;
    crate::OPERATIONS.iter().find(named)
}

fn can_be_applied(receipt: &Receipt) -> bool {
    !receipt.plan.is_already() && receipt.plan.guards.iter().all(|guard| guard.holds)
}

/// Does what is safe, as an operator would, and then runs the check again.
pub(super) async fn mend(db: &Db, finding: Finding, by: &By, cx: &Cx) -> Result<Finding> {
    let Some(operation) = finding.mend.as_ref().and_then(safe).filter(|_| finding.safe) else {
        return Ok(finding);
    };
    match perform(db, operation, &finding, Mode::Apply { plan_id: None }, by, cx).await {
        Ok(receipt) if receipt.is_verified() => {}
        // Something has changed since it was looked at.
        Ok(_) | Err(Error::Refused(_)) => return Ok(finding),
        Err(error) => return Err(error),
    }
    let rest = run(db, finding.area, cx.now).await?;
    let same =
        |other: &ops::Finding| other.subject == finding.subject && finding.evidence["check"] == other.check;
    Ok(Finding { applied: !rest.iter().any(same), ..finding })
}

async fn perform(
    db: &Db,
    operation: &OperationDef,
    finding: &Finding,
    mode: Mode,
    by: &By,
    cx: &Cx,
) -> Result<Receipt> {
    let input = finding.mend.as_ref().map(|mend| mend.input.clone()).unwrap_or_default();
    Runner { db: db.clone() }.run(operation, input, mode, by.clone(), cx.clone()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_that_is_named_here_is_one() {
        let known: Vec<&str> = orders::checks::CHECKS.iter().map(|check| check.name).collect();
        for name in [NO_CONTRADICTION, OF_ACCESS, OF_STOCK].concat() {
            assert!(known.contains(&name), "{name} is no check of the orders");
        }
    }

    #[test]
    fn every_check_of_the_compared_rooms_belongs_to_one_area() {
        let areas = [
            Area::Payments,
            Area::Refunds,
            Area::Disputes,
            Area::Orders,
            Area::Entitlements,
            Area::Inventory,
        ];
        let mut run: Vec<&str> = areas.into_iter().flat_map(checks).map(|check| check.name).collect();
        run.extend(NO_CONTRADICTION);
        run.sort_unstable();
        let rooms = [
            orders::checks::CHECKS.as_slice(),
            &refunds::checks::CHECKS,
            &entitlements::checks::CHECKS,
            &inventory::checks::CHECKS,
        ];
        let mut all: Vec<&str> = rooms.concat().iter().map(|check| check.name).collect();
        all.sort_unstable();
        assert_eq!(run, all);
    }
}
