//! What comes after the rows, made fit for the database that it goes into.
//!
//! A dump's text holds little that names its own database or an account: what does is changed here, token by token. Bodies are
//! never changed.

use bytes::BytesMut;
use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};

use crate::engines::mysql::lexer::{Event, Lexer};
use crate::engines::mysql::statement::{self, Kind};
use crate::engines::mysql::tokens::{Token, TokenKind, tokens};

/// What is to be different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manner {
    /// The database's name in the backup.
    pub(super) from: String,
    /// Its name at the target.
    pub(super) to: String,
    /// Whether everything belongs to the user who restores.
    pub(super) no_owner: bool,
    /// Whether events do nothing until somebody enables them.
    pub(super) events_rest: bool,
}

/// The outcome.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) script: Vec<u8>,
    /// How many events there are.
    pub(super) events: usize,
    /// What names the old database in a place that can't be changed.
    naming: Vec<String>,
}

impl Rewritten {
    /// What a person should know of it.
    pub(super) fn warnings(&self, manner: &Manner) -> Option<Warning> {
        const SHOWN: usize = 5;
        if manner.from == manner.to || self.naming.is_empty() {
            return None;
        }
        let shown = self.naming[..SHOWN.min(self.naming.len())].join(", ");
        Some(Warning {
            database: Some(manner.from.clone()),
            message: format!(
                "{} triggers, routines, events or views name the database {} themselves, and go on doing so in {}: {shown}",
                self.naming.len(),
                manner.from,
                manner.to
            ),
        })
    }
}

/// The statements of a script that make the places of views, which may stand on each other in any order.
pub(super) fn places_of_views(script: &[u8]) -> Result<Vec<u8>, Failure> {
    let (mut lexer, mut buffer) = (Lexer::new(), BytesMut::from(script));
    let (mut statement, mut places) = (Vec::new(), Vec::new());
    while let Some(event) = lexer.next(&mut buffer, true)? {
        match event {
            Event::Comment(_) => {}
            Event::Piece(piece) => statement.extend_from_slice(&piece),
            Event::End { .. } => {
                let text = std::mem::take(&mut statement);
                let head = String::from_utf8_lossy(&text[..text.len().min(statement::HEAD)]);
                if statement::makes_view(&head) {
                    places.extend_from_slice(&text);
                    places.extend_from_slice(b";\n");
                }
            }
        }
    }
    Ok(places)
}

/// Changes scripts.
pub(super) struct Rewriter<'a> {
    manner: &'a Manner,
    lexer: Lexer,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(manner: &'a Manner) -> Self {
        Self {
            manner,
            lexer: Lexer::new(),
        }
    }

    /// Changes a script that the splitter made.
    pub(super) fn rewrite(mut self, script: &[u8]) -> Result<Rewritten, Failure> {
        let mut buffer = BytesMut::from(script);
        let (mut statement, mut rewritten) = (Vec::new(), Rewritten::default());
        while let Some(event) = self.lexer.next(&mut buffer, true)? {
            match event {
                Event::Comment(_) => {}
                Event::Piece(piece) => statement.extend_from_slice(&piece),
                Event::End { .. } => {
                    let delimited = self.lexer.delimiter() != b";";
                    let text = String::from_utf8(std::mem::take(&mut statement))
                        .map_err(|_| damaged("a statement of the schema is not text"))?;
                    let text = self.statement(&text, &mut rewritten);
                    let (begin, end) = if delimited {
                        ("DELIMITER ;;\n", "\n;;\nDELIMITER ;\n")
                    } else {
                        ("", ";\n")
                    };
                    for part in [begin, text.trim_end(), end] {
                        rewritten.script.extend_from_slice(part.as_bytes());
                    }
                }
            }
        }
        if !statement.is_empty() || !self.lexer.is_between() {
            return Err(damaged("the schema breaks off"));
        }
        Ok(rewritten)
    }

    fn statement(&mut self, text: &str, rewritten: &mut Rewritten) -> String {
        let kind = statement::kind(text);
        if let (Kind::Set(_), Some(backslash)) = (&kind, statement::backslash_after(text)) {
            self.lexer.set_backslash(backslash);
        }
        if !matches!(kind, Kind::Program | Kind::Relation) {
            return text.to_owned();
        }
        let tokens = tokens(text);
        let mut edits: Vec<(usize, usize, &str)> = Vec::new();
        let object = tokens.iter().position(is_object);
        if self.manner.no_owner {
            edits.extend(definer(&tokens).map(|(begin, end)| (begin, end, "")));
        }
        if let Some(object) = object {
            edits.extend(qualifier(&tokens, object, &self.manner.from));
            if tokens[object].is("TRIGGER")
                && let Some(on) = tokens[object..].iter().position(|token| token.is("ON"))
            {
                edits.extend(qualifier(&tokens, object + on, &self.manner.from));
            }
            if tokens[object].is("EVENT") {
                rewritten.events += 1;
                if self.manner.events_rest {
                    edits.extend(enabled(&tokens[object..]).map(|(begin, end)| (begin, end, "DISABLE")));
                }
            }
        }
        let edited = |token: &Token| {
            edits
                .iter()
                .any(|(begin, end, _)| (*begin..*end).contains(&token.begin))
        };
        let names = |pair: &[Token]| {
            pair[1].is_sign('.') && is_name(&pair[0], &self.manner.from) && !edited(&pair[0])
        };
        if tokens.windows(2).any(names) {
            rewritten.naming.push(
                object
                    .and_then(|object| name_after(&tokens, object))
                    .unwrap_or_default(),
            );
        }
        edits.sort_unstable();
        let mut edited = String::with_capacity(text.len());
        let mut at = 0;
        for (begin, end, with) in edits {
            edited.push_str(&text[at..begin]);
            edited.push_str(with);
            at = end;
        }
        edited.push_str(&text[at..]);
        edited
    }
}

