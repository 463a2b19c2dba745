//! Content files: what they may say, as TOML, YAML or CSV. This file decides what is wrong with them, and on which line.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use storage::Key;

use super::{csv, yaml};

/// What courses and downloads hold. What stands in a course here is all of it: what does not stand here goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContentFile {
    /// The courses and downloads
    #[serde(rename = "course", default)]
    pub courses: Vec<CourseEntry>,
}

/// One course or download as the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourseEntry {
    /// The product's id
    pub id: String,
    /// Whether buyers see it
    #[serde(default = "yes")]
    pub published: bool,
    /// Its parts, in order; a download has none
    #[serde(rename = "module", default)]
    pub modules: Vec<ModuleEntry>,
    /// Files of the whole, in order
    #[serde(rename = "resource", default)]
    pub resources: Vec<ResourceEntry>,
}

/// One module as the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleEntry {
    /// Its name in addresses, unique in its course: a-z, 0-9 and -
    pub id: String,
    /// Its name for buyers
    pub title: String,
    /// Whether buyers see it
    #[serde(default = "yes")]
    pub published: bool,
    /// Its lessons, in order
    #[serde(rename = "lesson", default)]
    pub lessons: Vec<LessonEntry>,
}

/// One lesson as the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LessonEntry {
    /// Its name in addresses, unique in its course: a-z, 0-9 and -
    pub id: String,
    /// Its name for buyers
    pub title: String,
    /// Whether buyers see it
    #[serde(default = "yes")]
    pub published: bool,
    /// The film that belongs to it, as the player's service calls it
    #[serde(default)]
    pub stream_video_id: Option<String>,
    /// Its files, in order
    #[serde(rename = "resource", default)]
    pub resources: Vec<ResourceEntry>,
}

/// One file as the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceEntry {
    /// Its name, unique in its course: a-z, 0-9 and -
    pub id: String,
    /// Its name for buyers
    pub title: String,
    /// Whether buyers see it
    #[serde(default = "yes")]
    pub published: bool,
    /// Its name on the disk, like courses/rust/notes.pdf
    pub object_key: String,
    /// Under which name a browser saves it; the last part of the object key stands in
    #[serde(default)]
    pub file_name: Option<String>,
    /// What it is, like application/pdf
    #[serde(default)]
    pub content_type: Option<String>,
    /// Its size, where it is known
    #[serde(default)]
    pub bytes: Option<i64>,
}

fn yes() -> bool {
    true
}

/// Where an entry stands: `course/0/module/1/lesson/0/resource/2`.
pub(super) type Place = String;

/// Something that is wrong: where, and what was seen and expected.
type Fault = (Place, String);

/// On which line each entry begins, as far as the text tells.
pub(super) type Lines = BTreeMap<Place, usize>;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Toml,
    Yaml,
    Csv,
}

impl Form {
    /// What the end of a file's name says.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "toml" => Some(Form::Toml),
            "yaml" | "yml" => Some(Form::Yaml),
            "csv" => Some(Form::Csv),
            _ => None,
        }
    }
}

