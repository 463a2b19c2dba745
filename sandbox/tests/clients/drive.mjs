// Drives the sandbox with the official npm package, unpatched. Arguments: its address, the shop's address for
// webhooks. Prints the id of the paid session; fails loudly otherwise.

import assert from "node:assert/strict";
import readline from "node:readline";
import Stripe from "stripe";

const [base, hooks] = process.argv.slice(2);
const address = new URL(base);
const options = { host: address.hostname, port: Number(address.port), protocol: "http", maxNetworkRetries: 0 };
const stripe = new Stripe("sk_test_node", options);

async function control(path, body) {
  const response = await fetch(`${base}/control/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

async function refused(errorClass, work) {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof errorClass, `${error}`);
    return error;
  }
  throw new Error(`${errorClass.name} was expected`);
}

const endpoint = await stripe.webhookEndpoints.create({ url: hooks, enabled_events: ["*"] });
assert.match(endpoint.secret, /^whsec_/);

const customer = await stripe.customers.create({ email: "node@example.com", metadata: { a: "b" } });
assert.equal((await stripe.customers.retrieve(customer.id)).metadata.a, "b");
const product = await stripe.products.create({ name: "Tea", default_price_data: { currency: "usd", unit_amount: 2450 } });
const price = await stripe.prices.retrieve(product.default_price);
assert.equal(price.unit_amount, 2450);
assert.equal(price.unit_amount_decimal.toString(), "2450");

const basket = {
  mode: "payment",
  customer: customer.id,
  line_items: [{ price: price.id, quantity: 2 }],
  success_url: "https://shop.test/thanks?s={CHECKOUT_SESSION_ID}",
  payment_intent_data: { metadata: { order: "1" } },
};
const session = await stripe.checkout.sessions.create(basket, { idempotencyKey: "node-1" });
const again = await stripe.checkout.sessions.create(basket, { idempotencyKey: "node-1" });
assert.equal(again.id, session.id);
assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
assert.equal(session.url, `${base}/checkout/${session.id}`);
const { StripeIdempotencyError, StripeInvalidRequestError, StripeCardError } = Stripe.errors;
await refused(StripeIdempotencyError, () =>
  stripe.checkout.sessions.create({ ...basket, locale: "en" }, { idempotencyKey: "node-1" }),
);
const lines = await stripe.checkout.sessions.listLineItems(session.id);
assert.equal(lines.data[0].amount_total, 4900);

const link = await stripe.paymentLinks.create({
  line_items: [{ price: price.id, quantity: 1, adjustable_quantity: { enabled: true, minimum: 1, maximum: 5 } }],
  metadata: { makegood: "yes" },
  after_completion: { type: "redirect", redirect: { url: "https://shop.test/thanks?s={CHECKOUT_SESSION_ID}" } },
});
assert.equal((await stripe.paymentLinks.retrieve(link.id)).url, `${base}/buy/${link.id}`);
assert.equal((await stripe.paymentLinks.listLineItems(link.id)).data[0].adjustable_quantity.maximum, 5);
await fetch(`${link.url}?client_reference_id=typed`);
const opened = (await stripe.checkout.sessions.list({ payment_link: link.id, expand: ["data.line_items"] })).data[0];
assert.deepEqual([opened.metadata.makegood, opened.line_items.data[0].price.id], ["yes", price.id]);
assert.equal((await stripe.paymentLinks.update(link.id, { active: false })).active, false);
assert.equal((await fetch(link.url)).status, 410);
assert.equal((await stripe.checkout.sessions.expire(opened.id)).status, "expired");

const outcome = await control("pay", { session: session.id, card: "4242424242424242" });
assert.deepEqual(outcome, { outcome: "paid", redirect: `https://shop.test/thanks?s=${session.id}` });
const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ["payment_intent.latest_charge"] });
assert.equal(paid.payment_status, "paid");
assert.equal(paid.payment_intent.latest_charge.metadata.order, "1");
const kinds = [];
for await (const event of stripe.events.list({ limit: 2 })) kinds.push(event.type);
assert.ok(kinds.includes("checkout.session.completed") && kinds.length >= 7, `${kinds}`);
const some = await stripe.events.list({ types: ["charge.succeeded"], created: { gte: session.created } });
assert.equal(some.data.length, 1);

