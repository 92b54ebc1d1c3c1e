//! What people are told: read off the catalogue, told once, delivered at least once.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::job::NewJob;
use dataguardian_control_plane::domain::job::{BackupOptions, Job};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::notification::delivery::{DeliveryState, Fault, Stage};
use dataguardian_control_plane::domain::notification::rule::NewRule;
use dataguardian_control_plane::domain::notification::{EventKind, Phase, Told};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::schedule::Schedule;
use dataguardian_control_plane::services::ageing::Ages;
use dataguardian_control_plane::services::notifications::Sent;
use dataguardian_core::failure::FailureKind;

use crate::notification_channels::{rule, webhook};
use crate::simulated::SimulatedAgent;
use crate::world::{World, new_job, on_both};

pub(crate) fn refused() -> Fault {
    Fault::new(Stage::Connect, "nobody is there")
}

/// What was told of backups, the oldest first. Simulated agents send no heartbeats, so that they are offline is told as well.
async fn told(world: &World) -> Vec<Told> {
    let page = world
        .services
        .notifications
        .list(&PageRequest::default(), None)
        .await
        .unwrap();
    let of_backups = |told: &Told| {
        let kind = told.notification.kind;
        matches!(
            kind,
            EventKind::BackupFailed | EventKind::BackupMissing | EventKind::VerifiedBackupTooOld
        )
    };
    let mut told: Vec<_> = page.items.into_iter().filter(of_backups).collect();
    told.reverse();
    told
}

async fn story(world: &World) -> Vec<(EventKind, Phase)> {
    let told = told(world).await;
    told.iter()
        .map(|told| (told.notification.kind, told.notification.phase))
        .collect()
}

async fn watch(world: &World) {
    world.services.notifications.watch(Tenure::Free).await.unwrap();
}

pub(crate) async fn fail(world: &World, agent: &SimulatedAgent, job: &Job) {
    world.run(job).await;
    let assignment = agent.begin().await;
    agent
        .fail(assignment.fence, FailureKind::DatabaseAuthentication)
        .await
        .unwrap();
}

