//! Random histories of two jobs of one datasource on the real store: backups, failed ones, restores, pins, checks and deletions by
//! hand, mixed in any order. What is kept of the job with retention is what the rules say of its own backups alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use dataguardian_control_plane::domain::assignment::AttemptOutcome;
use dataguardian_control_plane::domain::backup::BackupFilter;
use dataguardian_control_plane::domain::deletion::LastBackup;
use dataguardian_control_plane::domain::execution::RestoreReport;
use dataguardian_control_plane::domain::job::{BackupOptions, Job, JobChange};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::domain::retention::{Candidate, Gfs, Policy, Retention, WholeCopy, decide};
use dataguardian_control_plane::services::deletion::DeletionRequest;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, DatasourceId, JobId};
use dataguardian_tests::postgres::{Postgres, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::claims::new_restore;
use crate::simulated::SimulatedAgent;
use crate::world::{World, new_job};

#[derive(Debug, Clone)]
enum Step {
    /// A backup of the job with retention, and one of the other.
    BackUp,
    BackUpOther,
    /// One that fails.
    Fail,
    /// A restore of the newest backup, that completes or fails.
    Restore(bool),
    /// The backup of that number, counted from the newest, is pinned, unpinned, verified or deleted by hand.
    Pin(usize),
    Unpin(usize),
    Verify(usize),
    Delete(usize),
    Hours(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::BackUp),
        3 => Just(Step::BackUpOther),
        3 => Just(Step::Fail),
        3 => any::<bool>().prop_map(Step::Restore),
        2 => (0..4_usize).prop_map(Step::Pin),
        2 => (0..4_usize).prop_map(Step::Unpin),
        2 => (0..4_usize).prop_map(Step::Verify),
        1 => (0..4_usize).prop_map(Step::Delete),
        6 => (1..40_i64).prop_map(Step::Hours),
    ]
}

fn rules() -> impl Strategy<Value = Retention> {
    let gfs = (0..3_u32, 1..4_u32, 0..3_u32).prop_map(|(hourly, daily, weekly)| {
        Policy::Gfs(Gfs {
            hourly,
            daily,
            weekly,
            ..Gfs::default()
        })
    });
    let zones = prop::sample::select(vec![Tz::UTC, Tz::Europe__Berlin, Tz::Pacific__Apia]);
    let policy = prop_oneof![(1..4_u32).prop_map(Policy::MaxBackups), gfs];
    (policy, zones).prop_map(|(policy, zone)| Retention {
        policy,
        zone,
        min_backups: 1,
    })
}

/// What the test knows of a backup of the job.
#[derive(Debug, Clone)]
struct Made {
    id: BackupId,
    at: DateTime<Utc>,
    pinned: bool,
    verified: bool,
}

struct Life<'a> {
    world: &'a World,
    agent: SimulatedAgent,
    job: Job,
    other: Job,
    target: DatasourceId,
    rules: Retention,
    /// Kept, the oldest first.
    kept: Vec<Made>,
    of_other: usize,
}

impl<'a> Life<'a> {
    async fn begin(world: &'a World, rules: Retention) -> Self {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let other = new_job("other", job.datasource, &[job.storages[0].id]);
        let other = world.services.jobs.create(other).await.unwrap();
        let target = world.datasource(agent.id, "target").await;
        let change = JobChange {
            retention: Some(Some(rules)),
            ..JobChange::default()
        };
        world
            .services
            .jobs
            .update(&Reference::Id(job.id), change)
            .await
            .unwrap();
        Self {
            world,
            agent,
            job,
            other,
            target,
            rules,
            kept: Vec::new(),
            of_other: 0,
        }
    }

    fn numbered(&mut self, n: usize) -> Option<&mut Made> {
        self.kept.iter_mut().rev().nth(n)
    }

    async fn live(&mut self, step: &Step) {
        let world = self.world;
        let services = &world.services;
        match step {
            Step::BackUp => {
                world.run(&self.job).await;
                let id = self.agent.back_up().await.backup().unwrap();
                self.kept.push(Made {
                    id,
                    at: world.now(),
                    pinned: false,
                    verified: false,
                });
            }
            Step::BackUpOther => {
                world.run(&self.other).await;
                self.agent.back_up().await;
                self.of_other += 1;
            }
            Step::Fail => {
                world.run(&self.job).await;
                let assignment = self.agent.begin().await;
                self.agent
                    .fail(assignment.fence, FailureKind::DatabaseAuthentication)
                    .await
                    .unwrap();
            }
            Step::Restore(well) => self.restore(*well).await,
            Step::Pin(n) => {
                if let Some(made) = self.numbered(*n) {
                    made.pinned = true;
                    let word = ("ada".to_owned(), "it stays".to_owned());
                    services.deletion.pin(made.id, None, word).await.unwrap();
                }
            }
            Step::Unpin(n) => {
                if let Some(made) = self.numbered(*n) {
                    made.pinned = false;
                    services.deletion.unpin(made.id, None).await.unwrap();
                }
            }
            Step::Verify(n) => self.verify(*n).await,
            Step::Delete(n) => {
                let Some(made) = self.numbered(*n).cloned() else {
                    return;
                };
                let request = DeletionRequest {
                    backup: made.id,
                    last: LastBackup::MayGo,
                    revision: None,
                };
                let deleted = services.deletion.delete(request).await;
                assert_eq!(deleted.is_ok(), !made.pinned);
                if !made.pinned {
                    self.kept.retain(|kept| kept.id != made.id);
                }
            }
            Step::Hours(hours) => world.advance(TimeDelta::hours(*hours)),
        }
    }

