//! Notifications over the API: what is checked, what is shown, what stands in the audit log.

use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_proto::v1;
use dataguardian_proto::v1::create_notification_channel_request::Target;
use dataguardian_proto::v1::notification_service_client::NotificationServiceClient;

use crate::server::{Server, bad_fields, refused};

const SECRET: &str = "path-that-nobody-sees";

fn ping(name: &str) -> v1::CreateNotificationChannelRequest {
    v1::CreateNotificationChannelRequest {
        name: name.to_owned(),
        target: Some(Target::Ping(v1::PingChannel::default())),
        secrets: Some(v1::NotificationSecrets {
            // Nobody is there, and the name leads nowhere.
            url: format!("https://nowhere.invalid/{SECRET}"),
            ..Default::default()
        }),
        disabled: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_channel_is_checked_made_tested_and_audited_and_shows_no_secret() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let mut notifications = NotificationServiceClient::new(admin);
    let validate = v1::CreateNotificationChannelRequest {
        validate_only: true,
        ..ping("alive")
    };
    let validated = notifications.create_notification_channel(validate).await.unwrap();
    assert!(validated.into_inner().channel.is_some());
    let none = notifications
        .list_notification_channels(v1::ListNotificationChannelsRequest::default())
        .await
        .unwrap();
    assert!(none.into_inner().channels.is_empty(), "nothing was made");

    let made = notifications
        .create_notification_channel(ping("alive"))
        .await
        .unwrap();
    let made = made.into_inner().channel.unwrap();
    assert!(!format!("{made:?}").contains(SECRET));
    let Some(v1::notification_channel::Target::Ping(shown)) = &made.target else {
        panic!("a ping")
    };
    assert_eq!(
        (shown.url.as_str(), shown.interval.unwrap().seconds),
        ("https://nowhere.invalid/…", 300)
    );

    let test = v1::TestNotificationChannelRequest {
        channel: "alive".to_owned(),
    };
    let tested = notifications
        .test_notification_channel(test)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((tested.ok, tested.stage.as_str()), (false, "DNS"));
    assert!(
        !tested.advice.is_empty() && !tested.problem.contains(SECRET),
        "{tested:?}"
    );
    let get = v1::GetNotificationChannelRequest {
        channel: made.id.clone(),
    };
    let shown = notifications
        .get_notification_channel(get)
        .await
        .unwrap()
        .into_inner();
    assert!(
        shown.channel.unwrap().failed_at.is_some(),
        "what a test came to is kept"
    );

    let log = server
        .services
        .audit
        .list(&PageRequest::default())
        .await
        .unwrap()
        .items;
    for method in ["CreateNotificationChannel", "TestNotificationChannel"] {
        let found = log.iter().any(|record| {
            let entry = &record.entry;
            entry.method.ends_with(method) && entry.resource == "alive" && entry.outcome.as_str() == "ok"
        });
        assert!(found, "{method}");
    }
    assert!(!format!("{log:?}").contains(SECRET));
}

#[tokio::test]
async fn bad_fields_of_channels_and_rules_are_named_and_nobody_else_may_call() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let mut notifications = NotificationServiceClient::new(admin);
    let nothing = v1::CreateNotificationChannelRequest {
        name: "Not A Name".to_owned(),
        ..Default::default()
    };
    let bad = bad_fields(notifications.create_notification_channel(nothing).await);
    assert_eq!(bad, ["name", "target"]);
    let wrong = v1::CreateNotificationChannelRequest {
        target: Some(Target::Webhook(v1::WebhookChannel {
            body_template: "{{ titel }}".to_owned(),
            ..Default::default()
        })),
        ..ping("hook")
    };
    let bad = bad_fields(notifications.create_notification_channel(wrong).await);
    assert_eq!(bad, ["webhook.body_template"]);
    let rule = v1::CreateNotificationRuleRequest {
        name: "all".to_owned(),
        min_severity: 99,
        events: vec![v1::NotificationEvent::Test.into()],
        channels: vec!["no such/channel".to_owned()],
        ..Default::default()
    };
    let bad = bad_fields(notifications.create_notification_rule(rule).await);
    assert_eq!(bad, ["min_severity", "events", "channels"]);
    let unknown = v1::UpdateNotificationRuleRequest {
        rule: "none".to_owned(),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["job".to_owned()],
        }),
        ..Default::default()
    };
    let refusal = refused(notifications.update_notification_rule(unknown).await);
    assert_eq!(refusal.reason, "NOTIFICATION_RULE_NOT_FOUND");
    let mut nobody = NotificationServiceClient::new(server.channel());
    let asked = nobody
        .list_notifications(v1::ListNotificationsRequest::default())
        .await;
    assert_eq!(refused(asked).reason, "UNAUTHENTICATED");
}
