//! Random concurrent histories on the real store keep the invariants.

use std::sync::Arc;

use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_tests::postgres::{Postgres, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::history::{Actor, Step, step};
use crate::invariants;
use crate::world::World;

/// Several actors, some of them at another replica, at the same time.
async fn play(world: &World, lives: Vec<Vec<Step>>) {
    let agent = world.agent("db1").await;
    let replica = world.replica().await;
    let options = BackupOptions {
        max_attempts: 3,
        ..BackupOptions::default()
    };
    let mut executions = Vec::new();
    for name in ["one", "two"] {
        let job = world.job(agent.id, name, options.clone()).await;
        for _ in 0..3 {
            executions.push(world.run(&job).await.id);
        }
    }
    let mut acting = tokio::task::JoinSet::new();
    for (index, steps) in lives.into_iter().enumerate() {
        let services = if index % 2 == 0 { &world.services } else { &replica };
        let actor = Actor::new(&agent, services, executions.clone(), world.clock.clone());
        acting.spawn(actor.live(steps));
    }
    let granted: Vec<_> = acting.join_all().await.into_iter().flatten().collect();
    invariants::check(world, &executions, &granted).await;
}

fn lives() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 10..40), 3..5)
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        max_shrink_iters: 30,
        failure_persistence: None,
        ..Config::default()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn any_history_on_sqlite_keeps_the_invariants() {
    let runtime = runtime();
    let outcome = runner(24).run(&lives(), |lives| {
        runtime.block_on(async {
            let world = World::sqlite().await;
            Box::pin(play(&world, lives)).await;
        });
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn any_history_on_postgres_keeps_the_invariants() {
    let runtime = runtime();
    let server = Arc::new(Postgres::start(Version::V15).unwrap());
    let number = std::cell::Cell::new(0);
    let outcome = runner(24).run(&lives(), |lives| {
        number.set(number.get() + 1);
        runtime.block_on(async {
            let database = format!("history{}", number.get());
            let world = World::on_server(server.clone(), &database).await;
            Box::pin(play(&world, lives)).await;
            world.store.close().await.unwrap();
        });
        Ok(())
    });
    outcome.unwrap();
}
