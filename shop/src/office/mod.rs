//! What operators see and do that belongs to no room: jobs, runs of tasks, the audit log, tokens, users.

pub mod audit;
pub mod checks;
pub mod connections;
pub mod doctor;
pub mod findings;
pub mod jobs;
pub mod runs;
pub mod seal;
pub mod secrets;
pub mod status;
pub mod tokens;
pub mod users;
pub mod verify;
pub mod watch;
