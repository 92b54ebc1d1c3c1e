//! The table of contents of a schema archive, as `pg_dump` writes it in its custom format.
//!
//! `pg_restore --list` shows the same, but with names that can't be told from what surrounds them, and without what depends on
//! what. The format is `pg_backup_archiver.c`'s (`ReadHead`, `ReadToc`) and the same since PostgreSQL 12 but for what the
//! version number tells.

use dataguardian_core::failure::{Failure, FailureKind};

/// The oldest and the newest version of the format that is known.
const VERSIONS: std::ops::RangeInclusive<(u8, u8)> = (1, 12)..=(1, 16);
/// The number of the custom format.
const CUSTOM: u8 = 1;
/// The seven numbers of the time at which the archive was made.
const TIME: usize = 7;

/// One object, or something that is said about one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engines::postgres) struct Entry {
    /// Its number in the archive.
    pub(in crate::engines::postgres) id: i64,
    /// Its object id in the source's catalogue; 0 for what has none.
    pub(in crate::engines::postgres) oid: i64,
    /// What is made: `TABLE`, `FK CONSTRAINT`, `COMMENT`, …
    pub(in crate::engines::postgres) kind: String,
    /// Its schema; empty for what is in none.
    pub(in crate::engines::postgres) schema: String,
    /// Its name, as the kind has it: a constraint's is `table constraint`.
    pub(in crate::engines::postgres) tag: String,
    /// The SQL that makes it.
    pub(in crate::engines::postgres) definition: String,
    /// Who owns it.
    pub(in crate::engines::postgres) owner: String,
    /// The numbers of what must be there before.
    pub(in crate::engines::postgres) needs: Vec<i64>,
}

/// Reads the table of contents at an archive's beginning. `decode` makes text of what is in the database's encoding.
pub(in crate::engines::postgres) fn read(
    archive: &[u8],
    decode: &mut dyn FnMut(&[u8]) -> String,
) -> Result<Vec<Entry>, Failure> {
    let mut reader = Reader::begin(archive, decode)?;
    let count = usize::try_from(reader.number()?).map_err(|_| damaged())?;
    // What an archive claims is no reason to take memory: entries are some dozens of bytes long at least.
    let mut entries = Vec::with_capacity(count.min(archive.len() / 32));
    for _ in 0..count {
        entries.push(reader.entry()?);
    }
    Ok(entries)
}

struct Reader<'a> {
    rest: &'a [u8],
    decode: &'a mut dyn FnMut(&[u8]) -> String,
    version: (u8, u8),
    number_len: usize,
    offset_len: usize,
}

impl<'a> Reader<'a> {
    /// Reads the head.
    fn begin(archive: &'a [u8], decode: &'a mut dyn FnMut(&[u8]) -> String) -> Result<Self, Failure> {
        let rest = archive.strip_prefix(b"PGDMP").ok_or_else(damaged)?;
        let mut reader = Self {
            rest,
            decode,
            version: (0, 0),
            number_len: 0,
            offset_len: 0,
        };
        reader.version = (reader.byte()?, reader.byte()?);
        if !VERSIONS.contains(&reader.version) {
            let (major, minor) = reader.version;
            let message = format!(
                "the schema archive is of version {major}.{minor}, of which parts can't be chosen: restore the whole database"
            );
            return Err(Failure::new(FailureKind::ChoiceUnfit, message));
        }
        let _revision = reader.byte()?;
        reader.number_len = reader.byte()?.into();
        reader.offset_len = reader.byte()?.into();
        if reader.byte()? != CUSTOM || !(1..=8).contains(&reader.number_len) {
            return Err(damaged());
        }
        if reader.version >= (1, 15) {
            let _compression = reader.byte()?;
        } else {
            let _level = reader.number()?;
        }
        for _ in 0..TIME {
            let _time = reader.number()?;
        }
        for _ in ["database", "server's version", "program's version"] {
            let _text = reader.text()?;
        }
        Ok(reader)
    }

