//! JobService.

use dataguardian_core::ids::JobId;
use dataguardian_proto::v1;
use dataguardian_proto::v1::job_service_server::JobService;
use tonic::{Request, Response, Status};

use super::call::concerns;
use super::error::bad_request;
use super::{decode, encode};
use crate::domain::field::{BadField, Checks};
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;
use crate::domain::request::request_id;
use crate::services::jobs::Jobs;
use crate::services::retention::{PreviewOf, Retention};

pub(super) struct Handler(pub(super) Jobs, pub(super) Retention);

#[tonic::async_trait]
impl JobService for Handler {
    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let validate_only = request.get_ref().validate_only;
        let new = decode::new_job(request.into_inner()).map_err(bad_request)?;
        let job = if validate_only {
            self.0.validate(new).await?
        } else {
            self.0.create(new).await?
        };
        Ok(Response::new(v1::CreateJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let job = self.0.get(&reference(&request.get_ref().job)?).await?;
        Ok(Response::new(v1::GetJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.0.list(&page).await?;
        Ok(Response::new(v1::ListJobsResponse {
            jobs: page.items.into_iter().map(encode::job).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_job(
        &self,
        request: Request<v1::UpdateJobRequest>,
    ) -> Result<Response<v1::UpdateJobResponse>, Status> {
        concerns(&request, &request.get_ref().job);
        let which = reference(&request.get_ref().job)?;
        let change = decode::job_change(request.into_inner()).map_err(bad_request)?;
        let job = self.0.update(&which, change).await?;
        Ok(Response::new(v1::UpdateJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn delete_job(
        &self,
        request: Request<v1::DeleteJobRequest>,
    ) -> Result<Response<v1::DeleteJobResponse>, Status> {
        concerns(&request, &request.get_ref().job);
        self.0.delete(&reference(&request.get_ref().job)?).await?;
        Ok(Response::new(v1::DeleteJobResponse {}))
    }

    async fn preview_retention(
        &self,
        request: Request<v1::PreviewRetentionRequest>,
    ) -> Result<Response<v1::PreviewRetentionResponse>, Status> {
        let request = request.into_inner();
        let mut checks = Checks::new();
        let which = checks.take(reference(&request.job));
        let page = checks.take(PageRequest::parse(request.page_size, &request.page_token));
        let of = match request.retention {
            None => Some(PreviewOf::Present),
            Some(given) => decode::retention(&mut checks, given).map(PreviewOf::Proposed),
        };
        let asked = (|| Some((which?, of?, page?)))();
        let (which, of, page) = decode::checked(checks, asked).map_err(bad_request)?;
        let preview = self.1.preview(&which, of, &page).await?;
        Ok(Response::new(encode::preview(preview)))
    }

    async fn run_job(
        &self,
        request: Request<v1::RunJobRequest>,
    ) -> Result<Response<v1::RunJobResponse>, Status> {
        concerns(&request, &request.get_ref().job);
        let mut checks = Checks::new();
        let which = checks.take(reference(&request.get_ref().job));
        let request_id = checks.take(request_id(&request.get_ref().request_id)).flatten();
        let which = decode::checked(checks, which).map_err(bad_request)?;
        let execution = self.0.run(&which, request_id).await?;
        Ok(Response::new(v1::RunJobResponse {
            execution: Some(encode::execution(execution)),
        }))
    }
}

fn reference(text: &str) -> Result<Reference<JobId>, BadField> {
    Reference::parse("job", text)
}
