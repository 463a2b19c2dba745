"""Drives the sandbox with the official Python package, unpatched. Arguments: its address, the shop's address for
webhooks. Prints the id of the paid session; fails loudly otherwise."""

import json
import sys
import time
import urllib.request

import stripe

base, hooks = sys.argv[1:3]
stripe_client = stripe.StripeClient(
    "sk_test_python",
    base_addresses={"api": base},
    max_network_retries=0,
)
v1 = stripe_client.v1


def control(path, body):
    request = urllib.request.Request(
        f"{base}/control/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        text = response.read()
    return json.loads(text) if text else None


def refused(error_class, work):
    try:
        work()
    except error_class as error:
        return error
    raise AssertionError(f"{error_class.__name__} was expected")


endpoint = v1.webhook_endpoints.create({"url": hooks, "enabled_events": ["*"]})
assert endpoint.secret.startswith("whsec_")

customer = v1.customers.create({"email": "py@example.com", "name": "Py", "metadata": {"a": "b"}})
assert v1.customers.retrieve(customer.id).metadata["a"] == "b"
assert v1.customers.list({"email": "py@example.com"}).data[0].id == customer.id
product = v1.products.create({"name": "Tea"})
price = v1.prices.create({"currency": "usd", "unit_amount": 2450, "product": product.id})
assert price.unit_amount == 2450 and price.product == product.id
assert str(price.unit_amount_decimal) == "2450"

basket = {
    "mode": "payment",
    "customer": customer.id,
    "line_items": [{"price": price.id, "quantity": 2}],
    "success_url": "https://shop.test/thanks?s={CHECKOUT_SESSION_ID}",
    "payment_intent_data": {"metadata": {"order": "1"}},
    "expand": ["line_items"],
}
link = v1.payment_links.create({"line_items": [{"price": price.id, "quantity": 1}], "metadata": {"makegood": "yes"}})
assert link.url == f"{base}/buy/{link.id}" and v1.payment_links.retrieve(link.id).active
urllib.request.urlopen(f"{link.url}?client_reference_id=typed").read()
opened = v1.checkout.sessions.list({"payment_link": link.id, "expand": ["data.line_items"]}).data[0]
assert opened.client_reference_id == "typed" and opened.line_items.data[0].price.id == price.id
assert v1.checkout.sessions.expire(opened.id).status == "expired"

session = v1.checkout.sessions.create(basket, {"idempotency_key": "py-1"})
again = v1.checkout.sessions.create(basket, {"idempotency_key": "py-1"})
assert again.id == session.id
assert again.last_response.headers["Idempotent-Replayed"] == "true"
assert session.amount_total == 4900 and session.payment_intent is None
assert session.line_items.data[0].description == "Tea"
mismatch = refused(
    stripe.IdempotencyError,
    lambda: v1.checkout.sessions.create({**basket, "locale": "en"}, {"idempotency_key": "py-1"}),
)
assert mismatch.http_status == 400
lines = v1.checkout.sessions.line_items.list(session.id)
assert [line.quantity for line in lines.auto_paging_iter()] == [2]

outcome = control("pay", {"session": session.id, "card": "4242424242424242"})
assert outcome == {"outcome": "paid", "redirect": f"https://shop.test/thanks?s={session.id}"}, outcome
paid = v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
assert (paid.status, paid.payment_status) == ("complete", "paid")
assert paid.payment_intent.latest_charge.metadata["order"] == "1"
kinds = [event.type for event in v1.events.list({"types": ["charge.succeeded", "checkout.session.completed"]})]
assert kinds == ["checkout.session.completed", "charge.succeeded"], kinds
assert len(list(v1.events.list({"limit": 2}).auto_paging_iter())) >= 7

refund = v1.refunds.create({"payment_intent": paid.payment_intent.id, "amount": 900})
assert refund.status == "succeeded"
too_much = refused(
    stripe.InvalidRequestError,
    lambda: v1.refunds.create({"payment_intent": paid.payment_intent.id, "amount": 4001}),
)
assert too_much.http_status == 400

inquiry = control("disputes", {"of": session.id, "status": "warning_needs_response"})["dispute"]
control("move-dispute", {"dispute": inquiry, "step": "escalate"})
open_disputes = v1.disputes.list({"payment_intent": paid.payment_intent.id, "expand": ["data.charge"]})
assert [(d.id, d.status, d.charge.disputed) for d in open_disputes] == [(inquiry, "needs_response", True)]
charged_back = refused(
    stripe.InvalidRequestError, lambda: v1.refunds.create({"payment_intent": paid.payment_intent.id})
)
assert charged_back.code == "charge_disputed"
answered = v1.disputes.update(inquiry, {"evidence": {"product_description": "Tea"}, "submit": False})
assert answered.evidence_details.has_evidence and answered.balance_transactions[0].amount == -4900
assert v1.disputes.close(inquiry).status == "lost"
warning = control("warnings", {"of": session.id})["warning"]
assert not v1.radar.early_fraud_warnings.retrieve(warning).actionable
review = control("reviews", {"of": session.id})["review"]
assert [r.id for r in v1.reviews.list()] == [review]
assert v1.reviews.approve(review).closed_reason == "approved"
charge = v1.charges.retrieve(paid.payment_intent.latest_charge.id, {"expand": ["refunds", "review"]})
assert [r.id for r in charge.refunds.data] == [refund.id] and not charge.review.open

other = v1.checkout.sessions.create({**basket, "expand": []})
assert v1.checkout.sessions.expire(other.id).status == "expired"
closed = refused(stripe.InvalidRequestError, lambda: v1.checkout.sessions.expire(other.id))
assert "status of expired" in closed.user_message, closed

unknown = refused(stripe.InvalidRequestError, lambda: v1.customers.create({"colour": "red"}))
assert (unknown.code, unknown.param) == ("parameter_unknown", "colour")
missing = refused(stripe.InvalidRequestError, lambda: v1.prices.retrieve("price_none"))
assert (missing.http_status, missing.code) == (404, "resource_missing")
declined = refused(
    stripe.CardError,
    lambda: v1.payment_intents.create(
        {"amount": 100, "currency": "usd", "confirm": True, "payment_method": "pm_card_chargeDeclinedInsufficientFunds"}
    ),
)
assert declined.error.decline_code == "insufficient_funds"
assert declined.error.payment_intent.status == "requires_payment_method"
stranger = stripe.StripeClient("sk_live_wrong", base_addresses={"api": base}, max_network_retries=0)
refused(stripe.AuthenticationError, lambda: stranger.v1.customers.list())

faults = [("rate_limit", stripe.RateLimitError), ("unavailable", stripe.APIError), ("timeout_after_executing", stripe.APIConnectionError)]
for kind, error_class in faults:
    control("faults", {"kind": kind, "path": "/v1/coupons", "method": "GET", "count": 1})
    refused(error_class, lambda: v1.coupons.list())
control("faults", {"kind": "timeout_after_executing", "path": "/v1/coupons", "method": "POST", "count": 1})
patient = stripe.StripeClient("sk_test_python", base_addresses={"api": base}, max_network_retries=2)
coupon = patient.v1.coupons.create({"percent_off": 12.5, "duration": "once"})
assert coupon.last_response.headers["Idempotent-Replayed"] == "true"
assert len(v1.coupons.list().data) == 1

print(json.dumps({"session": session.id, "secret": endpoint.secret}), flush=True)

# The test writes each webhook that came as one line: signature, then body.
for line in sys.stdin:
    webhook = json.loads(line)
    event = stripe.Webhook.construct_event(webhook["body"], webhook["signature"], endpoint.secret)
    assert event.object == "event" and event.api_version == "2026-10-28.endive"
    refused(
        stripe.SignatureVerificationError,
        lambda: stripe.Webhook.construct_event(webhook["body"] + " ", webhook["signature"], endpoint.secret),
    )
    print(event.type, flush=True)
