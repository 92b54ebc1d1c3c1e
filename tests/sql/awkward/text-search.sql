-- Text search: parsers, templates, dictionaries, configurations.

CREATE TEXT SEARCH PARSER own_parser (
    START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, HEADLINE = prsd_headline, LEXTYPES = prsd_lextype
);
CREATE TEXT SEARCH TEMPLATE own_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY "own 'dict'" (TEMPLATE = own_template, ACCEPT = 'true');
CREATE TEXT SEARCH DICTIONARY german_stem_too (TEMPLATE = snowball, LANGUAGE = 'german', STOPWORDS = 'german');
CREATE TEXT SEARCH CONFIGURATION own_config (PARSER = own_parser);
ALTER TEXT SEARCH CONFIGURATION own_config ADD MAPPING FOR asciiword, word WITH german_stem_too, "own 'dict'";
CREATE TEXT SEARCH CONFIGURATION copied_config (COPY = english);
COMMENT ON TEXT SEARCH CONFIGURATION own_config IS 'of our own';
COMMENT ON TEXT SEARCH DICTIONARY "own 'dict'" IS 'likewise';

CREATE TABLE documents (id int PRIMARY KEY, body text, words tsvector GENERATED ALWAYS AS (to_tsvector('awkward.copied_config', body)) STORED);
INSERT INTO documents SELECT g, 'The quick brown foxes jumped over ' || g || ' lazy dogs' FROM generate_series(1, 50) g;
CREATE INDEX documents_words ON documents USING gin (words);
