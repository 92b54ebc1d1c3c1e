//! Chosen tables of a database instead of all of it.
//!
//! A table comes with its columns, indexes and triggers, the routines that those call, and the sequences that its columns use.
//! A foreign key to a table that is not restored is left out, which is told; views, events and all other routines are not
//! restored.

use std::collections::BTreeSet;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::object_choice::{ObjectPath, listed, near};

use super::load;
use super::plan::Plan;
use super::script::{self, Statement};
use crate::engines::mysql::statement::Kind;
use crate::engines::mysql::tokens::{Token, TokenKind};
use crate::engines::restore::{RestoreMode, RestoreRequest};

/// How many names a message has.
const SHOWN: usize = 5;

/// What triggers may call.
const ROUTINES: [&str; 3] = ["FUNCTION", "PROCEDURE", "PACKAGE"];

/// What is left of a database's schema.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    pub(super) warnings: Vec<Warning>,
    /// What comes: `TABLE`, `SEQUENCE`, `TRIGGER`, `FUNCTION` and so on, with the name.
    pub(super) objects: Vec<(&'static str, String)>,
}

impl Part {
    /// Leaves out what would change a live database that it goes into: routines of names that it has already, and the default
    /// character sets that a dump gives a database around programs which were made under another one.
    pub(super) fn leave_out(&mut self, names: &BTreeSet<String>) -> Result<(), Failure> {
        let is_there =
            |kind: &str, name: &str| ROUTINES.contains(&kind) && names.contains(&name.to_uppercase());
        let after = script::read(&self.after)?;
        let kept = after.iter().filter(|statement| match statement.object() {
            Some((kind, name)) => !is_there(kind, &name),
            None => !matches!(statement.kind, Kind::AlterDatabase(_)),
        });
        self.after = kept.flat_map(Statement::written).collect();
        self.objects.retain(|(kind, name)| !is_there(kind, name));
        Ok(())
    }

    /// The routines that come.
    pub(super) fn routines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let of_part = self.objects.iter().map(|(kind, name)| (*kind, name.as_str()));
        of_part.filter(|(kind, _)| ROUTINES.contains(kind))
    }
}

/// Narrows the plans to the tables that are wanted. Databases of which nothing is wanted are left out.
pub(super) async fn narrow(request: &RestoreRequest, mut plans: Vec<Plan>) -> Result<Vec<Plan>, Failure> {
    let objects = &request.objects;
    if objects.is_everything() {
        return Ok(plans);
    }
    if let Some(schema) = objects.schemas.first() {
        return Err(unfit_choice(format!(
            "there are no schemas on this kind of server, and so none named {schema}: name databases"
        )));
    }
    let problems: Vec<String> = objects
        .tables
        .iter()
        .filter_map(|path| check(&plans, path).err())
        .collect();
    if !problems.is_empty() {
        return Err(unfit_choice(problems.join("; ")));
    }
    for plan in &mut plans {
        let database = plan.description.name.clone();
        let is_wanted = |name: &str| objects.tables.iter().any(|path| path.matches(&[&database, name]));
        plan.tables.retain(|table| is_wanted(&table.name.name));
    }
    plans.retain(|plan| !plan.tables.is_empty());
    if request.mode == RestoreMode::Into && plans.len() > 1 {
        return Err(unfit_choice(
            "parts of several databases can't go into one: name the database".to_owned(),
        ));
    }
    for plan in &mut plans {
        let before = load::gather(&*request.source, plan.before).await?;
        let after = load::gather(&*request.source, plan.after).await?;
        let names = plan.tables.iter().map(|table| table.name.name.clone()).collect();
        let part = choose(&plan.description.name, &before, &after, &names)?;
        let script = String::from_utf8_lossy(&part.after).into_owned();
        plan.description
            .needs
            .roles
            .retain(|account| names_account(&script, account));
        plan.part = Some(part);
    }
    Ok(plans)
}

fn unfit_choice(message: String) -> Failure {
    Failure::new(FailureKind::ChoiceUnfit, message)
}

/// A path must mean a table, and no more than one unless it is a pattern.
fn check(plans: &[Plan], path: &ObjectPath) -> Result<(), String> {
    if path.parts() > 2 {
        return Err(format!(
            "{path} has too many parts: a table is named as TABLE or DATABASE.TABLE"
        ));
    }
    let tables = || {
        plans.iter().flat_map(|plan| {
            let database = plan.description.name.as_str();
            plan.tables
                .iter()
                .map(move |table| (database, table.name.name.as_str()))
        })
    };
    let found: Vec<String> = tables()
        .filter(|(database, table)| path.matches(&[database, table]))
        .map(|(database, table)| shown(database, table))
        .collect();
    match found.len() {
        0 => {
            let named = tables().map(|(database, table)| (table, shown(database, table)));
            let near = near(path.last(), named, SHOWN);
            let hint = match near.as_slice() {
                [] => String::new(),
                near => format!("; near it: {}", near.join(", ")),
            };
            let databases: Vec<String> = plans.iter().map(|plan| plan.description.name.clone()).collect();
            Err(format!(
                "the backup has no table {path} in {}{hint}",
                listed(&databases, SHOWN)
            ))
        }
        2.. if !path.is_pattern() => Err(format!(
            "there is more than one table {path}: name it as one of {}",
            listed(&found, SHOWN)
        )),
        _ => Ok(()),
    }
}

