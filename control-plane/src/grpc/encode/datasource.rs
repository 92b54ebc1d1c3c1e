use dataguardian_proto::convert::{duration, timestamp};
use dataguardian_proto::v1;

use super::{etag, health};
use crate::domain::datasource::Datasource;
use crate::services::health::Shown;

/// A datasource, without its password; how it does, where that is known.
pub(in crate::grpc) fn datasource(datasource: Datasource, shown: Option<Shown>) -> v1::Datasource {
    let connection = datasource.connection;
    v1::Datasource {
        id: datasource.id.to_string(),
        name: datasource.name.into(),
        engine: v1::Engine::from(datasource.engine).into(),
        agent: datasource.agent_name.into(),
        host: connection.host,
        port: connection.port.into(),
        username: connection.username,
        tls_mode: v1::TlsMode::from(connection.tls).into(),
        tls_ca_file: connection
            .tls_ca
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        databases: Some((&datasource.databases).into()),
        maintenance_database: connection.maintenance_database.unwrap_or_default(),
        created_at: Some(timestamp(datasource.created_at)),
        updated_at: Some(timestamp(datasource.updated_at)),
        max_verified_age: datasource.verified_within.map(duration),
        etag: etag(datasource.revision),
        health: shown.map(health),
        credential_ref: connection.credential_ref.unwrap_or_default(),
        service: connection.service.unwrap_or_default(),
    }
}
