//! One runner for operations, one for checks.
