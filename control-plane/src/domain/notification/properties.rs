//! What always holds, whatever happens in which order; and builders for the tests beside.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::execution::ExecutionKind;
use dataguardian_core::ids::{
    DatasourceId, ExecutionId, JobId, NotificationChannelId, NotificationDeliveryId, NotificationId,
    NotificationRuleId,
};
use proptest::prelude::*;

use super::delivery::{Delivery, DeliveryState, Fault, Stage, next_attempt};
use super::facts::{Facts, FailedExecution, HealthFacts, JobFacts, JobFailure, StorageFacts};
use super::observe::observe;
use super::plan::{Step, plan};
use super::rule::{Channels, Rule};
use super::{Condition, EventKind, Notification, Phase, Policy, Severity};
use crate::domain::health;

pub(super) fn job(name: &str) -> JobFacts {
    JobFacts {
        id: JobId::from_uuid(uuid::Uuid::from_u128(1)),
        name: name.to_owned(),
        datasource: (DatasourceId::from_uuid(uuid::Uuid::from_u128(2)), name.to_owned()),
        schedule: None,
        expected_since: DateTime::UNIX_EPOCH,
        completed_at: None,
        failed_at: None,
        failure: None,
        waits: None,
        at_work: false,
    }
}

pub(super) fn rule() -> Rule {
    Rule {
        id: NotificationRuleId::new(),
        name: "default".parse().unwrap(),
        min_severity: Severity::Warning,
        events: Vec::new(),
        datasource: None,
        job: None,
        channels: Channels::All,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        revision: 1,
    }
}