impl ContentFile {
    /// Reads a text in the form that its name ends with, as TOML where it says nothing.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line, as far as the text tells.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let (file, lines) = match Form::of(name).unwrap_or(Form::Toml) {
            Form::Toml => from_toml(text),
            Form::Yaml => yaml::read(text),
            Form::Csv => from_csv(text),
        }
        .map_err(|why| Error::invalid("", format!("{name}: {why}")))?;
        match file.faults().as_slice() {
            [] => Ok(file),
            faults => {
                let told = faults.iter().map(|(place, why)| match line_of(&lines, place) {
                    Some(line) => format!("{name}, line {line}: {why}"),
                    None => format!("{name}, {place}: {why}"),
                });
                Err(Error::invalid("", told.collect::<Vec<_>>().join("\n")))
            }
        }
    }

    /// Several files as one.
    ///
    /// # Errors
    /// When one course stands in two of them.
    pub fn together(files: Vec<(String, ContentFile)>) -> Result<Self> {
        let mut from: BTreeMap<String, String> = BTreeMap::new();
        let mut all = ContentFile::default();
        for (name, file) in files {
            for course in file.courses {
                if let Some(other) = from.insert(course.id.clone(), name.clone()) {
                    return Err(Error::invalid("", format!("{name}: {} stands in {other} too", course.id)));
                }
                all.courses.push(course);
            }
        }
        Ok(all)
    }

    /// Says what makes no sense.
    ///
    /// # Errors
    /// The first thing that is wrong, and where it stands.
    pub fn check(&self) -> Result<()> {
        match self.faults().into_iter().next() {
            None => Ok(()),
            Some((place, why)) => Err(Error::invalid(format!("/{place}"), why)),
        }
    }

    /// Everything that makes no sense.
    fn faults(&self) -> Vec<Fault> {
        let mut look = Look::default();
        for (at, course) in self.courses.iter().enumerate() {
            let place = format!("course/{at}");
            look.id("course", "", &course.id, &place);
            for (at, module) in course.modules.iter().enumerate() {
                let place = format!("{place}/module/{at}");
                look.id("module", &course.id, &module.id, &place);
                look.title(&module.title, &place);
                for (at, lesson) in module.lessons.iter().enumerate() {
                    let place = format!("{place}/lesson/{at}");
                    look.id("lesson", &course.id, &lesson.id, &place);
                    look.title(&lesson.title, &place);
                    look.video(lesson.stream_video_id.as_deref(), &place);
                    look.resources(&course.id, &lesson.resources, &place);
                }
            }
            look.resources(&course.id, &course.resources, &place);
        }
        look.faults
    }
}

#[derive(Default)]
struct Look {
    seen: BTreeSet<(&'static str, String, String)>,
    faults: Vec<Fault>,
}

impl Look {
    fn wrong(&mut self, place: &str, why: String) {
        self.faults.push((place.to_owned(), why));
    }

    fn id(&mut self, what: &'static str, course: &str, id: &str, place: &str) {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=64).contains(&id.len()) || !id.chars().all(fine) {
            self.wrong(place, format!("the {what}'s id is `{id}`; expected a-z, 0-9 and -"));
        } else if !self.seen.insert((what, course.to_owned(), id.to_owned())) {
            self.wrong(place, format!("the {what} `{id}` stands there twice"));
        }
    }

    fn title(&mut self, title: &str, place: &str) {
        if title.trim().is_empty() || title.chars().count() > 200 {
            self.wrong(place, "the title is empty, or longer than 200 characters".into());
        }
    }

    fn video(&mut self, video: Option<&str>, place: &str) {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(video) =
            video.filter(|video| video.is_empty() || video.len() > 128 || !video.chars().all(fine))
        {
            self.wrong(place, format!("stream_video_id is `{video}`; expected letters, digits, -, _ and ."));
        }
    }

    fn resources(&mut self, course: &str, resources: &[ResourceEntry], place: &str) {
        for (at, resource) in resources.iter().enumerate() {
            let place = format!("{place}/resource/{at}");
            self.id("resource", course, &resource.id, &place);
            self.title(&resource.title, &place);
            if let Err(bad) = Key::new(&resource.object_key) {
                self.wrong(&place, format!("object_key: {bad}"));
            }
            let name = resource.saved_as();
            if name.is_empty()
                || name.len() > 200
                || name.contains(['/', '\\', '"'])
                || name.chars().any(char::is_control)
            {
                self.wrong(&place, format!("file_name is `{}`; expected a plain name", name.escape_debug()));
            }
            if let Some(kind) = resource.content_type.as_deref().filter(|kind| !is_content_type(kind)) {
                self.wrong(&place, format!("content_type is `{kind}`; expected one like application/pdf"));
            }
            if let Some(bytes) = resource.bytes.filter(|bytes| *bytes < 0) {
                self.wrong(&place, format!("{bytes} bytes; expected 0 or more"));
            }
        }
    }
}

fn is_content_type(text: &str) -> bool {
    let fine = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_'))
    };
    text.len() <= 100 && text.split_once('/').is_some_and(|(kind, rest)| fine(kind) && fine(rest))
}

