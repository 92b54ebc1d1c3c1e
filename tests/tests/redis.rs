//! Redis stopped, frozen, emptied and started again while work is under way: what stops, what goes on, how quickly, and that
//! nothing is lost or done twice. What each call answered, and when, is in `target/queue.md`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::restore_service_client::RestoreServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::redis::RedisServer;
use dataguardian_tests::system::{AGENT, Backing, PASSWORD, System};
use dataguardian_tests::wait;
use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// The longest that going offline and coming back may take.
const TURN: TimeDelta = TimeDelta::seconds(5);
/// The longest that a refusal may take, at the median: one call may meet a busy machine.
const REFUSAL: Duration = Duration::from_millis(50);
/// For what takes some dumps.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often each call is made in each condition.
const CALLS: usize = 21;
/// A few megabytes, so that a dump that is held up between blocks lasts some seconds.
const ROWS: &str = "create table note (id int primary key, text text not null);
    insert into note select g, repeat(md5(g::text), 30) from generate_series(1, 2000) g";

/// What is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
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
struct Client {
    channel: Channel,
    signed: InterceptedService<Channel, Bearer>,
}

impl Client {
    async fn connect(system: &System) -> Result<Self> {
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
    };
    let login = AuthServiceClient::new(channel.clone()).login(request).await?;
    Ok(login.into_inner())
}

/// What a call came to in one condition.
struct Measured {
    call: Call,
    answer: String,
    median: Duration,
    longest: Duration,
}

/// Makes every call in one condition. Those that enqueue are made once while that is possible.
async fn measure(client: &Client, online: bool) -> Result<Vec<Measured>> {
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

/// What is written to `target/queue.md`.
struct Report(String);

impl Report {
    fn begin() -> Self {
        Self(
            "# The queue while Redis is away\n\nWritten by the test `redis`. Times in milliseconds.\n"
                .to_owned(),
        )
    }

    fn condition(&mut self, title: &str, measured: &[Measured]) -> Result<()> {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let text = &mut self.0;
        writeln!(
            text,
            "\n## {title}\n\n| call | answer | median | longest |\n|---|---|---:|---:|"
        )?;
        for line in measured {
            let (call, answer) = (line.call, &line.answer);
            let (median, longest) = (ms(line.median), ms(line.longest));
            writeln!(text, "| {call:?} | {answer} | {median:.1} | {longest:.1} |")?;
        }
        self.write()
    }

    fn say(&mut self, sentence: &str) -> Result<()> {
        writeln!(self.0, "\n{sentence}")?;
        self.write()
    }

    fn write(&self) -> Result<()> {
        std::fs::write(target()?.join("queue.md"), &self.0)?;
        Ok(())
    }
}

/// The build's target directory: the test's own program is in `target/PROFILE/deps`.
fn target() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test
        .ancestors()
        .nth(3)
        .context("the target directory")?
        .to_owned())
}

/// Waits until the queue and both workers are as they should be; gives how long that took, by the control plane's own word.
fn turned(system: &System, online: bool, cause: DateTime<Utc>) -> Result<TimeDelta> {
    let state = match online {
        true => "WORKER_STATE_RUNNING",
        false => "WORKER_STATE_PAUSED",
    };
    wait::until(&format!("the queue to be online = {online}"), || {
        let info = system.json(&["system", "info"])?;
        let is_online = info["queue"]["online"] == true;
        let workers = info["workers"].as_array().context("workers")?;
        let mut concerned = workers
            .iter()
            .filter(|worker| worker["name"] == "backup" || worker["name"] == "restore");
        Ok(is_online == online && concerned.all(|worker| worker["state"] == state))
    })?;
    let info = system.json(&["system", "info"])?;
    let since = info["queue"]["since"].as_str().context("since when")?;
    let took = since.parse::<DateTime<Utc>>()? - cause;
    ensure!(took < TURN, "to online = {online} took {took}");
    Ok(took)
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with what the control plane writes down"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn states(system: &System) -> Result<Vec<String>> {
    let listed = system.json(&["execution", "list"])?;
    let executions = listed["executions"].as_array().context("executions")?;
    let state = |execution: &Value| execution["state"].as_str().unwrap_or_default().to_owned();
    Ok(executions.iter().map(state).collect())
}

/// A system whose dumps take some seconds, and what is told of it.
struct Scene {
    _source: Postgres,
    system: System,
    report: Report,
}

