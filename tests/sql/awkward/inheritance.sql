-- Inheritance: rows in the parent too, several parents, other column orders, local and merged columns.

CREATE TABLE parent (id int, name text DEFAULT 'parent', CHECK (id > 0), CONSTRAINT local_only CHECK (name <> 'x') NO INHERIT);
CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE other_parent (name text, colour text);
CREATE TABLE of_two (own int, colour text NOT NULL) INHERITS (parent, other_parent);
CREATE TABLE grandchild () INHERITS (child);
-- Becomes a child later: its columns stand in another order, and were dropped and added.
CREATE TABLE adopted (first text, gone int, name text DEFAULT 'adopted', id int, CHECK (id > 0));
ALTER TABLE adopted DROP COLUMN gone;
ALTER TABLE adopted RENAME CONSTRAINT adopted_id_check TO parent_id_check;
ALTER TABLE adopted INHERIT parent;
ALTER TABLE child ALTER name SET DEFAULT 'child';
ALTER TABLE parent ADD COLUMN late int DEFAULT 9;
INSERT INTO parent VALUES (1, 'p1', 1), (2, DEFAULT, DEFAULT);
INSERT INTO child (id, name, extra) VALUES (3, 'c', 'e'), (4, DEFAULT, NULL);
INSERT INTO of_two (id, name, own, colour) VALUES (5, 't', 1, 'red');
INSERT INTO grandchild (id, name, extra) VALUES (6, 'g', 'gg');
INSERT INTO adopted (first, name, id) VALUES ('f', 'a', 7);
