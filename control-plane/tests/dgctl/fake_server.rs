//! A server that answers as it is told to, over TLS with an authority of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_server::{AuthService, AuthServiceServer};
use dataguardian_proto::v1::execution_service_server::{ExecutionService, ExecutionServiceServer};
use dataguardian_proto::v1::job_service_server::{JobService, JobServiceServer};
use futures::Stream;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What a stream does next.
pub(crate) enum Step<T> {
    /// A message.
    Send(T),
    /// An error, and no more.
    Fail(Status),
    /// The end, as if all were said.
    End,
}

/// What a watch, and what the reading of a log, is answered with.
pub(crate) type WatchSteps = Vec<Step<v1::Execution>>;
pub(crate) type LogSteps = Vec<Step<Vec<&'static str>>>;

/// What it will answer, and what it was asked.
#[derive(Default)]
struct Script {
    watches: VecDeque<WatchSteps>,
    tails: VecDeque<LogSteps>,
    tail_offsets: Vec<u64>,
    refusal: Option<ApiError>,
    authorization: String,
    password: String,
}

#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Script>>);

/// A running server; it ends with this.
pub(crate) struct FakeServer {
    address: SocketAddr,
    ca: NamedTempFile,
    answers: Answers,
    _tasks: JoinSet<()>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let ca = NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), certified.cert.pem()).unwrap();
        let identity = Identity::from_pem(certified.cert.pem(), certified.signing_key.serialize_pem());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Answers::default();
        let server = Server::builder()
            .tls_config(ServerTlsConfig::new().identity(identity))
            .unwrap()
            .add_service(AuthServiceServer::new(answers.clone()))
            .add_service(ExecutionServiceServer::new(answers.clone()))
            .add_service(JobServiceServer::new(answers.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            server
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            address,
            ca,
            answers,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn ca_file(&self) -> String {
        self.ca.path().display().to_string()
    }

    /// The flags that lead to it.
    pub(crate) fn flags(&self) -> String {
        format!("--server {} --ca {}", self.url(), self.ca_file())
    }

    pub(crate) fn will_answer_watches<const N: usize>(&self, watches: [WatchSteps; N]) {
        self.answers.script().watches = watches.into();
    }

    pub(crate) fn will_answer_tails<const N: usize>(&self, tails: [LogSteps; N]) {
        self.answers.script().tails = tails.into();
    }

    pub(crate) fn will_refuse(&self, error: ApiError) {
        self.answers.script().refusal = Some(error);
    }

    pub(crate) fn tail_offsets(&self) -> Vec<u64> {
        self.answers.script().tail_offsets.clone()
    }

    pub(crate) fn last_authorization(&self) -> String {
        self.answers.script().authorization.clone()
    }

    pub(crate) fn last_password(&self) -> String {
        self.answers.script().password.clone()
    }
}

/// A running backup at this revision.
pub(crate) fn running(revision: i64) -> v1::Execution {
    v1::Execution {
        id: "0192f3a4".into(),
        kind: v1::ExecutionKind::Backup.into(),
        state: v1::ExecutionState::Running.into(),
        attempt: 1,
        progress: Some(v1::Progress {
            stage: "copying tables".into(),
            ..Default::default()
        }),
        revision,
        ..Default::default()
    }
}

/// The same backup, ended in this state.
pub(crate) fn ended(revision: i64, state: v1::ExecutionState) -> v1::Execution {
    v1::Execution {
        state: state.into(),
        ..running(revision)
    }
}

impl Answers {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// Notes who called; refuses if it is to.
    fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let mut script = self.script();
        let header = request.metadata().get("authorization");
        script.authorization = header
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default();
        match &script.refusal {
            Some(error) => Err(error.clone().into()),
            None => Ok(request.into_inner()),
        }
    }
}

