//! Makes the empty database as recorded, and gives it its last properties when it is filled.

use dataguardian_core::database::{DatabaseDescription, DatabaseSetting, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::PgConnection;

use super::RestoreRequest;
use super::halfway::{Halfway, Made, UNFINISHED};
use super::plan::Plan;
use crate::engines::marker::SessionMarker;
use crate::engines::postgres::server::Server;
use crate::engines::postgres::{acl, failure, quote};

/// Settings whose values are lists, each element quoted by itself (`GUC_LIST_QUOTE` in the server's source).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Creates the database beside, in its tablespace if `tablespaces`, marked as ours and unfinished. A server that can't is unfit, and nothing was changed.
pub(super) async fn create(
    session: &mut PgConnection,
    request: &RestoreRequest,
    server: &Server,
    plan: &Plan,
    tablespaces: bool,
    halfway: &Halfway,
) -> Result<Made, Failure> {
    let Plan {
        description, beside, ..
    } = plan;
    halfway.begins(beside);
    let mut sql = create_statement(description, beside, server.major());
    if let Some(tablespace) = description.tablespace.as_ref().filter(|_| tablespaces) {
        sql.push_str(&format!(" TABLESPACE {}", quote::name(tablespace)));
    }
    let what = format!("creating a database like {}", description.name);
    if let Err(error) = execute(session, sql).await {
        let failure = failure::working(&what, &error);
        return Err(match failure.kind {
            FailureKind::DatabaseError => Failure::new(FailureKind::TargetUnfit, failure.message),
            _ => failure,
        });
    }
    let database = format!("DATABASE {}", quote::name(beside));
    let mark = format!("COMMENT ON {database} IS {}", quote::text(&mark(&request.marker)));
    execute(session, mark).await.map_err(failure::at(&what))?;
    let oid: i64 = sqlx::query_scalar("SELECT oid::int8 FROM pg_catalog.pg_database WHERE datname = $1")
        .bind(beside)
        .fetch_one(&mut *session)
        .await
        .map_err(failure::at(&what))?;
    let made = halfway.made(beside, oid);
    if let (Some(owner), false) = (&description.owner, request.no_owner) {
        let sql = format!("ALTER {database} OWNER TO {}", quote::name(owner));
        execute(session, sql).await.map_err(failure::at(&what))?;
    }
    Ok(made)
}

/// What the comment of an unfinished database says. The comment is put right in the moment that the database is put in place.
pub(super) fn mark(marker: &SessionMarker) -> String {
    format!("{marker}{UNFINISHED}")
}

fn create_statement(description: &DatabaseDescription, name: &str, server_major: u32) -> String {
    let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", quote::name(name));
    let mut add = |what: &str, value: &Option<String>| {
        if let Some(value) = value {
            sql.push_str(&format!(" {what} {}", quote::text(value)));
        }
    };
    add("ENCODING", &description.encoding);
    if let Some(locale) = &description.locale {
        if server_major >= 15 {
            add("LOCALE_PROVIDER", &Some(locale.provider.clone()));
        }
        add("LC_COLLATE", &Some(locale.collate.clone()));
        add("LC_CTYPE", &Some(locale.ctype.clone()));
        match locale.provider.as_str() {
            "icu" => {
                add("ICU_LOCALE", &locale.locale);
                add("ICU_RULES", &locale.icu_rules);
            }
            "builtin" => add("BUILTIN_LOCALE", &locale.locale),
            _ => {}
        }
    }
    sql
}

/// Applies the database's settings, and the roles' settings in it. Before the contents, since those may depend on them.
///
/// `inside` is a session in the new database: the server keeps these texts in the encoding of whoever writes them.
pub(super) async fn apply_settings(
    inside: &mut PgConnection,
    plan: &Plan,
    missing_roles: &[String],
) -> Result<Vec<Warning>, Failure> {
    let mut warnings = Vec::new();
    for setting in &plan.description.settings {
        if let Some(role) = setting.role.as_ref().filter(|role| missing_roles.contains(role)) {
            warnings.push(Warning {
                database: Some(plan.description.name.clone()),
                message: format!(
                    "{} for role {role} is left out: there is no such role",
                    setting.name
                ),
            });
            continue;
        }
        let what = format!("setting {} of the database", setting.name);
        execute(inside, setting_statement(&plan.beside, setting))
            .await
            .map_err(failure::at(&what))?;
    }
    Ok(warnings)
}

fn setting_statement(database: &str, setting: &DatabaseSetting) -> String {
    let name = quote::name(&setting.name);
    let value = if LISTS.contains(&setting.name.as_str()) {
        let elements: Vec<String> = list_elements(&setting.value)
            .iter()
            .map(|each| quote::text(each))
            .collect();
        if elements.is_empty() {
            "''".to_owned()
        } else {
            elements.join(", ")
        }
    } else {
        quote::text(&setting.value)
    };
    let database = quote::name(database);
    match &setting.role {
        None => format!("ALTER DATABASE {database} SET {name} TO {value}"),
        Some(role) => format!(
            "ALTER ROLE {} IN DATABASE {database} SET {name} TO {value}",
            quote::name(role)
        ),
    }
}

/// The elements of a list as the catalogue writes it: `"$user", public`.
fn list_elements(value: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    let mut quoted = false;
    let mut any = false;
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                element.push('"');
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ',' if !quoted => {
                elements.push(std::mem::take(&mut element));
                any = true;
            }
            other if quoted || !other.is_whitespace() => {
                element.push(other);
                any = true;
            }
            _ => {}
        }
    }
    if any {
        elements.push(element);
    }
    elements
}

