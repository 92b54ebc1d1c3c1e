//! The order of what comes after the rows, where several connections build it.
//!
//! PostgreSQL marks a partitioned table's index valid when the last of its partitions' indexes is attached. Two connections
//! that attach to different levels of one tree at the same moment may each miss what the other attaches, and the index at the
//! top stays invalid for good: PostgreSQL 16 left it so in 8 of 120 tries that overlapped on purpose. A foreign key that
//! refers to it fails with "no unique constraint matching given keys", and without one nobody would notice. So indexes are
//! attached over one connection, which costs little since nothing is built, and foreign keys come after that, with what may
//! hang on them. Event triggers come last and over one connection too: none must fire on what we do, and a parallel
//! `pg_restore` makes connections when all is done, on which those for logins would fire.

use std::fmt::Write as _;

/// The kind of the middle pass, as the list names it.
const ATTACH: &str = "INDEX ATTACH ";

/// The kinds of the pass after that.
const REFER: [&str; 3] = ["FK CONSTRAINT ", "COMMENT ", "SECURITY LABEL "];

/// The kinds of the last pass. An event trigger is in no schema, which the list shows as a dash.
const EVENTS: [&str; 3] = [
    "EVENT TRIGGER ",
    "COMMENT - EVENT TRIGGER ",
    "SECURITY LABEL - EVENT TRIGGER ",
];

/// The entries of an archive's table of contents, as `pg_restore --list` writes them and `--use-list` reads them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Passes {
    /// Whatever needs no attached index. In parallel.
    pub(super) build: String,
    /// Indexes of partitions to those of their parents. Over one connection.
    pub(super) attach: String,
    /// Foreign keys, comments, security labels. In parallel.
    pub(super) refer: String,
    /// Event triggers, and what is said about them. Over one connection.
    pub(super) events: String,
}

impl Passes {
    /// Splits a list. Lines that are no entries are left out.
    pub(super) fn split(list: &str) -> Self {
        let mut passes = Self::default();
        for line in list.lines() {
            let Some(kind) = kind(line) else { continue };
            let among = |kinds: &[&str]| kinds.iter().any(|beginning| kind.starts_with(beginning));
            let pass = if among(&[ATTACH]) {
                &mut passes.attach
            } else if among(&EVENTS) {
                &mut passes.events
            } else if among(&REFER) {
                &mut passes.refer
            } else {
                &mut passes.build
            };
            // Writing to a string can't fail.
            writeln!(pass, "{line}").unwrap_or_default();
        }
        passes
    }
}

/// What an entry is, with what follows: the part after `dump id; catalogue oid`.
fn kind(line: &str) -> Option<&str> {
    let (id, rest) = line.split_once("; ")?;
    let mut parts = rest.splitn(3, ' ');
    let numbers = [id, parts.next()?, parts.next()?];
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.into_iter().all(number).then(|| parts.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_is_in_the_pass_that_suits_it() {
        let list = "\
;
; Archive created at 2026-11-24
;     TOC Entries: 8
3811; 2606 16555 CONSTRAINT shop keyed keyed_pkey owner
4012; 0 0 INDEX ATTACH shop keyed_1_pkey owner
3833; 1259 16601 INDEX shop by_name owner
3900; 2606 16700 FK CONSTRAINT shop refers refers_fkey owner
3901; 2606 16701 CHECK CONSTRAINT shop refers positive owner
4100; 0 0 COMMENT shop INDEX by_name owner
3950; 3466 16800 EVENT TRIGGER - watch owner
4101; 0 0 COMMENT - EVENT TRIGGER watch owner
";
        let passes = Passes::split(list);
        let ids = |pass: &str| -> Vec<String> {
            pass.lines()
                .filter_map(|line| line.split_once(';'))
                .map(|(id, _)| id.to_owned())
                .collect()
        };
        assert_eq!(ids(&passes.build), ["3811", "3833", "3901"]);
        assert_eq!(ids(&passes.attach), ["4012"]);
        assert_eq!(ids(&passes.refer), ["3900", "4100"]);
        assert_eq!(ids(&passes.events), ["3950", "4101"]);
    }
}
