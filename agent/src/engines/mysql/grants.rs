//! What a user may do, read from `SHOW GRANTS`, the roles that are active included.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;
use sqlx::mysql::MySqlConnection;

use super::connect::{ask_names, ask_one};
use super::flavour::Flavour;
use super::tokens::{Token, TokenKind, tokens};

/// The privileges of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Grants {
    /// The account, as the server knows it: `user@host`.
    pub(super) account: String,
    grants: Vec<Grant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    privileges: BTreeSet<String>,
    /// The pattern for databases; none for all.
    database: Option<String>,
    /// Whether it holds for all tables of the database.
    whole: bool,
    table: Option<String>,
}

impl Grants {
    /// Asks the server.
    pub(super) async fn ask(session: &mut MySqlConnection, flavour: Flavour) -> Result<Self, Failure> {
        const WHAT: &str = "asking for privileges";
        let account = ask_one(session, "SELECT CURRENT_USER()", WHAT).await?;
        let mut sql = "SHOW GRANTS".to_owned();
        if flavour == Flavour::MySql {
            let roles = ask_one(session, "SELECT CURRENT_ROLE()", WHAT)
                .await?
                .unwrap_or_default();
            if roles.contains('`') {
                sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
            }
        }
        let lines = ask_names(session, sql, WHAT).await?;
        Ok(Self {
            account: account.unwrap_or_default(),
            grants: lines.iter().filter_map(|line| parse(line)).collect(),
        })
    }

    /// Whether the user has a privilege on everything.
    pub(super) fn globally(&self, privilege: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.database.is_none() && grant.has(privilege))
    }

    /// Whether the user has a privilege on a whole database.
    pub(super) fn on(&self, database: &str, privilege: &str) -> bool {
        let covers = |grant: &Grant| {
            grant.whole
                && grant
                    .database
                    .as_deref()
                    .is_none_or(|pattern| matches(pattern, database))
        };
        self.grants
            .iter()
            .any(|grant| covers(grant) && grant.has(privilege))
    }

    /// Whether the user has a privilege on one table.
    pub(super) fn on_table(&self, database: &str, table: &str, privilege: &str) -> bool {
        self.on(database, privilege)
            || self.grants.iter().any(|grant| {
                grant.database.as_deref() == Some(database)
                    && grant.table.as_deref() == Some(table)
                    && grant.has(privilege)
            })
    }
}

impl Grant {
    fn has(&self, privilege: &str) -> bool {
        self.privileges.contains(privilege)
            || (self.privileges.contains("ALL PRIVILEGES") && privilege != "GRANT OPTION")
    }
}

/// ``GRANT SELECT, LOCK TABLES ON `db`.* TO `u`@`h` WITH GRANT OPTION``. None for grants of roles and for what follows users.
fn parse(line: &str) -> Option<Grant> {
    let tokens = tokens(line);
    if !tokens.first()?.is("GRANT") {
        return None;
    }
    let on = tokens.iter().position(|token| token.is("ON"))?;
    let privileges = privileges(&tokens[1..on]);
    let mut target = tokens[on + 1..].iter();
    let mut first = target.next()?;
    if first.is("TABLE") {
        first = target.next()?;
    }
    let name = |token: &Token| match &token.kind {
        TokenKind::Name(name) => Some(name.clone()),
        _ => None,
    };
    let database = name(first);
    if database.is_none() && !first.is_sign('*') {
        return None;
    }
    let table = target.nth(1)?;
    Some(Grant {
        privileges,
        database,
        whole: table.is_sign('*'),
        table: name(table),
    })
}

/// What a grant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The server, databases, or other accounts.
    Whole,
    /// One table or routine, which has to be there before it can be granted.
    Object,
    /// A package of MariaDB, which is an object whose grants older servers read in one SQL mode alone.
    Package,
}

