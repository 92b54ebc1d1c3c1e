//! The arguments that say how a job's backups are made.

use std::time::Duration;

use clap::Args;
use dataguardian_proto::{convert, v1};

use crate::values::{ChunkingWord, length};

/// How backups are made. What is not given stays as it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Seal backups with AES-256-GCM before they leave the agent; so it is unless switched off
    #[arg(long, conflicts_with = "no_encrypt")]
    encrypt: bool,
    /// Do not seal backups
    #[arg(long)]
    no_encrypt: bool,
    /// zstd's level, 1 to 19 [else: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=19))]
    compression_level: Option<u32>,
    /// How many connections copy tables at the same time, 1 to 16 [else: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    table_connections: Option<u32>,
    /// How long a table's lock may be waited for, as in 60s [else: 60s]
    #[arg(long, value_name = "TIME", value_parser = length)]
    lock_timeout: Option<Duration>,
    /// The longest that one attempt may take, as in 6h [else: 24h]
    #[arg(long, value_name = "TIME", value_parser = length)]
    max_duration: Option<Duration>,
    /// An attempt ends when nothing moves for this long, as in 45m [else: 30m]
    #[arg(long, value_name = "TIME", value_parser = length)]
    no_progress_timeout: Option<Duration>,
    /// Attempts in all, 1 to 10; each goes on where the last one ended [else: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    max_attempts: Option<u32>,
    /// How streams are cut: `auto` goes by the last backups, `content-defined` always looks for what is stored already,
    /// `stream` never does [else: auto]
    #[arg(long, value_enum, value_name = "CHUNKING")]
    chunking: Option<ChunkingWord>,
    /// A table that is left out: SCHEMA.TABLE, or TABLE in any schema (MySQL, MariaDB: DATABASE.TABLE), with * and ? as in file
    /// names; may be given several times
    #[arg(long = "exclude-table", value_name = "PATTERN")]
    exclude_tables: Vec<String>,
    /// A table whose rows are left out, written likewise; may be given several times
    #[arg(long = "exclude-table-data", value_name = "PATTERN")]
    exclude_table_data: Vec<String>,
    /// Leave nothing out any more
    #[arg(long, conflicts_with_all = ["exclude_tables", "exclude_table_data"])]
    exclude_nothing: bool,
}

impl Options {
    /// Whether any was given.
    pub(super) fn is_given(&self) -> bool {
        let nothing = v1::BackupOptions::default();
        self.encrypt || self.exclude_nothing || self.change(nothing.clone()) != nothing
    }

    /// These options where they were given, `before` where not.
    pub(super) fn change(&self, before: v1::BackupOptions) -> v1::BackupOptions {
        let patterns = |given: &[String], before: Vec<String>| match given {
            _ if self.exclude_nothing => Vec::new(),
            [] => before,
            given => given.to_vec(),
        };
        v1::BackupOptions {
            unencrypted: (before.unencrypted || self.no_encrypt) && !self.encrypt,
            compression_level: self.compression_level.unwrap_or(before.compression_level),
            table_connections: self.table_connections.unwrap_or(before.table_connections),
            lock_timeout: self.lock_timeout.map(convert::duration).or(before.lock_timeout),
            max_duration: self.max_duration.map(convert::duration).or(before.max_duration),
            no_progress_timeout: self
                .no_progress_timeout
                .map(convert::duration)
                .or(before.no_progress_timeout),
            max_attempts: self.max_attempts.unwrap_or(before.max_attempts),
            chunking: self
                .chunking
                .map_or(before.chunking, |chunking| v1::Chunking::from(chunking).into()),
            exclude_tables: patterns(&self.exclude_tables, before.exclude_tables),
            exclude_table_data: patterns(&self.exclude_table_data, before.exclude_table_data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn given(line: &str) -> Options {
        Line::try_parse_from(std::iter::once("job").chain(line.split_whitespace()))
            .unwrap()
            .options
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = v1::BackupOptions {
            unencrypted: true,
            compression_level: 9,
            max_attempts: 3,
            exclude_tables: vec!["audit.*".into()],
            ..Default::default()
        };
        let after = given("--max-attempts 5 --lock-timeout 30s").change(before.clone());
        assert_eq!(after.max_attempts, 5);
        assert_eq!(after.lock_timeout.unwrap().seconds, 30);
        assert_eq!((after.unencrypted, after.compression_level), (true, 9));
        assert_eq!(after.exclude_tables, ["audit.*"]);
        assert!(!given("--encrypt").change(before.clone()).unencrypted);
        let others = given("--exclude-table a --exclude-table b.* --exclude-table-data c");
        let after = others.change(before.clone());
        assert_eq!(after.exclude_tables, ["a", "b.*"]);
        assert_eq!(after.exclude_table_data, ["c"]);
        let nothing = given("--exclude-nothing").change(before);
        assert!(nothing.exclude_tables.is_empty());
    }

    #[test]
    fn nothing_given_is_seen_as_such() {
        assert!(!given("").is_given());
        for line in [
            "--encrypt",
            "--no-encrypt",
            "--compression-level 3",
            "--max-duration 1h",
            "--no-progress-timeout 5m",
            "--chunking stream",
            "--exclude-table t",
            "--exclude-nothing",
        ] {
            assert!(given(line).is_given(), "{line}");
        }
    }
}
