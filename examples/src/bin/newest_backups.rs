//! Tells how old each datasource's newest backup is; exit status 1 if one is older than a day, or there is none. Fit for a
//! monitoring system: `cargo run -p dataguardian-examples --bin newest_backups`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use dataguardian_examples::connect;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use dataguardian_proto::v1::{GetBackupRequest, GetSystemInfoRequest, ListDatasourcesRequest};
use tonic::Code;

const LIMIT_SECONDS: i64 = 24 * 60 * 60;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let connection = connect().await?;
    // The server's clock, so that ours may be wrong.
    let mut system = SystemServiceClient::new(connection.clone());
    let info = system
        .get_system_info(GetSystemInfoRequest {})
        .await?
        .into_inner();
    let now = info.now.context("no time")?.seconds;

    let mut datasources = DatasourceServiceClient::new(connection.clone());
    let request = ListDatasourcesRequest {
        page_size: 1000,
        ..Default::default()
    };
    let mut backups = BackupServiceClient::new(connection);
    let mut all_is_well = true;
    for datasource in datasources
        .list_datasources(request)
        .await?
        .into_inner()
        .datasources
    {
        let request = GetBackupRequest {
            backup: "latest".into(),
            datasource: datasource.id,
        };
        let completed = match backups.get_backup(request).await {
            Ok(reply) => reply.into_inner().backup.and_then(|backup| backup.completed_at),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => return Err(status.into()),
        };
        let age = completed.map(|time| now - time.seconds);
        match age {
            Some(age) => println!("{}: {} minutes old", datasource.name, age / 60),
            None => println!("{}: no backup", datasource.name),
        }
        all_is_well &= age.is_some_and(|age| age <= LIMIT_SECONDS);
    }
    Ok(if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
