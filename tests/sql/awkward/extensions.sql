-- Extensions, those with configuration tables (rows that belong to the dump) among them.

CREATE SCHEMA "ext Schema";

\if :has_contrib
    CREATE EXTENSION hstore SCHEMA "ext Schema";
    CREATE EXTENSION pg_trgm SCHEMA "ext Schema";
    CREATE EXTENSION citext SCHEMA public;
    CREATE EXTENSION tablefunc SCHEMA "ext Schema";
    CREATE EXTENSION btree_gist SCHEMA "ext Schema";
    CREATE EXTENSION intarray SCHEMA "ext Schema";
    CREATE EXTENSION ltree SCHEMA "ext Schema";
    CREATE EXTENSION cube SCHEMA "ext Schema";
    CREATE EXTENSION seg SCHEMA "ext Schema";
    CREATE EXTENSION isn SCHEMA "ext Schema";
    CREATE EXTENSION unaccent SCHEMA "ext Schema";
    CREATE EXTENSION fuzzystrmatch SCHEMA "ext Schema";
    CREATE EXTENSION bloom SCHEMA "ext Schema";
    CREATE EXTENSION lo SCHEMA "ext Schema";
    CREATE EXTENSION refint SCHEMA "ext Schema";
    CREATE EXTENSION postgres_fdw SCHEMA "ext Schema";
    CREATE EXTENSION file_fdw SCHEMA "ext Schema";
    COMMENT ON EXTENSION hstore IS 'a comment of our own on an extension';

    CREATE TABLE of_extensions (
        id int PRIMARY KEY,
        h "ext Schema".hstore,
        c public.citext,
        t "ext Schema".ltree,
        q "ext Schema".lquery,
        cu "ext Schema".cube,
        s "ext Schema".seg,
        i "ext Schema".isbn,
        l "ext Schema".lo,
        hs "ext Schema".hstore[]
    );
    INSERT INTO of_extensions VALUES
        (1, 'a=>1, "b c"=>NULL, "q\"uote"=>"back\\slash"', 'MiXed Case', 'Top.Science.Astronomy', '*.Sci*@',
         '(1,2),(3,4)', '1.5 .. 2.5', '978-0-393-04002-9', NULL, ARRAY['x=>y', NULL]::"ext Schema".hstore[]),
        (2, '', '', '', '*', '(0)', '~5', NULL, NULL, '{}'),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE INDEX of_extensions_h ON of_extensions USING gin (h);
    CREATE INDEX of_extensions_h_gist ON of_extensions USING gist (h);
    CREATE UNIQUE INDEX of_extensions_c ON of_extensions (c);
    CREATE INDEX of_extensions_t ON of_extensions USING gist (t);
\endif
\if :has_pgcrypto
    CREATE EXTENSION pgcrypto SCHEMA public;
    CREATE EXTENSION "uuid-ossp";
\endif
\if :has_vector
    CREATE EXTENSION vector SCHEMA public;
    CREATE TABLE of_vector (id int PRIMARY KEY, v public.vector(3));
    INSERT INTO of_vector VALUES (1, '[1,-2.5,3e-10]'), (2, NULL);
    CREATE INDEX of_vector_v ON of_vector USING ivfflat (v public.vector_l2_ops) WITH (lists = 1);
\endif
\if :has_dg_config_test
    CREATE EXTENSION dg_config_test;
    INSERT INTO dg_config.setting VALUES ('colour', 'blue'), (E'odd\t"name"', NULL);
    INSERT INTO dg_config.rule (pattern) VALUES ('added by a user'), (E'\\.');
    INSERT INTO dg_config.scratch VALUES ('belongs to no backup');
\endif

-- An object that joins an extension later, and one that depends on it.
\if :has_contrib
    CREATE FUNCTION depends_on_hstore() RETURNS int LANGUAGE sql AS 'SELECT 1';
    ALTER FUNCTION depends_on_hstore() DEPENDS ON EXTENSION hstore;
\endif
