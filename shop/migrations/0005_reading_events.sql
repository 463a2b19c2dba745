-- What no webhook has brought: Stripe's list of events is read again and again, and open payments are asked about.

-- How far the list was read. `schedule` goes on where it was, `hand` reads what a person asks for. A reading goes back in
-- time page by page, and each page is written down with its events: one that was cut off goes on there.
CREATE TABLE event_readings (
  name text PRIMARY KEY CHECK (name IN ('schedule', 'hand')),
  -- of the readings that came to their end: the newest event, and when the last of them began
  newest_created timestamptz,
  finished_at timestamptz,
  -- when the last of those began that looked back for events that had appeared late
  looked_back_at timestamptz,
  -- of the reading under way: back to when, since when, its newest event so far, the last event of its last page
  since timestamptz,
  began_at timestamptz,
  newest_seen timestamptz,
  older_than text,
  -- one reads at a time; who dies is followed when the lease is over
  holder uuid,
  held_until timestamptz,
  -- why it does not get on, and since when
  failing_since timestamptz,
  last_error text,
  CHECK ((since IS NULL) = (began_at IS NULL)),
  CHECK ((holder IS NULL) = (held_until IS NULL))
);

-- When Stripe was last asked about an order that still waits for its payment.
CREATE TABLE payment_looks (
  order_id uuid PRIMARY KEY REFERENCES orders (id),
  asked_at timestamptz NOT NULL
);