/// What a line of `SHOW GRANTS` is about.
pub(super) fn about(line: &str) -> About {
    let tokens = tokens(line);
    let on = tokens.iter().position(|token| token.is("ON"));
    let mut target = tokens.iter().skip(on.map_or(tokens.len(), |on| on + 1));
    let is_name = |token: &Token| matches!(token.kind, TokenKind::Name(_));
    match target.find(|token| !token.is("TABLE")) {
        Some(first) if first.is("PACKAGE") => About::Package,
        Some(first) if first.is("PROCEDURE") || first.is("FUNCTION") => About::Object,
        Some(first) if is_name(first) => {
            let is_dotted = target.next().is_some_and(|token| token.is_sign('.'));
            match is_dotted && target.next().is_some_and(is_name) {
                true => About::Object,
                false => About::Whole,
            }
        }
        _ => About::Whole,
    }
}

/// Words up to a comma, without lists of columns, which make a privilege one on less than the table.
fn privileges(tokens: &[Token]) -> BTreeSet<String> {
    let (mut privileges, mut words, mut depth, mut partial) = (BTreeSet::new(), Vec::new(), 0, false);
    let mut finish = |words: &mut Vec<String>, partial: &mut bool| {
        if !words.is_empty() && !*partial {
            privileges.insert(words.join(" "));
        }
        words.clear();
        *partial = false;
    };
    for token in tokens {
        match &token.kind {
            TokenKind::Sign('(') => {
                depth += 1;
                partial = true;
            }
            TokenKind::Sign(')') => depth -= 1,
            TokenKind::Sign(',') if depth == 0 => finish(&mut words, &mut partial),
            TokenKind::Word(word) if depth == 0 => words.push(word.clone()),
            _ => {}
        }
    }
    finish(&mut words, &mut partial);
    privileges
}

/// `LIKE`, as the server matches the database of a grant: `%`, `_`, and `\` before one that means itself.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    like(&pattern, &name)
}

fn like(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['%', rest @ ..] => (0..=name.len()).any(|skip| like(rest, &name[skip..])),
        ['_', rest @ ..] => !name.is_empty() && like(rest, &name[1..]),
        ['\\', wanted, rest @ ..] | [wanted, rest @ ..] => {
            name.first() == Some(wanted) && like(rest, &name[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Grants {
        Grants {
            account: "u@%".into(),
            grants: lines.iter().filter_map(|line| parse(line)).collect(),
        }
    }

    #[test]
    fn what_grants_are_about_is_known() {
        for (line, expected) in [
            ("GRANT SELECT ON `shop`.`texts` TO `u`@`%`", About::Object),
            (
                "GRANT SELECT (`a`), UPDATE (`b`, `ON`) ON `shop`.`texts` TO `u`@`%` WITH GRANT OPTION",
                About::Object,
            ),
            ("GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `u`@`%`", About::Object),
            (
                "GRANT EXECUTE ON PACKAGE BODY `shop`.`p` TO `u`@`%`",
                About::Package,
            ),
            (
                "GRANT ALL PRIVILEGES ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*AB'",
                About::Whole,
            ),
            ("GRANT SELECT ON `sh\\_p`.* TO `u`@`%`", About::Whole),
            ("GRANT PROXY ON ``@`%` TO `u`@`%` WITH GRANT OPTION", About::Whole),
            ("GRANT `r`@`%` TO `u`@`%`", About::Whole),
            ("SET DEFAULT ROLE `r` FOR `u`@`%`", About::Whole),
        ] {
            assert_eq!(about(line), expected, "{line}");
        }
    }

    #[test]
    fn grants_are_read() {
        let grants = of(&[
            "GRANT USAGE, SHOW_ROUTINE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*AB'",
            "GRANT SELECT, LOCK TABLES, SHOW VIEW ON `sh\\_p%`.* TO `u`@`%` WITH GRANT OPTION",
            "GRANT SELECT (`a`), INSERT ON `x`.`t` TO `u`@`%`",
            "GRANT `r`@`%` TO `u`@`%`",
            "SET DEFAULT ROLE `r` FOR `u`@`%`",
        ]);
        assert!(grants.globally("SHOW_ROUTINE") && !grants.globally("SELECT"));
        assert!(grants.on("sh_pping", "SHOW VIEW") && !grants.on("shop", "SELECT"));
        assert!(grants.on_table("x", "t", "INSERT") && !grants.on_table("x", "t", "SELECT"));
        assert!(of(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`%`"]).on("x", "EVENT"));
    }
}