/// A table's name, as a person would write it to choose it.
fn shown(database: &str, table: &str) -> String {
    ObjectPath::of(&[database, table]).to_string()
}

/// Whether a definer is named, as the dump writes it.
fn names_account(script: &str, account: &str) -> bool {
    let quoted = |part: &str| format!("`{}`", part.replace('`', "``"));
    let written = match account.rsplit_once('@') {
        Some((user, host)) if !host.is_empty() => format!("{}@{}", quoted(user), quoted(host)),
        Some((user, _)) => quoted(user),
        None => quoted(account),
    };
    script.contains(&written)
}

/// Chooses from both scripts what makes the tables.
fn choose(database: &str, before: &[u8], after: &[u8], tables: &BTreeSet<String>) -> Result<Part, Failure> {
    let (before, after) = (script::read(before)?, script::read(after)?);
    let others: BTreeSet<String> = before
        .iter()
        .filter(|statement| !matches!(statement.object(), Some(("SEQUENCE", _))))
        .filter_map(|statement| statement.object().map(|(_, name)| name))
        .filter(|name| !tables.contains(name))
        .collect();
    let mut told = BTreeSet::new();
    let mut named = BTreeSet::new();
    let mut kept_before = Vec::new();
    for statement in &before {
        if let Some(("TABLE", name)) = statement.object()
            && tables.contains(&name)
        {
            let (text, keys) = without_foreign_keys(statement, tables);
            told.extend(keys.into_iter().map(|(key, other)| {
                format!("foreign key {key} of table {name} is left out, since it refers to {other}, which is not restored")
            }));
            named.extend(statement.names());
            kept_before.push(text);
        }
    }
    let programs = programs(&after, tables);
    for (kind, name, statement) in &programs {
        let strangers = statement.names();
        for other in strangers.intersection(&others).filter(|other| *other != name) {
            told.insert(format!(
                "{} {name} names {other}, which is not restored",
                kind.to_lowercase()
            ));
        }
    }
    let kept: BTreeSet<usize> = programs.iter().map(|(_, _, statement)| statement.place).collect();
    let sequences = before.iter().filter(|statement| match statement.object() {
        Some(("SEQUENCE", name)) => named.contains(&name),
        Some(_) => false,
        None => match (&statement.kind, statement.first_name()) {
            // What sets a sequence.
            (Kind::Relation, Some(name)) => named.contains(&name),
            _ => true,
        },
    });
    let sequences: Vec<&Statement> = sequences.collect();
    let mut objects: Vec<_> = sequences
        .iter()
        .filter_map(|statement| statement.object())
        .collect();
    objects.extend(tables.iter().map(|table| ("TABLE", table.clone())));
    objects.extend(programs.iter().map(|(kind, name, _)| (*kind, name.clone())));
    let mut script: Vec<u8> = sequences.into_iter().flat_map(Statement::written).collect();
    script.extend(
        kept_before
            .iter()
            .flat_map(|text| [text.as_bytes(), b";\n"].concat()),
    );
    let after = after.iter().filter(|statement| match statement.kind {
        Kind::Program => kept.contains(&statement.place),
        Kind::Relation => false,
        Kind::Analyze => statement.first_name().is_some_and(|name| tables.contains(&name)),
        _ => true,
    });
    Ok(Part {
        before: script,
        objects,
        after: after.flat_map(Statement::written).collect(),
        warnings: told
            .into_iter()
            .map(|message| Warning {
                database: Some(database.to_owned()),
                message,
            })
            .collect(),
    })
}

/// The triggers of the tables, and the routines that they call, and that those call.
fn programs<'a>(
    after: &'a [Statement],
    tables: &BTreeSet<String>,
) -> Vec<(&'static str, String, &'a Statement)> {
    let mut waiting = Vec::new();
    let mut kept = Vec::new();
    let programs = after.iter().filter(|statement| statement.kind == Kind::Program);
    for statement in programs {
        match statement.object() {
            Some((kind @ "TRIGGER", name)) => {
                if statement
                    .table_of_trigger()
                    .is_some_and(|table| tables.contains(&table))
                {
                    kept.push((kind, name, statement));
                }
            }
            Some(("EVENT", _)) | None => {}
            Some((kind, name)) => waiting.push((kind, name, statement)),
        }
    }
    let mut looked_at = 0;
    while looked_at < kept.len() {
        let called: BTreeSet<String> = kept[looked_at..]
            .iter()
            .flat_map(|(_, _, statement)| statement.names_in_any_case())
            .collect();
        looked_at = kept.len();
        let (come, rest) = waiting
            .into_iter()
            .partition(|(_, name, _): &(_, String, _)| called.contains(&name.to_uppercase()));
        kept.extend::<Vec<_>>(come);
        waiting = rest;
    }
    kept
}

