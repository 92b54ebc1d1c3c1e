//! Each time that the queue goes offline or comes back stands in the audit log. A row that can't be written now is written
//! later, with the time of the edge in it.

use chrono::SecondsFormat;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::audit::{Actor, AuditEntry};
use crate::queue::Queue;
use crate::queue::gate::{Edge, Turn};
use crate::services::Error;
use crate::services::audit::Audit;

/// Writes down when the queue went offline and came back.
#[derive(Debug, Clone)]
pub struct RecordEdges {
    /// Knows when.
    pub queue: Queue,
    /// Where it is written.
    pub audit: Audit,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Edges written down.
    pub edges: usize,
}

impl Reconcile for RecordEdges {
    const NAME: &'static str = "record_edges";
    type Report = Recorded;

    async fn pass(&self) -> Result<Pass<Recorded>, Error> {
        let mut report = Recorded::default();
        for edge in self.queue.unrecorded() {
            self.audit.append(entry(edge)).await?;
            self.queue.recorded(edge);
            report.edges += 1;
        }
        Ok(Pass::Done(report))
    }
}

fn entry(edge: Edge) -> AuditEntry {
    let (method, outcome) = match edge.turn {
        Turn::Online => ("queue online", "ok"),
        Turn::Offline(outage) => ("queue offline", outage.reason()),
    };
    AuditEntry {
        actor: Actor::System,
        method: method.to_owned(),
        resource: format!(
            "redis since {}",
            edge.at.to_rfc3339_opts(SecondsFormat::Millis, true)
        ),
        outcome: outcome.to_owned(),
        remote: None,
    }
}
