//! Policies of row-level security, as `pg_dump` writes them.

use super::contents::Entry;

/// Whether the entry is a policy that takes rows away from those who would see them otherwise: without it more would be seen. A
/// permissive one adds rows: without it fewer are seen, or none. What can't be read counts as restrictive.
pub(super) fn is_restrictive(entry: &Entry) -> bool {
    entry.kind == "POLICY"
        && after_table(&entry.definition).is_none_or(|rest| rest.starts_with(" AS RESTRICTIVE"))
}

/// What stands behind `CREATE POLICY name ON schema.table`.
fn after_table(definition: &str) -> Option<&str> {
    let rest = definition.trim_start().strip_prefix("CREATE POLICY ")?;
    let rest = after_name(rest)?.strip_prefix(" ON ")?;
    after_name(after_name(rest)?.strip_prefix('.')?)
}

/// What stands behind a name, which may be quoted.
fn after_name(text: &str) -> Option<&str> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([' ', '.', ';'])?;
        return text.get(end..).filter(|_| end > 0);
    };
    loop {
        rest = rest.split_once('"')?.1;
        match rest.strip_prefix('"') {
            Some(after) => rest = after,
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_take_rows_away_are_told_from_those_that_give_some() {
        for (definition, restrictive) in [
            (
                "\nCREATE POLICY p ON sales.sale AS RESTRICTIVE FOR SELECT USING (true);\n",
                true,
            ),
            (
                "CREATE POLICY \"a \"\"b\"\" ON x\" ON \"odd one\".\"t.u\" AS RESTRICTIVE USING (true);",
                true,
            ),
            (
                "CREATE POLICY p ON sales.sale USING ((note = ' AS RESTRICTIVE'::text));",
                false,
            ),
            (
                "CREATE POLICY \"x AS RESTRICTIVE\" ON s.\" AS RESTRICTIVE\" FOR SELECT;",
                false,
            ),
            ("CREATE POLICY p ON s.t;", false),
            ("", true),
        ] {
            let entry = Entry {
                kind: "POLICY".into(),
                definition: definition.into(),
                ..Entry::default()
            };
            assert_eq!(is_restrictive(&entry), restrictive, "{definition}");
        }
        assert!(!is_restrictive(&Entry {
            kind: "RULE".into(),
            ..Entry::default()
        }));
    }
}
