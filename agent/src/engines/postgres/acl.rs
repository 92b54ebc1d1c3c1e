//! Access privileges: from the catalogue's texts to statements.
//!
//! An `aclitem` reads `grantee=privileges/grantor`, each privilege one letter, followed by `*` if it may be granted on; an
//! empty grantee is PUBLIC (<https://www.postgresql.org/docs/current/ddl-priv.html>).

use super::quote;

/// A list of privileges on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// None is PUBLIC.
    pub(super) grantee: Option<String>,
    /// Each letter, and whether it may be granted on.
    pub(super) privileges: Vec<(char, bool)>,
    pub(super) grantor: String,
}

/// Reads one item; none if it is not of that form.
pub(super) fn parse(text: &str) -> Option<Item> {
    let (grantee, rest) = role(text)?;
    let rest = rest.strip_prefix('=')?;
    let (letters, grantor) = rest.split_once('/')?;
    let (grantor, "") = role(grantor)? else {
        return None;
    };
    let mut privileges = Vec::new();
    for letter in letters.chars() {
        match (letter, privileges.last_mut()) {
            ('*', Some((_, grantable))) => *grantable = true,
            ('*', None) => return None,
            (letter, _) => privileges.push((letter, false)),
        }
    }
    Some(Item {
        grantee: (!grantee.is_empty()).then_some(grantee),
        privileges,
        grantor,
    })
}

/// A role's name at the beginning, in double quotes where it is not plain, and what follows.
fn role(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let quote = rest.find('"')?;
        name.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// What the privileges are on, as statements name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    /// `DATABASE "shop"`, `LARGE OBJECT 42`.
    pub(super) what: &'a str,
    pub(super) owner: &'a str,
    /// The privileges that this kind of object has.
    pub(super) known: &'static [(char, &'static str)],
}

/// The privileges of a database.
pub(super) const DATABASE: &[(char, &str)] = &[('C', "CREATE"), ('T', "TEMPORARY"), ('c', "CONNECT")];
/// The privileges of a large object.
pub(super) const LARGE_OBJECT: &[(char, &str)] = &[('r', "SELECT"), ('w', "UPDATE")];

/// Statements that make an object's privileges these and no others, in this order.
pub(super) fn statements(object: Object<'_>, items: &[Item]) -> Vec<String> {
    let Object { what, owner, known } = object;
    let mut statements = vec![
        format!("REVOKE ALL ON {what} FROM PUBLIC"),
        format!("REVOKE ALL ON {what} FROM {}", quote::name(owner)),
    ];
    for item in items {
        let grantee = item
            .grantee
            .as_deref()
            .map_or_else(|| "PUBLIC".to_owned(), quote::name);
        let named = |grantable: bool| {
            let wanted = item.privileges.iter().filter(|(_, on)| *on == grantable);
            let names = wanted.filter_map(|(letter, _)| known.iter().find(|(known, _)| known == letter));
            names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
        };
        let mut grants = Vec::new();
        for (privileges, option) in [(named(false), ""), (named(true), " WITH GRANT OPTION")] {
            if !privileges.is_empty() {
                grants.push(format!("GRANT {privileges} ON {what} TO {grantee}{option}"));
            }
        }
        if item.grantor == owner {
            statements.extend(grants);
        } else if !grants.is_empty() {
            statements.push(format!(
                "SET SESSION AUTHORIZATION {}",
                quote::name(&item.grantor)
            ));
            statements.extend(grants);
            statements.push("RESET SESSION AUTHORIZATION".to_owned());
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read() {
        let read = |text| parse(text).map(|item| (item.grantee, item.privileges, item.grantor));
        assert_eq!(
            read("=c/postgres"),
            Some((None, vec![('c', false)], "postgres".into()))
        );
        assert_eq!(
            read(r#""a ""b"" =/c"=C*T/"x/y""#),
            Some((
                Some("a \"b\" =/c".into()),
                vec![('C', true), ('T', false)],
                "x/y".into()
            ))
        );
        for bad in ["", "a", "a=*/b", "a=c", "\"a=c/b", "a=c/\"b\"x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn grants_follow_a_clean_slate() {
        let items: Vec<Item> = ["own=CTc/own", "app=c*/own", "=c/app"]
            .iter()
            .filter_map(|item| parse(item))
            .collect();
        let object = Object {
            what: "DATABASE \"d\"",
            owner: "own",
            known: DATABASE,
        };
        assert_eq!(
            statements(object, &items),
            [
                "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC",
                "REVOKE ALL ON DATABASE \"d\" FROM \"own\"",
                "GRANT CREATE, TEMPORARY, CONNECT ON DATABASE \"d\" TO \"own\"",
                "GRANT CONNECT ON DATABASE \"d\" TO \"app\" WITH GRANT OPTION",
                "SET SESSION AUTHORIZATION \"app\"",
                "GRANT CONNECT ON DATABASE \"d\" TO PUBLIC",
                "RESET SESSION AUTHORIZATION",
            ]
        );
    }
}
