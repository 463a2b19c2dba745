-- What each check found when it last ran on schedule; every node shows these.
CREATE TABLE check_results (
  name text PRIMARY KEY,
  -- where it stands in the list of checks
  place bigint NOT NULL,
  findings_count bigint NOT NULL,
  oldest timestamptz,
  checked_at timestamptz NOT NULL,
  took_ms bigint NOT NULL,
  findings jsonb NOT NULL
);
-- One process runs the checks at a time; who dies is followed when the lease is over.
CREATE TABLE check_turns (
  id bigint PRIMARY KEY CHECK (id = 1),
  holder uuid,
  held_until timestamptz,
  CHECK ((holder IS NULL) = (held_until IS NULL))
);
INSERT INTO check_turns (id) VALUES (1);
