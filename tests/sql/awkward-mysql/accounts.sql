-- Accounts that things belong to, with names that break careless quoting.
CREATE USER IF NOT EXISTS 'definer'@'%' IDENTIFIED BY 'x';
CREATE USER IF NOT EXISTS 'odd`user''s'@'10.0.0.%' IDENTIFIED BY 'y';
CREATE ROLE IF NOT EXISTS reader;
GRANT SELECT ON *.* TO reader;
GRANT ALL PRIVILEGES ON *.* TO 'definer'@'%';
GRANT reader TO 'odd`user''s'@'10.0.0.%';
CREATE USER IF NOT EXISTS limited IDENTIFIED BY 'z' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 100 MAX_USER_CONNECTIONS 3 PASSWORD EXPIRE NEVER ACCOUNT LOCK;
GRANT reader TO 'definer'@'%' WITH ADMIN OPTION;
