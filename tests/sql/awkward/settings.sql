-- What belongs to the database itself: settings, settings of a role in it, connection limit, grants, owner, comment.
-- The settings change how values are written and read, so whoever copies rows must set its own.

SELECT format('ALTER DATABASE %I %s', current_database(), setting)
FROM unnest(ARRAY[
    'SET datestyle = ''SQL, DMY''',
    'SET intervalstyle = ''sql_standard''',
    'SET timezone = ''Asia/Kathmandu''',
    'SET extra_float_digits = -5',
    'SET bytea_output = ''escape''',
    'SET search_path = ''odd "schema"'', "$user", public',
    'SET standard_conforming_strings = off',
    'SET backslash_quote = on',
    'SET xmloption = document',
    'SET statement_timeout = ''30min''',
    'SET lock_timeout = ''29min''',
    'SET default_transaction_isolation = serializable',
    'SET synchronize_seqscans = on',
    'SET plpgsql.variable_conflict = use_column',
    'SET "dg.custom" = ''it''''s a "custom" \ setting''',
    'CONNECTION LIMIT 55',
    'OWNER TO dg_awk_owner'
]) AS setting
\gexec
SELECT format('ALTER ROLE %s IN DATABASE %I SET %s', role, current_database(), setting)
FROM unnest(ARRAY['dg_awk_login', 'dg_awk_login', '"dg Awk ""odd""; role'' é😀"'], ARRAY['work_mem = ''7MB''', 'search_path = ''''', 'timezone = ''UTC''']) AS r(role, setting)
\gexec
SELECT format('GRANT CREATE, TEMPORARY ON DATABASE %I TO dg_awk_reader WITH GRANT OPTION', current_database())
\gexec
SELECT format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database())
\gexec
SELECT format('COMMENT ON DATABASE %I IS %L', current_database(), E'A database''s "comment"\n\\ second line')
\gexec
