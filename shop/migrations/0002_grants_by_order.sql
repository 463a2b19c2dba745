-- Orders ask for their grants, whoever gave them: the check for orders without an entitlement, and the case view. The
-- unique index is only on what orders granted themselves, so it cannot answer.
CREATE INDEX entitlement_grants_order ON entitlement_grants (order_id) WHERE order_id IS NOT NULL;
