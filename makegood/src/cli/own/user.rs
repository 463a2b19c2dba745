//! `makegood users invite`

use ops::Role;

use super::Call;
use crate::cli::backend::Backend;
use crate::cli::change::reason;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::people::Wanted;

/// Invite somebody to the console, or give them a new link; the link is shown this one time
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What they type to sign in: a name or an email
    pub name: String,
    /// What they may do; needed for somebody new
    #[arg(long, value_enum)]
    pub role: Option<Role>,
}

pub async fn invite(call: &Call<'_>, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { name, role } = arguments;
    if call.globals.dry_run {
        let role = role.map_or("the role that they have", Role::as_str);
        call.terminal.print(&format!("would invite {name} with the role {role}"))?;
        return Ok(Exit::Ok);
    }
    let reason = reason(call.terminal, call.globals, "a link opens the shop")?;
    let backend = Backend::open(call.globals, call.terminal).await?;
    let made = backend.invite(Wanted { name, role, reason }).await?;
    match call.terminal.json {
        Some(_) => call.terminal.print_json(&serde_json::to_value(&made)?)?,
        None => {
            call.terminal.print(&made.link)?;
            call.terminal.say(&format!(
                "{} may choose a password there until {}, and act as {}. The link works once and is not shown again.",
                made.name,
                made.expires_at.in_words(),
                made.role
            ));
        }
    }
    Ok(Exit::Ok)
}
