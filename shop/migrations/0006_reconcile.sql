-- Comparisons with Stripe's objects, and of the rooms with themselves.

-- One run. A run that was cut off or stopped goes on where it was, when the same is asked for again; `fence` grows each time,
-- so that of two processes only the later one goes on. These rows explain what was found and may be tidied up; what was
-- changed stands on timelines and in the audit log.
CREATE TABLE reconciliations (
  id uuid PRIMARY KEY,
  -- an area, `all`, or the id of one object or order
  scope text NOT NULL,
  -- the youngest age that was asked for, as it was typed, and the moment that it meant when the run began
  asked_from text,
  since timestamptz,
  applies boolean NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'stopped', 'finished')),
  fence bigint NOT NULL,
  actor text NOT NULL,
  reason text,
  last_error text,
  started_at timestamptz NOT NULL,
  heard_at timestamptz NOT NULL,
  ended_at timestamptz
);
CREATE INDEX reconciliations_open ON reconciliations (heard_at) WHERE status <> 'finished';
CREATE INDEX reconciliations_heard ON reconciliations (heard_at);

-- How far each piece of a run is.
CREATE TABLE reconciliation_stages (
  reconciliation_id uuid NOT NULL REFERENCES reconciliations (id),
  stage text NOT NULL,
  -- the last object, order or refund that was compared
  place text,
  looked_at bigint NOT NULL,
  -- none of ours
  strange bigint NOT NULL,
  -- too young to be missed
  young bigint NOT NULL,
  done boolean NOT NULL,
  PRIMARY KEY (reconciliation_id, stage)
);

-- What was found; each thing once for each cause.
CREATE TABLE reconciliation_findings (
  id uuid PRIMARY KEY,
  reconciliation_id uuid NOT NULL REFERENCES reconciliations (id),
  cause text NOT NULL,
  subject text NOT NULL,
  order_id uuid,
  applied boolean NOT NULL,
  finding jsonb NOT NULL
);
CREATE UNIQUE INDEX reconciliation_findings_once ON reconciliation_findings (reconciliation_id, cause, subject);
