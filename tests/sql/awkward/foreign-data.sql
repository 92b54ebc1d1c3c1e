-- Foreign data: wrappers, servers, mappings, tables. Their rows are not ours.

CREATE FOREIGN DATA WRAPPER "no handler" OPTIONS (debug 'true', "odd; option" 'it''s \ odd');
CREATE SERVER nowhere TYPE 'old' VERSION '1.0' FOREIGN DATA WRAPPER "no handler" OPTIONS (host 'a.invalid', "quo""te" '''');
ALTER SERVER nowhere OWNER TO dg_awk_owner;
CREATE USER MAPPING FOR dg_awk_login SERVER nowhere OPTIONS (user 'remote', password 'dg-remote ''secret');
CREATE USER MAPPING FOR PUBLIC SERVER nowhere;
CREATE FOREIGN TABLE far_away (id int OPTIONS (column_name 'ID') NOT NULL, t text DEFAULT 'd', CHECK (id > 0)) SERVER nowhere OPTIONS (table_name 'x"y');
CREATE TABLE partly_far (id int, t text) PARTITION BY RANGE (id);
CREATE TABLE partly_near PARTITION OF partly_far FOR VALUES FROM (1) TO (100);
CREATE FOREIGN TABLE partly_far_far PARTITION OF partly_far FOR VALUES FROM (100) TO (200) SERVER nowhere OPTIONS (table_name 'far');
INSERT INTO partly_far VALUES (1, 'near');
COMMENT ON FOREIGN TABLE far_away IS 'not here';
COMMENT ON SERVER nowhere IS 'does not exist';
COMMENT ON FOREIGN DATA WRAPPER "no handler" IS 'nor does this';
\if :has_contrib
    CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'none');
    CREATE USER MAPPING FOR CURRENT_USER SERVER loopback OPTIONS (user 'nobody', password 'dg-remote');
    CREATE FOREIGN TABLE remote_table (id int, t text) SERVER loopback OPTIONS (schema_name 'public', table_name 'unreachable');
\endif
