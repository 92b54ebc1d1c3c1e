-- Functions and procedures in SQL, PL/pgSQL, C and internal; aggregates; casts, conversions, transforms, languages.

CREATE FUNCTION add(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF COST 3
    AS 'SELECT $1 + $2';
CREATE FUNCTION add(a text, VARIADIC rest text[]) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$SELECT a || array_to_string(rest, '$body$')$$;
CREATE FUNCTION standard_body(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a * b + awkward.add(a);
CREATE FUNCTION atomic_body(OUT one int, OUT two text) RETURNS SETOF record LANGUAGE sql
    BEGIN ATOMIC
        SELECT 1 AS one, 'a;b'::text AS two;
        SELECT 2 AS one, E'line\nbreak' AS two;
    END;
CREATE FUNCTION "Odd ""name""; --"("Odd arg" int, INOUT "in out" text DEFAULT E'\\ '' "') LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, 'awkward' SET work_mem = '1MB' AS $outer$
-- A comment with a stray ' quote, $$ and $_$.
BEGIN
    "in out" := $inner$it's \. $$ "quoted" $inner$ || "Odd arg";
END
$outer$;
CREATE FUNCTION table_of(n int) RETURNS TABLE (i int, square bigint) LANGUAGE plpgsql STABLE ROWS 17 AS $$
BEGIN
    RETURN QUERY SELECT g, g::bigint * g FROM pg_catalog.generate_series(1, n) g;
END
$$;
CREATE FUNCTION any_first(anyarray) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1[1]';
CREATE FUNCTION of_row(awkward.of_own_types) RETURNS int LANGUAGE sql AS 'SELECT ($1).id';
CREATE FUNCTION with_carriage_return() RETURNS text LANGUAGE sql AS E'SELECT ''one''::text\r\n || ''two''\r\n';
CREATE PROCEDURE do_nothing(INOUT a int, b text DEFAULT NULL) LANGUAGE plpgsql AS 'BEGIN a := a + 1; END';
CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END';

-- Present in every build of the server.
CREATE FUNCTION in_c(internal) RETURNS internal LANGUAGE c STRICT AS '$libdir/dict_snowball', 'dsnowball_init';
CREATE FUNCTION internal_row_number() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';

-- A language of our own, its handler in C.
CREATE FUNCTION own_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION own_validator(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE "plpgsql Two" HANDLER own_handler VALIDATOR own_validator;
CREATE FUNCTION in_own_language() RETURNS int LANGUAGE "plpgsql Two" AS 'BEGIN RETURN 2; END';
COMMENT ON LANGUAGE "plpgsql Two" IS 'the same again';

CREATE AGGREGATE total(int) (
    SFUNC = int4_sum, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = safe,
    MSFUNC = int4_avg_accum, MINVFUNC = int4_avg_accum_inv, MSTYPE = bigint[], MFINALFUNC = int2int4_sum, MINITCOND = '{0,0}'
);
CREATE FUNCTION keep_last(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $2';
CREATE AGGREGATE last_seen("Odd arg" anyelement) (SFUNC = keep_last, STYPE = anyelement);
CREATE AGGREGATE own_percentile(float8 ORDER BY float8) (
    SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_cont_float8_final, FINALFUNC_MODIFY = read_write
);
CREATE AGGREGATE own_rank(VARIADIC "any" ORDER BY VARIADIC "any") (
    SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL
);
COMMENT ON AGGREGATE own_percentile(float8 ORDER BY float8) IS 'ordered set';

CREATE FUNCTION mood_to_int(mood) RETURNS int LANGUAGE sql IMMUTABLE AS
    $$SELECT pg_catalog.array_position(pg_catalog.enum_range(NULL::awkward.mood), $1)$$;
CREATE CAST (mood AS int) WITH FUNCTION mood_to_int(mood) AS ASSIGNMENT;
CREATE CAST (text AS label) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (point3 AS text) WITH INOUT;
COMMENT ON CAST (mood AS int) IS 'its place in the list';

CREATE DEFAULT CONVERSION awkward.from_latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE ACCESS METHOD gist_too TYPE INDEX HANDLER gisthandler;
CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD heap_too IS 'the same heap by another name';
CREATE TABLE in_heap_too (id int, t text) USING heap_too;
INSERT INTO in_heap_too VALUES (1, 'kept elsewhere');
