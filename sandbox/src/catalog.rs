//! Products and their prices.

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

const PRODUCT_FIELDS: [&str; 13] = [
    "active",
    "default_price",
    "description",
    "images",
    "marketing_features",
    "metadata",
    "name",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "type",
    "unit_label",
    "url",
];

/// Something that is sold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    created: i64,
    updated: i64,
    pub(crate) name: String,
    pub(crate) active: bool,
    pub(crate) description: Option<String>,
    images: Vec<String>,
    metadata: Metadata,
    default_price: Option<String>,
    shippable: Option<bool>,
    statement_descriptor: Option<String>,
    tax_code: Option<String>,
    unit_label: Option<String>,
    url: Option<String>,
    deleted: bool,
}

/// What one unit of a product costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    created: i64,
    pub(crate) active: bool,
    pub(crate) currency: String,
    pub(crate) unit_amount: i64,
    pub(crate) product: String,
    nickname: Option<String>,
    lookup_key: Option<String>,
    metadata: Metadata,
    tax_behavior: Option<String>,
    pub(crate) recurring: Option<Recurring>,
}

/// How often a price is charged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recurring {
    interval: String,
    interval_count: i64,
}

impl Kept for Product {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Kept for Price {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Product {
    pub(crate) fn to_json(&self) -> Value {
        if self.deleted {
            return deleted("product", &self.id);
        }
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": self.default_price,
            "description": self.description,
            "images": self.images,
            "livemode": false,
            "marketing_features": [],
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": self.shippable,
            "statement_descriptor": self.statement_descriptor,
            "tax_code": self.tax_code,
            "tax_details": null,
            "type": "service",
            "unit_label": self.unit_label,
            "updated": self.updated,
            "url": self.url,
        })
    }

    fn new(id: String, call: &Call) -> Self {
        Product { id, created: call.seconds(), updated: call.seconds(), active: true, ..Product::default() }
    }

    fn apply(&mut self, params: &Params, call: &Call) -> Result<(), ApiError> {
        let take = |field: &mut Option<String>, name: &str| -> Result<(), ApiError> {
            if let Some(sent) = params.unsettable(name)? {
                *field = sent;
            }
            Ok(())
        };
        take(&mut self.description, "description")?;
        take(&mut self.statement_descriptor, "statement_descriptor")?;
        take(&mut self.tax_code, "tax_code")?;
        take(&mut self.unit_label, "unit_label")?;
        take(&mut self.url, "url")?;
        take(&mut self.default_price, "default_price")?;
        self.name = params.text("name")?.unwrap_or_else(|| self.name.clone());
        self.active = params.flag("active")?.unwrap_or(self.active);
        self.shippable = params.flag("shippable")?.or(self.shippable);
        if params.has("images") {
            self.images = params.texts("images")?;
        }
        self.updated = call.seconds();
        merge(&mut self.metadata, params.metadata_change("metadata")?)
    }
}

impl Price {
    pub(crate) fn to_json(&self) -> Value {
        let recurring = self.recurring.as_ref().map(|every| {
            json!({
                "interval": every.interval,
                "interval_count": every.interval_count,
                "meter": null,
                "trial_period_days": null,
                "usage_type": "licensed",
            })
        });
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": "per_unit",
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": recurring,
            "tax_behavior": self.tax_behavior.as_deref().unwrap_or("unspecified"),
            "tiers_mode": null,
            "transform_quantity": null,
            "type": if self.recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": self.unit_amount.to_string(),
        })
    }

    /// Reads what `POST /v1/prices`, `price_data` and `default_price_data` have in common.
    fn read(params: &Params, product: String, call: &Call) -> Result<Self, ApiError> {
        let currency = params
            .currency("currency")?
            .ok_or_else(|| ApiError::missing_parameter(&params.name_of("currency")))?;
        let unit_amount = unit_amount(params)?
            .ok_or_else(|| ApiError::missing_parameter(&params.name_of("unit_amount")))?;
        Ok(Price {
            id: ids::long("price_1", &call.cx),
            created: call.seconds(),
            active: true,
            currency,
            unit_amount,
            product,
            nickname: None,
            lookup_key: None,
            metadata: Metadata::new(),
            tax_behavior: params.one_of("tax_behavior", &["exclusive", "inclusive", "unspecified"])?,
            recurring: recurring(params)?,
        })
    }
}

