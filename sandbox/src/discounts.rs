//! Coupons, and the promotion codes under which buyers type them in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Sandbox;
use crate::api::deleted;
use crate::call::Call;
use crate::error::ApiError;
use crate::ids;
use crate::lists::{PAGING, Paging};
use crate::params::{Metadata, Params};
use crate::shelf::Kept;

/// What a coupon takes off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Terms {
    /// Hundredths of a percent: 1250 is 12.5 %.
    Percent(i64),
    /// Minor units of one currency.
    Amount { off: i64, currency: String },
}

/// A coupon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Coupon {
    id: String,
    created: i64,
    terms: Terms,
    duration: String,
    duration_in_months: Option<i64>,
    name: Option<String>,
    metadata: Metadata,
    max_redemptions: Option<i64>,
    redeem_by: Option<i64>,
    times_redeemed: i64,
    deleted: bool,
}

/// A code that stands for a coupon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PromotionCode {
    id: String,
    created: i64,
    code: String,
    coupon: String,
    active: bool,
    expires_at: Option<i64>,
    max_redemptions: Option<i64>,
    metadata: Metadata,
    times_redeemed: i64,
}

/// A discount as it stands on a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Discount {
    pub(crate) coupon: String,
    pub(crate) promotion_code: Option<String>,
    terms: Terms,
}

impl Discount {
    /// How much it takes off `subtotal`, never more than that. Halves are rounded up.
    pub(crate) fn off(&self, subtotal: i64) -> i64 {
        match &self.terms {
            Terms::Percent(hundredths) => subtotal.saturating_mul(*hundredths).saturating_add(5_000) / 10_000,
            Terms::Amount { off, .. } => (*off).min(subtotal),
        }
    }
}

impl Kept for Coupon {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Kept for PromotionCode {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Coupon {
    fn is_valid(&self, now: i64) -> bool {
        !self.deleted
            && self.redeem_by.is_none_or(|by| now < by)
            && self.max_redemptions.is_none_or(|most| self.times_redeemed < most)
    }

    pub(crate) fn to_json(&self, now: i64) -> Value {
        let (percent, amount, currency) = match &self.terms {
            Terms::Percent(hundredths) => (Some(percent(*hundredths)), None, None),
            Terms::Amount { off, currency } => (None, Some(off), Some(currency)),
        };
        json!({
            "id": self.id,
            "object": "coupon",
            "amount_off": amount,
            "created": self.created,
            "currency": currency,
            "duration": self.duration,
            "duration_in_months": self.duration_in_months,
            "livemode": false,
            "max_redemptions": self.max_redemptions,
            "metadata": self.metadata,
            "name": self.name,
            "percent_off": percent,
            "redeem_by": self.redeem_by,
            "times_redeemed": self.times_redeemed,
            "valid": self.is_valid(now),
        })
    }
}

/// Shown as Stripe does: 25 rather than 25.0, but 12.5.
fn percent(hundredths: i64) -> Value {
    if hundredths % 100 == 0 { json!(hundredths / 100) } else { json!(hundredths as f64 / 100.0) }
}

/// `12.5` as 1250.
fn hundredths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: i64 = format!("{fraction:0<2}").get(..2)?.parse().ok()?;
    Some(whole.parse::<i64>().ok()? * 100 + fraction).filter(|value| (1..=10_000).contains(value))
}

impl PromotionCode {
    fn is_usable(&self, now: i64) -> bool {
        self.active
            && self.expires_at.is_none_or(|at| now < at)
            && self.max_redemptions.is_none_or(|most| self.times_redeemed < most)
    }

    pub(crate) fn to_json(&self, now: i64) -> Value {
        json!({
            "id": self.id,
            "object": "promotion_code",
            "active": self.is_usable(now),
            "code": self.code,
            "created": self.created,
            "customer": null,
            "customer_account": null,
            "expires_at": self.expires_at,
            "livemode": false,
            "max_redemptions": self.max_redemptions,
            "metadata": self.metadata,
            "promotion": { "coupon": self.coupon, "type": "coupon" },
            "restrictions": {
                "first_time_transaction": false,
                "minimum_amount": null,
                "minimum_amount_currency": null,
            },
            "times_redeemed": self.times_redeemed,
        })
    }
}

impl Sandbox {
    pub(crate) fn create_coupon(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&[
            "id",
            "percent_off",
            "amount_off",
            "currency",
            "duration",
            "duration_in_months",
            "name",
            "metadata",
            "max_redemptions",
            "redeem_by",
        ])?;
        let id = params.text("id")?.unwrap_or_else(|| ids::short("", &call.cx)[..8].to_owned());
        if self.coupons.get(&id).is_some_and(|coupon| !coupon.deleted) {
            return Err(params.invalid("id", "Coupon already exists.").code("resource_already_exists"));
        }
        let coupon = Coupon {
            id,
            created: call.seconds(),
            terms: terms(params)?,
            duration: params.one_of("duration", &["forever", "once", "repeating"])?.unwrap_or("once".into()),
            duration_in_months: params.integer("duration_in_months")?,
            name: params.text("name")?,
            metadata: params.metadata("metadata")?,
            max_redemptions: params.integer("max_redemptions")?,
            redeem_by: params.integer("redeem_by")?,
            times_redeemed: 0,
            deleted: false,
        };
        let shown = coupon.to_json(call.seconds());
        self.coupons.put(coupon);
        self.emit("coupon.created", &shown, call);
        Ok(shown)
    }

