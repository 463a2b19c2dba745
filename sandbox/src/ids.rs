//! Ids that look like Stripe's: a prefix, then base62 from chance.

use kernel::Cx;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `prefix` and `LENGTH` characters of chance.
fn mint<const LENGTH: usize>(prefix: &str, cx: &Cx) -> String {
    let mut id = String::with_capacity(prefix.len() + LENGTH);
    id.push_str(prefix);
    id.extend(cx.random::<LENGTH>().iter().map(|byte| char::from(BASE62[usize::from(byte % 62)])));
    id
}

/// An id of the length that most objects have: `long("pi_3", cx)`.
pub(crate) fn long(prefix: &str, cx: &Cx) -> String {
    mint::<23>(prefix, cx)
}

/// The shorter kind: customers, products, requests.
pub(crate) fn short(prefix: &str, cx: &Cx) -> String {
    mint::<14>(prefix, cx)
}

/// A Checkout Session's, which is long because it stands in a public address.
pub(crate) fn session(cx: &Cx) -> String {
    mint::<58>("cs_test_a1", cx)
}

/// Something that must not be guessed.
pub(crate) fn secret(prefix: &str, cx: &Cx) -> String {
    mint::<32>(prefix, cx)
}