    async fn restore(&mut self, well: bool) {
        let Some(newest) = self.kept.last() else { return };
        let mut restore = new_restore(self.job.datasource, self.target);
        restore.backup = BackupChoice::Id(newest.id, None);
        self.world.services.restores.start(restore).await.unwrap();
        let assignment = self.agent.begin().await;
        if well {
            let report = RestoreReport {
                planned: false,
                databases: vec![],
                tables: vec![],
                rows: 0,
            };
            let done = AttemptOutcome::Restore {
                report,
                warnings: vec![],
            };
            self.agent.complete(assignment.fence, done).await.unwrap();
        } else {
            self.agent
                .fail(assignment.fence, FailureKind::TargetUnfit)
                .await
                .unwrap();
        }
    }

    async fn verify(&mut self, n: usize) {
        let Some(made) = self.numbered(n).filter(|made| !made.verified) else {
            return;
        };
        made.verified = true;
        let id = made.id;
        let world = self.world;
        let (backup, storage) = (
            world.id_literal(id.as_uuid()),
            world.id_literal(self.job.storages[0].id.as_uuid()),
        );
        world
            .sql(&format!(
                "INSERT INTO copy_checks (backup_id, storage_id, level, checked_at, outcome, faults) \
                 VALUES ({backup}, {storage}, 2, '2027-01-15 08:00:00+00:00', 'good', 0)"
            ))
            .await;
    }

    /// Retention is applied, and leaves what the rules say of the backups of that job alone.
    async fn settle(&mut self) {
        self.world
            .services
            .retention
            .apply_all(Tenure::Free)
            .await
            .unwrap();
        let candidates: Vec<_> = self
            .kept
            .iter()
            .map(|made| Candidate {
                backup: made.id,
                completed_at: made.at,
                partial: false,
                pinned: made.pinned,
                in_use: false,
                whole: vec![WholeCopy {
                    storage: self.job.storages[0].id,
                    verified: made.verified,
                }],
            })
            .collect();
        let decided = decide(&self.rules, &[], &candidates, self.world.now());
        let stays = decided.into_iter().filter(|decision| !decision.deletes());
        let stays: BTreeSet<_> = stays.map(|decision| decision.backup).collect();
        self.kept.retain(|made| stays.contains(&made.id));
        assert_eq!(self.listed(self.job.id).await, stays);
        assert_eq!(self.listed(self.other.id).await.len(), self.of_other);
    }

    async fn listed(&self, job: JobId) -> BTreeSet<BackupId> {
        let filter = BackupFilter {
            job: Some(Reference::Id(job)),
            ..BackupFilter::default()
        };
        let page = PageRequest::parse(1000, "").unwrap();
        let listed = self.world.services.backups.list(&filter, &page).await.unwrap();
        listed.items.iter().map(|backup| backup.id).collect()
    }
}

async fn play(world: &World, rules: Retention, steps: &[Step]) {
    let mut life = Box::pin(Life::begin(world, rules)).await;
    for step in steps {
        life.live(step).await;
        life.settle().await;
    }
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
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn histories() -> impl Strategy<Value = (Retention, Vec<Step>)> {
    (rules(), prop::collection::vec(step(), 5..30))
}

#[test]
fn only_the_jobs_own_backups_decide_on_sqlite() {
    let runtime = runtime();
    runner(12)
        .run(&histories(), |(rules, steps)| {
            runtime.block_on(async { Box::pin(play(&World::sqlite().await, rules, &steps)).await });
            Ok(())
        })
        .unwrap();
}

#[test]
fn only_the_jobs_own_backups_decide_on_postgres() {
    let runtime = runtime();
    let server = Arc::new(Postgres::start(Version::V15).unwrap());
    let next = std::sync::atomic::AtomicU32::new(0);
    runner(6)
        .run(&histories(), |(rules, steps)| {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(async {
                let world = World::on_server(Arc::clone(&server), &format!("history{number}")).await;
                Box::pin(play(&world, rules, &steps)).await;
            });
            Ok(())
        })
        .unwrap();
}
