-- What MariaDB alone has.
CREATE SEQUENCE plain_sequence;
SELECT NEXT VALUE FOR plain_sequence INTO @x;
CREATE SEQUENCE `odd ``sequence; name'` START WITH 100 INCREMENT BY -5 MINVALUE -1000 MAXVALUE 1000 CACHE 10 CYCLE;
SELECT NEXT VALUE FOR `odd ``sequence; name'` INTO @x;
CREATE TABLE by_sequence (id bigint DEFAULT (NEXT VALUE FOR plain_sequence) PRIMARY KEY, v int);
INSERT INTO by_sequence (v) VALUES (1), (2);

CREATE TABLE versioned (id int PRIMARY KEY, v varchar(20)) WITH SYSTEM VERSIONING;
SET SESSION timestamp = UNIX_TIMESTAMP('2024-01-01 00:00:00');
INSERT INTO versioned VALUES (1, 'first'), (2, 'stays'), (3, 'goes');
SET SESSION timestamp = UNIX_TIMESTAMP('2024-02-01 00:00:00');
UPDATE versioned SET v = 'second' WHERE id = 1;
SET SESSION timestamp = UNIX_TIMESTAMP('2024-03-01 00:00:00');
DELETE FROM versioned WHERE id = 3;
SET SESSION timestamp = DEFAULT;
CREATE TABLE versioned_openly (
  id int PRIMARY KEY, v varchar(20), aside int WITHOUT SYSTEM VERSIONING, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (s, e)
) WITH SYSTEM VERSIONING;
INSERT INTO versioned_openly (id, v, aside) VALUES (1, 'a', 1), (2, 'b', 2);
UPDATE versioned_openly SET v = 'c' WHERE id = 1;
DELETE FROM versioned_openly WHERE id = 2;
CREATE TABLE versioned_parts (id int, v int) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION past HISTORY, PARTITION now CURRENT);
INSERT INTO versioned_parts VALUES (1, 1), (2, 2);
UPDATE versioned_parts SET v = 9 WHERE id = 1;
CREATE TABLE no_overlap (id int, f date, t date, PERIOD FOR p (f, t), UNIQUE (id, p WITHOUT OVERLAPS));
INSERT INTO no_overlap VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01');
CREATE TABLE with_period (id int, f date, t date, PERIOD FOR app (f, t));
INSERT INTO with_period VALUES (1, '2020-01-01', '2021-01-01');

CREATE TABLE own_types (id uuid PRIMARY KEY DEFAULT UUID(), a inet6, b inet4);
INSERT INTO own_types VALUES ('123e4567-e89b-12d3-a456-426655440000', '2001:db8::ff00:42:8329', '192.0.2.1'), ('00000000-0000-0000-0000-000000000000', NULL, NULL);
CREATE TABLE hidden (id int PRIMARY KEY, seen int, unseen int INVISIBLE DEFAULT 3, KEY ignored (seen) IGNORED);
INSERT INTO hidden (id, seen, unseen) VALUES (1, 2, 9), (2, 3, 4);
CREATE TABLE compressed_column (id int PRIMARY KEY, v text COMPRESSED, d varchar(20) DEFAULT (CONCAT('a', 1 + 1)));
INSERT INTO compressed_column VALUES (1, REPEAT('x', 1000), 'y');
CREATE TABLE aria_table (id int PRIMARY KEY, v text) ENGINE = Aria TRANSACTIONAL = 1;
INSERT INTO aria_table VALUES (1, 'x');

SET SESSION sql_mode = 'ORACLE';
DELIMITER //
CREATE PACKAGE pack AS
  PROCEDURE p(a int);
  FUNCTION f RETURN int;
END;
//
CREATE PACKAGE BODY pack AS
  PROCEDURE p(a int) AS BEGIN SELECT a; END;
  FUNCTION f RETURN int AS BEGIN RETURN 1; END;
END;
//
DELIMITER ;
SET SESSION sql_mode = DEFAULT;

-- Since 11.7.
/*M!110700 CREATE TABLE vectors (id int PRIMARY KEY, v vector(3) NOT NULL, VECTOR INDEX (v)) */;
/*M!110700 INSERT INTO vectors VALUES (1, Vec_FromText('[1.5,-2,3e10]')), (2, Vec_FromText('[0,0,0]')) */;

GRANT SELECT ON empty_one TO PUBLIC;
SET SESSION sql_mode = 'ORACLE';
GRANT EXECUTE ON PACKAGE pack TO limited;
SET SESSION sql_mode = DEFAULT;
SET DEFAULT ROLE reader FOR 'odd`user''s'@'10.0.0.%';
