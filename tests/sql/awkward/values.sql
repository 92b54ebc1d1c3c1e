-- Every built-in type, with its edges.

CREATE TABLE every_type (
    id int PRIMARY KEY,
    i2 int2, i4 int4, i8 int8, n numeric, n52 numeric(5, 2), nneg numeric(3, -2), f4 float4, f8 float8, mo money,
    ch char(5), vc varchar(10), bc bpchar, na name, c1 "char", t text, by bytea, bo bool,
    d date, ti time, ti3 time(3), tz timetz, ts timestamp, ts0 timestamp(0), tstz timestamptz, iv interval, ivd interval day to second(2),
    u uuid, ip inet, net cidr, mac macaddr, mac8 macaddr8, b5 bit(5), vb varbit,
    pt point, li line, ls lseg, bx box, pa path, po polygon, ci circle,
    j json, jb jsonb, jp jsonpath, tv tsvector, tq tsquery,
    r4 int4range, r8 int8range, nr numrange, dr daterange, tr tsrange, tzr tstzrange,
    m4 int4multirange, m8 int8multirange, nm nummultirange, dm datemultirange, tm tsmultirange, tzm tstzmultirange,
    o oid, rc regclass, rt regtype, rp regproc, rpr regprocedure, ro regoper, ror regoperator, rn regnamespace, rr regrole,
    rcf regconfig, rd regdictionary, rco regcollation, l pg_lsn, sn pg_snapshot, xs txid_snapshot, x xid, x8 xid8, c cid, tid tid,
    rcu refcursor, iv2 int2vector, ov oidvector,
    a4 int4[], at text[], ab bytea[], aj jsonb[], ats timestamptz[], amd int[][], acl aclitem[]
);
INSERT INTO every_type VALUES (
    1, -32768, -2147483648, -9223372036854775808, 'NaN', -999.99, 12345, 'NaN', '-Infinity', '-92233720368547758.08',
    'ab   ', 'äöü😀', 'trail  ', 'name of 63 bytes', '\200', E'text\twith\\everything\n', '\x00ff5c27220a0d', true,
    '4713-01-01 BC', '00:00:00', '23:59:59.9996', '24:00:00-15:59', '-infinity', '1999-12-31 23:59:59.7', '0044-03-15 12:00:00+00 BC',
    '-178000000 years', '1 day 02:03:04.567', '00000000-0000-0000-0000-000000000000', '::ffff:1.2.3.4/96', '10.0.0.0/8',
    '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'10101', B'',
    '(NaN,-Infinity)', '{1,-1,0}', '[(0,0),(1e-300,1e300)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),0>',
    E'{"a" : 1,\t"a": 2, "\\u00e9":  "é"}', '{"b": 1e400, "a": [null, "\"", "\\", "😀"], "": {}}', '$.a[*] ? (@ > 1 && @.b like_regex "x")',
    $$'it''s':1A,3B 'a\\b':2 'x'$$, $$!'a' & ('b':*A <-> 'c' | 'd''e')$$,
    '[,5)', '(1,9223372036854775807)', '[NaN,NaN]', '(-infinity,2020-01-01]', 'empty', '[2020-01-01 00:00+00,)',
    '{[1,2),[5,6)}', '{}', '{(,1),(2,)}', '{[2000-01-01,infinity)}', '{[2000-01-01 00:00,2000-01-02 00:00)}', '{(,)}',
    4294967295, 'pg_class', 'int4[]', 'pg_catalog.now', 'awkward.add(int,int)', 'pg_catalog.|/', '+(int,int)', 'awkward', 'dg_awk_owner',
    'english', 'simple', '"C"', 'FFFFFFFF/FFFFFFFF', '10:20:10,14,15', '10:20:10,14,15', '4294967295', '18446744073709551615', '7', '(4294967295,65535)',
    'cur"sor', '1 2 3', '1 2 4294967295',
    '{1,NULL,-3}', '{"",NULL,"NULL","a,b","{}","q\"","b\\s"," "}', ARRAY['\x00', '\x', NULL]::bytea[], ARRAY['{"a":1}', 'null', NULL]::jsonb[],
    '{infinity,-infinity,"0001-01-01 00:00:00+00 BC"}', '[0:1][-1:0]={{1,2},{NULL,4}}', '{=r/postgres,dg_awk_reader=a*/postgres}'
), (
    2, 32767, 2147483647, 9223372036854775807, 'Infinity', 0.00, -99900, 'Infinity', 1.7976931348623157e308, 0,
    '', '', '', '', '', '', '', false,
    '5874897-12-31', '24:00:00', '00:00:00.001', '00:00:00+15:59', 'infinity', '0001-01-01', 'infinity', '0', '-0.01 sec',
    'ffffffff-ffff-ffff-ffff-ffffffffffff', '255.255.255.255', '::/0', 'ff:ff:ff:ff:ff:ff', '00:00:00:ff:fe:00:00:00', B'00000', B'1011001',
    '(-0,0)', '{0,1,-1e10}', '[(1,1),(1,1)]', '(Infinity,0),(0,-Infinity)', '((0,0))', '((1,2))', '<(1.5,2.5),Infinity>',
    'null', 'null', 'strict $', '', '',
    'empty', '(,)', '(,)', 'empty', '(,)', '[-infinity,infinity]', '{}', '{(,)}', '{}', '{}', '{}', '{}',
    0, NULL, 'awkward.mood', NULL, NULL, NULL, NULL, 'pg_catalog', 'postgres', 'simple', 'simple', '"default"', '0/0', '1:1:', '1:1:', '0', '0', '0', '(0,0)',
    '', '', '', '{}', '{}', '{}', '{}', '{}', '{}', '{}'
);
INSERT INTO every_type VALUES (
    3, 0, 0, 0, '-Infinity', 1.10, 0, '-0', '-0', 1.5, 'x', 'y', 'z', 'n', 'c', 't', 'b', NULL,
    'infinity', '12:34:56.123456', '12:34:56.7', '12:00:00.000001+00:00:01', '2000-02-29 00:00:00.000001', '2038-01-19 03:14:08', '294276-12-31 23:59:59.999999+00',
    '1 year -2 mons +3 days -04:05:06.789', '1 day', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'fe80::1', '2001:db8::/32', NULL, NULL, NULL, B'1'
);
INSERT INTO every_type (id) VALUES (4);
-- Numbers whose text must round-trip exactly.
INSERT INTO every_type (id, f4, f8, n) VALUES
    (5, 1e-45, 5e-324, 1e-16383), (6, 3.4028235e38, 2.2250738585072014e-308, repeat('9', 1000)::numeric),
    (7, 0.1, 0.1, '0.000'), (8, 16777217, 9007199254740993, '-0.10'), (9, 1.17549435e-38, 0.30000000000000004, 10::numeric ^ 1000);

\if :has_xml
    CREATE TABLE xml_type (x xml, xs xml[]);
    SET xmloption = content;
    INSERT INTO xml_type VALUES
        ('<a b="1">x &amp; y<!-- c --><![CDATA[\.]]></a>', ARRAY['<a/>', NULL]::xml[]),
        ('content only, no element', NULL), ('<?xml version="1.0"?><doc/>', NULL), ('', '{}'), (NULL, NULL),
        (E'<!DOCTYPE a [<!ELEMENT a ANY>]><a>\n😀</a>', NULL);
\endif

-- All 256 bytes, in order, alone and in a row; and every character that COPY, CSV or SQL treats as special.
CREATE TABLE every_byte (b int PRIMARY KEY, one bytea, upto bytea);
INSERT INTO every_byte
    SELECT b, set_byte('\x00', 0, b), (SELECT string_agg(set_byte('\x00', 0, u), '' ORDER BY u) FROM generate_series(0, b) u)
    FROM generate_series(0, 255) b;