const refund = await stripe.refunds.create({ payment_intent: paid.payment_intent.id });
assert.equal(refund.amount, 4900);
const twice = await refused(StripeInvalidRequestError, () =>
  stripe.refunds.create({ payment_intent: paid.payment_intent.id }),
);
assert.equal(twice.code, "charge_already_refunded");

const { dispute } = await control("disputes", { of: session.id, amount: 900, reason: "duplicate" });
const disputed = await stripe.disputes.retrieve(dispute, { expand: ["charge", "payment_intent"] });
assert.deepEqual([disputed.status, disputed.amount, disputed.charge.disputed], ["needs_response", 900, true]);
const answered = await stripe.disputes.update(dispute, { evidence: { product_description: "Tea" } });
assert.equal(answered.status, "under_review");
await control("move-dispute", { dispute, step: "win" });
const disputes = [];
for await (const each of stripe.disputes.list({ charge: disputed.charge.id })) disputes.push(each.status);
assert.deepEqual(disputes, ["won"]);
await control("turn-refund", { refund: refund.id, status: "failed" });
assert.equal((await stripe.refunds.retrieve(refund.id)).failure_reason, "expired_or_canceled_card");
const { review } = await control("reviews", { of: session.id });
assert.equal((await stripe.reviews.approve(review)).open, false);
assert.deepEqual((await stripe.radar.earlyFraudWarnings.list()).data, []);

const other = await stripe.checkout.sessions.create(basket);
assert.equal((await stripe.checkout.sessions.expire(other.id)).status, "expired");
await refused(StripeInvalidRequestError, () => stripe.checkout.sessions.expire(other.id));

const unknown = await refused(StripeInvalidRequestError, () => stripe.customers.create({ colour: "red" }));
assert.deepEqual([unknown.code, unknown.param], ["parameter_unknown", "colour"]);
const missing = await refused(StripeInvalidRequestError, () => stripe.prices.retrieve("price_none"));
assert.deepEqual([missing.statusCode, missing.code], [404, "resource_missing"]);
const declined = await refused(StripeCardError, () =>
  stripe.paymentIntents.create({ amount: 100, currency: "usd", confirm: true, payment_method: "pm_card_chargeDeclined" }),
);
assert.equal(declined.decline_code, "generic_decline");
assert.equal(declined.payment_intent.status, "requires_payment_method");
const stranger = new Stripe("sk_live_wrong", options);
await refused(Stripe.errors.StripeAuthenticationError, () => stranger.customers.list());

// After a broken connection the package tries once more even with `maxNetworkRetries: 0`, hence twice.
const faults = [
  ["rate_limit", Stripe.errors.StripeRateLimitError, 1],
  ["unavailable", Stripe.errors.StripeAPIError, 1],
  ["timeout_after_executing", Stripe.errors.StripeConnectionError, 2],
];
for (const [kind, errorClass, count] of faults) {
  await control("faults", { kind, path: "/v1/coupons", method: "GET", count });
  await refused(errorClass, () => stripe.coupons.list());
}
await control("faults", { kind: "timeout_after_executing", path: "/v1/coupons", method: "POST", count: 1 });
const patient = new Stripe("sk_test_node", { ...options, maxNetworkRetries: 2 });
const coupon = await patient.coupons.create({ percent_off: 12.5, duration: "once" });
assert.equal(coupon.lastResponse.headers["idempotent-replayed"], "true");
assert.equal((await stripe.coupons.list()).data.length, 1);

console.log(JSON.stringify({ session: session.id, secret: endpoint.secret }));

// The test writes each webhook that came as one line: signature, then body.
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { body, signature } = JSON.parse(line);
  const event = stripe.webhooks.constructEvent(body, signature, endpoint.secret);
  assert.equal(event.api_version, "2026-10-28.endive");
  assert.throws(
    () => stripe.webhooks.constructEvent(`${body} `, signature, endpoint.secret),
    Stripe.errors.StripeSignatureVerificationError,
  );
  console.log(event.type);
}
