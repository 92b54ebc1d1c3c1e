//! Short questions of the control plane about this host's databases and storages, and their answers.

use std::path::Path;
use std::time::Duration;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::ConnectionTarget;
use dataguardian_proto::agent::v1::{self, answer, question};
use dataguardian_proto::convert::{self, InvalidField};
use dataguardian_proto::v1 as public;
use dataguardian_repository::id::InvalidName;
use dataguardian_repository::storage::Storage;

use crate::engines::probe::ProbeRequest;
use crate::local_place::{self, Neighbour};
use crate::repositories;
use crate::runner::Host;
use crate::runner::work::{Place, RepositoryPlace};

mod check;
mod copy;
mod garbage;
mod manifest;
mod manifests;
mod send;

/// A question without a time limit is given this long.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Finds the answer, or says why there is none.
pub(crate) async fn answer(host: &Host, question: v1::Question) -> v1::Answer {
    let timeout = question
        .timeout
        .and_then(|timeout| convert::length("timeout", &timeout).ok());
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let answered = match tokio::time::timeout(timeout, find(host, question.question)).await {
        Ok(answered) => answered,
        Err(_) => Err(Failure::new(
            FailureKind::TimedOut,
            format!("no answer within {} s", timeout.as_secs()),
        )),
    };
    let answer = answered.unwrap_or_else(|failure| answer::Answer::Failure((&failure).into()));
    v1::Answer {
        request_id: question.request_id,
        answer: Some(answer),
    }
}

async fn find(host: &Host, question: Option<question::Question>) -> Result<answer::Answer, Failure> {
    use question::Question as Q;
    match question {
        Some(Q::TestDatasource(asked)) => test_datasource(host, asked)
            .await
            .map(answer::Answer::TestDatasource),
        Some(Q::DiscoverDatabases(asked)) => discover_databases(host, asked)
            .await
            .map(answer::Answer::DiscoverDatabases),
        Some(Q::PrepareStorage(asked)) => prepare_storage(host, asked)
            .await
            .map(answer::Answer::PrepareStorage),
        Some(Q::TestStorage(asked)) => test_storage(host, asked).await.map(answer::Answer::TestStorage),
        Some(Q::PutManifest(asked)) => manifest::put(host, asked).await.map(answer::Answer::PutManifest),
        Some(Q::FindUnnamed(asked)) => garbage::find(host, asked).await.map(answer::Answer::FindUnnamed),
        Some(Q::DeleteObjects(asked)) => garbage::delete(host, asked)
            .await
            .map(answer::Answer::DeleteObjects),
        Some(Q::DeleteManifest(asked)) => manifests::delete(host, asked)
            .await
            .map(answer::Answer::DeleteManifest),
        Some(Q::ListManifests(asked)) => manifests::list(host, asked)
            .await
            .map(answer::Answer::ListManifests),
        Some(Q::ReadManifest(asked)) => manifests::read(host, asked)
            .await
            .map(answer::Answer::ReadManifest),
        Some(Q::CopyBackup(asked)) => copy::copy(host, asked).await.map(answer::Answer::CopyBackup),
        Some(Q::CheckCopy(asked)) => check::copy(host, asked).await.map(answer::Answer::CheckCopy),
        Some(Q::CheckObjects(asked)) => check::objects(host, asked)
            .await
            .map(answer::Answer::CheckObjects),
        Some(Q::SendBackup(asked)) => send::begin(host, asked).await.map(answer::Answer::SendBackup),
        None => Err(Failure::new(
            FailureKind::Internal,
            "this agent does not know the question: upgrade it",
        )),
    }
}

async fn test_datasource(
    host: &Host,
    asked: v1::TestDatasourceQuestion,
) -> Result<public::TestDatasourceResponse, Failure> {
    let target = connection(host, asked.connection)?;
    let databases = asked
        .databases
        .ok_or_else(|| InvalidField::new("databases", "must be given"));
    let selection = databases
        .and_then(DatabaseSelection::try_from)
        .map_err(|error| malformed(&error))?;
    let request = ProbeRequest {
        target,
        selection,
        clients: repositories::client_search(host),
    };
    let probe = host.engine.probe(&request).await?;
    Ok(public::TestDatasourceResponse {
        ok: probe.problems.is_empty(),
        server_version: probe.server_version,
        client_version: probe.client.map(|client| client.version).unwrap_or_default(),
        latency: Some(convert::duration(probe.latency)),
        problems: probe.problems.iter().map(Into::into).collect(),
        warnings: probe
            .warnings
            .iter()
            .map(|warning: &Warning| warning.into())
            .collect(),
    })
}

