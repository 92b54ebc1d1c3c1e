-- Tables of every shape that both families have.
CREATE TABLE empty_one (id int PRIMARY KEY, note text);
CREATE TABLE no_key (a int, b varchar(10));
INSERT INTO no_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (1, 'x');

CREATE TABLE `generated` (
  id int PRIMARY KEY, a int, b int,
  twice int GENERATED ALWAYS AS (a * 2) VIRTUAL, total int GENERATED ALWAYS AS (a + b) STORED, label varchar(40) GENERATED ALWAYS AS (CONCAT('(', a, ',', b, ')')) VIRTUAL,
  KEY by_total (total), KEY by_label (label)
);
INSERT INTO `generated` (id, a, b) VALUES (1, 1, 2), (2, NULL, 3), (3, -4, 5);

CREATE TABLE checked (id int PRIMARY KEY, a int CHECK (a < 100), b int, CONSTRAINT `odd; name` CHECK (b > a OR b IS NULL));
INSERT INTO checked VALUES (1, 1, 2), (2, 99, NULL);

CREATE TABLE indexed (
  id int NOT NULL, a int, b varchar(100), c text, PRIMARY KEY (id), UNIQUE KEY u (a, b), KEY down (a DESC, b), KEY part (b(10)), FULLTEXT KEY words (b, c)
);
INSERT INTO indexed VALUES (1, 1, 'hello world', 'some text about elephants'), (2, NULL, NULL, NULL), (3, 2, 'x', 'y');

-- Foreign keys in a circle.
CREATE TABLE egg (id int PRIMARY KEY, hen int, KEY (hen));
CREATE TABLE hen (id int PRIMARY KEY, egg int, CONSTRAINT from_egg FOREIGN KEY (egg) REFERENCES egg (id) ON DELETE CASCADE ON UPDATE RESTRICT);
INSERT INTO egg VALUES (1, 1), (2, NULL);
INSERT INTO hen VALUES (1, 2), (2, 1);
ALTER TABLE egg ADD CONSTRAINT from_hen FOREIGN KEY (hen) REFERENCES hen (id) ON DELETE SET NULL;
CREATE TABLE own_parent (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES own_parent (id));
INSERT INTO own_parent VALUES (1, NULL), (2, 1), (3, 2);
SET SESSION foreign_key_checks = 0;
CREATE TABLE orphan (id int PRIMARY KEY, gone int, FOREIGN KEY (gone) REFERENCES own_parent (id));
INSERT INTO orphan VALUES (1, 999);
SET SESSION foreign_key_checks = 1;

-- Partitions of every kind.
CREATE TABLE by_range (id int, y int, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION old VALUES LESS THAN (2000) COMMENT = 'it''s old', PARTITION mid VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN MAXVALUE);
INSERT INTO by_range VALUES (1, 1990), (2, 2010), (3, 2025);
CREATE TABLE by_list (id int, k varchar(10)) PARTITION BY LIST COLUMNS (k) (PARTITION ab VALUES IN ('a', 'b'), PARTITION rest VALUES IN ('c', NULL));
INSERT INTO by_list VALUES (1, 'a'), (2, 'c'), (3, NULL);
CREATE TABLE by_hash (id int) PARTITION BY HASH (id) PARTITIONS 4;
INSERT INTO by_hash VALUES (1), (2), (3), (4), (5);
CREATE TABLE by_key (id int PRIMARY KEY) PARTITION BY KEY () PARTITIONS 3;
INSERT INTO by_key VALUES (1), (2), (3);
CREATE TABLE by_both (id int, d date) PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (TO_DAYS(d)) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO by_both VALUES (1, '1999-01-01'), (2, '2020-05-05');

-- Names that break careless quoting.
CREATE TABLE `back``tick ' quote "x" ü; -- no` (`col``1` int PRIMARY KEY, `select` text, `a b` int, `"` int, `'` int, `;` int, `ünï` int);
INSERT INTO `back``tick ' quote "x" ü; -- no` VALUES (1, 'x', 2, 3, 4, 5, 6);
CREATE TABLE `select` (`from` int, `VALUES` int);
INSERT INTO `select` VALUES (1, 2);
CREATE TABLE `Case` (id int);
CREATE TABLE `case` (id int);
INSERT INTO `Case` VALUES (1);
INSERT INTO `case` VALUES (2), (3);
CREATE TABLE `.dot./slash\back` (id int);
INSERT INTO `.dot./slash\back` VALUES (1);

CREATE TABLE no_transactions (id int PRIMARY KEY, note text, FULLTEXT KEY (note)) ENGINE = MyISAM;
INSERT INTO no_transactions VALUES (1, 'one'), (2, 'two');
CREATE TABLE compressed (id int PRIMARY KEY, v text) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8;
INSERT INTO compressed VALUES (1, 'x');
CREATE TABLE latin (id int PRIMARY KEY, v varchar(20)) DEFAULT CHARSET = latin1 COLLATE = latin1_bin;
INSERT INTO latin VALUES (1, 'é');
