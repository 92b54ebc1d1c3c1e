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
        request_json: record.particulars.request.unwrap_or_default(),
        changes: changes(record.particulars.changes.as_deref().unwrap_or_default()),
    }
}

/// What a change has changed, as the log keeps it.
fn changes(kept: &str) -> Vec<v1::FieldChange> {
    let kept: Vec<serde_json::Value> = serde_json::from_str(kept).unwrap_or_default();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        value => value.to_string(),
    };
    let change = |change: serde_json::Value| v1::FieldChange {
        field: change["field"].as_str().unwrap_or_default().to_owned(),
        before_json: text(&change["before"]),
        after_json: text(&change["after"]),
    };
    kept.into_iter().map(change).collect()
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
