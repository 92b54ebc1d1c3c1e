\echo Use "CREATE EXTENSION dg_config_test" to load this file. \quit

-- Every row of it belongs to a backup.
CREATE TABLE setting (name text PRIMARY KEY, value text);
SELECT pg_catalog.pg_extension_config_dump('setting', '');

-- Only the rows that users added do: those that the extension brings itself would come twice.
CREATE SEQUENCE rule_number;
CREATE TABLE rule (
    number int PRIMARY KEY DEFAULT nextval('rule_number'),
    built_in bool NOT NULL DEFAULT false,
    pattern text
);
SELECT pg_catalog.pg_extension_config_dump('rule', 'WHERE NOT built_in');
SELECT pg_catalog.pg_extension_config_dump('rule_number', '');
INSERT INTO rule (built_in, pattern) VALUES (true, 'brought by the extension');

-- No row of it does.
CREATE TABLE scratch (note text);

CREATE FUNCTION answer() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 42';
