//! What a database is beyond its contents: what `CREATE DATABASE` and `ALTER DATABASE` need to make it again, and what a
//! server must have before its contents can be restored there.

use dataguardian_core::database::{DatabaseDescription, DatabaseNeeds, DatabaseSetting, LeftOut, Locale};
use dataguardian_core::failure::Failure;
use sqlx::PgConnection;

use super::failure;

type DatabaseRow = (
    String,
    String,
    String,
    String,
    i32,
    Option<Vec<String>>,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    bool,
);

/// Describes the database that the session is connected to, as its snapshot sees it.
pub(super) async fn describe(
    session: &mut PgConnection,
    database: &str,
    version_num: u32,
) -> Result<DatabaseDescription, Failure> {
    let row: DatabaseRow = sqlx::query_as(sqlx::AssertSqlSafe(database_sql(version_num)))
        .fetch_one(&mut *session)
        .await
        .map_err(failure::at("describing the database"))?;
    let (
        owner,
        encoding,
        collate,
        ctype,
        limit,
        acl,
        comment,
        provider,
        locale,
        icu_rules,
        tablespace,
        is_template,
    ) = row;
    let provider = match provider.as_str() {
        "i" => "icu",
        "b" => "builtin",
        _ => "libc",
    };
    Ok(DatabaseDescription {
        name: database.to_owned(),
        owner: Some(owner),
        encoding: Some(encoding),
        locale: Some(Locale {
            provider: provider.to_owned(),
            collate,
            ctype,
            locale,
            icu_rules,
        }),
        comment,
        connection_limit: (limit >= 0).then_some(limit),
        tablespace,
        is_template,
        acl,
        settings: settings(session).await?,
        security_labels: security_labels(session).await?,
        longest_statement: None,
        needs: needs(session).await?,
        left_out: LeftOut::default(),
    })
}

/// The columns for locale providers came one by one (PostgreSQL 15, 16) and were renamed (17).
fn database_sql(version_num: u32) -> String {
    let (provider, locale, rules) = match version_num / 10_000 {
        ..15 => ("'c'", "NULL", "NULL"),
        15 => ("datlocprovider", "daticulocale", "NULL"),
        16 => ("datlocprovider", "daticulocale", "daticurules"),
        17.. => ("datlocprovider", "datlocale", "daticurules"),
    };
    format!(
        "SELECT pg_catalog.pg_get_userbyid(datdba)::text, pg_catalog.pg_encoding_to_char(encoding)::text,
            datcollate::text, datctype::text, datconnlimit, datacl::text[],
            pg_catalog.shobj_description(oid, 'pg_database'), {provider}::text, {locale}::text, {rules}::text,
            (SELECT spcname::text FROM pg_catalog.pg_tablespace WHERE oid = dattablespace AND spcname <> 'pg_default'),
            datistemplate
        FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
    )
}

async fn settings(session: &mut PgConnection) -> Result<Vec<DatabaseSetting>, Failure> {
    const SQL: &str = "
        SELECT r.rolname::text, pg_catalog.unnest(s.setconfig)
        FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
        WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        ORDER BY 1 NULLS FIRST";
    let rows: Vec<(Option<String>, String)> = sqlx::query_as(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("reading the database's settings"))?;
    let setting = |(role, text): (Option<String>, String)| {
        let (name, value) = text.split_once('=')?;
        Some(DatabaseSetting {
            role,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    };
    Ok(rows.into_iter().filter_map(setting).collect())
}

async fn security_labels(session: &mut PgConnection) -> Result<Vec<(String, String)>, Failure> {
    const SQL: &str = "
        SELECT provider, label FROM pg_catalog.pg_shseclabel
        WHERE classoid = 'pg_catalog.pg_database'::regclass
            AND objoid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        ORDER BY provider";
    sqlx::query_as(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("reading the database's security labels"))
}

/// Roles come from the shared dependencies, which leave out the one that `initdb` made: it is looked for among the owners.
async fn needs(session: &mut PgConnection) -> Result<DatabaseNeeds, Failure> {
    const ROLES: &str = "
        WITH here AS (SELECT oid, datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        SELECT r.rolname::text, pg_catalog.bool_or(used.indispensable) FROM (
            SELECT d.refobjid AS role, d.deptype = 'r' OR d.classid = 'pg_catalog.pg_user_mapping'::regclass AS indispensable
            FROM pg_catalog.pg_shdepend d, here
            WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND (d.dbid = here.oid
                OR (d.classid = 'pg_catalog.pg_database'::regclass AND d.objid = here.oid))
            UNION ALL SELECT datdba, false FROM here
            UNION ALL SELECT relowner, false FROM pg_catalog.pg_class WHERE oid >= 16384 AND relowner = 10
            UNION ALL SELECT proowner, false FROM pg_catalog.pg_proc WHERE oid >= 16384 AND proowner = 10
            UNION ALL SELECT typowner, false FROM pg_catalog.pg_type WHERE oid >= 16384 AND typowner = 10
            UNION ALL SELECT nspowner, false FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND nspowner = 10
            UNION ALL SELECT setrole, false FROM pg_catalog.pg_db_role_setting, here WHERE setdatabase = here.oid
        ) used JOIN pg_catalog.pg_roles r ON r.oid = used.role
        WHERE r.rolname !~ '^pg_'
        GROUP BY 1 ORDER BY 1";
    const EXTENSIONS: &str =
        "SELECT extname::text FROM pg_catalog.pg_extension WHERE oid >= 16384 ORDER BY 1";
    const TABLESPACES: &str = "
        SELECT DISTINCT t.spcname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
        WHERE c.oid >= 16384 AND t.spcname !~ '^pg_' ORDER BY 1";
    let at = failure::at("reading what the database needs");
    let roles: Vec<(String, bool)> = sqlx::query_as(ROLES)
        .fetch_all(&mut *session)
        .await
        .map_err(&at)?;
    let extensions = sqlx::query_scalar(EXTENSIONS)
        .fetch_all(&mut *session)
        .await
        .map_err(&at)?;
    let tablespaces = sqlx::query_scalar(TABLESPACES)
        .fetch_all(session)
        .await
        .map_err(&at)?;
    let indispensable_roles = roles
        .iter()
        .filter(|(_, indispensable)| *indispensable)
        .map(|(name, _)| name.clone())
        .collect();
    Ok(DatabaseNeeds {
        roles: roles.into_iter().map(|(name, _)| name).collect(),
        indispensable_roles,
        extensions,
        tablespaces,
    })
}
