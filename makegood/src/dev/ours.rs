//! Whose database it is. `makegood dev` fills a database with test money, so it only takes one that is new or its own.

use db::{Db, Tx, TxResult};
use kernel::{Cx, Duration, Refusal, Result};
use ops::audit::{self, Filter};
use ops::{Actor, Page, Role, View, users};
use sha2::{Digest, Sha256};
use shop::catalog;
use shop::orders::views::List;

use crate::app::App;

/// The name of the token that `makegood dev` makes first; a database with a token that begins so is ours.
pub(super) const TOKEN: &str = "makegood dev";
const SCRIPT_LASTS: Duration = Duration::from_secs(15 * 60);

/// Refuses a database in which somebody else keeps a shop. Reads only, so that it may be asked before migrating.
pub(super) async fn must_be_ours(db: &Db, cx: &Cx) -> Result<()> {
    let steps = db.migrations(shop::MIGRATIONS).await?;
    if steps.iter().any(|step| step.applied_at.is_none())
        && !steps.iter().any(|step| step.applied_at.is_some())
    {
        return Ok(());
    }
    let cx = cx.clone();
    let ours = db.read("dev.ours", move |tx| Ok(knows_our_token(tx)? || is_empty(tx, &cx)?)).await?;
    if ours {
        return Ok(());
    }
    let why = "the database that DATABASE_URL names holds a shop that makegood dev did not make";
    Err(Refusal::new("database_not_ours", why)
        .fix("unset DATABASE_URL for an embedded database, or name an empty one")
        .into())
}

fn knows_our_token(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(ops::list_tokens(tx)?.iter().any(|token| token.name.starts_with(TOKEN)))
}

fn is_empty(tx: &mut Tx<'_>, cx: &Cx) -> Result<bool> {
    let (status, user, seller, payment_intent, session) = (None, None, None, None, None);
    let all = List { status, user, seller, payment_intent, session, page: Page::default() };
    let orders = all.read(tx, cx)?;
    // Whoever has done anything here has left an entry.
    let nobody_was_here = audit::list(tx, &Filter { limit: 1, ..Filter::default() })?.is_empty();
    Ok(nobody_was_here
        && catalog::list(tx)?.is_empty()
        && orders["data"].as_array().is_none_or(Vec::is_empty))
}

/// The admin token of this shop, when this is its first start; later nobody can say what it was.
pub(super) async fn first_token(app: &App) -> Result<Option<String>> {
    let cx = app.shop.cx();
    let token = app.shop.db.write("dev.token", move |tx| {
        match ops::list_tokens(tx)?.iter().any(|token| token.name == TOKEN) {
            true => Ok(None),
            false => ops::create_token(tx, &cx, TOKEN, Role::Admin, None).map(|(_, token)| Some(token)),
        }
    });
    token.await.must_be_looked_up()
}

/// Who may sign in to the console of this shop.
pub(super) const OPERATOR: &str = "dev";

/// Makes the operator whom the console of this shop knows. The password follows from a secret of the folder, so it is the
/// same at each start, and of no use anywhere else.
pub(super) async fn operator(app: &App, secret: &str) -> Result<String> {
    let digest = Sha256::digest(format!("the console beside {secret}"));
    let parts: Vec<String> =
        digest[..8].chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
    let password = parts.join("-");
    let cx = app.shop.cx();
    let hash = ops::password::hash(&password, cx.random())?;
    let made = app.shop.db.write("dev.operator", move |tx| {
        if users::find(tx, OPERATOR)?.is_none() {
            users::invite(tx, &cx, OPERATOR, Some(Role::Admin), &Actor::system(TOKEN))?;
        }
        match users::find(tx, OPERATOR)? {
            Some(user) => users::set_password(tx, user.id, &hash),
            None => Ok(()),
        }
    });
    made.await.must_be_looked_up()?;
    Ok(password)
}

/// An admin's token for a script, which ends by itself.
pub(super) async fn token_for_script(app: &App) -> Result<String> {
    let cx = app.shop.cx();
    let name = format!("{TOKEN}: script");
    let ends = cx.now + SCRIPT_LASTS;
    let token = app.shop.db.write("dev.token", move |tx| {
        ops::create_token(tx, &cx, &name, Role::Admin, Some(ends)).map(|(_, token)| token)
    });
    token.await.must_be_looked_up()
}
