//! All SQL on `course_contents`, `course_modules`, `course_lessons` and `course_resources`.

use std::collections::BTreeMap;

use db::{Row, Tx, Value};
use kernel::{Cx, Result};
use uuid::Uuid;

use super::{Course, Lesson, Module, Resource, Stored, Streamed};
use crate::ids::{LessonId, ResourceId};

const RESOURCE: &str =
    "id, slug, title, position, published, object_key, file_name, content_type, bytes, lesson_id";

/// Everything that a course or a download holds.
///
/// # Errors
/// Whatever the database says.
pub fn course(tx: &mut Tx<'_>, product: &str) -> Result<Option<Course>> {
    let head = "SELECT published FROM course_contents WHERE product_id = $1";
    let Some(head) = tx.query_opt(head, &[product.into()])? else { return Ok(None) };
    let (mut of_lessons, resources) = files(tx, product)?;
    let mut lessons: BTreeMap<Uuid, Vec<Lesson>> = BTreeMap::new();
    let rows = tx.query(
        "SELECT id, module_id, slug, title, position, published, stream_video_id FROM course_lessons
         WHERE product_id = $1 ORDER BY position, id",
        &[product.into()],
    )?;
    for row in &rows {
        let id: LessonId = row.get("id")?;
        lessons.entry(row.get("module_id")?).or_default().push(Lesson {
            id,
            slug: row.get("slug")?,
            title: row.get("title")?,
            position: row.get("position")?,
            published: row.get("published")?,
            stream_video_id: row.get("stream_video_id")?,
            resources: of_lessons.remove(&id.uuid()).unwrap_or_default(),
        });
    }
    let rows = tx.query(
        "SELECT id, slug, title, position, published FROM course_modules WHERE product_id = $1
         ORDER BY position, id",
        &[product.into()],
    )?;
    let module = |row: &Row| {
        let id: crate::ids::ModuleId = row.get("id")?;
        Ok(Module {
            id,
            slug: row.get("slug")?,
            title: row.get("title")?,
            position: row.get("position")?,
            published: row.get("published")?,
            lessons: lessons.remove(&id.uuid()).unwrap_or_default(),
        })
    };
    let modules = rows.iter().map(module).collect::<Result<_>>()?;
    Ok(Some(Course { id: product.to_owned(), published: head.get("published")?, modules, resources }))
}

type Files = (BTreeMap<Uuid, Vec<Resource>>, Vec<Resource>);

/// Of lessons, and of the whole.
fn files(tx: &mut Tx<'_>, product: &str) -> Result<Files> {
    let sql = format!("SELECT {RESOURCE} FROM course_resources WHERE product_id = $1 ORDER BY position, id");
    let (mut of_lessons, mut of_whole): Files = Default::default();
    for row in tx.query(&sql, &[product.into()])? {
        let file = Resource {
            id: row.get("id")?,
            slug: row.get("slug")?,
            title: row.get("title")?,
            position: row.get("position")?,
            published: row.get("published")?,
            object_key: row.get("object_key")?,
            file_name: row.get("file_name")?,
            content_type: row.get("content_type")?,
            bytes: row.get("bytes")?,
        };
        match row.get::<Option<Uuid>>("lesson_id")? {
            Some(lesson) => of_lessons.entry(lesson).or_default().push(file),
            None => of_whole.push(file),
        }
    }
    Ok((of_lessons, of_whole))
}

/// The ids of all courses and downloads that have content, after this one, at most so many.
pub(super) fn after(tx: &mut Tx<'_>, after: Option<&str>, limit: i64) -> Result<Vec<(String, bool)>> {
    let rows = tx.query(
        "SELECT product_id, published FROM course_contents WHERE product_id > $1 ORDER BY product_id LIMIT $2",
        &[after.unwrap_or_default().into(), limit.into()],
    )?;
    rows.iter().map(|row| Ok((row.get("product_id")?, row.get("published")?))).collect()
}

/// Those of these products that have published content.
///
/// # Errors
/// Whatever the database says.
pub fn published(tx: &mut Tx<'_>, products: &[String]) -> Result<Vec<String>> {
    let among = tx.dialect().any("product_id", 1);
    let sql =
        format!("SELECT product_id FROM course_contents WHERE {among} AND published ORDER BY product_id");
    tx.query(&sql, &[Value::array(products.iter())])?.iter().map(Row::first).collect()
}

