//! Looking into a storage a little at a time, as the control plane plans it: is a backup there, and have these packs and
//! lists the SHA-256 that is their name? Nothing is ever written, and no key is needed.

use std::time::Duration;

use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_proto::agent::v1;
use dataguardian_proto::convert::InvalidField;
use dataguardian_proto::v1 as public;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::Storage;
use dataguardian_repository::verify::{
    CopyCheck, IN_FLIGHT, Level, ObjectProblem, Silent, check_object, verify_copy,
};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::garbage::from_wire;
use super::{malformed, place};
use crate::repositories;
use crate::runner::Host;
use crate::runner::verify::{executor, still_there, to_wire};
use crate::runner::work::{RepositoryPlace, trusted_keys};

/// How long one question reads; whoever asks waits longer.
const AT_A_TIME: Duration = Duration::from_secs(60);
/// Objects in one question.
const MAX_ASKED: usize = 1000;

/// Looks whether a backup is there.
pub(super) async fn copy(host: &Host, asked: v1::CheckCopyQuestion) -> Result<v1::CheckCopyAnswer, Failure> {
    let (storage, place) = open(host, asked.repository).await?;
    let datasource: DatasourceId = asked.datasource_id.parse().map_err(|error| malformed(&error))?;
    let backup: BackupId = asked.backup_id.parse().map_err(|error| malformed(&error))?;
    let check = CopyCheck {
        storage: storage.clone(),
        datasource,
        backup,
        trusted: trusted_keys(asked.trusted_keys).map_err(|error| malformed(&error))?,
        protection: None,
        level: Level::Presence,
        executor: executor(&host.cpu),
    };
    let report = verify_copy(&check, &Silent).await;
    let report = report.map_err(|error| error.failure())?;
    still_there(&storage, &place, report.faults.iter().map(|fault| &fault.problem)).await?;
    let copy = v1::VerifiedCopy {
        storage_id: place.storage.to_string(),
        ..to_wire(&report)
    };
    Ok(v1::CheckCopyAnswer { copy: Some(copy) })
}

/// Reads packs and lists for a while.
pub(super) async fn objects(
    host: &Host,
    asked: v1::CheckObjectsQuestion,
) -> Result<v1::CheckObjectsAnswer, Failure> {
    let until = Instant::now() + AT_A_TIME;
    let objects = parse(&asked)?;
    let (storage, place) = open(host, asked.repository).await?;
    let executor = executor(&host.cpu);
    let mut checking = futures::stream::iter(objects)
        .take_while(|_| std::future::ready(Instant::now() < until))
        .map(async |(key, size)| {
            let found = check_object(&storage, &executor, &key, size, &Silent).await;
            found.map(|found| (key, found)).map_err(|error| error.failure())
        })
        .buffered(IN_FLIGHT);
    let (mut checked, mut found) = (0, Vec::new());
    while let Some((key, problem)) = checking.try_next().await? {
        checked += 1;
        found.extend(problem.map(|problem| (key, problem)));
    }
    still_there(&storage, &place, found.iter().map(|(_, problem)| problem)).await?;
    Ok(v1::CheckObjectsAnswer {
        checked,
        faults: found.iter().map(fault).collect(),
    })
}

fn parse(asked: &v1::CheckObjectsQuestion) -> Result<Vec<(ObjectKey, u64)>, Failure> {
    if asked.objects.len() > MAX_ASKED {
        let problem = format!("has more than {MAX_ASKED} objects");
        return Err(malformed(&InvalidField::new("objects", problem)));
    }
    let datasource: DatasourceId = asked.datasource_id.parse().map_err(|error| malformed(&error))?;
    let one = |object: &v1::StoredObject| Ok((from_wire("objects", object)?.key(datasource), object.size));
    let parsed = asked.objects.iter().map(one);
    parsed
        .collect::<Result<_, InvalidField>>()
        .map_err(|error| malformed(&error))
}

async fn open(
    host: &Host,
    repository: Option<v1::RepositoryLocation>,
) -> Result<(Storage, RepositoryPlace), Failure> {
    let place = place(repository)?;
    let storage = repositories::open(host, &place)?;
    repositories::check_repository(&storage, &place).await?;
    Ok((storage, place))
}

fn fault((key, problem): &(ObjectKey, ObjectProblem)) -> public::ObjectFault {
    public::ObjectFault {
        object: key.to_string(),
        problem: problem.to_string(),
        ..Default::default()
    }
}
