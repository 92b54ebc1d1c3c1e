use dataguardian_proto::v1;

use super::{BadFields, checked, known, length};
use crate::domain::field::{BadField, Checks};
use crate::domain::schedule::{DEFAULT_CATCH_UP, DEFAULT_TIMEZONE, MisfirePolicy, Schedule};
use crate::services::schedules::MOST_AHEAD;

/// How many times are told ahead unless told otherwise.
const USUALLY_AHEAD: usize = 5;

/// When a job runs. Defaults stand in for what is absent.
pub(super) fn schedule(checks: &mut Checks, given: v1::Schedule) -> Option<Schedule> {
    let misfire = checks.take(known::<v1::MisfirePolicy>(
        "schedule.misfire_policy",
        given.misfire_policy,
    ));
    let catch_up = given.catch_up_window.as_ref();
    let catch_up = checks.take(length("schedule.catch_up_window", catch_up, DEFAULT_CATCH_UP));
    let jitter = checks.take(length(
        "schedule.jitter",
        given.jitter.as_ref(),
        std::time::Duration::ZERO,
    ));
    let timezone = match given.timezone.as_str() {
        "" => DEFAULT_TIMEZONE.to_owned(),
        _ => given.timezone,
    };
    let schedule = Schedule {
        misfire: match misfire? {
            v1::MisfirePolicy::Unspecified | v1::MisfirePolicy::RunOnce => MisfirePolicy::RunOnce,
            v1::MisfirePolicy::Skip => MisfirePolicy::Skip,
        },
        catch_up: catch_up?,
        jitter: jitter?,
        ..Schedule::new(given.cron.trim(), timezone)
    };
    for bad in schedule.check().err().unwrap_or_default() {
        checks.take::<()>(Err(bad));
    }
    Some(schedule)
}

/// Whose times are asked for.
pub(in crate::grpc) enum Asked {
    /// A job's, by its name or id.
    Job(String),
    /// A schedule's.
    Schedule(Schedule),
}

/// Whose times are asked for, and how many.
pub(in crate::grpc) fn next_fire_times(
    request: v1::ListNextFireTimesRequest,
) -> Result<(Asked, usize), BadFields> {
    let mut checks = Checks::new();
    let count = match usize::try_from(request.count) {
        Ok(0) => Ok(USUALLY_AHEAD),
        Ok(count) if count <= MOST_AHEAD => Ok(count),
        Ok(_) | Err(_) => Err(BadField::new("count", format!("must be 1 to {MOST_AHEAD}"))),
    };
    let count = checks.take(count);
    let asked = match (request.job.is_empty(), request.schedule) {
        (false, None) => Some(Asked::Job(request.job)),
        (true, Some(given)) => schedule(&mut checks, given).map(Asked::Schedule),
        (true, None) | (false, Some(_)) => {
            checks.take(Err(BadField::new("job", "give either a job or a schedule")))
        }
    };
    checked(checks, asked.zip(count))
}