fn ada() -> Option<v1::User> {
    Some(v1::User {
        username: "ada".into(),
        ..Default::default()
    })
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn play<S: Send + 'static, T: 'static>(
    steps: Vec<Step<S>>,
    mut message: impl FnMut(S) -> T + Send + 'static,
) -> Messages<T> {
    let results = steps.into_iter().map_while(move |step| match step {
        Step::Send(value) => Some(Ok(message(value))),
        Step::Fail(status) => Some(Err(status)),
        Step::End => None,
    });
    Box::pin(futures::stream::iter(results))
}

/// Methods that no test here calls.
macro_rules! unused {
    ($($method:ident($request:ident) -> $response:ident;)+) => {$(
        fn $method<'a, 'async_trait>(
            &'a self,
            _: Request<v1::$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<v1::$response>, Status>> + Send + 'async_trait>>
        where
            'a: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(std::future::ready(Err(Status::unimplemented("not in this test"))))
        }
    )+};
}

#[tonic::async_trait]
impl AuthService for Answers {
    unused! {
        setup(SetupRequest) -> SetupResponse;
        list_sessions(ListSessionsRequest) -> ListSessionsResponse;
        revoke_session(RevokeSessionRequest) -> RevokeSessionResponse;
        change_password(ChangePasswordRequest) -> ChangePasswordResponse;
        enrol_totp(EnrolTotpRequest) -> EnrolTotpResponse;
        confirm_totp(ConfirmTotpRequest) -> ConfirmTotpResponse;
        disable_totp(DisableTotpRequest) -> DisableTotpResponse;
    }

    async fn login(&self, request: Request<v1::LoginRequest>) -> Result<Response<v1::LoginResponse>, Status> {
        self.script().password = self.admit(request)?.password;
        Ok(Response::new(v1::LoginResponse {
            user: ada(),
            api_token: "dg_1_secret".into(),
            expires_at: None,
            failed_sign_ins: None,
        }))
    }

    async fn logout(
        &self,
        request: Request<v1::LogoutRequest>,
    ) -> Result<Response<v1::LogoutResponse>, Status> {
        self.admit(request)?;
        Ok(Response::new(v1::LogoutResponse {}))
    }

    async fn who_am_i(
        &self,
        request: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        self.admit(request)?;
        Ok(Response::new(v1::WhoAmIResponse {
            user: ada(),
            ..Default::default()
        }))
    }
}

#[tonic::async_trait]
impl JobService for Answers {
    unused! {
        get_job(GetJobRequest) -> GetJobResponse;
        list_jobs(ListJobsRequest) -> ListJobsResponse;
        update_job(UpdateJobRequest) -> UpdateJobResponse;
        delete_job(DeleteJobRequest) -> DeleteJobResponse;
        pause_job(PauseJobRequest) -> PauseJobResponse;
        resume_job(ResumeJobRequest) -> ResumeJobResponse;
        list_next_fire_times(ListNextFireTimesRequest) -> ListNextFireTimesResponse;
        preview_retention(PreviewRetentionRequest) -> PreviewRetentionResponse;
    }

    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        self.admit(request)?;
        Ok(Response::new(v1::CreateJobResponse::default()))
    }

    async fn run_job(
        &self,
        request: Request<v1::RunJobRequest>,
    ) -> Result<Response<v1::RunJobResponse>, Status> {
        self.admit(request)?;
        let execution = Some(ended(0, v1::ExecutionState::Queued));
        Ok(Response::new(v1::RunJobResponse { execution }))
    }
}

#[tonic::async_trait]
impl ExecutionService for Answers {
    unused! {
        get_execution(GetExecutionRequest) -> GetExecutionResponse;
        list_executions(ListExecutionsRequest) -> ListExecutionsResponse;
        cancel_execution(CancelExecutionRequest) -> CancelExecutionResponse;
        retry_execution(RetryExecutionRequest) -> RetryExecutionResponse;
    }

    type WatchExecutionStream = Messages<v1::WatchExecutionResponse>;

    async fn watch_execution(
        &self,
        request: Request<v1::WatchExecutionRequest>,
    ) -> Result<Response<Self::WatchExecutionStream>, Status> {
        self.admit(request)?;
        let steps = self.script().watches.pop_front();
        let steps = steps.ok_or_else(|| Status::failed_precondition("watched once too often"))?;
        let message = |execution| v1::WatchExecutionResponse {
            execution: Some(execution),
        };
        Ok(Response::new(play(steps, message)))
    }

    type TailLogsStream = Messages<v1::TailLogsResponse>;

    async fn tail_logs(
        &self,
        request: Request<v1::TailLogsRequest>,
    ) -> Result<Response<Self::TailLogsStream>, Status> {
        let mut offset = self.admit(request)?.offset;
        let mut script = self.script();
        script.tail_offsets.push(offset);
        let steps = script.tails.pop_front();
        let steps = steps.ok_or_else(|| Status::failed_precondition("tailed once too often"))?;
        let message = move |texts: Vec<&'static str>| {
            let line = |text: &&str| v1::LogLine {
                message: (*text).to_owned(),
                level: v1::LogLevel::Info.into(),
                time: None,
            };
            let reply = v1::TailLogsResponse {
                offset,
                lines: texts.iter().map(line).collect(),
            };
            offset += texts.len() as u64;
            reply
        };
        Ok(Response::new(play(steps, message)))
    }
}
