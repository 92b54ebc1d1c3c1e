-- Keys in circles, to oneself, deferred, not validated; exclusion; unique with nulls.

CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
ALTER TABLE chicken ADD CONSTRAINT chicken_egg FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD CONSTRAINT egg_chicken FOREIGN KEY (chicken) REFERENCES chicken ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO chicken SELECT g, g FROM generate_series(1, 10) g;
INSERT INTO egg SELECT g, 11 - g FROM generate_series(1, 10) g;
COMMIT;

-- Children come before their parents in the heap.
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree, label text);
INSERT INTO tree SELECT g, CASE WHEN g < 100 THEN g + 1 END, 'node ' || g FROM generate_series(1, 100) g;

CREATE TABLE wide_key (a int, b text, c date, PRIMARY KEY (c, a) INCLUDE (b), UNIQUE (b, a) DEFERRABLE);
CREATE TABLE wide_reference (
    x date, y int, z text,
    CONSTRAINT "full match" FOREIGN KEY (x, y) REFERENCES wide_key MATCH FULL ON DELETE SET DEFAULT ON UPDATE RESTRICT,
    FOREIGN KEY (x, y) REFERENCES wide_key ON DELETE SET NULL (y)
);
INSERT INTO wide_key VALUES (1, 'one', '2020-01-01'), (2, 'two', '2020-01-02');
INSERT INTO wide_reference VALUES ('2020-01-01', 1, 'ok'), (NULL, NULL, 'none');

-- Rows that break a constraint which was never checked for them: a copy must take them all the same.
CREATE TABLE broken (id int, owner int, amount int);
INSERT INTO broken VALUES (1, 999, -5), (2, 1, 5);
ALTER TABLE broken
    ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID,
    ADD CONSTRAINT broken_owner FOREIGN KEY (owner) REFERENCES tree NOT VALID;

CREATE TABLE booked (room int, during tsrange, note text, EXCLUDE USING gist (during WITH &&) WHERE (room = 1),
    CONSTRAINT "no circle twice" EXCLUDE USING btree (note WITH =) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO booked VALUES (1, '[2020-01-01,2020-01-02)', 'a'), (1, '[2020-01-02,2020-01-03)', 'b'), (2, '[2020-01-01,2020-01-09)', 'c');
CREATE TABLE nulls_equal (a int, b int, UNIQUE NULLS NOT DISTINCT (a, b));
INSERT INTO nulls_equal VALUES (1, NULL), (NULL, NULL);
\if :v18
    \if :has_contrib
        CREATE TABLE periods (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
        CREATE TABLE of_periods (id int, during daterange, FOREIGN KEY (id, PERIOD during) REFERENCES periods (id, PERIOD during));
        INSERT INTO periods VALUES (1, '[2020-01-01,2021-01-01)'), (1, '[2021-01-01,2022-01-01)');
        INSERT INTO of_periods VALUES (1, '[2020-06-01,2021-06-01)');
    \endif
    ALTER TABLE tree ADD CONSTRAINT tree_not_enforced FOREIGN KEY (id) REFERENCES egg NOT ENFORCED;
\endif
COMMENT ON CONSTRAINT "full match" ON wide_reference IS 'a comment on a constraint';
COMMENT ON CONSTRAINT broken_owner ON broken IS 'broken by its first row';
