//! What people are told of what keeps them from being told, and of tries to sign in as somebody.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::access::{Grant, Permissions, Rights, Scope};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::notification::{EventKind, Phase, Told};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::session::{SessionKind, Whence};
use dataguardian_control_plane::services::access::NewUser;
use dataguardian_control_plane::services::auth::Begin;
use dataguardian_core::secret::Secret;

use crate::notification_channels::webhook;
use crate::notifications::{fail, refused};
use crate::world::{World, on_both};

/// What was told of that, the oldest first.
async fn told(world: &World, kind: EventKind) -> Vec<Told> {
    let notifications = &world.services.notifications;
    let page = notifications.list(&PageRequest::default(), None).await.unwrap();
    let mut told: Vec<_> = page
        .items
        .into_iter()
        .filter(|told| told.notification.kind == kind)
        .collect();
    told.reverse();
    told
}

/// Rows of the audit log about that, by what they concern and how it ended.
async fn audited(world: &World, method: &str) -> Vec<(String, String)> {
    let page = world.services.audit.list(&PageRequest::default()).await.unwrap();
    let rows = page.items.into_iter().filter(|row| row.entry.method == method);
    rows.map(|row| (row.entry.resource, row.entry.outcome)).collect()
}

/// Delivers all that is due; nothing arrives through the channel `broken` while it is that.
async fn deliver(world: &World, broken: bool) {
    let notifications = &world.services.notifications;
    for claim in notifications.claim().await.unwrap() {
        let outcome = match broken && claim.channel.as_str() == "broken" {
            true => Err(refused()),
            false => Ok(()),
        };
        notifications.close(&claim, outcome).await.unwrap();
    }
}

async fn watch(world: &World) {
    world.services.notifications.watch(Tenure::Free).await.unwrap();
}

on_both! {
    async fn a_channel_that_nothing_arrives_through_is_told_of_by_the_others_once_and_when_it_works_again(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        for name in ["broken", "ops"] {
            world.services.notifications.create_channel(webhook(name)).await.unwrap();
        }
        fail(world, &agent, &job).await;
        watch(world).await;
        deliver(world, true).await;
        watch(world).await;
        let kind = EventKind::ChannelFailing;
        assert!(told(world, kind).await.is_empty(), "a first failure may be the last one");

        world.advance(TimeDelta::minutes(6));
        deliver(world, true).await;
        watch(world).await;
        watch(world).await;
        let began = told(world, kind).await;
        assert_eq!((began.len(), began[0].notification.phase), (1, Phase::Began));
        let names: Vec<_> = began[0].deliveries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ops"], "not through itself");
        assert_eq!(audited(world, "notification channel fails").await, [("broken".to_owned(), "CHANNEL_FAILING".to_owned())]);

        world.advance(TimeDelta::hours(1));
        deliver(world, false).await;
        watch(world).await;
        watch(world).await;
        let phases: Vec<_> = told(world, kind).await.iter().map(|told| told.notification.phase).collect();
        assert_eq!(phases, [Phase::Began, Phase::Recovered]);
        assert_eq!(audited(world, "notification channel works again").await.len(), 1);
    }

    async fn that_a_users_password_is_guessed_at_is_told_once(world: &World) {
        let kind = EventKind::SignInsFailing;
        let ada = NewUser {
            username: "ada".into(),
            password: Secret::new("correct horse battery staple"),
            roles: Vec::new(),
        };
        let everything = Rights::of_user(vec![Grant { permissions: Permissions::All, scope: Scope::Everything }]);
        world.services.access.create_user(&everything, ada).await.unwrap();
        for name in ["ada", "nobody"] {
            for _ in 0..5 {
                let begin = Begin {
                    kind: SessionKind::Program,
                    whence: Whence { address: Some("192.0.2.7".into()), user_agent: String::new() },
                };
                let refused = world.services.auth.login(name, Secret::new("wrong wrong wrong"), Secret::new(""), begin).await;
                assert_eq!(refused.unwrap_err().reason(), "WRONG_CREDENTIALS");
            }
        }
        watch(world).await;
        watch(world).await;
        let told = told(world, kind).await;
        assert_eq!(told.len(), 1, "nobody of the other name is there to be told of");
        let notification = &told[0].notification;
        assert_eq!(notification.about.user.as_ref().unwrap().1, "ada");
        assert!(notification.details.contains("192.0.2.7"), "{}", notification.details);
        assert_eq!(audited(world, "wrong passwords").await.len(), 2);
    }
}
