//! Cuts a client program's output into statements as the client that will read it does, while it streams.
//!
//! The rules are those by which `mysql` and `mariadb` read a script: strings with or without backslash escapes, names in
//! backticks, comments of three kinds, `DELIMITER`. A comment that begins with `/*!` or `/*M!` is code. A line of a routine's
//! body that looks like a comment, a delimiter or an end is therefore what it is: a part of a statement.
//!
//! Statements are not held: they come in pieces, so that one of 100 MB needs no more memory than one of 100 bytes.

use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::{Failure, FailureKind};

/// No comment or `DELIMITER` line of a dump is as long.
const LONGEST_LINE: usize = 1 << 20;
/// The most that must be seen at once to know what a byte means: `/*M!`.
const LOOKAHEAD: usize = 4;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A comment between statements, whole.
    Comment(Bytes),
    /// A part of the current statement, in order, without the delimiter.
    Piece(Bytes),
    /// The current statement is complete.
    End {
        /// How many pairs of parentheses stood in it side by side, outside of others and of strings.
        groups: u64,
        /// Its length in bytes.
        length: u64,
    },
}

/// Reads a script.
#[derive(Debug)]
pub(super) struct Lexer {
    place: Place,
    delimiter: Vec<u8>,
    /// Whether a backslash in a string escapes: not under `NO_BACKSLASH_ESCAPES`.
    backslash: bool,
    depth: u32,
    groups: u64,
    length: u64,
    /// Whether nothing but space has been seen since the last line feed: `DELIMITER` counts only there.
    line_begins: bool,
}

/// Where in the script the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    Code,
    Quoted { by: u8, escaped: bool },
    LineComment,
    BlockComment,
}

/// What the bytes at some place of a statement's code are.
enum Sight {
    /// Not to be told before more has come.
    Unclear,
    /// The delimiter.
    Delimiter,
    /// So many bytes, after which the place is this one.
    Bytes(usize, Place),
}