/// A file, as delivery needs it.
///
/// # Errors
/// Whatever the database says.
pub fn resource(tx: &mut Tx<'_>, id: ResourceId) -> Result<Option<Stored>> {
    let row = tx.query_opt(
        "SELECT r.product_id, r.object_key, r.file_name, r.content_type, r.bytes, r.published,
           c.published AS course_published, COALESCE(l.published, true) AS lesson_published,
           COALESCE(m.published, true) AS module_published
         FROM course_resources r JOIN course_contents c ON c.product_id = r.product_id
         LEFT JOIN course_lessons l ON l.id = r.lesson_id LEFT JOIN course_modules m ON m.id = l.module_id
         WHERE r.id = $1",
        &[id.into()],
    )?;
    let read = |row: Row| {
        Ok(Stored {
            id,
            product: row.get("product_id")?,
            published: is_published(&row)? && row.get::<bool>("lesson_published")?,
            object_key: row.get("object_key")?,
            file_name: row.get("file_name")?,
            content_type: row.get("content_type")?,
            bytes: row.get("bytes")?,
        })
    };
    row.map(read).transpose()
}

/// A lesson, as delivery needs it.
///
/// # Errors
/// Whatever the database says.
pub fn lesson(tx: &mut Tx<'_>, id: LessonId) -> Result<Option<Streamed>> {
    let row = tx.query_opt(
        "SELECT l.product_id, l.stream_video_id, l.published, m.published AS module_published,
           c.published AS course_published
         FROM course_lessons l JOIN course_modules m ON m.id = l.module_id
         JOIN course_contents c ON c.product_id = l.product_id WHERE l.id = $1",
        &[id.into()],
    )?;
    let read = |row: Row| {
        Ok(Streamed {
            id,
            product: row.get("product_id")?,
            published: is_published(&row)?,
            video: row.get("stream_video_id")?,
        })
    };
    row.map(read).transpose()
}

fn is_published(row: &Row) -> Result<bool> {
    Ok(row.get("published")? && row.get("module_published")? && row.get("course_published")?)
}

/// Publishes a course or a download as a whole, or takes it back. Says whether there is one.
pub(super) fn set_published(tx: &mut Tx<'_>, cx: &Cx, product: &str, published: bool) -> Result<bool> {
    let touched = tx.execute(
        "UPDATE course_contents SET published = $1, updated_at = $2 WHERE product_id = $3",
        &[published.into(), cx.now.into(), product.into()],
    )?;
    Ok(touched == 1)
}

/// Writes a course as it is to be, and takes away what it no longer holds. Ids of what stays are kept in `wanted`.
pub(super) fn save(tx: &mut Tx<'_>, cx: &Cx, wanted: &Course) -> Result<()> {
    let product = wanted.id.clone();
    tx.execute(
        "INSERT INTO course_contents (product_id, published, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (product_id) DO UPDATE SET published = $2, updated_at = $3",
        &[product.clone().into(), wanted.published.into(), cx.now.into()],
    )?;
    let modules = wanted.modules.iter().map(|module| {
        vec![
            module.id.into(),
            product.clone().into(),
            module.slug.clone().into(),
            module.title.clone().into(),
            module.position.into(),
            module.published.into(),
            cx.now.into(),
        ]
    });
    tx.insert_many(
        "INSERT INTO course_modules (id, product_id, slug, title, position, published, updated_at)",
        "ON CONFLICT (id) DO UPDATE SET title = excluded.title, position = excluded.position,
           published = excluded.published, updated_at = excluded.updated_at",
        &modules.collect::<Vec<_>>(),
    )?;
    let lessons =
        wanted.modules.iter().flat_map(|module| module.lessons.iter().map(move |one| (module.id, one)));
    let lessons = lessons.map(|(module, lesson)| {
        vec![
            lesson.id.into(),
            product.clone().into(),
            module.into(),
            lesson.slug.clone().into(),
            lesson.title.clone().into(),
            lesson.position.into(),
            lesson.published.into(),
            lesson.stream_video_id.clone().into(),
            cx.now.into(),
        ]
    });
    tx.insert_many(
        "INSERT INTO course_lessons
         (id, product_id, module_id, slug, title, position, published, stream_video_id, updated_at)",
        "ON CONFLICT (id) DO UPDATE SET module_id = excluded.module_id, title = excluded.title,
           position = excluded.position, published = excluded.published,
           stream_video_id = excluded.stream_video_id, updated_at = excluded.updated_at",
        &lessons.collect::<Vec<_>>(),
    )?;
    save_files(tx, cx, wanted)?;
    forget_the_rest(tx, wanted)
}

