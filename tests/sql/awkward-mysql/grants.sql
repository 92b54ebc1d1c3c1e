-- What may be done with single tables, columns and routines of the database.
GRANT SELECT, UPDATE (v, note) ON watched TO limited WITH GRANT OPTION;
GRANT INSERT ON `back``tick ' quote "x" ü; -- no` TO reader;
GRANT EXECUTE ON PROCEDURE looks_like_a_dump TO limited;
GRANT EXECUTE ON FUNCTION `odd ``function; name'` TO 'odd`user''s'@'10.0.0.%';
