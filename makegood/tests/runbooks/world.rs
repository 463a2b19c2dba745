//! What `@` lines say: what buyers, banks and Stripe do, and whoever starts and stops the shop. `examples/README.md` lists
//! them.

use std::collections::BTreeMap;

use kernel::{Clock, Cx, Duration};
use makegood::clock::{OsEntropy, SystemClock};
use serde_json::{Value, json};
use shop::ids::{OrderId, ProfileId};

use crate::stage::Stage;

/// Who has an account in the shop.
pub type Accounts = BTreeMap<String, ProfileId>;

/// What there is to know about what happened.
#[derive(Debug, Default)]
pub struct News {
    /// For readers.
    pub said: String,
    /// Ids, and what to call them: `ada's order`.
    pub named: Vec<(String, String)>,
}

impl News {
    fn none() -> News {
        News::default()
    }

    fn said(said: String) -> News {
        News { said, named: Vec::new() }
    }

    /// One more id.
    fn with(mut self, whose: &str, what: &str, id: &str) -> News {
        let gap = if self.said.is_empty() || self.said.ends_with('\n') { "" } else { ", " };
        self.said.push_str(&format!("{gap}{what} {id}"));
        self.named.push((format!("{whose}'s {what}"), id.to_owned()));
        self
    }
}

/// Does what the line says.
///
/// # Errors
/// When the line says nothing that is known here, or it cannot be done.
pub async fn happen(stage: &mut Stage, accounts: &mut Accounts, line: &str) -> Result<News, String> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["shop", "opens", settings @ ..] => open(stage, settings).await,
        ["shop", "stops"] => {
            stage.close_shop().await;
            Ok(News::none())
        }
        ["disk", verb @ ("holds" | "loses"), key] => {
            stage.disk(key, *verb == "holds").map_err(|error| format!("{key}: {error}"))?;
            Ok(News::none())
        }
        ["file", name, "holds", text] => {
            stage.write(name, text);
            Ok(News::none())
        }
        ["stripe", "answers", "again"] => {
            stage.stripe.with(|account, _| account.clear_faults());
            Ok(News::none())
        }
        ["stripe", route, ..] => {
            let body = line.splitn(3, ' ').nth(2).unwrap_or("{}");
            let body = serde_json::from_str(body).map_err(|error| format!("{body}: {error}"))?;
            Ok(News::said(told(&body, &control(stage, route, &body).await?)))
        }
        ["order", order, "is", hours, "hours", "old"] => {
            let hours: u64 = hours.parse().map_err(|_| format!("{hours} is no number"))?;
            age(stage, order_id(order)?, Duration::from_secs(hours * 3_600)).await
        }
        ["order", order, "is", "from", "before", "payment", "intents", "were", "kept"] => {
            forget_intent(stage, order_id(order)?).await
        }
        [email, "buys", wish @ ..] if email.contains('@') => buy(stage, accounts, email, wish).await,
        [email, "pays", session] if email.contains('@') => {
            pay(stage, News::none(), email, session, json!({})).await
        }
        _ => Err(format!("`@ {line}` says nothing that is known; examples/README.md lists what may be said")),
    }
}

async fn open(stage: &mut Stage, settings: &[&str]) -> Result<News, String> {
    let parted = settings.iter().map(|one| one.split_once('=').ok_or_else(|| format!("{one} sets nothing")));
    let settings: Vec<(String, String)> =
        parted.map(|one| one.map(|(name, value)| (name.into(), value.into()))).collect::<Result<_, _>>()?;
    let import = ["catalog", "import", "shop.toml", "--yes", "--reason", "the shop's goods"];
    let (code, seen) = stage.run("makegood", &import.map(str::to_owned));
    if code != 0 {
        return Err(seen);
    }
    stage.open_shop(&settings).await;
    Ok(News::none())
}

