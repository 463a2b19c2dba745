-- Orders that an operator has marked as refunded are few; a check looks at them every minute.
CREATE INDEX orders_refund_marked ON orders (refund_marked_at) WHERE refund_marked_at IS NOT NULL;
