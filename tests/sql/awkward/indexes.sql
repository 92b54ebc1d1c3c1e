-- Every kind of index.

CREATE TABLE indexed (
    id int, a text, b int[], j jsonb, p point, r int4range, t tsvector, ip inet, at timestamptz, n numeric NOT NULL,
    CONSTRAINT indexed_pkey PRIMARY KEY (id) WITH (fillfactor = 60)
);
INSERT INTO indexed
    SELECT g, md5(g::text), ARRAY[g, g * 2], jsonb_build_object('k', g), point(g, -g), int4range(g, g + 5),
        to_tsvector('english', 'word' || g), '10.0.0.0'::inet + g, '2020-01-01'::timestamptz + g * interval '1 min', g
    FROM generate_series(1, 2000) g;
CREATE INDEX indexed_hash ON indexed USING hash (a);
CREATE INDEX indexed_gin ON indexed USING gin (b, j jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX indexed_gist ON indexed USING gist (p, r) WITH (buffering = on);
CREATE OPERATOR CLASS box_too DEFAULT FOR TYPE box USING gist_too AS
    OPERATOR 1 <<, OPERATOR 2 &<, OPERATOR 3 &&, OPERATOR 4 &>, OPERATOR 5 >>, OPERATOR 6 ~=, OPERATOR 7 @>, OPERATOR 8 <@,
    OPERATOR 9 &<|, OPERATOR 10 <<|, OPERATOR 11 |>>, OPERATOR 12 |&>,
    FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
    FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal),
    FUNCTION 7 gist_box_same(box, box, internal);
CREATE INDEX indexed_gist_too ON indexed USING gist_too (box(p, p));
CREATE INDEX indexed_spgist ON indexed USING spgist (a text_ops);
CREATE INDEX indexed_spgist_ip ON indexed USING spgist (ip);
CREATE INDEX indexed_brin ON indexed USING brin (at timestamptz_minmax_multi_ops, n) WITH (pages_per_range = 4, autosummarize = on);
CREATE INDEX indexed_brin_bloom ON indexed USING brin (a text_bloom_ops (n_distinct_per_range = 50));
CREATE INDEX indexed_text ON indexed USING gin (t);
CREATE INDEX indexed_partial ON indexed (a DESC NULLS LAST, id) INCLUDE (n) WHERE n > 10 AND a IS NOT NULL;
CREATE INDEX "Indexed; expression" ON indexed ((lower(a) || '"'), (id % 7), a COLLATE "C" text_pattern_ops);
CREATE UNIQUE INDEX indexed_nulls ON indexed (n) NULLS NOT DISTINCT WITH (deduplicate_items = off);
CREATE UNIQUE INDEX indexed_unique ON indexed (n);
ALTER TABLE indexed CLUSTER ON indexed_unique;
ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_unique;
ALTER INDEX "Indexed; expression" ALTER COLUMN 1 SET STATISTICS 444;
COMMENT ON INDEX "Indexed; expression" IS 'it''s of an expression';
ALTER TABLE twins REPLICA IDENTITY FULL;
ALTER TABLE unlogged REPLICA IDENTITY NOTHING;

-- Left behind by a CREATE INDEX CONCURRENTLY that failed: pg_dump leaves it out.
CREATE INDEX indexed_invalid ON indexed (at);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'indexed_invalid'::regclass;
\if :has_contrib
    CREATE INDEX indexed_trigram ON indexed USING gin (a "ext Schema".gin_trgm_ops);
    CREATE INDEX indexed_bloom ON indexed USING "bloom" (id, a) WITH (length = 80, col1 = 2);
\endif
