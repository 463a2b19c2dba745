-- Money that goes back: refunds, disputes, and what they take with them.

-- A grant is `suspended` while the payment is disputed and `returned` when the money went back; both may come back.
-- `revoked` is an operator's word and stays. SQLite cannot change a CHECK, so the table is made anew.
CREATE TABLE entitlement_grants_new (
  id uuid PRIMARY KEY,
  entitlement_id uuid NOT NULL REFERENCES entitlements (id),
  order_id uuid,
  source text NOT NULL CHECK (source IN ('order', 'operator')),
  status text NOT NULL CHECK (status IN ('active', 'suspended', 'returned', 'revoked')),
  reason text NOT NULL,
  actor text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
INSERT INTO entitlement_grants_new SELECT * FROM entitlement_grants;
DROP TABLE entitlement_grants;
ALTER TABLE entitlement_grants_new RENAME TO entitlement_grants;
CREATE INDEX entitlement_grants_entitlement ON entitlement_grants (entitlement_id);
CREATE UNIQUE INDEX entitlement_grants_once ON entitlement_grants (order_id, entitlement_id) WHERE source = 'order';
CREATE INDEX entitlement_grants_order ON entitlement_grants (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX entitlement_grants_suspended ON entitlement_grants (updated_at) WHERE status = 'suspended';

-- How much of what was paid has gone back, in minor units; less again when a refund fails.
ALTER TABLE orders ADD COLUMN refunded_amount bigint NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN refunded_at timestamptz;
-- An operator knows that it was refunded long ago.
ALTER TABLE orders ADD COLUMN refund_marked_at timestamptz;
-- `open` while a bank decides, `lost` when it has decided for the buyer.
ALTER TABLE orders ADD COLUMN dispute_status text CHECK (dispute_status IN ('open', 'lost'));
CREATE INDEX orders_disputed ON orders (updated_at) WHERE dispute_status IS NOT NULL;
CREATE INDEX orders_refunded_in_part ON orders (updated_at) WHERE refunded_amount > 0 AND status <> 'refunded';

-- What kind of object a fact is about; of what can change both ways also its state, and whether only an event says so.
ALTER TABLE payment_facts ADD COLUMN kind text NOT NULL DEFAULT '';
ALTER TABLE payment_facts ADD COLUMN state text;
ALTER TABLE payment_facts ADD COLUMN provisional boolean NOT NULL DEFAULT false;
CREATE INDEX payment_facts_late ON payment_facts (kind, object_id)
  WHERE kind IN ('refund', 'dispute', 'radar.early_fraud_warning', 'review');
CREATE INDEX payment_facts_provisional ON payment_facts (updated_at) WHERE provisional;

-- Questions to Stripe are numbered: of two answers about one object the one to the greater number counts. One row.
CREATE TABLE stripe_questions (
  id bigint PRIMARY KEY CHECK (id = 1),
  last bigint NOT NULL
);
INSERT INTO stripe_questions (id, last) VALUES (1, 0);

-- refunds -----------------------------------------------------------------------------------------------------
-- What we asked Stripe to send back, written before we ask. `unknown` is the state in which the answer was lost: then
-- Stripe is asked what it has, before anything is sent again.
CREATE TABLE refunds (
  id uuid PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES orders (id),
  status text NOT NULL CHECK (status IN ('requested', 'unknown', 'pending', 'succeeded', 'failed')),
  -- grows when a key of Stripe's is of no use any more; the key is made of the order and this number
  generation bigint NOT NULL,
  sent_count bigint NOT NULL,
  sent_at timestamptz,
  stripe_payment_intent_id text NOT NULL,
  stripe_refund_id text,
  amount bigint NOT NULL CHECK (amount > 0),
  currency text NOT NULL,
  reason text NOT NULL,
  actor text NOT NULL,
  last_error text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
-- A payment is refunded at most once; only when that has failed may it be asked for again.
CREATE UNIQUE INDEX refunds_once ON refunds (order_id, stripe_payment_intent_id) WHERE status <> 'failed';
CREATE INDEX refunds_order ON refunds (order_id);
CREATE INDEX refunds_stripe ON refunds (stripe_refund_id) WHERE stripe_refund_id IS NOT NULL;
CREATE INDEX refunds_open ON refunds (created_at) WHERE status IN ('requested', 'unknown', 'pending');
