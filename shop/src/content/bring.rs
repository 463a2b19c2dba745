//! Brings what a file says of a course into the shop: what would change, then all of one course in one transaction.

use std::collections::BTreeMap;

use db::Tx;
use kernel::{Cx, Error, Result};
use serde::Serialize;

use super::{Course, CourseEntry, Lesson, Module, Resource, ResourceEntry, store};
use crate::catalog::{self, ProductKind};

/// One thing that is, or would be, different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// Which thing.
    pub(super) what: String,
    /// How it was.
    pub(super) from: String,
    /// How it is to be.
    pub(super) to: String,
}

/// What is wrong with a course of the file, seen beside the catalog; nothing where it can be brought in.
pub(super) fn refused(tx: &mut Tx<'_>, entry: &CourseEntry) -> Result<Option<String>> {
    let product = catalog::find(tx, &entry.id)?;
    Ok(match product.map(|product| product.kind) {
        None => Some(format!("no product is called {}; import the catalog first", entry.id)),
        Some(ProductKind::Physical) => Some(format!("{} is a physical product and holds nothing", entry.id)),
        Some(ProductKind::Download) if !entry.modules.is_empty() => {
            Some(format!("{} is a download: it has files and no modules", entry.id))
        }
        Some(ProductKind::Course | ProductKind::Download) => None,
    })
}

/// What would change.
pub(super) fn plan(tx: &mut Tx<'_>, cx: &Cx, entry: &CourseEntry) -> Result<Vec<Change>> {
    let known = store::course(tx, &entry.id)?;
    Ok(changes(known.as_ref(), &wanted(cx, known.as_ref(), entry)))
}

/// Makes it so; says what was changed.
pub(super) fn bring(tx: &mut Tx<'_>, cx: &Cx, entry: &CourseEntry) -> Result<Vec<Change>> {
    if let Some(why) = refused(tx, entry)? {
        return Err(Error::invalid("", why));
    }
    let known = store::course(tx, &entry.id)?;
    let wanted = wanted(cx, known.as_ref(), entry);
    let changes = changes(known.as_ref(), &wanted);
    if !changes.is_empty() {
        store::save(tx, cx, &wanted)?;
        let read = store::course(tx, &entry.id)?;
        if read.as_ref() != Some(&wanted) {
            return Err(Error::bug(format!("{} is not as it was written", entry.id)));
        }
    }
    Ok(changes)
}

/// What the file says, with the ids of what is there already.
fn wanted(cx: &Cx, known: Option<&Course>, entry: &CourseEntry) -> Course {
    let mut ids = BTreeMap::new();
    let modules: BTreeMap<&str, _> =
        known.iter().flat_map(|course| &course.modules).map(|one| (one.slug.as_str(), one.id)).collect();
    let lessons: BTreeMap<&str, _> =
        known.iter().flat_map(|course| course.lessons()).map(|one| (one.slug.as_str(), one.id)).collect();
    ids.extend(known.iter().flat_map(|course| course.files()).map(|one| (one.slug.as_str(), one.id)));
    let files = |all: &[ResourceEntry]| -> Vec<Resource> {
        let file = |(position, one): (i64, &ResourceEntry)| Resource {
            id: ids.get(one.id.as_str()).copied().unwrap_or_else(|| cx.id()),
            slug: one.id.clone(),
            title: one.title.clone(),
            position,
            published: one.published,
            object_key: one.object_key.clone(),
            file_name: one.saved_as().to_owned(),
            content_type: one.content_type.clone(),
            bytes: one.bytes,
        };
        (1..).zip(all).map(file).collect()
    };
    let module = |(position, one): (i64, &super::ModuleEntry)| {
        let lesson = |(position, one): (i64, &super::LessonEntry)| Lesson {
            id: lessons.get(one.id.as_str()).copied().unwrap_or_else(|| cx.id()),
            slug: one.id.clone(),
            title: one.title.clone(),
            position,
            published: one.published,
            stream_video_id: one.stream_video_id.clone(),
            resources: files(&one.resources),
        };
        Module {
            id: modules.get(one.id.as_str()).copied().unwrap_or_else(|| cx.id()),
            slug: one.id.clone(),
            title: one.title.clone(),
            position,
            published: one.published,
            lessons: (1..).zip(&one.lessons).map(lesson).collect(),
        }
    };
    Course {
        id: entry.id.clone(),
        published: entry.published,
        modules: (1..).zip(&entry.modules).map(module).collect(),
        resources: files(&entry.resources),
    }
}

fn changes(known: Option<&Course>, wanted: &Course) -> Vec<Change> {
    let (before, after) = (known.map(in_words).unwrap_or_default(), in_words(wanted));
    let none = || "none".to_owned();
    let gone = before.iter().filter(|(what, _)| !after.iter().any(|(other, _)| other == what));
    let gone = gone.map(|(what, from)| Change { what: what.clone(), from: from.clone(), to: none() });
    let gone: Vec<Change> = gone.collect();
    let before: BTreeMap<&str, &str> =
        before.iter().map(|(what, how)| (what.as_str(), how.as_str())).collect();
    let new = after.into_iter().filter_map(|(what, to)| {
        let from = before.get(what.as_str()).map_or_else(none, |from| (*from).to_owned());
        (from != to).then_some(Change { what, from, to })
    });
    new.chain(gone).collect()
}

/// Each thing and how it is, in the order in which it stands there.
fn in_words(course: &Course) -> Vec<(String, String)> {
    let id = &course.id;
    let shown = |published: bool| if published { "" } else { ", not published" };
    let files = |within: &str, files: &[Resource]| {
        let line = |file: &Resource| {
            let kind = file.content_type.as_ref().map_or(String::new(), |kind| format!(", {kind}"));
            let bytes = file.bytes.map_or(String::new(), |bytes| format!(", {bytes} bytes"));
            let text = format!(
                "{} in {within}: {}, {} as {}{kind}{bytes}{}",
                file.position,
                file.title,
                file.object_key,
                file.file_name,
                shown(file.published)
            );
            (format!("file {id}/{}", file.slug), text)
        };
        files.iter().map(line).collect::<Vec<_>>()
    };
    let published = if course.published { "published" } else { "not published" };
    let mut all = vec![(format!("content of {id}"), published.to_owned())];
    for module in &course.modules {
        let text = format!("{}: {}{}", module.position, module.title, shown(module.published));
        all.push((format!("module {id}/{}", module.slug), text));
        for lesson in &module.lessons {
            let film = lesson.stream_video_id.as_ref().map_or(String::new(), |film| format!(", film {film}"));
            let (position, title, flag) = (lesson.position, &lesson.title, shown(lesson.published));
            let text = format!("{position} in {}: {title}{film}{flag}", module.slug);
            all.push((format!("lesson {id}/{}", lesson.slug), text));
            all.extend(files(&lesson.slug, &lesson.resources));
        }
    }
    all.extend(files("the whole", &course.resources));
    all
}
