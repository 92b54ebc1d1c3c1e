//! The dump of one database.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning, listed};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::size::ByteSize;
use dataguardian_core::stream::{ObjectName, StreamRole};
use tokio::time::Instant;

use super::left_out;
use crate::engines::StreamSink;
use crate::engines::clients::Client;
use crate::engines::dump::{DumpOptions, SnapshotPosition};
use crate::engines::postgres::catalogue::{self, Relation};
use crate::engines::postgres::exclusions::{Exclusions, Settled};
use crate::engines::postgres::run::Run;
use crate::engines::postgres::schema::{self, Archived, Section};
use crate::engines::postgres::server::Server;
use crate::engines::postgres::snapshot::{self, Snapshot};
use crate::engines::postgres::{connect, copying, describe, large_objects, sequences};
use crate::engines::progress::Stage;
use crate::engines::spool::Spool;

/// What holds for every database of a dump.
pub(super) struct Plan {
    pub(super) options: DumpOptions,
    pub(super) exclusions: Exclusions,
}

/// A database under its snapshot, its schema in hand, before the first stream is open.
pub(super) struct Begun {
    snapshot: Snapshot,
    archive: Spool,
    /// The only entries of the archive that go into the sections; all if none.
    entries: Option<Vec<i64>>,
    server_major: u32,
    dumped: Dumped,
}

/// What came out.
pub(super) struct Dumped {
    pub(super) position: SnapshotPosition,
    pub(super) description: DatabaseDescription,
    pub(super) tools: Vec<ToolUse>,
    pub(super) warnings: Vec<Warning>,
    /// Patterns for what is left out that nothing matches.
    pub(super) unmatched: Vec<String>,
    pub(super) largest_row: ByteSize,
}

/// Takes the snapshot and the schema. Whatever fails here has left no trace in the backup.
pub(super) async fn begin(
    run: &Run,
    plan: &Plan,
    client: &Client,
    server: &Server,
    database: &str,
) -> Result<Begun, Failure> {
    let deadline = Instant::now() + plan.options.lock_timeout;
    loop {
        run.stage(Stage::Locking {
            database: database.to_owned(),
        });
        let session = run.connect(database).await?;
        let patience = deadline.saturating_duration_since(Instant::now());
        let mut snapshot = snapshot::take(session, &plan.exclusions, patience).await?;
        run.stage(Stage::Schema {
            database: database.to_owned(),
        });
        let archived = schema::archive(run, client, database, &mut snapshot).await?;
        let Archived::Done { archive, tool, said } = archived else {
            // Whoever waits for us goes first.
            connect::close(snapshot.session).await;
            run.clear().await;
            if Instant::now() >= deadline {
                return Err(stuck(database));
            }
            run.log("another session wants a table for itself: it goes first, and the dump begins again");
            continue;
        };
        let description = describe::describe(&mut snapshot.session, database, server.version_num).await?;
        let mut dumped = Dumped {
            position: SnapshotPosition {
                database: database.to_owned(),
                lsn: snapshot.lsn.clone(),
                taken_at: snapshot.taken_at,
            },
            description,
            tools: vec![tool],
            warnings: Vec::new(),
            unmatched: Vec::new(),
            largest_row: ByteSize::default(),
        };
        dumped.hear(database, &said);
        let settled = &snapshot.contents.left_out;
        dumped.leave_out(database, settled);
        let mut archive = archive;
        let mut entries = None;
        if !settled.references.is_empty() {
            let parted = left_out::part(&mut archive, &settled.references)?;
            dumped.description.left_out.archive_entries = parted.left_out;
            entries = Some(parted.kept);
        }
        return Ok(Begun {
            snapshot,
            archive,
            entries,
            server_major: server.major(),
            dumped,
        });
    }
}

fn stuck(database: &str) -> Failure {
    Failure::new(
        FailureKind::DatabaseLockTimeout,
        format!(
            "other sessions kept asking for tables of {database} for themselves while its schema was read"
        ),
    )
}

