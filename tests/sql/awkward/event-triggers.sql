-- Event triggers: last, since they would fire for everything that comes after them. One refuses all tables, so a copy must
-- make it after its tables, as pg_dump does; the other is switched off.

CREATE FUNCTION refuse_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'event trigger: no more tables, %', tg_tag;
END
$$;
CREATE FUNCTION refuse_everything() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
CREATE EVENT TRIGGER "no; tables" ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS') EXECUTE FUNCTION refuse_tables();
CREATE EVENT TRIGGER switched_off ON ddl_command_end EXECUTE FUNCTION refuse_everything();
ALTER EVENT TRIGGER switched_off DISABLE;
CREATE EVENT TRIGGER only_replica ON sql_drop EXECUTE FUNCTION refuse_everything();
ALTER EVENT TRIGGER only_replica ENABLE REPLICA;
COMMENT ON EVENT TRIGGER switched_off IS 'off';
