-- The newest link that an operator has asked for. The job makes exactly this one, so that a plan is spent once it was applied.
ALTER TABLE purchase_claims ADD COLUMN asked bigint NOT NULL DEFAULT 0;
