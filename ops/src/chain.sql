-- The chain over the audit log: each entry is sealed by a hash of itself and of the one before. Entries are chained a
-- moment after their transaction, because chaining in it would make all transactions wait for each other.
CREATE TABLE audit_chain (
  seq bigint PRIMARY KEY CHECK (seq > 0),
  audit_id uuid NOT NULL,
  hash text NOT NULL
);
CREATE UNIQUE INDEX audit_chain_entry ON audit_chain (audit_id);
-- The end of the chain; whoever chains holds this row.
CREATE TABLE audit_head (
  id bigint PRIMARY KEY CHECK (id = 1),
  seq bigint NOT NULL,
  hash text NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
-- Entries that wait to be chained, written by a trigger in the transaction of the entry: one that is committed late, with
-- an older id, is not missed.
CREATE TABLE audit_unchained (
  audit_id uuid PRIMARY KEY
);
INSERT INTO audit_unchained (audit_id) SELECT id FROM audit_logs;
-- only sqlite
CREATE TRIGGER audit_logs_to_chain AFTER INSERT ON audit_logs
BEGIN
  INSERT INTO audit_unchained (audit_id) VALUES (NEW.id);
END;
CREATE TRIGGER audit_chain_no_update BEFORE UPDATE ON audit_chain
BEGIN
  SELECT RAISE(ABORT, 'the audit chain only grows');
END;
CREATE TRIGGER audit_chain_no_delete BEFORE DELETE ON audit_chain
BEGIN
  SELECT RAISE(ABORT, 'the audit chain only grows');
END;
-- end
-- only postgres
CREATE FUNCTION audit_logs_to_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_unchained (audit_id) SELECT id FROM added;
  RETURN NULL;
END
$$;
CREATE TRIGGER audit_logs_to_chain AFTER INSERT ON audit_logs REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_to_chain();
CREATE FUNCTION audit_chain_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit chain only grows';
END
$$;
CREATE TRIGGER audit_chain_only_grows BEFORE UPDATE OR DELETE ON audit_chain
  FOR EACH ROW EXECUTE FUNCTION audit_chain_only_grows();
CREATE TRIGGER audit_chain_is_not_emptied BEFORE TRUNCATE ON audit_chain
  FOR EACH STATEMENT EXECUTE FUNCTION audit_chain_only_grows();
CREATE TRIGGER audit_logs_are_not_emptied BEFORE TRUNCATE ON audit_logs
  FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_only_grow();
-- end
