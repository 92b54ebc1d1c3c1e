//! Backups and what is in them, as people read them.

use dataguardian_core::object_choice::ObjectPath;
use dataguardian_proto::v1;

use crate::commands::verify;
use crate::output::findings;
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text::{self, bytes, count};
use crate::values::{checked_by_word, chunking_word, engine_word};

const BACKUPS: List<8> = List {
    titles: [
        "id",
        "datasource",
        "completed",
        "raw",
        "stored",
        "reused",
        "rows",
        "copies",
    ],
    spare: &["rows", "raw", "reused"],
    none: "No backups.",
};

const STREAMS: List<5> = List {
    titles: ["role", "database", "name", "bytes", "rows"],
    spare: &["database"],
    none: "Nothing is in it.",
};

/// One line per backup.
pub(super) fn table(backups: &[v1::Backup], look: Look) -> String {
    let row = |backup: &v1::Backup| {
        [
            Field::id(&backup.id),
            datasource(backup),
            Field::text(&text::short_time(backup.completed_at.as_ref(), look.width)),
            Field::number(bytes(backup.raw_bytes)),
            Field::number(bytes(backup.stored_bytes)),
            Field::number(bytes(backup.reused_bytes)),
            Field::number(count(backup.rows)),
            copies(backup),
        ]
    };
    BACKUPS.show(look, &backups.iter().map(row).collect::<Vec<_>>())
}

/// `main`, or `main (partial)` where databases are missing.
fn datasource(backup: &v1::Backup) -> Field {
    match backup.partial {
        true => Field::text(&format!("{} (partial)", backup.datasource)).toned(Tone::Bad),
        false => Field::text(&backup.datasource),
    }
}

/// `1/2`: how many of its copies are complete; with what a glance must not miss: `2/2, 1 damaged`.
fn copies(backup: &v1::Backup) -> Field {
    if backup.state() == v1::BackupState::Deleting {
        return Field::text("being deleted").toned(Tone::Bad);
    }
    let whole = backup.copies.iter().filter(|copy| copy.complete).count();
    let damaged = backup.copies.iter().filter(|copy| copy.damaged).count();
    if damaged > 0 {
        let text = format!("{whole}/{}, {damaged} damaged", backup.copies.len());
        return Field::text(&text).toned(Tone::Bad);
    }
    let tone = if whole == backup.copies.len() {
        Tone::Good
    } else {
        Tone::Bad
    };
    Field::text(&format!("{whole}/{}", backup.copies.len())).toned(tone)
}

/// All of a backup.
pub(super) fn describe(backup: &v1::Backup, look: Look) -> String {
    let took = text::between(backup.started_at.as_ref(), backup.completed_at.as_ref());
    let copies: Vec<String> = backup.copies.iter().map(copy).collect();
    let whole = backup.copies.iter().all(|copy| !copy.damaged);
    let summary = details(
        look,
        vec![
            ("Backup", Field::text(&backup.id)),
            ("Job", Field::text(&backup.job)),
            ("Datasource", Field::text(&backup.datasource)),
            ("Execution", Field::text(&backup.execution_id)),
            (
                "Server",
                Field::text(&format!(
                    "{} {}",
                    engine_word(backup.engine()),
                    backup.server_version
                )),
            ),
            ("Databases", Field::text(&backup.databases.join(", "))),
            (
                "Partial",
                Field::text(if backup.partial {
                    "yes, databases are missing"
                } else {
                    ""
                })
                .toned(Tone::Bad),
            ),
            (
                "Completed",
                Field::text(&text::time_and_distance(backup.completed_at.as_ref())),
            ),
            ("Took", Field::text(&took.map(text::length).unwrap_or_default())),
            ("Raw", Field::text(&bytes(backup.raw_bytes))),
            (
                "Stored",
                Field::text(&text::share(backup.stored_bytes, backup.raw_bytes)),
            ),
            (
                "Reused",
                Field::text(&text::share(backup.reused_bytes, backup.raw_bytes)),
            ),
            ("Reused from", Field::text(&backup.base_backup_id)),
            ("Chunking", Field::text(&chunking_word(backup.chunking()))),
            ("Tables", Field::text(&count(backup.tables.into()))),
            ("Rows", Field::text(&count(backup.rows))),
            ("Packs", Field::text(&count(backup.packs.into()))),
            ("Encrypted", Field::yes_or_no(backup.encrypted)),
            (
                "Copies",
                Field::text(&copies.join(", ")).toned(if whole { Tone::Plain } else { Tone::Bad }),
            ),
            (
                "Verified",
                Field::text(&text::time_and_distance(backup.verified_at.as_ref())),
            ),
            ("State", Field::text(state(backup)).toned(Tone::Bad)),
            ("Pinned", Field::text(&pinned(backup))),
        ],
    );
    summary
        + &verify::checks(&backup.copies)
        + &findings::missing(&backup.missing_databases)
        + &findings::warnings(&backup.warnings)
}

