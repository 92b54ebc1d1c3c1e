//! What belongs to the database itself, which a plain dump without `--create` leaves out.

use anyhow::Result;

use super::{
    facts::{Facts, Kind},
    session::Session,
};

/// The locale's column had another name before 17 (`daticulocale`), and 18 may add some: the row is read as JSON.
const PROPERTIES: &str = "
SELECT p.key, coalesce(p.value, 'none')
FROM pg_database d, LATERAL (VALUES
    ('encoding', pg_encoding_to_char(d.encoding)::text),
    ('locale provider', d.datlocprovider::text),
    ('collate', d.datcollate::text),
    ('ctype', d.datctype::text),
    ('locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')),
    ('ICU rules', to_jsonb(d) ->> 'daticurules'),
    ('owner', pg_get_userbyid(d.datdba)::text),
    ('grants', (SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE \"C\")
                FROM unnest(coalesce(d.datacl, acldefault('d', d.datdba))) a)),
    ('comment', shobj_description(d.oid, 'pg_database')),
    ('connection limit', d.datconnlimit::text),
    ('allows connections', d.datallowconn::text),
    ('is a template', d.datistemplate::text),
    ('tablespace', (SELECT spcname::text FROM pg_tablespace t WHERE t.oid = d.dattablespace))
) AS p (key, value)
WHERE d.datname = current_database()";

const SETTINGS: &str = "
SELECT 'setting of ' || CASE s.setrole WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(s.setrole) END
           || ': ' || split_part(c, '=', 1),
       substr(c, strpos(c, '=') + 1)
FROM pg_db_role_setting s, unnest(s.setconfig) c
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())";

const SECURITY_LABELS: &str = "
SELECT 'security label of ' || provider, label FROM pg_shseclabel
WHERE classoid = 'pg_database'::regclass
AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database())";

pub(super) async fn read(session: &mut Session, facts: &mut Facts) -> Result<()> {
    for sql in [PROPERTIES, SETTINGS, SECURITY_LABELS] {
        for (name, value) in session.pairs(sql).await? {
            facts.add(Kind::Database, name, value);
        }
    }
    Ok(())
}
