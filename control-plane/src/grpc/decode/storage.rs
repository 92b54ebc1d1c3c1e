use std::path::PathBuf;

use dataguardian_proto::v1;

use super::{BadFields, checked};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::{Reference, new_name};
use crate::domain::request::request_id;
use crate::domain::storage::{NewLocation, NewStorage};

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
            request_id: request_id?,
        })
    })();
    let new = checked(checks, new)?;
    new.check()?;
    Ok(new)
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
