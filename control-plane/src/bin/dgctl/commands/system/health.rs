//! `dgctl system health`: what the replica that answers does, and what holds it up.

use dataguardian_proto::v1;

use super::super::Context;
use crate::error::Result;
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;

const WORKERS: List<4> = List {
    titles: ["worker", "state", "last pass", "reason"],
    spare: &["last pass"],
    none: "No worker.",
};

pub(super) async fn health(context: &Context) -> Result<()> {
    let api = context.api().await?;
    let request = v1::GetSystemInfoRequest {};
    let reply = api.system().get_system_info(request).await?.into_inner();
    context.output.show(&reply, describe)
}

fn describe(info: &v1::GetSystemInfoResponse, look: Look) -> String {
    let mut rows = vec![("Queue", queue(info.queue.as_ref()))];
    let since = info.queue.as_ref().and_then(|queue| queue.since.as_ref());
    if since.is_some() {
        rows.push(("Since", Field::text(&text::time_and_distance(since))));
    }
    rows.push((
        "Agents connected",
        Field::number(info.agents_connected.to_string()),
    ));
    format!("{}\n{}", details(look, rows), workers(&info.workers, look))
}

/// `redis, online`, or what is wrong with it.
pub(super) fn queue(queue: Option<&v1::QueueStatus>) -> Field {
    match queue {
        None => Field::text(""),
        Some(queue) if queue.online => Field::text(&format!("{}, online", queue.backend)).toned(Tone::Good),
        Some(queue) => {
            let reason = match queue.reason.as_str() {
                "" => "not asked yet",
                reason => reason,
            };
            Field::text(&format!("{}, offline: {reason}", queue.backend)).toned(Tone::Bad)
        }
    }
}

/// `backup paused, cleanup running`, in one line.
pub(super) fn in_short(workers: &[v1::WorkerStatus]) -> String {
    let each = |worker: &v1::WorkerStatus| format!("{} {}", worker.name, state(worker).0);
    workers.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn workers(workers: &[v1::WorkerStatus], look: Look) -> String {
    let rows = workers.iter().map(|worker| {
        let (state, tone) = state(worker);
        [
            Field::text(&worker.name),
            Field::text(state).toned(tone),
            Field::text(&text::time(worker.last_pass_at.as_ref())),
            Field::text(&worker.reason),
        ]
    });
    WORKERS.show(look, &rows.collect::<Vec<_>>())
}

fn state(worker: &v1::WorkerStatus) -> (&'static str, Tone) {
    match worker.state() {
        v1::WorkerState::Running => ("running", Tone::Good),
        v1::WorkerState::Paused => ("paused", Tone::Busy),
        v1::WorkerState::Standby => ("standby", Tone::Quiet),
        v1::WorkerState::Error => ("error", Tone::Bad),
        v1::WorkerState::Unspecified => ("unknown", Tone::Quiet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offline_queue_is_told_with_what_it_holds_up() {
        let worker = |name: &str, state: v1::WorkerState, reason: &str| v1::WorkerStatus {
            name: name.to_owned(),
            state: state.into(),
            reason: reason.to_owned(),
            last_pass_at: None,
        };
        let reason = "the queue is offline: Redis does not answer";
        let info = v1::GetSystemInfoResponse {
            queue: Some(v1::QueueStatus {
                backend: "redis".to_owned(),
                reason: "Redis does not answer".to_owned(),
                ..v1::QueueStatus::default()
            }),
            workers: vec![
                worker("backup", v1::WorkerState::Paused, reason),
                worker("cleanup", v1::WorkerState::Running, ""),
            ],
            ..v1::GetSystemInfoResponse::default()
        };
        insta::assert_snapshot!(describe(&info, Look::PLAIN));
        assert_eq!(in_short(&info.workers), "backup paused, cleanup running");
    }
}
