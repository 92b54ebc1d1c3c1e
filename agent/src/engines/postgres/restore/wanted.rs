//! Finds the schemas and tables that a person has named, before anything is touched.

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::object_choice::{ObjectChoice, ObjectPath, listed, near};

use super::choose::Wanted;
use super::contents::Entry;
use super::graph::{named, relation, schemas};

/// How many names a message has.
const SHOWN: usize = 5;

/// A database's name and what its archive has.
pub(super) struct Listed<'a> {
    pub(super) database: &'a str,
    pub(super) entries: &'a [Entry],
}

/// What is wanted of each of the databases. A name that there is not, or that there is twice, is a failure.
pub(super) fn find(listed: &[Listed<'_>], objects: &ObjectChoice) -> Result<Vec<Wanted>, Failure> {
    let mut wanted: Vec<Wanted> = listed.iter().map(|_| Wanted::default()).collect();
    let mut problems = Vec::new();
    for path in &objects.schemas {
        problems.extend(find_schema(listed, path, &mut wanted).err());
    }
    for path in &objects.tables {
        problems.extend(find_table(listed, path, &mut wanted).err());
    }
    if problems.is_empty() {
        return Ok(wanted);
    }
    Err(Failure::new(FailureKind::ChoiceUnfit, problems.join("; ")))
}

fn find_schema(listed: &[Listed<'_>], path: &ObjectPath, wanted: &mut [Wanted]) -> Result<(), String> {
    let mut found = Vec::new();
    for (place, Listed { database, entries }) in listed.iter().enumerate() {
        let own = schemas(entries).into_iter();
        let matching = own.filter(|schema| path.matches(&[database, schema]));
        found.extend(matching.map(|schema| (place, ObjectPath::of(&[database, schema]), schema.to_owned())));
    }
    let all = || {
        let schemas = listed.iter().flat_map(|each| schemas(each.entries));
        schemas.map(|schema| (schema, ObjectPath::of(&[schema]).to_string()))
    };
    check(listed, path, "schema", found.iter().map(|(_, name, _)| name), all)?;
    for (place, _, schema) in found {
        wanted[place].schemas.insert(schema);
    }
    Ok(())
}

fn find_table(listed: &[Listed<'_>], path: &ObjectPath, wanted: &mut [Wanted]) -> Result<(), String> {
    let mut found = Vec::new();
    for (place, Listed { database, entries }) in listed.iter().enumerate() {
        for name in entries.iter().filter_map(relation) {
            if path.matches(&[database, &name.schema, &name.name]) {
                found.push((place, ObjectPath::of(&[database, &name.schema, &name.name]), name));
            }
        }
    }
    let all = || {
        let entries = listed.iter().flat_map(|each| each.entries);
        entries
            .filter(|entry| relation(entry).is_some())
            .map(|entry| (entry.tag.as_str(), named(entry)))
    };
    check(listed, path, "table", found.iter().map(|(_, name, _)| name), all)?;
    for (place, _, name) in found {
        wanted[place].relations.insert(name);
    }
    Ok(())
}

/// One is what a name means; a pattern may mean several.
fn check<'a, N: Iterator<Item = (&'a str, String)>>(
    databases: &[Listed<'_>],
    path: &ObjectPath,
    what: &str,
    found: impl ExactSizeIterator<Item = &'a ObjectPath>,
    all: impl Fn() -> N,
) -> Result<(), String> {
    match found.len() {
        0 => {
            let near = near(path.last(), all(), SHOWN);
            let hint = match near.as_slice() {
                [] => String::new(),
                near => format!("; near it: {}", near.join(", ")),
            };
            Err(format!(
                "the backup has no {what} {path} in {}{hint}",
                among(databases)
            ))
        }
        2.. if !path.is_pattern() => {
            let shown: Vec<String> = found.map(ToString::to_string).collect();
            Err(format!(
                "there is more than one {what} {path}: name it as one of {}",
                listed(&shown, SHOWN)
            ))
        }
        _ => Ok(()),
    }
}

/// The databases that were looked into.
fn among(databases: &[Listed<'_>]) -> String {
    let names: Vec<String> = databases.iter().map(|each| each.database.to_owned()).collect();
    listed(&names, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, schema: &str, tag: &str) -> Entry {
        Entry {
            kind: kind.into(),
            schema: schema.into(),
            tag: tag.into(),
            ..Entry::default()
        }
    }

    fn find_in_two(schemas: &[&str], tables: &[&str]) -> Result<Vec<usize>, String> {
        let shop = [
            entry("SCHEMA", "", "sales"),
            entry("TABLE", "sales", "orders"),
            entry("TABLE", "public", "orders"),
            entry("VIEW", "sales", "a.b"),
            entry("INDEX", "sales", "hidden"),
        ];
        let crm = [entry("TABLE", "public", "people")];
        let listed = [
            Listed {
                database: "shop",
                entries: &shop,
            },
            Listed {
                database: "crm",
                entries: &crm,
            },
        ];
        let objects = ObjectChoice::parse(schemas, tables).unwrap();
        find(&listed, &objects)
            .map(|wanted| {
                wanted
                    .iter()
                    .map(|each| each.schemas.len() + each.relations.len())
                    .collect()
            })
            .map_err(|failure| failure.message)
    }

    #[test]
    fn names_are_found_where_they_are() {
        assert_eq!(
            find_in_two(&["sales"], &["people", "sales.\"a.b\""]),
            Ok(vec![2, 1])
        );
        assert_eq!(find_in_two(&[], &["shop.*.orders"]), Ok(vec![2, 0]));
        assert_eq!(find_in_two(&["shop.public"], &[]), Ok(vec![1, 0]));
    }

    #[test]
    fn what_is_not_there_or_there_twice_is_told_with_what_may_be_meant() {
        let failure = find_in_two(&["sale"], &["ordres", "hidden"]).unwrap_err();
        assert!(
            failure.contains("no schema sale in shop, crm; near it: sales"),
            "{failure}"
        );
        assert!(
            failure.contains("no table ordres in shop, crm; near it: public.orders, sales.orders"),
            "{failure}"
        );
        assert!(failure.contains("no table hidden"), "{failure}");
        let failure = find_in_two(&["public"], &["orders"]).unwrap_err();
        assert!(failure.contains("shop.public, crm.public"), "{failure}");
        assert!(
            failure.contains("shop.sales.orders, shop.public.orders"),
            "{failure}"
        );
    }
}
