-- Values of :big_mb MB: one that compresses to nothing, one that doesn't compress, and the same as bytea, text and json.

CREATE TABLE large_values (id int PRIMARY KEY, what text, t text, b bytea, j jsonb);
ALTER TABLE large_values ALTER t SET STORAGE extended, ALTER b SET STORAGE external;
INSERT INTO large_values (id, what, t) VALUES (1, 'compressible text', repeat('DataGuardian \ ', :big_mb * 70000));
INSERT INTO large_values (id, what, b)
    SELECT 2, 'incompressible bytes', string_agg(sha512(int4send(g)), '' ORDER BY g) FROM generate_series(1, :big_mb * 16384) g;
INSERT INTO large_values (id, what, b) VALUES (3, 'zero bytes', decode(repeat('00', 3000000), 'hex'));
INSERT INTO large_values (id, what, j)
    SELECT 4, 'wide json', jsonb_object_agg('key ' || g, md5(g::text)) FROM generate_series(1, 50000) g;
INSERT INTO large_values (id, what, t)
    SELECT 5, 'long lines', string_agg(md5(g::text), E'\n' ORDER BY g) FROM generate_series(1, 60000) g;
INSERT INTO large_values VALUES (6, 'nothing', NULL, NULL, NULL);