    fn entry(&mut self) -> Result<Entry, Failure> {
        let id = self.number()?;
        let _has_data = self.number()?;
        let (_catalogue, oid) = (self.text()?, self.text()?);
        let oid = oid.map_or(Ok(0), |oid| oid.parse()).map_err(|_| damaged())?;
        let tag = self.text()?.unwrap_or_default();
        let kind = self.text()?.unwrap_or_default();
        let _section = self.number()?;
        let definition = self.text()?.unwrap_or_default();
        let (_drop, _copy) = (self.text()?, self.text()?);
        let schema = self.text()?.unwrap_or_default();
        let _tablespace = self.text()?;
        if self.version >= (1, 14) {
            let _access_method = self.text()?;
        }
        if self.version >= (1, 16) {
            let _relation_kind = self.number()?;
        }
        let owner = self.text()?.unwrap_or_default();
        let _with_oids = self.text()?;
        let mut needs = Vec::new();
        while let Some(text) = self.text()? {
            needs.push(text.parse().map_err(|_| damaged())?);
        }
        // Where its data is: one byte about the offset, and the offset.
        self.bytes(1 + self.offset_len)?;
        Ok(Entry {
            id,
            oid,
            kind,
            schema,
            tag,
            definition,
            owner,
            needs,
        })
    }

    /// A sign, and the number's bytes from the lowest on.
    fn number(&mut self) -> Result<i64, Failure> {
        let negative = self.byte()? != 0;
        let bytes = self.bytes(self.number_len)?;
        let number = bytes
            .iter()
            .rev()
            .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        let number = i64::try_from(number).map_err(|_| damaged())?;
        Ok(if negative { -number } else { number })
    }

    /// A text, or none.
    fn text(&mut self) -> Result<Option<String>, Failure> {
        let length = self.number()?;
        if length < 0 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| damaged())?;
        let bytes = self.bytes(length)?;
        Ok(Some((self.decode)(bytes)))
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        let bytes = self.bytes(1)?;
        Ok(bytes[0])
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(bytes)
    }
}

fn damaged() -> Failure {
    Failure::new(
        FailureKind::RepositoryDamaged,
        "the schema archive has no table of contents that can be read",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: i64) -> Vec<u8> {
        let magnitude = u32::try_from(number.abs()).unwrap();
        [vec![u8::from(number < 0)], magnitude.to_le_bytes().to_vec()].concat()
    }

    fn text(text: Option<&str>) -> Vec<u8> {
        match text {
            None => number(-1),
            Some(text) => [
                number(i64::try_from(text.len()).unwrap()),
                text.as_bytes().to_vec(),
            ]
            .concat(),
        }
    }

    /// An archive of one table, as the version would write it.
    fn archive(minor: u8) -> Vec<u8> {
        let mut bytes = [b"PGDMP".as_slice(), &[1, minor, 0, 4, 8, 1]].concat();
        bytes.extend(if minor >= 15 { vec![0] } else { number(0) });
        bytes.extend((0..7).flat_map(number));
        bytes.extend(
            ["shop", "16.1", "16.1"]
                .into_iter()
                .flat_map(|each| text(Some(each))),
        );
        bytes.extend([number(1), number(7), number(0)].concat());
        bytes.extend(
            ["1259", "16385", "odd \"t", "TABLE"]
                .into_iter()
                .flat_map(|each| text(Some(each))),
        );
        bytes.extend(number(2));
        bytes.extend(
            [
                text(Some("CREATE TABLE …")),
                text(Some("DROP")),
                text(None),
                text(Some("s")),
            ]
            .concat(),
        );
        bytes.extend(text(Some("")));
        if minor >= 14 {
            bytes.extend(text(Some("heap")));
        }
        if minor >= 16 {
            bytes.extend(number(114));
        }
        bytes.extend([text(Some("me")), text(Some("false"))].concat());
        bytes.extend([text(Some("3")), text(Some("5")), text(None)].concat());
        bytes.extend([0; 9]);
        bytes
    }

    fn read_utf8(bytes: &[u8]) -> Result<Vec<Entry>, Failure> {
        read(bytes, &mut |bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    #[test]
    fn every_known_version_is_read() {
        let expected = Entry {
            id: 7,
            oid: 16_385,
            kind: "TABLE".into(),
            schema: "s".into(),
            tag: "odd \"t".into(),
            definition: "CREATE TABLE …".into(),
            owner: "me".into(),
            needs: vec![3, 5],
        };
        for minor in 12..=16 {
            assert_eq!(
                read_utf8(&archive(minor)),
                Ok(vec![expected.clone()]),
                "1.{minor}"
            );
        }
        let failure = read_utf8(&archive(17)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ChoiceUnfit);
    }

    proptest! {
        #[test]
        fn a_bent_archive_is_read_or_refused(at in 0_usize..300, bits in 1_u8.., cut in 0_usize..300) {
            let mut bytes = archive(16);
            let length = bytes.len();
            bytes[at % length] ^= bits;
            let _either = read_utf8(&bytes);
            prop_assert!(read_utf8(&archive(16)[..cut % length]).is_err());
        }
    }
}
