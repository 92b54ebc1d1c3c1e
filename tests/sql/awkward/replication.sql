-- Publications and a subscription that never connected.

CREATE PUBLICATION of_some FOR TABLE generated (id, a, name) WHERE (a > 2), ONLY parent, events WITH (publish = 'insert, update', publish_via_partition_root = true);
CREATE PUBLICATION "of; schemas" FOR TABLES IN SCHEMA "odd ""schema""", "UPPER";
CREATE PUBLICATION of_all FOR ALL TABLES WITH (publish = 'truncate');
CREATE PUBLICATION of_none;
ALTER PUBLICATION of_some OWNER TO postgres;
COMMENT ON PUBLICATION of_some IS 'some rows of some columns';
-- A database with a subscription can't be dropped before it.
SET client_min_messages = error;
CREATE SUBSCRIPTION "never; connected" CONNECTION 'host=127.0.0.1 port=1 dbname=none password=dg-subscription'
    PUBLICATION pub_a, "pub ""b""" WITH (connect = false, slot_name = NONE, binary = true, streaming = on);
SET client_min_messages = warning;
COMMENT ON SUBSCRIPTION "never; connected" IS 'it''s off';
