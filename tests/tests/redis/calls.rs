//! The calls that are made in each condition, and what they come to.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::restore_service_client::RestoreServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use dataguardian_tests::system::{PASSWORD, System};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// The longest that a refusal may take, at the median: one call may meet a busy machine.
const REFUSAL: Duration = Duration::from_millis(50);
/// How often each call is made in each condition.
const CALLS: usize = 21;

/// What is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Call {
    RunJob,
    StartRestore,
    VerifyBackup,
    GetSystemInfo,
    ListJobs,
    ListExecutions,
    ListBackups,
    WhoAmI,
    Login,
}

impl Call {
    const ALL: [Self; 9] = [
        Self::RunJob,
        Self::StartRestore,
        Self::VerifyBackup,
        Self::GetSystemInfo,
        Self::ListJobs,
        Self::ListExecutions,
        Self::ListBackups,
        Self::WhoAmI,
        Self::Login,
    ];

    const fn enqueues(self) -> bool {
        matches!(self, Self::RunJob | Self::StartRestore | Self::VerifyBackup)
    }
}

/// Adds the token to every call.
#[derive(Clone)]
struct Bearer(String);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = format!("Bearer {}", self.0).parse::<MetadataValue<Ascii>>();
        let value = value.map_err(|_| Status::internal("a token that is no header"))?;
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A client that is connected and signed in.
pub(crate) struct Client {
    channel: Channel,
    signed: InterceptedService<Channel, Bearer>,
}

impl Client {
    pub(crate) async fn connect(system: &System) -> Result<Self> {
        let ca = std::fs::read_to_string(system.control_plane.ca_file())?;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(ca))
            .domain_name("localhost");
        let channel = Endpoint::from_shared(system.control_plane.url())?
            .tls_config(tls)?
            .connect()
            .await?;
        let login = log_in(&channel).await?;
        let signed = InterceptedService::new(channel.clone(), Bearer(login.api_token));
        Ok(Self { channel, signed })
    }

    async fn call(&self, call: Call) -> Result<(), Status> {
        let (signed, latest, of) = (self.signed.clone(), || "latest".to_owned(), || "main".to_owned());
        match call {
            Call::RunJob => {
                let request = v1::RunJobRequest {
                    job: of(),
                    ..v1::RunJobRequest::default()
                };
                JobServiceClient::new(signed).run_job(request).await.map(drop)
            }
            Call::StartRestore => {
                let request = v1::StartRestoreRequest {
                    backup: latest(),
                    datasource: of(),
                    mode: v1::RestoreMode::Scratch.into(),
                    ..v1::StartRestoreRequest::default()
                };
                RestoreServiceClient::new(signed)
                    .start_restore(request)
                    .await
                    .map(drop)
            }
            Call::VerifyBackup => {
                let request = v1::VerifyBackupRequest {
                    backup: latest(),
                    datasource: of(),
                    ..v1::VerifyBackupRequest::default()
                };
                BackupServiceClient::new(signed)
                    .verify_backup(request)
                    .await
                    .map(drop)
            }
            Call::GetSystemInfo => SystemServiceClient::new(signed)
                .get_system_info(v1::GetSystemInfoRequest {})
                .await
                .map(drop),
            Call::ListJobs => {
                let request = v1::ListJobsRequest::default();
                JobServiceClient::new(signed).list_jobs(request).await.map(drop)
            }
            Call::ListExecutions => {
                let request = v1::ListExecutionsRequest::default();
                ExecutionServiceClient::new(signed)
                    .list_executions(request)
                    .await
                    .map(drop)
            }
            Call::ListBackups => {
                let request = v1::ListBackupsRequest::default();
                BackupServiceClient::new(signed)
                    .list_backups(request)
                    .await
                    .map(drop)
            }
            Call::WhoAmI => AuthServiceClient::new(signed)
                .who_am_i(v1::WhoAmIRequest {})
                .await
                .map(drop),
            Call::Login => log_in(&self.channel).await.map(drop),
        }
    }
}

async fn log_in(channel: &Channel) -> Result<v1::LoginResponse, Status> {
    let request = v1::LoginRequest {
        username: "admin".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    let login = AuthServiceClient::new(channel.clone()).login(request).await?;
    Ok(login.into_inner())
}

/// What a call came to in one condition.
pub(crate) struct Measured {
    pub(crate) call: Call,
    pub(crate) answer: String,
    pub(crate) median: Duration,
    pub(crate) longest: Duration,
}

/// Makes every call in one condition. Those that enqueue are made once while that is possible.
pub(crate) async fn measure(client: &Client, online: bool) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for call in Call::ALL {
        let times = match call {
            _ if call.enqueues() && online => 1,
            Call::Login => 3,
            _ => CALLS,
        };
        let (mut took, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..times {
            let began = Instant::now();
            let outcome = client.call(call).await;
            took.push(began.elapsed());
            let answer = match outcome {
                Ok(()) => "OK".to_owned(),
                Err(status) => {
                    let error = ApiError::from(&status);
                    let retry = error
                        .retry_after
                        .map_or(String::new(), |after| format!(", RetryInfo {after:?}"));
                    format!("{:?} {}{retry}", status.code(), error.reason)
                }
            };
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
        took.sort_unstable();
        let answer = answers.join(" / ");
        let expected = match call.enqueues() && !online {
            true => "Unavailable QUEUE_OFFLINE, RetryInfo 5s",
            false => "OK",
        };
        ensure!(answer == expected, "{call:?} while online = {online}: {answer}");
        let median = took[took.len() / 2];
        ensure!(
            online || !call.enqueues() || median < REFUSAL,
            "{call:?} was refused after {median:?}"
        );
        all.push(Measured {
            call,
            answer,
            median,
            longest: took.last().copied().unwrap_or_default(),
        });
    }
    Ok(all)
}
