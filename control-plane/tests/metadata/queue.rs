//! The queue: who goes first, and two replicas that share a Redis.

use std::time::Duration;

use dataguardian_control_plane::domain::addressee::Addressee;
use dataguardian_control_plane::domain::assignment::FreeSlots;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::worker::Worker;
use dataguardian_control_plane::queue::redis::RedisSettings;
use dataguardian_control_plane::queue::{Heard, Listener, Queue, Signal};
use dataguardian_core::clock::SystemClock;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ControlPlaneId, ExecutionId, LeaseToken, ReplicaId, RequestId};
use dataguardian_core::secret::Secret;
use dataguardian_tests::redis::RedisServer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::world::{World, on_both};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

on_both! {
    /// What a schedule began waits for what a person asked for, however late that came.
    async fn manual_goes_before_scheduled_and_older_before_younger(world: &World) {
        let agent = world.agent("db1").await;
        let mut queued = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let job = world.job(agent.id, name, BackupOptions::default()).await;
            queued.push(world.run(&job).await.id);
        }
        for scheduled in &queued[..2] {
            let id = world.id_literal(scheduled.as_uuid());
            world.sql(&format!("update executions set priority = 100 where id = {id}")).await;
        }
        let mut order = Vec::new();
        for _ in 0..4 {
            let claimed = world.services.assignments.claim(Worker::Backup, agent.id, FreeSlots(8)).await.unwrap();
            let fence = claimed.expect("one waits").fence;
            order.push(fence.execution);
            world.services.executions.cancel(fence.execution).await.unwrap();
            world.services.assignments.decline(agent.id, fence, "busy").await.unwrap();
        }
        assert_eq!(order, [queued[2], queued[3], queued[0], queued[1]]);
    }

    async fn a_worker_claims_its_own_kind_alone(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "a", BackupOptions::default()).await;
        let queued = world.run(&job).await;
        let claim = async |worker| world.services.assignments.claim(worker, agent.id, FreeSlots(8)).await.unwrap();
        assert!(claim(Worker::Restore).await.is_none());
        assert_eq!(claim(Worker::Backup).await.unwrap().fence.execution, queued.id);
    }
}

/// A replica's queue, with what keeps it connected.
struct Replica {
    queue: Queue,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Replica {
    fn of(control_plane: ControlPlaneId, redis: &RedisServer) -> Self {
        let settings = RedisSettings::new(&Secret::new(redis.url()), None).unwrap();
        let (queue, link) = Queue::redis(settings, control_plane, SystemClock::shared());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(link.run(stop.clone()));
        Self { queue, stop, tasks }
    }

    async fn turned(&self, online: bool) {
        let turning = async {
            while self.queue.is_online() != online {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, turning).await.unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The next signal, past any "look anew".
async fn next_signal(listener: &mut Listener) -> Signal {
    let hearing = async {
        loop {
            if let Heard::Signal(signal) = listener.next().await {
                return signal;
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing)
        .await
        .expect("a signal comes")
}

/// Waits until the other one's signals come here: it may not listen yet.
async fn until_heard(from: &Queue, listener: &mut Listener) {
    let marker = Signal::ExecutionChanged(ExecutionId::new());
    let hearing = async {
        loop {
            from.signal(marker);
            let heard = tokio::time::timeout(Duration::from_millis(50), listener.next()).await;
            if heard == Ok(Heard::Signal(marker)) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, hearing)
        .await
        .expect("the replicas hear each other");
    while tokio::time::timeout(Duration::from_millis(100), listener.next())
        .await
        .is_ok()
    {}
}

fn signals() -> Vec<Signal> {
    let (agent, execution) = (AgentId::new(), ExecutionId::new());
    let fence = Fence {
        execution,
        attempt: 2,
        lease_token: LeaseToken::new(),
    };
    vec![
        Signal::WorkQueued(agent, Worker::Backup),
        Signal::WorkQueued(agent, Worker::Restore),
        Signal::CancelRequested(agent, fence),
        Signal::LogsAppended(execution),
        Signal::AgentRevoked(agent),
        Signal::AgentRebuilt(agent),
        Signal::BackupDeleted,
        Signal::AuthoritiesChanged,
        Signal::SchedulesChanged,
        Signal::RetentionDue,
        Signal::Asked(Addressee::Agent(agent)),
        Signal::Asked(Addressee::Replica(ReplicaId::new())),
        Signal::Answered(RequestId::new()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_hear_each_other_and_themselves_once_and_no_other_control_plane() {
    let redis = RedisServer::start().unwrap();
    let ours = ControlPlaneId::new();
    let (one, two) = (Replica::of(ours, &redis), Replica::of(ours, &redis));
    let stranger = Replica::of(ControlPlaneId::new(), &redis);
    for replica in [&one, &two, &stranger] {
        replica.turned(true).await;
    }
    let (mut here, mut there) = (one.queue.listen(), two.queue.listen());
    until_heard(&one.queue, &mut there).await;
    while tokio::time::timeout(Duration::from_millis(100), here.next())
        .await
        .is_ok()
    {}
    let mut elsewhere = stranger.queue.listen();
    for signal in signals() {
        one.queue.signal(signal);
        assert_eq!(next_signal(&mut here).await, signal, "its own, at once");
        assert_eq!(next_signal(&mut there).await, signal, "the other's, by Redis");
    }
    let last = Signal::ExecutionChanged(ExecutionId::new());
    two.queue.signal(last);
    assert_eq!(
        next_signal(&mut here).await,
        last,
        "nothing of its own came back before"
    );
    let own = Signal::ExecutionChanged(ExecutionId::new());
    stranger.queue.signal(own);
    assert_eq!(next_signal(&mut elsewhere).await, own, "and nothing of another's");
    for replica in [one, two, stranger] {
        replica.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_a_replica_hears_itself_and_then_looks_at_everything() {
    let mut redis = RedisServer::start().unwrap();
    let ours = ControlPlaneId::new();
    let (one, two) = (Replica::of(ours, &redis), Replica::of(ours, &redis));
    one.turned(true).await;
    two.turned(true).await;
    redis.kill().unwrap();
    one.turned(false).await;
    two.turned(false).await;
    let (mut here, mut there) = (one.queue.listen(), two.queue.listen());
    // More than any channel holds: nobody waits, and nothing grows.
    let signal = Signal::ExecutionChanged(ExecutionId::new());
    for _ in 0..3_000 {
        one.queue.signal(signal);
    }
    assert_eq!(next_signal(&mut here).await, signal);
    redis.start_again().unwrap();
    one.turned(true).await;
    two.turned(true).await;
    let missed = async { while there.next().await != Heard::Missed {} };
    tokio::time::timeout(PATIENCE, missed)
        .await
        .expect("what was lost is made up for");
    until_heard(&one.queue, &mut there).await;
    one.end().await;
    two.end().await;
}