/// Where a copy is, and how it is there.
fn copy(copy: &v1::BackupCopy) -> String {
    let failure = copy.failure.as_ref().map(|failure| failure.message.as_str());
    let how = match copy.state() {
        v1::CopyState::Deleting => {
            format!("being deleted: {}", failure.unwrap_or("waits for its turn"))
        }
        v1::CopyState::Deleted => "deleted".to_owned(),
        _ if copy.complete && copy.damaged => "damaged".to_owned(),
        _ if copy.complete => format!("checked by the {}", checked_by_word(copy.checked_by())),
        _ => failure.map_or_else(
            || "not complete".to_owned(),
            |failure| format!("not complete: {failure}"),
        ),
    };
    format!("{} ({how})", copy.storage)
}

/// Nothing for a backup that is kept.
fn state(backup: &v1::Backup) -> &'static str {
    match backup.state() {
        v1::BackupState::Deleting => "being deleted: it can't be restored any more",
        v1::BackupState::Deleted => "deleted",
        v1::BackupState::Complete | v1::BackupState::Unspecified => "",
    }
}

/// `by ada, 2026-11-24 …: kept for the audit`; empty if it is not pinned.
fn pinned(backup: &v1::Backup) -> String {
    let pin = backup.pin.as_ref().map(|pin| {
        let at = text::time_and_distance(pin.pinned_at.as_ref());
        format!("by {}, {at}: {}", pin.pinned_by, pin.reason)
    });
    pin.unwrap_or_default()
}

/// One line per stream.
pub(super) fn contents(streams: &[v1::BackupStream], look: Look) -> String {
    let row = |stream: &v1::BackupStream| {
        // As `restore --table` takes it.
        let name = ObjectPath::of(&[&stream.schema, &stream.name]).to_string();
        [
            Field::text(&stream.role),
            Field::text(&stream.database),
            Field::text(&name),
            Field::number(bytes(stream.bytes)),
            Field::number(stream.rows.map_or_else(|| text::NONE.to_owned(), count)),
        ]
    };
    STREAMS.show(look, &streams.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> v1::Backup {
        let copy = |storage: &str, complete| v1::BackupCopy {
            storage: storage.into(),
            complete,
            checked_by: v1::CheckedBy::Agent.into(),
            ..Default::default()
        };
        v1::Backup {
            id: "0192f3a4".into(),
            datasource: "main".into(),
            engine: v1::Engine::Postgres.into(),
            server_version: "15.8".into(),
            databases: vec!["shop".into()],
            raw_bytes: 12 << 20,
            stored_bytes: 3 << 20,
            reused_bytes: 9 << 20,
            chunking: v1::Chunking::ContentDefined.into(),
            base_backup_id: "0192f3a3".into(),
            rows: 1_234_567,
            tables: 42,
            encrypted: true,
            copies: vec![copy("vault", true), copy("spare", false)],
            packs: 1,
            ..Default::default()
        }
    }

    #[test]
    fn a_backup_is_shown_with_its_copies() {
        insta::assert_snapshot!(table(&[backup()], Look::PLAIN) + "\n" + &describe(&backup(), Look::PLAIN));
    }

    #[test]
    fn a_partial_backup_names_what_it_lacks() {
        let partial = v1::Backup {
            partial: true,
            missing_databases: vec![v1::MissingDatabase {
                name: "crm".into(),
                failure: Some(v1::Failure {
                    reason: "DATABASE_PRIVILEGE".into(),
                    message: "backup may not connect to crm".into(),
                    advice: "grant the missing privilege".into(),
                }),
            }],
            ..backup()
        };
        let shown = table(std::slice::from_ref(&partial), Look::PLAIN) + &describe(&partial, Look::PLAIN);
        assert!(shown.contains("main (partial)"), "{shown}");
        assert!(
            shown.contains(
                "missing: crm: backup may not connect to crm [DATABASE_PRIVILEGE]\n  advice: grant the missing privilege\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn contents_are_listed_in_their_order() {
        let stream = |role: &str, database: &str, schema: &str, name: &str, rows| v1::BackupStream {
            role: role.into(),
            database: database.into(),
            schema: schema.into(),
            name: name.into(),
            bytes: 2048,
            rows,
        };
        let streams = [
            stream("globals", "", "", "", None),
            stream("table-data", "shop", "public", "orders", Some(1000)),
            stream("table-data", "shop", "odd schema", "odd\u{1b}name", Some(0)),
        ];
        insta::assert_snapshot!(contents(&streams, Look::PLAIN));
    }
}
