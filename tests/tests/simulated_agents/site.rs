//! A control plane with what agents need: storages, datasources, jobs; over the API, as a program would make them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::restore_service_client::RestoreServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use dataguardian_tests::system::ControlPlane;
use tonic::Request;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// The API, as the administrator.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    channel: Channel,
    token: String,
}

impl Site {
    pub(crate) async fn sign_in(control_plane: &ControlPlane) -> Result<Self> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(std::fs::read(control_plane.ca_file())?))
            .domain_name("localhost");
        let channel = Endpoint::from_shared(control_plane.url())?
            .tls_config(tls)?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .connect_lazy();
        let login = v1::LoginRequest {
            username: "admin".to_owned(),
            password: "correct horse battery staple".to_owned(),
            ..Default::default()
        };
        let answer = AuthServiceClient::new(channel.clone())
            .login(login)
            .await?
            .into_inner();
        Ok(Self {
            channel,
            token: answer.api_token,
        })
    }

    fn request<T>(&self, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {}", self.token).parse()?);
        Ok(request)
    }

    pub(crate) async fn join_token(&self, name: &str) -> Result<v1::CreateJoinTokenResponse> {
        let request = self.request(v1::CreateJoinTokenRequest {
            name: name.to_owned(),
            ..v1::CreateJoinTokenRequest::default()
        })?;
        Ok(AgentServiceClient::new(self.channel.clone())
            .create_join_token(request)
            .await?
            .into_inner())
    }

    /// A storage, a datasource and a job, all of the agent's name. The agent must be connected.
    pub(crate) async fn make_job(&self, name: &str, vaults: &Path) -> Result<()> {
        let local = v1::LocalStorage {
            agent: name.to_owned(),
            path: vaults.join(name).display().to_string(),
        };
        let storage = self.request(v1::CreateStorageRequest {
            name: name.to_owned(),
            location: Some(v1::create_storage_request::Location::Local(local)),
            ..v1::CreateStorageRequest::default()
        })?;
        StorageServiceClient::new(self.channel.clone())
            .create_storage(storage)
            .await
            .context("the storage")?;
        let all = v1::database_selection::Selection::All(v1::AllDatabases::default());
        let datasource = self.request(v1::CreateDatasourceRequest {
            name: name.to_owned(),
            engine: v1::Engine::Postgres.into(),
            agent: name.to_owned(),
            host: "localhost".to_owned(),
            username: "backup".to_owned(),
            password: "none".to_owned(),
            databases: Some(v1::DatabaseSelection { selection: Some(all) }),
            ..v1::CreateDatasourceRequest::default()
        })?;
        DatasourceServiceClient::new(self.channel.clone())
            .create_datasource(datasource)
            .await
            .context("the datasource")?;
        let job = self.request(v1::CreateJobRequest {
            name: name.to_owned(),
            datasource: name.to_owned(),
            storages: vec![name.to_owned()],
            options: Some(v1::BackupOptions {
                max_attempts: 2,
                ..v1::BackupOptions::default()
            }),
            ..v1::CreateJobRequest::default()
        })?;
        JobServiceClient::new(self.channel.clone())
            .create_job(job)
            .await
            .context("the job")?;
        Ok(())
    }

    pub(crate) async fn is_connected(&self, name: &str) -> Result<bool> {
        let request = self.request(v1::GetAgentRequest {
            agent: name.to_owned(),
        })?;
        let answer = AgentServiceClient::new(self.channel.clone())
            .get_agent(request)
            .await?
            .into_inner();
        Ok(answer.agent.is_some_and(|agent| agent.connected))
    }

    pub(crate) async fn run_job(&self, job: &str) -> Result<v1::Execution> {
        let request = self.request(v1::RunJobRequest {
            job: job.to_owned(),
            ..v1::RunJobRequest::default()
        })?;
        let answer = JobServiceClient::new(self.channel.clone())
            .run_job(request)
            .await?
            .into_inner();
        answer.execution.context("an execution")
    }

    pub(crate) async fn restore(&self, datasource: &str) -> Result<v1::Execution> {
        let request = self.request(v1::StartRestoreRequest {
            backup: "latest".to_owned(),
            datasource: datasource.to_owned(),
            mode: v1::RestoreMode::Scratch.into(),
            ..v1::StartRestoreRequest::default()
        })?;
        let answer = RestoreServiceClient::new(self.channel.clone())
            .start_restore(request)
            .await?
            .into_inner();
        answer.execution.context("an execution")
    }

    pub(crate) async fn execution(&self, id: &str) -> Result<v1::Execution> {
        let request = self.request(v1::GetExecutionRequest { id: id.to_owned() })?;
        let answer = ExecutionServiceClient::new(self.channel.clone())
            .get_execution(request)
            .await?
            .into_inner();
        answer.execution.context("an execution")
    }

    pub(crate) async fn cancel(&self, id: &str) -> Result<()> {
        let request = self.request(v1::CancelExecutionRequest { id: id.to_owned() })?;
        ExecutionServiceClient::new(self.channel.clone())
            .cancel_execution(request)
            .await?;
        Ok(())
    }

    /// Everything that has not ended.
    pub(crate) async fn unfinished(&self) -> Result<Vec<v1::Execution>> {
        use v1::ExecutionState as S;
        let states = [
            S::Queued,
            S::Leased,
            S::Running,
            S::Committing,
            S::RetryWait,
            S::Cancelling,
        ];
        let request = self.request(v1::ListExecutionsRequest {
            page_size: 500,
            states: states.map(i32::from).to_vec(),
            ..v1::ListExecutionsRequest::default()
        })?;
        let answer = ExecutionServiceClient::new(self.channel.clone())
            .list_executions(request)
            .await?
            .into_inner();
        Ok(answer.executions)
    }
}