fn is_object(token: &Token) -> bool {
    ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "VIEW"]
        .iter()
        .any(|word| token.is(word))
}

fn is_name(token: &Token, name: &str) -> bool {
    match &token.kind {
        TokenKind::Name(own) => own == name,
        TokenKind::Word(own) => *own == name.to_uppercase(),
        _ => false,
    }
}

/// Where the name after a keyword begins, behind `IF [NOT] EXISTS` and `BODY`.
fn name_at(tokens: &[Token], keyword: usize) -> usize {
    let passed = |token: &&Token| ["IF", "NOT", "EXISTS", "BODY"].iter().any(|word| token.is(word));
    keyword + 1 + tokens[keyword + 1..].iter().take_while(passed).count()
}

fn name_after(tokens: &[Token], keyword: usize) -> Option<String> {
    match &tokens.get(name_at(tokens, keyword))?.kind {
        TokenKind::Name(name) | TokenKind::Word(name) => Some(name.clone()),
        _ => None,
    }
}

/// The old database's name and its dot before the name after a keyword.
fn qualifier(tokens: &[Token], keyword: usize, from: &str) -> Option<(usize, usize, &'static str)> {
    let at = name_at(tokens, keyword);
    let (database, dot, name) = (tokens.get(at)?, tokens.get(at + 1)?, tokens.get(at + 2)?);
    (dot.is_sign('.') && is_name(database, from)).then_some((database.begin, name.begin, ""))
}

/// ``DEFINER=`user`@`host` ``, or a role's name alone, before the object's kind.
fn definer(tokens: &[Token]) -> Option<(usize, usize)> {
    let object = tokens.iter().position(is_object)?;
    let at = tokens[..object].iter().position(|token| token.is("DEFINER"))?;
    if !tokens.get(at + 1)?.is_sign('=') {
        return None;
    }
    let mut last = at + 2;
    if tokens
        .get(last + 1)
        .is_some_and(|token| matches!(&token.kind, TokenKind::Word(word) if word == "@"))
    {
        last += 2;
    }
    Some((tokens[at].begin, tokens.get(last)?.end))
}

/// The `ENABLE` of an event.
fn enabled(tokens: &[Token]) -> Option<(usize, usize)> {
    let preserve = tokens.iter().position(|token| token.is("PRESERVE"))?;
    let token = tokens.get(preserve + 1)?;
    token.is("ENABLE").then_some((token.begin, token.end))
}

fn damaged(what: &str) -> Failure {
    Failure::new(FailureKind::RepositoryDamaged, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(script: &str, no_owner: bool, events_rest: bool) -> (String, Vec<String>) {
        let manner = Manner {
            from: "shop".into(),
            to: "copy".into(),
            no_owner,
            events_rest,
        };
        let rewritten = Rewriter::new(&manner).rewrite(script.as_bytes()).unwrap();
        (String::from_utf8(rewritten.script).unwrap(), rewritten.naming)
    }

    #[test]
    fn a_trigger_goes_where_it_is_created() {
        let script = "DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER `shop`.`t` BEFORE INSERT ON shop.x \
            FOR EACH ROW SET @a = 'shop.'; */\n;;\nDELIMITER ;\n";
        let (rewritten, naming) = rewrite(script, true, false);
        assert_eq!(
            rewritten,
            "DELIMITER ;;\n/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER `t` BEFORE INSERT ON x \
            FOR EACH ROW SET @a = 'shop.'; */\n;;\nDELIMITER ;\n"
        );
        assert_eq!(naming, Vec::<String>::new());
    }

    #[test]
    fn bodies_are_left_and_told_of() {
        let script = "DELIMITER ;;\nCREATE DEFINER=`a`@`b` PROCEDURE `p`()\nBEGIN DELETE FROM `shop`.`x`; END\n;;\nDELIMITER ;\n";
        let (rewritten, naming) = rewrite(script, false, false);
        assert_eq!(rewritten, script);
        assert_eq!(naming, ["p"]);
    }

    #[test]
    fn events_rest_where_they_should() {
        let script = "DELIMITER ;;\n/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY ON \
            COMPLETION NOT PRESERVE ENABLE DO SELECT 1 */\n;;\nDELIMITER ;\n";
        assert!(rewrite(script, false, true).0.contains("PRESERVE DISABLE DO"));
        assert!(rewrite(script, false, false).0.contains("PRESERVE ENABLE DO"));
    }

    #[test]
    fn a_view_loses_its_definer_alone() {
        let script = "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50013 DEFINER=`a`@`b` SQL SECURITY DEFINER */\n/*!50001 VIEW `v` AS select 1 */;\n";
        let (rewritten, _) = rewrite(script, true, false);
        assert!(
            rewritten.contains("/*!50013  SQL SECURITY DEFINER */"),
            "{rewritten}"
        );
    }
}
