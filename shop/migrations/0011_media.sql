-- Pictures of the shop. A row is written before anything is put anywhere, so that whatever lies outside has a name here.
CREATE TABLE media_assets (
  id uuid PRIMARY KEY,
  -- pending: put there now, or nobody knows; stored: it is there; refused: it surely is not; dropped: given up and taken
  -- away; removed: it was there, and was taken away again
  status text NOT NULL CHECK (status IN ('pending', 'stored', 'refused', 'dropped', 'removed')),
  disk text NOT NULL,
  key text NOT NULL,
  url text,
  content_type text NOT NULL,
  bytes bigint NOT NULL,
  width bigint,
  height bigint,
  sha256 text NOT NULL,
  file_name text,
  -- grows with each attempt: of two that work on a row only the later one changes it
  attempt bigint NOT NULL,
  last_error text,
  -- which kind of refusal, like wrong_secret
  cause text,
  actor text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((status = 'stored') = (url IS NOT NULL))
);
-- The same picture on the same disk is one.
CREATE UNIQUE INDEX media_assets_same ON media_assets (sha256, disk) WHERE status IN ('pending', 'stored');
CREATE INDEX media_assets_pending ON media_assets (created_at) WHERE status = 'pending';
CREATE INDEX media_assets_refused ON media_assets (updated_at) WHERE status = 'refused';
-- One file has one row.
CREATE UNIQUE INDEX media_assets_key ON media_assets (key);
