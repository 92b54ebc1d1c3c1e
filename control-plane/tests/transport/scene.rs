//! A control plane with an agent and a job, and what both do with them.

use std::time::Duration;

use dataguardian_control_plane::config::Config;
use dataguardian_core::clock::{SharedClock, SystemClock};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::v1;
use dataguardian_proto::v1::ExecutionState;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use tonic::Streaming;
use wire::session_request::Message as Said;
use wire::session_response::Message as Heard;

use crate::agent::{TestAgent, TestSession};
use crate::server::{Server, Signed};

/// A control plane with one agent, and a job for it.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) admin: Signed,
    pub(crate) agent: TestAgent,
    pub(crate) session: TestSession,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::set_at(SystemClock::shared()).await
    }

    pub(crate) async fn set_at(clock: SharedClock) -> Self {
        Box::pin(Self::build(clock)).await
    }

    async fn build(clock: SharedClock) -> Self {
        let server = Server::start_at(clock, |config| config.reconcilers.interval_seconds = 1).await;
        Box::pin(Self::set_on(server)).await
    }

    /// With those settings; loops pass as seldom as they do by default.
    pub(crate) async fn set_with(change: impl FnOnce(&mut Config)) -> Self {
        Box::pin(Self::set_on(Server::start_with(change).await)).await
    }

    async fn set_on(server: Server) -> Self {
        let admin = server.administrator().await;
        let agent = TestAgent::enroll(&server, &admin, "db1").await;
        let session = agent.open_session(&server).await.unwrap();
        let mut scene = Self {
            server,
            admin,
            agent,
            session,
        };
        scene.make_storage().await;
        let datasource = v1::CreateDatasourceRequest {
            name: "shop".to_owned(),
            engine: v1::Engine::Postgres.into(),
            agent: "db1".to_owned(),
            host: "localhost".to_owned(),
            username: "backup".to_owned(),
            password: "s3cret".to_owned(),
            databases: Some(v1::DatabaseSelection {
                selection: Some(v1::database_selection::Selection::All(v1::AllDatabases::default())),
            }),
            ..v1::CreateDatasourceRequest::default()
        };
        let mut datasources = DatasourceServiceClient::new(scene.admin.clone());
        Box::pin(datasources.create_datasource(datasource)).await.unwrap();
        let job = v1::CreateJobRequest {
            name: "nightly".to_owned(),
            datasource: "shop".to_owned(),
            storages: vec!["disk".to_owned()],
            ..v1::CreateJobRequest::default()
        };
        let mut jobs = JobServiceClient::new(scene.admin.clone());
        Box::pin(jobs.create_job(job)).await.unwrap();
        scene
    }

    pub(crate) async fn make_storage(&mut self) {
        let local = v1::LocalStorage {
            agent: "db1".to_owned(),
            path: "/var/backups".to_owned(),
        };
        let request = v1::CreateStorageRequest {
            name: "disk".to_owned(),
            location: Some(v1::create_storage_request::Location::Local(local)),
            ..v1::CreateStorageRequest::default()
        };
        let mut storages = StorageServiceClient::new(self.admin.clone());
        let session = &mut self.session;
        let answering = async {
            let Some(Heard::Question(question)) = session.next().await.unwrap() else {
                panic!("not a question")
            };
            let Some(wire::question::Question::PrepareStorage(prepare)) = question.question else {
                panic!("not that one")
            };
            let prepared = wire::PrepareStorageAnswer {
                repository_id: prepare.repository.unwrap().repository_id,
                ..wire::PrepareStorageAnswer::default()
            };
            let answer = Some(wire::answer::Answer::PrepareStorage(prepared));
            session
                .say(Said::Answer(wire::Answer {
                    request_id: question.request_id,
                    answer,
                }))
                .await;
        };
        let (made, ()) = tokio::join!(storages.create_storage(request), answering);
        made.unwrap();
    }

    pub(crate) async fn run_job(&self) -> v1::Execution {
        let request = v1::RunJobRequest {
            job: "nightly".to_owned(),
            ..v1::RunJobRequest::default()
        };
        JobServiceClient::new(self.admin.clone())
            .run_job(request)
            .await
            .unwrap()
            .into_inner()
            .execution
            .unwrap()
    }

    pub(crate) fn executions(&self) -> ExecutionServiceClient<Signed> {
        ExecutionServiceClient::new(self.admin.clone())
    }

    pub(crate) async fn watch(&self, id: &str) -> Streaming<v1::WatchExecutionResponse> {
        let request = v1::WatchExecutionRequest { id: id.to_owned() };
        self.executions()
            .watch_execution(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// What the agent hears next, answers to heartbeats left aside.
    pub(crate) async fn heard(&mut self) -> Heard {
        loop {
            match self.session.next().await.unwrap() {
                Some(Heard::HeartbeatSeen(_)) => {}
                Some(heard) => return heard,
                None => panic!("the session ended"),
            }
        }
    }

    pub(crate) async fn offer(&mut self) -> wire::Assignment {
        match self.heard().await {
            Heard::Offer(offer) => offer,
            other => panic!("not an offer: {other:?}"),
        }
    }

    pub(crate) async fn accept(&self, offer: &wire::Assignment) {
        self.session
            .say(Said::Accept(wire::Accept {
                fence: offer.fence.clone(),
            }))
            .await;
    }

    pub(crate) async fn complete(
        &self,
        offer: &wire::Assignment,
        outcome: wire::complete_attempt_request::Outcome,
    ) {
        let request = wire::CompleteAttemptRequest {
            fence: offer.fence.clone(),
            outcome: Some(outcome),
            progress: None,
        };
        self.agent
            .client(&self.server)
            .complete_attempt(request)
            .await
            .unwrap();
    }

    /// Waits until the execution runs.
    pub(crate) async fn watch_running(&self, id: &str) {
        let mut watch = self.watch(id).await;
        until(&mut watch, |execution| {
            execution.state() == ExecutionState::Running
        })
        .await;
    }
}

/// Waits until the watched execution is as wanted.
pub(crate) async fn until(
    watch: &mut Streaming<v1::WatchExecutionResponse>,
    wanted: impl Fn(&v1::Execution) -> bool,
) -> v1::Execution {
    let waiting = async {
        loop {
            let execution = watch
                .message()
                .await
                .unwrap()
                .expect("the watch goes on")
                .execution
                .unwrap();
            if wanted(&execution) {
                return execution;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it comes to that")
}

pub(crate) fn failure() -> wire::complete_attempt_request::Outcome {
    wire::complete_attempt_request::Outcome::Failure(v1::Failure {
        reason: "DATABASE_AUTHENTICATION".to_owned(),
        message: "password authentication failed".to_owned(),
        ..v1::Failure::default()
    })
}
