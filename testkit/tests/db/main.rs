//! What every room may rely on, on both engines: see `db/src/lib.rs`.

mod batches;
mod inline;
mod postgres;
mod schema;
mod sqlite;
mod transactions;
mod values;
mod wakes;

use db::{DbFailure, Migration, TxError};
use kernel::Error;

/// The tables of these tests.
pub const TABLES: &[Migration] = &[Migration {
    version: 1,
    name: "tables for tests",
    sql: "
CREATE TABLE kinds (
  id uuid PRIMARY KEY,
  at timestamptz,
  body jsonb,
  yes boolean,
  number bigint,
  small integer,
  note text,
  raw bytea
);
CREATE TABLE counters (
  name text PRIMARY KEY,
  value bigint NOT NULL CHECK (value >= 0)
);
CREATE TABLE lines (
  counter text NOT NULL REFERENCES counters (name),
  note text NOT NULL
);
CREATE TABLE promises (
  counter text NOT NULL REFERENCES counters (name) DEFERRABLE INITIALLY DEFERRED
);
",
}];

/// The sentence of a refusal by the database or by a rule.
pub fn sentence(error: TxError) -> String {
    match error {
        TxError::Refused(error) => error.to_string(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// What the database said, if it was the database.
pub fn database_said(error: &Error) -> Option<&DbFailure> {
    match error {
        Error::Bug(source) => source.downcast_ref(),
        _ => None,
    }
}
