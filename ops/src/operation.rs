//! What an operation is, and its one definition from which every door is made.

use db::Tx;
use kernel::{Cx, Error, Result};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{By, Role, input};

/// How much can go wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Safe at any time: repeats what should be so anyway.
    Safe,
    /// Changes what a buyer has or gets.
    Changes,
    /// Moves money, or cannot be taken back.
    Final,
}

/// One thing that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What, like `order ord_… status`.
    pub what: String,
    /// What it is now.
    pub from: String,
    /// What it would be.
    pub to: String,
}

/// A condition without which the operation is refused; there is no override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Its stable name, like `not_under_review`.
    pub name: String,
    /// Does it hold?
    pub holds: bool,
    /// What was seen.
    pub seen: String,
}

impl Guard {
    /// Its name as people read it.
    pub fn in_words(&self) -> String {
        self.name.replace('_', " ")
    }
}

/// What an operation would do now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What would change; empty when it is so already.
    pub changes: Vec<Change>,
    /// What must hold for it.
    pub guards: Vec<Guard>,
}

impl Plan {
    /// Adds a change, unless nothing changes.
    pub fn change(mut self, what: impl Into<String>, from: impl ToString, to: impl ToString) -> Self {
        let (from, to) = (from.to_string(), to.to_string());
        if from != to {
            self.changes.push(Change { what: what.into(), from, to });
        }
        self
    }
    /// Adds a condition.
    pub fn guard(mut self, name: &str, holds: bool, seen: impl Into<String>) -> Self {
        self.guards.push(Guard { name: name.into(), holds, seen: seen.into() });
        self
    }
    /// True when there is nothing to do.
    pub fn is_already(&self) -> bool {
        self.changes.is_empty()
    }
}

/// One thing that must be true afterwards, read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What must be so, as a sentence.
    pub must: String,
    /// Is it so?
    pub holds: bool,
    /// What was read.
    pub seen: String,
}

impl Proof {
    /// A sentence with what was read.
    pub fn new(must: impl Into<String>, holds: bool, seen: impl ToString) -> Self {
        Proof { must: must.into(), holds, seen: seen.to_string() }
    }
}

/// One thing an operator may do. Its fields are the flags, the JSON body and the form; its comments are the help, the
/// API text and the labels.
pub trait Operation:
    clap::Args + Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static
{
    /// `resource.verb`, like `orders.ship`: the command `orders ship` and the route `…/orders/{id}/ship`.
    const NAME: &'static str;
    /// The field that stands in the route's path, if one does.
    const SUBJECT: Option<&'static str>;
    /// The event type of its audit entry.
    const AUDIT: &'static str;
    /// How much can go wrong.
    const RISK: Risk;
    /// Who may do it.
    const ROLE: Role;

    /// What would change, and whether it may.
    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan>;
    /// Changes it. Runs in the transaction that has just planned.
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()>;
    /// Reads back what must now be true.
    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>>;
    /// What it was done to, for the audit log: kind and id.
    fn subject(&self) -> (&'static str, String);
    /// The order it concerns, if it concerns one.
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(None)
    }
}

/// An operation without its type: what the doors are made from.
#[derive(Clone, Copy)]
pub struct OperationDef {
    /// See [`Operation::NAME`].
    pub name: &'static str,
    /// See [`Operation::SUBJECT`].
    pub subject: Option<&'static str>,
    /// See [`Operation::AUDIT`].
    pub audit: &'static str,
    /// See [`Operation::RISK`].
    pub risk: Risk,
    /// See [`Operation::ROLE`].
    pub role: Role,
    /// Its fields as a JSON schema, with their descriptions.
    pub schema: fn() -> serde_json::Value,
    /// Adds its fields to a command.
    pub arguments: fn(clap::Command) -> clap::Command,
    /// The input that a command line gave.
    pub from_arguments: fn(&clap::ArgMatches) -> Result<serde_json::Value>,
    pub(crate) read: fn(serde_json::Value) -> Result<Box<dyn AnyOperation>>,
}

impl OperationDef {
    /// The definition of `O`.
    pub const fn of<O: Operation>() -> Self {
        OperationDef {
            name: O::NAME,
            subject: O::SUBJECT,
            audit: O::AUDIT,
            risk: O::RISK,
            role: O::ROLE,
            schema: || schema::<O>(),
            arguments: |command| O::augment_args(command),
            from_arguments: |matches| {
                let input = O::from_arg_matches(matches).map_err(|e| Error::invalid("", e.to_string()))?;
                serde_json::to_value(&input).map_err(|e| Error::Bug(Box::new(e)))
            },
            read: |asked| {
                let operation: O = input::read(asked)?;
                Ok(Box::new(operation))
            },
        }
    }

    /// What it does, in a sentence: the first line of its comment.
    pub fn about(&self) -> String {
        let schema = (self.schema)();
        let text = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
    }

    /// What it would do now with this input, in a transaction that somebody else holds; for one that is to be applied, the
    /// runner previews.
    ///
    /// # Errors
    /// When the input cannot be read, or nothing can be planned with it.
    pub fn plan(&self, input: serde_json::Value, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        (self.read)(input)?.plan(tx, cx)
    }

    /// Its resource: the word before the first dot.
    pub fn resource(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Its verb: the words after the resource.
    pub fn verbs(&self) -> Vec<&'static str> {
        self.name.split('.').skip(1).collect()
    }
}

pub(crate) fn schema<T: JsonSchema>() -> serde_json::Value {
    let mut schema = schemars::schema_for!(T).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
    }
    schema
}

/// An operation whose type was forgotten.
pub(crate) trait AnyOperation: Send + Sync {
    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan>;
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()>;
    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>>;
    fn subject(&self) -> (&'static str, String);
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>>;
    fn input(&self) -> serde_json::Value;
}

impl<O: Operation> AnyOperation for O {
    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        Operation::plan(self, tx, cx)
    }
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, by: &By) -> Result<()> {
        Operation::apply(self, tx, cx, by)
    }
    fn verify(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Vec<Proof>> {
        Operation::verify(self, tx, cx)
    }
    fn subject(&self) -> (&'static str, String) {
        Operation::subject(self)
    }
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Operation::order(self, tx)
    }
    fn input(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
