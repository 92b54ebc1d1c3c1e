use std::path::PathBuf;

use dataguardian_proto::v1;

use super::mask::Mask;
use super::{BadFields, checked, revision};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::{Reference, new_name};
use crate::domain::request::request_id;
use crate::domain::storage::{NewLocation, NewStorage, StorageChange};

/// A storage to be made.
pub(in crate::grpc) fn new_storage(request: v1::CreateStorageRequest) -> Result<NewStorage, BadFields> {
    let mut checks = Checks::new();
    let name = checks.take(new_name("name", &request.name));
    let location = checks.take(location(request.location));
    let request_id = checks.take(request_id(&request.request_id));
    let new = (|| {
        Some(NewStorage {
            name: name?,
            location: location?,
            max_concurrent: limit(request.max_concurrent),
            request_id: request_id?,
        })
    })();
    let new = checked(checks, new)?;
    new.check()?;
    Ok(new)
}

/// A change of a storage.
pub(in crate::grpc) fn storage_change(
    request: &v1::UpdateStorageRequest,
) -> Result<StorageChange, BadFields> {
    Mask::parse(request.update_mask.as_ref(), &["max_concurrent"]).map_err(|bad| vec![bad])?;
    let change = StorageChange {
        max_concurrent: limit(request.max_concurrent),
        expected_revision: revision(&request.etag).map_err(|bad| vec![bad])?,
    };
    change.check()?;
    Ok(change)
}

fn limit(given: u32) -> Option<u32> {
    (given != 0).then_some(given)
}

fn location(given: Option<v1::create_storage_request::Location>) -> Result<NewLocation, BadField> {
    match given {
        None => Err(BadField::new("location", "must be given")),
        Some(v1::create_storage_request::Location::Local(local)) => Ok(NewLocation::Local {
            agent: Reference::parse("local.agent", &local.agent)?,
            path: PathBuf::from(local.path),
        }),
    }
}