async fn discover_databases(
    host: &Host,
    asked: v1::DiscoverDatabasesQuestion,
) -> Result<public::DiscoverDatabasesResponse, Failure> {
    let target = connection(host, asked.connection)?;
    let found = host.engine.discover(&target).await?;
    let usable = found
        .into_iter()
        .filter(|database| database.allows_connections && !database.is_template);
    let databases = usable.map(|database| public::DiscoveredDatabase {
        name: database.name,
        owner: database.owner,
        size_bytes: database.size.unwrap_or_default(),
        selected: false,
    });
    Ok(public::DiscoverDatabasesResponse {
        databases: databases.collect(),
    })
}

async fn prepare_storage(
    host: &Host,
    asked: v1::PrepareStorageQuestion,
) -> Result<v1::PrepareStorageAnswer, Failure> {
    let place = place(asked.repository)?;
    let owner = asked
        .control_plane_id
        .parse()
        .map_err(|error| malformed(&error))?;
    let keys = asked.key_ids.iter().map(|id| id.parse());
    let keys = keys.collect::<Result<_, InvalidName>>();
    let keys = keys.map_err(|error| malformed(&error))?;
    let storage = match &place.place {
        Place::Local(path) => create_local(host, path, asked.neighbours)?,
        Place::S3(_) | Place::Locked => repositories::open(host, &place)?,
    };
    let probe = storage.probe().await.map_err(|error| error.failure())?;
    let opened = storage
        .open_or_create_repository(&repositories::descriptor(&place, owner, keys))
        .await;
    let opened = opened.map_err(|error| error.failure())?;
    Ok(v1::PrepareStorageAnswer {
        repository_id: opened.descriptor.id.to_string(),
        conditional_put: probe.conditional_put,
        free_bytes: probe.free_bytes,
    })
}

fn create_local(
    host: &Host,
    path: &Path,
    neighbours: Vec<v1::NeighbouringStorage>,
) -> Result<Storage, Failure> {
    let path = host.config.permit_local_path(path)?;
    let neighbours = neighbours.into_iter().map(|storage| Neighbour {
        name: storage.name,
        path: storage.local_path.into(),
    });
    local_place::keep_apart(&path, &neighbours.collect::<Vec<_>>())?;
    Storage::create_local(&path).map_err(|error| error.failure())
}

async fn test_storage(host: &Host, asked: v1::TestStorageQuestion) -> Result<v1::TestStorageAnswer, Failure> {
    let depth = asked.depth();
    let place = place(asked.repository)?;
    let storage = repositories::open(host, &place)?;
    repositories::check_repository(&storage, &place).await?;
    let probe = match depth {
        v1::TestDepth::Read => {
            let free_bytes = storage.free_bytes().await.map_err(|error| error.failure())?;
            return Ok(v1::TestStorageAnswer {
                conditional_put: false,
                free_bytes,
            });
        }
        v1::TestDepth::Unspecified | v1::TestDepth::Write => storage.probe().await,
        v1::TestDepth::WriteAgain => storage.probe_as(*host.agent.as_uuid()).await,
    };
    let probe = probe.map_err(|error| error.failure())?;
    Ok(v1::TestStorageAnswer {
        conditional_put: probe.conditional_put,
        free_bytes: probe.free_bytes,
    })
}

/// Where a repository is said to be.
fn place(repository: Option<v1::RepositoryLocation>) -> Result<RepositoryPlace, Failure> {
    let repository = repository.ok_or_else(|| InvalidField::new("repository", "must be given"));
    repository
        .and_then(RepositoryPlace::try_from)
        .map_err(|error| malformed(&error))
}

/// How to reach a database, if the host's owner allows it.
fn connection(host: &Host, connection: Option<v1::Connection>) -> Result<ConnectionTarget, Failure> {
    let connection = connection.ok_or_else(|| InvalidField::new("connection", "must be given"));
    let target = connection
        .and_then(ConnectionTarget::try_from)
        .map_err(|error| malformed(&error))?;
    host.config.admit(target)
}

fn malformed(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        FailureKind::Internal,
        format!("the question is malformed: {error}"),
    )
}
