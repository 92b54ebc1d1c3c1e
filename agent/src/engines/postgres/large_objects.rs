//! Large objects: contents, owners, grants, comments, security labels, as statements.
//!
//! Read in pieces by `lo_get`, which goes by the transaction's snapshot, so memory is bounded whatever their number and
//! length. Each page of objects is one transaction of the script: one for each would flush the log for each, one for all
//! would need a lock for each.

use std::fmt::Write as _;

use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::PgConnection;

use super::encoding::Encoding;
use super::{acl, failure, quote};
use crate::engines::{StreamSink, StreamWriter};

/// How many objects are read at once, each with its first piece.
const PAGE: i64 = 64;
/// How long a piece is, in bytes.
const PIECE: i32 = 64 << 10;

/// What begins a statement that gives an object to somebody; whoever restores without owners leaves these out.
pub(super) const OWNERSHIP: [&str; 5] = [
    "ALTER LARGE OBJECT ",
    "REVOKE ",
    "GRANT ",
    "SET SESSION AUTHORIZATION ",
    "RESET SESSION AUTHORIZATION",
];

type ObjectRow = (
    i64,
    String,
    Option<Vec<String>>,
    Option<String>,
    Vec<String>,
    Vec<String>,
    Vec<u8>,
);

/// Writes all large objects as a stream, if there are any. Gives their number.
pub(super) async fn send(
    session: &mut PgConnection,
    database: &str,
    sink: &dyn StreamSink,
) -> Result<u64, Failure> {
    let mut page = page_after(session, 0).await?;
    if page.is_empty() {
        return Ok(0);
    }
    let encoding = Encoding::of(session).await?;
    let mut writer = sink.open(header(database)).await?;
    let mut count = 0;
    while let Some(last) = page.last().map(|(oid, ..)| *oid) {
        writer.write("BEGIN;\n".into()).await?;
        for row in page {
            send_one(session, &encoding, row, &mut *writer).await?;
            count += 1;
        }
        writer.write("COMMIT;\n".into()).await?;
        page = page_after(session, last).await?;
    }
    writer.finish(StreamEnd { rows: Some(count) }).await?;
    Ok(count)
}

async fn page_after(session: &mut PgConnection, oid: i64) -> Result<Vec<ObjectRow>, Failure> {
    const SQL: &str = "
        SELECT m.oid::int8, pg_catalog.pg_get_userbyid(m.lomowner)::text, m.lomacl::text[],
            pg_catalog.obj_description(m.oid, 'pg_largeobject'),
            ARRAY(SELECT l.provider FROM pg_catalog.pg_seclabel l WHERE l.objoid = m.oid
                AND l.classoid = 'pg_catalog.pg_largeobject'::regclass ORDER BY l.provider),
            ARRAY(SELECT l.label FROM pg_catalog.pg_seclabel l WHERE l.objoid = m.oid
                AND l.classoid = 'pg_catalog.pg_largeobject'::regclass ORDER BY l.provider),
            pg_catalog.lo_get(m.oid, 0, $3)
        FROM (SELECT oid, lomowner, lomacl FROM pg_catalog.pg_largeobject_metadata
            WHERE oid > $1::int8::oid ORDER BY oid LIMIT $2) m";
    sqlx::query_as(SQL)
        .bind(oid)
        .bind(PAGE)
        .bind(PIECE)
        .fetch_all(session)
        .await
        .map_err(failure::at("reading large objects"))
}

async fn send_one(
    session: &mut PgConnection,
    encoding: &Encoding,
    row: ObjectRow,
    writer: &mut dyn StreamWriter,
) -> Result<(), Failure> {
    let (oid, owner, privileges, comment, providers, labels, mut piece) = row;
    let mut statements = format!(
        "SELECT pg_catalog.lo_from_bytea({oid}, pg_catalog.decode('{}', 'hex'));\n",
        hex::encode(&piece)
    );
    let mut offset = 0;
    while piece.len() == PIECE as usize {
        writer.write(statements.into()).await?;
        offset += i64::from(PIECE);
        piece = piece_at(session, oid, offset).await?;
        statements = match piece.len() {
            0 => String::new(),
            _ => format!(
                "SELECT pg_catalog.lo_put({oid}, {offset}, pg_catalog.decode('{}', 'hex'));\n",
                hex::encode(&piece)
            ),
        };
    }
    let what = format!("LARGE OBJECT {oid}");
    // Writing to a String can't fail.
    let mut add =
        |statement: std::fmt::Arguments<'_>| writeln!(statements, "{statement};").unwrap_or_default();
    add(format_args!("ALTER {what} OWNER TO {}", quote::name(&owner)));
    if let Some(comment) = comment {
        add(format_args!("COMMENT ON {what} IS {}", quote::text(&comment)));
    }
    for (provider, label) in providers.iter().zip(&labels) {
        let (provider, label) = (quote::name(provider), quote::text(label));
        add(format_args!("SECURITY LABEL FOR {provider} ON {what} IS {label}"));
    }
    if let Some(privileges) = privileges {
        let items: Vec<acl::Item> = privileges.iter().filter_map(|item| acl::parse(item)).collect();
        let object = acl::Object {
            what: &what,
            owner: &owner,
            known: acl::LARGE_OBJECT,
        };
        for statement in acl::statements(object, &items) {
            add(format_args!("{statement}"));
        }
    }
    writer.write(encoding.encode(session, statements).await?).await
}

async fn piece_at(session: &mut PgConnection, oid: i64, offset: i64) -> Result<Vec<u8>, Failure> {
    sqlx::query_scalar("SELECT pg_catalog.lo_get($1::int8::oid, $2, $3)")
        .bind(oid)
        .bind(offset)
        .bind(PIECE)
        .fetch_one(session)
        .await
        .map_err(failure::at("reading a large object"))
}

fn header(database: &str) -> StreamHeader {
    StreamHeader {
        role: StreamRole::LargeObjects,
        database: Some(database.to_owned()),
        object: None,
    }
}
