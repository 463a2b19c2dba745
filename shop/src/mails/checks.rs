//! What must be true of mails.

use kernel::Duration;
use ops::{Check, Found, Mend, Severity};

use super::{MailKind, MailStatus, store};

/// The mails' checks.
pub const CHECKS: [Check; 1] = [FAILED];

/// For so long somebody may have to look at a mail that was not sent.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Whoever wanted to sign in has asked again since.
const SIGN_IN: Duration = Duration::from_secs(3600);

const FAILED: Check = Check {
    name: "mails_failed",
    severity: Severity::Ticket,
    must: "every mail of the last week was sent",
    means: "A buyer was not told something, or nobody knows whether they were: the mail server refused the mail, could not be \
            reached for hours, or its answer was lost. The last error says which. Mend the address or the settings (MAIL_*), \
            then send it again; a guest's claim link that was sent before is replaced by makegood claims resend.",
    find: |tx, now, most| {
        let all = store::in_trouble(tx, now - REMEMBERED, most)?;
        let matters = all.into_iter().filter(|mail| match mail.kind {
            MailKind::SignInLink => mail.updated_at > now - SIGN_IN,
            MailKind::OrderConfirmation | MailKind::ClaimLink => true,
        });
        let found = matters.map(|mail| {
            let how = match mail.status {
                MailStatus::Unknown => "may or may not have been sent",
                _ => "was not sent",
            };
            let why = mail.last_error.unwrap_or_default();
            let mend = Mend {
                operation: "mails.resend",
                input: serde_json::json!({ "mail": mail.id }),
                command: format!("makegood mail resend {}", mail.id),
            };
            Found {
                subject: mail.id.to_string(),
                text: format!("{} to {} {how}: {why}", mail.kind.as_str(), mail.to),
                since: Some(mail.created_at),
                mend: mail.useless_after.is_none_or(|end| end > now).then_some(mend),
            }
        });
        Ok(found.collect())
    },
};
