use dataguardian_proto::convert::{duration, timestamp};
use dataguardian_proto::v1;

use crate::domain::job::LastScheduled;
use crate::domain::schedule::due::{Gap, SkipReason};
use crate::domain::schedule::{MisfirePolicy, Schedule};
use crate::services::schedules::FireTime;

/// When a job runs.
pub(super) fn schedule(schedule: Schedule) -> v1::Schedule {
    let misfire = match schedule.misfire {
        MisfirePolicy::RunOnce => v1::MisfirePolicy::RunOnce,
        MisfirePolicy::Skip => v1::MisfirePolicy::Skip,
    };
    v1::Schedule {
        cron: schedule.cron,
        timezone: schedule.timezone,
        misfire_policy: misfire.into(),
        catch_up_window: Some(duration(schedule.catch_up)),
        jitter: Some(duration(schedule.jitter)),
    }
}

/// What became of a time.
pub(super) fn last_scheduled(last: LastScheduled) -> v1::LastScheduled {
    v1::LastScheduled {
        execution_id: last.execution.to_string(),
        scheduled_for: Some(timestamp(last.scheduled_for)),
        state: v1::ExecutionState::from(last.state).into(),
    }
}

/// Times that did not run.
pub(super) fn gap(gap: &Gap) -> v1::ScheduleGap {
    let reason = match gap.reason {
        SkipReason::Missed => v1::SkipReason::Missed,
        SkipReason::Overlap => v1::SkipReason::Overlap,
        SkipReason::AgentLocked => v1::SkipReason::AgentLocked,
        SkipReason::AgentRevoked => v1::SkipReason::AgentRevoked,
    };
    v1::ScheduleGap {
        reason: reason.into(),
        count: gap.count,
        first: Some(timestamp(gap.first)),
        last: Some(timestamp(gap.last)),
        blocked_by: gap.blocked_by.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// A time ahead.
pub(in crate::grpc) fn fire_time(time: FireTime) -> v1::FireTime {
    v1::FireTime {
        scheduled_for: Some(timestamp(time.firing.scheduled_for)),
        fire_at: Some(timestamp(time.firing.fire_at)),
        local: time.local,
    }
}
