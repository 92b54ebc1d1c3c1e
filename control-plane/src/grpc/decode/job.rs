use std::time::Duration;

use dataguardian_core::ids::StorageId;
use dataguardian_core::storage::Strategy;
use dataguardian_proto::v1;

use super::mask::Mask;
use super::retention::retention;
use super::schedule::schedule;
use super::{BadFields, checked, known, length, revision};
use crate::domain::field::{BadField, Checks};
use crate::domain::job::{BackupOptions, Encryption, JobChange, NewJob, check_storage_count};
use crate::domain::reference::{Reference, new_name};
use crate::domain::request::request_id;

/// A job to be made.
pub(in crate::grpc) fn new_job(request: v1::CreateJobRequest) -> Result<NewJob, BadFields> {
    let mut checks = Checks::new();
    let name = checks.take(new_name("name", &request.name));
    let datasource = checks.take(Reference::parse("datasource", &request.datasource));
    let storages = checks.take(storages(&request.storages));
    let strategy = checks.take(strategy(request.strategy));
    let options = options(&mut checks, request.options.unwrap_or_default());
    let schedule = request.schedule.map(|given| schedule(&mut checks, given));
    let retention = match request.retention {
        None => Some(None),
        Some(given) => retention(&mut checks, given).map(Some),
    };
    let request_id = checks.take(request_id(&request.request_id));
    let new = (|| {
        Some(NewJob {
            name: name?,
            datasource: datasource?,
            storages: storages?,
            strategy: strategy?,
            options: options?,
            schedule: schedule.flatten(),
            retention: retention?,
            request_id: request_id?,
        })
    })();
    checked(checks, new)
}

/// A change of a job.
pub(in crate::grpc) fn job_change(request: v1::UpdateJobRequest) -> Result<JobChange, BadFields> {
    let fields = ["storages", "strategy", "options", "schedule", "retention"];
    let mask = Mask::parse(request.update_mask.as_ref(), &fields);
    let mask = mask.map_err(|bad| vec![bad])?;
    let mut checks = Checks::new();
    let given = request.options.unwrap_or_default();
    let change = JobChange {
        storages: checks
            .take(mask.read("storages", || storages(&request.storages)))
            .flatten(),
        strategy: checks
            .take(mask.read("strategy", || strategy(request.strategy)))
            .flatten(),
        options: mask
            .take("options", given)
            .and_then(|given| options(&mut checks, given)),
        schedule: mask
            .take("schedule", request.schedule)
            .map(|given| given.and_then(|given| schedule(&mut checks, given))),
        retention: match mask.take("retention", request.retention) {
            None => None,
            Some(None) => Some(None),
            Some(Some(given)) => retention(&mut checks, given).map(Some),
        },
        expected_revision: checks.take(revision(&request.etag)).flatten(),
    };
    checks.finish()?;
    Ok(change)
}

fn storages(given: &[String]) -> Result<Vec<Reference<StorageId>>, BadField> {
    check_storage_count(given.len())?;
    given
        .iter()
        .map(|text| Reference::parse("storages", text))
        .collect()
}

fn strategy(number: i32) -> Result<Strategy, BadField> {
    known::<v1::Strategy>("strategy", number).map(Strategy::from)
}

/// Defaults stand in for zeros and absent values.
fn options(checks: &mut Checks, given: v1::BackupOptions) -> Option<BackupOptions> {
    let defaults = BackupOptions::default();
    let or = |given: u32, default: u32| if given == 0 { default } else { given };
    let mut time = |field, given: Option<&prost_types::Duration>, default: Duration| {
        checks.take(length(field, given, default))
    };
    let lock_timeout = time(
        "options.lock_timeout",
        given.lock_timeout.as_ref(),
        defaults.lock_timeout,
    );
    let max_duration = time(
        "options.max_duration",
        given.max_duration.as_ref(),
        defaults.max_duration,
    );
    let no_progress_timeout = time(
        "options.no_progress_timeout",
        given.no_progress_timeout.as_ref(),
        defaults.no_progress_timeout,
    );
    let chunking = checks.take(known::<v1::Chunking>("options.chunking", given.chunking));
    let options = BackupOptions {
        encryption: if given.unencrypted {
            Encryption::Plain
        } else {
            Encryption::Sealed
        },
        compression_level: or(given.compression_level, defaults.compression_level),
        table_connections: or(given.table_connections, defaults.table_connections),
        lock_timeout: lock_timeout?,
        max_duration: max_duration?,
        no_progress_timeout: no_progress_timeout?,
        max_attempts: or(given.max_attempts, defaults.max_attempts),
        chunking: chunking?.into(),
        exclude_tables: given.exclude_tables,
        exclude_table_data: given.exclude_table_data,
    };
    for bad in options.check().err().unwrap_or_default() {
        checks.take::<()>(Err(bad));
    }
    Some(options)
}