impl ResourceEntry {
    /// Under which name a browser saves it.
    pub fn saved_as(&self) -> &str {
        match &self.file_name {
            Some(name) => name,
            None => self.object_key.rsplit('/').next().unwrap_or_default(),
        }
    }
}

fn line_of(lines: &Lines, place: &str) -> Option<usize> {
    let mut at = place;
    loop {
        if let Some(line) = lines.get(at) {
            return Some(*line);
        }
        // An entry that is written inside of another one is found there.
        at = at.rsplit_once('/')?.0.rsplit_once('/').map(|(outer, _)| outer)?;
    }
}

fn from_toml(text: &str) -> Result<(ContentFile, Lines), String> {
    let file: ContentFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
        line.map_or(error.to_string(), |line| format!("line {line}: {}", error.message()))
    })?;
    let (mut lines, mut counts) = (Lines::new(), BTreeMap::<Place, usize>::new());
    for (at, line) in text.lines().enumerate() {
        let header = line.trim().strip_prefix("[[").and_then(|rest| rest.split("]]").next());
        let Some(header) = header else { continue };
        let words: Vec<&str> = header.split('.').map(str::trim).collect();
        let mut place = String::new();
        for (depth, word) in words.iter().enumerate() {
            let outer = if place.is_empty() { (*word).to_owned() } else { format!("{place}/{word}") };
            let count = counts.entry(outer.clone()).or_default();
            if depth + 1 == words.len() {
                *count += 1;
            }
            place = format!("{outer}/{}", count.saturating_sub(1));
        }
        lines.insert(place, at + 1);
    }
    Ok((file, lines))
}

const COLUMNS: [&str; 13] = [
    "course",
    "module",
    "module_title",
    "lesson",
    "lesson_title",
    "stream_video_id",
    "resource",
    "resource_title",
    "object_key",
    "file_name",
    "content_type",
    "bytes",
    "published",
];

/// A line is a resource where it names one, else a lesson, else a module, else the course itself. What it lies in is made
/// when it is named first.
fn from_csv(text: &str) -> Result<(ContentFile, Lines), String> {
    let told = |(line, why): (usize, String)| format!("line {line}: {why}");
    let mut records = csv::records(text).map_err(told)?.into_iter();
    let (_, header) = records.next().ok_or("it is empty; expected a line with the names of its columns")?;
    for name in &header {
        if !COLUMNS.contains(&name.as_str()) {
            return Err(format!("line 1: the column `{name}` is unknown; expected {}", COLUMNS.join(", ")));
        }
    }
    let mut sheet = Sheet::default();
    for (line, fields) in records {
        if fields.len() != header.len() {
            return Err(format!("line {line}: {} fields; expected {}", fields.len(), header.len()));
        }
        let fields =
            header.iter().map(String::as_str).zip(fields).filter(|(_, field)| !field.is_empty()).collect();
        sheet.line(line, &fields).map_err(|why| format!("line {line}: {why}"))?;
    }
    Ok((sheet.file, sheet.lines))
}

/// One line that lies in a module, or is one.
struct Row<'a> {
    line: usize,
    fields: &'a BTreeMap<&'a str, String>,
    published: bool,
    resource: Option<ResourceEntry>,
}

