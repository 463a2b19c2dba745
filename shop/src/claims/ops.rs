//! What operators may do about guests' purchases.

use db::Tx;
use kernel::{Cx, Error, Result, Timestamp};
use ops::{By, Operation, Page, Plan, Proof, Risk, Role, View, page};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jobs::{LINK, link, link_key};
use super::store::{self, PurchaseClaim, Standing};
use crate::ids::{OrderId, order_schema};
use crate::mails::{self, MailStatus};
use crate::orders::{self, Claim, Order, claimable};

/// Send a guest a new link to claim their purchase; the one before leads nowhere from then on
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct Resend {
    /// Which order
    #[schemars(schema_with = "order_schema")]
    pub order: OrderId,
}

impl Resend {
    fn found(&self, tx: &mut Tx<'_>) -> Result<Order> {
        orders::find(tx, self.order)?.ok_or_else(|| Error::not_found("order", self.order))
    }
}

impl Operation for Resend {
    const NAME: &'static str = "claims.resend";
    const SUBJECT: Option<&'static str> = Some("order");
    const AUDIT: &'static str = "claim_link_resent";
    const RISK: Risk = Risk::Changes;
    const ROLE: Role = Role::Support;

    fn plan(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Plan> {
        let order = self.found(tx)?;
        let claim = claimable(&order, None);
        let owner = order.profile.map_or("nobody".to_owned(), |profile| profile.to_string());
        let links = store::of_order(tx, self.order)?.map_or(0, |claim| claim.newest());
        let to = order.email.clone().unwrap_or_default();
        Ok(Plan::default()
            .guard("is_nobodys", order.profile.is_none(), format!("it is {owner}'s"))
            .guard("order_is_confirmed", claim == Claim::Theirs, format!("it is {}", order.state.status()))
            .guard("email_is_known", !to.is_empty(), "the guest gave no email")
            .change(
                format!("link of {} to {to}", self.order),
                format!("number {links}"),
                format!("number {}", links + 1),
            ))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx, _: &By) -> Result<()> {
        let to = self.found(tx)?.email.unwrap_or_default();
        let number = store::ask(tx, cx, self.order, &to)?;
        // The link is made where its mail is written; until then the one before counts.
        ::jobs::enqueue(tx, cx, vec![link(cx.now, self.order, number)])
    }

    fn verify(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<Vec<Proof>> {
        let claim =
            store::of_order(tx, self.order)?.ok_or_else(|| Error::not_found("claim of", self.order))?;
        let (number, to) = (claim.asked, &claim.email);
        let (holds, seen) = if claim.status == Standing::Claimed {
            (true, "it was claimed meanwhile".to_owned())
        } else if claim.generation >= number {
            (true, format!("number {number} is made and written to {to}"))
        } else if ::jobs::is_queued(tx, LINK, &link_key(self.order, number))? {
            (true, format!("number {number} to {to} is made next"))
        } else {
            (false, format!("number {number} is not made, and nothing is about to make it"))
        };
        Ok(vec![Proof::new("a new link goes to the email of the order", holds, seen)])
    }

    fn subject(&self) -> (&'static str, String) {
        ("order", self.order.to_string())
    }
    fn order(&self, _: &mut Tx<'_>) -> Result<Option<uuid::Uuid>> {
        Ok(Some(self.order.uuid()))
    }
}

/// List guests' purchases that nobody has claimed yet, the newest first
#[derive(Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
pub struct List {
    /// Those that were claimed too
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub page: Page,
}

impl View for List {
    const NAME: &'static str = "claims.list";
    const SUBJECT: Option<&'static str> = None;
    const COLUMNS: &'static [&'static str] =
        &["id", "email", "order_status", "paid_at", "letters", "last_letter", "link_expires_at", "profile"];

    fn read(&self, tx: &mut Tx<'_>, _: &Cx) -> Result<serde_json::Value> {
        let before = crate::view::after(&self.page, |id| Ok(store::of_order(tx, id)?.is_some()))?;
        let claims = store::list(tx, !self.all, before, self.page.fetch())?;
        Ok(page("/api/v1/admin/claims", &self.page, crate::view::objects("claim", listed(tx, claims)?)?))
    }
}

/// A claim as a list shows it. It is known by its order.
#[derive(Serialize)]
struct Listed {
    id: OrderId,
    #[serde(flatten)]
    claim: PurchaseClaim,
    order_status: Option<&'static str>,
    paid_at: Option<Timestamp>,
    /// How many letters about it were taken by the mail server.
    letters: usize,
    /// Where the newest one stands.
    last_letter: Option<MailStatus>,
}

fn listed(tx: &mut Tx<'_>, claims: Vec<PurchaseClaim>) -> Result<Vec<Listed>> {
    let ids: Vec<OrderId> = claims.iter().map(|claim| claim.order).collect();
    let (orders, mails) = (orders::find_many(tx, &ids)?, mails::of_orders(tx, &ids)?);
    let one = |claim: PurchaseClaim| {
        let order = orders.get(&claim.order);
        let about = || mails.iter().filter(|mail| mail.order_id == Some(claim.order));
        Listed {
            id: claim.order,
            order_status: order.map(|order| order.state.status()),
            paid_at: order.and_then(|order| order.webhook_processed_at),
            letters: about().filter(|mail| mail.status == MailStatus::Sent).count(),
            last_letter: about().next_back().map(|mail| mail.status),
            claim,
        }
    };
    Ok(claims.into_iter().map(one).collect())
}
