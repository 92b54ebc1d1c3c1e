//! ExecutionService.

use dataguardian_core::ids::ExecutionId;
use dataguardian_proto::v1;
use dataguardian_proto::v1::execution_service_server::ExecutionService;
use futures::{StreamExt as _, stream};
use tonic::{Request, Response, Status};

use super::call::{concerns, mandate};
use super::error::bad_request;
use super::stream::{Messages, Reader, until_stop, while_allowed};
use super::{Shared, decode, encode};
use crate::domain::field::{BadField, Checks};
use crate::domain::request::request_id;
use crate::services::logs::Follow;

pub(super) struct Handler(pub(super) Shared);

#[tonic::async_trait]
impl ExecutionService for Handler {
    type WatchExecutionStream = Messages<v1::WatchExecutionResponse>;
    type TailLogsStream = Messages<v1::TailLogsResponse>;

    async fn get_execution(
        &self,
        request: Request<v1::GetExecutionRequest>,
    ) -> Result<Response<v1::GetExecutionResponse>, Status> {
        let id = self.named(&request, id("id", &request.get_ref().id)?).await?;
        let execution = self.0.services.executions.get(id).await?;
        Ok(Response::new(v1::GetExecutionResponse {
            execution: Some(encode::execution(execution)),
        }))
    }

    async fn list_executions(
        &self,
        request: Request<v1::ListExecutionsRequest>,
    ) -> Result<Response<v1::ListExecutionsResponse>, Status> {
        let (filter, page) = decode::execution_filter(request.get_ref()).map_err(bad_request)?;
        let filter = self
            .0
            .services
            .reach
            .executions(&mandate(&request)?, filter)
            .await?;
        let page = self.0.services.executions.list(&filter, &page).await?;
        Ok(Response::new(v1::ListExecutionsResponse {
            executions: page.items.into_iter().map(encode::execution).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn watch_execution(
        &self,
        request: Request<v1::WatchExecutionRequest>,
    ) -> Result<Response<Self::WatchExecutionStream>, Status> {
        let id = self.named(&request, id("id", &request.get_ref().id)?).await?;
        let reader = Reader::of(&request, &self.0)?;
        let watch = self.0.services.executions.watch(id).await?;
        let changes = stream::try_unfold(watch, |mut watch| async move {
            let execution = watch.next().await?;
            Ok(execution.map(|execution| (encode::execution(execution), watch)))
        });
        let messages = changes.map(|execution: Result<_, Status>| {
            execution.map(|execution| v1::WatchExecutionResponse {
                execution: Some(execution),
            })
        });
        Ok(Response::new(until_stop(
            while_allowed(messages, reader),
            self.0.stop.clone(),
        )))
    }

    async fn tail_logs(
        &self,
        request: Request<v1::TailLogsRequest>,
    ) -> Result<Response<Self::TailLogsStream>, Status> {
        let id = id("execution_id", &request.get_ref().execution_id)?;
        let id = self.named(&request, id).await?;
        let reader = Reader::of(&request, &self.0)?;
        let request = request.into_inner();
        let follow = if request.follow {
            Follow::UntilEnded
        } else {
            Follow::No
        };
        let tail = self.0.services.logs.tail(id, request.offset, follow).await?;
        let chunks = stream::try_unfold(tail, |mut tail| async move {
            let chunk = tail.next().await?;
            Ok(chunk.map(|chunk| (chunk, tail)))
        });
        let messages = chunks.map(|chunk: Result<_, Status>| {
            chunk.map(|chunk| v1::TailLogsResponse {
                offset: chunk.offset,
                lines: chunk.lines.into_iter().map(encode::log_line).collect(),
            })
        });
        Ok(Response::new(until_stop(
            while_allowed(messages, reader),
            self.0.stop.clone(),
        )))
    }

    async fn cancel_execution(
        &self,
        request: Request<v1::CancelExecutionRequest>,
    ) -> Result<Response<v1::CancelExecutionResponse>, Status> {
        concerns(&request, &request.get_ref().id);
        let id = self.named(&request, id("id", &request.get_ref().id)?).await?;
        let execution = self.0.services.executions.cancel(id).await?;
        Ok(Response::new(v1::CancelExecutionResponse {
            execution: Some(encode::execution(execution)),
        }))
    }

    async fn retry_execution(
        &self,
        request: Request<v1::RetryExecutionRequest>,
    ) -> Result<Response<v1::RetryExecutionResponse>, Status> {
        concerns(&request, &request.get_ref().id);
        let mut checks = Checks::new();
        let which = checks.take(id("id", &request.get_ref().id));
        let request_id = checks.take(request_id(&request.get_ref().request_id)).flatten();
        let which = decode::checked(checks, which).map_err(bad_request)?;
        let reach = &self.0.services.reach;
        let which = reach.retried(&mandate(&request)?, which).await?;
        let execution = self.0.services.executions.retry(which, request_id).await?;
        Ok(Response::new(v1::RetryExecutionResponse {
            execution: Some(encode::execution(execution)),
        }))
    }
}

impl Handler {
    /// The execution that a request names, if its caller may do that to it.
    async fn named<T: Sync>(&self, request: &Request<T>, id: ExecutionId) -> Result<ExecutionId, Status> {
        Ok(self.0.services.reach.execution(&mandate(request)?, id).await?)
    }
}

fn id(field: &'static str, text: &str) -> Result<ExecutionId, BadField> {
    text.parse()
        .map_err(|error: dataguardian_core::ids::InvalidId| BadField::new(field, error.to_string()))
}
