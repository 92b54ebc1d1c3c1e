-- Every type that both families have, at its limits and NULL.
CREATE TABLE numbers (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  t tinyint, s smallint, m mediumint, i int, b bigint, tu tinyint unsigned, bu bigint unsigned,
  flag boolean, dec_big decimal(65,30), dec_plain decimal(10,2) DEFAULT '1.50', f float, d double, bits bit(1), wide bit(64)
) AUTO_INCREMENT = 4711;
INSERT INTO numbers VALUES
  (1, -128, -32768, -8388608, -2147483648, -9223372036854775808, 0, 0, FALSE, -12345678901234567890123456789012345.123456789012345678901234567890, -1.5, -1.5, -1.7976931348623157e308, b'0', b'1'),
  (2, 127, 32767, 8388607, 2147483647, 9223372036854775807, 255, 18446744073709551615, TRUE, 0.1, 99999999.99, 3.25, 2.2250738585072014e-308, b'1', 0xFFFFFFFFFFFFFFFF),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (18446744073709551000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.1, b'1', b'1');

SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE zero_id (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, note varchar(20));
INSERT INTO zero_id VALUES (0, 'zero'), (-5, 'minus'), (7, 'seven');

CREATE TABLE moments (
  id int PRIMARY KEY, d date, dt datetime, dt6 datetime(6), ts timestamp NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  ts6 timestamp(6) NULL, t time, t6 time(6), y year
);
INSERT INTO moments VALUES
  (1, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00.000000', NULL, NULL, '-838:59:59', '838:59:58.999999', 1901),
  (2, '9999-12-31', '9999-12-31 23:59:59', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07', '1970-01-01 00:00:01.000001', '00:00:00', '-00:00:00.000001', 2155),
  (3, '2024-02-00', '2024-00-00 12:00:00', '2024-02-29 23:59:59.999999', '2024-03-31 01:30:00', '2024-10-27 00:30:00.5', '12:00:00', '12:00:00.5', 0000),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SET SESSION sql_mode = DEFAULT;

CREATE TABLE texts (
  id int PRIMARY KEY, c char(10), v varchar(300) CHARACTER SET latin1 COLLATE latin1_german2_ci, u text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  w varchar(50) CHARACTER SET utf16, k varchar(20) CHARACTER SET sjis, cp varchar(20) CHARACTER SET cp1251, e enum('a','it''s','','ü,x'), st set('x','y;','z''s'), j json, n longtext
) DEFAULT CHARSET = utf8mb4 COMMENT = 'it''s a \\ comment; -- /* with everything */ ü 🐘';
INSERT INTO texts VALUES
  (1, 'a', 'äöüß', 'quotes '' " ` \\ and \0 zero', 'Ωmega', '日本', 'Привет', 'it''s', 'x,y;', '{"a": [1, 2.5, null, "ü\\n"]}', ''),
  (2, '  x', '', 'lines\nof\r\ntext\twith tabs \\n and \\', '🐘', '', '', '', '', '[]', NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'x', 'x', '-- Dump completed\n/*!40000 DROP TABLE t */;\nDELIMITER $$\n;;\n', 'x', 'x', 'x', 'ü,x', 'x,y;,z''s', '"\\u0000"', REPEAT('long ', 20000)),
  (5, '\Z', '%_', CONCAT('ctrl', CHAR(1), CHAR(26), CHAR(8)), 'x', 'x', 'x', 'a', 'x', 'true', 'NULL');

CREATE TABLE bytes (id int PRIMARY KEY, b binary(8), v varbinary(300), t tinyblob, m mediumblob, l longblob);
INSERT INTO bytes VALUES (1, 'ab', 0x00FF27225C0A0D1A, '', 0x00, NULL), (2, NULL, NULL, NULL, NULL, REPEAT(UNHEX('00FF5C27'), 50000)), (3, 0x0000000000000000, '', 0x27, 0x3B, '');

CREATE TABLE places (id int PRIMARY KEY, g geometry, p point NOT NULL, l linestring, a polygon, mp multipoint, gc geometrycollection, SPATIAL KEY at_point (p));
INSERT INTO places VALUES
  (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('POINT(3 4)'), ST_GeomFromText('LINESTRING(0 0, 1 1)'), ST_GeomFromText('POLYGON((0 0, 0 1, 1 1, 0 0))'), ST_GeomFromText('MULTIPOINT(1 1, 2 2)'), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')),
  (2, NULL, ST_GeomFromText('POINT(-1.5 0)'), NULL, NULL, NULL, NULL);

CREATE TABLE more_numbers (
  id int PRIMARY KEY, su smallint unsigned, mu mediumint unsigned, iu int unsigned, du decimal(8,3) unsigned, fu float unsigned, dbu double unsigned,
  z int(8) unsigned zerofill, zd decimal(8,2) zerofill, r real, n numeric(5), s serial
);
INSERT INTO more_numbers VALUES
  (1, 65535, 16777215, 4294967295, 99999.999, 3.4e38, 1.7e308, 42, 1.5, -1.25, 99999, 7), (2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 18446744073709551000),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 9);

CREATE TABLE more_texts (
  id int PRIMARY KEY, tt tinytext, mt mediumtext, nc nchar(5), nv national varchar(10), u2 varchar(10) CHARACTER SET ucs2, u3 varchar(10) CHARACTER SET utf32,
  ul varchar(10) CHARACTER SET utf16le, g varchar(10) CHARACTER SET gbk, b5 varchar(10) CHARACTER SET big5, eu varchar(10) CHARACTER SET ujis,
  kr varchar(10) CHARACTER SET euckr, l7 varchar(10) CHARACTER SET latin7, k8 varchar(10) CHARACTER SET koi8r, a varchar(10) CHARACTER SET ascii,
  bi varchar(10) CHARACTER SET binary, d text DEFAULT ('it''s; -- x')
);
INSERT INTO more_texts VALUES
  (1, REPEAT('é', 120), 'm', 'ñ', 'üx', 'Ω日', '🐘Ω', '🐘', '中文', '中文', '日本', '한국', 'ąč', 'Привет', 'abc', 0x00FF5C27, 'x');
INSERT INTO more_texts (id) VALUES (2);

CREATE TABLE more_bytes (id int PRIMARY KEY, b blob, t tinyblob, m mediumblob, KEY first_of_it (b(20)));
INSERT INTO more_bytes VALUES (1, 0x5C5C5C27220A0D001A, '', NULL), (2, REPEAT(0x00, 60000), 0xFF, 0x80);

CREATE TABLE more_places (id int PRIMARY KEY, ml multilinestring, mpo multipolygon);
INSERT INTO more_places VALUES
  (1, ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))'), ST_GeomFromText('MULTIPOLYGON(((0 0, 0 1, 1 1, 0 0)))')),
  (2, ST_GeomFromText('MULTILINESTRING((0 0, 1 1))', 4326), NULL), (3, NULL, NULL);
