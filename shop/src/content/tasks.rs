//! Bringing content in from files, and looking at whether all of it is there.

use std::ops::Deref;
use std::path::Path;

use db::TxResult;
use kernel::{Error, Result};
use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bring::{self, Change};
use super::file::Form;
use super::{ContentFile, CourseEntry, look};
use crate::given::{self, Unfit};
use crate::seam::Seam;

/// Import what courses and downloads hold from a file or a folder; what stands there already is not changed
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// The content file (.toml, .yaml or .csv), or a folder with such files; over HTTP, its content as JSON
    #[arg(value_name = "FILE", value_parser = read_path)]
    pub content: ContentFile,
    /// Only list what would be changed
    #[arg(long)]
    #[serde(default)]
    pub preview: bool,
}

fn read_path(path: &str) -> Result<ContentFile, Unfit> {
    let told = |at: &Path, error: std::io::Error| Unfit(format!("{}: {error}", at.display()));
    let path = Path::new(path);
    if !path.is_dir() {
        return read_file(path);
    }
    let entries = std::fs::read_dir(path).map_err(|error| told(path, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let at = entry.map_err(|error| told(path, error))?.path();
        if Form::of(&at.display().to_string()).is_some() {
            files.push(at);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Unfit(format!("{}: no file in it ends with .toml, .yaml, .yml or .csv", path.display())));
    }
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for at in files {
        match read_file(&at) {
            Ok(file) => read.push((at.display().to_string(), file)),
            Err(Unfit(why)) => wrong.push(why),
        }
    }
    match wrong.is_empty() {
        true => ContentFile::together(read).map_err(|error| Unfit(error.to_string())),
        false => Err(Unfit(wrong.join("\n"))),
    }
}

fn read_file(path: &Path) -> Result<ContentFile, Unfit> {
    let name = path.display().to_string();
    ContentFile::parse(&name, &given::text(path)?).map_err(|error| Unfit(error.to_string()))
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for Import {
    const NAME: &'static str = "courses.import";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["what", "from", "to"];
    const ROLE: Role = Role::Operator;
    const EFFECT: Effect = Effect::Changes(Changing {
        audit: "course_content_imported",
        risk: Risk::Changes,
        role: Role::Operator,
    });

    fn preview(self) -> Option<Self> {
        Some(Import { preview: true, ..self })
    }

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(import(on, self, progress))
    }
}

/// Nothing is brought in while anything in the file cannot be.
async fn import(seam: &Seam, task: &Import, progress: &dyn Progress) -> Result<Done> {
    task.content.check()?;
    let all = task.content.courses.clone();
    let refused = seam.db.read("courses.import.look", move |tx| {
        let each = all.iter().map(|entry| bring::refused(tx, entry));
        Ok(each.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect::<Vec<_>>())
    });
    let refused = refused.await?;
    if !refused.is_empty() {
        return Err(Error::invalid("", refused.join("\n")));
    }
    let (mut rows, mut changed) = (Vec::new(), 0_u64);
    let of = task.content.courses.len() as u64;
    for (at, entry) in (0..).zip(&task.content.courses) {
        progress.at(at, Some(of), &entry.id);
        let changes = one(seam, entry.clone(), task.preview).await?;
        changed += u64::from(!changes.is_empty());
        rows.extend(crate::view::objects("content_change", changes)?);
    }
    let mut done = Done::list(rows);
    let word = if task.preview { "would_change" } else { "changed" };
    done.answer["courses"] = json!(of);
    done.answer[word] = json!(changed);
    Ok(done)
}

async fn one(seam: &Seam, entry: CourseEntry, preview: bool) -> Result<Vec<Change>> {
    let cx = seam.cx();
    match preview {
        true => seam.db.read("courses.import.plan", move |tx| bring::plan(tx, &cx, &entry)).await,
        // Brought in twice is the same as once.
        false => {
            let bring = move |tx: &mut db::Tx<'_>| bring::bring(tx, &cx, &entry);
            seam.db.write("courses.import", bring).await.safe_to_repeat()
        }
    }
}

/// Check that what courses promise is there: order, publish flags, prices at Stripe, every film and every file
#[derive(Debug, Clone, Default, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct CheckContent {
    /// Only this course or download
    #[serde(default)]
    pub course: Option<String>,
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for CheckContent {
    const NAME: &'static str = "courses.check";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] = &["course", "cause", "subject", "text"];
    const ROLE: Role = Role::Viewer;
    const EFFECT: Effect = Effect::Looks;

    fn run<'a>(&'a self, on: &'a C, _: &'a By, progress: &'a dyn Progress) -> Running<'a> {
        Box::pin(async move {
            let (asked, faults) = look(on, self.course.as_deref(), progress).await?;
            let count = faults.len() as u64;
            let mut done = Done::list(crate::view::objects("content_fault", faults)?);
            done.answer["asked"] = json!(asked);
            Ok(done.findings(count))
        })
    }
}
