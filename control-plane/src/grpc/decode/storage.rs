use std::path::PathBuf;

use dataguardian_core::secret::Secret;
use dataguardian_proto::v1;

use super::mask::Mask;
use super::{BadFields, checked, filled, revision};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::{Reference, new_name};
use crate::domain::request::request_id;
use crate::domain::storage::{
    LocalMove, NewLocation, NewStorage, S3Bucket, S3Change, S3Secrets, StorageChange,
};

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
    const FIELDS: [&str; 6] = [
        "local",
        "max_concurrent",
        "access_key",
        "delete_access_key",
        "endpoint",
        "ca_pem",
    ];
    let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS).map_err(|bad| vec![bad])?;
    let key = || match (&request.access_key_id, &request.secret_access_key) {
        (id, secret) if id.is_empty() || secret.is_empty() => Err(BadField::new(
            "access_key_id",
            "must be given together with secret_access_key",
        )),
        (id, secret) => Ok((id.clone(), Secret::new(secret))),
    };
    let delete_key = || match (&request.delete_access_key_id, &request.delete_secret_access_key) {
        (id, secret) if id.is_empty() && secret.is_empty() => Ok(None),
        (id, secret) if id.is_empty() || secret.is_empty() => Err(BadField::new(
            "delete_access_key_id",
            "must be given together with delete_secret_access_key, or both left empty",
        )),
        (id, secret) => Ok(Some((id.clone(), Secret::new(secret)))),
    };
    let local = mask.read("local", || local_move(request.local.clone()));
    let change = StorageChange {
        local: local.map_err(|bad| vec![bad])?,
        max_concurrent: mask.take("max_concurrent", limit(request.max_concurrent)),
        s3: S3Change {
            key: mask.read("access_key", key).map_err(|bad| vec![bad])?,
            delete_key: mask
                .read("delete_access_key", delete_key)
                .map_err(|bad| vec![bad])?,
            endpoint: mask.take("endpoint", request.endpoint.clone()),
            ca_pem: mask.take("ca_pem", request.ca_pem.clone()),
        },
        expected_revision: revision(&request.etag).map_err(|bad| vec![bad])?,
    };
    change.check()?;
    Ok(change)
}

fn local_move(given: Option<v1::LocalStorage>) -> Result<LocalMove, BadField> {
    let local = given.unwrap_or_default();
    let agent = filled(local.agent).map(|agent| Reference::parse("local.agent", &agent));
    let path = filled(local.path).map(PathBuf::from);
    if agent.is_none() && path.is_none() {
        return Err(BadField::new("local", "must have an agent or a path"));
    }
    Ok(LocalMove {
        agent: agent.transpose()?,
        path,
    })
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
        Some(v1::create_storage_request::Location::S3(new)) => {
            let s3 = new.s3.ok_or_else(|| BadField::new("s3.s3", "must be given"))?;
            let bucket = S3Bucket {
                endpoint: s3.endpoint,
                region: s3.region,
                bucket: s3.bucket,
                prefix: s3.prefix,
                path_style: s3.path_style,
                allow_http: s3.allow_http,
                ca_pem: s3.ca_pem,
                access_key_id: s3.access_key_id,
                delete_access_key_id: s3.delete_access_key_id,
            };
            let secrets = S3Secrets {
                secret: Secret::new(new.secret_access_key),
                delete: filled(new.delete_secret_access_key).map(Secret::new),
            };
            Ok(NewLocation::S3(Box::new(bucket), secrets))
        }
    }
}
