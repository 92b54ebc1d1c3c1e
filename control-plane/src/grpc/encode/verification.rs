use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use crate::domain::verification::{
    CheckOutcome, CopyCheck, DamagedObject, Notice, ObjectFault, VerifiedCopy, VerifyReport,
};

/// What a verification found.
pub(super) fn verify_report(report: VerifyReport) -> v1::VerifyReport {
    v1::VerifyReport {
        level: u32::from(report.level.number()),
        copies: report.copies.into_iter().map(copy).collect(),
    }
}

fn copy(copy: VerifiedCopy) -> v1::VerifiedCopy {
    v1::VerifiedCopy {
        good: copy.failure.is_none() && copy.fault_count == 0,
        storage: copy.storage,
        objects: copy.objects,
        bytes: copy.bytes,
        faults: copy.faults.into_iter().map(fault).collect(),
        fault_count: copy.fault_count,
        failure: copy.failure.as_ref().map(Into::into),
    }
}

fn fault(fault: ObjectFault) -> v1::ObjectFault {
    v1::ObjectFault {
        object: fault.object,
        problem: fault.problem,
        hurts: fault.hurts,
        hurt_count: fault.hurt_count,
    }
}

/// The last check of a copy at a level.
pub(super) fn check(check: CopyCheck) -> v1::CopyCheck {
    let outcome = match check.outcome {
        CheckOutcome::Good => v1::CheckOutcome::Good,
        CheckOutcome::Damaged => v1::CheckOutcome::Damaged,
        CheckOutcome::Mended => v1::CheckOutcome::Mended,
    };
    v1::CopyCheck {
        level: u32::from(check.level.number()),
        checked_at: Some(timestamp(check.checked_at)),
        outcome: outcome.into(),
        faults: check.faults,
    }
}

/// An object that is damaged or lost.
pub(super) fn damage(object: DamagedObject) -> v1::ObjectFault {
    v1::ObjectFault {
        object: object.key.to_string(),
        problem: object.problem,
        hurts: Vec::new(),
        hurt_count: 0,
    }
}

/// Something that a person should see to.
pub(in crate::grpc) fn notice(notice: Notice) -> v1::SystemNotice {
    v1::SystemNotice {
        reason: notice.reason.to_owned(),
        message: notice.message,
        command: notice.command,
    }
}
