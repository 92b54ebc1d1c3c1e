//! The state of sequences. Their definitions are part of the schema.

use anyhow::{Context as _, Result};

use super::{
    facts::{Facts, Kind},
    session::Session,
};

/// An extension's own sequence counts only if the extension says that it is configuration.
const LIST: &str = "
SELECT format('%I.%I', n.nspname, c.relname), ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't'
AND NOT EXISTS (
    SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    AND NOT c.oid = ANY (coalesce(e.extconfig, '{}')))";

pub(super) async fn read(session: &mut Session, facts: &mut Facts) -> Result<()> {
    for (name, _) in session.pairs(LIST).await? {
        let sql = format!(
            "SELECT 'last value ' || last_value, CASE WHEN is_called THEN 'called' ELSE 'not called' END FROM {name}"
        );
        let (value, called) = session
            .pairs(&sql)
            .await?
            .pop()
            .context("a sequence has one row")?;
        facts.add(Kind::Sequence, name, format!("{value}, {called}"));
    }
    Ok(())
}
