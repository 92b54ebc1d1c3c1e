//! The order of what comes after the rows, where several connections build it.
//!
//! A parallel `pg_restore` may add a foreign key while the key of a partitioned table that it refers to is not complete yet:
//! the archive says that it needs the key's constraint, and not that it needs the partitions' indexes attached to it. So
//! foreign keys are a pass of their own, after all else, with what may hang on them, and with event triggers, which must not
//! fire on them.

use std::fmt::Write as _;

/// The kinds of the last pass, as the list names them.
const LAST: [&str; 4] = ["FK CONSTRAINT ", "COMMENT ", "SECURITY LABEL ", "EVENT TRIGGER "];

/// The entries of an archive's table of contents, as `pg_restore --list` writes them and `--use-list` reads them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Passes {
    /// Whatever needs no foreign key.
    pub(super) first: String,
    /// Foreign keys, comments, security labels, event triggers.
    pub(super) last: String,
}

impl Passes {
    /// Splits a list. Lines that are no entries are left out.
    pub(super) fn split(list: &str) -> Self {
        let mut passes = Self::default();
        for line in list.lines() {
            let Some(kind) = kind(line) else { continue };
            let pass = match LAST.iter().any(|last| kind.starts_with(last)) {
                true => &mut passes.last,
                false => &mut passes.first,
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
    fn foreign_keys_and_what_hangs_on_them_come_last() {
        let list = "\
;
; Archive created at 2026-11-24
;     TOC Entries: 9
3811; 2606 16555 CONSTRAINT shop keyed keyed_pkey owner
4012; 0 0 INDEX ATTACH shop keyed_1_pkey owner
3833; 1259 16601 INDEX shop by_name owner
3900; 2606 16700 FK CONSTRAINT shop refers refers_fkey owner
3901; 2606 16701 CHECK CONSTRAINT shop refers positive owner
4100; 0 0 COMMENT shop INDEX by_name owner
3950; 3466 16800 EVENT TRIGGER - watch owner
";
        let passes = Passes::split(list);
        let ids = |pass: &str| -> Vec<String> {
            pass.lines()
                .filter_map(|line| line.split_once(';'))
                .map(|(id, _)| id.to_owned())
                .collect()
        };
        assert_eq!(ids(&passes.first), ["3811", "4012", "3833", "3901"]);
        assert_eq!(ids(&passes.last), ["3900", "4100", "3950"]);
    }
}