#[derive(Default)]
struct Sheet {
    file: ContentFile,
    lines: Lines,
    /// On which line each course, module and lesson has its own row.
    own: Lines,
    /// What was said of each by whatever row, and on which line.
    said: BTreeMap<(Place, &'static str), (String, usize)>,
}

impl Sheet {
    fn line(&mut self, line: usize, fields: &BTreeMap<&str, String>) -> Result<(), String> {
        let text = |name: &str| fields.get(name).cloned();
        let published = match text("published").map(|word| word.to_ascii_lowercase()).as_deref() {
            None | Some("true" | "yes" | "1") => true,
            Some("false" | "no" | "0") => false,
            Some(other) => return Err(format!("published is `{other}`; expected true or false, yes or no")),
        };
        let bytes = text("bytes")
            .map(|bytes| bytes.parse().map_err(|_| format!("bytes is `{bytes}`; expected a number")));
        let bytes = bytes.transpose()?;
        let id = text("course").ok_or("the column course is empty")?;
        let resource = text("resource").map(|id| ResourceEntry {
            title: text("resource_title").unwrap_or_else(|| id.clone()),
            id,
            published,
            object_key: text("object_key").unwrap_or_default(),
            file_name: text("file_name"),
            content_type: text("content_type"),
            bytes,
        });
        let make = || CourseEntry { id: id.clone(), published: true, ..CourseEntry::default() };
        let at = found(&mut self.file.courses, |one| one.id == id, make);
        let place = format!("course/{at}");
        self.lines.entry(place.clone()).or_insert(line);
        let Some(module) = text("module") else {
            if fields.contains_key("lesson") {
                return Err("a lesson lies in a module; the column module is empty".into());
            }
            return match resource {
                Some(resource) => {
                    let there = &mut self.file.courses[at].resources;
                    self.lines.insert(format!("{place}/resource/{}", there.len()), line);
                    there.push(resource);
                    Ok(())
                }
                None => {
                    self.own_row(place, &format!("the course `{id}`"), line)?;
                    self.file.courses[at].published = published;
                    Ok(())
                }
            };
        };
        self.in_module(at, &module, Row { line, fields, published, resource })
    }

    fn in_module(&mut self, course: usize, id: &str, row: Row<'_>) -> Result<(), String> {
        let new = || ModuleEntry {
            id: id.to_owned(),
            title: id.to_owned(),
            published: true,
            ..ModuleEntry::default()
        };
        let at = found(&mut self.file.courses[course].modules, |one| one.id == id, new);
        let place = format!("course/{course}/module/{at}");
        self.lines.entry(place.clone()).or_insert(row.line);
        let title = self.told(&place, "module_title", &row)?;
        let module = &mut self.file.courses[course].modules[at];
        title.into_iter().for_each(|title| module.title = title);
        let Some(lesson) = row.fields.get("lesson") else {
            if row.resource.is_some() {
                return Err("a file lies in a lesson or in the course, not in a module".into());
            }
            module.published = row.published;
            return self.own_row(place, &format!("the module `{id}`"), row.line);
        };
        let new = || LessonEntry {
            id: lesson.clone(),
            title: lesson.clone(),
            published: true,
            ..LessonEntry::default()
        };
        let within = found(&mut module.lessons, |one| one.id == *lesson, new);
        let place = format!("{place}/lesson/{within}");
        self.lines.entry(place.clone()).or_insert(row.line);
        let title = self.told(&place, "lesson_title", &row)?;
        let film = self.told(&place, "stream_video_id", &row)?;
        let there = &mut self.file.courses[course].modules[at].lessons[within];
        title.into_iter().for_each(|title| there.title = title);
        there.stream_video_id = film.or(there.stream_video_id.take());
        match row.resource {
            Some(resource) => {
                self.lines.insert(format!("{place}/resource/{}", there.resources.len()), row.line);
                there.resources.push(resource);
                Ok(())
            }
            None => {
                there.published = row.published;
                self.own_row(place, &format!("the lesson `{lesson}`"), row.line)
            }
        }
    }

    /// What has a row of its own has one, before or behind the rows of what lies in it.
    fn own_row(&mut self, place: Place, what: &str, line: usize) -> Result<(), String> {
        if let Some(before) = self.own.insert(place.clone(), line) {
            return Err(format!("{what} stands there twice, on line {before} too"));
        }
        self.lines.insert(place, line);
        Ok(())
    }

