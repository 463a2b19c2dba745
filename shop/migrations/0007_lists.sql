-- What people list and search must not read a whole table, however many years it holds.

-- Orders that an operator has marked as refunded are few; a check looks at them every minute.
CREATE INDEX orders_refund_marked ON orders (refund_marked_at) WHERE refund_marked_at IS NOT NULL;
-- Events as they came, all of them or of one type. Both grow at the right end.
CREATE INDEX stripe_events_received ON stripe_events (received_at, stripe_event_id);
CREATE INDEX stripe_events_type ON stripe_events (type, received_at);