impl Lexer {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Between,
            delimiter: b";".to_vec(),
            backslash: true,
            depth: 0,
            groups: 0,
            length: 0,
            line_begins: true,
        }
    }

    /// Whether a backslash in a string escapes from now on.
    pub(super) fn set_backslash(&mut self, escapes: bool) {
        self.backslash = escapes;
    }

    /// Whether no statement is open.
    pub(super) fn is_between(&self) -> bool {
        self.place == Place::Between
    }

    /// The delimiter at this moment.
    pub(super) fn delimiter(&self) -> &[u8] {
        &self.delimiter
    }

    /// The next event; none if more input is needed. What has been understood is taken off the buffer. `ended` tells that
    /// nothing will come after what is in it.
    pub(super) fn next(&mut self, buffer: &mut BytesMut, ended: bool) -> Result<Option<Event>, Failure> {
        if self.place == Place::Between {
            if let Some(comment) = self.between(buffer, ended)? {
                return Ok(Some(Event::Comment(comment)));
            }
            if self.place == Place::Between {
                return Ok(None);
            }
        }
        Ok(self.in_statement(buffer, ended))
    }

    /// Passes over what is between statements, until a comment (given back), a statement (the place changes) or the end of
    /// what is there.
    fn between(&mut self, buffer: &mut BytesMut, ended: bool) -> Result<Option<Bytes>, Failure> {
        loop {
            let space = buffer
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            if space > 0 {
                self.line_begins = self.line_begins || buffer[..space].contains(&b'\n');
                bytes::Buf::advance(buffer, space);
            }
            if buffer.is_empty() {
                return Ok(None);
            }
            if buffer.len() < LOOKAHEAD.max(self.delimiter.len()) && !ended {
                return Ok(None);
            }
            if buffer.starts_with(&self.delimiter) {
                bytes::Buf::advance(buffer, self.delimiter.len());
                self.line_begins = false;
                continue;
            }
            if is_line_comment(buffer) {
                let Some(line) = self.line(buffer, ended)? else {
                    return Ok(None);
                };
                return Ok(Some(line));
            }
            if is_block_comment(buffer) {
                return self.block(buffer, ended);
            }
            if self.line_begins && may_be_delimiter_line(buffer) {
                if buffer.len() < DELIMITER.len() + 1 && !ended {
                    return Ok(None);
                }
                if is_delimiter_line(buffer) {
                    let Some(line) = self.line(buffer, ended)? else {
                        return Ok(None);
                    };
                    let word = line[DELIMITER.len()..].trim_ascii();
                    if word.is_empty() {
                        return Err(unreadable("a DELIMITER line names no delimiter"));
                    }
                    self.delimiter = word.to_vec();
                    continue;
                }
            }
            self.place = Place::Code;
            (self.depth, self.groups, self.length) = (0, 0, 0);
            return Ok(None);
        }
    }

    /// A whole line, without its end; none if it is not complete yet.
    fn line(&mut self, buffer: &mut BytesMut, ended: bool) -> Result<Option<Bytes>, Failure> {
        match memchr::memchr(b'\n', buffer) {
            Some(at) => {
                let line = buffer.split_to(at).freeze();
                bytes::Buf::advance(buffer, 1);
                self.line_begins = true;
                Ok(Some(line))
            }
            None if ended => Ok(Some(buffer.split().freeze())),
            None if buffer.len() > LONGEST_LINE => Err(unreadable("a line between statements has no end")),
            None => Ok(None),
        }
    }

    fn block(&mut self, buffer: &mut BytesMut, ended: bool) -> Result<Option<Bytes>, Failure> {
        match memchr::memmem::find(&buffer[2..], b"*/") {
            Some(at) => {
                self.line_begins = false;
                Ok(Some(buffer.split_to(at + 4).freeze()))
            }
            None if ended || buffer.len() > LONGEST_LINE => Err(unreadable("a comment has no end")),
            None => Ok(None),
        }
    }

    fn in_statement(&mut self, buffer: &mut BytesMut, ended: bool) -> Option<Event> {
        let mut at = 0;
        while at < buffer.len() {
            match self.place {
                Place::Code => {
                    let from = at;
                    at += buffer[at..].iter().take_while(|byte| is_dull(**byte)).count();
                    // A delimiter may begin with any byte.
                    if self.delimiter.first().is_some_and(|byte| is_dull(*byte)) {
                        let until = buffer.len().min(at + self.delimiter.len() - 1);
                        let found = memchr::memmem::find(&buffer[from..until], &self.delimiter);
                        at = found.map_or(at, |found| from + found);
                    }
                    if at >= buffer.len() {
                        break;
                    }
                    match self.look(&buffer[at..], ended) {
                        Sight::Unclear => break,
                        Sight::Delimiter if at > 0 => return Some(self.piece(buffer, at)),
                        Sight::Delimiter => {
                            bytes::Buf::advance(buffer, self.delimiter.len());
                            self.place = Place::Between;
                            self.line_begins = false;
                            return Some(Event::End {
                                groups: self.groups,
                                length: self.length,
                            });
                        }
                        Sight::Bytes(many, place) => {
                            at += many;
                            self.place = place;
                        }
                    }
                }
                Place::Quoted { by, escaped: true } => {
                    at += 1;
                    self.place = Place::Quoted { by, escaped: false };
                }
                Place::Quoted { by, escaped: false } => {
                    let escape = if self.backslash && by != b'`' { b'\\' } else { by };
                    let Some(found) = memchr::memchr2(by, escape, &buffer[at..]) else {
                        at = buffer.len();
                        break;
                    };
                    at += found + 1;
                    self.place = if buffer[at - 1] == by {
                        Place::Code
                    } else {
                        Place::Quoted { by, escaped: true }
                    };
                }
                Place::LineComment => match memchr::memchr(b'\n', &buffer[at..]) {
                    Some(found) => {
                        at += found + 1;
                        self.place = Place::Code;
                    }
                    None => at = buffer.len(),
                },
                Place::BlockComment => match memchr::memmem::find(&buffer[at..], b"*/") {
                    Some(found) => {
                        at += found + 2;
                        self.place = Place::Code;
                    }
                    None if ended => at = buffer.len(),
                    None => {
                        // The last byte may be the first of the two.
                        at = at.max(buffer.len() - 1);
                        break;
                    }
                },
                Place::Between => break,
            }
        }
        (at > 0).then(|| self.piece(buffer, at))
    }

    fn piece(&mut self, buffer: &mut BytesMut, length: usize) -> Event {
        self.length += length as u64;
        Event::Piece(buffer.split_to(length).freeze())
    }

    /// What stands at the beginning of `rest`, which is in code and not dull.
    fn look(&mut self, rest: &[u8], ended: bool) -> Sight {
        if rest.len() < LOOKAHEAD.max(self.delimiter.len()) && !ended {
            return Sight::Unclear;
        }
        if rest.starts_with(&self.delimiter) {
            return Sight::Delimiter;
        }
        match rest[0] {
            by @ (b'\'' | b'"' | b'`') => Sight::Bytes(1, Place::Quoted { by, escaped: false }),
            b'(' => {
                self.groups += u64::from(self.depth == 0);
                self.depth += 1;
                Sight::Bytes(1, Place::Code)
            }
            b')' => {
                self.depth = self.depth.saturating_sub(1);
                Sight::Bytes(1, Place::Code)
            }
            _ if is_line_comment(rest) => Sight::Bytes(1, Place::LineComment),
            _ if is_block_comment(rest) => Sight::Bytes(2, Place::BlockComment),
            _ => Sight::Bytes(1, Place::Code),
        }
    }
}

const DELIMITER: &[u8] = b"DELIMITER";

/// Bytes that mean nothing in code.
const fn is_dull(byte: u8) -> bool {
    !matches!(
        byte,
        b'\'' | b'"' | b'`' | b'(' | b')' | b'-' | b'#' | b'/' | b';' | b'$' | b'|'
    )
}

/// `#`, or two dashes and a space.
fn is_line_comment(rest: &[u8]) -> bool {
    match rest {
        [b'#', ..] | [b'-', b'-'] => true,
        [b'-', b'-', after, ..] => after.is_ascii_whitespace() || after.is_ascii_control(),
        _ => false,
    }
}

/// `/*`, but not `/*!`, `/*M!` or `/*+`, which are code.
fn is_block_comment(rest: &[u8]) -> bool {
    match rest {
        [b'/', b'*', b'!' | b'+', ..] | [b'/', b'*', b'M', b'!', ..] => false,
        [b'/', b'*', ..] => true,
        _ => false,
    }
}

fn may_be_delimiter_line(rest: &[u8]) -> bool {
    let length = rest.len().min(DELIMITER.len());
    rest[..length].eq_ignore_ascii_case(&DELIMITER[..length])
}

fn is_delimiter_line(rest: &[u8]) -> bool {
    rest.len() > DELIMITER.len()
        && may_be_delimiter_line(rest)
        && matches!(rest[DELIMITER.len()], b' ' | b'\t')
}

fn unreadable(what: &str) -> Failure {
    Failure::new(FailureKind::Internal, format!("the dump can't be read: {what}"))
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
