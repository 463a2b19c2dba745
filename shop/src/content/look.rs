//! Looks at whether what courses promise is there: in the rows, on the disk and at the player's service, outside of any
//! transaction and a few at a time.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;
use kernel::{Error, Result};
use ops::Progress;
use serde::Serialize;
use storage::{Key, StorageError};

use super::{Course, checks, store};
use crate::seam::Seam;

/// So many are asked about at once.
const AT_ONCE: usize = 8;
/// So many courses are read at once.
const PAGE: i64 = 50;

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Of which course or download.
    pub course: String,
    /// What is wrong, in one word.
    pub cause: &'static str,
    /// What was looked at: the course, a file, a film.
    pub subject: String,
    /// What was seen and what was expected.
    pub text: String,
}

impl Fault {
    pub(super) fn new(
        course: &str,
        cause: &'static str,
        subject: impl ToString,
        text: impl Into<String>,
    ) -> Self {
        Fault { course: course.to_owned(), cause, subject: subject.to_string(), text: text.into() }
    }
}

/// Everything that is not as it must be, of one course or of all.
pub(crate) async fn look(
    seam: &Seam,
    only: Option<&str>,
    progress: &dyn Progress,
) -> Result<(u64, Vec<Fault>)> {
    let (mut faults, mut done, mut after) = (Vec::new(), 0, None);
    if let Some(only) = only {
        let course = read(seam, vec![only.to_owned()]).await?;
        let course = course.into_iter().next().ok_or_else(|| Error::not_found("content of", only))?;
        faults.extend(of_course(seam, &course, &mut done, progress).await?);
    } else {
        loop {
            let from: Option<String> = after.clone();
            let ids =
                seam.db.read("courses.check", move |tx| store::after(tx, from.as_deref(), PAGE)).await?;
            let Some((last, _)) = ids.last() else { break };
            after = Some(last.clone());
            for course in read(seam, ids.into_iter().map(|(id, _)| id).collect()).await? {
                faults.extend(of_course(seam, &course, &mut done, progress).await?);
            }
        }
    }
    Ok((done, once(faults)))
}

async fn read(seam: &Seam, ids: Vec<String>) -> Result<Vec<Course>> {
    seam.db
        .read("courses.check", move |tx| {
            let mut all = Vec::new();
            for id in &ids {
                all.extend(store::course(tx, id)?);
            }
            Ok(all)
        })
        .await
}

/// What belongs to a course and lies outside.
enum Outside {
    File(super::Resource),
    Film(String),
}

async fn of_course(
    seam: &Seam,
    course: &Course,
    done: &mut u64,
    progress: &dyn Progress,
) -> Result<Vec<Fault>> {
    let id = course.id.clone();
    let unmapped = seam.db.read("courses.check", move |tx| checks::unmapped(tx, Some(&id))).await?;
    let mut faults: Vec<Fault> = unmapped;
    faults.extend(
        course.disorder().into_iter().map(|text| Fault::new(&course.id, "out_of_order", &course.id, text)),
    );
    faults.extend(course.hollow().into_iter().map(|text| Fault::new(&course.id, "hollow", &course.id, text)));
    let films = course.lessons().filter_map(|lesson| lesson.stream_video_id.clone()).map(Outside::Film);
    let all: Vec<Outside> = course.files().cloned().map(Outside::File).chain(films).collect();
    let asked = all.into_iter().map(|one| ask(seam, course.id.clone(), one));
    let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
    while let Some(fault) = asked.next().await {
        *done += 1;
        progress.at(*done, None, &course.id);
        faults.extend(fault);
    }
    faults.sort_by(|a, b| (a.cause, &a.subject, &a.text).cmp(&(b.cause, &b.subject, &b.text)));
    Ok(faults)
}

async fn ask(seam: &Seam, course: String, one: Outside) -> Option<Fault> {
    let course = course.as_str();
    match one {
        Outside::File(file) => {
            let key = match Key::new(&file.object_key) {
                Ok(key) => key,
                Err(bad) => return Some(Fault::new(course, "file_missing", file.id, bad.to_string())),
            };
            let (name, seen) = (&file.object_key, seam.disk.head(&key).await);
            let missing = |text| Some(Fault::new(course, "file_missing", file.id, text));
            match seen {
                Ok(Some(there)) => {
                    file.bytes.filter(|known| u64::try_from(*known) != Ok(there.bytes)).and_then(|known| {
                        missing(format!("{name} has {} bytes on the disk; expected {known}", there.bytes))
                    })
                }
                Ok(None) => missing(format!("{name} ({}) is not on the disk", file.slug)),
                Err(error) => Some(unknown(course, "disk", &error)),
            }
        }
        Outside::Film(film) => match seam.streams.exists(&film).await {
            Ok(true) => None,
            Ok(false) => {
                Some(Fault::new(course, "film_missing", &film, format!("the film {film} is not there")))
            }
            Err(error) => Some(unknown(course, "streams", &error)),
        },
    }
}

/// That nobody could be asked does not say that something is missing.
fn unknown(course: &str, whom: &str, error: &StorageError) -> Fault {
    Fault::new(course, "not_asked", whom, format!("the {whom} could not be asked: {error}"))
}

/// Who cannot be asked is named once, not once for each file.
fn once(faults: Vec<Fault>) -> Vec<Fault> {
    let mut silent: BTreeMap<(String, String), ()> = BTreeMap::new();
    let new = |fault: &Fault| {
        fault.cause != "not_asked" || silent.insert((fault.subject.clone(), fault.text.clone()), ()).is_none()
    };
    let mut new = new;
    faults.into_iter().filter(|fault| new(fault)).collect()
}