on_both! {
    async fn a_failing_job_is_told_once_and_so_is_its_recovery(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.services.notifications.create_channel(webhook("ops")).await.unwrap();
        watch(world).await;
        assert_eq!(story(world).await, []);
        fail(world, &agent, &job).await;
        watch(world).await;
        world.advance(TimeDelta::minutes(1));
        fail(world, &agent, &job).await;
        watch(world).await;
        watch(world).await;
        assert_eq!(story(world).await, [(EventKind::BackupFailed, Phase::Began)]);
        let first = told(world).await.remove(0);
        assert_eq!(first.notification.summary, "Backup of job shop failed");
        assert!(first.notification.details.contains("DATABASE_AUTHENTICATION"), "{first:?}");
        assert_eq!(first.deliveries.len(), 1);
        world.advance(TimeDelta::minutes(1));
        world.run(&job).await;
        agent.back_up().await;
        watch(world).await;
        watch(world).await;
        assert_eq!(
            story(world).await,
            [(EventKind::BackupFailed, Phase::Began), (EventKind::BackupFailed, Phase::Recovered)]
        );
    }

    /// No scheduler ever runs here.
    async fn a_backup_that_nobody_made_is_missing(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let storage = world.storage(agent.id, "shop").await;
        let new = NewJob {
            schedule: Some(Schedule::new("@hourly", "UTC")),
            ..new_job("shop", datasource, &[storage])
        };
        let job = world.services.jobs.create(new).await.unwrap();
        world.advance(TimeDelta::minutes(90));
        watch(world).await;
        assert_eq!(story(world).await, [], "09:00 is not an hour ago");
        world.advance(TimeDelta::minutes(35));
        watch(world).await;
        assert_eq!(story(world).await, [(EventKind::BackupMissing, Phase::Began)]);
        let missing = told(world).await.remove(0).notification;
        assert!(missing.details.contains("2027-01-15T09:00:00"), "{}", missing.details);
        assert!(missing.details.contains("Nothing was queued"), "{}", missing.details);
        world.run(&job).await;
        watch(world).await;
        assert_eq!(story(world).await.len(), 1, "what waits is not there yet");
        agent.back_up().await;
        watch(world).await;
        assert_eq!(story(world).await.last(), Some(&(EventKind::BackupMissing, Phase::Recovered)));
    }

    async fn a_schedule_that_is_paused_or_changed_expects_nothing_of_before(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let storage = world.storage(agent.id, "shop").await;
        let new = NewJob {
            schedule: Some(Schedule::new("@hourly", "UTC")),
            ..new_job("shop", datasource, &[storage])
        };
        let job = world.services.jobs.create(new).await.unwrap();
        let which = Reference::Id(job.id);
        world.services.schedules.pause(&which).await.unwrap();
        world.advance(TimeDelta::days(1));
        watch(world).await;
        assert_eq!(story(world).await, []);
        world.services.schedules.resume(&which).await.unwrap();
        world.advance(TimeDelta::minutes(59));
        watch(world).await;
        assert_eq!(story(world).await, [], "what the pause left out is not missing");
        world.advance(TimeDelta::hours(2));
        watch(world).await;
        assert_eq!(story(world).await, [(EventKind::BackupMissing, Phase::Began)]);
        world.services.schedules.pause(&which).await.unwrap();
        watch(world).await;
        assert_eq!(story(world).await.len(), 1, "what is called off does not recover");
        world.services.schedules.resume(&which).await.unwrap();
        watch(world).await;
        assert_eq!(story(world).await.len(), 1);
    }

    async fn an_objective_of_a_datasource_is_watched(world: &World) {
        let agent = world.agent("db1").await;
        let week = std::time::Duration::from_secs(7 * 24 * 3600);
        let new = dataguardian_control_plane::domain::datasource::NewDatasource {
            verified_within: Some(week),
            ..crate::world::new_datasource(agent.id, "main")
        };
        let made = world.services.datasources.create(new).await.unwrap();
        assert_eq!(world.services.datasources.get(&Reference::Id(made.id)).await.unwrap().verified_within, Some(week));
        world.advance(TimeDelta::days(7));
        watch(world).await;
        assert_eq!(story(world).await, []);
        world.advance(TimeDelta::minutes(1));
        watch(world).await;
        assert_eq!(story(world).await, [(EventKind::VerifiedBackupTooOld, Phase::Began)]);
    }

    async fn of_two_replicas_one_tells_and_one_delivers(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let one = &world.services.notifications;
        let other = &world.replica().await.notifications;
        one.create_channel(webhook("ops")).await.unwrap();
        fail(world, &agent, &job).await;
        let (a, b) = tokio::join!(one.watch(Tenure::Free), other.watch(Tenure::Free));
        assert_eq!(a.unwrap().began + b.unwrap().began, 1);
        let (a, b) = tokio::join!(one.claim(), other.claim());
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.len() + b.len(), 1);
        let claim = a.into_iter().chain(b).next().unwrap();
        assert_eq!(one.close(&claim, Ok(())).await.unwrap(), Sent::Delivered);
        assert!(one.claim().await.unwrap().is_empty() && other.claim().await.unwrap().is_empty());
        let delivery = told(world).await.remove(0).deliveries.remove(0).1;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Delivered, 1));
    }

    async fn whoever_is_killed_with_a_claim_loses_it_and_another_one_delivers(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let notifications = &world.services.notifications;
        notifications.create_channel(webhook("ops")).await.unwrap();
        fail(world, &agent, &job).await;
        watch(world).await;
        let lost = notifications.claim().await.unwrap().remove(0);
        assert!(notifications.claim().await.unwrap().is_empty());
        world.advance(TimeDelta::seconds(46));
        let other = world.replica().await.notifications;
        let claim = other.claim().await.unwrap().remove(0);
        assert_eq!((lost.notification.id, claim.delivery.attempts), (claim.notification.id, 2));
        assert_eq!(other.close(&claim, Ok(())).await.unwrap(), Sent::Delivered);
        let late = notifications.close(&lost, Err(refused())).await.unwrap();
        assert_eq!(late, Sent::Lost, "what it comes back with counts no more");
    }

    async fn what_is_not_taken_is_tried_later_and_given_up_in_the_end(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let notifications = &world.services.notifications;
        notifications.create_channel(webhook("ops")).await.unwrap();
        fail(world, &agent, &job).await;
        watch(world).await;
        let mut attempts = 0;
        loop {
            let Some(claim) = notifications.claim().await.unwrap().pop() else {
                world.advance(TimeDelta::minutes(10));
                continue;
            };
            attempts += 1;
            match notifications.close(&claim, Err(refused())).await.unwrap() {
                Sent::Retried => {}
                other => break assert_eq!(other, Sent::GivenUp),
            }
        }
        assert!((20..500).contains(&attempts), "{attempts}");
        let delivery = told(world).await.remove(0).deliveries.remove(0).1;
        assert_eq!((delivery.state, delivery.failure.as_deref()), (DeliveryState::Failed, Some("CONNECT: nobody is there")));
        let failed = notifications.list(&PageRequest::default(), Some(DeliveryState::Failed)).await.unwrap();
        assert_eq!(failed.items.len(), 1);
    }

    async fn a_channel_whose_secrets_can_not_be_read_holds_nobody_up(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let notifications = &world.services.notifications;
        for name in ["broken", "ops"] {
            notifications.create_channel(webhook(name)).await.unwrap();
        }
        world.sql("UPDATE notification_channels SET secrets_sealed = (SELECT secrets_sealed FROM notification_channels WHERE name = 'ops') WHERE name = 'broken'").await;
        fail(world, &agent, &job).await;
        watch(world).await;
        let claims = notifications.claim().await.unwrap();
        assert_eq!(claims.iter().map(|claim| claim.channel.as_str()).collect::<Vec<_>>(), ["ops"]);
        let broken = notifications.channel(&Reference::parse("channel", "broken").unwrap()).await.unwrap();
        let failure = broken.standing.failed.unwrap().1;
        assert!(failure.starts_with("SETTINGS: what is secret"), "{failure}");
        let deliveries = told(world).await.remove(0).deliveries;
        assert!(deliveries.iter().all(|(_, delivery)| delivery.state == DeliveryState::Pending), "it is tried again");
    }

    async fn rules_say_who_is_told_and_old_news_is_forgotten(world: &World) {
        let agent = world.agent("db1").await;
        let shop = world.job(agent.id, "shop", BackupOptions::default()).await;
        let blog = world.job(agent.id, "blog", BackupOptions::default()).await;
        let notifications = &world.services.notifications;
        for name in ["dba", "web"] {
            notifications.create_channel(webhook(name)).await.unwrap();
        }
        let to = |name: &str| vec![Reference::Name(name.parse().unwrap())];
        notifications.create_rule(NewRule { channels: to("dba"), ..rule("all") }).await.unwrap();
        let web = NewRule { job: Some(Reference::Id(blog.id)), channels: to("web"), ..rule("blog") };
        notifications.create_rule(web).await.unwrap();
        fail(world, &agent, &shop).await;
        fail(world, &agent, &blog).await;
        watch(world).await;
        let mut channels: Vec<_> = told(world).await.into_iter().map(|told| {
            let names: Vec<_> = told.deliveries.into_iter().map(|(name, _)| name).collect();
            (told.notification.about.job.unwrap().1, names)
        }).collect();
        channels.sort();
        let dba = "dba".to_owned();
        assert_eq!(channels, [("blog".into(), vec![dba.clone(), "web".into()]), ("shop".into(), vec![dba])]);

        let ages = Ages { history: TimeDelta::days(90), audit: TimeDelta::days(90), notifications: TimeDelta::days(30) };
        world.advance(TimeDelta::days(31));
        assert_eq!(world.services.ageing.forget(ages).await.unwrap().notifications, 0, "what is on its way stays");
        for claim in notifications.claim().await.unwrap() {
            notifications.close(&claim, Ok(())).await.unwrap();
        }
        assert_eq!(world.services.ageing.forget(ages).await.unwrap().notifications, 2);
        watch(world).await;
        let again = told(world).await;
        assert!(again.iter().all(|told| told.notification.phase == Phase::Reminder), "{again:?}");
    }
}
