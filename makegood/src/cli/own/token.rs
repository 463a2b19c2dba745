//! `makegood tokens create`

use kernel::Duration;
use ops::Role;

use super::Call;
use crate::cli::backend::Backend;
use crate::cli::change::reason;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::tokens::Wanted;

/// Make a token for the admin API; it is shown this one time
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Whose it is: the audit log names its bearer so
    pub name: String,
    /// What its bearer may do
    #[arg(long, value_enum)]
    pub role: Role,
    /// After how many days it ends; without it, never
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: Option<u32>,
}

pub async fn create(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { name, role, days } = arguments;
    if name.trim().is_empty() {
        return Err(Failure::usage("a token needs a name: the audit log names its bearer so"));
    }
    if call.globals.dry_run {
        call.terminal.print(&format!("would make a token for {name} with the role {}", role.as_str()))?;
        return Ok(Exit::Ok);
    }
    let reason = reason(call.terminal, call.globals, "a token opens the shop")?;
    let backend = Backend::open(call.globals, call.terminal).await?;
    let expires_at = days.map(|days| backend.now() + Duration::from_secs(u64::from(days) * 86_400));
    let made = backend.make_token(Wanted { name, role, expires_at, reason }).await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&serde_json::to_value(&made)?)?,
        None => {
            call.terminal.print(&made.token)?;
            call.terminal.say(&format!(
                "{} may act as {}. Keep the token: it is not shown again. To take it back: makegood tokens revoke {}",
                made.name, made.role, made.id
            ));
        }
    }
    Ok(Exit::Ok)
}
