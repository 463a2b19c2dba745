//! A guarded UPDATE and one row, a transaction each, on one connection or on many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use db::Value;
use kernel::{Cx, Result};
use shop::ids::OrderKind;
use tokio::sync::Mutex;

use super::super::bare::{Session, Step};
use super::super::place::{Place, bug};
use super::super::stage::Stage;

const TAKE: &str = "UPDATE inventory SET reserved_count = reserved_count + 1, updated_at = $1
    WHERE sku = $2 AND stock_count - reserved_count >= 1";
const SET_ASIDE: &str = "INSERT INTO inventory_reservations
    (id, sku, quantity, order_id, status, expires_at, created_at, updated_at)
    VALUES ($1, $2, 1, $3, 'reserved', $4, $5, $6)";

/// Open connections.
pub struct Sessions(Vec<Arc<Mutex<Session>>>);

impl Sessions {
    /// So many to this database.
    pub async fn open(place: &Place, count: usize) -> Result<Sessions> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(Arc::new(Mutex::new(Session::open(place).await?)));
        }
        Ok(Sessions(all))
    }

    /// Sells `pieces` of `product` over all connections; gives pieces a second.
    pub async fn sell(&self, stage: &Stage, product: &str, pieces: usize) -> Result<f64> {
        let left = Arc::new(AtomicUsize::new(pieces));
        let began = Instant::now();
        let sellers: Vec<_> = self
            .0
            .iter()
            .map(|session| {
                let (session, left) = (session.clone(), left.clone());
                let (cx, product) = (stage.shop.cx(), product.to_owned());
                // A thread each, because SQLite's driver blocks its own.
                tokio::task::spawn_blocking(move || {
                    tokio::runtime::Handle::current().block_on(sell_some(&session, &left, &cx, &product))
                })
            })
            .collect();
        for seller in sellers {
            seller.await.map_err(bug)??;
        }
        Ok(pieces as f64 / began.elapsed().as_secs_f64())
    }
}

async fn sell_some(session: &Mutex<Session>, left: &AtomicUsize, cx: &Cx, product: &str) -> Result<()> {
    let mut session = session.lock().await;
    let next = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    while next() {
        session.transaction(&steps(cx, product)).await?;
    }
    Ok(())
}

fn steps(cx: &Cx, product: &str) -> [Step; 2] {
    let now = Value::from(cx.now);
    let order = cx.id::<OrderKind>();
    [
        (TAKE, vec![now.clone(), product.into()]),
        (SET_ASIDE, vec![cx.uuid().into(), product.into(), order.into(), now.clone(), now.clone(), now]),
    ]
}
