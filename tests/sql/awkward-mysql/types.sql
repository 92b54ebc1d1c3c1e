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
