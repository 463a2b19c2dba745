-- Who did what to what, and why. Append-only.
CREATE TABLE audit_logs (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  event_type text NOT NULL,
  actor text NOT NULL,
  actor_type text NOT NULL,
  subject_type text NOT NULL,
  subject_id text NOT NULL,
  order_id uuid,
  reason text,
  request_id text,
  data jsonb NOT NULL
);
CREATE INDEX audit_logs_subject ON audit_logs (subject_id);
CREATE INDEX audit_logs_order ON audit_logs (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX audit_logs_type ON audit_logs (event_type, at);
-- only sqlite
CREATE TRIGGER audit_logs_no_update BEFORE UPDATE ON audit_logs
BEGIN
  SELECT RAISE(ABORT, 'the audit log only grows');
END;
CREATE TRIGGER audit_logs_no_delete BEFORE DELETE ON audit_logs
BEGIN
  SELECT RAISE(ABORT, 'the audit log only grows');
END;
-- end
-- only postgres
CREATE FUNCTION audit_logs_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log only grows';
END
$$;
CREATE TRIGGER audit_logs_only_grow BEFORE UPDATE OR DELETE ON audit_logs
  FOR EACH ROW EXECUTE FUNCTION audit_logs_only_grow();
-- end
-- Tokens are shown once; only their hash is kept.
CREATE TABLE api_tokens (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  prefix text NOT NULL,
  hash text NOT NULL,
  role text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE UNIQUE INDEX api_tokens_hash ON api_tokens (hash);
-- The answer to a request with an Idempotency-Key, kept so that a retry gets the same one.
CREATE TABLE idempotency_keys (
  scope text NOT NULL,
  idempotency_key text NOT NULL,
  request_hash text NOT NULL,
  status bigint,
  response text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (scope, idempotency_key)
);
