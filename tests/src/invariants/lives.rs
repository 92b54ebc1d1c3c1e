//! Executions: their events, attempts and leases, and who was at work at the same time.

use std::collections::{HashMap, HashSet};

use dataguardian_core::execution::{ExecutionEvent, ExecutionState};
use uuid::Uuid;

use super::rows::{Attempt, Event, Execution};
use super::{History, Invariants, Moment};

const EVENTS: [ExecutionEvent; 13] = [
    ExecutionEvent::Offered,
    ExecutionEvent::OfferLapsed,
    ExecutionEvent::Accepted,
    ExecutionEvent::PayloadStored,
    ExecutionEvent::Committed,
    ExecutionEvent::CommitFailed,
    ExecutionEvent::Finished,
    ExecutionEvent::AttemptFailed,
    ExecutionEvent::Failed,
    ExecutionEvent::RetryDue,
    ExecutionEvent::CancelRequested,
    ExecutionEvent::CancelConcluded,
    ExecutionEvent::Skipped,
];

pub(super) fn violations(history: &History, rules: &Invariants) -> Vec<String> {
    let mut found = Vec::new();
    for execution in &history.executions {
        let events: Vec<_> = history
            .events
            .iter()
            .filter(|event| event.execution == execution.id)
            .collect();
        let attempts = history
            .attempts
            .iter()
            .filter(|attempt| attempt.execution == execution.id);
        let attempts: Vec<_> = attempts.collect();
        let mut of_it = one_life(execution, &events);
        of_it.extend(attempts_match(execution, &attempts, &events));
        let stuck = rules.moment == Moment::Quiet
            && !state(&execution.state).is_some_and(ExecutionState::is_terminal);
        if stuck {
            of_it.push(format!("is stuck in {}", execution.state));
        }
        found.extend(
            of_it
                .into_iter()
                .map(|what| format!("execution {} {what}; its life: {}", execution.id, life(&events))),
        );
    }
    found.extend(nobody_collides(history, rules.backups_per_agent));
    found
}

/// Every event follows the state machine from where the one before ended, and nothing follows an end.
fn one_life(execution: &Execution, events: &[&Event]) -> Vec<String> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return vec!["has no event".to_owned()];
    };
    let mut found = Vec::new();
    // One that is known from its backup's manifest alone has no life to tell.
    let begins = (first.event.as_str(), first.to_state.as_str(), first.revision);
    if begins != ("queued", "queued", 1) && begins != ("imported", "completed", 1) {
        found.push("was not queued first".to_owned());
    }
    for pair in events.windows(2) {
        let [before, after] = pair else { continue };
        let legal = before.to_state == after.from_state && follows(after);
        if !legal {
            found.push(format!(
                "went from {} by {} to {}",
                before.to_state, after.event, after.to_state
            ));
        }
        if after.revision <= before.revision || after.attempt < before.attempt {
            found.push("went back in revision or attempt".to_owned());
        }
    }
    if (execution.state.as_str(), execution.attempt) != (last.to_state.as_str(), last.attempt)
        || execution.revision < last.revision
    {
        found.push(format!(
            "is {} in attempt {}, which no event says",
            execution.state, execution.attempt
        ));
    }
    let terminal = state(&execution.state).is_some_and(ExecutionState::is_terminal);
    if execution.ended != terminal {
        found.push("has an end and goes on, or none and does not".to_owned());
    }
    if events
        .iter()
        .filter(|event| event.event == "payload_stored")
        .count()
        > 1
    {
        found.push("has more than one manifest".to_owned());
    }
    found
}

fn follows(event: &Event) -> bool {
    let known = EVENTS.into_iter().find(|known| known.as_str() == event.event);
    let (Some(known), Some(from), Some(to)) = (known, state(&event.from_state), state(&event.to_state))
    else {
        return false;
    };
    from.apply(known) == Ok(to)
}

/// One attempt for each acceptance, numbered from 1, all but a running one ended; no lease twice.
fn attempts_match(execution: &Execution, attempts: &[&Attempt], events: &[&Event]) -> Vec<String> {
    let mut found = Vec::new();
    let accepted = events.iter().filter(|event| event.event == "accepted").count();
    let in_order = attempts
        .iter()
        .zip(1..)
        .all(|(attempt, number)| attempt.number == number);
    if attempts.len() != accepted || !in_order {
        found.push(format!(
            "has {} attempts and was accepted {accepted} times",
            attempts.len()
        ));
    }
    let open = attempts.iter().filter(|attempt| !attempt.ended).count();
    let running = ["running", "committing", "cancelling"].contains(&execution.state.as_str());
    if open > usize::from(running) {
        found.push(format!("has {open} open attempts and is {}", execution.state));
    }
    let offered = events.iter().filter(|event| event.event == "offered");
    let leases: Vec<_> = offered.map(|event| event.lease_token).collect();
    if leases.iter().collect::<HashSet<_>>().len() != leases.len() {
        found.push("had one lease twice".to_owned());
    }
    found
}

