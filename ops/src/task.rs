//! A task: work that talks to the world outside between its transactions, and may take long. Said once, like an operation
//! and a view: a command with progress, an API route, its description, and an entry in the audit log follow from it.

use std::future::Future;
use std::pin::Pin;

use kernel::{Error, Refusal, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::operation::schema;
use crate::{By, Risk, Role};

/// What a task may do to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only looks: a `GET`, no reason, no entry in the audit log.
    Looks,
    /// It changes things: a `POST` with a reason, and one entry in the audit log when it has ended.
    Changes(Changing),
    /// It looks, and changes things only when its input says so ([`Task::changes`]): both of them.
    Either(Changing),
}

/// What is different when a task changes things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changing {
    /// The event type of its audit entry.
    pub audit: &'static str,
    /// How much can go wrong. What is safe is not asked about.
    pub risk: Risk,
    /// Who may.
    pub role: Role,
}

impl Effect {
    /// What is different when it changes things; nothing where it only looks.
    pub fn changing(&self) -> Option<&Changing> {
        match self {
            Effect::Looks => None,
            Effect::Changes(changing) | Effect::Either(changing) => Some(changing),
        }
    }
    /// True when it can be asked without changing anything.
    pub fn may_look(&self) -> bool {
        !matches!(self, Effect::Changes(_))
    }
}

/// Where a task says how far it is. It is cheap to call: whoever watches decides how often to look.
pub trait Progress: Send + Sync {
    /// `done` of `of` pieces of work, and what it is at now, in a few words.
    fn at(&self, done: u64, of: Option<u64>, what: &str);
}

/// Nobody watches.
impl Progress for () {
    fn at(&self, _: u64, _: Option<u64>, _: &str) {}
}

/// How a task ended, when it ended well.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The answer: an object, or a list `{object, data, has_more}`. What stands beside `data` goes into the audit log.
    pub answer: Value,
    /// How many things are not as they must be, where the task looks for such things. Any of them ends the command with
    /// exit code 3.
    pub findings: Option<u64>,
}

impl Done {
    /// An object, or a list that was made elsewhere.
    pub fn new(answer: Value) -> Self {
        Done { answer, findings: None }
    }
    /// A list of all rows.
    pub fn list(rows: Vec<Value>) -> Self {
        Done::new(json!({ "object": "list", "data": rows, "has_more": false }))
    }
    /// So many things are not as they must be.
    pub fn findings(self, count: u64) -> Self {
        Done { findings: Some(count), ..self }
    }
    /// What the doors show: the answer, with the number of findings in it.
    pub fn shown(&self) -> Value {
        let mut shown = self.answer.clone();
        if let (Some(fields), Some(count)) = (shown.as_object_mut(), self.findings) {
            fields.insert(FINDINGS.to_owned(), count.into());
        }
        shown
    }
    /// The answer without its rows, for the audit log.
    pub fn summary(&self) -> Value {
        let mut summary = self.shown();
        if let Some(fields) = summary.as_object_mut() {
            fields.shift_remove("data");
        }
        summary
    }
}

/// The field in which an answer says how many findings there are.
pub const FINDINGS: &str = "findings";

/// The field of a task that applies a plan: the plan that was seen and approved.
pub const PLAN_ID: &str = "plan_id";

/// A task at work.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Done>> + Send + 'a>>;

/// One piece of work that talks to the world, on a `C` (the shop). Its fields are the flags, the query and the JSON body;
/// its comments are the help and the API text.
///
/// A run may be cut off between any two of its transactions and begun again, so it must be right at each of these points.
pub trait Task<C: 'static>:
    clap::Args + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// `events.backfill` is the command `events backfill` and the route `…/events/backfill`; one word, like `reconcile`, is
    /// the command and the route of that word. With a subject the route is `…/resource/{id}/verb`.
    const NAME: &'static str;
    /// The field that stands in the route's path, if one does.
    const SUBJECT: Option<&'static str>;
    /// What a terminal shows of a list, in this order; empty for a single object.
    const COLUMNS: &'static [&'static str];
    /// Who may look. Who may change stands in [`Changing`].
    const ROLE: Role;
    /// What it may do to the shop.
    const EFFECT: Effect;

    /// Whether it changes anything with this input. Asked only where it can do either.
    fn changes(&self) -> bool {
        false
    }
    /// The same without changing anything, for `--dry-run`; `None` where nobody can say beforehand.
    fn preview(self) -> Option<Self> {
        None
    }
    /// Does it. `by` is who asked, for the audit entries of what it does.
    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a>;
}

