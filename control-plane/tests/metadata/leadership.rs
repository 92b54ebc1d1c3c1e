//! What only one of several replicas does: one has the lease, another takes it over, and who was stopped meanwhile writes nothing.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dataguardian_control_plane::domain::leadership::{BEAT, Duty, LEFT_ALONE_FOR, TRUSTED_FOR, Tenure};
use dataguardian_control_plane::domain::schedule::Schedule;
use dataguardian_control_plane::services::schedules::Fired;
use dataguardian_control_plane::services::{Error, Services};
use dataguardian_control_plane::store::Backend;

use tokio::task::JoinSet;

use crate::world::{World, on_both};

impl World {
    /// Time passes, in which these renew what they have.
    async fn pass(&self, time: TimeDelta, alive: &[&Services]) {
        let mut left = time;
        while left > TimeDelta::zero() {
            self.advance(left.min(BEAT));
            left -= left.min(BEAT);
            for replica in alive {
                keep(replica).await;
            }
        }
    }
}

async fn keep(replica: &Services) -> bool {
    replica.leadership.keep(Duty::Schedule, true).await.unwrap()
}

fn tenure(replica: &Services) -> Option<Tenure> {
    replica.leadership.tenure(Duty::Schedule)
}

fn term(number: u64) -> Option<Tenure> {
    Some(Tenure::Leased {
        duty: Duty::Schedule,
        term: number,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_a_replica_that_falls_silent_is_taken_over_and_what_it_writes_later_is_refused() {
    let world = World::postgres().await;
    let (one, other) = (world.replica().await, world.replica().await);
    assert!(keep(&one).await, "nobody had it");
    assert!(!keep(&other).await);
    assert_eq!((tenure(&one), tenure(&other)), (term(1), None));
    // As long as it is renewed, it stays.
    world.pass(LEFT_ALONE_FOR * 3, &[&one, &other]).await;
    assert_eq!((tenure(&one), tenure(&other)), (term(1), None));
    // Silent, it does not trust its lease for as long as others leave it alone.
    let stopped = tenure(&one).unwrap();
    world.pass(TRUSTED_FOR, &[&other]).await;
    assert_eq!((tenure(&one), tenure(&other)), (None, None));
    world.pass(LEFT_ALONE_FOR - TRUSTED_FOR + BEAT, &[&other]).await;
    assert_eq!((tenure(&one), tenure(&other)), (None, term(2)));
    // It was stopped right before it wrote, and goes on.
    let late = one.schedules.fire(stopped).await;
    assert_eq!(late.unwrap(), Fired::default(), "there was nothing to write");
    let agent = world.agent("host1").await;
    world
        .scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC"))
        .await;
    world.advance(TimeDelta::hours(1));
    keep(&other).await;
    let late = one.schedules.fire(stopped).await;
    assert!(matches!(late, Err(Error::TakenOver)), "{late:?}");
    let fired = other.schedules.fire(tenure(&other).unwrap()).await.unwrap();
    assert_eq!(fired.fired, 1);
    // Back, it waits.
    assert!(!keep(&one).await);
    assert_eq!((tenure(&one), tenure(&other)), (None, term(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_or_can_not_do_it_gives_it_up_and_the_next_one_takes_it_at_once() {
    let world = World::postgres().await;
    let (one, other) = (world.replica().await, world.replica().await);
    assert!(keep(&one).await);
    // Its queue is offline.
    assert!(!one.leadership.keep(Duty::Schedule, false).await.unwrap());
    assert_eq!(tenure(&one), None);
    assert!(
        !one.leadership.keep(Duty::Schedule, false).await.unwrap(),
        "it takes nothing that it can't do"
    );
    assert!(keep(&other).await);
    assert_eq!(tenure(&other), term(2));
    other.leadership.resign().await.unwrap();
    assert_eq!(tenure(&other), None);
    assert!(!keep(&other).await, "who stops takes nothing any more");
    assert!(keep(&one).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_want_it_at_once_one_gets_it() {
    let world = World::postgres().await;
    let replicas = [
        world.replica().await,
        world.replica().await,
        world.replica().await,
        world.replica().await,
    ];
    for _ in 0..10 {
        let mut tasks = JoinSet::new();
        for replica in replicas.clone() {
            tasks.spawn(async move { keep(&replica).await });
        }
        let taken = tasks.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!(taken, 1);
        let holders: BTreeSet<_> = replicas.iter().map(|replica| tenure(replica).is_some()).collect();
        assert_eq!(holders.len(), 2, "one has it and others have not");
        let holder = replicas.iter().find(|replica| tenure(replica).is_some()).unwrap();
        holder.leadership.keep(Duty::Schedule, false).await.unwrap();
    }
}

on_both! {
    async fn a_lone_process_needs_no_lease(world: &World) {
        let replica = world.replica().await;
        let before = tenure(&replica);
        match world.store.backend() {
            Backend::Sqlite => {
                assert_eq!(before, Some(Tenure::Free));
                assert!(!keep(&replica).await);
                replica.leadership.resign().await.unwrap();
                assert_eq!(tenure(&replica), Some(Tenure::Free));
            }
            Backend::Postgres => assert_eq!(before, None, "nothing is done before the lease is there"),
        }
    }
}
