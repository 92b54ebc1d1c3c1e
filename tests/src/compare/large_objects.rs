//! Large objects: number, owner, grants, comment, content.

use anyhow::Result;

use super::{
    facts::{Facts, Kind},
    session::Session,
};

/// The content is hashed as it is read, so a hole equals zero bytes; `lo_get` takes up to 1 GB.
const LIST: &str = "
SELECT m.oid::text,
       'owner ' || pg_get_userbyid(m.lomowner)
       || ', grants ' || coalesce((SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE \"C\")
                                   FROM unnest(coalesce(m.lomacl, acldefault('L', m.lomowner))) a), 'none')
       || ', comment ' || coalesce(quote_literal(obj_description(m.oid, 'pg_largeobject')), 'none')
       || ', ' || octet_length(c.content) || ' bytes, ' || encode(sha256(c.content), 'hex')
FROM pg_largeobject_metadata m, LATERAL (SELECT lo_get(m.oid) OFFSET 0) AS c (content)";

pub(super) async fn read(session: &mut Session, facts: &mut Facts) -> Result<()> {
    for (oid, value) in session.pairs(LIST).await? {
        facts.add(Kind::LargeObject, oid, value);
    }
    Ok(())
}
