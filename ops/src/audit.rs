//! The audit log: written in the transaction that changes, never changed afterwards.

use std::borrow::Cow;

use db::{NewestFirst, Row, Tx, Value};
use kernel::{Cx, Id, Kind, Result};
use uuid::Uuid;

use crate::Actor;

/// Marks ids of audit entries.
pub enum AuditKind {}
impl Kind for AuditKind {
    const PREFIX: &'static str = "aud";
    const NAME: &'static str = "audit entry";
}
/// The id of an audit entry.
pub type AuditId = Id<AuditKind>;

/// One entry: who did what to what, and why.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What happened, in a stable word like `entitlement_granted`.
    pub event_type: Cow<'static, str>,
    /// Who did it.
    pub actor: Actor,
    /// What kind of thing it was done to.
    pub subject_type: &'static str,
    /// Which one.
    pub subject_id: String,
    /// The order it concerns, if it concerns one.
    pub order_id: Option<Uuid>,
    /// Why.
    pub reason: Option<String>,
    /// The request that carried it.
    pub request_id: Option<String>,
    /// Whatever else explains it: before, after, causes.
    pub data: serde_json::Value,
}

impl Entry {
    /// An entry without reason and details.
    pub fn new(
        event_type: impl Into<Cow<'static, str>>,
        actor: Actor,
        subject_type: &'static str,
        id: impl ToString,
    ) -> Self {
        Entry {
            event_type: event_type.into(),
            actor,
            subject_type,
            subject_id: id.to_string(),
            order_id: None,
            reason: None,
            request_id: None,
            data: serde_json::json!({}),
        }
    }
    /// It concerns this order.
    pub fn order<K: Kind>(mut self, order: Id<K>) -> Self {
        self.order_id = Some(order.uuid());
        self
    }
    /// Why it was done.
    pub fn because(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self
    }
    /// What else explains it.
    pub fn with(mut self, data: serde_json::Value) -> Self {
        self.data = data;
        self
    }
}

/// Writes entries; gives the id of the first.
pub fn record(tx: &mut Tx<'_>, cx: &Cx, entries: Vec<Entry>) -> Result<Option<AuditId>> {
    let ids: Vec<AuditId> = entries.iter().map(|_| cx.id()).collect();
    let rows: Vec<Vec<Value>> = entries
        .into_iter()
        .zip(&ids)
        .map(|(entry, id)| {
            vec![
                (*id).into(),
                cx.now.into(),
                (*entry.event_type).into(),
                entry.actor.name.into(),
                entry.actor.kind.as_str().into(),
                entry.subject_type.into(),
                entry.subject_id.into(),
                entry.order_id.into(),
                entry.reason.into(),
                entry.request_id.into(),
                entry.data.into(),
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO audit_logs (id, at, event_type, actor, actor_type, subject_type, subject_id, order_id, reason,
         request_id, data)",
        "",
        &rows,
    )?;
    Ok(ids.first().copied())
}

/// Whether there is such an entry.
pub fn is_there(tx: &mut Tx<'_>, id: AuditId) -> Result<bool> {
    Ok(tx.query_opt("SELECT id FROM audit_logs WHERE id = $1", &[id.into()])?.is_some())
}

/// One entry.
pub fn find(tx: &mut Tx<'_>, id: AuditId) -> Result<Option<Row>> {
    tx.query_opt("SELECT * FROM audit_logs WHERE id = $1", &[id.into()])
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this type.
    pub event_type: Option<String>,
    /// Only about this order.
    pub order_id: Option<Uuid>,
    /// Only about this subject.
    pub subject_id: Option<String>,
    /// Only what this request wrote.
    pub request_id: Option<String>,
    /// Only entries before this one (paging).
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: i64,
}

/// The newest entries first.
pub fn list(tx: &mut Tx<'_>, filter: &Filter) -> Result<Vec<Row>> {
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut params = Vec::new();
    let mut only = |column: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.push(value);
            conditions.push(format!("{column} ${}", params.len()));
        }
    };
    only("event_type =", filter.event_type.as_ref().map(Value::from));
    only("order_id =", filter.order_id.map(Value::from));
    only("subject_id =", filter.subject_id.as_ref().map(Value::from));
    only("request_id =", filter.request_id.as_ref().map(Value::from));
    let filtered = conditions.len() > 1;
    let newest = NewestFirst { table: "audit_logs", made_at: "at", filtered };
    if let Some(before) = filter.before {
        params.push(before.into());
        conditions.push(newest.after(params.len()));
    }
    params.push(filter.limit.into());
    let sql = format!(
        "SELECT * FROM audit_logs WHERE {} ORDER BY {} LIMIT ${}",
        conditions.join(" AND "),
        newest.order(),
        params.len()
    );
    tx.query(&sql, &params)
}
