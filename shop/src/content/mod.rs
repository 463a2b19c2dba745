//! What a course or a download holds: modules, lessons, films and files, in order, each published or not. Who may have them
//! is the downloads' business; here nobody knows of orders.

mod bring;
pub mod checks;
mod course;
mod csv;
mod file;
mod look;
pub mod ops;
mod store;
pub mod tasks;
mod yaml;

pub use course::{Course, Lesson, Module, Resource, Stored, Streamed};
pub use file::{ContentFile, CourseEntry, LessonEntry, ModuleEntry, ResourceEntry};
pub use look::Fault;
pub(crate) use look::look;
pub use store::{course, lesson, published, resource};
