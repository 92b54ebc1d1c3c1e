-- Sequences in odd states.

CREATE SEQUENCE never_used;
CREATE SEQUENCE used_once;
SELECT nextval('used_once');
CREATE SEQUENCE not_called START 500 INCREMENT 7;
SELECT setval('not_called', 777, false);
CREATE SEQUENCE downwards INCREMENT -3 MINVALUE -1000 MAXVALUE -1 START -5 CYCLE CACHE 20;
SELECT nextval('downwards');
CREATE SEQUENCE small AS smallint MAXVALUE 10 CYCLE;
SELECT setval('small', 10);
CREATE SEQUENCE at_the_end;
SELECT setval('at_the_end', 9223372036854775807);
CREATE UNLOGGED SEQUENCE unlogged_sequence;
SELECT setval('unlogged_sequence', 33);
CREATE SEQUENCE "Odd ""sequence"" 'name'";
SELECT setval('"Odd ""sequence"" ''name''"', 12);

CREATE SEQUENCE owned_elsewhere;
CREATE SEQUENCE shared_by_two;
CREATE TABLE uses_sequences (
    a int DEFAULT nextval('shared_by_two'), b int DEFAULT nextval('shared_by_two') * 10, c int DEFAULT nextval('owned_elsewhere'::text)
);
ALTER SEQUENCE owned_elsewhere OWNED BY empty_table.id;
INSERT INTO uses_sequences DEFAULT VALUES;
INSERT INTO uses_sequences DEFAULT VALUES;
COMMENT ON SEQUENCE downwards IS 'counts down';
