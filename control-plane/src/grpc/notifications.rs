//! NotificationService.

use dataguardian_core::ids::{NotificationChannelId, NotificationRuleId};
use dataguardian_proto::convert::duration;
use dataguardian_proto::v1;
use dataguardian_proto::v1::notification_service_server::NotificationService;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::call::{concerns, subject};
use super::error::bad_request;
use super::{Shared, decode, encode};
use crate::domain::field::BadField;
use crate::domain::notification::Notification;
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;
use crate::services::Changed;
use crate::services::notifications::Notifications;

pub(super) struct Handler(pub(super) Shared);

impl Handler {
    const fn service(&self) -> &Notifications {
        &self.0.services.notifications
    }
}

#[tonic::async_trait]
impl NotificationService for Handler {
    async fn create_notification_channel(
        &self,
        request: Request<v1::CreateNotificationChannelRequest>,
    ) -> Result<Response<v1::CreateNotificationChannelResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let validate_only = request.get_ref().validate_only;
        let new = decode::new_channel(request.into_inner()).map_err(bad_request)?;
        let channel = match validate_only {
            true => self.service().validate_channel(new).await?,
            false => self.service().create_channel(new).await?,
        };
        Ok(Response::new(v1::CreateNotificationChannelResponse {
            channel: Some(encode::channel(channel)),
        }))
    }

    async fn get_notification_channel(
        &self,
        request: Request<v1::GetNotificationChannelRequest>,
    ) -> Result<Response<v1::GetNotificationChannelResponse>, Status> {
        let which = channel(&request.get_ref().channel)?;
        let channel = self.service().channel(&which).await?;
        Ok(Response::new(v1::GetNotificationChannelResponse {
            channel: Some(encode::channel(channel)),
        }))
    }

    async fn list_notification_channels(
        &self,
        request: Request<v1::ListNotificationChannelsRequest>,
    ) -> Result<Response<v1::ListNotificationChannelsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.service().channels(&page).await?;
        Ok(Response::new(v1::ListNotificationChannelsResponse {
            channels: page.items.into_iter().map(encode::channel).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_notification_channel(
        &self,
        request: Request<v1::UpdateNotificationChannelRequest>,
    ) -> Result<Response<v1::UpdateNotificationChannelResponse>, Status> {
        concerns(&request, &request.get_ref().channel);
        let which = channel(&request.get_ref().channel)?;
        let validate_only = request.get_ref().validate_only;
        let subject = subject(&request);
        let change = decode::channel_change(request.into_inner()).map_err(bad_request)?;
        let channel = match validate_only {
            true => self.service().validate_channel_update(&which, change).await?,
            false => {
                let Changed { before, after } = self.service().update_channel(&which, change).await?;
                let shown = encode::channel(after.clone());
                subject.changed("NotificationChannel", &encode::channel(before), &shown);
                after
            }
        };
        Ok(Response::new(v1::UpdateNotificationChannelResponse {
            channel: Some(encode::channel(channel)),
        }))
    }

    async fn delete_notification_channel(
        &self,
        request: Request<v1::DeleteNotificationChannelRequest>,
    ) -> Result<Response<v1::DeleteNotificationChannelResponse>, Status> {
        concerns(&request, &request.get_ref().channel);
        let which = channel(&request.get_ref().channel)?;
        self.service().delete_channel(&which).await?;
        Ok(Response::new(v1::DeleteNotificationChannelResponse {}))
    }

    async fn test_notification_channel(
        &self,
        request: Request<v1::TestNotificationChannelRequest>,
    ) -> Result<Response<v1::TestNotificationChannelResponse>, Status> {
        concerns(&request, &request.get_ref().channel);
        let channel = self
            .service()
            .channel(&channel(&request.get_ref().channel)?)
            .await?;
        let open = self.service().open(&channel)?;
        let message = Notification::test(channel.name.as_str(), self.0.clock.now());
        let began = Instant::now();
        let sent = self.0.sender.send(&open, &message).await;
        let took = Some(duration(began.elapsed()));
        let failure = sent.as_ref().err().map(ToString::to_string);
        self.service().tested(&channel, failure.as_deref()).await?;
        Ok(Response::new(match sent {
            Ok(()) => v1::TestNotificationChannelResponse {
                ok: true,
                took,
                ..Default::default()
            },
            Err(fault) => v1::TestNotificationChannelResponse {
                ok: false,
                stage: fault.stage.as_str().to_owned(),
                advice: fault.stage.advice().to_owned(),
                problem: fault.problem,
                took,
            },
        }))
    }

    async fn create_notification_rule(
        &self,
        request: Request<v1::CreateNotificationRuleRequest>,
    ) -> Result<Response<v1::CreateNotificationRuleResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let validate_only = request.get_ref().validate_only;
        let new = decode::new_rule(request.into_inner()).map_err(bad_request)?;
        let rule = match validate_only {
            true => self.service().validate_rule(new).await?,
            false => self.service().create_rule(new).await?,
        };
        Ok(Response::new(v1::CreateNotificationRuleResponse {
            rule: Some(encode::rule(rule)),
        }))
    }

    async fn get_notification_rule(
        &self,
        request: Request<v1::GetNotificationRuleRequest>,
    ) -> Result<Response<v1::GetNotificationRuleResponse>, Status> {
        let rule = self.service().rule(&rule(&request.get_ref().rule)?).await?;
        Ok(Response::new(v1::GetNotificationRuleResponse {
            rule: Some(encode::rule(rule)),
        }))
    }

    async fn list_notification_rules(
        &self,
        request: Request<v1::ListNotificationRulesRequest>,
    ) -> Result<Response<v1::ListNotificationRulesResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.service().rules(&page).await?;
        Ok(Response::new(v1::ListNotificationRulesResponse {
            rules: page.items.into_iter().map(encode::rule).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_notification_rule(
        &self,
        request: Request<v1::UpdateNotificationRuleRequest>,
    ) -> Result<Response<v1::UpdateNotificationRuleResponse>, Status> {
        concerns(&request, &request.get_ref().rule);
        let which = rule(&request.get_ref().rule)?;
        let change = decode::rule_change(request.get_ref()).map_err(bad_request)?;
        let rule = match request.get_ref().validate_only {
            true => self.service().validate_rule_update(&which, change).await?,
            false => {
                let Changed { before, after } = self.service().update_rule(&which, change).await?;
                let shown = encode::rule(after.clone());
                subject(&request).changed("NotificationRule", &encode::rule(before), &shown);
                after
            }
        };
        Ok(Response::new(v1::UpdateNotificationRuleResponse {
            rule: Some(encode::rule(rule)),
        }))
    }

    async fn delete_notification_rule(
        &self,
        request: Request<v1::DeleteNotificationRuleRequest>,
    ) -> Result<Response<v1::DeleteNotificationRuleResponse>, Status> {
        concerns(&request, &request.get_ref().rule);
        let which = rule(&request.get_ref().rule)?;
        self.service().delete_rule(&which).await?;
        Ok(Response::new(v1::DeleteNotificationRuleResponse {}))
    }

    async fn list_notifications(
        &self,
        request: Request<v1::ListNotificationsRequest>,
    ) -> Result<Response<v1::ListNotificationsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let with = decode::delivery_state(request.delivery_state)?;
        let page = self.service().list(&page, with).await?;
        Ok(Response::new(v1::ListNotificationsResponse {
            notifications: page.items.into_iter().map(encode::told).collect(),
            next_page_token: page.next_page_token,
        }))
    }
}

fn channel(text: &str) -> Result<Reference<NotificationChannelId>, BadField> {
    Reference::parse("channel", text)
}

fn rule(text: &str) -> Result<Reference<NotificationRuleId>, BadField> {
    Reference::parse("rule", text)
}