impl Begun {
    /// Hands all streams on, in the order in which a restore needs them.
    pub(super) async fn send(
        mut self,
        run: &Run,
        plan: &Plan,
        client: &Client,
        sink: &Arc<dyn StreamSink>,
    ) -> Result<Dumped, Failure> {
        let database = self.dumped.position.database.clone();
        schema::send_archive(&**sink, &database, &mut self.archive).await?;
        self.send_section(run, plan, client, sink, StreamRole::SchemaBeforeData)
            .await?;
        self.send_rows(run, plan, sink).await?;
        let session = &mut self.snapshot.session;
        let sequences = catalogue::sequences(session, &self.snapshot.contents).await?;
        let warnings =
            sequences::send(session, &database, &sequences, self.snapshot.in_recovery, &**sink).await?;
        self.dumped.warnings.extend(warnings);
        run.stage(Stage::LargeObjects {
            database: database.clone(),
        });
        large_objects::send(session, &database, &**sink).await?;
        run.stage(Stage::Finishing { database });
        self.send_section(run, plan, client, sink, StreamRole::SchemaAfterData)
            .await?;
        connect::close(self.snapshot.session).await;
        Ok(self.dumped)
    }

    async fn send_section(
        &mut self,
        run: &Run,
        plan: &Plan,
        client: &Client,
        sink: &Arc<dyn StreamSink>,
        role: StreamRole,
    ) -> Result<(), Failure> {
        let section = Section {
            role,
            database: &self.dumped.position.database,
            server_major: self.server_major,
            restrict_key: &plan.options.restrict_key,
            entries: self.entries.as_deref(),
        };
        let tool = section.send(run, client, &**sink, &mut self.archive).await?;
        self.dumped.tools.push(tool);
        Ok(())
    }

    async fn send_rows(&mut self, run: &Run, plan: &Plan, sink: &Arc<dyn StreamSink>) -> Result<(), Failure> {
        let database = self.dumped.position.database.clone();
        let (relations, unreadable): (Vec<Relation>, Vec<Relation>) = self
            .snapshot
            .contents
            .with_rows()
            .cloned()
            .partition(|relation| !(self.snapshot.in_recovery && relation.unlogged));
        self.dumped.warn_of_unlogged(&database, &relations, &unreadable);
        run.stage(Stage::Rows {
            database: database.clone(),
            tables: relations.len(),
            bytes: relations.iter().map(|relation| relation.size).sum(),
        });
        let connections = plan.options.connections;
        let tally =
            copying::copy_all(run, &database, &mut self.snapshot, relations, connections, sink).await?;
        run.log(&format!("{} rows of {database} were copied", tally.rows));
        self.dumped.largest_row = ByteSize::bytes(tally.largest_row);
        self.dumped.warnings.extend(tally.warnings);
        Ok(())
    }
}

impl Dumped {
    /// What a program that ended well had to say all the same.
    fn hear(&mut self, database: &str, said: &[String]) {
        let text = said.join(" ");
        if !text.is_empty() {
            self.warnings.push(Warning {
                database: Some(database.to_owned()),
                message: text,
            });
        }
    }

    /// Notes what the job leaves out, and tells of it.
    fn leave_out(&mut self, database: &str, settled: &Settled) {
        let names = |names: &BTreeSet<ObjectName>| names.iter().map(ToString::to_string).collect();
        self.unmatched.clone_from(&settled.unmatched);
        self.description.left_out.tables = names(&settled.tables);
        self.description.left_out.rows = names(&settled.rows);
        let kept = settled.kept.iter().map(|kept| {
            let without = if kept.is_table {
                ", though without rows"
            } else {
                ""
            };
            format!(
                "{} is not left out{without}, since {} needs it",
                kept.name, kept.because
            )
        });
        let references: Vec<&str> = settled
            .references
            .iter()
            .map(|reference| reference.shown.as_str())
            .collect();
        let references = listed(&references)
            .map(|references| format!("what refers to what is left out is left out too: {references}"));
        let told = self.description.left_out.told();
        let messages = told.into_iter().chain(kept).chain(references);
        self.warnings.extend(messages.map(|message| Warning {
            database: Some(database.to_owned()),
            message,
        }));
    }

    fn warn_of_unlogged(&mut self, database: &str, dumped: &[Relation], left_out: &[Relation]) {
        let names = |relations: &mut dyn Iterator<Item = &Relation>| {
            let names: Vec<&ObjectName> = relations.map(|relation| &relation.name).collect();
            listed(&names)
        };
        let warnings = [
            (
                names(&mut dumped.iter().filter(|relation| relation.unlogged)),
                "unlogged tables lose their rows when the server crashes, and are empty on standbys",
            ),
            (
                names(&mut left_out.iter()),
                "the rows of unlogged tables are left out: a standby does not have them",
            ),
        ];
        for (names, what) in warnings {
            if let Some(names) = names {
                self.warnings.push(Warning {
                    database: Some(database.to_owned()),
                    message: format!("{what}: {names}"),
                });
            }
        }
    }
}
