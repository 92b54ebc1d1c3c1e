use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use crate::domain::audit::{Actor, AuditCheck, AuditRecord};

/// A row of the audit log.
pub(in crate::grpc) fn audit_log(record: AuditRecord) -> v1::AuditLog {
    let entry = record.entry;
    let (actor_id, actor_name) = match &entry.actor {
        Actor::Anonymous | Actor::System => (String::new(), String::new()),
        Actor::User(id, name) => (id.to_string(), name.clone()),
        Actor::Agent(id) => (id.to_string(), String::new()),
    };
    v1::AuditLog {
        number: record.number,
        at: Some(timestamp(record.at)),
        actor_kind: entry.actor.kind().to_owned(),
        actor_id,
        actor_name,
        method: entry.method,
        resource: entry.resource,
        outcome: entry.outcome,
        remote: entry.remote.unwrap_or_default(),
        request_json: record.request.unwrap_or_default(),
    }
}

/// What a look at the whole log came to.
pub(in crate::grpc) fn audit_check(check: AuditCheck) -> v1::VerifyAuditResponse {
    let faults = check.faults.into_iter().map(|fault| v1::AuditFault {
        day: fault.day,
        number: fault.number.unwrap_or_default(),
        problem: fault.problem.to_owned(),
    });
    v1::VerifyAuditResponse {
        days: check.days,
        rows: check.rows,
        faults: faults.collect(),
    }
}
