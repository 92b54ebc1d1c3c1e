use dataguardian_proto::v1;
use dataguardian_repository::verify::Level;

use super::{BadFields, checked};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::Reference;
use crate::domain::request::request_id;
use crate::domain::restore::BackupChoice;
use crate::domain::verification::{MAX_STORAGES, NewVerification};

/// A verification to be queued.
pub(in crate::grpc) fn new_verification(
    request: v1::VerifyBackupRequest,
) -> Result<NewVerification, BadFields> {
    let mut checks = Checks::new();
    let backup = checks.take(BackupChoice::parse(&request.backup, &request.datasource));
    let level = request.level.map_or(Some(Level::Contents), Level::from_number);
    let level = checks.take(level.ok_or_else(|| BadField::new("level", "must be 0, 1 or 2")));
    let id = checks.take(request_id(&request.request_id));
    checks.require(
        request.storages.len() <= MAX_STORAGES,
        "storages",
        "names more than 100",
    );
    let named = request.storages.iter().take(MAX_STORAGES);
    let storages: Vec<_> = named
        .filter_map(|storage| checks.take(Reference::parse("storages", storage)))
        .collect();
    let new = backup
        .zip(level)
        .zip(id)
        .map(|((backup, level), request_id)| NewVerification {
            backup,
            level,
            storages,
            request_id,
        });
    checked(checks, new)
}
