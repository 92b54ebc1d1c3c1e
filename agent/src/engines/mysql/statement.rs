//! What kind a statement of a dump is, by its first words.

use super::tokens::{Token, TokenKind, tokens};

/// How much of a statement is looked at: more than its first words can be long.
pub(super) const HEAD: usize = 8 << 10;

/// The kinds that make a difference to where a statement goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `CREATE DATABASE`: the next `USE` begins it.
    CreateDatabase,
    /// `USE`.
    Use(String),
    /// `CREATE TABLE`, `CREATE SEQUENCE`, `CREATE VIEW`, or what sets a sequence.
    Relation,
    /// `CREATE TRIGGER`, `PROCEDURE`, `FUNCTION`, `EVENT`, …: has a body.
    Program,
    /// `ALTER DATABASE`: the byte after the database's name, from where on it can be said of any database.
    AlterDatabase(usize),
    /// `LOCK TABLES`: the rows of that table begin.
    LockTables(String),
    /// `UNLOCK TABLES`.
    UnlockTables,
    /// `INSERT`: the table, and whether the columns are listed.
    Insert(String, bool),
    /// `ANALYZE`: comes after the rows.
    Analyze,
    /// `SET`.
    Set(Setting),
    /// Belongs to what was before it.
    Other,
}

/// What a `SET` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// Concerns what follows.
    Prepares,
    /// Puts back what was before a statement.
    Restores,
    /// Concerns the dump as a whole, or this server alone.
    Whole,
}

/// The kind of a statement that begins like this.
pub(super) fn kind(head: &str) -> Kind {
    let tokens = tokens(head);
    let word = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(TokenKind::Word(word)) => word.as_str(),
        _ => "",
    };
    match word(0) {
        "USE" => name(&tokens, 1).map_or(Kind::Other, Kind::Use),
        "CREATE" => created(&tokens),
        "ALTER" if word(1) == "DATABASE" => match tokens.get(2) {
            Some(token) if matches!(token.kind, TokenKind::Name(_)) => Kind::AlterDatabase(token.end),
            // As the splitter writes it.
            Some(token) if token.is("CHARACTER") => Kind::AlterDatabase(tokens[1].end),
            _ => Kind::Other,
        },
        "LOCK" => name(&tokens, 2).map_or(Kind::Other, Kind::LockTables),
        "UNLOCK" => Kind::UnlockTables,
        "INSERT" | "REPLACE" => inserted(&tokens),
        "ANALYZE" => Kind::Analyze,
        "DO" | "SELECT" if word(1) == "SETVAL" => Kind::Relation,
        "SET" => Kind::Set(setting(&tokens)),
        _ => Kind::Other,
    }
}

/// Whether it creates a view.
pub(super) fn makes_view(head: &str) -> bool {
    let tokens = tokens(head);
    let kinds = [
        "TABLE",
        "SEQUENCE",
        "VIEW",
        "TRIGGER",
        "PROCEDURE",
        "FUNCTION",
        "EVENT",
        "PACKAGE",
    ];
    let is_kind = |token: &&Token| kinds.iter().any(|kind| token.is(kind));
    tokens.first().is_some_and(|token| token.is("CREATE"))
        && tokens.iter().find(is_kind).is_some_and(|token| token.is("VIEW"))
}

/// Whether backslashes escape in strings after a `SET` of the SQL mode; none if it is about something else.
pub(super) fn backslash_after(head: &str) -> Option<bool> {
    let tokens = tokens(head);
    let at = tokens.iter().position(|token| token.is("SQL_MODE"))?;
    if !tokens.get(at + 1)?.is_sign('=') {
        return None;
    }
    match &tokens.get(at + 2)?.kind {
        TokenKind::Text(modes) => Some(!modes.contains("NO_BACKSLASH_ESCAPES")),
        _ => Some(true),
    }
}

/// A table's definition that names its own database in the use of a sequence, as MariaDB writes it, without that name.
pub(super) fn without_own_database(text: &str, database: &str) -> Option<String> {
    let tokens = tokens(text);
    let uses = |token: &Token| ["NEXTVAL", "LASTVAL", "SETVAL"].iter().any(|word| token.is(word));
    let (mut edited, mut at) = (String::new(), 0);
    for part in tokens.windows(5) {
        let own = matches!(&part[2].kind, TokenKind::Name(name) if name == database);
        if uses(&part[0]) && part[1].is_sign('(') && own && part[3].is_sign('.') {
            edited.push_str(&text[at..part[2].begin]);
            at = part[4].begin;
        }
    }
    (at > 0).then(|| edited + &text[at..])
}

fn name(tokens: &[Token], at: usize) -> Option<String> {
    match &tokens.get(at)?.kind {
        TokenKind::Name(name) => Some(name.clone()),
        _ => None,
    }
}

