//! Datasources, as people read them.

use std::time::Duration;

use dataguardian_proto::{convert, v1};

use crate::output::table::{Field, List, Look, details};
use crate::output::text::{self, bytes};
use crate::output::{findings, health};
use crate::values::{engine_word, tls_word};

const DATASOURCES: List<6> = List {
    titles: ["name", "condition", "engine", "agent", "address", "databases"],
    spare: &["engine", "address"],
    none: "No datasources yet: `dgctl datasource create` makes one known.",
};

const DATABASES: List<4> = List {
    titles: ["database", "owner", "size", "covered"],
    spare: &["owner"],
    none: "No databases.",
};

/// One line per datasource.
pub(super) fn table(datasources: &[v1::Datasource], look: Look) -> String {
    let row = |datasource: &v1::Datasource| {
        [
            Field::text(&datasource.name),
            health::condition(datasource.health.as_ref()),
            Field::text(&engine_word(datasource.engine())),
            Field::text(&datasource.agent),
            Field::text(&address(datasource)),
            Field::text(&selection(datasource.databases.as_ref())),
        ]
    };
    DATASOURCES.show(look, &datasources.iter().map(row).collect::<Vec<_>>())
}

/// All about one.
pub(super) fn describe(datasource: &v1::Datasource, look: Look) -> String {
    let mut rows = vec![
        ("Name", Field::text(&datasource.name)),
        ("Id", Field::text(&datasource.id)),
        ("Engine", Field::text(&engine_word(datasource.engine()))),
        ("Agent", Field::text(&datasource.agent)),
        ("Address", Field::text(&address(datasource))),
        ("User", Field::text(&datasource.username)),
        ("TLS", Field::text(&tls_word(datasource.tls_mode()))),
        ("TLS authorities", Field::text(&datasource.tls_ca_file)),
        (
            "Databases",
            Field::text(&selection(datasource.databases.as_ref())),
        ),
        ("Connects to", Field::text(&datasource.maintenance_database)),
        ("Verified within", Field::text(&objective(datasource))),
        (
            "Created",
            Field::text(&text::time_and_distance(datasource.created_at.as_ref())),
        ),
        (
            "Updated",
            Field::text(&text::time_and_distance(datasource.updated_at.as_ref())),
        ),
    ];
    let of_host = [
        ("Password", &datasource.credential_ref, "credential"),
        ("Connects by", &datasource.service, "service"),
    ];
    let of_host = of_host.into_iter().filter(|(_, name, _)| !name.is_empty());
    rows.extend(
        of_host
            .map(|(title, name, what)| (title, Field::text(&format!("{what} {name} of the agent's host")))),
    );
    rows.extend(health::rows(datasource.health.as_ref()));
    details(look, rows) + &health::problems(datasource.health.as_ref())
}

/// How old the newest verified backup may be; nothing where the control plane's settings say.
fn objective(datasource: &v1::Datasource) -> String {
    let given = datasource.max_verified_age.as_ref();
    let length = given.and_then(|given| convert::length("max_verified_age", given).ok());
    length.map(text::length).unwrap_or_default()
}

/// What a test found.
pub(super) fn test(reply: &v1::TestDatasourceResponse, look: Look) -> String {
    let latency: Option<Duration> = reply
        .latency
        .as_ref()
        .and_then(|latency| convert::length("latency", latency).ok());
    let summary = details(
        look,
        vec![
            ("Ready for backups", Field::yes_or_no(reply.ok)),
            ("Server", Field::text(&reply.server_version)),
            ("Client programs", Field::text(&reply.client_version)),
            (
                "Latency",
                Field::text(&latency.map(text::length).unwrap_or_default()),
            ),
        ],
    );
    summary + &findings::problems(&reply.problems) + &findings::warnings(&reply.warnings)
}

/// What is on the server.
pub(super) fn discovered(databases: &[v1::DiscoveredDatabase], look: Look) -> String {
    let row = |database: &v1::DiscoveredDatabase| {
        [
            Field::text(&database.name),
            Field::text(&database.owner),
            Field::number(bytes(database.size_bytes)),
            Field::yes_or_no(database.selected),
        ]
    };
    DATABASES.show(look, &databases.iter().map(row).collect::<Vec<_>>())
}

fn address(datasource: &v1::Datasource) -> String {
    if datasource.host.is_empty() {
        return format!("service {}", datasource.service);
    }
    match datasource.host.contains(':') {
        true => format!("[{}]:{}", datasource.host, datasource.port),
        false => format!("{}:{}", datasource.host, datasource.port),
    }
}

fn selection(selection: Option<&v1::DatabaseSelection>) -> String {
    use v1::database_selection::Selection;
    match selection.and_then(|selection| selection.selection.as_ref()) {
        Some(Selection::Named(named)) => named.names.join(", "),
        Some(Selection::All(all)) if all.exclude.is_empty() => "all".into(),
        Some(Selection::All(all)) => format!("all but {}", all.exclude.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasources_are_listed_with_address_and_databases() {
        let datasource = |name: &str, host: &str, selection| v1::Datasource {
            name: name.into(),
            engine: v1::Engine::Postgres.into(),
            agent: "db1".into(),
            host: host.into(),
            port: 5432,
            databases: Some(v1::DatabaseSelection {
                selection: Some(selection),
            }),
            ..Default::default()
        };
        use v1::database_selection::Selection;
        let named = Selection::Named(v1::NamedDatabases {
            names: vec!["shop".into(), "crm".into()],
        });
        let all = Selection::All(v1::AllDatabases {
            exclude: vec!["test.*".into()],
        });
        let datasources = [
            datasource("main", "127.0.0.1", named),
            datasource("other", "::1", all),
        ];
        insta::assert_snapshot!(table(&datasources, Look::PLAIN));
    }

    #[test]
    fn a_test_tells_what_stands_in_the_way() {
        let reply = v1::TestDatasourceResponse {
            server_version: "16.4".into(),
            problems: vec![v1::Failure {
                reason: "CLIENT_TOO_OLD".into(),
                message: "pg_dump 15 is older than the server".into(),
                advice: "install client programs at least as new as the server".into(),
            }],
            ..Default::default()
        };
        insta::assert_snapshot!(test(&reply, Look::PLAIN));
    }
}
