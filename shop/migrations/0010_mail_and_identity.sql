-- Mails, who a buyer is, and purchases that wait for their buyer.

-- mails -------------------------------------------------------------------------------------------------------
-- Written in the transaction that decides that somebody is told something; sent by a job. `unique_key` names the thing that
-- is told: it is told once. `secret` is the link with which the reader proves something; it stands apart from the text, so
-- that nobody reads it there, and is forgotten when the mail is sent.
CREATE TABLE mails (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('order_confirmation', 'claim_link', 'sign_in_link')),
  unique_key text NOT NULL,
  recipient text NOT NULL,
  subject text NOT NULL,
  body_text text NOT NULL,
  body_html text NOT NULL,
  secret text,
  has_secret boolean NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'failed', 'unknown')),
  attempts bigint NOT NULL,
  last_error text,
  order_id uuid,
  profile_id uuid,
  useless_after timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  sent_at timestamptz,
  CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
  CHECK (secret IS NULL OR has_secret),
  CHECK (status <> 'sent' OR secret IS NULL)
);
CREATE UNIQUE INDEX mails_once ON mails (unique_key);
CREATE INDEX mails_order ON mails (order_id) WHERE order_id IS NOT NULL;
-- The few that a person may have to look at; a check reads them every minute.
CREATE INDEX mails_in_trouble ON mails (updated_at) WHERE status IN ('failed', 'unknown');

-- customers ---------------------------------------------------------------------------------------------------
-- An email that somebody typed proves nothing. One that was proved belongs to one profile.
ALTER TABLE profiles ADD COLUMN proved_email text;
ALTER TABLE profiles ADD COLUMN email_proved_at timestamptz;
CREATE UNIQUE INDEX profiles_proved_email ON profiles (proved_email) WHERE proved_email IS NOT NULL;
-- One-time links; whoever has one proves the email. Only hashes are kept, here and in the sessions.
CREATE TABLE profile_links (
  hash text PRIMARY KEY,
  email text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX profile_links_expire ON profile_links (expires_at);
CREATE TABLE profile_sessions (
  id uuid PRIMARY KEY,
  hash text NOT NULL,
  profile_id uuid NOT NULL REFERENCES profiles (id),
  address text NOT NULL,
  browser text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX profile_sessions_hash ON profile_sessions (hash);
CREATE INDEX profile_sessions_profile ON profile_sessions (profile_id);
CREATE INDEX profile_sessions_expire ON profile_sessions (expires_at);

-- claims ------------------------------------------------------------------------------------------------------
-- One for each purchase of a guest. `hash` is the one link that counts now; a new link replaces it.
CREATE TABLE purchase_claims (
  order_id uuid PRIMARY KEY REFERENCES orders (id),
  email text NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'claimed')),
  generation bigint NOT NULL,
  hash text,
  link_expires_at timestamptz,
  profile_id uuid,
  how text CHECK (how IN ('link', 'email')),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  claimed_at timestamptz,
  CHECK ((status = 'claimed') = (profile_id IS NOT NULL AND how IS NOT NULL AND claimed_at IS NOT NULL))
);
CREATE UNIQUE INDEX purchase_claims_hash ON purchase_claims (hash) WHERE hash IS NOT NULL;
CREATE INDEX purchase_claims_open ON purchase_claims (order_id) WHERE status = 'open';
