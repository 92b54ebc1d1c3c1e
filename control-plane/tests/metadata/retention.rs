//! Retention, by a clock that the tests move: what goes after each backup, what stays whatever the rules say, and what is forgotten
//! with time.

use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use dataguardian_control_plane::domain::audit::{Actor, AuditEntry};
use dataguardian_control_plane::domain::backup::BackupFilter;
use dataguardian_control_plane::domain::job::{BackupOptions, Job, JobChange};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::retention::{Gfs, Policy, Retention, Rule, Verdict};
use dataguardian_control_plane::services::ageing::{Ages, Forgotten};
use dataguardian_control_plane::services::retention::{Applied, PreviewOf};
use dataguardian_control_plane::store::transitions::execution_events;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, ExecutionId};
use dataguardian_core::storage::Strategy;

use crate::claims::new_restore;
use crate::simulated::SimulatedAgent;
use crate::world::{World, new_job, on_both};

fn newest(most: u32) -> Retention {
    Retention {
        policy: Policy::MaxBackups(most),
        zone: Tz::UTC,
        min_backups: 1,
    }
}

async fn retain(world: &World, job: &Job, retention: Option<Retention>) {
    let change = JobChange {
        retention: Some(retention),
        ..JobChange::default()
    };
    let updated = world.services.jobs.update(&Reference::Id(job.id), change).await;
    assert_eq!(updated.unwrap().after.retention, retention);
}

/// So many backups, an hour apart; the oldest first.
async fn back_up(world: &World, agent: &SimulatedAgent, job: &Job, count: usize) -> Vec<BackupId> {
    let mut made = Vec::new();
    for _ in 0..count {
        world.advance(TimeDelta::hours(1));
        world.run(job).await;
        made.push(agent.back_up().await.backup().unwrap());
    }
    made
}

/// The backups of a job that are kept, the oldest first.
async fn kept(world: &World, job: &Job) -> Vec<BackupId> {
    let filter = BackupFilter {
        job: Some(Reference::Id(job.id)),
        ..BackupFilter::default()
    };
    let page = PageRequest::parse(1000, "").unwrap();
    let listed = world.services.backups.list(&filter, &page).await.unwrap();
    listed.items.iter().rev().map(|backup| backup.id).collect()
}

async fn apply(world: &World) -> Applied {
    world.services.retention.apply_due(Tenure::Free).await.unwrap()
}

async fn set(world: &World, table: &str, what: &str, key: &str, id: BackupId) {
    let id = world.id_literal(id.as_uuid());
    world
        .sql(&format!("UPDATE {table} SET {what} WHERE {key} = {id}"))
        .await;
}

