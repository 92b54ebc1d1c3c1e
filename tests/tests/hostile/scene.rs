//! A control plane, one who means harm, and one who does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_tests::memory::peak_kib;
use dataguardian_tests::system::{PASSWORD, System};
use tokio::net::{TcpSocket, TcpStream};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// The longest that others wait for an answer.
const SOON: Duration = Duration::from_secs(5);
/// What the harm may cost in memory. Unoptimised, each of the 512 calls that may be at work takes 140 KiB.
const MEMORY_KIB: u64 = 256 * 1024;

/// All of it.
pub(crate) struct Scene {
    pub(crate) system: System,
    token: MetadataValue<Ascii>,
    /// The control plane's peak of memory before anything happens, in KiB.
    peak: u64,
}

impl Scene {
    pub(crate) async fn set() -> Result<Self> {
        let mut system = System::start()?;
        let channel = connect(&system).await?;
        let token = log_in(&channel).await?;
        let peak = peak_kib(system.control_plane.program().pid())?;
        Ok(Self { system, token, peak })
    }

    /// A TCP connection to the API from that address of this host.
    pub(crate) async fn connect_from(&self, from: Ipv4Addr) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let api = SocketAddr::from((Ipv4Addr::LOCALHOST, self.system.control_plane.api_port()));
        Ok(socket.connect(api).await?)
    }

    /// A connection of its own to the API.
    pub(crate) async fn connect(&self) -> Result<Channel> {
        connect(&self.system).await
    }

    /// A request of the administrator's.
    pub(crate) fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    /// Somebody comes anew, and gets an answer soon.
    pub(crate) async fn others_are_served(&self) -> Result<()> {
        let began = Instant::now();
        let call = async {
            let channel = self.connect().await?;
            let request = self.signed(v1::ListJobsRequest::default());
            JobServiceClient::new(channel).list_jobs(request).await?;
            anyhow::Ok(())
        };
        tokio::time::timeout(SOON, call)
            .await
            .with_context(|| format!("no answer within {:?}", began.elapsed()))?
    }

    /// Whatever happened did not take much memory.
    pub(crate) fn memory_is_bounded(&mut self) -> Result<()> {
        let peak = peak_kib(self.system.control_plane.program().pid())?;
        let taken = peak - self.peak;
        ensure!(
            taken < MEMORY_KIB,
            "{taken} KiB more than the {} KiB before",
            self.peak
        );
        Ok(())
    }
}

async fn connect(system: &System) -> Result<Channel> {
    let ca = std::fs::read_to_string(system.control_plane.ca_file())?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(system.control_plane.url())?.tls_config(tls)?;
    Ok(endpoint.connect().await?)
}

async fn log_in(channel: &Channel) -> Result<MetadataValue<Ascii>> {
    let request = v1::LoginRequest {
        username: "admin".to_owned(),
        password: PASSWORD.to_owned(),
        ..v1::LoginRequest::default()
    };
    let answer = AuthServiceClient::new(channel.clone()).login(request).await?;
    Ok(format!("Bearer {}", answer.into_inner().api_token).parse()?)
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    ApiError::from(status).reason
}
