//! Lists with the newest first, whose ids ascend with time.

/// How such a list is ordered and where its next page begins.
///
/// Unfiltered it is read from the right end of the primary key. The index of a filter is by time, or leads to a few rows: if
/// those were ordered by id, the planner might read the whole table from its newest row on until enough of them fit.
#[derive(Debug, Clone, Copy)]
pub struct NewestFirst {
    /// The table.
    pub table: &'static str,
    /// Its column that says when a row was made.
    pub made_at: &'static str,
    /// Whether only some of its rows are listed.
    pub filtered: bool,
}

impl NewestFirst {
    /// What stands behind `ORDER BY`.
    pub fn order(self) -> String {
        match self.filtered {
            true => format!("{} DESC, id DESC", self.made_at),
            false => "id DESC".to_owned(),
        }
    }

    /// The condition for what comes after the row whose id is `$parameter`.
    pub fn after(self, parameter: usize) -> String {
        let NewestFirst { table, made_at, filtered } = self;
        match filtered {
            true => format!(
                "({made_at}, id) < ((SELECT {made_at} FROM {table} WHERE id = ${parameter}), ${parameter})"
            ),
            false => format!("id < ${parameter}"),
        }
    }
}
