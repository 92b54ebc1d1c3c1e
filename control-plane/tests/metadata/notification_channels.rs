//! Channels and rules of notifications, as the catalogue keeps them.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::notification::channel::{
    ChannelChange, ChannelSecrets, JSON, NewChannel, PingTarget, Target, WebhookTarget,
};
use dataguardian_control_plane::domain::notification::rule::{Channels, NewRule, RuleChange};
use dataguardian_control_plane::domain::notification::{EventKind, Severity};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::services::Error;
use dataguardian_control_plane::services::notifications::Sent;
use dataguardian_core::secret::Secret;

use crate::world::{World, on_both};

pub(crate) fn webhook(name: &str) -> NewChannel {
    NewChannel {
        name: name.parse().unwrap(),
        target: Target::Webhook(WebhookTarget {
            shown_url: String::new(),
            header_names: Vec::new(),
            signed: false,
            content_type: JSON.into(),
            body_template: String::new(),
            ca_pem: String::new(),
            allow_http: false,
        }),
        secrets: ChannelSecrets {
            url: Some(Secret::new("https://hooks.example.com/a-path-that-nobody-sees")),
            signing: Some(Secret::new("a signing secret of some length")),
            headers: [(
                "Authorization".to_owned(),
                Secret::new("Bearer a-bearer-nobody-sees"),
            )]
            .into(),
            ..ChannelSecrets::default()
        },
        disabled: false,
        request_id: None,
    }
}

fn ping(name: &str) -> NewChannel {
    NewChannel {
        target: Target::Ping(PingTarget {
            shown_url: String::new(),
            interval: std::time::Duration::from_secs(60),
            ca_pem: String::new(),
            allow_http: false,
        }),
        secrets: ChannelSecrets {
            url: Some(Secret::new("https://hc.example.com/a-path-that-nobody-sees")),
            ..ChannelSecrets::default()
        },
        ..webhook(name)
    }
}

pub(crate) fn rule(name: &str) -> NewRule {
    NewRule {
        name: name.parse().unwrap(),
        min_severity: Severity::Warning,
        events: Vec::new(),
        datasource: None,
        job: None,
        channels: Vec::new(),
        request_id: None,
    }
}

fn reason(error: &Error) -> &'static str {
    error.reason()
}

on_both! {
    async fn a_channel_is_made_once_shown_without_secrets_and_changed_field_by_field(world: &World) {
        let notifications = &world.services.notifications;
        let asked = NewChannel { request_id: Some(uuid::Uuid::now_v7()), ..webhook("ops") };
        let made = notifications.create_channel(asked.clone()).await.unwrap();
        assert_eq!(notifications.create_channel(asked).await.unwrap(), made);
        let taken = notifications.create_channel(webhook("ops")).await.unwrap_err();
        assert_eq!(reason(&taken), "NAME_TAKEN");
        let Target::Webhook(target) = &made.target else { unreachable!() };
        assert_eq!(target.shown_url, "https://hooks.example.com/…");

        let which = Reference::Id(made.id);
        let moved = ChannelChange {
            url: Some(Some(Secret::new("https://elsewhere.example.com/x"))),
            signing: Some(None),
            expected_revision: Some(made.revision),
            ..ChannelChange::default()
        };
        let after = notifications.update_channel(&which, moved.clone()).await.unwrap().after;
        let Target::Webhook(target) = &after.target else { unreachable!() };
        assert_eq!((target.shown_url.as_str(), target.signed), ("https://elsewhere.example.com/…", false));
        assert_eq!(target.header_names, ["Authorization"], "what was not named stays");
        let late = notifications.update_channel(&which, moved).await.unwrap_err();
        assert_eq!(reason(&late), "ETAG_MISMATCH");
        let other_kind = ChannelChange { target: Some(ping("x").target), ..ChannelChange::default() };
        let refused = notifications.update_channel(&which, other_kind).await.unwrap_err();
        assert_eq!(refused.fields()[0].field, "target");
        let page = notifications.channels(&PageRequest::default()).await.unwrap();
        assert_eq!(page.items.len(), 1);
        notifications.delete_channel(&which).await.unwrap();
        let gone = notifications.channel(&which).await.unwrap_err();
        assert_eq!(reason(&gone), "NOTIFICATION_CHANNEL_NOT_FOUND");
    }

    async fn a_rule_names_what_there_is_and_holds_its_channels(world: &World) {
        let notifications = &world.services.notifications;
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let ops = notifications.create_channel(webhook("ops")).await.unwrap();
        notifications.create_channel(ping("alive")).await.unwrap();
        let for_ping = NewRule { channels: vec![Reference::Name("alive".parse().unwrap())], ..rule("wrong") };
        let refused = notifications.create_rule(for_ping).await.unwrap_err();
        assert_eq!(refused.fields()[0].field, "channels");
        let new = NewRule {
            job: Some(Reference::Id(job.id)),
            events: vec![EventKind::BackupFailed, EventKind::BackupFailed],
            channels: vec![Reference::Id(ops.id), Reference::Name("ops".parse().unwrap())],
            ..rule("shop")
        };
        let made = notifications.create_rule(new).await.unwrap();
        assert_eq!(made.channels, Channels::Named(vec![(ops.id, "ops".into())]));
        let shown = notifications.rule(&Reference::Id(made.id)).await.unwrap();
        assert_eq!((shown.events.len(), shown.job), (1, Some((job.id, "shop".into()))));
        let held = notifications.delete_channel(&Reference::Id(ops.id)).await.unwrap_err();
        assert_eq!(reason(&held), "NOTIFICATION_CHANNEL_IN_USE");

        let all = RuleChange { channels: Some(Vec::new()), job: Some(None), ..RuleChange::default() };
        let after = notifications.update_rule(&Reference::Id(made.id), all).await.unwrap().after;
        assert_eq!((&after.channels, &after.job, after.events.len()), (&Channels::All, &None, 1));
        notifications.delete_channel(&Reference::Id(ops.id)).await.unwrap();
        notifications.delete_rule(&Reference::Id(made.id)).await.unwrap();

        let of_shop = NewRule { job: Some(Reference::Id(job.id)), ..rule("of-shop") };
        notifications.create_rule(of_shop).await.unwrap();
        world.services.jobs.delete(&Reference::Id(job.id)).await.unwrap();
        let left = notifications.rules(&PageRequest::default()).await.unwrap();
        assert!(left.items.is_empty(), "a rule for a job goes with it");
    }

    async fn a_ping_is_sent_by_one_replica_each_time_and_again_soon_if_it_failed(world: &World) {
        let notifications = &world.services.notifications;
        let other = world.replica().await.notifications;
        notifications.create_channel(ping("alive")).await.unwrap();
        let due = notifications.due_pings().await.unwrap();
        assert_eq!((due.len(), other.due_pings().await.unwrap().len()), (1, 0));
        assert_eq!(notifications.close_ping(&due[0], Ok(())).await.unwrap(), Sent::Delivered);
        world.advance(TimeDelta::seconds(59));
        assert!(other.due_pings().await.unwrap().is_empty());
        world.advance(TimeDelta::seconds(1));
        let due = other.due_pings().await.unwrap();
        let fault = crate::notifications::refused();
        assert_eq!(other.close_ping(&due[0], Err(fault)).await.unwrap(), Sent::Retried);
        world.advance(TimeDelta::seconds(30));
        assert_eq!(notifications.due_pings().await.unwrap().len(), 1);
        let shown = notifications.channel(&Reference::Name("alive".parse().unwrap())).await.unwrap();
        assert_eq!(shown.standing.failed.unwrap().1, "CONNECT: nobody is there");
    }
}