/// A table's definition without the foreign keys to tables of the same database that are not restored, and those keys with the
/// tables that they refer to.
fn without_foreign_keys(statement: &Statement, tables: &BTreeSet<String>) -> (String, Vec<(String, String)>) {
    let text = &statement.text;
    let tokens = statement.tokens();
    let (mut edited, mut at, mut left_out) = (String::new(), 0, Vec::new());
    for place in 0..tokens.len() {
        let Some((key, other, end)) = foreign_key(&tokens, place) else {
            continue;
        };
        if tables.contains(&other) {
            continue;
        }
        edited.push_str(&text[at..tokens[place].begin]);
        at = end;
        left_out.push((key, other));
    }
    edited.push_str(&text[at..]);
    (edited, left_out)
}

/// ``, CONSTRAINT `key` FOREIGN KEY (…) REFERENCES `table` (…) …`` from its comma on: its name, the table, and where it ends.
fn foreign_key(tokens: &[Token], comma: usize) -> Option<(String, String, usize)> {
    let name = |token: &Token| match &token.kind {
        TokenKind::Name(name) => Some(name.clone()),
        _ => None,
    };
    let words = tokens.get(comma..)?;
    let begins = words.first()?.is_sign(',') && words.get(1)?.is("CONSTRAINT");
    if !begins || !words.get(3)?.is("FOREIGN") || !words.get(4)?.is("KEY") {
        return None;
    }
    let key = name(words.get(2)?)?;
    let refers = words.iter().position(|token| token.is("REFERENCES"))?;
    let other = name(words.get(refers + 1)?)?;
    if words.get(refers + 2)?.is_sign('.') {
        // Of another database, which no part of this one has.
        return None;
    }
    let mut depth = 0_usize;
    for (place, token) in words.iter().enumerate().skip(refers) {
        match token.kind {
            TokenKind::Sign('(') => depth += 1,
            TokenKind::Sign(')' | ',') if depth == 0 => return Some((key, other, words.get(place - 1)?.end)),
            TokenKind::Sign(')') => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "SET @x = 1;\nCREATE SEQUENCE `s` start with 1;\nDO SETVAL(`s`, 5, 0);\nCREATE SEQUENCE `unused` start with 1;\n\
        CREATE TABLE `item` (\n  `id` int DEFAULT nextval(`s`),\n  `of` int,\n  PRIMARY KEY (`id`),\n  CONSTRAINT `a` FOREIGN KEY (`of`) \
        REFERENCES `other` (`id`) ON DELETE SET NULL,\n  CONSTRAINT `b` FOREIGN KEY (`of`) REFERENCES `item` (`id`),\n  \
        CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB;\nCREATE TABLE `other` (`id` int);\nCREATE VIEW `v` AS SELECT 1 AS `id`;\n";
    const AFTER: &str = "DELIMITER ;;\nCREATE TRIGGER `t` BEFORE INSERT ON `item` FOR EACH ROW BEGIN SET NEW.id = f(1); DELETE FROM `other`; \
        END\n;;\nDELIMITER ;\nDELIMITER ;;\nCREATE TRIGGER `u` BEFORE INSERT ON `other` FOR EACH ROW SET @a = 1\n;;\nDELIMITER ;\n\
        DELIMITER ;;\nCREATE DEFINER=`me`@`%` FUNCTION `f`(a int) RETURNS int RETURN g(a)\n;;\nDELIMITER ;\n\
        DELIMITER ;;\nCREATE FUNCTION `g`(a int) RETURNS int RETURN a\n;;\nDELIMITER ;\n\
        DELIMITER ;;\nCREATE DEFINER=`you`@`%` PROCEDURE `p`() SELECT 1\n;;\nDELIMITER ;\nCREATE VIEW `v` AS SELECT 2 AS `id`;\n";

    #[test]
    fn a_table_keeps_what_is_its_own() {
        let tables = BTreeSet::from(["item".to_owned()]);
        let part = choose("shop", BEFORE.as_bytes(), AFTER.as_bytes(), &tables).unwrap();
        let before = String::from_utf8(part.before).unwrap();
        for kept in [
            "SET @x",
            "SEQUENCE `s`",
            "SETVAL(`s`",
            "CONSTRAINT `b`",
            "CHECK (`id` > 0)\n) ENGINE",
        ] {
            assert!(before.contains(kept), "{before}");
        }
        for left in ["unused", "`other`", "CONSTRAINT `a`", "VIEW"] {
            assert!(!before.contains(left), "{before}");
        }
        let after = String::from_utf8(part.after).unwrap();
        for (kept, is) in [
            ("`t`", true),
            ("`f`", true),
            ("`g`", true),
            ("`u`", false),
            ("`p`", false),
            ("VIEW", false),
        ] {
            assert_eq!(after.contains(kept), is, "{kept}: {after}");
        }
        assert!(names_account(&after, "me@%") && !names_account(&after, "you@%"));
        let told: Vec<_> = part
            .warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        assert_eq!(
            told,
            [
                "foreign key a of table item is left out, since it refers to other, which is not restored",
                "trigger t names other, which is not restored",
            ]
        );
    }
}