/// Replays all events in the order of their making: never two at work on one datasource, never too many backups on an agent.
/// Verifications read what is stored and touch no datasource.
fn nobody_collides(history: &History, backups_per_agent: usize) -> Vec<String> {
    let executions: HashMap<Uuid, &Execution> = history
        .executions
        .iter()
        .map(|execution| (execution.id, execution))
        .collect();
    let mut at_work: HashSet<Uuid> = HashSet::new();
    let mut found = Vec::new();
    for event in &history.events {
        if !state(&event.to_state).is_some_and(ExecutionState::occupies_agent) {
            at_work.remove(&event.execution);
            continue;
        }
        let (true, Some(own)) = (at_work.insert(event.execution), executions.get(&event.execution)) else {
            continue;
        };
        let others = at_work
            .iter()
            .filter_map(|id| executions.get(id))
            .filter(|other| other.id != own.id && other.kind != "verify");
        let others: Vec<_> = others.collect();
        let touches = own.kind != "verify" && own.datasource.is_some();
        if let Some(other) = others
            .iter()
            .find(|other| touches && other.datasource == own.datasource)
        {
            found.push(format!(
                "executions {} and {} were at work on one datasource",
                own.id, other.id
            ));
        }
        let beside = others
            .iter()
            .filter(|other| other.agent == own.agent && other.kind == "backup")
            .count();
        if own.kind == "backup" && beside >= backups_per_agent {
            found.push(format!("agent {} had {} backups at work", own.agent, beside + 1));
        }
    }
    found
}

fn state(text: &str) -> Option<ExecutionState> {
    text.parse().ok()
}

/// An execution's life on one line.
fn life(events: &[&Event]) -> String {
    let steps = events
        .iter()
        .map(|event| format!("{} → {} ({})", event.event, event.to_state, event.attempt));
    steps.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::Storages;

    fn event(number: i64, execution: Uuid, event: &str, from: &str, to: &str, attempt: i32) -> Event {
        Event {
            execution,
            revision: number,
            event: event.to_owned(),
            from_state: from.to_owned(),
            to_state: to.to_owned(),
            attempt,
            lease_token: Some(Uuid::from_u128(u128::from(number.unsigned_abs()))),
        }
    }

    fn good() -> History {
        let id = Uuid::from_u128(7);
        let execution = Execution {
            id,
            kind: "backup".to_owned(),
            state: "failed".to_owned(),
            attempt: 1,
            revision: 4,
            ended: true,
            agent: Uuid::nil(),
            datasource: Some(Uuid::nil()),
            backup: None,
        };
        History {
            executions: vec![execution],
            events: vec![
                event(1, id, "queued", "queued", "queued", 0),
                event(2, id, "offered", "queued", "leased", 0),
                event(3, id, "accepted", "leased", "running", 1),
                event(4, id, "failed", "running", "failed", 1),
            ],
            attempts: vec![Attempt {
                execution: id,
                number: 1,
                ended: true,
            }],
            ..History::default()
        }
    }

    fn check(history: &History) -> Vec<String> {
        let rules = Invariants {
            storages: Storages::None,
            ..Invariants::of("")
        };
        violations(history, &rules)
    }

    #[test]
    fn a_good_life_passes() {
        assert_eq!(check(&good()), Vec::<String>::new());
    }

    #[test]
    fn every_breach_is_found() {
        type Breach = (&'static str, fn(&mut History));
        let breaches: [Breach; 8] = [
            ("stuck", |history| {
                history.events.pop();
                history.executions[0].state = "running".into();
                history.executions[0].ended = false;
                history.attempts[0].ended = false;
            }),
            ("no event says", |history| {
                history.executions[0].state = "completed".into()
            }),
            ("went from", |history| {
                history.events.remove(2);
            }),
            ("went back", |history| history.events[3].attempt = 0),
            ("open attempts", |history| history.attempts[0].ended = false),
            ("was accepted", |history| history.attempts.clear()),
            ("has an end", |history| history.executions[0].ended = false),
            ("not queued first", |history| {
                history.events.remove(0);
            }),
        ];
        for (what, breach) in breaches {
            let mut history = good();
            breach(&mut history);
            let found = check(&history);
            assert!(
                found.iter().any(|violation| violation.contains(what)),
                "{what}: {found:?}"
            );
        }
    }

    #[test]
    fn two_at_work_on_one_datasource_are_found() {
        let mut history = good();
        let other = Uuid::from_u128(8);
        history.executions.push(Execution {
            id: other,
            ..history.executions[0].clone()
        });
        history.attempts.push(Attempt {
            execution: other,
            number: 1,
            ended: true,
        });
        for (number, at) in [(3, 0), (4, 1), (5, 2)] {
            let copied = history.events[at].clone();
            history.events.insert(
                number,
                Event {
                    execution: other,
                    ..copied
                },
            );
        }
        let last = history.events.last().unwrap().clone();
        history.events.push(Event {
            execution: other,
            ..last
        });
        let found = check(&history);
        assert!(
            found.iter().any(|violation| violation.contains("one datasource")),
            "{found:?}"
        );
        assert!(
            found
                .iter()
                .any(|violation| violation.contains("2 backups at work")),
            "{found:?}"
        );
    }
}
