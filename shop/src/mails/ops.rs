//! What operators may do about mails.

use db::Tx;
use kernel::{Cx, Error, Result};
use ops::{By, Operation, Plan, Proof, Risk, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mail, MailStatus, send, store};
use crate::ids::{MailId, mail_schema};

/// Send a mail again that was not sent, or of which nobody knows whether it was
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Resend {
    /// Which mail
    #[schemars(schema_with = "mail_schema")]
    pub mail: MailId,
}

impl Resend {
    fn found(&self, tx: &mut Tx<'_>) -> Result<Mail> {
        store::find(tx, self.mail)?.ok_or_else(|| Error::not_found("mail", self.mail))
    }
}

impl Operation for Resend {
    const NAME: &'static str = "mails.resend";
    const SUBJECT: Option<&'static str> = Some("mail");
    const AUDIT: &'static str = "mail_resent";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<Plan> {
        let mail = self.found(tx)?;
        let link = match mail.is_whole {
            true => "it is there",
            false => {
                "its one-time link was forgotten when it was sent: makegood claims resend makes a new one"
            }
        };
        let status = mail.status.as_str();
        Ok(Plan::default()
            .guard("is_not_being_sent", mail.status != MailStatus::Sending, status)
            .guard("mail_is_whole", mail.is_whole, link)
            .guard("mail_is_of_use", !mail.is_useless(cx.now), "until its link ends")
            .change(format!("mail {} to {}", mail.id, mail.to), status, MailStatus::Queued.as_str()))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        send::again(tx, cx, self.mail)
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let mail = self.found(tx)?;
        let on_its_way = matches!(mail.status, MailStatus::Queued | MailStatus::Sending | MailStatus::Sent);
        Ok(vec![Proof::new("the mail is on its way", on_its_way, mail.status.as_str())])
    }

    fn subject(&self) -> (&'static str, String) {
        ("mail", self.mail.to_string())
    }
    fn order(&self, tx: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(store::find(tx, self.mail)?.and_then(|mail| mail.order_id).map(|order| order.uuid()))
    }
}
