//! Takes a table's stream apart again: the COPY statement, the rows, what ends them.

use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::{Failure, FailureKind};
use futures::StreamExt as _;
use futures::stream::BoxStream;

/// What ends the statement.
const HEAD_ENDS: &[u8] = b" FROM stdin;\n";
/// What stands after the last row.
const ROWS_END: &[u8] = b"\\.\n\n";
/// No statement is as long: at most 1,600 columns of 63 bytes.
const LONGEST_HEAD: usize = 1 << 20;

/// A table's stream, being read.
pub(super) struct Framed {
    stream: BoxStream<'static, Result<Bytes, Failure>>,
    /// What was read and not handed out.
    held: BytesMut,
    what: String,
}

impl Framed {
    /// `what` names the stream in failures.
    pub(super) fn new(stream: BoxStream<'static, Result<Bytes, Failure>>, what: String) -> Self {
        Self {
            stream,
            held: BytesMut::new(),
            what,
        }
    }

    /// The statement up to ` FROM stdin`, in the database's encoding. To be called once, first.
    pub(super) async fn head(&mut self) -> Result<Bytes, Failure> {
        loop {
            if let Some(at) = end_of_head(&self.held) {
                let mut head = self.held.split_to(at + HEAD_ENDS.len());
                head.truncate(at);
                return Ok(head.freeze());
            }
            match self.stream.next().await.transpose()? {
                Some(piece) if self.held.len() < LONGEST_HEAD => self.held.extend_from_slice(&piece),
                _ => return Err(self.damaged("does not begin with a COPY statement")),
            }
        }
    }

    /// The next piece of rows; none after the last one, when the end was as it must be.
    pub(super) async fn rows(&mut self) -> Result<Option<Bytes>, Failure> {
        // The last bytes are held back until it is known whether they are the end.
        loop {
            if self.held.len() > ROWS_END.len() {
                return Ok(Some(
                    self.held.split_to(self.held.len() - ROWS_END.len()).freeze(),
                ));
            }
            match self.stream.next().await.transpose()? {
                Some(mut piece) if piece.len() > ROWS_END.len() => {
                    let tail = piece.split_off(piece.len() - ROWS_END.len());
                    let before = std::mem::replace(&mut self.held, BytesMut::from(&tail[..]));
                    if before.is_empty() {
                        return Ok(Some(piece));
                    }
                    // Rare: what was held back goes first; the piece is copied behind it.
                    let mut joined = before;
                    joined.extend_from_slice(&piece);
                    return Ok(Some(joined.freeze()));
                }
                Some(piece) => self.held.extend_from_slice(&piece),
                None if &self.held[..] == ROWS_END => return Ok(None),
                None => return Err(self.damaged("breaks off before the end of the rows")),
            }
        }
    }

    fn damaged(&self, how: &str) -> Failure {
        Failure::new(
            FailureKind::RepositoryDamaged,
            format!("the stream {} {how}", self.what),
        )
    }
}

/// Where the statement ends: at ` FROM stdin;` outside of any quoted name.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b' ' if !quoted && bytes[at..].starts_with(HEAD_ENDS) => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn take_apart(pieces: Vec<Bytes>) -> Result<(Bytes, Vec<u8>), Failure> {
        let stream = futures::stream::iter(pieces.into_iter().map(Ok)).boxed();
        let mut framed = Framed::new(stream, "t".into());
        let head = framed.head().await?;
        let mut rows = Vec::new();
        while let Some(piece) = framed.rows().await? {
            rows.extend_from_slice(&piece);
        }
        Ok((head, rows))
    }

    fn cut(text: &[u8], cuts: &[usize]) -> Vec<Bytes> {
        let mut rest = Bytes::copy_from_slice(text);
        let mut pieces: Vec<Bytes> = cuts
            .iter()
            .map(|cut| rest.split_to((*cut).min(rest.len())))
            .collect();
        pieces.push(rest);
        pieces
    }

    const HEAD: &str = "COPY \"s\".\"odd\"\" FROM stdin;\nname\" (\"a\")";

    proptest! {
        #[test]
        fn any_cut_gives_the_same(rows in "([a-z]{0,9}\n){0,20}", cuts in prop::collection::vec(0_usize..12, 0..30)) {
            let text = format!("{HEAD} FROM stdin;\n{rows}\\.\n\n");
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (head, read) = runtime.block_on(take_apart(cut(text.as_bytes(), &cuts))).unwrap();
            prop_assert_eq!(&head[..], HEAD.as_bytes());
            prop_assert_eq!(read, rows.into_bytes());
        }

        #[test]
        fn no_beginning_of_a_stream_passes_for_the_whole(length in 0_usize..70) {
            let text = format!("{HEAD} FROM stdin;\nrow\n\\\\.\nx\n\\.\n\n");
            prop_assume!(length < text.len());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(take_apart(cut(&text.as_bytes()[..length], &[10, 20])));
            prop_assert_eq!(read.unwrap_err().kind, FailureKind::RepositoryDamaged);
        }
    }
}
