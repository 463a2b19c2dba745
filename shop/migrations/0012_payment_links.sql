-- A price at Stripe stands for one price here in each currency. Before this nothing asked which; of two, the first stays.
UPDATE prices SET stripe_price_id = NULL WHERE EXISTS (
  SELECT 1 FROM prices other WHERE other.stripe_price_id = prices.stripe_price_id
    AND other.currency = prices.currency AND other.id < prices.id);
CREATE UNIQUE INDEX prices_at_stripe ON prices (stripe_price_id, currency);

-- Which order was made of a session that this shop did not open: one, whoever comes first. The row is written before its
-- order is, so that the second of two workers waits here; so it refers to no order.
CREATE TABLE session_orders (
  stripe_checkout_session_id text PRIMARY KEY,
  order_id uuid NOT NULL,
  payment_link text,
  created_at timestamptz NOT NULL
);
CREATE INDEX session_orders_link ON session_orders (payment_link);

-- Events about sessions that sold what is mapped to no price here; the few that a mapping wakes.
CREATE INDEX stripe_events_not_mapped ON stripe_events (received_at) WHERE last_error_kind = 'price_not_mapped';
