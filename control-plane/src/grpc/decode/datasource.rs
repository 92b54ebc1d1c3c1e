use std::path::PathBuf;
use std::time::Duration;

use dataguardian_core::engine::Engine;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::TlsMode;
use dataguardian_proto::{convert, v1};

use super::mask::Mask;
use super::{BadFields, bad, checked, filled, known, length, revision};
use crate::domain::datasource::{ConnectionSettings, Datasource, DatasourceChange, NewDatasource};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::{Reference, new_name};
use crate::domain::request::request_id;

/// A datasource to be made.
pub(in crate::grpc) fn new_datasource(
    request: v1::CreateDatasourceRequest,
) -> Result<NewDatasource, BadFields> {
    let mut checks = Checks::new();
    let name = checks.take(new_name("name", &request.name));
    let agent = checks.take(Reference::parse("agent", &request.agent));
    let engine = checks.take(engine(request.engine));
    let port =
        engine.and_then(|engine| checks.take(convert::database::port(request.port, engine).map_err(bad)));
    let tls = checks.take(tls(request.tls_mode));
    let databases = checks.take(selection(request.databases));
    let request_id = checks.take(request_id(&request.request_id));
    let verified_within = checks.take(objective(request.max_verified_age.as_ref()));
    let new = (|| {
        Some(NewDatasource {
            name: name?,
            engine: engine?,
            agent: agent?,
            connection: ConnectionSettings {
                host: request.host,
                port: port?,
                username: request.username,
                tls: tls?,
                tls_ca: filled(request.tls_ca_file).map(PathBuf::from),
                maintenance_database: filled(request.maintenance_database),
                credential_ref: filled(request.credential_ref),
                service: filled(request.service),
            },
            password: filled(request.password).map(Secret::new),
            databases: databases?,
            verified_within: verified_within?,
            request_id: request_id?,
        })
    })();
    let new = checked(checks, new)?;
    new.check()?;
    Ok(new)
}

/// A change of `datasource`.
pub(in crate::grpc) fn datasource_change(
    request: v1::UpdateDatasourceRequest,
    datasource: &Datasource,
) -> Result<DatasourceChange, BadFields> {
    const FIELDS: [&str; 12] = [
        "agent",
        "host",
        "port",
        "username",
        "password",
        "tls_mode",
        "tls_ca_file",
        "databases",
        "maintenance_database",
        "credential_ref",
        "service",
        "max_verified_age",
    ];
    let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS).map_err(|bad| vec![bad])?;
    let mut checks = Checks::new();
    let port = mask.read("port", || {
        convert::database::port(request.port, datasource.engine).map_err(bad)
    });
    let agent = mask.read("agent", || Reference::parse("agent", &request.agent));
    let change = DatasourceChange {
        agent: checks.take(agent).flatten(),
        host: mask.take("host", request.host),
        port: checks.take(port).flatten(),
        username: mask.take("username", request.username),
        password: mask.take("password", filled(request.password).map(Secret::new)),
        tls: checks
            .take(mask.read("tls_mode", || tls(request.tls_mode)))
            .flatten(),
        tls_ca: mask.take("tls_ca_file", filled(request.tls_ca_file).map(PathBuf::from)),
        databases: checks
            .take(mask.read("databases", || selection(request.databases)))
            .flatten(),
        verified_within: checks
            .take(mask.read("max_verified_age", || {
                objective(request.max_verified_age.as_ref())
            }))
            .flatten(),
        maintenance_database: mask.take("maintenance_database", filled(request.maintenance_database)),
        credential_ref: mask.take("credential_ref", filled(request.credential_ref)),
        service: mask.take("service", filled(request.service)),
        expected_revision: checks.take(revision(&request.etag)).flatten(),
    };
    checks.finish()?;
    Ok(change)
}

/// How old the newest verified backup may be; none for zero too, which takes it away.
fn objective(given: Option<&prost_types::Duration>) -> Result<Option<Duration>, BadField> {
    let length = length("max_verified_age", given, Duration::ZERO)?;
    Ok(Some(length).filter(|length| !length.is_zero()))
}

fn engine(number: i32) -> Result<Engine, BadField> {
    Engine::try_from(known::<v1::Engine>("engine", number)?).map_err(bad)
}

fn tls(number: i32) -> Result<TlsMode, BadField> {
    known::<v1::TlsMode>("tls_mode", number).map(TlsMode::from)
}

fn selection(given: Option<v1::DatabaseSelection>) -> Result<DatabaseSelection, BadField> {
    let given = given.ok_or_else(|| BadField::new("databases", "must be given: named databases, or all"))?;
    given.try_into().map_err(bad)
}