on_both! {
    async fn after_each_backup_what_is_beyond_goes_and_nothing_of_other_jobs(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let storage = job.storages[0].id;
        let other = world.services.jobs.create(new_job("other", job.datasource, &[storage])).await.unwrap();
        let of_other = back_up(world, &agent, &other, 3).await;
        retain(world, &job, Some(newest(2))).await;
        assert_eq!(apply(world).await, Applied { jobs: 1, deleted: 0, held: 0 });
        let mut made = Vec::new();
        for _ in 0..4 {
            made.extend(back_up(world, &agent, &job, 1).await);
            // A failed one counts for nothing.
            let failed = world.run(&job).await;
            let assignment = agent.begin().await;
            agent.fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
            assert_eq!(world.services.executions.get(failed.id).await.unwrap().state, ExecutionState::Failed);
            apply(world).await;
            let last_two = made[made.len().saturating_sub(2)..].to_vec();
            assert_eq!(kept(world, &job).await, last_two);
        }
        assert_eq!(apply(world).await, Applied::default(), "nothing has changed since");
        assert_eq!(kept(world, &other).await, of_other);
        let leaving = world.services.deletion.leaving().await.unwrap();
        assert_eq!(leaving.iter().map(|(backup, _)| *backup).collect::<Vec<_>>(), made[..2]);

        let audit = world.services.audit.list(&PageRequest::default()).await.unwrap().items;
        let entries: Vec<_> = audit.into_iter().map(|record| record.entry).filter(|entry| entry.method == "retention").collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].resource, format!("backup {} of job shop", made[0]));
        assert_eq!((entries[1].outcome.as_str(), &entries[1].actor), ("deleted: beyond max_backups", &Actor::System));

        retain(world, &job, None).await;
        back_up(world, &agent, &job, 3).await;
        assert_eq!(apply(world).await, Applied::default());
        assert_eq!(kept(world, &job).await.len(), 5, "without retention nothing goes");
    }

    async fn what_is_pinned_verified_or_being_restored_stays(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let made = back_up(world, &agent, &job, 6).await;
        let deletion = &world.services.deletion;
        deletion.pin(made[0], None, ("ada".into(), "the audit".into())).await.unwrap();
        let (storage, at) = (world.id_literal(job.storages[0].id.as_uuid()), "2027-01-15 08:00:00+00:00");
        let verified = world.id_literal(made[1].as_uuid());
        world.sql(&format!(
            "INSERT INTO copy_checks (backup_id, storage_id, level, checked_at, outcome, faults) VALUES ({verified}, {storage}, 2, '{at}', 'good', 0)"
        )).await;
        let target = world.datasource(agent.id, "target").await;
        let mut restore = new_restore(job.datasource, target);
        restore.backup = dataguardian_control_plane::domain::restore::BackupChoice::Id(made[2], None);
        let restoring = world.services.restores.start(restore).await.unwrap();

        retain(world, &job, Some(newest(1))).await;
        let preview = world.services.retention
            .preview(&Reference::Id(job.id), PreviewOf::Present, &PageRequest::default()).await.unwrap();
        assert_eq!((preview.kept, preview.deleted), (4, 2));
        let rules: Vec<Vec<Rule>> = preview.backups.items.iter().map(|(_, decision)| match &decision.verdict {
            Verdict::Keep(reasons) => reasons.iter().map(|reason| reason.rule).collect(),
            Verdict::Delete => Vec::new(),
        }).collect();
        assert_eq!(rules, [
            vec![Rule::Newest, Rule::MaxBackups], vec![], vec![], vec![Rule::InUse], vec![Rule::NewestVerified], vec![Rule::Pinned],
        ]);
        assert_eq!(apply(world).await, Applied { jobs: 1, deleted: 2, held: 0 });
        assert_eq!(kept(world, &job).await, [made[0], made[1], made[2], made[5]]);

        // The restore ends, the pin goes, a newer one is verified: then they go, each at the next look.
        world.services.executions.cancel(restoring.id).await.unwrap();
        deletion.unpin(made[0], None).await.unwrap();
        assert_eq!(apply(world).await.deleted, 2);
        assert_eq!(kept(world, &job).await, [made[1], made[5]]);
        let newer = world.id_literal(made[5].as_uuid());
        world.sql(&format!(
            "INSERT INTO copy_checks (backup_id, storage_id, level, checked_at, outcome, faults) VALUES ({newer}, {storage}, 2, '{at}', 'good', 0)"
        )).await;
        assert_eq!(apply(world).await.jobs, 0, "nothing tells of that");
        assert_eq!(world.services.retention.apply_all(Tenure::Free).await.unwrap().deleted, 1, "clean-up looks at all jobs");
        assert_eq!(kept(world, &job).await, [made[5]]);
    }

    async fn damaged_and_partial_backups_take_no_place(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let made = back_up(world, &agent, &job, 5).await;
        let missing = r#"missing_databases = '[{"name":"stock","kind":"DATABASE_MISSING","message":"gone"}]'"#;
        set(world, "backups", missing, "id", made[3]).await;
        set(world, "backup_copies", "damaged_at = '2027-01-15 08:00:00+00:00'", "backup_id", made[4]).await;
        retain(world, &job, Some(newest(3))).await;
        apply(world).await;
        assert_eq!(kept(world, &job).await, made, "three that are complete, and what is newer");
        set(world, "backup_copies", "damaged_at = NULL", "backup_id", made[4]).await;
        world.services.retention.apply_all(Tenure::Free).await.unwrap();
        assert_eq!(kept(world, &job).await, made[1..], "it was mended, and counts again");
    }

    async fn each_storage_of_a_job_that_replicates_keeps_its_last_ones(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let (near, far) = (world.storage(agent.id, "near").await, world.storage(agent.id, "far").await);
        let new = new_job("shop", datasource, &[near, far]);
        let job = world.services.jobs.create(new).await.unwrap();
        let made = back_up(world, &agent, &job, 4).await;
        // The last two never came to the second storage.
        let far = world.id_literal(far.as_uuid());
        for late in &made[2..] {
            let late = world.id_literal(late.as_uuid());
            world.sql(&format!("UPDATE backup_copies SET completed_at = NULL WHERE backup_id = {late} AND storage_id = {far}")).await;
        }
        retain(world, &job, Some(newest(1))).await;
        apply(world).await;
        assert_eq!(kept(world, &job).await, [made[1], made[3]]);
        let fallback = JobChange { strategy: Some(Strategy::Fallback), ..JobChange::default() };
        world.services.jobs.update(&Reference::Id(job.id), fallback).await.unwrap();
        apply(world).await;
        assert_eq!(kept(world, &job).await, [made[3]], "one storage is as good as another then");
    }

    async fn two_weeks_of_generations_leave_what_the_policy_says(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let rules = Retention {
            policy: Policy::Gfs(Gfs { daily: 3, weekly: 2, within: Some(Duration::from_secs(12 * 3600)), ..Gfs::default() }),
            zone: Tz::America__New_York,
            min_backups: 2,
        };
        retain(world, &job, Some(rules)).await;
        let mut made = Vec::new();
        for _ in 0..28 {
            world.advance(TimeDelta::hours(11));
            made.extend(back_up(world, &agent, &job, 1).await);
            apply(world).await;
            let left = kept(world, &job).await;
            assert!(left.contains(made.last().unwrap()) && left.len() >= made.len().min(2), "{left:?}");
            let gone = world.services.deletion.leaving().await.unwrap();
            assert_eq!(gone.len() + left.len(), made.len(), "what is not kept is on its way out");
        }
        // The newest three days with their last ones, half a day back, and the last of the week before.
        assert!((4..=6).contains(&kept(world, &job).await.len()), "{:?}", kept(world, &job).await);
        let once = kept(world, &job).await;
        world.services.retention.apply_all(Tenure::Free).await.unwrap();
        assert_eq!(kept(world, &job).await, once);
    }

    async fn a_preview_of_another_policy_changes_nothing_and_comes_in_pages(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let made = back_up(world, &agent, &job, 5).await;
        let which = Reference::Id(job.id);
        let retention = &world.services.retention;
        let page = |size, token: &str| PageRequest::parse(size, token).unwrap();
        let present = retention.preview(&which, PreviewOf::Present, &page(2, "")).await.unwrap();
        assert_eq!((present.rules, present.kept, present.deleted), (None, 0, 0));
        let proposed = PreviewOf::Proposed(newest(2));
        let (mut shown, mut token) = (Vec::new(), String::new());
        loop {
            let preview = retention.preview(&which, proposed, &page(2, &token)).await.unwrap();
            assert_eq!((preview.kept, preview.deleted), (2, 3));
            shown.extend(preview.backups.items.into_iter().map(|(candidate, _)| candidate.backup));
            token = preview.backups.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        shown.reverse();
        assert_eq!(shown, made);
        assert_eq!(kept(world, &job).await, made);
        let bad = retention.preview(&which, PreviewOf::Proposed(newest(0)), &page(2, "")).await.unwrap_err();
        assert_eq!(bad.fields()[0].field, "retention.max_backups");
    }

    async fn old_histories_and_audit_rows_go_and_what_belongs_to_a_kept_backup_stays(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let done = agent.back_up().await;
        let failed = world.run(&job).await;
        let assignment = agent.begin().await;
        agent.fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        let audit = &world.services.audit;
        let entry = AuditEntry {
            actor: Actor::System, method: "test".into(), resource: String::new(), outcome: "ok".into(), remote: None,
        };
        audit.append(entry.clone()).await.unwrap();
        audit.chain().await.unwrap();
        world.advance(TimeDelta::days(50));
        let waiting = world.run(&job).await;
        audit.append(entry).await.unwrap();
        audit.chain().await.unwrap();
        world.advance(TimeDelta::days(50));
        let ages = Ages { history: TimeDelta::days(90), audit: TimeDelta::days(60), notifications: TimeDelta::days(60) };
        let ageing = &world.services.ageing;
        assert_eq!(ageing.forget(ages).await.unwrap(), Forgotten { histories: 1, audit: 1, notifications: 0 });
        assert_eq!(ageing.forget(ages).await.unwrap(), Forgotten::default());
        let events = async |id: ExecutionId| execution_events(&world.store, id).await.unwrap().len();
        assert_eq!(events(failed.id).await, 0);
        assert!(events(done.id).await > 0 && events(waiting.id).await > 0);
        let shown = world.services.executions.get(failed.id).await.unwrap();
        assert_eq!(shown.state, ExecutionState::Failed, "how it ended stays");
        assert_eq!(audit.list(&PageRequest::default()).await.unwrap().items.len(), 1);
        let far = Ages { history: TimeDelta::days(1), audit: TimeDelta::days(1), notifications: TimeDelta::days(1) };
        world.advance(TimeDelta::days(1000));
        ageing.forget(far).await.unwrap();
        assert!(events(done.id).await > 0, "its backup is kept");
        assert!(events(waiting.id).await > 0, "it has not ended");
    }
}
