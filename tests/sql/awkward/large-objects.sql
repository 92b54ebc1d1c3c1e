-- Large objects, with owners, grants, comments, holes; fixed numbers, so that a copy can be told to be one.

SELECT lo_from_bytea(1000001, '');
SELECT lo_from_bytea(1000002, '\x00');
SELECT lo_from_bytea(1000003, convert_to('plain text, owned by a role', 'UTF8'));
SELECT lo_from_bytea(1000004, (SELECT string_agg(sha512(int4send(g)), '' ORDER BY g) FROM generate_series(1, 50000) g));
SELECT lo_from_bytea(1000005, decode(repeat('00', 2500000), 'hex'));
SELECT lo_from_bytea(4294967295, '\xdeadbeef');
-- A hole: nothing is stored between the two ends.
SELECT lo_create(1000006);
SELECT lo_put(1000006, 0, 'start');
SELECT lo_put(1000006, 5000000, 'end');
-- Exactly one page, one byte less, one more.
SELECT lo_from_bytea(1000007, decode(repeat('ab', 2048), 'hex'));
SELECT lo_from_bytea(1000008, decode(repeat('ab', 2047), 'hex'));
SELECT lo_from_bytea(1000009, decode(repeat('ab', 2049), 'hex'));

ALTER LARGE OBJECT 1000003 OWNER TO dg_awk_owner;
GRANT SELECT, UPDATE ON LARGE OBJECT 1000003 TO dg_awk_reader WITH GRANT OPTION;
GRANT SELECT ON LARGE OBJECT 1000004 TO PUBLIC;
REVOKE ALL ON LARGE OBJECT 1000005 FROM postgres;
COMMENT ON LARGE OBJECT 1000003 IS E'a large object''s\n"comment"';
COMMENT ON LARGE OBJECT 1000001 IS 'empty';

CREATE TABLE refers_to_large_objects (id int PRIMARY KEY, content oid);
INSERT INTO refers_to_large_objects VALUES (1, 1000001), (2, 1000004), (3, 4294967295), (4, NULL);
