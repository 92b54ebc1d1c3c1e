-- Triggers (disabled, ALWAYS, REPLICA, constraint, on views) and rules. None may fire while a copy is loaded: each would
-- leave a trace in `fired`, or refuse the row.

CREATE TABLE fired (what text, n int);
CREATE FUNCTION note_firing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO awkward.fired VALUES (TG_NAME || ' ' || coalesce(TG_ARGV[0], ''), TG_NARGS);
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused by %'', TG_NAME; END';

CREATE TABLE triggered (id int PRIMARY KEY, a text, b int);
INSERT INTO triggered SELECT g, 'row ' || g, g FROM generate_series(1, 30) g;
CREATE TRIGGER "before; ""odd""" BEFORE INSERT OR UPDATE OF a, b ON triggered FOR EACH ROW
    WHEN (NEW.b IS DISTINCT FROM 13) EXECUTE FUNCTION note_firing(E'arg\\with ''quotes''\n', '', '2', 'é😀');
CREATE TRIGGER after_statement AFTER INSERT OR DELETE OR TRUNCATE ON triggered FOR EACH STATEMENT EXECUTE FUNCTION note_firing();
CREATE TRIGGER with_tables AFTER UPDATE ON triggered REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_firing();
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON triggered DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_firing();
CREATE TRIGGER disabled BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE triggered DISABLE TRIGGER disabled;
CREATE TRIGGER always BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE triggered ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER replica BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE triggered ENABLE REPLICA TRIGGER replica;
COMMENT ON TRIGGER disabled ON triggered IS 'switched off';

-- On a partitioned table, with one partition's copy of it switched off.
CREATE TRIGGER on_events AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION note_firing();
ALTER TABLE events_default DISABLE TRIGGER on_events;

-- All of them off, the foreign keys' own among them.
CREATE TABLE all_off (id int PRIMARY KEY, parent int REFERENCES all_off);
ALTER TABLE all_off DISABLE TRIGGER ALL;
INSERT INTO all_off VALUES (1, 2), (2, 1);

CREATE TABLE ruled (id int, t text);
INSERT INTO ruled VALUES (1, 'before the rules');
CREATE RULE "no ""deletes""" AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE RULE also_note AS ON INSERT TO ruled WHERE NEW.id > 10 DO ALSO (
    INSERT INTO awkward.fired VALUES ('rule ' || NEW.t, NEW.id);
    DELETE FROM awkward.fired WHERE n < 0
);
CREATE RULE notify AS ON INSERT TO ruled DO ALSO NOTIFY "odd; channel";
CREATE RULE off AS ON UPDATE TO ruled DO INSTEAD NOTHING;
ALTER TABLE ruled DISABLE RULE off;
COMMENT ON RULE also_note ON ruled IS 'notes';
