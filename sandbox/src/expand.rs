//! `expand[]`: ids that are shown as the objects behind them.

use serde_json::Value;

use crate::account::Sandbox;
use crate::error::ApiError;
use crate::params::Params;

impl Sandbox {
    /// Follows `path` (`payment_intent.latest_charge`) into the answer and puts objects where ids stand.
    pub(crate) fn expand(&self, object: &mut Value, path: &str) -> Result<(), ApiError> {
        self.follow(object, path, path)
    }

    fn follow(&self, object: &mut Value, rest: &str, whole: &str) -> Result<(), ApiError> {
        if let Value::Array(members) = object {
            return members.iter_mut().try_for_each(|member| self.follow(member, rest, whole));
        }
        let (name, deeper) = rest.split_once('.').map_or((rest, None), |(name, deeper)| (name, Some(deeper)));
        self.include_list(object, name);
        let Some(field) = object.get_mut(name) else { return Err(cannot_expand(whole)) };
        if let Value::String(id) = field {
            *field = self.object_with(id).ok_or_else(|| cannot_expand(whole))?;
        }
        match deeper {
            Some(deeper) if !field.is_null() => self.follow(field, deeper, whole),
            _ => Ok(()),
        }
    }

    /// Some lists are left out unless asked for.
    fn include_list(&self, object: &mut Value, name: &str) {
        let (Some(kind), Some(id)) = (object["object"].as_str(), object["id"].as_str()) else { return };
        let list = match (kind, name) {
            ("checkout.session", "line_items") => {
                self.sessions.get(id).map(|session| self.line_items_json(session))
            }
            ("payment_link", "line_items") => self.list_link_items(id, &Params::new(&[])).ok(),
            ("charge", "refunds") => self.list_refunds_of(id, &Params::new(&[])).ok(),
            _ => None,
        };
        if let Some(list) = list {
            object[name] = list;
        }
    }

    fn object_with(&self, id: &str) -> Option<Value> {
        let prefix = id.split('_').next()?;
        match prefix {
            "pi" => self.retrieve_intent(id).ok(),
            "ch" => self.retrieve_charge(id).ok(),
            "pm" => self.method_json(id),
            "cus" => self.retrieve_customer(id).ok(),
            "price" => self.retrieve_price(id).ok(),
            "re" => self.retrieve_refund(id).ok(),
            "dp" => self.retrieve_dispute(id).ok(),
            "prv" => self.retrieve_review(id).ok(),
            "plink" => self.retrieve_link(id).ok(),
            "txn" => self.retrieve_balance_transaction(id).ok(),
            _ => self.retrieve_product(id).ok(),
        }
    }
}

/// Found only after the work was done, so the answer is kept under the idempotency key.
fn cannot_expand(path: &str) -> ApiError {
    ApiError::impossible(format!(
        "This property cannot be expanded ({path}). You may want to try expanding a property that is in its place."
    ))
    .about("expand")
}
