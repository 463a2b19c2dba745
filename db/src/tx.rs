//! One open transaction: statements in, rows out.

use std::collections::BTreeSet;

use kernel::{Error, Result};

use crate::error::failure;
use crate::postgres::PostgresTx;
use crate::sqlite::SqliteTx;
use crate::{DbFailure, Dialect, Row, Value};

/// Whether a transaction may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// Changes the schema: may take long.
    Migrate,
}

/// One open transaction. Rooms take `&mut Tx` and never see which engine it is, save through
/// [`Tx::dialect`] for the few named differences.
pub struct Tx<'a> {
    side: Side<'a>,
    wakes: BTreeSet<&'static str>,
    broken: Option<String>,
    setback: Option<Setback>,
    /// How many statements may still follow, if that was said.
    left: Option<u32>,
    /// What was asked, where somebody wants to know.
    asked: Option<Vec<(String, Vec<Value>)>>,
}

/// What makes another attempt worth while, whatever the closure made of it.
pub(crate) struct Setback {
    pub(crate) why: String,
    /// The connection is of no use any more.
    pub(crate) lost: bool,
}

pub(crate) enum Side<'a> {
    Sqlite(SqliteTx<'a>),
    Postgres(PostgresTx<'a>),
}

/// What an INSERT of many rows did.
#[derive(Debug, Default)]
pub struct Inserted {
    /// How many rows are new.
    pub count: u64,
    /// What `RETURNING` gave, if the tail had one.
    pub rows: Vec<Row>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(side: Side<'a>) -> Self {
        Tx { side, wakes: BTreeSet::new(), broken: None, setback: None, left: None, asked: None }
    }

    /// Which engine speaks.
    pub fn dialect(&self) -> Dialect {
        match self.side {
            Side::Sqlite(_) => Dialect::Sqlite,
            Side::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs one statement; says how many rows it touched.
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.step(sql)?;
        let result = match &mut self.side {
            Side::Sqlite(tx) => tx.execute(sql, params),
            Side::Postgres(tx) => tx.execute(sql, params),
        };
        self.note(result)
    }

    /// Runs the same statement once for each row of parameters, without waiting between them; says for each
    /// how many rows it touched.
    pub fn execute_many(&mut self, sql: &str, rows: &[Vec<Value>]) -> Result<Vec<u64>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.step(sql)?;
        let result = match &mut self.side {
            Side::Sqlite(tx) => tx.execute_many(sql, rows.iter().map(Vec::as_slice)),
            Side::Postgres(tx) => tx.execute_many(sql, rows),
        };
        self.note(result)
    }

    /// Inserts many rows: `head` is `INSERT INTO t (a, b)`, `tail` an `ON CONFLICT` or `RETURNING` clause or empty.
    pub fn insert_many(&mut self, head: &str, tail: &str, rows: &[Vec<Value>]) -> Result<Inserted> {
        if rows.is_empty() {
            return Ok(Inserted::default());
        }
        self.step(head)?;
        let result = match &mut self.side {
            Side::Sqlite(tx) => tx.insert_many(head, tail, rows),
            Side::Postgres(tx) => tx.insert_many(head, tail, rows),
        };
        self.note(result)
    }

    /// Says that the next statement is all that this transaction does. PostgreSQL then commits it where it runs, without the
    /// round trip of a COMMIT: what follows is refused, and an error that the closure makes of it comes too late.
    pub fn alone(&mut self) -> &mut Self {
        self.left = Some(1);
        if let Side::Postgres(tx) = &mut self.side {
            tx.stand_alone();
        }
        self
    }

    /// Inserts the rows whose key is new; says for each row whether it was; of two with one key the first. The key is a
    /// text and stands first in each row and in `head`.
    pub fn insert_new(&mut self, head: &str, key: &str, rows: &[Vec<Value>]) -> Result<Vec<bool>> {
        let once = format!("ON CONFLICT ({key}) DO NOTHING");
        if self.dialect() == Dialect::Sqlite {
            // Without RETURNING, for which SQLite copies every page that a row touches into a statement journal.
            let marks: Vec<String> =
                (1..=rows.first().map_or(0, Vec::len)).map(|n| format!("${n}")).collect();
            let touched = self.execute_many(&format!("{head} VALUES ({}) {once}", marks.join(", ")), rows)?;
            return Ok(touched.into_iter().map(|count| count == 1).collect());
        }
        let inserted = self.insert_many(head, &format!("{once} RETURNING {key}"), rows)?;
        let mut new: BTreeSet<String> = inserted.rows.iter().map(Row::first).collect::<Result<_>>()?;
        Ok(rows.iter().map(|row| matches!(row.first(), Some(Value::Text(key)) if new.remove(key))).collect())
    }

    /// Runs `work` so that what it did and what went wrong in it can be left behind: after an error the transaction goes on
    /// as if it had not begun. A lost connection or a conflict ends the whole transaction all the same.
    ///
    /// # Errors
    /// Whatever `work` says.
    pub fn apart<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        self.execute("SAVEPOINT apart", &[])?;
        let done = work(self);
        if done.is_err() && self.setback.is_none() {
            self.execute("ROLLBACK TO SAVEPOINT apart", &[])?;
            self.broken = None;
        }
        if self.setback.is_none() {
            self.execute("RELEASE SAVEPOINT apart", &[])?;
        }
        done
    }

    /// Everything that `work` queries in this transaction, with its parameters: for tests that ask how it is answered.
    ///
    /// # Errors
    /// Whatever `work` says.
    pub fn asked_by(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<Vec<(String, Vec<Value>)>> {
        self.asked = Some(Vec::new());
        let done = work(self);
        let asked = self.asked.take().unwrap_or_default();
        done.map(|()| asked)
    }

    /// Runs one statement and gives all its rows.
    pub fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>> {
        if let Some(asked) = &mut self.asked {
            asked.push((sql.to_owned(), params.to_vec()));
        }
        self.step(sql)?;
        let result = match &mut self.side {
            Side::Sqlite(tx) => tx.query(sql, params),
            Side::Postgres(tx) => tx.query(sql, params),
        };
        self.note(result)
    }

    /// The first row, if there is one.
    pub fn query_opt(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, params)?.into_iter().next())
    }

    /// The one row that must be there.
    pub fn query_one(&mut self, sql: &str, params: &[Value]) -> Result<Row> {
        self.query_opt(sql, params)?.ok_or_else(|| Error::bug(format!("no row from: {sql}")))
    }

    /// The single number that a counting statement gives.
    pub fn count(&mut self, sql: &str, params: &[Value]) -> Result<i64> {
        self.query_one(sql, params)?.first()
    }

    /// Rings the bell of `topic` once this transaction is committed, here and on every other node.
    pub fn wake(&mut self, topic: &'static str) {
        self.wakes.insert(topic);
    }

    pub(crate) fn take_wakes(&mut self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.wakes)
    }

    /// A failed statement whose error was swallowed must not be committed over: PostgreSQL would turn the
    /// COMMIT into a silent rollback.
    pub(crate) fn check_whole(&self) -> Result<()> {
        match &self.broken {
            Some(text) => Err(Error::bug(format!("a failed statement was ignored: {text}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn side(&mut self) -> &mut Side<'a> {
        &mut self.side
    }

    pub(crate) fn take_setback(&mut self) -> Option<Setback> {
        self.setback.take()
    }

    /// After the one that stood alone no statement may follow.
    fn step(&mut self, sql: &str) -> Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(Error::bug(format!("the statement before stood alone; then came: {sql}"))),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Keeps the first failure: those that follow only say that the transaction is aborted.
    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if let (Err(error), None) = (&result, &self.broken) {
            self.broken = Some(error.to_string());
            self.setback = failure(error).and_then(|failure| {
                let lost = matches!(failure, DbFailure::ConnectionLost(_));
                let again = lost || matches!(failure, DbFailure::Conflict(_));
                again.then(|| Setback { why: failure.to_string(), lost })
            });
        }
        result
    }
}
