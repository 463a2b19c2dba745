//! Customers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::api::deleted;
use crate::call::Call;
use crate::error::ApiError;
use crate::ids;
use crate::lists::Paging;
use crate::params::{Metadata, Params, merge};
use crate::shelf::Kept;

const FIELDS: [&str; 14] = [
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "invoice_settings",
    "metadata",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
];

/// A customer. `deleted` ones stay, because Stripe still shows that they were there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    created: i64,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    description: Option<String>,
    address: Option<Value>,
    shipping: Option<Value>,
    metadata: Metadata,
    preferred_locales: Vec<String>,
    tax_exempt: Option<String>,
    balance: i64,
    pub(crate) deleted: bool,
}

impl Kept for Customer {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Customer {
    pub(crate) fn to_json(&self) -> Value {
        if self.deleted {
            return deleted("customer", &self.id);
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": self.address,
            "balance": self.balance,
            "created": self.created,
            "currency": null,
            "customer_account": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "email": self.email,
            "invoice_prefix": self.id.chars().rev().take(8).collect::<String>().to_uppercase(),
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": null,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "next_invoice_sequence": 1,
            "phone": self.phone,
            "preferred_locales": self.preferred_locales,
            "shipping": self.shipping,
            "tax_exempt": self.tax_exempt.as_deref().unwrap_or("none"),
            "test_clock": null,
        })
    }

    /// Takes over what was sent; what was not sent stays.
    fn apply(&mut self, params: &Params) -> Result<(), ApiError> {
        let take = |field: &mut Option<String>, name: &str| -> Result<(), ApiError> {
            if let Some(sent) = params.unsettable(name)? {
                *field = sent;
            }
            Ok(())
        };
        take(&mut self.email, "email")?;
        take(&mut self.name, "name")?;
        take(&mut self.phone, "phone")?;
        take(&mut self.description, "description")?;
        take(&mut self.tax_exempt, "tax_exempt")?;
        self.balance = params.integer("balance")?.unwrap_or(self.balance);
        if params.has("preferred_locales") {
            self.preferred_locales = params.texts("preferred_locales")?;
        }
        if params.has("address") {
            self.address = address(params, "address")?;
        }
        if params.has("shipping") {
            self.shipping = shipping(params)?;
        }
        merge(&mut self.metadata, params.metadata_change("metadata")?)
    }
}

/// An address with all six lines, or `None` when it was sent empty.
pub(crate) fn address(params: &Params, name: &str) -> Result<Option<Value>, ApiError> {
    const LINES: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];
    if let Ok(None) = params.text(name) {
        return Ok(None);
    }
    let Ok(Some(sent)) = params.child(name) else { return Ok(None) };
    sent.only(&LINES)?;
    let line = |name: &&str| Ok(((*name).to_owned(), json!(sent.unsettable(name)?.flatten())));
    Ok(Some(Value::Object(LINES.iter().map(line).collect::<Result<_, ApiError>>()?)))
}

/// A name with an address, as parcels need it.
pub(crate) fn shipping(params: &Params) -> Result<Option<Value>, ApiError> {
    let Ok(Some(sent)) = params.child("shipping") else { return Ok(None) };
    sent.only(&["address", "name", "phone", "carrier", "tracking_number"])?;
    Ok(Some(json!({
        "address": address(&sent, "address")?,
        "carrier": sent.text("carrier")?,
        "name": sent.required_text("name")?,
        "phone": sent.text("phone")?,
        "tracking_number": sent.text("tracking_number")?,
    })))
}

impl Sandbox {
    pub(crate) fn create_customer(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&FIELDS)?;
        let mut customer = new_customer(call);
        customer.apply(params)?;
        Ok(self.welcome(customer, call))
    }

    /// The customer that `customer_creation=always` makes at payment.
    pub(crate) fn customer_from_checkout(
        &mut self,
        email: Option<String>,
        name: Option<String>,
        call: &Call,
    ) -> String {
        let customer = Customer { email, name, ..new_customer(call) };
        let id = customer.id.clone();
        self.welcome(customer, call);
        id
    }

    fn welcome(&mut self, customer: Customer, call: &Call) -> Value {
        let shown = customer.to_json();
        self.customers.put(customer);
        self.emit("customer.created", &shown, call);
        shown
    }

    pub(crate) fn retrieve_customer(&self, id: &str) -> Result<Value, ApiError> {
        self.customers.get(id).map(Customer::to_json).ok_or_else(|| no_such_customer(id, "id"))
    }

    /// The customer that another request names; deleted ones cannot be used any more.
    pub(crate) fn usable_customer(&self, id: &str) -> Result<&Customer, ApiError> {
        let found = self.customers.get(id).filter(|customer| !customer.deleted);
        found.ok_or_else(|| no_such_customer(id, "customer"))
    }

    pub(crate) fn update_customer(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&FIELDS)?;
        let found = self.customers.get_mut(id).filter(|customer| !customer.deleted);
        let customer = found.ok_or_else(|| no_such_customer(id, "id"))?;
        let mut changed = customer.clone();
        changed.apply(params)?;
        let (before, after) = (customer.to_json(), changed.to_json());
        *customer = changed;
        self.emit_if_changed("customer.updated", &before, &after, call);
        Ok(after)
    }

    pub(crate) fn delete_customer(&mut self, id: &str, call: &Call) -> Result<Value, ApiError> {
        let found = self.customers.get_mut(id).filter(|customer| !customer.deleted);
        let customer = found.ok_or_else(|| no_such_customer(id, "id"))?;
        let last_seen = customer.to_json();
        // A deleted customer forgets the person.
        *customer =
            Customer { id: id.to_owned(), created: customer.created, deleted: true, ..Customer::default() };
        self.emit("customer.deleted", &last_seen, call);
        Ok(deleted("customer", id))
    }

    pub(crate) fn list_customers(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "email"])?;
        let email = params.text("email")?;
        let keep = |customer: &Customer| !customer.deleted && (email.is_none() || customer.email == email);
        Paging::read(params)?.page(&self.customers, "/v1/customers", keep, Customer::to_json)
    }
}

fn new_customer(call: &Call) -> Customer {
    Customer { id: ids::short("cus_", &call.cx), created: call.seconds(), ..Customer::default() }
}

fn no_such_customer(id: &str, param: &str) -> ApiError {
    ApiError::no_such("customer", id, param)
}