fn created(tokens: &[Token]) -> Kind {
    for token in tokens {
        let TokenKind::Word(word) = &token.kind else {
            continue;
        };
        match word.as_str() {
            "DATABASE" | "SCHEMA" => return Kind::CreateDatabase,
            "TABLE" | "SEQUENCE" | "VIEW" => return Kind::Relation,
            "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "PACKAGE" | "LIBRARY" => return Kind::Program,
            _ => {}
        }
    }
    Kind::Other
}

fn inserted(tokens: &[Token]) -> Kind {
    let Some(at) = tokens
        .iter()
        .position(|token| matches!(token.kind, TokenKind::Name(_)))
    else {
        return Kind::Other;
    };
    let columns = tokens.get(at + 1).is_some_and(|token| token.is_sign('('));
    name(tokens, at).map_or(Kind::Other, |name| Kind::Insert(name, columns))
}

fn setting(tokens: &[Token]) -> Setting {
    let words = || {
        tokens.iter().filter_map(|token| match &token.kind {
            TokenKind::Word(word) => Some(word.as_str()),
            _ => None,
        })
    };
    if words().any(|word| word.contains("LOG_BIN") || word.contains("GTID_PURGED")) {
        return Setting::Whole;
    }
    let value = tokens
        .iter()
        .position(|token| token.is_sign('='))
        .and_then(|at| tokens.get(at + 1));
    match value.map(|token| &token.kind) {
        Some(TokenKind::Word(word)) if word.starts_with("@OLD_") => Setting::Whole,
        Some(TokenKind::Word(word)) if word.starts_with("@SAVE") => Setting::Restores,
        _ => Setting::Prepares,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_first_words() {
        for (head, expected) in [
            ("USE `o``dd`", Kind::Use("o`dd".into())),
            (
                "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */",
                Kind::CreateDatabase,
            ),
            ("CREATE TABLE `trigger` (", Kind::Relation),
            (
                "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`r`@`%` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS",
                Kind::Relation,
            ),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`event`@`%`*/ /*!50003 TRIGGER t BEFORE",
                Kind::Program,
            ),
            ("CREATE DEFINER=`table`@`%` FUNCTION `f`()", Kind::Program),
            ("LOCK TABLES `a``b` WRITE", Kind::LockTables("a`b".into())),
            ("UNLOCK TABLES", Kind::UnlockTables),
            ("INSERT INTO `t` VALUES (1", Kind::Insert("t".into(), false)),
            (
                "INSERT  IGNORE INTO `t` (`a`) VALUES (1",
                Kind::Insert("t".into(), true),
            ),
            ("DO SETVAL(`s`, 1, 0)", Kind::Relation),
            ("/*!40000 ALTER TABLE `t` DISABLE KEYS */", Kind::Other),
            (
                "/*!50003 SET sql_mode = @saved_sql_mode */",
                Kind::Set(Setting::Restores),
            ),
            (
                "/*!50106 SET TIME_ZONE= @save_time_zone */",
                Kind::Set(Setting::Restores),
            ),
            (
                "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */",
                Kind::Set(Setting::Whole),
            ),
            ("SET @@SESSION.SQL_LOG_BIN= 0", Kind::Set(Setting::Whole)),
            (
                "SET @saved_cs_client     = @@character_set_client",
                Kind::Set(Setting::Prepares),
            ),
        ] {
            assert_eq!(kind(head), expected, "{head}");
        }
        let alter = "ALTER DATABASE `a b` CHARACTER SET latin1 COLLATE latin1_swedish_ci";
        let Kind::AlterDatabase(after) = kind(alter) else {
            panic!()
        };
        assert_eq!(&alter[after..], " CHARACTER SET latin1 COLLATE latin1_swedish_ci");
        assert_eq!(
            kind("ALTER DATABASE CHARACTER SET latin1"),
            Kind::AlterDatabase(14)
        );
    }

    #[test]
    fn a_sequence_of_the_same_database_is_named_without_it() {
        let table =
            "CREATE TABLE `t` (`id` int DEFAULT nextval(`sh``op`.`s`), `x` int DEFAULT nextval(`other`.`s`))";
        let expected =
            "CREATE TABLE `t` (`id` int DEFAULT nextval(`s`), `x` int DEFAULT nextval(`other`.`s`))";
        assert_eq!(without_own_database(table, "sh`op").as_deref(), Some(expected));
        assert_eq!(without_own_database(table, "third"), None);
    }

    #[test]
    fn the_mode_says_what_a_backslash_is() {
        assert_eq!(
            backslash_after("/*!50003 SET sql_mode  = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES' */"),
            Some(false)
        );
        assert_eq!(
            backslash_after("/*!50003 SET sql_mode  = 'ANSI_QUOTES' */"),
            Some(true)
        );
        assert_eq!(
            backslash_after("/*!50003 SET sql_mode  = @saved_sql_mode */"),
            Some(true)
        );
        assert_eq!(backslash_after("SET @saved_sql_mode = @@sql_mode"), None);
    }
}
