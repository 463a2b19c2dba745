-- Switches, and what courses and downloads are made of.

-- catalog -----------------------------------------------------------------------------------------------------
-- A download is sold too: an entitlement whose content is files. SQLite cannot change a CHECK, so the table is made anew,
-- and with it the one that refers to it.
CREATE TABLE products_new (
  id text PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('course', 'download', 'physical')),
  name text NOT NULL,
  description text NOT NULL,
  sku text,
  active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CHECK ((kind = 'physical') = (sku IS NOT NULL))
);
INSERT INTO products_new (id, kind, name, description, sku, active, created_at, updated_at)
  SELECT id, kind, name, description, sku, active, created_at, updated_at FROM products;
CREATE TABLE prices_new (
  id text PRIMARY KEY,
  product_id text NOT NULL REFERENCES products_new (id),
  currency text NOT NULL,
  unit_amount bigint NOT NULL CHECK (unit_amount >= 0),
  stripe_price_id text,
  active boolean NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
INSERT INTO prices_new (id, product_id, currency, unit_amount, stripe_price_id, active, created_at, updated_at)
  SELECT id, product_id, currency, unit_amount, stripe_price_id, active, created_at, updated_at FROM prices;
DROP TABLE prices;
DROP TABLE products;
ALTER TABLE products_new RENAME TO products;
ALTER TABLE prices_new RENAME TO prices;
CREATE UNIQUE INDEX prices_in_force ON prices (product_id, currency) WHERE active;

-- switches ----------------------------------------------------------------------------------------------------
-- What an operator may stop at once, everywhere. Every decision reads its row in its own transaction; a row that is gone
-- stops too. `changed_at` is NULL while nobody has thrown it.
CREATE TABLE switches (
  name text PRIMARY KEY CHECK (name IN ('downloads', 'checkout', 'refunds')),
  is_on boolean NOT NULL,
  reason text,
  actor text,
  changed_at timestamptz,
  CHECK (is_on OR reason IS NOT NULL)
);
INSERT INTO switches (name, is_on) VALUES ('downloads', true), ('checkout', true), ('refunds', true);
CREATE INDEX switches_off ON switches (name) WHERE NOT is_on;

-- content -----------------------------------------------------------------------------------------------------
-- What a course or a download holds. Slugs are chosen by the shop and stay; ids are what buyers see, and say nothing of
-- where a file lies.
CREATE TABLE course_contents (
  product_id text PRIMARY KEY REFERENCES products (id),
  published boolean NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE TABLE course_modules (
  id uuid PRIMARY KEY,
  product_id text NOT NULL REFERENCES course_contents (product_id),
  slug text NOT NULL,
  title text NOT NULL,
  position bigint NOT NULL,
  published boolean NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX course_modules_slug ON course_modules (product_id, slug);
CREATE TABLE course_lessons (
  id uuid PRIMARY KEY,
  product_id text NOT NULL REFERENCES course_contents (product_id),
  module_id uuid NOT NULL REFERENCES course_modules (id),
  slug text NOT NULL,
  title text NOT NULL,
  position bigint NOT NULL,
  published boolean NOT NULL,
  stream_video_id text,
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX course_lessons_slug ON course_lessons (product_id, slug);
CREATE INDEX course_lessons_module ON course_lessons (module_id);
-- A resource belongs to a lesson, or to the course or download as a whole.
CREATE TABLE course_resources (
  id uuid PRIMARY KEY,
  product_id text NOT NULL REFERENCES course_contents (product_id),
  lesson_id uuid REFERENCES course_lessons (id),
  slug text NOT NULL,
  title text NOT NULL,
  position bigint NOT NULL,
  published boolean NOT NULL,
  object_key text NOT NULL,
  file_name text NOT NULL,
  content_type text,
  bytes bigint CHECK (bytes >= 0),
  updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX course_resources_slug ON course_resources (product_id, slug);
CREATE INDEX course_resources_lesson ON course_resources (lesson_id) WHERE lesson_id IS NOT NULL;
