//! All SQL on `entitlements` and `entitlement_grants`.

use std::collections::BTreeMap;

use db::{NewestFirst, Row, Tx, Value};
use kernel::{Cx, Result};

use super::{Entitlement, Grant, Holder, OrderGrant, Source};
use crate::ids::{EntitlementId, OrderId, ProfileId};

const ENTITLEMENT: &str = "id, profile_id, product_id, status, created_at, updated_at";

/// Makes the entitlements active, new or again; gives their ids by holder and product.
pub(super) fn activate(
    tx: &mut Tx<'_>,
    cx: &Cx,
    wanted: &BTreeMap<(String, String), Option<ProfileId>>,
) -> Result<BTreeMap<(String, String), EntitlementId>> {
    let rows: Vec<Vec<Value>> = wanted
        .iter()
        .map(|((holder, product), profile)| {
            let id: EntitlementId = cx.id();
            vec![
                id.into(),
                holder.into(),
                (*profile).into(),
                product.into(),
                "active".into(),
                cx.now.into(),
                cx.now.into(),
            ]
        })
        .collect();
    let inserted = tx.insert_many(
        "INSERT INTO entitlements (id, holder, profile_id, product_id, status, created_at, updated_at)",
        "ON CONFLICT (holder, product_id) DO UPDATE SET status = 'active', updated_at = excluded.updated_at
         RETURNING id, holder, product_id",
        &rows,
    )?;
    inserted
        .rows
        .iter()
        .map(|row| Ok(((row.get("holder")?, row.get("product_id")?), row.get("id")?)))
        .collect()
}

/// One grant to be written.
pub(super) struct NewGrant<'a> {
    pub(super) entitlement: EntitlementId,
    pub(super) order: Option<OrderId>,
    pub(super) source: Source,
    pub(super) actor: &'a str,
    pub(super) reason: &'a str,
}

/// Writes grants; an order's second grant of the same thing is no grant. Says how many are new.
pub(super) fn insert_grants(tx: &mut Tx<'_>, cx: &Cx, grants: &[NewGrant<'_>]) -> Result<u64> {
    let rows: Vec<Vec<Value>> = grants
        .iter()
        .map(|grant| {
            vec![
                cx.uuid().into(),
                grant.entitlement.into(),
                grant.order.into(),
                grant.source.as_str().into(),
                "active".into(),
                grant.reason.into(),
                grant.actor.into(),
                cx.now.into(),
                cx.now.into(),
            ]
        })
        .collect();
    let inserted = tx.insert_many(
        "INSERT INTO entitlement_grants
         (id, entitlement_id, order_id, source, status, reason, actor, created_at, updated_at)",
        "ON CONFLICT (order_id, entitlement_id) WHERE source = 'order' DO NOTHING",
        &rows,
    )?;
    Ok(inserted.count)
}

/// Takes back every grant of an entitlement. The entitlement's own row comes first, as in [`activate`]: whoever hands
/// over at the same moment is waited for, and its grant is seen and taken back too.
pub(super) fn revoke(tx: &mut Tx<'_>, cx: &Cx, id: EntitlementId) -> Result<()> {
    tx.execute(
        "UPDATE entitlements SET status = 'revoked', updated_at = $1 WHERE id = $2",
        &[cx.now.into(), id.into()],
    )?;
    tx.execute(
        "UPDATE entitlement_grants SET status = 'revoked', updated_at = $1
         WHERE entitlement_id = $2 AND status IN ('active', 'suspended', 'returned')",
        &[cx.now.into(), id.into()],
    )?;
    Ok(())
}

/// Moves what an order and what operators on its behalf have granted from one of these states to another, and lets each entitlement count while one of its
/// grants does. Gives the products of which anything changed.
pub(super) fn turn(tx: &mut Tx<'_>, cx: &Cx, order: OrderId, from: &[&str], to: &str) -> Result<Vec<String>> {
    // The entitlements' rows come first, in the order of their ids, as wherever both are written.
    let sql = format!(
        "SELECT id, product_id FROM entitlements WHERE id IN (SELECT entitlement_id FROM entitlement_grants
           WHERE order_id = $1) ORDER BY id{}",
        tx.dialect().for_update()
    );
    let mut touched = Vec::new();
    for row in tx.query(&sql, &[order.into()])? {
        let id: EntitlementId = row.get("id")?;
        let sql = format!(
            "UPDATE entitlement_grants SET status = $1, updated_at = $2
             WHERE order_id = $3 AND entitlement_id = $4 AND {}",
            tx.dialect().any("status", 5)
        );
        let among = Value::array(from.iter().copied());
        if tx.execute(&sql, &[to.into(), cx.now.into(), order.into(), id.into(), among])? == 0 {
            continue;
        }
        follow_grants(tx, cx, id)?;
        touched.push(row.get("product_id")?);
    }
    Ok(touched)
}

