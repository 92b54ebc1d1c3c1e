-- Views, triggers, routines and events, with bodies that look like anything.
CREATE TABLE audit (id int AUTO_INCREMENT PRIMARY KEY, what varchar(200));
CREATE TABLE watched (id int PRIMARY KEY, v int, note varchar(100));

CREATE VIEW z_base AS SELECT id, note FROM watched WHERE v > 0;
CREATE VIEW a_on_z AS SELECT z.id AS `odd``name`, z.note FROM z_base z;
CREATE ALGORITHM = MERGE DEFINER = 'definer'@'%' SQL SECURITY INVOKER VIEW with_check AS SELECT * FROM watched WHERE v < 10 WITH CASCADED CHECK OPTION;
CREATE VIEW `view ``with; quotes'` AS SELECT 'it''s; -- /* x */' AS `a'b`, "double" AS c;

DELIMITER //
CREATE TRIGGER watched_first BEFORE INSERT ON watched FOR EACH ROW BEGIN
  -- it's a comment; with a quote
  SET NEW.note = CONCAT('first;', NEW.note); /* ;; and a // */
END//
CREATE TRIGGER watched_second BEFORE INSERT ON watched FOR EACH ROW FOLLOWS watched_first SET NEW.note = CONCAT(NEW.note, ';second')//
CREATE TRIGGER watched_between BEFORE INSERT ON watched FOR EACH ROW PRECEDES watched_second SET NEW.note = CONCAT(NEW.note, ';between')//
CREATE DEFINER = 'definer'@'%' TRIGGER watched_after AFTER UPDATE ON watched FOR EACH ROW INSERT INTO audit (what) VALUES (CONCAT('updated ', NEW.id))//
CREATE TRIGGER `odd ``trigger; name'` AFTER DELETE ON watched FOR EACH ROW BEGIN END//
CREATE PROCEDURE looks_like_a_dump(IN a int, OUT b varchar(20), INOUT c json) COMMENT 'it''s; -- a comment' SQL SECURITY INVOKER MODIFIES SQL DATA
BEGIN
  DECLARE x int DEFAULT 0;
  SELECT '
-- Dump completed
-- Current Database: `other`
DELIMITER $$
USE `mysql`;
/*!40000 DROP TABLE t */;
';
-- Dump completed
/* UNLOCK TABLES; */
  # a hash; comment 'with quote
  INSERT INTO audit (what) VALUES ('a'), ('b;'), ("c");
  WHILE x < a DO SET x = x + 1; END WHILE;
END//
CREATE DEFINER = 'odd`user''s'@'10.0.0.%' FUNCTION with_odd_definer(s varchar(50) CHARACTER SET latin1) RETURNS varchar(60) CHARSET utf8mb4 DETERMINISTIC RETURN CONCAT('ü', s)//
CREATE FUNCTION `odd ``function; name'`() RETURNS int NO SQL RETURN 1//
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'//
CREATE PROCEDURE other_mode() BEGIN SELECT 'a\' || "id" FROM "watched"; SELECT ';'; END//
CREATE TRIGGER other_mode_too AFTER INSERT ON watched FOR EACH ROW INSERT INTO audit (what) VALUES ('\')//
SET SESSION sql_mode = DEFAULT//
CREATE EVENT every_day ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ENDS '2036-01-01 00:00:00' ON COMPLETION PRESERVE COMMENT 'it''s; daily' DO BEGIN
  DELETE FROM audit WHERE id < 0; -- nothing;
END//
CREATE DEFINER = 'definer'@'%' EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE DO DELETE FROM audit//
CREATE EVENT resting ON SCHEDULE EVERY 3 HOUR STARTS '2030-01-01 00:00:00' DISABLE DO SELECT 1//
DELIMITER ;
INSERT INTO watched VALUES (1, 1, 'one'), (2, -1, 'two'), (3, 5, NULL);
UPDATE watched SET v = 2 WHERE id = 1;