    /// What this row is the first to say; every other one leaves it out or says the same.
    fn told(&mut self, place: &str, column: &'static str, row: &Row<'_>) -> Result<Option<String>, String> {
        let Some(text) = row.fields.get(column) else { return Ok(None) };
        match self.said.get(&(place.to_owned(), column)) {
            Some((other, before)) if other != text => {
                Err(format!("{column} is `{text}`, and `{other}` on line {before}"))
            }
            Some(_) => Ok(None),
            None => {
                self.said.insert((place.to_owned(), column), (text.clone(), row.line));
                Ok(Some(text.clone()))
            }
        }
    }
}

/// The place of the one that fits, made where there is none.
fn found<T>(all: &mut Vec<T>, fits: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    match all.iter().position(fits) {
        Some(at) => at,
        None => {
            all.push(make());
            all.len() - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
[[course]]
id = "rust"
[[course.module]]
id = "one"
title = "One"
[[course.module.lesson]]
id = "hello"
title = "Hello"
stream_video_id = "abc"
[[course.module.lesson.resource]]
id = "notes"
title = "Notes"
object_key = "rust/notes.pdf"
[[course.resource]]
id = "all"
title = "Everything"
object_key = "rust/all.zip"
file_name = "Rust.zip"
"#;

    const YAML: &str = "
course:
  - id: rust
    module:
      - id: one
        title: One
        lesson:
          - id: hello
            title: Hello
            stream_video_id: abc
            resource:
              - id: notes
                title: Notes
                object_key: rust/notes.pdf
    resource:
      - {id: all, title: Everything, object_key: rust/all.zip, file_name: Rust.zip}
";

    const CSV: &str = "course,module,module_title,lesson,lesson_title,stream_video_id,resource,resource_title,object_key,file_name
rust,one,One,hello,Hello,abc,,,,
rust,one,,hello,,,notes,Notes,rust/notes.pdf,
rust,,,,,,all,Everything,rust/all.zip,Rust.zip
";

    fn told(name: &str, text: &str) -> String {
        ContentFile::parse(name, text).unwrap_err().to_string()
    }

    #[test]
    fn a_course_is_the_same_in_every_form() {
        let toml = ContentFile::parse("a.toml", TOML).unwrap();
        for (name, text) in [("a.CSV", CSV), ("a.yaml", YAML), ("a.YML", YAML)] {
            assert_eq!(ContentFile::parse(name, text).unwrap(), toml, "{name}");
        }
        assert_eq!(toml.courses[0].modules[0].lessons[0].resources[0].saved_as(), "notes.pdf");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_all_at_once() {
        let bad = TOML
            .replace("\"all\"", "\"notes\"")
            .replace("rust/notes.pdf", "../etc/passwd")
            .replace("\"One\"", "\" \"");
        let said = told("a.toml", &bad);
        assert!(said.contains("a.toml, line 4: the title"), "{said}");
        assert!(said.contains("a.toml, line 11: object_key"), "{said}");
        assert!(said.contains("a.toml, line 15: the resource `notes` stands there twice"), "{said}");
        assert_eq!(said.lines().count(), 3, "{said}");
        assert!(told("a.toml", "[[course]]\nid = \"rust\"\nprice = 3\n").starts_with("a.toml: line 3: "));
    }

    #[test]
    fn a_table_that_is_wrong_is_named_by_its_line() {
        for (was, is, says) in [
            ("rust/notes.pdf", "/notes.pdf", "line 3: object_key"),
            (
                "rust,one,One,hello,Hello,abc,,,,",
                "rust,one,One,hello,Hello,a b,,,,",
                "line 2: stream_video_id",
            ),
            ("course,module,", "course,modul,", "line 1: the column `modul` is unknown"),
            (",hello,,,notes", ",,,,notes", "line 3: a file lies in a lesson"),
            ("rust,,,,,,all", "rust,,,hi,,,all", "line 4: a lesson lies in a module"),
            ("Rust.zip\n", "Rust.zip,x\n", "line 4: 11 fields; expected 10"),
            ("Rust.zip\n", "\"Rust.zip\n", "line 4: a quote is opened"),
        ] {
            let said = told("a.csv", &CSV.replacen(was, is, 1));
            assert!(said.contains(says), "{says}: {said}");
        }
        assert!(told("a.csv", "").contains("it is empty"));
    }

    /// Only the row of a module says that it is hidden, and it may stand anywhere.
    #[test]
    fn a_row_of_its_own_counts_wherever_it_stands_in_a_table() {
        let rows = [
            "rust,one,,hello,,,notes,,rust/notes.pdf,",
            "rust,one,One,,,,,,,false",
            "rust,one,,hello,Hello,abc,,,,FALSE",
            "rust,,,,,,,,,no",
        ];
        let header = "course,module,module_title,lesson,lesson_title,stream_video_id,resource,resource_title,object_key,published";
        let read = |rows: Vec<&str>| ContentFile::parse("a.csv", &format!("{header}\n{}\n", rows.join("\n")));
        let (forth, back) =
            (read(rows.to_vec()).unwrap(), read(rows.iter().rev().copied().collect()).unwrap());
        assert_eq!(forth, back);
        let course = &forth.courses[0];
        let (module, lesson) = (&course.modules[0], &course.modules[0].lessons[0]);
        assert_eq!((course.published, module.published, lesson.published), (false, false, false));
        assert_eq!((module.title.as_str(), lesson.title.as_str()), ("One", "Hello"));
        assert_eq!(lesson.stream_video_id.as_deref(), Some("abc"));
        assert!(lesson.resources[0].published);
        for (more, says) in [
            ("rust,one,,,,,,,,true", "line 6: the module `one` stands there twice, on line 3 too"),
            ("rust,one,,hello,,,,,,true", "line 6: the lesson `hello` stands there twice, on line 4 too"),
            ("rust,,,,,,,,,true", "line 6: the course `rust` stands there twice, on line 5 too"),
            ("rust,one,Uno,more,,,,,,", "line 6: module_title is `Uno`, and `One` on line 3"),
            ("rust,one,,hello,,def,x,,x.pdf,", "line 6: stream_video_id is `def`, and `abc` on line 4"),
        ] {
            let told = read([&rows[..], &[more]].concat()).unwrap_err().to_string();
            assert!(told.contains(says), "{says}: {told}");
        }
    }

    #[test]
    fn a_table_with_semicolons_is_the_same_table() {
        let semicolons = CSV.replace(',', ";").replace("Hello", "\"Hello, you; there\"");
        let read = ContentFile::parse("a.csv", &semicolons).unwrap();
        assert_eq!(read.courses[0].modules[0].lessons[0].title, "Hello, you; there");
        assert_eq!(read.courses[0].resources[0].saved_as(), "Rust.zip");
    }

    #[test]
    fn yaml_that_is_wrong_is_named_by_its_line() {
        for (was, is, says) in [
            ("title: One", "title: \" \"", "line 5: the title is empty"),
            ("rust/notes.pdf", "/etc/passwd", "line 12: object_key"),
            ("{id: all", "{id: notes", "line 16: the resource `notes` stands there twice"),
            ("title: Hello", "titel: Hello", "line 9: unknown field `titel`, expected one of id, title"),
            ("title: Hello", "title: [Hello]", "line 9: expected string"),
            ("title: Hello", "title:", "line 9: nothing stands there; expected a text"),
            ("Rust.zip}", "Rust.zip, bytes: many}", "line 16: expected i64"),
            (
                "title: Hello",
                "title: Hello\n            title: Again",
                "line 10: duplicate mapping key `title`",
            ),
            ("title: Hello", "title: *hello", "line 9: reference to unknown"),
            ("Rust.zip}", "Rust.zip", "line 16: unclosed bracket"),
            ("Rust.zip}", "Rust.zip}\n---\ncourse: []", "line 18: a second document begins"),
        ] {
            let said = told("a.yaml", &YAML.replacen(was, is, 1));
            assert!(said.contains(says), "{says}: {said}");
        }
        assert_eq!(ContentFile::parse("a.yaml", "# nothing yet\n").unwrap(), ContentFile::default());
    }

    #[test]
    fn one_course_stands_in_one_file() {
        let file = ContentFile::parse("a.toml", TOML).unwrap();
        let both = vec![("a.toml".to_owned(), file.clone()), ("b.toml".to_owned(), file)];
        assert!(ContentFile::together(both).unwrap_err().to_string().contains("stands in a.toml too"));
    }
}
