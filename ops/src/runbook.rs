//! A runbook, said once: what is seen, what may have caused it, what mends each cause, and what the customer is told. The
//! command line, the API, the pages and the documents are made from it.

use serde::Serialize;

use crate::Mend;

/// The words of a document that operators worked by before, as they stand there.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quote {
    /// Which document and which part of it.
    pub from: &'static str,
    /// Its own words.
    pub text: &'static str,
}

/// A task that only looks, asked by `detect` besides the checks: what lies at Stripe and is not known here, no check of
/// the rows can see.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Look {
    /// The task's name.
    pub task: &'static str,
    /// Its input as JSON.
    pub input: &'static str,
    /// Which of its findings belong to this runbook, by their cause; all of them when there are none.
    pub causes: &'static [&'static str],
}

impl Look {
    /// Whether what it finds by this cause belongs to the runbook.
    pub fn wants(&self, cause: &str) -> bool {
        self.causes.is_empty() || self.causes.contains(&cause)
    }
}

/// What a cause needs to be known by, besides the rows here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Only the rows here.
    Rows,
    /// The buyer's whole case.
    Case,
    /// The order's objects at Stripe, as they are now.
    Stripe,
    /// Stripe's list of events.
    Events,
    /// The rows here; and the object at Stripe, where the event cannot be read.
    Unread,
    /// What courses hold, and whether their files and films are there.
    Content,
    /// What is known of the secrets.
    Secrets,
    /// What is seen around the shop, by the first of its looks. It needs no row, and so no database.
    Surroundings,
}

/// Whether a cause is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Something is wrong until it is mended.
    Broken,
    /// Nothing is wrong, or it was mended.
    Fine,
}

/// One possible cause. The list of a runbook is closed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cause {
    /// Its stable name.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub means: &'static str,
    /// Whether it is a fault.
    pub standing: Standing,
    /// The operations or tasks that may mend it, one of which is picked by facts; none where a person has to do something
    /// elsewhere, or where nothing is wrong.
    pub mend: &'static [&'static str],
    /// What the customer is told; `{order}` stands for the order's id.
    pub reply: &'static str,
}

/// Which cause it is, by facts.
#[derive(Debug, Clone)]
pub struct Picked {
    /// The cause's name; one of the runbook's list.
    pub cause: &'static str,
    /// What was seen that says so.
    pub because: String,
    /// What mends it, with its inputs as far as they are known.
    pub mend: Option<Mend>,
}

impl Picked {
    /// A cause that nothing mends here, or that is none.
    pub fn new(cause: &'static str, because: impl Into<String>) -> Self {
        Picked { cause, because: because.into(), mend: None }
    }
    /// With what mends it.
    pub fn mend(self, mend: impl Into<Option<Mend>>) -> Self {
        Picked { mend: mend.into(), ..self }
    }
}

/// What a runbook is about.
pub enum About<F: 'static> {
    /// One order, or its stock: of a buyer who has several, each is looked at.
    Order,
    /// Something else; whether the facts know such a thing. Else nothing can be said, neither good nor bad.
    Other(fn(&F) -> bool),
}

/// A runbook over facts of the form `F`.
pub struct Runbook<F: 'static> {
    /// Its stable name, like `stuck-paid-orders`.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What somebody sees who needs it.
    pub symptom: &'static str,
    /// The words that operators worked by before.
    pub seed: &'static [Quote],
    /// The promises that it keeps, like `V7`.
    pub rows: &'static [&'static str],
    /// The checks whose findings lead here. Each check leads to exactly one runbook.
    pub checks: &'static [&'static str],
    /// The alerts that lead here.
    pub alerts: &'static [&'static str],
    /// What else is looked at to find it.
    pub looks: &'static [Look],
    /// What a subject may be, in words.
    pub subject: &'static str,
    /// The same for the program.
    pub about: About<F>,
    /// What has to be read to pick the cause.
    pub reads: Reads,
    /// Everything that can be the cause.
    pub causes: &'static [Cause],
    /// Everything that is offered: what mends the causes, and what is used beside it.
    pub operations: &'static [&'static str],
    /// Picks the cause. Plain values in, plain values out.
    pub pick: fn(&F) -> Picked,
}

impl<F> Runbook<F> {
    /// The runbook with this id.
    pub fn find<'r>(all: &'r [Runbook<F>], id: &str) -> Option<&'r Runbook<F>> {
        all.iter().find(|runbook| runbook.id == id)
    }
    /// The runbook to which the findings of this check lead.
    pub fn of_check<'r>(all: &'r [Runbook<F>], check: &str) -> Option<&'r Runbook<F>> {
        all.iter().find(|runbook| runbook.checks.contains(&check))
    }
    /// The runbook to which this alert leads.
    pub fn of_alert<'r>(all: &'r [Runbook<F>], alert: &str) -> Option<&'r Runbook<F>> {
        all.iter().find(|runbook| runbook.alerts.contains(&alert))
    }
    /// The cause with this name.
    pub fn cause(&self, name: &str) -> Option<&'static Cause> {
        self.causes.iter().find(|cause| cause.name == name)
    }
    /// The command that looks for it.
    pub fn detect(&self) -> String {
        format!("makegood runbook detect {}", self.id)
    }
    /// The command that explains a subject.
    pub fn explain(&self, subject: &str) -> String {
        format!("makegood runbook explain {} {subject}", self.id)
    }
}