fn save_files(tx: &mut Tx<'_>, cx: &Cx, wanted: &Course) -> Result<()> {
    let of_lessons =
        wanted.lessons().flat_map(|lesson| lesson.resources.iter().map(|file| (Some(lesson.id), file)));
    let all = of_lessons.chain(wanted.resources.iter().map(|file| (None, file)));
    let rows = all.map(|(lesson, file)| {
        vec![
            file.id.into(),
            wanted.id.clone().into(),
            lesson.into(),
            file.slug.clone().into(),
            file.title.clone().into(),
            file.position.into(),
            file.published.into(),
            file.object_key.clone().into(),
            file.file_name.clone().into(),
            file.content_type.clone().into(),
            file.bytes.into(),
            cx.now.into(),
        ]
    });
    tx.insert_many(
        "INSERT INTO course_resources (id, product_id, lesson_id, slug, title, position, published, object_key,
         file_name, content_type, bytes, updated_at)",
        "ON CONFLICT (id) DO UPDATE SET lesson_id = excluded.lesson_id, title = excluded.title,
           position = excluded.position, published = excluded.published, object_key = excluded.object_key,
           file_name = excluded.file_name, content_type = excluded.content_type, bytes = excluded.bytes,
           updated_at = excluded.updated_at",
        &rows.collect::<Vec<_>>(),
    )?;
    Ok(())
}

/// Files first, then lessons, then modules: each refers to the next.
fn forget_the_rest(tx: &mut Tx<'_>, wanted: &Course) -> Result<()> {
    let kept = [
        ("course_resources", wanted.files().map(|file| file.id.uuid()).collect::<Vec<_>>()),
        ("course_lessons", wanted.lessons().map(|lesson| lesson.id.uuid()).collect()),
        ("course_modules", wanted.modules.iter().map(|module| module.id.uuid()).collect()),
    ];
    for (table, kept) in kept {
        let rows =
            tx.query(&format!("SELECT id FROM {table} WHERE product_id = $1"), &[wanted.id.clone().into()])?;
        let known: Vec<Uuid> = rows.iter().map(Row::first).collect::<Result<_>>()?;
        let gone = known.into_iter().filter(|id| !kept.contains(id)).map(|id| vec![id.into()]);
        tx.execute_many(&format!("DELETE FROM {table} WHERE id = $1"), &gone.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Courses in which a place is taken twice, or not at all.
pub(super) fn out_of_order(tx: &mut Tx<'_>, most: i64) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT product_id FROM course_modules GROUP BY product_id
           HAVING MIN(position) <> 1 OR MAX(position) <> COUNT(*) OR COUNT(DISTINCT position) <> COUNT(*)
         UNION SELECT product_id FROM course_lessons GROUP BY product_id, module_id
           HAVING MIN(position) <> 1 OR MAX(position) <> COUNT(*) OR COUNT(DISTINCT position) <> COUNT(*)
         UNION SELECT product_id FROM course_resources GROUP BY product_id, lesson_id
           HAVING MIN(position) <> 1 OR MAX(position) <> COUNT(*) OR COUNT(DISTINCT position) <> COUNT(*)
         ORDER BY product_id LIMIT $1",
        &[most.into()],
    )?;
    rows.iter().map(Row::first).collect()
}

/// Published courses in which something published shows nothing.
pub(super) fn hollow(tx: &mut Tx<'_>, most: i64) -> Result<Vec<String>> {
    let rows = tx.query(
        "SELECT c.product_id FROM course_contents c WHERE c.published
           AND NOT EXISTS (SELECT 1 FROM course_lessons l JOIN course_modules m ON m.id = l.module_id
             WHERE l.product_id = c.product_id AND l.published AND m.published)
           AND NOT EXISTS (SELECT 1 FROM course_resources r
             WHERE r.product_id = c.product_id AND r.published AND r.lesson_id IS NULL)
         UNION SELECT c.product_id FROM course_contents c JOIN course_modules m ON m.product_id = c.product_id
         WHERE c.published AND m.published
           AND NOT EXISTS (SELECT 1 FROM course_lessons l WHERE l.module_id = m.id AND l.published)
         UNION SELECT c.product_id FROM course_contents c JOIN course_lessons l ON l.product_id = c.product_id
         JOIN course_modules m ON m.id = l.module_id
         WHERE c.published AND m.published AND l.published AND l.stream_video_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM course_resources r WHERE r.lesson_id = l.id AND r.published)
         ORDER BY product_id LIMIT $1",
        &[most.into()],
    )?;
    rows.iter().map(Row::first).collect()
}

/// A file lies under this name from now on; what was known of its size is known no more.
pub(super) fn relocate(tx: &mut Tx<'_>, cx: &Cx, id: ResourceId, object_key: &str) -> Result<()> {
    tx.execute(
        "UPDATE course_resources SET object_key = $1, bytes = NULL, updated_at = $2 WHERE id = $3",
        &[object_key.into(), cx.now.into(), id.into()],
    )?;
    Ok(())
}
