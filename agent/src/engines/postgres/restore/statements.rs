//! Cuts a stream of our own statements (sequences, large objects) into statements.
//!
//! It knows what those streams hold and no more: names in double quotes, texts in single quotes with or without `E`, no
//! comments, no dollar quotes; each statement ends with `;` and a line feed.

use bytes::{Bytes, BytesMut};

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    held: BytesMut,
    /// How far `held` was looked at.
    seen: usize,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Name,
    Text {
        escapes: bool,
    },
    Escaped,
}

impl Splitter {
    /// Takes the next piece of the stream.
    pub(super) fn push(&mut self, piece: &Bytes) {
        self.held.extend_from_slice(piece);
    }

    /// The next whole statement, without `;` and line feed.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        while let Some(&byte) = self.held.get(self.seen) {
            self.state = match (self.state, byte) {
                (State::Plain, b'"') => State::Name,
                (State::Plain, b'\'') => State::Text {
                    escapes: self.seen > 0 && self.held[self.seen - 1] == b'E',
                },
                (State::Plain, b'\n') if self.seen > 0 && self.held[self.seen - 1] == b';' => {
                    let mut statement = self.held.split_to(self.seen + 1);
                    statement.truncate(self.seen - 1);
                    self.seen = 0;
                    return Some(statement.freeze());
                }
                (State::Name, b'"') | (State::Text { .. }, b'\'') => State::Plain,
                (State::Text { escapes: true }, b'\\') => State::Escaped,
                (State::Escaped, _) => State::Text { escapes: true },
                (state, _) => state,
            };
            self.seen += 1;
        }
        None
    }

    /// Whether everything was handed out.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engines::postgres::quote;

    proptest! {
        #[test]
        fn statements_come_out_as_they_went_in(
            texts in prop::collection::vec("[a;'\"\\\\\nE]{0,8}", 0..10),
            cut in 1_usize..7,
        ) {
            let statements: Vec<String> = texts
                .iter()
                .map(|text| format!("COMMENT ON {} IS {}", quote::name(text), quote::text(text)))
                .collect();
            let stream: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
            let mut splitter = Splitter::default();
            let mut read = Vec::new();
            for piece in stream.as_bytes().chunks(cut) {
                splitter.push(&Bytes::copy_from_slice(piece));
                while let Some(statement) = splitter.next() {
                    read.push(String::from_utf8(statement.to_vec()).unwrap());
                }
            }
            prop_assert!(splitter.is_empty());
            prop_assert_eq!(read, statements);
        }
    }
}
