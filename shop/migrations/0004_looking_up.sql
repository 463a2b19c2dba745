-- Looking up by what people have in hand, and the few rows that checks and counters ask for.

-- People type an email in any case.
CREATE INDEX profiles_email_folded ON profiles (lower(email));
CREATE INDEX orders_email_folded ON orders (lower(email)) WHERE email IS NOT NULL;

-- Orders that were paid and do not know by which payment: those that cost nothing, and old ones. It is said so that no
-- other index can answer: SQLite would read every order that has no payment intent, most of which nobody ever paid.
CREATE INDEX orders_without_intent ON orders (id)
  WHERE COALESCE(stripe_payment_intent_id, '') = '' AND status NOT IN ('pending', 'cancelled');

-- What became of refunds lately, for the counters.
CREATE INDEX refunds_updated ON refunds (updated_at);
