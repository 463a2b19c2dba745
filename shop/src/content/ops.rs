//! What operators may do with content in one step, and read of it.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Course, store};
use crate::ids::{ResourceId, resource_schema};

macro_rules! published {
    ($($(#[$doc:meta])* $name:ident $operation:literal $audit:literal $published:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// Which: the product's id
            pub course: String,
        }

        impl Operation for $name {
            const NAME: &'static str = $operation;
            const SUBJECT: Option<&'static str> = Some("course");
            const AUDIT: &'static str = $audit;
            const RISK: Risk = Risk::Changes;
            const ROLE: Role = Role::Operator;

            fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
                plan(tx, &self.course, $published)
            }
            fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
                match store::set_published(tx, cx, &self.course, $published)? {
                    true => Ok(()),
                    false => Err(Error::not_found("content of", &self.course)),
                }
            }
            fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
                let course = found(tx, &self.course)?;
                let must = format!("{} is {}", self.course, word($published));
                Ok(vec![Proof::new(must, course.published == $published, word(course.published))])
            }
            fn subject(&self) -> (&'static str, String) {
                ("product", self.course.clone())
            }
        }
    )*};
}

published! {
    /// Let buyers see a course or a download, with everything in it that is published
    Publish "courses.publish" "course_published" true;
    /// Take a course or a download out of sight; also for those who have bought it
    Unpublish "courses.unpublish" "course_unpublished" false;
}

/// Say under which name a file lies on the disk, where it lies under another one
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Relocate {
    /// Which file: the resource's id
    #[schemars(schema_with = "resource_schema")]
    pub resource: ResourceId,
    /// Its name on the disk, like courses/rust/notes.pdf
    #[arg(long)]
    pub object_key: String,
}

impl Operation for Relocate {
    const NAME: &'static str = "resources.relocate";
    const SUBJECT: Option<&'static str> = Some("resource");
    const AUDIT: &'static str = "resource_relocated";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Operator;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        storage::Key::new(&self.object_key).map_err(|bad| Error::invalid("object_key", bad.to_string()))?;
        let known = store::resource(tx, self.resource)?;
        let known = known.ok_or_else(|| Error::not_found("resource", self.resource))?;
        Ok(Plan::default().change(format!("file {}", self.resource), known.object_key, &self.object_key))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        store::relocate(tx, cx, self.resource, &self.object_key)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let key = store::resource(tx, self.resource)?.map(|file| file.object_key).unwrap_or_default();
        Ok(vec![Proof::new("the file is looked for there", key == self.object_key, key)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("resource", self.resource.to_string())
    }
}

fn word(published: bool) -> &'static str {
    if published { "published" } else { "not published" }
}

fn found(tx: &mut Tx<'_>, id: &str) -> Result<Course> {
    store::course(tx, id)?.ok_or_else(|| Error::not_found("content of", id))
}

fn plan(tx: &mut Tx<'_>, id: &str, published: bool) -> Result<Plan> {
    let course = found(tx, id)?;
    let hollow = Course { published: true, ..course.clone() }.hollow();
    let seen = if hollow.is_empty() { "something".to_owned() } else { hollow.join("; ") };
    let plan = match published {
        true => Plan::default().guard("shows_something", hollow.is_empty(), seen),
        false => Plan::default(),
    };
    Ok(plan.change(format!("content of {id}"), word(course.published), word(published)))
}

/// List courses and downloads that have content
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "courses.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["id", "published", "modules", "lessons", "files"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let is_there = |tx: &mut Tx<'_>, id: &str| Ok(store::course(tx, id)?.is_some());
        let after = crate::view::after_text(&self.page, "content of", |id| is_there(tx, id))?;
        let mut rows = Vec::new();
        for (id, _) in store::after(tx, after, self.page.fetch())? {
            let course = found(tx, &id)?;
            rows.push(serde_json::json!({
                "object": "course", "id": id, "published": course.published, "modules": course.modules.len(),
                "lessons": course.lessons().count(), "files": course.files().count(),
            }));
        }
        Ok(page("/api/v1/admin/courses", &self.page, rows))
    }
}

/// Show everything that a course or a download holds
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Which: the product's id
    pub course: String,
}

impl View for Show {
    const NAME: &'static str = "courses.show";
    const SUBJECT: Option<&'static str> = Some("course");
    const COLUMNS: &'static [&'static str] = &[];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        crate::view::object("course", &found(tx, &self.course)?)
    }
}
