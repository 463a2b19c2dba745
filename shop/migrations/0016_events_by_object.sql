-- Of what no order has learnt, like a charge that failed, only the events say what it was: whoever holds its id finds them by it.
CREATE INDEX stripe_events_object ON stripe_events (object_id) WHERE object_id IS NOT NULL;
