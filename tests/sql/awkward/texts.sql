-- Texts that have broken dump programs.

CREATE TABLE odd_text (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, v varchar, c char(10));
INSERT INTO odd_text (t) VALUES
    (NULL), (''), (' '), ('\N'), (E'\\\\N'), ('\.'), (E'\\.\n'), (E'\n\\.\n'), (E'a\n\\.\nb'), ('\\.'), ('NULL'), ('null'),
    (E'\n'), (E'\r'), (E'\r\n'), (E'\t'), (E'\\t'), (E'\b\f\v'), (E'\x01\x02\x1f\x7f'), (E'\\'), (E'\\\\'), (E'\\n'), (E'end\\'),
    (''''), (''''''), ('"'), ('""'), ('`'), ('$$'), ('$_$'), ('; DROP TABLE odd_text; --'), ('-- not a comment'), ('/* nor this */'),
    (E'\\connect template1'), (E'\n\\! echo hello\n'), (E'\\restrict x'), (E'\\unrestrict x'), ('COPY x FROM stdin;'), (':variable'), (':''variable'''),
    ('%s %d %n %%'), ('{"json": true}'), ('<xml/>'), ('ä ö ü ß'), ('日本語'), ('العربية'), ('עברית'), ('e' || U&'\0301'), (U&'\FEFF' || 'bom'),
    (U&'\200B\200E\202E\2028\2029\00A0'), ('😀👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿'), (U&'\+10FFFF'), (U&'\FFFE\FFFF\D83D\DE00'), (repeat('x', 8191) || E'\n'), (repeat(E'\\', 70000)),
    (repeat(E'\t\n\r\\', 5000)), (repeat('é', 100000));
INSERT INTO odd_text (v, c) VALUES ('trailing  ', 'trailing  '), (E'\t', E'\t');

-- The order of rows with equal keys, and many equal rows: a comparison must count them.
CREATE TABLE twins (a int, b text);
INSERT INTO twins SELECT g % 3, 'same' FROM generate_series(1, 1000) g;
