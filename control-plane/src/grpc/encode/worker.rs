use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use crate::queue::QueueStatus;
use crate::reconcilers::{LoopReport, LoopState};

pub(in crate::grpc) fn worker(report: LoopReport) -> v1::WorkerStatus {
    let state = match report.state {
        LoopState::Running => v1::WorkerState::Running,
        LoopState::Paused => v1::WorkerState::Paused,
        LoopState::Standby => v1::WorkerState::Standby,
        LoopState::Error => v1::WorkerState::Error,
    };
    v1::WorkerStatus {
        name: report.name.to_owned(),
        state: state.into(),
        reason: report.why_not().unwrap_or_default().to_owned(),
        last_pass_at: report.last_pass_at.map(timestamp),
    }
}

pub(in crate::grpc) fn queue(status: &QueueStatus) -> v1::QueueStatus {
    v1::QueueStatus {
        backend: status.backend.to_owned(),
        online: status.is_online(),
        since: status.gate.map(|gate| timestamp(gate.since)),
        reason: status.reason().unwrap_or_default().to_owned(),
    }
}
