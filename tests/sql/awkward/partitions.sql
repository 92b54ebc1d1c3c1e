-- Partitions: range, list, hash, three levels, default partitions, other column orders, attached tables and indexes.

CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, kind text, payload text) PARTITION BY RANGE (at);
CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2024-01-01') PARTITION BY LIST (kind);
CREATE TABLE events_2023_a PARTITION OF events_2023 FOR VALUES IN ('a', NULL) PARTITION BY HASH (id);
CREATE TABLE events_2023_a_0 PARTITION OF events_2023_a FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_2023_a_1 PARTITION OF events_2023_a FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE events_2023_rest PARTITION OF events_2023 DEFAULT;
-- Attached, with its columns in another order, a dropped one, and an index and constraint of its own.
CREATE TABLE "events 2024" (payload text, gone int, kind text DEFAULT 'own default', at timestamptz NOT NULL, id bigint NOT NULL,
    CHECK (id > 0));
ALTER TABLE "events 2024" DROP COLUMN gone;
ALTER TABLE events ATTACH PARTITION "events 2024" FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE TABLE events_empty PARTITION OF events FOR VALUES FROM ('2030-01-01') TO (MAXVALUE);
CREATE INDEX events_at ON events (at DESC, kind);
CREATE INDEX events_payload ON ONLY events (payload);
CREATE INDEX "events 2024 payload" ON "events 2024" (payload);
ALTER INDEX events_payload ATTACH PARTITION "events 2024 payload";
INSERT INTO events
    SELECT g, '2022-06-01'::timestamptz + g * interval '6 hours', (ARRAY['a', 'b', NULL, E'c\n'])[1 + g % 4], repeat('p', g % 50)
    FROM generate_series(1, 5000) g;

CREATE TABLE by_several (a int, b text COLLATE "C", c date) PARTITION BY RANGE (a, lower(b), c);
CREATE TABLE by_several_1 PARTITION OF by_several FOR VALUES FROM (MINVALUE, MINVALUE, MINVALUE) TO (10, 'm', MAXVALUE);
CREATE TABLE by_several_2 PARTITION OF by_several FOR VALUES FROM (10, 'm', MAXVALUE) TO (MAXVALUE, MAXVALUE, MAXVALUE) WITH (fillfactor = 70);
INSERT INTO by_several SELECT g, chr(97 + g % 26), date '2020-01-01' + g FROM generate_series(1, 100) g;

CREATE TABLE no_partitions (id int) PARTITION BY LIST (id);
CREATE TABLE by_enum (m mood, t text) PARTITION BY LIST (m);
CREATE TABLE by_enum_happy PARTITION OF by_enum FOR VALUES IN ('happy', '😀');
CREATE TABLE by_enum_rest PARTITION OF by_enum DEFAULT;
INSERT INTO by_enum VALUES ('happy', 'x'), ('sad', 'y'), (NULL, 'z');
-- The hash of an enum depends on its OIDs, so a copy's rows may belong to other partitions: what was dumped from one must be
-- loaded through the root (pg_dump does so by itself for exactly this), and is compared as a whole.
CREATE TABLE by_enum_hash (m mood, n int) PARTITION BY HASH (m);
CREATE TABLE by_enum_hash_0 PARTITION OF by_enum_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE by_enum_hash_1 PARTITION OF by_enum_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE by_enum_hash_2 PARTITION OF by_enum_hash FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO by_enum_hash SELECT m, g FROM generate_series(1, 20) g, unnest(enum_range(NULL::mood)) m;

CREATE TABLE keyed (id bigint, at timestamptz, t text, CONSTRAINT keyed_pkey PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE keyed_past PARTITION OF keyed FOR VALUES FROM (MINVALUE) TO ('2020-01-01') PARTITION BY HASH (id);
CREATE TABLE keyed_past_0 PARTITION OF keyed_past FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE keyed_past_1 PARTITION OF keyed_past FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE keyed_past_2 PARTITION OF keyed_past FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE keyed_now PARTITION OF keyed DEFAULT;
INSERT INTO keyed SELECT g, '2019-12-31'::timestamptz + g * interval '1 hour', 't' FROM generate_series(1, 100) g;
CREATE TABLE refers_to_partitions (id bigint, at timestamptz, FOREIGN KEY (at, id) REFERENCES keyed ON DELETE CASCADE)
    PARTITION BY HASH (id);
CREATE TABLE refers_to_partitions_0 PARTITION OF refers_to_partitions FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO refers_to_partitions SELECT id, at FROM keyed WHERE id % 10 = 0;
COMMENT ON TABLE events_2023 IS 'a partition that is partitioned';
