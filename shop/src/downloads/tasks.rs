//! A fresh link by an operator's hand: through the same decision as everybody's.

use std::ops::Deref;

use kernel::{Error, Result};
use ops::{By, Changing, Done, Effect, Progress, Risk, Role, Running, Task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deliver::{Asker, Wanted, deliver_by_hand};
use crate::content;
use crate::ids::{ProfileId, ResourceId, profile_schema, resource_schema};
use crate::seam::Seam;

/// Make a fresh link to a file for a buyer who may have it
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct MakeLink {
    /// Which file: the resource's id
    #[schemars(schema_with = "resource_schema")]
    pub resource: ResourceId,
    /// For whom: the profile's id
    #[arg(long)]
    #[schemars(schema_with = "profile_schema")]
    pub user: ProfileId,
}

impl<C: Deref<Target = Seam> + Send + Sync + 'static> Task<C> for MakeLink {
    const NAME: &'static str = "downloads.link";
    const SUBJECT: Option<&'static str> = Some("resource");
    const COLUMNS: &'static [&'static str] = &["file_name", "expires_at", "url"];
    const ROLE: Role = Role::Support;
    // It changes nothing in the shop; but whoever has the link has the file, so it needs a reason and leaves an entry.
    const EFFECT: Effect =
        Effect::Changes(Changing { audit: "download_link_made", risk: Risk::Safe, role: Role::Support });

    fn run<'a>(&'a self, on: &'a C, by: &'a By, _: &'a dyn Progress) -> Running<'a> {
        Box::pin(make(on, self, by))
    }
}

async fn make(seam: &Seam, task: &MakeLink, by: &By) -> Result<Done> {
    let id = task.resource;
    let known = seam.db.read("downloads.link", move |tx| content::resource(tx, id)).await?;
    let course = known.ok_or_else(|| Error::not_found("resource", id))?.product;
    let asker = Asker {
        profile: Some(task.user),
        actor: by.actor.clone(),
        address: String::new(),
        request_id: by.request_id.clone(),
    };
    let delivered = deliver_by_hand(seam, asker, Wanted::OfCourse { course, resource: id }).await?;
    // The link itself is not for the audit log: rows of a list are left out there.
    let row = crate::view::object("download", &delivered)?;
    let mut done = Done::list(vec![row]);
    done.answer["resource"] = id.to_string().into();
    done.answer["user"] = task.user.to_string().into();
    Ok(done)
}
