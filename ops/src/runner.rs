//! Plan → permit → apply and audit in one transaction → verify. Every door comes through here.

use std::sync::Arc;

use db::{Db, Tx, TxResult};
use kernel::{Cx, Error, Id, Kind, Refusal, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::hex;
use crate::audit::{self, AuditId, Entry};
use crate::idempotency::{self, Key, UNDER_WAY};
use crate::operation::AnyOperation;
use crate::{By, Guard, OperationDef, Plan, Proof};

/// Marks ids of operations that ran.
pub enum RunKind {}
impl Kind for RunKind {
    const PREFIX: &'static str = "op";
    const NAME: &'static str = "operation";
}

/// Whether to do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Only say what would change.
    Preview,
    /// Do it; with the id of a plan only if that is still what would change.
    Apply {
        /// The plan that was seen and approved.
        plan_id: Option<String>,
    },
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing was changed; this is the plan.
    Previewed,
    /// Done, and read back.
    Applied,
    /// It was so already; nothing was changed.
    Already,
}

/// What the runner gives back.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// This run.
    pub id: Id<RunKind>,
    /// Which operation.
    pub operation: &'static str,
    /// How it ended.
    pub status: Status,
    /// What changed, or would change.
    pub plan: Plan,
    /// A fingerprint of the inputs and the plan: apply with it, and nothing else is applied.
    pub plan_id: String,
    /// What was read back afterwards.
    pub verify: Vec<Proof>,
    /// Its entry in the audit log.
    pub audit_id: Option<AuditId>,
}

impl Receipt {
    /// True unless something that must be true afterwards is not.
    pub fn is_verified(&self) -> bool {
        self.verify.iter().all(|proof| proof.holds)
    }
}

/// What a committed operation leaves under its `Idempotency-Key`, in the same transaction: whatever dies afterwards, the
/// next request with the key finds that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    id: Id<RunKind>,
    plan: Plan,
    plan_id: String,
    audit_id: Option<AuditId>,
}

impl Applied {
    /// What was left under a key, if it is an operation's.
    pub fn left(note: &serde_json::Value) -> Option<Applied> {
        serde_json::from_value(note.get(APPLIED)?.clone()).ok()
    }
}

const APPLIED: &str = "applied";

/// Runs operations on one database.
#[derive(Clone)]
pub struct Runner {
    /// Where.
    pub db: Db,
}

impl Runner {
    /// Runs `definition` with `input`.
    ///
    /// # Errors
    /// Refused when the role does not reach, a guard does not hold, the reason is missing or the plan is stale;
    /// otherwise whatever the operation itself says.
    pub async fn run(
        &self,
        definition: &OperationDef,
        input: serde_json::Value,
        mode: Mode,
        by: By,
        cx: Cx,
    ) -> Result<Receipt> {
        self.run_under(None, definition, input, mode, by, cx).await
    }

