//! A script of the splitter's, statement by statement.

use std::collections::BTreeSet;

use bytes::BytesMut;
use dataguardian_core::failure::{Failure, FailureKind};

use crate::engines::mysql::lexer::{Event, Lexer};
use crate::engines::mysql::statement::{self, HEAD, Kind};
use crate::engines::mysql::tokens::{Token, TokenKind, tokens};

/// What statements create, by their keywords.
const OBJECTS: [&str; 8] = [
    "TABLE",
    "SEQUENCE",
    "VIEW",
    "TRIGGER",
    "PROCEDURE",
    "FUNCTION",
    "EVENT",
    "PACKAGE",
];

/// One statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// Its number in the script.
    pub(super) place: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// Whether it ends with `;;`, since there are `;` in it.
    delimited: bool,
}

/// Reads a script.
pub(super) fn read(script: &[u8]) -> Result<Vec<Statement>, Failure> {
    let damaged = |what| Failure::new(FailureKind::RepositoryDamaged, what);
    let (mut lexer, mut buffer) = (Lexer::new(), BytesMut::from(script));
    let (mut text, mut statements) = (Vec::new(), Vec::new());
    while let Some(event) = lexer.next(&mut buffer, true)? {
        match event {
            Event::Comment(_) => {}
            Event::Piece(piece) => text.extend_from_slice(&piece),
            Event::End { .. } => {
                let delimited = lexer.delimiter() != b";";
                let text = String::from_utf8(std::mem::take(&mut text))
                    .map_err(|_| damaged("a statement of the schema is not text"))?;
                let kind = statement::kind(head(&text));
                if let (Kind::Set(_), Some(backslash)) = (&kind, statement::backslash_after(&text)) {
                    lexer.set_backslash(backslash);
                }
                statements.push(Statement {
                    place: statements.len(),
                    kind,
                    text,
                    delimited,
                });
            }
        }
    }
    if text.iter().any(|byte| !byte.is_ascii_whitespace()) || !lexer.is_between() {
        return Err(damaged("the schema breaks off"));
    }
    Ok(statements)
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(HEAD);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Statement {
    /// As it stands in a script.
    pub(super) fn written(&self) -> Vec<u8> {
        let text = self.text.trim_end();
        match self.delimited {
            true => format!("DELIMITER ;;\n{text}\n;;\nDELIMITER ;\n").into_bytes(),
            false => format!("{text};\n").into_bytes(),
        }
    }

    pub(super) fn tokens(&self) -> Vec<Token> {
        tokens(&self.text)
    }

    /// What it creates, and its name.
    pub(super) fn object(&self) -> Option<(&'static str, String)> {
        if !matches!(self.kind, Kind::Relation | Kind::Program) {
            return None;
        }
        let tokens = tokens(head(&self.text));
        tokens.first().filter(|token| token.is("CREATE"))?;
        let of = |token: &Token| OBJECTS.into_iter().find(|word| token.is(word));
        let (at, kind) = tokens
            .iter()
            .enumerate()
            .find_map(|(at, token)| Some((at, of(token)?)))?;
        Some((kind, name_behind(&tokens, at)?))
    }

    /// The table whose trigger it is.
    pub(super) fn table_of_trigger(&self) -> Option<String> {
        let tokens = tokens(head(&self.text));
        let trigger = tokens.iter().position(|token| token.is("TRIGGER"))?;
        let on = tokens[trigger..].iter().position(|token| token.is("ON"))?;
        name_behind(&tokens, trigger + on)
    }

    /// The first name in backticks.
    pub(super) fn first_name(&self) -> Option<String> {
        tokens(head(&self.text))
            .into_iter()
            .find_map(|token| match token.kind {
                TokenKind::Name(name) => Some(name),
                _ => None,
            })
    }

    /// Every name in backticks in it.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let names = self.tokens().into_iter().filter_map(|token| match token.kind {
            TokenKind::Name(name) => Some(name),
            _ => None,
        });
        names.collect()
    }

    /// Every word and every name in it, in upper case: routines' names know no other.
    pub(super) fn names_in_any_case(&self) -> BTreeSet<String> {
        let names = self.tokens().into_iter().filter_map(|token| match token.kind {
            TokenKind::Name(name) | TokenKind::Word(name) => Some(name.to_uppercase()),
            _ => None,
        });
        names.collect()
    }
}

/// The name behind a keyword, without that of its database.
fn name_behind(tokens: &[Token], keyword: usize) -> Option<String> {
    let passed = |token: &&Token| ["IF", "NOT", "EXISTS", "BODY"].iter().any(|word| token.is(word));
    let at = keyword + 1 + tokens.get(keyword + 1..)?.iter().take_while(passed).count();
    let is_qualified = tokens.get(at + 1).is_some_and(|token| token.is_sign('.'));
    match &tokens.get(if is_qualified { at + 2 } else { at })?.kind {
        TokenKind::Name(name) | TokenKind::Word(name) => Some(name.clone()),
        _ => None,
    }
}
