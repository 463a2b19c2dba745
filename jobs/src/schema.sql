-- A job that is done is deleted; one that gave up stays as `failed` until a person retries or discards it.
-- `run_at` is both schedule and lease; `fence` grows with each claim.
CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  unique_key text,
  payload jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'failed')),
  run_at timestamptz NOT NULL,
  attempts bigint NOT NULL,
  fence bigint NOT NULL,
  last_error text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_at) WHERE status = 'queued';
CREATE UNIQUE INDEX jobs_unique ON jobs (kind, unique_key) WHERE status = 'queued';
CREATE VIEW failed_jobs AS
  SELECT id, kind AS queue, payload, last_error AS exception, attempts, updated_at AS failed_at
  FROM jobs WHERE status = 'failed';
