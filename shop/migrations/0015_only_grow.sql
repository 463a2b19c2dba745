-- What only grows is not replaced either: SQLite's REPLACE deletes without asking the trigger that guards deletion.
-- only sqlite
CREATE TRIGGER audit_logs_no_replace BEFORE INSERT ON audit_logs
WHEN EXISTS (SELECT 1 FROM audit_logs WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM audit_logs WHERE rowid = NEW.rowid)
BEGIN
  SELECT RAISE(ABORT, 'the audit log only grows');
END;
CREATE TRIGGER audit_chain_no_replace BEFORE INSERT ON audit_chain
WHEN EXISTS (SELECT 1 FROM audit_chain WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM audit_chain WHERE audit_id = NEW.audit_id)
BEGIN
  SELECT RAISE(ABORT, 'the audit chain only grows');
END;
CREATE TRIGGER inventory_ledger_no_replace BEFORE INSERT ON inventory_ledger
WHEN EXISTS (SELECT 1 FROM inventory_ledger WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM inventory_ledger WHERE rowid = NEW.rowid)
BEGIN
  SELECT RAISE(ABORT, 'the inventory ledger only grows');
END;
-- end
-- Which entries wait for their seal only the trigger says: it writes as the owner of the tables, so that the role of the
-- program needs no right to. Its path names no schema in which others may make tables.
-- only postgres
DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION audit_logs_to_chain() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;
-- end
