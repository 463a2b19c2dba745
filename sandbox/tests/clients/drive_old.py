"""Drives the sandbox with an old Python package (11 and before), which writes booleans as Python does and names an old
version of the API. Arguments and output as in drive.py."""

import json
import sys
import urllib.request

import stripe

base, hooks = sys.argv[1:3]
stripe.api_key, stripe.api_base, stripe.max_network_retries = "sk_test_old_python", base, 0

endpoint = stripe.WebhookEndpoint.create(url=hooks, enabled_events=["*"])
product = stripe.Product.create(name="Tea", shippable=True)
price = stripe.Price.create(currency="usd", unit_amount=2450, product=product.id)
assert product.shippable is True and price.active is True

payment = stripe.PaymentIntent.create(amount=500, currency="usd", confirm=True, payment_method="pm_card_visa")
assert payment.status == "succeeded"

session = stripe.checkout.Session.create(
    mode="payment",
    line_items=[{"price": price.id, "quantity": 2}],
    success_url="https://shop.test/thanks?s={CHECKOUT_SESSION_ID}",
    payment_method_types=["card"],
    ui_mode="hosted",
    allow_promotion_codes=True,
    automatic_tax={"enabled": False},
    phone_number_collection={"enabled": True},
)
assert session.allow_promotion_codes is True
assert session.automatic_tax.enabled is False and session.phone_number_collection.enabled is True

body = json.dumps({"session": session.id}).encode()
urllib.request.urlopen(urllib.request.Request(f"{base}/control/pay", body, {"Content-Type": "application/json"}))
paid = stripe.checkout.Session.retrieve(session.id, expand=["payment_intent.latest_charge"])
assert paid.payment_status == "paid" and paid.payment_intent.latest_charge.paid is True

print(json.dumps({"session": session.id, "secret": endpoint.secret}), flush=True)

for line in sys.stdin:
    webhook = json.loads(line)
    event = stripe.Webhook.construct_event(webhook["body"], webhook["signature"], endpoint.secret)
    print(event.type, flush=True)
