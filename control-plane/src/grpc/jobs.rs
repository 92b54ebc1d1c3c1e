//! JobService.

use dataguardian_core::ids::JobId;
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use dataguardian_proto::v1::job_service_server::JobService;
use tonic::{Request, Response, Status};

use super::call::{concerns, mandate, subject};
use super::error::bad_request;
use super::{decode, encode};
use crate::domain::field::{BadField, Checks};
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;
use crate::domain::request::request_id;
use crate::services::jobs::Jobs;
use crate::services::reach::Reach;
use crate::services::retention::{PreviewOf, Retention};
use crate::services::schedules::Schedules;
use crate::services::{Changed, Services};

pub(super) struct Handler {
    jobs: Jobs,
    schedules: Schedules,
    retention: Retention,
    reach: Reach,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            jobs: services.jobs.clone(),
            schedules: services.schedules.clone(),
            retention: services.retention.clone(),
            reach: services.reach.clone(),
        }
    }
}

impl Handler {
    /// The job that a request names, if its caller may do that to it.
    async fn named<T: Sync>(&self, request: &Request<T>, text: &str) -> Result<Reference<JobId>, Status> {
        Ok(self.reach.job(&mandate(request)?, reference(text)?).await?)
    }
}

#[tonic::async_trait]
impl JobService for Handler {
    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let mandate = mandate(&request)?;
        let validate_only = request.get_ref().validate_only;
        let new = decode::new_job(request.into_inner()).map_err(bad_request)?;
        let new = self.reach.new_job(&mandate, new).await?;
        let job = if validate_only {
            self.jobs.validate(new).await?
        } else {
            self.jobs.create(new).await?
        };
        Ok(Response::new(v1::CreateJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let which = self.named(&request, &request.get_ref().job).await?;
        let job = self.jobs.get(&which).await?;
        Ok(Response::new(v1::GetJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let within = mandate(&request)?.within();
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.jobs.list_within(&within, &page).await?;
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
        let mandate = mandate(&request)?;
        let which = self.named(&request, &request.get_ref().job).await?;
        let subject = subject(&request);
        let change = decode::job_change(request.into_inner()).map_err(bad_request)?;
        let storages = change.storages.as_deref().unwrap_or_default();
        self.reach.named_storages(&mandate, storages).await?;
        let Changed { before, after } = self.jobs.update(&which, change).await?;
        let job = encode::job(after);
        subject.changed("Job", &encode::job(before), &job);
        Ok(Response::new(v1::UpdateJobResponse { job: Some(job) }))
    }

    async fn delete_job(
        &self,
        request: Request<v1::DeleteJobRequest>,
    ) -> Result<Response<v1::DeleteJobResponse>, Status> {
        concerns(&request, &request.get_ref().job);
        let which = self.named(&request, &request.get_ref().job).await?;
        self.jobs.delete(&which).await?;
        Ok(Response::new(v1::DeleteJobResponse {}))
    }

    async fn pause_job(
        &self,
        request: Request<v1::PauseJobRequest>,
    ) -> Result<Response<v1::PauseJobResponse>, Status> {
        concerns(&request, &request.get_ref().job);
        let which = self.named(&request, &request.get_ref().job).await?;
        let job = self.schedules.pause(&which).await?;
        Ok(Response::new(v1::PauseJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn resume_job(
        &self,
        request: Request<v1::ResumeJobRequest>,
    ) -> Result<Response<v1::ResumeJobResponse>, Status> {
        concerns(&request, &request.get_ref().job);
        let which = self.named(&request, &request.get_ref().job).await?;
        let job = self.schedules.resume(&which).await?;
        Ok(Response::new(v1::ResumeJobResponse {
            job: Some(encode::job(job)),
        }))
    }

    async fn list_next_fire_times(
        &self,
        request: Request<v1::ListNextFireTimesRequest>,
    ) -> Result<Response<v1::ListNextFireTimesResponse>, Status> {
        let mandate = mandate(&request)?;
        let (asked, count) = decode::next_fire_times(request.into_inner()).map_err(bad_request)?;
        let ahead = match asked {
            decode::Asked::Job(job) => {
                let which = self.reach.job(&mandate, reference(&job)?).await?;
                self.schedules.ahead(&which, count).await?
            }
            decode::Asked::Schedule(schedule) => self.schedules.preview(&schedule, count)?,
        };
        Ok(Response::new(v1::ListNextFireTimesResponse {
            paused_at: ahead.paused_at.map(timestamp),
            timezone: ahead.timezone,
            times: ahead.times.into_iter().map(encode::fire_time).collect(),
        }))
    }

    async fn preview_retention(
        &self,
        request: Request<v1::PreviewRetentionRequest>,
    ) -> Result<Response<v1::PreviewRetentionResponse>, Status> {
        let mandate = mandate(&request)?;
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
        let which = self.reach.job(&mandate, which).await?;
        let preview = self.retention.preview(&which, of, &page).await?;
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
        let which = self.reach.job(&mandate(&request)?, which).await?;
        let execution = self.jobs.run(&which, request_id).await?;
        Ok(Response::new(v1::RunJobResponse {
            execution: Some(encode::execution(execution)),
        }))
    }
}

fn reference(text: &str) -> Result<Reference<JobId>, BadField> {
    Reference::parse("job", text)
}
