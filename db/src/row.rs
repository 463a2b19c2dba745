//! One row of an answer.

use std::sync::Arc;

use kernel::{Error, Result};

use crate::{FromValue, Value};

/// One row: cells by the names of their columns.
#[derive(Debug, Clone)]
pub struct Row {
    names: Arc<[String]>,
    cells: Vec<Value>,
}

impl Row {
    pub(crate) fn new(names: Arc<[String]>, cells: Vec<Value>) -> Self {
        Row { names, cells }
    }

    /// The cell of the column `name`, as a `T`.
    pub fn get<T: FromValue>(&self, name: &str) -> Result<T> {
        let cell = self.cell(name).ok_or_else(|| Error::bug(format!("no column `{name}` in the answer")))?;
        T::from_value(cell).map_err(|e| Error::bug(format!("column `{name}`: {e}")))
    }

    /// The first cell, as a `T`: for counts and other single answers.
    pub fn first<T: FromValue>(&self) -> Result<T> {
        T::from_value(self.cells.first().unwrap_or(&Value::Null))
    }

    /// The names of the columns, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The cells, in the order of the columns.
    pub fn cells(&self) -> &[Value] {
        &self.cells
    }

    fn cell(&self, name: &str) -> Option<&Value> {
        self.names.iter().position(|n| n == name).and_then(|at| self.cells.get(at))
    }
}