/// The entitlements behind which this order stands or stood, and whose own status is not what all of their grants say.
pub fn contradicted_of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Entitlement>> {
    let sql = format!(
        "SELECT {ENTITLEMENT} FROM entitlements e
         WHERE e.id IN (SELECT entitlement_id FROM entitlement_grants WHERE order_id = $1)
           AND (e.status = 'active') <> EXISTS (SELECT 1 FROM entitlement_grants g
             WHERE g.entitlement_id = e.id AND g.status = 'active')
         ORDER BY e.id"
    );
    tx.query(&sql, &[order.into()])?.iter().map(read).collect()
}

/// Lets an entitlement count while one of its grants does.
pub(super) fn follow_grants(tx: &mut Tx<'_>, cx: &Cx, id: EntitlementId) -> Result<()> {
    tx.execute(
        "UPDATE entitlements SET updated_at = $1, status = CASE WHEN EXISTS (SELECT 1 FROM entitlement_grants g
           WHERE g.entitlement_id = entitlements.id AND g.status = 'active') THEN 'active' ELSE 'revoked' END
         WHERE id = $2",
        &[cx.now.into(), id.into()],
    )?;
    Ok(())
}

/// What a guest's order holds until somebody claims it.
pub(super) fn of_guest(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Entitlement>> {
    let sql = format!("SELECT {ENTITLEMENT} FROM entitlements WHERE holder = $1 ORDER BY id");
    tx.query(&sql, &[Holder::Guest(order).key().into()])?.iter().map(read).collect()
}

/// All grants of one entitlement count for the other from now on; what held them for nobody is gone.
pub(super) fn move_grants(tx: &mut Tx<'_>, from: EntitlementId, to: EntitlementId) -> Result<()> {
    tx.execute(
        "UPDATE entitlement_grants SET entitlement_id = $1 WHERE entitlement_id = $2",
        &[to.into(), from.into()],
    )?;
    tx.execute("DELETE FROM entitlements WHERE id = $1", &[from.into()])?;
    Ok(())
}

/// Whether this order has granted this entitlement at some time, whatever became of it.
pub(super) fn is_granted_by(tx: &mut Tx<'_>, id: EntitlementId, order: OrderId) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM entitlement_grants WHERE entitlement_id = $1 AND order_id = $2 AND source = 'order'";
    Ok(tx.count(sql, &[id.into(), order.into()])? > 0)
}

/// What this holder has to this product, active or not.
pub fn find(tx: &mut Tx<'_>, holder: Holder, product: &str) -> Result<Option<Entitlement>> {
    let sql = format!("SELECT {ENTITLEMENT} FROM entitlements WHERE holder = $1 AND product_id = $2");
    tx.query_opt(&sql, &[holder.key().into(), product.into()])?.as_ref().map(read).transpose()
}

/// Whether this profile may use this product now.
pub fn is_active(tx: &mut Tx<'_>, profile: ProfileId, product: &str) -> Result<bool> {
    Ok(find(tx, Holder::Profile(profile), product)?.is_some_and(|entitlement| entitlement.active))
}

/// What a right counts by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    /// The right to what.
    pub product: String,
    /// The orders that give it, in the order of their grants; none for a gift alone.
    pub orders: Vec<OrderId>,
}

