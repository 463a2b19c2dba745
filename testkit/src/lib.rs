//! Databases, worlds and simulated crashes for tests.
