-- Tasks that run or have run: those that change things from their beginning, those that only look once somebody has to
-- come back for the answer. The audit log keeps what matters of them for ever; this table may be tidied up.
CREATE TABLE task_runs (
  id uuid PRIMARY KEY,
  task text NOT NULL,
  input jsonb NOT NULL,
  actor text NOT NULL,
  actor_type text NOT NULL,
  role text NOT NULL,
  reason text,
  request_id text,
  -- The event type of the audit entry at its end; none for a run that only looks.
  audit text,
  status text NOT NULL CHECK (status IN ('running', 'done', 'failed')),
  done bigint NOT NULL,
  total bigint,
  what text NOT NULL,
  answer jsonb,
  error jsonb,
  started_at timestamptz NOT NULL,
  -- A run that nobody hears of any more has died with its process.
  heard_at timestamptz NOT NULL,
  finished_at timestamptz,
  CHECK ((status = 'running') = (finished_at IS NULL)),
  CHECK ((status = 'done') = (answer IS NOT NULL)),
  CHECK ((status = 'failed') = (error IS NOT NULL))
);
CREATE INDEX task_runs_running ON task_runs (heard_at) WHERE status = 'running';
CREATE INDEX task_runs_finished ON task_runs (finished_at) WHERE finished_at IS NOT NULL;
