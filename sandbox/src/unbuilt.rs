//! What Stripe's API takes and this sandbox does not. A shop that sends it reads so, and looks for no slip of the pen.

use crate::error::ApiError;

/// By method and path (`*` is an id): the parameters in one line. Within a hash they are written as the client does.
const CALLS: [(&str, &str, &str); 25] = [
    (
        "POST",
        "checkout/sessions",
        "adaptive_pricing after_expiration branding_settings custom_fields customer_account managed_payments \
         name_collection optional_items payment_intent_data[application_fee_amount] \
         payment_intent_data[on_behalf_of] payment_intent_data[transfer_data] redirect_on_completion \
         setup_intent_data subscription_data wallet_options",
    ),
    ("GET", "checkout/sessions", "customer_account customer_details subscription"),
    ("POST", "checkout/sessions/*", "collected_information line_items payment_intent_data shipping_options"),
    (
        "POST",
        "payment_links",
        "application_fee_amount application_fee_percent custom_fields invoice_creation managed_payments on_behalf_of \
         optional_items payment_intent_data[application_fee_amount] payment_intent_data[on_behalf_of] \
         payment_intent_data[transfer_data] payment_method_options payment_method_types subscription_data \
         transfer_data",
    ),
    (
        "POST",
        "payment_links/*",
        "allow_promotion_codes application_fee_amount application_fee_percent automatic_tax \
         billing_address_collection consent_collection custom_fields custom_text customer_creation invoice_creation \
         line_items name_collection on_behalf_of optional_items payment_intent_data payment_method_collection \
         payment_method_options payment_method_types phone_number_collection restrictions \
         shipping_address_collection shipping_options submit_type subscription_data tax_id_collection transfer_data",
    ),
    (
        "POST",
        "payment_intents",
        "amount_details application_fee_amount confirmation_token customer_account hooks mandate mandate_data \
         on_behalf_of payment_details payment_method_configuration payment_method_data payment_method_options \
         radar_options transfer_data use_stripe_sdk",
    ),
    (
        "POST",
        "payment_intents/*",
        "allowed_payment_method_types amount_details application_fee_amount capture_method customer_account \
         excluded_payment_method_types hooks payment_details payment_method_configuration payment_method_data \
         payment_method_options setup_future_usage shipping statement_descriptor statement_descriptor_suffix \
         transfer_data transfer_group",
    ),
    (
        "POST",
        "payment_intents/*/confirm",
        "allowed_payment_method_types amount_details amount_to_confirm capture_method confirmation_token \
         excluded_payment_method_types hooks mandate mandate_data payment_details payment_method_data \
         payment_method_options radar_options setup_future_usage shipping use_stripe_sdk",
    ),
    (
        "POST",
        "payment_intents/*/capture",
        "amount_details amount_to_capture application_fee_amount final_capture hooks payment_details \
         statement_descriptor statement_descriptor_suffix transfer_data",
    ),
    ("GET", "payment_intents", "customer_account"),
    ("GET", "payment_intents/*", "client_secret"),
    ("GET", "charges", "transfer_group"),
    ("POST", "charges/*", "customer fraud_details shipping transfer_group"),
    ("POST", "refunds", "customer instructions_email origin refund_application_fee reverse_transfer"),
    ("POST", "disputes/*", "intended_submission_method"),
    (
        "POST",
        "customers",
        "cash_balance next_invoice_sequence payment_method source tax tax_id_data test_clock validate",
    ),
    ("POST", "customers/*", "cash_balance default_source next_invoice_sequence source tax validate"),
    ("GET", "customers", "test_clock"),
    ("POST", "products", "package_dimensions tax_details"),
    ("POST", "products/*", "package_dimensions tax_details"),
    (
        "POST",
        "prices",
        "currency_options custom_unit_amount tiers tiers_mode transfer_lookup_key transform_quantity",
    ),
    ("POST", "prices/*", "currency_options"),
    ("POST", "coupons", "applies_to currency_options"),
    ("POST", "promotion_codes", "customer customer_account restrictions"),
    ("POST", "promotion_codes/*", "restrictions"),
];

/// The refusal of an unknown parameter says whether Stripe would have taken it; any other stays as it is.
pub(crate) fn told(error: ApiError, method: &str, path: &str) -> ApiError {
    match error.unknown().filter(|param| knows(method, path, param)).map(str::to_owned) {
        Some(param) => error.saying(format!(
            "Stripe knows the parameter {param}, this sandbox does not; docs/sandbox.md says what it knows."
        )),
        None => error,
    }
}

fn knows(method: &str, path: &str, param: &str) -> bool {
    let path = path.trim_start_matches("/v1/");
    let fits = |pattern: &str| {
        let (pattern, path) = (pattern.split('/'), path.split('/'));
        pattern.clone().count() == path.clone().count()
            && pattern.zip(path).all(|(wanted, seen)| wanted == "*" || wanted == seen)
    };
    let call = CALLS.iter().find(|(at, pattern, _)| *at == method && fits(pattern));
    call.is_some_and(|(_, _, names)| names.split_ascii_whitespace().any(|name| name == param))
}
