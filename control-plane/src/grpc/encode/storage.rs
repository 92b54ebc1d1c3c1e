use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use super::{etag, health};
use crate::domain::storage::{Storage, StorageLocation};
use crate::services::health::Shown;

/// A storage; how it does, where that is known.
pub(in crate::grpc) fn storage(storage: Storage, shown: Option<Shown>) -> v1::Storage {
    let protected = storage.location.protected_from_agents();
    let location = match storage.location {
        StorageLocation::Local { agent_name, path, .. } => v1::storage::Location::Local(v1::LocalStorage {
            agent: agent_name.into(),
            path: path.display().to_string(),
        }),
        StorageLocation::S3(bucket) => v1::storage::Location::S3(v1::S3Storage {
            endpoint: bucket.endpoint,
            region: bucket.region,
            bucket: bucket.bucket,
            prefix: bucket.prefix,
            path_style: bucket.path_style,
            allow_http: bucket.allow_http,
            ca_pem: bucket.ca_pem,
            access_key_id: bucket.access_key_id,
            delete_access_key_id: bucket.delete_access_key_id,
        }),
    };
    v1::Storage {
        id: storage.id.to_string(),
        name: storage.name.into(),
        location: Some(location),
        repository_id: storage.repository.to_string(),
        conditional_put: storage.conditional_put,
        max_concurrent: storage.max_concurrent.unwrap_or(0),
        protected_from_agents: protected,
        created_at: Some(timestamp(storage.created_at)),
        etag: etag(storage.revision),
        collection_holds: Vec::new(),
        health: shown.map(health),
    }
}