    pub(crate) fn retrieve_coupon(&self, id: &str, call: &Call) -> Result<Value, ApiError> {
        let found = self.coupons.get(id).filter(|coupon| !coupon.deleted);
        Ok(found.ok_or_else(|| ApiError::no_such("coupon", id, "id"))?.to_json(call.seconds()))
    }

    pub(crate) fn delete_coupon(&mut self, id: &str, call: &Call) -> Result<Value, ApiError> {
        let found = self.coupons.get_mut(id).filter(|coupon| !coupon.deleted);
        let coupon = found.ok_or_else(|| ApiError::no_such("coupon", id, "id"))?;
        coupon.deleted = true;
        let last_seen = coupon.to_json(call.seconds());
        self.emit("coupon.deleted", &last_seen, call);
        Ok(deleted("coupon", id))
    }

    pub(crate) fn list_coupons(&self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&PAGING)?;
        let render = |coupon: &Coupon| coupon.to_json(call.seconds());
        Paging::read(params)?.page(&self.coupons, "/v1/coupons", |c| !c.deleted, render)
    }

    pub(crate) fn create_promotion_code(&mut self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["promotion", "code", "active", "expires_at", "max_redemptions", "metadata"])?;
        let promotion = params.child("promotion")?.ok_or_else(|| ApiError::missing_parameter("promotion"))?;
        promotion.only(&["type", "coupon"])?;
        let coupon = promotion.required_text("coupon")?;
        self.valid_coupon(&coupon, "promotion[coupon]", call)?;
        let code = params.text("code")?.unwrap_or_else(|| ids::short("", &call.cx)[..8].to_uppercase());
        if self.promotion_code_typed(&code, call).is_some() {
            let message = format!("An active promotion code with `code: {code}` already exists.");
            return Err(params.invalid("code", &message));
        }
        let promotion_code = PromotionCode {
            id: ids::long("promo_1", &call.cx),
            created: call.seconds(),
            code,
            coupon,
            active: params.flag("active")?.unwrap_or(true),
            expires_at: params.integer("expires_at")?,
            max_redemptions: params.integer("max_redemptions")?,
            metadata: params.metadata("metadata")?,
            times_redeemed: 0,
        };
        let shown = promotion_code.to_json(call.seconds());
        self.promotion_codes.put(promotion_code);
        self.emit("promotion_code.created", &shown, call);
        Ok(shown)
    }

    pub(crate) fn update_promotion_code(
        &mut self,
        id: &str,
        params: &Params,
        call: &Call,
    ) -> Result<Value, ApiError> {
        params.only(&["active", "metadata"])?;
        let (active, metadata) = (params.flag("active")?, params.metadata_change("metadata")?);
        let found = self.promotion_codes.get_mut(id);
        let code = found.ok_or_else(|| ApiError::no_such("promotion code", id, "id"))?;
        let before = code.to_json(call.seconds());
        code.active = active.unwrap_or(code.active);
        crate::params::merge(&mut code.metadata, metadata)?;
        let after = code.to_json(call.seconds());
        self.emit_if_changed("promotion_code.updated", &before, &after, call);
        Ok(after)
    }

    pub(crate) fn retrieve_promotion_code(&self, id: &str, call: &Call) -> Result<Value, ApiError> {
        let found = self.promotion_codes.get(id);
        Ok(found.ok_or_else(|| ApiError::no_such("promotion code", id, "id"))?.to_json(call.seconds()))
    }

    pub(crate) fn list_promotion_codes(&self, params: &Params, call: &Call) -> Result<Value, ApiError> {
        params.only(&["limit", "starting_after", "ending_before", "created", "code", "coupon", "active"])?;
        let (code, coupon, active) = (params.text("code")?, params.text("coupon")?, params.flag("active")?);
        let now = call.seconds();
        let keep = |candidate: &PromotionCode| {
            code.as_ref().is_none_or(|code| candidate.code.eq_ignore_ascii_case(code))
                && coupon.as_ref().is_none_or(|coupon| candidate.coupon == *coupon)
                && active.is_none_or(|active| candidate.is_usable(now) == active)
        };
        let paging = Paging::read(params)?;
        paging.page(&self.promotion_codes, "/v1/promotion_codes", keep, |p| p.to_json(now))
    }

    /// Reads the `discounts` of a new session; Stripe takes one at most.
    pub(crate) fn read_discount(&self, params: &Params, call: &Call) -> Result<Option<Discount>, ApiError> {
        let list = params.list("discounts")?;
        if list.len() > 1 {
            return Err(params.invalid("discounts", "You may only specify one discount."));
        }
        let Some(discount) = list.first() else { return Ok(None) };
        discount.only(&["coupon", "promotion_code"])?;
        if let Some(id) = discount.text("promotion_code")? {
            let name = discount.name_of("promotion_code");
            let found = self.promotion_codes.get(&id).filter(|code| code.is_usable(call.seconds()));
            let code = found.ok_or_else(|| ApiError::no_such("promotion code", &id, &name))?;
            let terms = self.valid_coupon(&code.coupon, &name, call)?.terms.clone();
            return Ok(Some(Discount { coupon: code.coupon.clone(), promotion_code: Some(id), terms }));
        }
        let id = discount.required_text("coupon")?;
        let terms = self.valid_coupon(&id, &discount.name_of("coupon"), call)?.terms.clone();
        Ok(Some(Discount { coupon: id, promotion_code: None, terms }))
    }

    /// The discount behind a code that a buyer typed.
    pub(crate) fn promotion_code_typed(&self, typed: &str, call: &Call) -> Option<Discount> {
        let now = call.seconds();
        let matches =
            |code: &&PromotionCode| code.code.eq_ignore_ascii_case(typed.trim()) && code.is_usable(now);
        let code = self.promotion_codes.list().iter().find(matches)?;
        let coupon = self.coupons.get(&code.coupon).filter(|coupon| coupon.is_valid(now))?;
        let terms = coupon.terms.clone();
        Some(Discount { coupon: code.coupon.clone(), promotion_code: Some(code.id.clone()), terms })
    }

    fn valid_coupon(&self, id: &str, param: &str, call: &Call) -> Result<&Coupon, ApiError> {
        let coupon = self.coupons.get(id).filter(|coupon| !coupon.deleted);
        let coupon = coupon.ok_or_else(|| ApiError::no_such("coupon", id, param))?;
        if coupon.is_valid(call.seconds()) {
            return Ok(coupon);
        }
        Err(ApiError::invalid(format!("Coupon {id} is expired and cannot be applied."))
            .code("coupon_expired")
            .about(param))
    }

    /// Counts a redemption, when a session that bears the discount completes.
    pub(crate) fn redeem(&mut self, discount: &Discount) {
        if let Some(coupon) = self.coupons.get_mut(&discount.coupon) {
            coupon.times_redeemed += 1;
        }
        let code = discount.promotion_code.as_ref().and_then(|id| self.promotion_codes.get_mut(id));
        if let Some(code) = code {
            code.times_redeemed += 1;
        }
    }
}

fn terms(params: &Params) -> Result<Terms, ApiError> {
    if let Some(text) = params.text("percent_off")? {
        let refused = || params.invalid("percent_off", "Invalid percent_off: must be between 0.01 and 100.");
        return hundredths(&text).map(Terms::Percent).ok_or_else(refused);
    }
    let off = params.amount("amount_off")?;
    let off =
        off.ok_or_else(|| params.invalid("percent_off", "You must pass one of percent_off or amount_off."))?;
    let currency = params.currency("currency")?.ok_or_else(|| ApiError::missing_parameter("currency"))?;
    Ok(Terms::Amount { off, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_counted_without_floats() {
        assert_eq!(hundredths("12.5"), Some(1250));
        assert_eq!(hundredths("100"), Some(10_000));
        assert_eq!(hundredths("100.01"), None);
        assert_eq!(hundredths("0"), None);
        let discount = Discount { coupon: "c".into(), promotion_code: None, terms: Terms::Percent(1250) };
        assert_eq!(discount.off(999), 125);
    }
}
