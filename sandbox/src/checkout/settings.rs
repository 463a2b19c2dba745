//! Settings of a session or a Payment Link that are stored and shown again and change little or nothing here. Each is
//! read by its kind, so that a wrong word is refused as Stripe refuses it, and what is shown has the type that it should.

use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::params::Params;

/// What a setting may hold.
enum Kind {
    Flag,
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of countries to which Stripe lets shops ship.
    Countries,
    /// These members, of which the first ones (so many) must be sent.
    Hash(usize, &'static [(&'static str, Kind)]),
    /// Too large to be written down here; shown with guessed types.
    Open,
}

use Kind::{Countries, Flag, Hash, Open, Text, Texts, Word};

const MESSAGE: Kind = Hash(1, &[("message", Text)]);
const ASKED_NAME: Kind = Hash(1, &[("enabled", Flag), ("optional", Flag)]);
const REUSE: Kind = Hash(1, &[("position", Word(&["auto", "hidden"]))]);

#[rustfmt::skip]
const SETTINGS: [(&str, Kind); 17] = [
    ("allow_promotion_codes", Flag),
    ("allowed_payment_method_types", Texts),
    ("billing_address_collection", Word(&["auto", "required"])),
    ("consent_collection", Hash(0, &[
        ("payment_method_reuse_agreement", REUSE),
        ("promotions", Word(&["auto", "none"])),
        ("terms_of_service", Word(&["none", "required"])),
    ])),
    ("custom_text", Hash(0, &[
        ("after_submit", MESSAGE),
        ("shipping_address", MESSAGE),
        ("submit", MESSAGE),
        ("terms_of_service_acceptance", MESSAGE),
    ])),
    ("excluded_payment_method_types", Texts),
    ("integration_identifier", Text),
    ("locale", Word(&[
        "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN",
        "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk",
        "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
    ])),
    ("name_collection", Hash(0, &[("business", ASKED_NAME), ("individual", ASKED_NAME)])),
    ("origin_context", Word(&["mobile_app", "web"])),
    ("payment_method_collection", Word(&["always", "if_required"])),
    ("payment_method_options", Open),
    ("phone_number_collection", Hash(1, &[("enabled", Flag)])),
    ("saved_payment_method_options", Open),
    ("shipping_address_collection", Hash(1, &[("allowed_countries", Countries)])),
    ("submit_type", Word(&["auto", "book", "donate", "pay", "subscribe"])),
    ("tax_id_collection", Hash(1, &[("enabled", Flag), ("required", Word(&["never", "if_supported"]))])),
];

const COUNTRIES: &str = "AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK \
    FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IS IT JE JM JO \
    JP KE KG KH KI KM KN KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU \
    MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB \
    SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US \
    UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW ZZ";

/// Reads the settings of these names, to be shown again.
pub(crate) fn shown_settings(params: &Params, names: &[&str]) -> Result<Map<String, Value>, ApiError> {
    let mut shown = Map::new();
    for (name, kind) in SETTINGS.iter().filter(|(name, _)| names.contains(name)) {
        if let Some(value) = read(params, name, kind)? {
            shown.insert((*name).to_owned(), complete(name, value));
        }
    }
    Ok(shown)
}

fn read(params: &Params, name: &str, kind: &Kind) -> Result<Option<Value>, ApiError> {
    Ok(match kind {
        Flag => params.flag(name)?.map(Value::Bool),
        Text => params.text(name)?.map(Value::String),
        Word(words) => params.one_of(name, words)?.map(Value::String),
        Texts => params.has(name).then(|| params.texts(name)).transpose()?.map(|texts| json!(texts)),
        Countries => read_countries(params, name)?,
        Hash(needed, members) => read_hash(params, name, *needed, members)?,
        Open => params.json(name),
    })
}

fn read_countries(params: &Params, name: &str) -> Result<Option<Value>, ApiError> {
    let countries = params.texts(name)?;
    if let Some(unknown) =
        countries.iter().find(|country| !COUNTRIES.split(' ').any(|known| known == *country))
    {
        let message =
            format!("Invalid {}: {unknown} is no country to which can be shipped.", params.name_of(name));
        return Err(params.invalid(name, &message));
    }
    Ok((!countries.is_empty()).then(|| json!(countries)))
}

fn read_hash(
    params: &Params,
    name: &str,
    needed: usize,
    members: &[(&str, Kind)],
) -> Result<Option<Value>, ApiError> {
    // An empty text unsets a hash.
    if params.unsets(name) {
        return Ok(None);
    }
    let Some(hash) = params.child(name)? else { return Ok(None) };
    hash.only(&members.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let mut read_members = Map::new();
    for (at, (member, kind)) in members.iter().enumerate() {
        match read(&hash, member, kind)? {
            Some(value) => {
                read_members.insert((*member).to_owned(), value);
            }
            None if at < needed => return Err(ApiError::missing_parameter(&hash.name_of(member))),
            None => {}
        }
    }
    Ok(Some(Value::Object(read_members)))
}

/// Adds the members that Stripe always shows to what was sent.
fn complete(name: &str, sent: Value) -> Value {
    let mut whole = match name {
        "consent_collection" => {
            json!({ "payment_method_reuse_agreement": null, "promotions": null, "terms_of_service": null })
        }
        "custom_text" => json!({
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        }),
        "tax_id_collection" => json!({ "enabled": false, "required": "never" }),
        _ => return sent,
    };
    if let (Value::Object(whole), Value::Object(sent)) = (&mut whole, sent) {
        whole.extend(sent);
    }
    whole
}