impl Scene {
    fn set() -> Result<Self> {
        let source = Postgres::start(Version::V16)?;
        source.create_database("shop")?;
        source.psql("shop", ROWS)?;
        let mut system = System::start_on(Backing::Servers)?;
        system.add_datasource("main", &source, &["shop"])?;
        system.add_job("main", &["--table-connections", "1"])?;
        system.run_job("main").succeed()?;
        system.agent.program().stop()?;
        system.agent.start_armed("agent.dump.first_rows=delay:150")?;
        system.wait_for_agent(AGENT)?;
        Ok(Self {
            _source: source,
            system,
            report: Report::begin(),
        })
    }

    fn redis(&mut self) -> Result<&mut RedisServer> {
        Ok(&mut self.system.servers.as_mut().context("servers")?.redis)
    }

    /// Does something to Redis, waits for what comes of it, and tells how long that took.
    fn turn(
        &mut self,
        what: &str,
        online: bool,
        cause: impl FnOnce(&mut RedisServer) -> Result<()>,
    ) -> Result<()> {
        let began = now();
        cause(self.redis()?)?;
        let took = turned(&self.system, online, began)?.as_seconds_f64();
        let became = if online { "Online" } else { "Offline" };
        self.report.say(&format!("{became} {took:.1} s after {what}."))
    }

    async fn measure(&mut self, title: &str, online: bool) -> Result<()> {
        let client = Client::connect(&self.system).await?;
        self.report.condition(title, &measure(&client, online).await?)
    }

    /// While a dump runs and another one waits: the one runs on to its end, and the other is kept.
    async fn freeze(&mut self) -> Result<()> {
        let running = self.system.start_job("main")?;
        self.system.wait_for_state_within(PATIENCE, &running, "running")?;
        let waiting = self.system.start_job("main")?;
        self.turn("Redis froze (SIGSTOP)", false, |redis| redis.freeze())?;
        self.measure("Redis frozen (SIGSTOP)", false).await?;
        self.system.wait_for_state(&running, "completed")?;
        let kept = self.system.execution(&waiting)?;
        ensure!(
            kept["state"] == "EXECUTION_STATE_QUEUED" && kept["waiting"]["reason"] == "WAITING_REASON_QUEUE",
            "nothing begins meanwhile: {kept:#}"
        );
        self.turn("it went on (SIGCONT)", true, |redis| redis.thaw())?;
        self.system.wait_for_state(&waiting, "completed")?;
        Ok(())
    }

    /// And started again with nothing in it, the control plane meanwhile without it.
    async fn stop(&mut self) -> Result<()> {
        let waiting = [self.system.start_job("main")?, self.system.start_job("main")?];
        self.turn("Redis was killed", false, RedisServer::kill)?;
        self.measure("Redis stopped", false).await?;
        self.system.control_plane.program().stop()?;
        let began = now();
        self.system.control_plane.start_again()?;
        turned(&self.system, false, began)?;
        self.measure("The control plane started while Redis is stopped", false)
            .await?;
        self.turn("Redis was started again", true, RedisServer::start_again)?;
        for execution in &waiting {
            self.system
                .wait_for_state_within(PATIENCE, execution, "completed")?;
        }
        Ok(())
    }

    /// There was nothing in it that counts.
    async fn empty(&mut self) -> Result<()> {
        let waiting = self.system.start_job("main")?;
        self.redis()?.flush_all()?;
        self.measure("Redis emptied (FLUSHALL)", true).await?;
        self.system
            .wait_for_state_within(PATIENCE, &waiting, "completed")?;
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        wait::until_within(PATIENCE, "all work to end", || {
            let unended = ["QUEUED", "LEASED", "RUNNING", "COMMITTING", "RETRY_WAIT"];
            let over = |state: &String| !unended.iter().any(|word| state.ends_with(word));
            Ok(states(&self.system)?.iter().all(over))
        })?;
        let states = states(&self.system)?;
        ensure!(
            states.iter().all(|state| state == "EXECUTION_STATE_COMPLETED"),
            "not all went well: {states:?}"
        );
        let told = format!(
            "All {} executions that were accepted completed, each once.",
            states.len()
        );
        self.report.say(&told)?;
        self.system.check_invariants()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_and_goes_and_no_work_is_lost_or_done_twice() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut scene = Scene::set()?;
    scene.measure("Redis there", true).await?;
    scene.freeze().await?;
    scene.stop().await?;
    scene.empty().await?;
    scene.settle()
}
