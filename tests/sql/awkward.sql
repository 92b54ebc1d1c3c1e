-- A PostgreSQL database with every awkward thing in it, for 15 and later.
--   psql -f awkward-cluster.sql               once per cluster
--   psql -d NEW_DATABASE -f awkward.sql       into an empty database, as a superuser
-- Variables: big_mb (default 50): size of the largest values, in MB.
--
-- A plain `pg_dump | psql` of it works: that is what other ways of copying it are measured by. What a build lacks (XML,
-- ICU, lz4, most contrib extensions) is left out; nothing else is.
--
-- Not in it: security labels (no provider ships with PostgreSQL but sepgsql), tablespaces, two-phase transactions,
-- replication slots. None of these but labels belongs to a database's dump.

\set ON_ERROR_STOP on
\if :{?big_mb}
\else
    \set big_mb 50
\endif
\if :{?quiet}
\else
    \set QUIET on
\endif
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
\pset format unaligned
\o /dev/null

-- What this server can do.
CREATE FUNCTION pg_temp.works(sql text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE sql;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;
SELECT
    current_setting('server_version_num')::int >= 160000 AS v16,
    current_setting('server_version_num')::int >= 170000 AS v17,
    current_setting('server_version_num')::int >= 180000 AS v18,
    pg_temp.works($$SELECT '<a/>'::xml$$) AS has_xml,
    pg_temp.works($$CREATE COLLATION pg_temp.probe (provider = icu, locale = 'und')$$) AS has_icu,
    pg_temp.works($$CREATE TEMP TABLE probe_lz4 (a text COMPRESSION lz4)$$) AS has_lz4,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hstore') AS has_contrib,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pgcrypto') AS has_pgcrypto,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS has_vector,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'dg_config_test') AS has_dg_config_test
\gset
DROP TABLE IF EXISTS probe_lz4;

CREATE SCHEMA awkward AUTHORIZATION dg_awk_owner;
SET search_path = awkward, public;

\ir awkward/extensions.sql
\ir awkward/types.sql
\ir awkward/functions.sql
\ir awkward/values.sql
\ir awkward/texts.sql
\ir awkward/large-values.sql
\ir awkward/large-objects.sql
\ir awkward/tables.sql
\ir awkward/partitions.sql
\ir awkward/inheritance.sql
\ir awkward/constraints.sql
\ir awkward/sequences.sql
\ir awkward/indexes.sql
\ir awkward/operators.sql
\ir awkward/text-search.sql
\ir awkward/triggers.sql
\ir awkward/views.sql
\ir awkward/foreign-data.sql
\ir awkward/names.sql
\ir awkward/privileges.sql
\ir awkward/replication.sql
\ir awkward/settings.sql
\ir awkward/event-triggers.sql

\o
