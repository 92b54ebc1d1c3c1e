-- Operators, operator classes and families.

CREATE FUNCTION same_label(label, label) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'texteq';
CREATE FUNCTION other_label(label, label) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'textne';
CREATE FUNCTION label_before(label, label) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'text_lt';
CREATE FUNCTION label_upto(label, label) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'text_le';
CREATE FUNCTION label_after(label, label) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'text_gt';
CREATE FUNCTION label_from(label, label) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'text_ge';
CREATE FUNCTION label_order(label, label) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'bttextcmp';
CREATE FUNCTION label_hash(label) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashtext';
CREATE OPERATOR = (LEFTARG = label, RIGHTARG = label, FUNCTION = same_label, COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR <> (LEFTARG = label, RIGHTARG = label, FUNCTION = other_label, COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR < (LEFTARG = label, RIGHTARG = label, FUNCTION = label_before, COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel);
CREATE OPERATOR <= (LEFTARG = label, RIGHTARG = label, FUNCTION = label_upto, COMMUTATOR = >=, NEGATOR = >);
CREATE OPERATOR > (LEFTARG = label, RIGHTARG = label, FUNCTION = label_after, COMMUTATOR = <, NEGATOR = <=);
CREATE OPERATOR >= (LEFTARG = label, RIGHTARG = label, FUNCTION = label_from, COMMUTATOR = <=, NEGATOR = <);
CREATE FUNCTION triple(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 3';
CREATE OPERATOR @#@ (RIGHTARG = int, FUNCTION = triple);
COMMENT ON OPERATOR @#@ (NONE, int) IS 'three times';

CREATE OPERATOR FAMILY label_family USING btree;
CREATE OPERATOR CLASS label_class DEFAULT FOR TYPE label USING btree FAMILY label_family AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 label_order(label, label);
CREATE OPERATOR CLASS label_hash_class DEFAULT FOR TYPE label USING hash AS OPERATOR 1 =, FUNCTION 1 label_hash(label);
CREATE OPERATOR CLASS "int; by abs" FOR TYPE int USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE OPERATOR FAMILY with_loose_member USING btree;
ALTER OPERATOR FAMILY with_loose_member USING btree ADD OPERATOR 1 <(int, bigint), FUNCTION 1 btint48cmp(int, bigint);
COMMENT ON OPERATOR CLASS label_class USING btree IS 'as text';
COMMENT ON OPERATOR FAMILY label_family USING btree IS 'of labels';

CREATE TABLE ordered_by_label (l label PRIMARY KEY, n int);
INSERT INTO ordered_by_label SELECT ('label ' || g)::label, g FROM generate_series(1, 20) g;
CREATE INDEX ordered_by_label_hash ON ordered_by_label USING hash (l);
CREATE INDEX ordered_by_abs ON ordered_by_label (n awkward."int; by abs");
