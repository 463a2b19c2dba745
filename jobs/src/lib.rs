//! A durable queue in the same transaction as the change that asks for the work.
