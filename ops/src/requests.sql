-- What one request has written: whoever was refused or surprised holds its id, and not what it was about.
CREATE INDEX audit_logs_request ON audit_logs (request_id) WHERE request_id IS NOT NULL;
