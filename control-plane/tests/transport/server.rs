//! A control plane in this process, in a directory of its own, on free ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use dataguardian_control_plane::app::App;
use dataguardian_control_plane::config::Config;
use dataguardian_control_plane::services::Services;
use dataguardian_control_plane::sessions::Sessions;
use dataguardian_core::clock::{SharedClock, SystemClock};
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A control plane; it ends with this.
pub(crate) struct Server {
    pub(crate) api: SocketAddr,
    pub(crate) agents: SocketAddr,
    pub(crate) ca_pem: String,
    pub(crate) sessions: Sessions,
    pub(crate) services: Services,
    pub(crate) pin: String,
    /// None where somebody else is the administrator already.
    pub(crate) setup_token: Option<PathBuf>,
    stop: CancellationToken,
    running: JoinSet<()>,
    dir: tempfile::TempDir,
}

/// Adds a bearer token to every call.
#[derive(Clone)]
pub(crate) struct Bearer(pub(crate) String);

pub(crate) type Signed = InterceptedService<Channel, Bearer>;

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {}", self.0).parse().unwrap());
        Ok(request)
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Box::pin(Self::start_at(SystemClock::shared(), change)).await
    }

    pub(crate) async fn start_at(clock: SharedClock, change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: Some(dir.path().join("data")),
            ..Config::default()
        };
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.api.listen = any_port;
        config.agents.listen = any_port;
        change(&mut config);
        let app = Box::pin(App::assemble(config, clock))
            .await
            .expect("the control plane starts");
        let stop = CancellationToken::new();
        let ca_pem = std::fs::read_to_string(app.data_dir().join("ca.pem")).unwrap_or_default();
        let mut server = Self {
            api: app.api_address().unwrap(),
            agents: app.agent_address().unwrap(),
            ca_pem,
            sessions: app.sessions(),
            services: app.services(),
            pin: app.pin(),
            setup_token: app.setup_token().cloned(),
            stop: stop.clone(),
            running: JoinSet::new(),
            dir,
        };
        server.running.spawn(async move {
            Box::pin(app.run(stop))
                .await
                .expect("the control plane ends well")
        });
        server
    }

    /// A connection to the API; every call makes one of its own at first use.
    pub(crate) fn channel(&self) -> Channel {
        self.channel_trusting(&self.ca_pem)
    }

    fn channel_trusting(&self, ca_pem: &str) -> Channel {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(ca_pem))
            .domain_name("localhost");
        endpoint(self.api).tls_config(tls).unwrap().connect_lazy()
    }

    /// Makes the first administrator.
    pub(crate) async fn set_up(&self) -> v1::SetupResponse {
        let request = v1::SetupRequest {
            setup_token: std::fs::read_to_string(
                self.setup_token.as_ref().expect("there is no administrator yet"),
            )
            .unwrap()
            .trim()
            .to_owned(),
            username: "admin".to_owned(),
            password: PASSWORD.to_owned(),
            ..Default::default()
        };
        AuthServiceClient::new(self.channel())
            .setup(request)
            .await
            .expect("setup works once")
            .into_inner()
    }

    /// A connection on which every call is the administrator's.
    pub(crate) async fn administrator(&self) -> Signed {
        let login = self.set_up().await;
        self.signed(&login.api_token)
    }

    /// The file with what clients of the API trust.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("data/ca.pem")
    }

    /// A connection of the administrator, who is there already, for a client that trusts this authority.
    pub(crate) async fn administrator_again(&self, ca_pem: &str) -> Result<Signed, Status> {
        let request = v1::LoginRequest {
            username: "admin".to_owned(),
            password: PASSWORD.to_owned(),
            ..Default::default()
        };
        let channel = self.channel_trusting(ca_pem);
        let login = AuthServiceClient::new(channel.clone()).login(request).await?;
        Ok(InterceptedService::new(
            channel,
            Bearer(login.into_inner().api_token),
        ))
    }

    pub(crate) fn signed(&self, token: &str) -> Signed {
        InterceptedService::new(self.channel(), Bearer(token.to_owned()))
    }

    /// Stops the server the way SIGTERM does, and waits for it. A server is large, so the waiting is boxed.
    pub(crate) fn stop(mut self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.stop.cancel();
            let ended = self.running.join_next();
            tokio::time::timeout(Duration::from_secs(30), ended)
                .await
                .expect("it ends in time")
                .unwrap()
                .unwrap();
        })
    }
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("https://{address}"))
        .unwrap()
        .connect_timeout(Duration::from_secs(5))
}

/// The error of a call that must fail.
pub(crate) fn refused<T>(outcome: Result<T, Status>) -> ApiError {
    match outcome {
        Ok(_) => panic!("the call went through"),
        Err(status) => ApiError::from(&status),
    }
}

/// The bad fields of a call that must fail with some.
pub(crate) fn bad_fields<T>(outcome: Result<T, Status>) -> Vec<String> {
    let error = refused(outcome);
    assert_eq!(error.reason, "BAD_REQUEST", "{error:?}");
    error.fields.into_iter().map(|bad| bad.field).collect()
}

/// Waits for a condition, not for luck.
pub(crate) async fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(limit, waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {limit:?}"));
}
