-- Types of our own: enums, domains, composites, ranges, a base type, arrays of all of them.

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'between'' "ok" and \ happy' BEFORE 'happy';
ALTER TYPE mood ADD VALUE '😀' AFTER 'happy';
ALTER TYPE mood ADD VALUE '' BEFORE 'sad';
CREATE TYPE empty_enum AS ENUM ();

CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN small_positive AS positive DEFAULT 5 NOT NULL CONSTRAINT "below 100" CHECK (VALUE < 100);
CREATE DOMAIN code AS varchar(12) COLLATE "C" CHECK (VALUE ~ '^[A-Z]+\d*$');
CREATE DOMAIN not_validated AS text;
CREATE DOMAIN int_list AS int[] CHECK (array_length(VALUE, 1) < 5);

CREATE TYPE point3 AS (x float8, y float8, "Z z" float8);
CREATE TYPE nested AS (id int, name text, place point3, places point3[], how mood);
CREATE TYPE shrunk AS (a int, b text, c date);
ALTER TYPE shrunk DROP ATTRIBUTE b;
ALTER TYPE shrunk ADD ATTRIBUTE "d d" numeric(10, 2);
CREATE DOMAIN point_above AS point3 CHECK ((VALUE)."Z z" >= 0);
COMMENT ON COLUMN point3."Z z" IS 'height';

CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = float_ranges);
CREATE TYPE text_range AS RANGE (subtype = text, collation = "C");

-- A base type over the functions of text, with a shell type that is never finished beside it.
CREATE TYPE shell;
CREATE TYPE label;
CREATE FUNCTION label_in(cstring) RETURNS label LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textin';
CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textout';
CREATE TYPE label (
    INPUT = label_in, OUTPUT = label_out, INTERNALLENGTH = VARIABLE, STORAGE = extended, CATEGORY = 'S', DELIMITER = ';',
    COLLATABLE = true, DEFAULT = 'none'
);
COMMENT ON TYPE label IS E'a base type\nof our own';

CREATE COLLATION "German-ish" (provider = libc, locale = 'C.UTF-8');
CREATE COLLATION copied FROM "C";
\if :has_icu
    CREATE COLLATION phonebook (provider = icu, locale = 'de-u-co-phonebk');
    CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE of_collations (a text COLLATE phonebook, b text COLLATE ignore_case UNIQUE);
    INSERT INTO of_collations VALUES ('Ä', 'Same'), ('z', 'other');
    CREATE INDEX of_collations_a ON of_collations (a COLLATE phonebook DESC, a COLLATE "C");
\endif

CREATE TABLE of_own_types (
    id int PRIMARY KEY,
    m mood, ms mood[], p small_positive, c code, n not_validated, il int_list,
    pt point3, pts point3[], ne nested, nes nested[], sh shrunk, pa point_above,
    fr float_range, frs float_ranges, tr text_range, l label, ls label[], bounds int[]
);
INSERT INTO of_own_types VALUES
    (1, 'happy', '{sad,NULL,"between'' \"ok\" and \\ happy","",😀}', 42, 'ABC123', 'x', '{1,2}',
     '(1,2,3)', ARRAY['(1,2,3)', NULL, '(,,)']::point3[],
     ROW(1, E'q"uo''te\\,()\n', ROW('NaN', '-Infinity', 1e-300), ARRAY[ROW(0, 0, 0)::point3], '')::nested,
     ARRAY[ROW(2, NULL, NULL, NULL, NULL)]::nested[], ROW(1, '2020-02-29', 1.5)::shrunk, '(0,0,0)',
     '[1.5,2.5)', '{[1,2),[3,4]}', '["a,b","z)")', 'label; one', '{"a;b";c}', '[-2:0]={7,8,9}'),
    (2, '', '{}', 1, 'Z', '', NULL, ROW(NULL, NULL, NULL), '{}', NULL, '{}', NULL, NULL, 'empty', '{}', '(,)', '', '{}', '{}'),
    (3, NULL, NULL, 99, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

ALTER DOMAIN not_validated ADD CONSTRAINT "not 'x'" CHECK (VALUE <> 'x') NOT VALID;
COMMENT ON DOMAIN positive IS 'more than nothing';
COMMENT ON CONSTRAINT "below 100" ON DOMAIN small_positive IS 'a comment on a domain''s constraint';

-- A table of a composite type, and one whose row type is used by another table's column.
CREATE TABLE typed OF shrunk (PRIMARY KEY (a), "d d" WITH OPTIONS DEFAULT 3.14);
INSERT INTO typed VALUES (1, '1999-12-31', NULL), (2, NULL, DEFAULT);
CREATE TABLE holds_rows (id int, r of_own_types, rs typed[]);
INSERT INTO holds_rows SELECT 1, o, ARRAY(SELECT t FROM typed t ORDER BY a) FROM of_own_types o WHERE id = 1;
