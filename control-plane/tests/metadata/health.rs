//! How datasources and storages do, as the catalogue keeps it.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::health::{Condition, Depth, Report, Subject};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::services::health::{Change, LookAt};
use dataguardian_core::failure::{Failure, FailureKind};

use crate::world::{World, on_both};

fn away() -> Report {
    let failure = Failure::new(FailureKind::DatabaseUnreachable, "connection refused");
    Report {
        problems: vec![failure],
        ..Report::default()
    }
}

/// Takes every look that is due, with this result. Gives what has changed.
async fn look(world: &World, report: &Report) -> (usize, Vec<Change>) {
    let agents = world.services.agents.list(&PageRequest::default()).await.unwrap();
    let here: Vec<_> = agents.items.iter().map(|agent| agent.id).collect();
    let due = world.services.health.due(&here).await.unwrap();
    let count = due.len();
    let found = due.into_iter().map(|look| (look, report.clone())).collect();
    (count, world.services.health.record(found).await.unwrap())
}

on_both! {
    async fn what_is_due_is_looked_at_and_a_change_is_told_once(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (taken, changes) = look(world, &Report::default()).await;
        assert_eq!((taken, changes.len()), (2, 2), "a datasource and a storage");
        assert!(changes.iter().all(|change| change.from.is_none() && change.to == Condition::Healthy));
        assert_eq!(look(world, &away()).await.0, 0, "nothing is due again at once");

        world.advance(TimeDelta::minutes(5));
        assert_eq!(look(world, &away()).await, (2, Vec::new()), "one look alone changes nothing");
        world.advance(TimeDelta::seconds(30));
        let (taken, changes) = look(world, &away()).await;
        assert_eq!((taken, changes.len()), (2, 2));
        assert!(changes.iter().all(|change| {
            change.to == Condition::Unhealthy && change.problem.as_deref() == Some("connection refused")
        }));

        let shown = world.services.health.of_datasources(&[job.datasource]).await.unwrap();
        let shown = &shown[&job.datasource];
        assert_eq!(shown.condition, Condition::Unhealthy);
        assert_eq!(shown.record.as_ref().unwrap().since, world.now());
        world.advance(TimeDelta::minutes(20));
        let shown = world.services.health.of_datasources(&[job.datasource]).await.unwrap();
        assert_eq!(shown[&job.datasource].condition, Condition::Unknown, "nobody has looked for long");
    }

    async fn only_who_is_here_looks_and_a_folder_is_written_to(world: &World) {
        let agent = world.agent("db1").await;
        world.job(agent.id, "shop", BackupOptions::default()).await;
        let other = world.agent("db2").await;
        assert!(world.services.health.due(&[other.id]).await.unwrap().is_empty());
        let due = world.services.health.due(&[agent.id]).await.unwrap();
        assert!(due.iter().any(|look| matches!(look.at, LookAt::Storage(_, Depth::Write))));
    }

    async fn the_history_goes_back_page_by_page_and_ends_by_age(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "main").await;
        for _ in 0..5 {
            look(world, &Report::default()).await;
            world.advance(TimeDelta::minutes(5));
        }
        let health = &world.services.health;
        let subject = Subject::Datasource(datasource);
        let first = health.history(subject, &PageRequest::parse(3, "").unwrap()).await.unwrap();
        assert_eq!(first.items.len(), 3);
        let next = PageRequest::parse(3, &first.next_page_token).unwrap();
        let second = health.history(subject, &next).await.unwrap();
        let all: Vec<_> = first.items.iter().chain(&second.items).map(|check| check.checked_at).collect();
        assert_eq!((all.len(), second.next_page_token.as_str()), (5, ""));
        assert!(all.is_sorted_by(|newer, older| newer > older));

        assert_eq!(health.age_out(TimeDelta::minutes(12)).await.unwrap(), 3);
        let left = health.history(subject, &PageRequest::default()).await.unwrap();
        assert_eq!(left.items.len(), 2);
    }

    async fn what_was_deleted_is_forgotten_and_a_late_look_brings_nothing_back(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "main").await;
        look(world, &Report::default()).await;
        world.advance(TimeDelta::minutes(5));
        let health = &world.services.health;
        let late = health.due(&[agent.id]).await.unwrap();
        world.services.datasources.delete(&Reference::Id(datasource)).await.unwrap();
        let late = late.into_iter().map(|look| (look, away())).collect();
        assert_eq!(health.record(late).await.unwrap(), []);
        assert!(health.due(&[agent.id]).await.unwrap().is_empty());
        let left = health.history(Subject::Datasource(datasource), &PageRequest::default()).await.unwrap();
        assert!(left.items.is_empty());
    }
}
