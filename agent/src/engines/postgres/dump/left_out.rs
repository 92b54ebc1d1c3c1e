//! What a schema archive holds that nothing must restore.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;

use crate::engines::postgres::exclusions::Reference;
use crate::engines::postgres::restore::contents::{self, Entry};
use crate::engines::spool::Spool;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// An archive's entries, by their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// In the archive's order.
    pub(super) kept: Vec<i64>,
    pub(super) left_out: Vec<i64>,
}

/// Parts an archive's entries: left out are these references, and what is said about them.
pub(super) fn part(archive: &mut Spool, references: &[Reference]) -> Result<Entries, Failure> {
    let mut bytes = Vec::new();
    archive.rewind()?;
    while let Some(piece) = archive.read(PIECE)? {
        bytes.extend_from_slice(&piece);
    }
    let entries = contents::read(&bytes, &mut |text| String::from_utf8_lossy(text).into_owned())?;
    Ok(among(&entries, references))
}

fn among(entries: &[Entry], references: &[Reference]) -> Entries {
    let is_one = |entry: &&Entry| {
        let is = |reference: &Reference| (reference.entry, reference.oid) == (&*entry.kind, entry.oid);
        references.iter().any(is)
    };
    let gone: BTreeSet<i64> = entries.iter().filter(is_one).map(|entry| entry.id).collect();
    let goes = |entry: &Entry| gone.contains(&entry.id) || entry.needs.iter().any(|id| gone.contains(id));
    let (left_out, kept): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| goes(entry));
    let numbers = |entries: Vec<&Entry>| entries.into_iter().map(|entry| entry.id).collect();
    Entries {
        kept: numbers(kept),
        left_out: numbers(left_out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_with_what_is_said_about_them() {
        let entry = |id, kind: &str, oid, needs: &[i64]| Entry {
            id,
            kind: kind.into(),
            oid,
            needs: needs.to_vec(),
            ..Entry::default()
        };
        let entries = [
            entry(9, "TABLE", 20, &[]),
            entry(4, "FK CONSTRAINT", 30, &[9]),
            entry(5, "FK CONSTRAINT", 31, &[9]),
            entry(6, "COMMENT", 0, &[4]),
            entry(7, "INDEX", 30, &[9]),
        ];
        let key = Reference {
            entry: "FK CONSTRAINT",
            oid: 30,
            shown: String::new(),
        };
        assert_eq!(
            among(&entries, &[key]),
            Entries {
                kept: vec![9, 5, 7],
                left_out: vec![4, 6]
            }
        );
    }
}
