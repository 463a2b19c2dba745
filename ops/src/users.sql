-- People who sign in to the console. Names are folded to lower case.
CREATE TABLE users (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'support', 'finance', 'operator', 'admin')),
  -- argon2id with its parameters and salt; none until they have chosen one
  password text,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  disabled_at timestamptz
);
CREATE UNIQUE INDEX users_name ON users (name);
-- One-time links, with which somebody chooses a password. A link that was used is gone; only its hash is kept.
CREATE TABLE user_links (
  hash text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users (id),
  expires_at timestamptz NOT NULL
);
CREATE INDEX user_links_user ON user_links (user_id);
-- Who is signed in: a person, or the bearer of a token. Only the hash of what the browser holds is kept.
CREATE TABLE user_sessions (
  id uuid PRIMARY KEY,
  hash text NOT NULL,
  user_id uuid REFERENCES users (id),
  token_hash text,
  address text NOT NULL,
  browser text NOT NULL,
  created_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  CHECK ((user_id IS NULL) <> (token_hash IS NULL))
);
CREATE UNIQUE INDEX user_sessions_hash ON user_sessions (hash);
CREATE INDEX user_sessions_user ON user_sessions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX user_sessions_token ON user_sessions (token_hash) WHERE token_hash IS NOT NULL;
CREATE INDEX user_sessions_seen ON user_sessions (seen_at);
-- Attempts to sign in that have not succeeded, by name and by address: who guesses waits longer each time.
CREATE TABLE sign_in_attempts (
  who text PRIMARY KEY,
  failures bigint NOT NULL,
  last_at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_last ON sign_in_attempts (last_at);