fn unit_amount(params: &Params) -> Result<Option<i64>, ApiError> {
    let (whole, decimal) = (params.amount("unit_amount")?, params.text("unit_amount_decimal")?);
    let Some(text) = decimal else { return Ok(whole) };
    let refused = "This sandbox only knows whole minor units; `unit_amount_decimal` may have no fraction.";
    text.parse().map(Some).map_err(|_| params.invalid("unit_amount_decimal", refused))
}

fn recurring(params: &Params) -> Result<Option<Recurring>, ApiError> {
    let Some(every) = params.child("recurring")? else { return Ok(None) };
    every.only(&["interval", "interval_count", "usage_type", "trial_period_days"])?;
    let interval = every.one_of("interval", &["day", "month", "week", "year"])?;
    Ok(Some(Recurring {
        interval: interval.ok_or_else(|| ApiError::missing_parameter(&every.name_of("interval")))?,
        interval_count: every.integer("interval_count")?.unwrap_or(1),
    }))
}

impl Sandbox {
    pub(crate) fn create_product(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&[&PRODUCT_FIELDS[..], &["id", "default_price_data"]].concat())?;
        let id = params.text("id")?.unwrap_or_else(|| ids::short("prod_", &call.cx));
        if self.products.get(&id).is_some() {
            return Err(params.invalid("id", "Product already exists.").code("resource_already_exists"));
        }
        params.required_text("name")?;
        let mut product = Product::new(id, call);
        product.apply(params, call)?;
        if let Some(data) = params.child("default_price_data")? {
            data.only(&[
                "currency",
                "unit_amount",
                "unit_amount_decimal",
                "tax_behavior",
                "recurring",
                "metadata",
            ])?;
            let price = Price::read(&data, product.id.clone(), call)?;
            product.default_price = Some(price.id.clone());
            self.emit("price.created", &price.to_json(), call);
            self.prices.put(price);
        }
        let shown = product.to_json();
        self.products.put(product);
        self.emit("product.created", &shown, call);
        Ok(shown)
    }

    pub(crate) fn retrieve_product(&self, id: &str) -> Result<Value, ApiError> {
        let found = self.products.get(id).filter(|product| !product.deleted);
        found.map(Product::to_json).ok_or_else(|| ApiError::no_such("product", id, "id"))
    }

    pub(crate) fn update_product(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&PRODUCT_FIELDS)?;
        let found = self.products.get_mut(id).filter(|product| !product.deleted);
        let product = found.ok_or_else(|| ApiError::no_such("product", id, "id"))?;
        let mut changed = product.clone();
        changed.apply(params, call)?;
        let (before, after) = (product.to_json(), changed.to_json());
        *product = changed;
        self.emit_if_changed("product.updated", &before, &after, call);
        Ok(after)
    }

    pub(crate) fn delete_product(&mut self, id: &str, call: &Call) -> Result<Value, ApiError> {
        if self.prices.list().iter().any(|price| price.product == id) {
            let message = "This product cannot be deleted because it has one or more user-created prices.";
            return Err(ApiError::impossible(message));
        }
        let found = self.products.get_mut(id).filter(|product| !product.deleted);
        let product = found.ok_or_else(|| ApiError::no_such("product", id, "id"))?;
        let last_seen = product.to_json();
        product.deleted = true;
        self.emit("product.deleted", &last_seen, call);
        Ok(deleted("product", id))
    }

    pub(crate) fn list_products(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&[
            "limit",
            "starting_after",
            "ending_before",
            "created",
            "active",
            "ids",
            "url",
            "shippable",
        ])?;
        let (active, ids) = (params.flag("active")?, params.texts("ids")?);
        let keep = |product: &Product| {
            !product.deleted
                && active.is_none_or(|active| product.active == active)
                && (ids.is_empty() || ids.contains(&product.id))
        };
        Paging::read(params)?.page(&self.products, "/v1/products", keep, Product::to_json)
    }

    pub(crate) fn create_price(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&[
            "currency",
            "unit_amount",
            "unit_amount_decimal",
            "product",
            "product_data",
            "active",
            "nickname",
            "lookup_key",
            "metadata",
            "tax_behavior",
            "recurring",
            "billing_scheme",
        ])?;
        let product = self.product_for_price(params, call)?;
        let mut price = Price::read(params, product, call)?;
        price.active = params.flag("active")?.unwrap_or(true);
        price.nickname = params.text("nickname")?;
        price.lookup_key = params.text("lookup_key")?;
        price.metadata = params.metadata("metadata")?;
        let shown = price.to_json();
        self.prices.put(price);
        self.emit("price.created", &shown, call);
        Ok(shown)
    }

    /// Makes the price that a line item gives in passing (`price_data`) and returns its id. Stripe makes it inactive,
    /// so that it is not reused.
    pub(crate) fn inline_price(&mut self, data: &Params, call: &Call) -> Result<String, ApiError> {
        data.only(&[
            "currency",
            "unit_amount",
            "unit_amount_decimal",
            "product",
            "product_data",
            "tax_behavior",
            "recurring",
        ])?;
        let product = self.product_for_price(data, call)?;
        let price = Price { active: false, ..Price::read(data, product, call)? };
        let id = price.id.clone();
        self.prices.put(price);
        Ok(id)
    }

    /// The product that is named, or a new one from `product_data`.
    fn product_for_price(&mut self, params: &Params, call: &Call) -> Result<String, ApiError> {
        if let Some(id) = params.text("product")? {
            let known = self.products.get(&id).is_some_and(|product| !product.deleted);
            return if known {
                Ok(id)
            } else {
                Err(ApiError::no_such("product", &id, &params.name_of("product")))
            };
        }
        let data = params.child("product_data")?;
        let data = data.ok_or_else(|| ApiError::missing_parameter(&params.name_of("product")))?;
        data.only(&[&PRODUCT_FIELDS[..], &["id"]].concat())?;
        data.required_text("name")?;
        let mut product = Product::new(ids::short("prod_", &call.cx), call);
        product.apply(&data, call)?;
        let id = product.id.clone();
        self.products.put(product);
        Ok(id)
    }

    pub(crate) fn retrieve_price(&self, id: &str) -> Result<Value, ApiError> {
        self.prices.get(id).map(Price::to_json).ok_or_else(|| ApiError::no_such("price", id, "id"))
    }

    pub(crate) fn update_price(&mut self, id: &str, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&[
            "active",
            "nickname",
            "lookup_key",
            "metadata",
            "tax_behavior",
            "transfer_lookup_key",
        ])?;
        let (active, metadata) = (params.flag("active")?, params.metadata_change("metadata")?);
        let (nickname, lookup_key) = (params.unsettable("nickname")?, params.unsettable("lookup_key")?);
        let price = self.prices.get_mut(id).ok_or_else(|| ApiError::no_such("price", id, "id"))?;
        let before = price.to_json();
        merge(&mut price.metadata, metadata)?;
        price.active = active.unwrap_or(price.active);
        price.nickname = nickname.unwrap_or_else(|| price.nickname.take());
        price.lookup_key = lookup_key.unwrap_or_else(|| price.lookup_key.take());
        let after = price.to_json();
        self.emit_if_changed("price.updated", &before, &after, call);
        Ok(after)
    }

    pub(crate) fn list_prices(&self, params: &Params) -> Result<Value, ApiError> {
        params.only(&[
            "limit",
            "starting_after",
            "ending_before",
            "created",
            "active",
            "currency",
            "product",
            "lookup_keys",
            "type",
        ])?;
        let (active, product) = (params.flag("active")?, params.text("product")?);
        let (currency, keys) = (params.currency("currency")?, params.texts("lookup_keys")?);
        let kind = params.one_of("type", &["one_time", "recurring"])?;
        let keep = |price: &Price| {
            active.is_none_or(|active| price.active == active)
                && product.as_ref().is_none_or(|product| price.product == *product)
                && currency.as_ref().is_none_or(|currency| price.currency == *currency)
                && kind.as_deref().is_none_or(|kind| (kind == "recurring") == price.recurring.is_some())
                && (keys.is_empty() || price.lookup_key.as_ref().is_some_and(|key| keys.contains(key)))
        };
        Paging::read(params)?.page(&self.prices, "/v1/prices", keep, Price::to_json)
    }
}