/// Gives the filled database its grants, labels and connection limit.
pub(super) async fn complete(
    session: &mut PgConnection,
    request: &RestoreRequest,
    plan: &Plan,
) -> Result<Vec<Warning>, Failure> {
    let description = &plan.description;
    let what = format!("DATABASE {}", quote::name(&plan.beside));
    let mut warnings = Vec::new();
    if let (Some(owner), Some(privileges), false) = (&description.owner, &description.acl, request.no_owner) {
        let items: Vec<acl::Item> = privileges.iter().filter_map(|item| acl::parse(item)).collect();
        let object = acl::Object {
            what: &what,
            owner,
            known: acl::DATABASE,
        };
        for statement in acl::statements(object, &items) {
            execute(session, statement)
                .await
                .map_err(failure::at("granting the database's privileges"))?;
        }
    }
    for (provider, label) in &description.security_labels {
        let sql = format!(
            "SECURITY LABEL FOR {} ON {what} IS {}",
            quote::name(provider),
            quote::text(label)
        );
        if let Err(error) = execute(session, sql).await {
            let failure = failure::working(
                &format!("the database's security label by {provider} is left out"),
                &error,
            );
            warnings.push(Warning {
                database: Some(description.name.clone()),
                message: failure.message,
            });
        }
    }
    if let Some(limit) = description.connection_limit {
        execute(session, format!("ALTER {what} CONNECTION LIMIT {limit}"))
            .await
            .map_err(failure::at("limiting the database's connections"))?;
    }
    Ok(warnings)
}

async fn execute(session: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(session)
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use dataguardian_core::database::Locale;

    use super::*;

    #[test]
    fn databases_are_made_as_recorded() {
        let description = DatabaseDescription {
            encoding: Some("UTF8".into()),
            locale: Some(Locale {
                provider: "icu".into(),
                collate: "C".into(),
                ctype: "C.UTF-8".into(),
                locale: Some("de-DE".into()),
                icu_rules: None,
            }),
            ..DatabaseDescription::default()
        };
        assert_eq!(
            create_statement(&description, "a\"b", 16),
            "CREATE DATABASE \"a\"\"b\" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER 'icu' LC_COLLATE 'C' \
             LC_CTYPE 'C.UTF-8' ICU_LOCALE 'de-DE'"
        );
    }

    #[test]
    fn lists_are_quoted_by_element() {
        let setting = |name: &str, value: &str| DatabaseSetting {
            role: None,
            name: name.into(),
            value: value.into(),
        };
        assert_eq!(
            setting_statement("d", &setting("search_path", r#""$user", public, "o""d,d""#)),
            r#"ALTER DATABASE "d" SET "search_path" TO '$user', 'public', 'o"d,d'"#
        );
        assert_eq!(
            setting_statement("d", &setting("search_path", "\"\"")),
            r#"ALTER DATABASE "d" SET "search_path" TO ''"#
        );
        assert_eq!(
            setting_statement("d", &setting("my.x", "a, b")),
            r#"ALTER DATABASE "d" SET "my.x" TO 'a, b'"#
        );
    }
}
