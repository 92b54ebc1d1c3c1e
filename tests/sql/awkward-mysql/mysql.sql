-- What MySQL alone has.
CREATE TABLE hidden (id int PRIMARY KEY, seen int, unseen int INVISIBLE DEFAULT 3, KEY unused (seen) INVISIBLE);
INSERT INTO hidden (id, seen, unseen) VALUES (1, 2, 9), (2, 3, 4);
CREATE TABLE functional (id int PRIMARY KEY, a varchar(20), b json, d varchar(40) DEFAULT (CONCAT('a', 1 + 1)), KEY low ((LOWER(a))), KEY many ((CAST(b->'$.ids' AS unsigned ARRAY))));
INSERT INTO functional VALUES (1, 'Abc', '{"ids": [1, 2, 3]}', 'x'), (2, NULL, '{"ids": []}', 'y');
CREATE TABLE located (id int PRIMARY KEY, p point NOT NULL SRID 4326, SPATIAL KEY (p));
INSERT INTO located VALUES (1, ST_GeomFromText('POINT(52.5 13.4)', 4326));
CREATE TABLE vectors (id int PRIMARY KEY, v vector(3));
INSERT INTO vectors VALUES (1, STRING_TO_VECTOR('[1.5, -2, 3e10]')), (2, NULL);
CREATE TABLE unenforced (id int PRIMARY KEY, a int, CONSTRAINT not_now CHECK (a > 10) NOT ENFORCED);
INSERT INTO unenforced VALUES (1, 1);
SET SESSION sql_generate_invisible_primary_key = ON;
CREATE TABLE keyless (v int);
INSERT INTO keyless VALUES (5), (6);
SET SESSION sql_generate_invisible_primary_key = OFF;
ANALYZE TABLE indexed UPDATE HISTOGRAM ON a WITH 10 BUCKETS;

ALTER USER 'odd`user''s'@'10.0.0.%' DEFAULT ROLE reader;
