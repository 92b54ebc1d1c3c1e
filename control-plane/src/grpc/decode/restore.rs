use dataguardian_proto::v1;

use super::{BadFields, checked, known, length};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::Reference;
use crate::domain::request::request_id;
use crate::domain::restore::{BackupChoice, DatabaseMapping, NewRestore, RestoreMode, RestoreOptions};

/// A restore to be queued.
pub(in crate::grpc) fn new_restore(request: v1::StartRestoreRequest) -> Result<NewRestore, BadFields> {
    let mut checks = Checks::new();
    let backup = checks.take(BackupChoice::parse(&request.backup, &request.datasource));
    let target = match request.target_datasource.as_str() {
        "" => Some(None),
        text => checks.take(Reference::parse("target_datasource", text)).map(Some),
    };
    let mode = checks.take(mode(request.mode));
    let defaults = RestoreOptions::default();
    let max_duration = checks.take(length(
        "max_duration",
        request.max_duration.as_ref(),
        defaults.max_duration,
    ));
    let no_progress_timeout = checks.take(length(
        "no_progress_timeout",
        request.no_progress_timeout.as_ref(),
        defaults.no_progress_timeout,
    ));
    let request_id = checks.take(request_id(&request.request_id));
    let new = (|| {
        Some(NewRestore {
            backup: backup?,
            target: target?,
            options: RestoreOptions {
                mode: mode?,
                databases: request.databases.into_iter().map(mapping).collect(),
                no_owner: request.no_owner,
                create_missing_roles: request.create_missing_roles,
                keep_unfinished: request.keep_unfinished,
                parallelism: if request.parallelism == 0 {
                    defaults.parallelism
                } else {
                    request.parallelism
                },
                keep_scratch: request.keep_scratch,
                schemas: request.schemas,
                tables: request.tables,
                into_database: Some(request.into_database).filter(|name| !name.is_empty()),
                plan_only: request.plan_only,
                max_duration: max_duration?,
                no_progress_timeout: no_progress_timeout?,
            },
            request_id: request_id?,
        })
    })();
    let new = checked(checks, new)?;
    new.options.check()?;
    Ok(new)
}

fn mode(number: i32) -> Result<RestoreMode, BadField> {
    Ok(match known::<v1::RestoreMode>("mode", number)? {
        v1::RestoreMode::Unspecified | v1::RestoreMode::Create => RestoreMode::Create,
        v1::RestoreMode::Replace => RestoreMode::Replace,
        v1::RestoreMode::Into => RestoreMode::Into,
        v1::RestoreMode::Scratch => RestoreMode::Scratch,
    })
}

fn mapping(mapping: v1::DatabaseMapping) -> DatabaseMapping {
    let to = if mapping.to.is_empty() {
        mapping.from.clone()
    } else {
        mapping.to
    };
    DatabaseMapping {
        from: mapping.from,
        to,
    }
}