/// A task without its type: what the doors are made from.
pub struct TaskDef<C: 'static> {
    /// See [`Task::NAME`].
    pub name: &'static str,
    /// See [`Task::SUBJECT`].
    pub subject: Option<&'static str>,
    /// See [`Task::COLUMNS`].
    pub columns: &'static [&'static str],
    /// See [`Task::ROLE`].
    pub role: Role,
    /// See [`Task::EFFECT`].
    pub effect: Effect,
    /// Its fields as a JSON schema, with their descriptions.
    pub schema: fn() -> Value,
    /// Adds its fields to a command.
    pub arguments: fn(clap::Command) -> clap::Command,
    /// The input that a command line gave.
    pub from_arguments: fn(&clap::ArgMatches) -> Result<Value>,
    read: fn(Value) -> Result<Box<dyn AnyTask<C>>>,
}

impl<C> Clone for TaskDef<C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C> Copy for TaskDef<C> {}

impl<C: Send + Sync + 'static> TaskDef<C> {
    /// The definition of `T`.
    pub const fn of<T: Task<C>>() -> Self {
        TaskDef {
            name: T::NAME,
            subject: T::SUBJECT,
            columns: T::COLUMNS,
            role: T::ROLE,
            effect: T::EFFECT,
            schema: || schema::<T>(),
            arguments: |command| T::augment_args(command),
            from_arguments: |matches| {
                let input = T::from_arg_matches(matches).map_err(|e| Error::invalid("", e.to_string()))?;
                serde_json::to_value(&input).map_err(|e| Error::Bug(Box::new(e)))
            },
            read: |input| {
                let task: T = crate::input::read(input)?;
                Ok(Box::new(task))
            },
        }
    }

    /// What it does, in a sentence: the first line of its comment.
    pub fn about(&self) -> String {
        let schema = (self.schema)();
        let text = schema.get("description").and_then(|d| d.as_str()).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
    }

    /// Its resource: the word before the first dot.
    pub fn resource(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Its verb: the words after the resource; none for a task of one word.
    pub fn verbs(&self) -> Vec<&'static str> {
        self.name.split('.').skip(1).collect()
    }

    /// Whether it is told which plan was approved: by its field [`PLAN_ID`], which no flag fills.
    pub fn has_plan(&self) -> bool {
        !(self.schema)()["properties"][PLAN_ID].is_null()
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Invalid when the input is not its fields.
    pub fn read(&self, input: Value) -> Result<Asked<C>> {
        let task = (self.read)(input)?;
        let changing = match self.effect {
            Effect::Looks => None,
            Effect::Changes(changing) => Some(changing),
            Effect::Either(changing) => Some(changing).filter(|_| task.changes()),
        };
        Ok(Asked { name: self.name, role: self.role, changing, task })
    }

    /// What is asked for, only looking.
    ///
    /// # Errors
    /// Invalid as [`TaskDef::read`]; refused as `no_preview` where nobody can say beforehand what would change.
    pub fn preview(&self, input: Value) -> Result<Asked<C>> {
        let asked = self.read(input)?;
        if asked.changing.is_none() {
            return Ok(asked);
        }
        let Some(task) = asked.task.preview() else {
            return Err(Refusal::new(
                "no_preview",
                format!("what {} would change cannot be said beforehand", self.name),
            )
            .fix("leave out --dry-run (\"dry_run\" in a request)")
            .into());
        };
        Ok(Asked { task, changing: None, ..asked })
    }
}

/// A task with its input, ready to be run.
pub struct Asked<C: 'static> {
    /// Which task.
    pub name: &'static str,
    /// What is different because it changes things; `None` when it only looks.
    pub changing: Option<Changing>,
    role: Role,
    task: Box<dyn AnyTask<C>>,
}

impl<C: Send + Sync + 'static> Asked<C> {
    /// Its input.
    pub fn input(&self) -> Value {
        self.task.input()
    }

    /// Refuses when the role does not reach, or when something would change and nobody says why.
    ///
    /// # Errors
    /// Refused as `forbidden` or `reason_required`.
    pub fn permit(&self, by: &By) -> Result<()> {
        let Some(changing) = &self.changing else { return by.must_be(self.role, self.name) };
        by.must_be(changing.role, self.name)?;
        by.must_say_why(self.name)
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`Asked::permit`]; otherwise whatever the task itself says.
    pub async fn run(&self, on: &C, by: &By, progress: &dyn Progress) -> Result<Done> {
        self.permit(by)?;
        self.task.run(on, by, progress).await
    }
}

/// A task whose type was forgotten.
trait AnyTask<C>: Send + Sync {
    fn changes(&self) -> bool;
    fn preview(self: Box<Self>) -> Option<Box<dyn AnyTask<C>>>;
    fn input(&self) -> Value;
    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a>;
}

impl<C: Send + Sync + 'static, T: Task<C>> AnyTask<C> for T {
    fn changes(&self) -> bool {
        Task::changes(self)
    }
    fn preview(self: Box<Self>) -> Option<Box<dyn AnyTask<C>>> {
        Task::preview(*self).map(|task| Box::new(task) as Box<dyn AnyTask<C>>)
    }
    fn input(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
    fn run<'a>(&'a self, on: &'a C, by: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Task::run(self, on, by, progress)
    }
}
