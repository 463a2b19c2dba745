-- How drills went: runbooks that were run on a shop that is thrown away, or by people who practise. Each stays.
CREATE TABLE drills (
  id uuid PRIMARY KEY,
  runbook text NOT NULL,
  passed boolean NOT NULL,
  -- at which step it was not as it must be, and what was seen
  failure text,
  -- on what it was done, and with which version of makegood
  place text NOT NULL,
  version text NOT NULL,
  steps bigint,
  actor text NOT NULL,
  drilled_at timestamptz NOT NULL,
  CHECK (passed = (failure IS NULL))
);
CREATE INDEX drills_runbook ON drills (runbook, id);