/// By what a profile may use a product now; `None` when it may not. One statement: a delivery asks this.
pub fn counting(tx: &mut Tx<'_>, profile: ProfileId, product: &str) -> Result<Option<Counting>> {
    let rows = tx.query(
        "SELECT g.order_id FROM entitlements e
         JOIN entitlement_grants g ON g.entitlement_id = e.id AND g.status = 'active'
         WHERE e.holder = $1 AND e.product_id = $2 AND e.status = 'active' ORDER BY g.id",
        &[Holder::Profile(profile).key().into(), product.into()],
    )?;
    if rows.is_empty() {
        return Ok(None);
    }
    let orders = rows.iter().map(|row| row.get::<Option<OrderId>>("order_id")).collect::<Result<Vec<_>>>()?;
    Ok(Some(Counting { product: product.to_owned(), orders: orders.into_iter().flatten().collect() }))
}

/// Why an entitlement counts, or no longer does; the oldest reason first.
pub fn grants_of(tx: &mut Tx<'_>, id: EntitlementId) -> Result<Vec<Grant>> {
    let rows = tx.query(
        "SELECT source, order_id, status, actor, reason, created_at FROM entitlement_grants
         WHERE entitlement_id = $1 ORDER BY id",
        &[id.into()],
    )?;
    rows.iter().map(read_grant).collect()
}

/// The entitlements that an order has granted.
pub fn of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<Entitlement>> {
    let rows = tx.query(
        "SELECT e.id, e.profile_id, e.product_id, e.status, e.created_at, e.updated_at
         FROM entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
         WHERE g.order_id = $1 ORDER BY e.product_id",
        &[order.into()],
    )?;
    rows.iter().map(read).collect()
}

/// One entitlement.
pub fn find_by_id(tx: &mut Tx<'_>, id: EntitlementId) -> Result<Option<Entitlement>> {
    let sql = format!("SELECT {ENTITLEMENT} FROM entitlements WHERE id = $1");
    tx.query_opt(&sql, &[id.into()])?.as_ref().map(read).transpose()
}

/// What was granted on behalf of an order, whoever did it and whatever became of it, by product.
pub fn grants_of_order(tx: &mut Tx<'_>, order: OrderId) -> Result<Vec<OrderGrant>> {
    let rows = tx.query(
        "SELECT e.id, e.profile_id, e.product_id, g.source, g.order_id, g.status, g.actor, g.reason,
           g.created_at, g.updated_at
         FROM entitlement_grants g JOIN entitlements e ON e.id = g.entitlement_id
         WHERE g.order_id IS NOT NULL AND g.order_id = $1 ORDER BY e.product_id, g.id",
        &[order.into()],
    )?;
    rows.iter()
        .map(|row| {
            Ok(OrderGrant {
                entitlement: row.get("id")?,
                profile: row.get("profile_id")?,
                product: row.get("product_id")?,
                grant: read_grant(row)?,
                changed_at: row.get("updated_at")?,
            })
        })
        .collect()
}

/// The entitlements of a profile, the newest first.
pub fn of_profile(tx: &mut Tx<'_>, profile: ProfileId, limit: i64) -> Result<Vec<Entitlement>> {
    list(tx, Some(profile), None, limit)
}

pub(super) fn list(
    tx: &mut Tx<'_>,
    profile: Option<ProfileId>,
    before: Option<EntitlementId>,
    limit: i64,
) -> Result<Vec<Entitlement>> {
    let mut params = vec![limit.into()];
    let mut filter = String::new();
    let newest = NewestFirst { table: "entitlements", made_at: "created_at", filtered: profile.is_some() };
    if let Some(profile) = profile {
        params.push(profile.uuid().to_string().into());
        filter.push_str(&format!(" AND holder = ${}", params.len()));
    }
    if let Some(before) = before {
        params.push(before.into());
        filter.push_str(&format!(" AND {}", newest.after(params.len())));
    }
    let order = newest.order();
    let sql = format!("SELECT {ENTITLEMENT} FROM entitlements WHERE 1 = 1{filter} ORDER BY {order} LIMIT $1");
    tx.query(&sql, &params)?.iter().map(read).collect()
}

fn read_grant(row: &Row) -> Result<Grant> {
    Ok(Grant {
        source: row.get("source")?,
        order_id: row.get("order_id")?,
        status: row.get("status")?,
        actor: row.get("actor")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
    })
}

fn read(row: &Row) -> Result<Entitlement> {
    Ok(Entitlement {
        id: row.get("id")?,
        profile_id: row.get("profile_id")?,
        product_id: row.get("product_id")?,
        active: row.get::<String>("status")? == "active",
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