/// `POST /control/<route>`.
async fn control(stage: &Stage, route: &str, body: &Value) -> Result<Value, String> {
    let url = format!("{}/control/{route}", stage.stripe_url);
    let answer = stage.http.post(url).json(body).send().await.map_err(|error| error.to_string())?;
    let (status, text) = (answer.status(), answer.text().await.map_err(|error| error.to_string())?);
    if !status.is_success() {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(if text.is_empty() { "null" } else { &text }).map_err(|error| error.to_string())
}

/// What an answer says that was not asked for in the same words: `dispute dp_…, status needs_response`.
fn told(asked: &Value, answer: &Value) -> String {
    let known: Vec<&Value> = asked.as_object().into_iter().flat_map(|fields| fields.values()).collect();
    let fields = answer.as_object().into_iter().flatten();
    let told = fields.filter_map(|(name, value)| {
        let new = value.is_string() && !known.contains(&value);
        new.then(|| format!("{name} {}", value.as_str().unwrap_or_default()))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The rest of a sentence that begins with `ada@example.com buys`: `rust-course`, `2 mug`, `rust-course as a guest`, with `and pays`, `and pays with CARD` behind it or `and does not pay`.
async fn buy(stage: &Stage, accounts: &mut Accounts, email: &str, wish: &[&str]) -> Result<News, String> {
    let and = wish.iter().position(|word| *word == "and").ok_or("say whether it is paid: `and pays`")?;
    let (wish, then) = (&wish[..and], &wish[and + 1..]);
    let (wish, guest) = match wish {
        [wish @ .., "as", "a", "guest"] => (wish, true),
        wish => (wish, false),
    };
    let (quantity, product) = match wish {
        [product] => (1, *product),
        [quantity, product] => (quantity.parse().map_err(|_| format!("{quantity} is no number"))?, *product),
        _ => return Err("one product at a time".into()),
    };
    let mut basket = json!({ "items": [{ "product": product, "quantity": quantity }], "email": email });
    let mut news = News::none();
    if !guest {
        let user = account(stage, accounts, email).await?.to_string();
        news = news.with(name(email), "profile", &user);
        basket["profile_id"] = user.into();
    }
    let begun = stage.ask_shop("/api/v1/checkout/sessions", &basket).await?;
    let (order, session) = (text(&begun, "order_id"), text(&begun, "id"));
    news = news.with(name(email), "order", &order).with(name(email), "session", &session);
    let card = match then {
        ["does", "not", "pay"] => return Ok(news),
        ["pays"] => json!({}),
        ["pays", "with", card] => json!({ "card": card }),
        _ => return Err(format!("`and {}` is not known", then.join(" "))),
    };
    news.said.push('\n');
    pay(stage, news, email, &session, card).await
}

async fn pay(stage: &Stage, news: News, email: &str, session: &str, mut how: Value) -> Result<News, String> {
    how["session"] = session.into();
    let outcome = control(stage, "pay", &how).await?;
    if outcome["outcome"] != "paid" {
        let said = format!("{}{}: {}", news.said, text(&outcome, "outcome"), text(&outcome, "code"));
        return Ok(News { said, ..news });
    }
    let intent = stage.stripe.with(|account, _| {
        let facts = account.session_facts(session);
        facts.and_then(|facts| facts.payment_intent.map(str::to_owned))
    });
    Ok(news.with(name(email), "payment intent", &intent.ok_or("nothing was to pay")?))
}

/// `ada` of `ada@example.com`.
fn name(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}

/// The account of this buyer; made when it is first needed.
async fn account(stage: &Stage, accounts: &mut Accounts, email: &str) -> Result<ProfileId, String> {
    if let Some(known) = accounts.get(email) {
        return Ok(*known);
    }
    let id: ProfileId = Cx::new(SystemClock.now(), std::sync::Arc::new(OsEntropy)).id();
    let wish = json!({ "id": id, "email": email, "reason": "somebody has signed up" });
    stage.ask_shop("/api/v1/admin/customers/create", &wish).await?;
    accounts.insert(email.to_owned(), id);
    Ok(id)
}

async fn age(stage: &Stage, order: OrderId, by: Duration) -> Result<News, String> {
    let then = SystemClock.now() - by;
    let sql = "UPDATE orders SET created_at = $1, updated_at = $1 WHERE id = $2";
    change(stage, sql, vec![then.into(), order.into()]).await
}

async fn forget_intent(stage: &Stage, order: OrderId) -> Result<News, String> {
    change(stage, "UPDATE orders SET stripe_payment_intent_id = NULL WHERE id = $1", vec![order.into()]).await
}

async fn change(stage: &Stage, sql: &'static str, values: Vec<db::Value>) -> Result<News, String> {
    let changed = stage.test.db.write("test.change", move |tx| tx.execute(sql, &values)).await;
    match changed {
        Ok(1) => Ok(News::none()),
        other => Err(format!("one row was to change: {other:?}")),
    }
}

fn order_id(text: &str) -> Result<OrderId, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("no {field} in {object}")).to_owned()
}
