-- What must exist in the cluster before awkward.sql is loaded: roles, their memberships and settings.
--   psql -v ON_ERROR_STOP=1 -f awkward-cluster.sql
-- May run again, and beside other tests on the same server.

\set ON_ERROR_STOP on

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['dg_awk_owner', 'dg_awk_reader', 'dg_awk_writer', 'dg_awk_login', 'dg Awk "odd"; role'' é😀']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE dg_awk_owner NOLOGIN CREATEROLE INHERIT;
ALTER ROLE dg_awk_login LOGIN PASSWORD 'dg-awkward '' password' CONNECTION LIMIT 7 VALID UNTIL '2099-12-31 23:59:59+00';
ALTER ROLE dg_awk_writer BYPASSRLS NOINHERIT;

GRANT dg_awk_reader TO dg_awk_login WITH ADMIN OPTION;
GRANT dg_awk_writer TO dg_awk_login;
GRANT dg_awk_reader TO "dg Awk ""odd""; role' é😀";

ALTER ROLE dg_awk_login SET search_path = 'odd "schema"', 'public';
ALTER ROLE dg_awk_login SET work_mem = '12345kB';
ALTER ROLE dg_awk_reader SET default_transaction_read_only = on;

COMMENT ON ROLE dg_awk_owner IS E'owns ''awkward'' things\nsecond line \\ backslash';