pub(super) fn notification(kind: EventKind) -> Notification {
    Notification {
        kind,
        phase: Phase::Began,
        ..Notification::test("x", DateTime::UNIX_EPOCH)
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The database, as far as it matters here: what is open, and what was told, each by its key once.
#[derive(Default)]
struct Book {
    open: Vec<Condition>,
    told: Vec<Notification>,
}

impl Book {
    /// Does what is to be done. `crash_after` steps nothing more is.
    fn carry_out(&mut self, steps: Vec<Step>, crash_after: usize) {
        for step in steps.into_iter().take(crash_after) {
            match step {
                Step::Begin(condition, notification) => {
                    assert!(self.open.iter().all(|open| open.key != condition.key));
                    self.open.push(condition);
                    self.tell(notification);
                }
                Step::Remind(condition, notification) => {
                    let told_at = notification.created_at;
                    self.tell(notification);
                    for open in self.open.iter_mut().filter(|open| open.key == condition.key) {
                        open.told_at = told_at;
                    }
                }
                Step::End(condition, notification) => {
                    self.open.retain(|open| open.key != condition.key);
                    self.tell(notification);
                }
                Step::Withdraw(condition) => self.open.retain(|open| open.key != condition.key),
                Step::Seen(_) => {}
                Step::Tell(notification) => self.tell(notification),
            }
        }
    }

    fn tell(&mut self, notification: Notification) {
        if self
            .told
            .iter()
            .all(|told| told.dedup_key != notification.dedup_key)
        {
            self.told.push(notification);
        }
    }

    fn pass(&mut self, facts: &Facts, policy: &Policy, now: DateTime<Utc>, crash_after: usize) {
        let seen = observe(facts, policy, now);
        let steps = plan(&self.open, seen, facts, policy, now);
        self.carry_out(steps, crash_after);
    }
}

fn facts(failing: bool) -> Facts {
    let failure = JobFailure {
        execution: ExecutionId::from_uuid(uuid::Uuid::from_u128(3)),
        at: now(),
        why: "the disk is full".into(),
        advice: "make room".into(),
    };
    let job = job("shop");
    Facts {
        datasources: vec![super::facts::DatasourceFacts {
            id: job.datasource.0,
            name: "shop".into(),
            created_at: now(),
            health: None,
            newest_at: None,
            verified_at: None,
            backup_within: None,
            verified_within: None,
        }],
        jobs: vec![JobFacts {
            failure: failing.then_some(failure),
            ..job
        }],
        ..Facts::default()
    }
}

proptest! {
    /// However often it looks and wherever it is killed: each change is told once, in turn, and nothing else is.
    #[test]
    fn what_begins_is_told_once_and_what_ends_too(
        history in proptest::collection::vec((any::<bool>(), 0_usize..3, 1_i64..100), 1..60)
    ) {
        let policy = Policy { remind_after: None, ..Policy::default() };
        let (mut book, mut at) = (Book::default(), now());
        for (failing, crash_after, seconds) in &history {
            at += TimeDelta::seconds(*seconds);
            book.pass(&facts(*failing), &policy, at, *crash_after);
        }
        let last = history.last().is_some_and(|(failing, ..)| *failing);
        book.pass(&facts(last), &policy, at + TimeDelta::seconds(1), usize::MAX);
        let phases: Vec<_> = book.told.iter().map(|told| told.phase).collect();
        for (index, phase) in phases.iter().enumerate() {
            let expected = if index % 2 == 0 { Phase::Began } else { Phase::Recovered };
            prop_assert_eq!(*phase, expected);
        }
        prop_assert_eq!(phases.len() % 2 == 1, last);
        prop_assert_eq!(book.open.len(), usize::from(last));
    }

    /// Attempts come later and later, never after the end, and there is an end.
    #[test]
    fn a_delivery_is_given_up_in_time(lasting: bool, wish in proptest::option::of(0_u64..100_000)) {
        let mut delivery = delivery();
        let give_up = TimeDelta::hours(24);
        let fault = Fault {
            lasting,
            retry_after: wish.map(std::time::Duration::from_secs),
            ..Fault::new(Stage::Connect, "refused")
        };
        let mut at = delivery.created_at;
        loop {
            delivery.attempts += 1;
            prop_assert!(delivery.attempts < 1000);
            let Some(next) = next_attempt(&delivery, &fault, give_up, at, &mut rand::rng()) else { break };
            prop_assert!(next > at && next <= delivery.created_at + give_up);
            at = next;
        }
        prop_assert!(delivery.attempts > 10, "it was tried {} times alone", delivery.attempts);
    }
}

fn delivery() -> Delivery {
    Delivery {
        id: NotificationDeliveryId::new(),
        notification: NotificationId::new(),
        channel: NotificationChannelId::new(),
        state: DeliveryState::Pending,
        attempts: 0,
        next_attempt_at: now(),
        created_at: now(),
        delivered_at: None,
        failure: None,
    }
}

#[test]
fn what_lasts_is_told_again_after_a_while() {
    let policy = Policy::default();
    let mut book = Book::default();
    for hours in 0..50 {
        book.pass(&facts(true), &policy, now() + TimeDelta::hours(hours), usize::MAX);
    }
    let phases: Vec<_> = book.told.iter().map(|told| told.phase).collect();
    assert_eq!(phases, [Phase::Began, Phase::Reminder, Phase::Reminder]);
}

#[test]
fn what_happened_is_told_once_and_is_never_over() {
    let failed = FailedExecution {
        id: ExecutionId::new(),
        kind: ExecutionKind::Restore,
        datasource: None,
        at: now(),
        why: "no".into(),
        advice: "yes".into(),
    };
    let facts = Facts {
        failures: vec![failed],
        ..Facts::default()
    };
    let mut book = Book::default();
    for minutes in 0..10 {
        book.pass(
            &facts,
            &Policy::default(),
            now() + TimeDelta::minutes(minutes),
            usize::MAX,
        );
    }
    book.pass(
        &Facts::default(),
        &Policy::default(),
        now() + TimeDelta::hours(1),
        usize::MAX,
    );
    let told: Vec<_> = book.told.iter().map(|told| (told.kind, told.phase)).collect();
    assert_eq!(told, [(EventKind::RestoreFailed, Phase::Happened)]);
}

#[test]
fn what_was_deleted_does_not_recover() {
    let mut book = Book::default();
    book.pass(&facts(true), &Policy::default(), now(), usize::MAX);
    book.pass(
        &Facts::default(),
        &Policy::default(),
        now() + TimeDelta::minutes(1),
        usize::MAX,
    );
    assert!(book.open.is_empty());
    assert_eq!(book.told.len(), 1);
}

fn storage(condition: health::Condition) -> Facts {
    let health = HealthFacts {
        condition,
        since: now(),
        problems: "connection refused".into(),
        free_bytes: Some(1 << 20),
    };
    let id = dataguardian_core::ids::StorageId::from_uuid(uuid::Uuid::from_u128(4));
    let storage = StorageFacts {
        id,
        name: "vault".into(),
        health: Some(health),
    };
    Facts {
        storages: vec![storage],
        ..Facts::default()
    }
}

#[test]
fn a_full_storage_that_goes_away_has_not_got_room() {
    use health::Condition::{Degraded, Healthy, Unhealthy};
    let mut book = Book::default();
    for (minutes, condition) in [Degraded, Unhealthy, Degraded, Healthy].into_iter().enumerate() {
        let at = now() + TimeDelta::minutes(i64::try_from(minutes).unwrap());
        book.pass(&storage(condition), &Policy::default(), at, usize::MAX);
    }
    let told: Vec<_> = book.told.iter().map(|told| (told.kind, told.phase)).collect();
    assert_eq!(
        told,
        [
            (EventKind::StorageNearlyFull, Phase::Began),
            (EventKind::StorageUnhealthy, Phase::Began),
            (EventKind::StorageUnhealthy, Phase::Recovered),
            (EventKind::StorageNearlyFull, Phase::Recovered),
        ]
    );
}

#[test]
fn one_replica_does_not_end_what_another_sees() {
    let offline = Facts {
        queue_offline: Some((now(), "Redis can't be reached".into())),
        ..Facts::default()
    };
    let policy = Policy::default();
    let mut book = Book::default();
    let at = |seconds| now() + TimeDelta::seconds(seconds);
    book.pass(&offline, &policy, at(59), usize::MAX);
    assert!(book.told.is_empty(), "a restart of Redis wakes nobody");
    book.pass(&offline, &policy, at(60), usize::MAX);
    book.pass(&Facts::default(), &policy, at(70), usize::MAX);
    assert_eq!(
        (book.told.len(), book.open.len()),
        (1, 1),
        "the other one still sees it"
    );
    book.pass(&Facts::default(), &policy, at(121), usize::MAX);
    assert_eq!(book.told.last().map(|told| told.phase), Some(Phase::Recovered));
}
