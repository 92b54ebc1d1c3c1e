-- Owners, grants (columns, options, chains), default privileges, row-level security.

CREATE TABLE secured (id int PRIMARY KEY, owner name DEFAULT current_user, secret text);
INSERT INTO secured SELECT g, CASE WHEN g % 2 = 0 THEN 'dg_awk_login' ELSE 'dg_awk_owner' END, 'secret ' || g FROM generate_series(1, 10) g;
ALTER TABLE secured OWNER TO dg_awk_owner;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE secured FORCE ROW LEVEL SECURITY;
CREATE POLICY "own rows; 'only'" ON secured AS PERMISSIVE FOR ALL TO dg_awk_login, dg_awk_reader USING (owner = current_user) WITH CHECK (owner = current_user);
CREATE POLICY restrict_all ON secured AS RESTRICTIVE FOR SELECT USING (id > 3);
CREATE POLICY for_insert ON secured FOR INSERT WITH CHECK (secret <> '');
COMMENT ON POLICY restrict_all ON secured IS 'hides three';
CREATE TABLE policies_switched_off (id int);
CREATE POLICY never ON policies_switched_off USING (false);
CREATE TABLE nothing_visible (id int);
INSERT INTO nothing_visible VALUES (1);
ALTER TABLE nothing_visible ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA awkward TO dg_awk_reader, dg_awk_writer;
GRANT USAGE, CREATE ON SCHEMA "odd ""schema""" TO PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT SELECT ON generated TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON generated TO dg_awk_writer WITH GRANT OPTION;
GRANT SELECT (id, name), UPDATE ("Last ""col"""), REFERENCES (id) ON generated TO dg_awk_reader;
GRANT SELECT (id) ON generated TO dg_awk_login WITH GRANT OPTION;
SET ROLE dg_awk_writer;
GRANT SELECT, DELETE ON generated TO "dg Awk ""odd""; role' é😀";
RESET ROLE;
GRANT ALL ON empty_table TO dg_awk_owner;
REVOKE ALL ON twins FROM postgres;
ALTER TABLE chicken OWNER TO "dg Awk ""odd""; role' é😀";
ALTER VIEW on_view OWNER TO dg_awk_owner;
ALTER MATERIALIZED VIEW a_on_mv OWNER TO dg_awk_owner;
GRANT SELECT ON mv_base TO dg_awk_owner;
ALTER SEQUENCE used_once OWNER TO dg_awk_owner;
GRANT USAGE ON SEQUENCE used_once TO dg_awk_reader;
ALTER FUNCTION triple(int) OWNER TO dg_awk_owner;
REVOKE ALL ON FUNCTION add(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add(int, int) TO dg_awk_reader WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE do_nothing TO dg_awk_reader;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
GRANT USAGE ON TYPE mood TO dg_awk_reader;
ALTER TYPE nested OWNER TO dg_awk_owner;
GRANT USAGE ON LANGUAGE "plpgsql Two" TO dg_awk_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER "no handler" TO dg_awk_reader;
GRANT USAGE ON FOREIGN SERVER nowhere TO dg_awk_writer;
GRANT SELECT (a, twice) ON TABLE generated TO dg_awk_login;
-- On system objects: kept by a dump since they differ from what initdb gave.
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_sleep(float8) TO dg_awk_reader;
GRANT SELECT (rolname) ON pg_catalog.pg_authid TO dg_awk_reader;
\if :has_contrib
    REVOKE EXECUTE ON FUNCTION "ext Schema".normal_rand(int, float8, float8) FROM PUBLIC;
\endif

ALTER DEFAULT PRIVILEGES FOR ROLE dg_awk_owner IN SCHEMA awkward GRANT SELECT ON TABLES TO dg_awk_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE dg_awk_owner GRANT USAGE ON SEQUENCES TO dg_awk_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE dg_awk_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO "dg Awk ""odd""; role' é😀";
ALTER DEFAULT PRIVILEGES FOR ROLE dg_awk_writer GRANT CREATE ON SCHEMAS TO dg_awk_reader;
