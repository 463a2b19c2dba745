-- Findings that an operator has seen and put off. Only lists leave them out; checks, gauges and alerts count them all the same.
CREATE TABLE finding_snoozes (
  check_name text NOT NULL,
  subject text NOT NULL,
  -- What the check found about it then, in all its words: with others, or another beginning, it is another finding.
  found text NOT NULL,
  ends_at timestamptz NOT NULL,
  actor text NOT NULL,
  reason text NOT NULL,
  snoozed_at timestamptz NOT NULL,
  PRIMARY KEY (check_name, subject)
);