    /// The same under an `Idempotency-Key` that was claimed.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub async fn run_under(
        &self,
        key: Option<Key>,
        definition: &OperationDef,
        input: serde_json::Value,
        mode: Mode,
        by: By,
        cx: Cx,
    ) -> Result<Receipt> {
        by.must_be(definition.role, definition.name)?;
        let operation: Arc<dyn AnyOperation> = (definition.read)(input)?.into();
        match mode {
            Mode::Preview => self.preview(definition, operation, cx).await,
            Mode::Apply { plan_id } => self.apply(key, definition, operation, plan_id, by, cx).await,
        }
    }

    /// The receipt of an operation that was applied before and whose answer was lost: nothing is applied, it is read back.
    ///
    /// # Errors
    /// Refused when the role does not reach; otherwise whatever the operation itself says.
    pub async fn again(
        &self,
        applied: Applied,
        definition: &OperationDef,
        input: serde_json::Value,
        by: &By,
        cx: Cx,
    ) -> Result<Receipt> {
        by.must_be(definition.role, definition.name)?;
        let operation: Arc<dyn AnyOperation> = (definition.read)(input)?.into();
        self.read_back(definition, operation, applied, Status::Applied, cx).await
    }

    async fn preview(
        &self,
        definition: &OperationDef,
        operation: Arc<dyn AnyOperation>,
        cx: Cx,
    ) -> Result<Receipt> {
        let (asked, at) = (operation.clone(), cx.clone());
        let plan = self.db.read("operation.preview", move |tx| asked.plan(tx, &at)).await?;
        let plan_id = fingerprint(definition.name, &*operation, &plan);
        Ok(Receipt {
            id: cx.id(),
            operation: definition.name,
            status: Status::Previewed,
            plan,
            plan_id,
            verify: Vec::new(),
            audit_id: None,
        })
    }

    async fn apply(
        &self,
        key: Option<Key>,
        definition: &OperationDef,
        operation: Arc<dyn AnyOperation>,
        expected: Option<String>,
        by: By,
        cx: Cx,
    ) -> Result<Receipt> {
        by.must_say_why(definition.name)?;
        let (name, audit_type) = (definition.name, definition.audit);
        let (asked, at) = (operation.clone(), cx.clone());
        let applied = self
            .db
            .write("operation.apply", move |tx| {
                one_at_a_time(tx, &*asked)?;
                let plan = asked.plan(tx, &at)?;
                let plan_id = fingerprint(name, &*asked, &plan);
                permit(name, &plan, &plan_id, expected.as_deref())?;
                let mut applied = Applied { id: at.id(), plan, plan_id, audit_id: None };
                if applied.plan.is_already() {
                    return Ok(applied);
                }
                asked.apply(tx, &at, &by)?;
                let mut entry = entry(name, audit_type, &*asked, &applied.plan, &by);
                entry.order_id = asked.order(tx)?;
                applied.audit_id = audit::record(tx, &at, vec![entry])?;
                if let Some(Key { scope, key }) = &key {
                    let note = serde_json::json!({ APPLIED: applied }).to_string();
                    idempotency::end(tx, scope, key, UNDER_WAY, &note)?;
                }
                Ok(applied)
            })
            .await
            .must_be_looked_up()?;
        let status = if applied.plan.is_already() { Status::Already } else { Status::Applied };
        self.read_back(definition, operation, applied, status, cx).await
    }

    async fn read_back(
        &self,
        definition: &OperationDef,
        operation: Arc<dyn AnyOperation>,
        applied: Applied,
        status: Status,
        cx: Cx,
    ) -> Result<Receipt> {
        let verify = self.db.read("operation.verify", move |tx| operation.verify(tx, &cx)).await?;
        let Applied { id, plan, plan_id, audit_id } = applied;
        Ok(Receipt { id, operation: definition.name, status, plan, plan_id, verify, audit_id })
    }
}

/// Of many that are done to one thing at once each plans with what those before it have changed: a plan is applied once.
fn one_at_a_time(tx: &mut Tx<'_>, operation: &dyn AnyOperation) -> Result<()> {
    let (kind, id) = operation.subject();
    if let Some(lock) = tx.dialect().one_at_a_time() {
        tx.query_one(lock, &[format!("operation on {kind} {id}").into()])?;
    }
    Ok(())
}

/// Guards have no override, and a plan that was approved is the only one that may be applied.
fn permit(name: &str, plan: &Plan, plan_id: &str, expected: Option<&str>) -> Result<()> {
    if let Some(guard) = plan.guards.iter().find(|guard| !guard.holds) {
        return Err(guarded(name, guard).into());
    }
    match expected {
        Some(expected) if expected != plan_id => Err(Refusal::new(
            "stale_plan",
            format!("{name} was planned as {expected}; what it would do now is {plan_id}"),
        )
        .fix("look at a new preview, then apply that plan")
        .into()),
        _ => Ok(()),
    }
}

fn guarded(name: &str, guard: &Guard) -> Refusal {
    Refusal::new("refused_by_guard", format!("{name}: {} does not hold: {}", guard.name, guard.seen))
}

fn entry(
    name: &'static str,
    audit_type: &'static str,
    operation: &dyn AnyOperation,
    plan: &Plan,
    by: &By,
) -> Entry {
    let (subject_type, subject_id) = operation.subject();
    let mut entry = Entry::new(audit_type, by.actor.clone(), subject_type, subject_id)
        .because(by.reason.as_deref())
        .with(serde_json::json!({
            "operation": name, "input": operation.input(), "changes": plan.changes, "role": by.role,
        }));
    entry.request_id = by.request_id.clone();
    entry
}

fn fingerprint(name: &str, operation: &dyn AnyOperation, plan: &Plan) -> String {
    plan_id(name, &operation.input(), plan)
}

/// The fingerprint of what would be done with these inputs: another plan has another one.
pub fn plan_id(name: &str, input: &serde_json::Value, plan: &Plan) -> String {
    let text = serde_json::json!([name, input, plan]).to_string();
    format!("plan_{}", &hex(&Sha256::digest(text.as_bytes()))[..24])
}

impl From<Receipt> for serde_json::Value {
    fn from(receipt: Receipt) -> Self {
        serde_json::to_value(receipt)
            .unwrap_or_else(|e| serde_json::json!({ "error": Error::Bug(Box::new(e)).to_string() }))
    }
}
