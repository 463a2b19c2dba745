//! What `makegood dev` leaves in its folder for the commands beside it: where its shop is, and its Stripe.

use std::collections::BTreeMap;
use std::path::Path;

/// The file by which such a folder is known.
pub const DEV_FILE: &str = "makegood-dev.json";

/// Whoever names one of these has a Stripe of their own, and none of its keys is sent to the sandbox.
const ANOTHER_STRIPE: [&str; 4] =
    ["STRIPE_SECRET", "STRIPE_SECRET_FILE", "STRIPE_SECRET_ARN", "STRIPE_API_BASE"];

/// The settings that were left in this folder; none where `makegood dev` was never there.
pub fn left(folder: &Path, is_set: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join(DEV_FILE)).unwrap_or_default();
    let marker: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let mut left: BTreeMap<String, String> =
        serde_json::from_value(marker["settings"].clone()).unwrap_or_default();
    if ANOTHER_STRIPE.into_iter().any(is_set) {
        left.retain(|name, _| !name.starts_with("STRIPE_"));
    }
    left
}
