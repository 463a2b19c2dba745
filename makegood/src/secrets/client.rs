//! Stripe with the newest key. A call that is turned away because Stripe does not take the key was not carried out, so it is
//! made again when another key lies where the old one lay.

use std::sync::Arc;

use stripe::{Answer, Call, CallError, HttpStripe, KeyFault, Stripe};

use super::Secrets;
use crate::config::{Place, SecretKey};

pub(super) struct Newest {
    http: Arc<HttpStripe>,
    secrets: Arc<Secrets>,
}

impl Newest {
    pub(super) fn new(http: Arc<HttpStripe>, secrets: Arc<Secrets>) -> Newest {
        Newest { http, secrets }
    }
}

impl Stripe for Newest {
    fn call(&self, call: Call) -> Answer<'_> {
        Box::pin(async move {
            let asked_with = self.secrets.api_key();
            match self.http.call(call.clone()).await {
                Err(CallError::Key(KeyFault::NotTaken(error))) => {
                    if self.secrets.has_another_key_than(asked_with.as_ref()).await {
                        return self.http.call(call).await;
                    }
                    Err(CallError::Key(KeyFault::NotTaken(error)))
                }
                outcome => outcome,
            }
        })
    }
}

impl Secrets {
    /// Whether another key counts than the one that was not taken, after looking where it lies. Only our own calls come here,
    /// but a key that was deleted fails all of them: the pace is that of wrong signatures.
    async fn has_another_key_than(&self, asked_with: Option<&stripe::ApiKey>) -> bool {
        let _turn = self.turn.lock().await;
        if self.api_key().as_ref() != asked_with {
            return true;
        }
        let Some(kept) = self.kept(SecretKey::StripeSecret) else { return false };
        let worth_it = match kept.place {
            Place::Process => false,
            Place::Manager(_) => self.may_ask(self.clock.now()),
            _ => super::refetch::was_touched(&kept).await,
        };
        if worth_it {
            self.refetch_one(SecretKey::StripeSecret).await;
        }
        self.api_key().as_ref() != asked_with
    }
}
