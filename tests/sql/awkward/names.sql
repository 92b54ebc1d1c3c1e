-- Identifiers that break what builds SQL or file names from them.

CREATE SCHEMA "odd ""schema""" AUTHORIZATION "dg Awk ""odd""; role' é😀";
COMMENT ON SCHEMA "odd ""schema""" IS 'named "oddly"';
CREATE SCHEMA "UPPER";
CREATE SCHEMA "a.b";
CREATE SCHEMA "пример 例";

-- Each is a schema-qualified table with a primary key, a column and an index of the same name.
CREATE FUNCTION pg_temp.make_odd(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    schema text;
BEGIN
    FOREACH schema IN ARRAY ARRAY['awkward', 'odd "schema"', 'a.b'] LOOP
        EXECUTE format('CREATE TABLE %I.%I (%I text PRIMARY KEY, n int DEFAULT 1 CONSTRAINT %I CHECK (n > 0))', schema, name, name, left(name, 15));
        EXECUTE format('INSERT INTO %I.%I VALUES (%L), (%L)', schema, name, name, 'other');
        EXECUTE format('CREATE INDEX %I ON %I.%I (n)', left(name, 15) || ' i', schema, name);
        EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', schema, name, name, name);
    END LOOP;
END
$$;
SELECT pg_temp.make_odd(name) FROM unnest(ARRAY[
    'select', 'table', 'user', 'public', 'UPPER', 'Mixed Case', 'with space', ' leading', 'trailing ', '"', '""quoted""', '''', 'it''s', '\', 'back\slash', '\.', '\N',
    ';', 'a;b', '; DROP TABLE x; --', '-- x', '/*', '*/', '$1', '$$', '$_$', '%s', '%', '*', '?', 'a*b?c[d]', '[a-z]', '(a|b)', '^a$', '.', '..', 'a.b', 'a.b.c', '/', '../../etc/passwd', 'a/b',
    ':', ':x', '::', '@', '#', '!', '~', '-', '--help', '-t', '+', '=', ',', '<x>', '&amp;', '{}', '|', '`', '1', '123', '1e5', 'NULL', 'null', 'true', 'ctid2', 'tableoid2', 'COPY', 'é', 'ÉCOLE', '日本語', '😀', 'זה',
    repeat('x', 63), repeat('é', 31), E'tab\there', 'con', 'aux.txt', 'constructor', '__proto__', 'id', 'row', 'values', 'pg_catalog'
]) AS name;

-- Line breaks apart: pg_dump 16.2 and others before the fix of CVE-2025-8715 mishandle them in some comments.
SELECT pg_temp.make_odd(name) FROM unnest(ARRAY[E'new\nline', E'carriage\rreturn', E'both\r\n', E'\n']) AS name;

-- Objects of other kinds with such names.
CREATE TYPE "Type; of ""x""" AS ENUM ('a');
CREATE TABLE "a.b"."uses odd type" ("the value" awkward."Type; of ""x"""[], "select" int, "order" int, "group" int, PRIMARY KEY ("select", "order"));
INSERT INTO "a.b"."uses odd type" VALUES ('{a,NULL}', 1, 2, 3);
CREATE VIEW "UPPER"."View of ""odd"" 'things'" AS SELECT "the value", "select" AS "SELECT" FROM "a.b"."uses odd type";
CREATE SEQUENCE "пример 例"."seq; 'x'";
SELECT setval('"пример 例"."seq; ''x''"', 99);
-- Many columns, and columns of wide names.
SELECT format('CREATE TABLE "UPPER".wide (%s)', string_agg(format('%I int DEFAULT %s', 'column ' || g || ' "of" wide', g), ', ' ORDER BY g))
FROM generate_series(1, 800) g
\gexec
INSERT INTO "UPPER".wide DEFAULT VALUES;
