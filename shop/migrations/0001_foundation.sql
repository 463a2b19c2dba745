-- The tables of the shop's rooms. Written with PostgreSQL's types; db/dialect.rs says what each becomes on SQLite.
-- Sums are minor units of `currency`. Every instant is UTC.

-- customers ---------------------------------------------------------------------------------------------------
CREATE TABLE profiles (
  id uuid PRIMARY KEY,
  email text NOT NULL,
  name text,
  stripe_customer_id text,
  created_at timestamptz NOT NULL
);
CREATE INDEX profiles_email ON profiles (email);

-- catalog -----------------------------------------------------------------------------------------------------
CREATE TABLE products (
  id text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('course', 'physical')),
  name text NOT NULL,
  description text NOT NULL,
  sku text,
  active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((kind = 'physical') = (sku IS NOT NULL))
);
CREATE TABLE prices (
  id text PRIMARY KEY,
  product_id text NOT NULL REFERENCES products (id),
  currency text NOT NULL,
  unit_amount bigint NOT NULL CHECK (unit_amount >= 0),
  stripe_price_id text,
  active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
-- A product has one price in force for each currency, so that a basket has one total.
CREATE UNIQUE INDEX prices_in_force ON prices (product_id, currency) WHERE active;

-- inventory ---------------------------------------------------------------------------------------------------
-- `reserved_count` is the sum of live reservations. The CHECK is the last guard against overselling: whatever a
-- statement forgets, available stock cannot go below zero.
CREATE TABLE inventory (
  sku text PRIMARY KEY,
  stock_count bigint NOT NULL CHECK (stock_count >= 0),
  reserved_count bigint NOT NULL CHECK (reserved_count >= 0),
  updated_at timestamptz NOT NULL,
  CHECK (stock_count >= reserved_count)
);
-- `expires_at` NULL: held until the payment is decided (a bank debit takes days).
CREATE TABLE inventory_reservations (
  id uuid PRIMARY KEY,
  sku text NOT NULL REFERENCES inventory (sku),
  quantity bigint NOT NULL CHECK (quantity > 0),
  order_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('reserved', 'confirmed', 'released', 'expired')),
  expires_at timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX inventory_reservations_order ON inventory_reservations (order_id);
CREATE INDEX inventory_reservations_live ON inventory_reservations (expires_at) WHERE status = 'reserved';
CREATE TABLE inventory_ledger (
  id uuid PRIMARY KEY,
  sku text NOT NULL REFERENCES inventory (sku),
  quantity_change bigint NOT NULL CHECK (quantity_change <> 0),
  reason text NOT NULL,
  reference_id text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX inventory_ledger_sku ON inventory_ledger (sku);
-- One reservation is sold once, whatever is replayed.
CREATE UNIQUE INDEX inventory_ledger_sold_once ON inventory_ledger (reference_id) WHERE reason = 'sale';

-- entitlements ------------------------------------------------------------------------------------------------
-- `holder` is the profile's UUID, or `order:` and the order's UUID while a guest purchase is unclaimed.
CREATE TABLE entitlements (
  id uuid PRIMARY KEY,
  holder text NOT NULL,
  profile_id uuid,
  product_id text NOT NULL,
  status text NOT NULL CHECK (status IN ('active', 'revoked')),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX entitlements_holder ON entitlements (holder, product_id);
-- An entitlement is active while one of its grants is.
CREATE TABLE entitlement_grants (
  id uuid PRIMARY KEY,
  entitlement_id uuid NOT NULL REFERENCES entitlements (id),
  order_id uuid,
  source text NOT NULL CHECK (source IN ('order', 'operator')),
  status text NOT NULL CHECK (status IN ('active', 'revoked')),
  reason text NOT NULL,
  actor text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX entitlement_grants_entitlement ON entitlement_grants (entitlement_id);
CREATE UNIQUE INDEX entitlement_grants_once ON entitlement_grants (order_id, entitlement_id) WHERE source = 'order';

-- orders ------------------------------------------------------------------------------------------------------
CREATE TABLE orders (
  id uuid PRIMARY KEY,
  profile_id uuid,
  seller_id text,
  email text,
  status text NOT NULL CHECK (status IN ('pending', 'paid', 'confirmed', 'completed', 'cancelled', 'refunded')),
  -- why a paid order is not confirmed yet: review, stock or breakdown
  waits_for text CHECK (waits_for IN ('review', 'stock', 'breakdown')),
  cancel_reason text,
  payment_status text NOT NULL CHECK (payment_status IN
    ('unpaid', 'processing', 'paid', 'failed', 'refund_pending', 'refunded', 'disputed')),
  requires_review boolean NOT NULL,
  review_reason text,
  currency text NOT NULL,
  subtotal_amount bigint NOT NULL CHECK (subtotal_amount >= 0),
  discount_amount bigint NOT NULL CHECK (discount_amount >= 0),
  tax_amount bigint NOT NULL CHECK (tax_amount >= 0),
  shipping_amount bigint NOT NULL CHECK (shipping_amount >= 0),
  total_amount bigint NOT NULL CHECK (total_amount >= 0),
  paid_amount bigint,
  stripe_payment_intent_id text,
  stripe_checkout_session_id text,
  webhook_processed_at timestamptz,
  confirmed_at timestamptz,
  completed_at timestamptz,
  cancelled_at timestamptz,
  shipped_at timestamptz,
  tracking text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((status = 'paid') = (waits_for IS NOT NULL)),
  CHECK (status NOT IN ('confirmed', 'completed') OR webhook_processed_at IS NOT NULL)
);
CREATE INDEX "UserIndex" ON orders (profile_id, created_at);
CREATE INDEX "SellerIndex" ON orders (seller_id, created_at);
CREATE INDEX "PaymentIntentIndex" ON orders (stripe_payment_intent_id);
CREATE INDEX "CheckoutSessionIndex" ON orders (stripe_checkout_session_id);
CREATE INDEX "StatusIndex" ON orders (status, created_at);
-- The few that a person may have to look at; the checks read only these.
CREATE INDEX orders_unconfirmed ON orders (updated_at) WHERE status = 'paid';
CREATE INDEX orders_in_review ON orders (updated_at) WHERE requires_review;
CREATE TABLE order_lines (
  order_id uuid NOT NULL REFERENCES orders (id),
  position bigint NOT NULL,
  product_id text NOT NULL,
  kind text NOT NULL,
  name text NOT NULL,
  sku text,
  quantity bigint NOT NULL CHECK (quantity > 0),
  unit_amount bigint NOT NULL CHECK (unit_amount >= 0),
  PRIMARY KEY (order_id, position)
);
CREATE TABLE order_timeline (
  id uuid PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES orders (id),
  type text NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  actor_type text NOT NULL,
  meta jsonb NOT NULL
);
CREATE INDEX order_timeline_order ON order_timeline (order_id);
-- What an order says once, it says once: the second of two workers finds the entry there.
CREATE UNIQUE INDEX order_timeline_once ON order_timeline (order_id, type)
  WHERE type IN ('order_created', 'confirmed', 'completed', 'shipped');
-- Flags of several kinds are independent; the order is under review while one of them is not cleared.
CREATE TABLE order_reviews (
  order_id uuid NOT NULL REFERENCES orders (id),
  kind text NOT NULL,
  detail text NOT NULL,
  opened_at timestamptz NOT NULL,
  cleared_at timestamptz,
  cleared_by text,
  PRIMARY KEY (order_id, kind)
);
-- What Stripe has proved about an order, one row for each object, joined and never taken back.
CREATE TABLE payment_facts (
  object_id text PRIMARY KEY,
  order_id uuid NOT NULL REFERENCES orders (id),
  fact jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX payment_facts_order ON payment_facts (order_id);

-- checkout ----------------------------------------------------------------------------------------------------
-- What we asked Stripe for, written before we ask: `creating` is the state in which the answer may be lost.
CREATE TABLE checkouts (
  order_id uuid PRIMARY KEY REFERENCES orders (id),
  state text NOT NULL CHECK (state IN ('creating', 'open', 'failed', 'closed')),
  idempotency_key text NOT NULL,
  request jsonb NOT NULL,
  stripe_checkout_session_id text,
  url text,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX checkouts_session ON checkouts (stripe_checkout_session_id);

-- inbox -------------------------------------------------------------------------------------------------------
-- The payload is kept as received, as text. `next_attempt_at` is both schedule and lease: a worker that claims an
-- event moves it into the future, and when the worker dies the event is simply due again. `fence` grows with each
-- claim; only the holder of the newest may finish the event.
CREATE TABLE stripe_events (
  stripe_event_id text PRIMARY KEY,
  type text NOT NULL,
  api_version text,
  created timestamptz NOT NULL,
  livemode boolean NOT NULL,
  object_id text,
  payload text NOT NULL,
  signature text NOT NULL,
  status text NOT NULL CHECK (status IN ('received', 'processed', 'ignored', 'retry', 'error', 'unmatched')),
  attempts bigint NOT NULL,
  fence bigint NOT NULL,
  next_attempt_at timestamptz NOT NULL,
  last_error_kind text,
  last_error text,
  order_id uuid,
  received_at timestamptz NOT NULL,
  processed_at timestamptz
);
CREATE INDEX stripe_events_due ON stripe_events (next_attempt_at) WHERE status IN ('received', 'retry');
CREATE INDEX stripe_events_order ON stripe_events (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX stripe_events_open ON stripe_events (received_at) WHERE status IN ('received', 'retry', 'error', 'unmatched');
-- only postgres
-- Payloads are read seldom and compress well; where the server was built without lz4 its default stands in.
DO $$
BEGIN
  ALTER TABLE stripe_events ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;
-- end
CREATE VIEW webhook_events AS
  SELECT stripe_event_id AS id, stripe_event_id, type, status, attempts, last_error_kind, last_error, order_id,
         received_at AS created_at, processed_at
  FROM stripe_events;

-- The ledger only grows; a repair is another entry.
-- only sqlite
CREATE TRIGGER inventory_ledger_no_update BEFORE UPDATE ON inventory_ledger
BEGIN
  SELECT RAISE(ABORT, 'the inventory ledger only grows');
END;
CREATE TRIGGER inventory_ledger_no_delete BEFORE DELETE ON inventory_ledger
BEGIN
  SELECT RAISE(ABORT, 'the inventory ledger only grows');
END;
-- end
-- only postgres
CREATE FUNCTION inventory_ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the inventory ledger only grows';
END
$$;
CREATE TRIGGER inventory_ledger_only_grows BEFORE UPDATE OR DELETE ON inventory_ledger
  FOR EACH ROW EXECUTE FUNCTION inventory_ledger_only_grows();
-- end
