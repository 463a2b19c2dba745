//! Courses and what they hold: plain values. This file decides what of them a buyer sees, and what is out of order.

use serde::Serialize;

use crate::ids::{LessonId, ModuleId, ResourceId};

/// Everything that a course or a download holds, as the shop keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Course {
    /// The product's id.
    pub id: String,
    /// Whether buyers see it.
    pub published: bool,
    /// Its parts, by position.
    pub modules: Vec<Module>,
    /// Files of the whole, by position.
    pub resources: Vec<Resource>,
}

/// A part of a course.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Its id.
    pub id: ModuleId,
    /// Its name in files and addresses, chosen by the shop.
    pub slug: String,
    /// Its name for buyers.
    pub title: String,
    /// Its place in the course, from 1.
    pub position: i64,
    /// Whether buyers see it.
    pub published: bool,
    /// What it consists of, by position.
    pub lessons: Vec<Lesson>,
}

/// What is watched or read at one sitting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lesson {
    /// Its id.
    pub id: LessonId,
    /// Its name in files and addresses, unique in its course.
    pub slug: String,
    /// Its name for buyers.
    pub title: String,
    /// Its place in the module, from 1.
    pub position: i64,
    /// Whether buyers see it.
    pub published: bool,
    /// The film that belongs to it, as the player's service calls it.
    pub stream_video_id: Option<String>,
    /// Its files, by position.
    pub resources: Vec<Resource>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Its id: all that a buyer sees of where it lies.
    pub id: ResourceId,
    /// Its name in files, unique in its course.
    pub slug: String,
    /// Its name for buyers.
    pub title: String,
    /// Its place among the files beside it, from 1.
    pub position: i64,
    /// Whether buyers see it.
    pub published: bool,
    /// Its name on the disk.
    pub object_key: String,
    /// Under which name a browser saves it.
    pub file_name: String,
    /// What it is.
    pub content_type: Option<String>,
    /// Its size, where it is known.
    pub bytes: Option<i64>,
}

/// What delivery needs to know of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: ResourceId,
    /// The course or download to which it belongs.
    pub product: String,
    /// Whether it, and everything around it, is published.
    pub published: bool,
    /// Its name on the disk.
    pub object_key: String,
    /// Under which name a browser saves it.
    pub file_name: String,
    /// What it is.
    pub content_type: Option<String>,
    /// Its size, where it is known.
    pub bytes: Option<i64>,
}

/// What delivery needs to know of a lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// Its id.
    pub id: LessonId,
    /// The course to which it belongs.
    pub product: String,
    /// Whether it, and everything around it, is published.
    pub published: bool,
    /// The film that belongs to it.
    pub video: Option<String>,
}

impl Course {
    /// What a buyer sees: nothing that is not published, nor what lies in it.
    pub fn seen(mut self) -> Option<Course> {
        self.modules.retain(|module| module.published);
        for module in &mut self.modules {
            module.lessons.retain(|lesson| lesson.published);
            for lesson in &mut module.lessons {
                lesson.resources.retain(|resource| resource.published);
            }
        }
        self.resources.retain(|resource| resource.published);
        Some(self).filter(|course| course.published)
    }

    /// Every lesson, in the order in which it is watched.
    pub fn lessons(&self) -> impl Iterator<Item = &Lesson> {
        self.modules.iter().flat_map(|module| &module.lessons)
    }

    /// Every file: of the lessons, then of the whole.
    pub fn files(&self) -> impl Iterator<Item = &Resource> {
        self.lessons().flat_map(|lesson| &lesson.resources).chain(&self.resources)
    }

    /// What is out of order: places that are taken twice or not at all.
    pub fn disorder(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut look = |what: String, places: Vec<i64>| {
            if !places.iter().copied().eq(1..=places.len() as i64) {
                let seen: Vec<String> = places.iter().map(i64::to_string).collect();
                wrong.push(format!("{what}: positions {}; expected 1 to {}", seen.join(", "), places.len()));
            }
        };
        look("modules".into(), self.modules.iter().map(|module| module.position).collect());
        look("files of the whole".into(), self.resources.iter().map(|file| file.position).collect());
        for module in &self.modules {
            look(
                format!("lessons of {}", module.slug),
                module.lessons.iter().map(|lesson| lesson.position).collect(),
            );
            for lesson in &module.lessons {
                look(
                    format!("files of {}", lesson.slug),
                    lesson.resources.iter().map(|file| file.position).collect(),
                );
            }
        }
        wrong
    }

    /// What is published in a way that shows buyers nothing.
    pub fn hollow(&self) -> Vec<String> {
        if !self.published {
            return Vec::new();
        }
        let mut wrong = Vec::new();
        let shown = self
            .clone()
            .seen()
            .is_some_and(|seen| seen.files().next().is_some() || seen.lessons().next().is_some());
        if !shown {
            wrong.push("it is published, and no lesson and no file of it is".to_owned());
        }
        for module in self.modules.iter().filter(|module| module.published) {
            if !module.lessons.iter().any(|lesson| lesson.published) {
                wrong.push(format!("the module {} is published, and no lesson of it is", module.slug));
            }
            for lesson in module.lessons.iter().filter(|lesson| lesson.published) {
                if lesson.stream_video_id.is_none() && !lesson.resources.iter().any(|file| file.published) {
                    wrong.push(format!(
                        "the lesson {} is published, and has neither a film nor a file",
                        lesson.slug
                    ));
                }
            }
        }
        wrong
    }
}
