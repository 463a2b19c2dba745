-- Events in which nothing was ours, by the payment that they are about: an old order may learn that it is its own.
ALTER TABLE stripe_events ADD COLUMN payment_intent text;
UPDATE stripe_events SET payment_intent = object_id
  WHERE status = 'ignored' AND last_error_kind IS NULL AND substr(object_id, 1, 3) = 'pi_';
CREATE INDEX stripe_events_ignored ON stripe_events (payment_intent)
  WHERE status = 'ignored' AND payment_intent IS NOT NULL;
