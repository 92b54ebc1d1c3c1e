-- Views on views, in circles, recursive, updatable, with barriers; materialised views on each other.

CREATE VIEW simple_view AS SELECT id, name, a AS "Odd ""col""" FROM generated;
CREATE VIEW on_view AS SELECT *, id + 1 AS next FROM simple_view WHERE "Odd ""col""" > 1 WITH LOCAL CHECK OPTION;
CREATE VIEW on_on_view WITH (security_barrier = true, security_invoker = true) AS SELECT name, count(*) FROM on_view GROUP BY name ORDER BY name COLLATE "C";
CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 10;
CREATE VIEW updatable AS SELECT id, a FROM triggered WHERE b > 5 WITH CASCADED CHECK OPTION;
ALTER VIEW updatable ALTER COLUMN a SET DEFAULT 'a view''s default';
CREATE VIEW with_instead AS SELECT 1 AS one;
CREATE TRIGGER instead INSTEAD OF INSERT ON with_instead FOR EACH ROW EXECUTE FUNCTION note_firing();
CREATE VIEW no_columns_view AS SELECT;
-- Needs a primary key to be valid, so a copy can make it only after that.
CREATE VIEW needs_key AS SELECT t.id, t.label, count(c.id) AS children FROM tree t LEFT JOIN tree c ON c.parent = t.id GROUP BY t.id;
CREATE VIEW odd_texts_view AS SELECT E'\\.\n''"' AS t, 'a;b' AS u, U&'\+01F600' AS v, '$$' AS w;
CREATE VIEW all_star AS SELECT e.*, e AS whole FROM every_type e;
-- A circle: a view whose rule was replaced to use another view that uses it.
CREATE VIEW circle_a AS SELECT 1 AS n;
CREATE VIEW circle_b AS SELECT n FROM circle_a;
CREATE OR REPLACE VIEW circle_a AS SELECT 1 AS n WHERE EXISTS (SELECT FROM circle_b WHERE false) OR true;

CREATE MATERIALIZED VIEW mv_base AS SELECT kind, count(*) AS n, max(at) AS last FROM events GROUP BY kind;
CREATE UNIQUE INDEX mv_base_kind ON mv_base (kind);
-- Named so that an alphabetical order refreshes them wrongly.
CREATE MATERIALIZED VIEW a_on_mv AS SELECT sum(n) AS total FROM mv_base;
CREATE MATERIALIZED VIEW "0 on a view on a mv" AS SELECT total * 2 AS twice FROM a_on_mv;
CREATE VIEW between_mvs AS SELECT twice + 1 AS more FROM "0 on a view on a mv";
CREATE MATERIALIZED VIEW "! last" WITH (fillfactor = 80) AS SELECT more FROM between_mvs;
CREATE MATERIALIZED VIEW not_filled AS SELECT 1 / 0 AS fails_when_refreshed WITH NO DATA;
CREATE MATERIALIZED VIEW needs_key_mv AS SELECT id, label FROM tree GROUP BY id;
CREATE INDEX needs_key_mv_label ON needs_key_mv (lower(label));
ALTER MATERIALIZED VIEW mv_base CLUSTER ON mv_base_kind;
COMMENT ON VIEW on_view IS 'a view''s comment';
COMMENT ON COLUMN on_view.next IS 'a view column''s comment';
COMMENT ON MATERIALIZED VIEW not_filled IS 'cannot be refreshed';
