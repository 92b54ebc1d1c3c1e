//! The way to the control plane: one connection, mutual TLS, kept alive from both sides, replaced when the certificate is.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dataguardian_core::backoff::Backoff;
use dataguardian_proto::agent::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::status::ApiError;
use rand::Rng as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity};
use tonic::{Code, Response, Status};

use crate::identity::Identity;
use crate::patience;

/// A call that has no answer after this long is made again.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before the next try.
pub(crate) const RETRY: Backoff = Backoff {
    first: Duration::from_secs(1),
    ceiling: Duration::from_secs(30),
};
/// The largest answer that is taken: an assignment with thousands of names fits.
const MAX_MESSAGE: usize = 16 << 20;

/// The agents' client.
pub type Client = AgentServiceClient<Channel>;

/// A handle on the connection. Clones share it; the connection is made when it is first needed and again when it broke.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    link: Arc<RwLock<Link>>,
    replaced: Arc<watch::Sender<()>>,
}

/// The connection, and how another one is made.
#[derive(Debug, Clone)]
struct Link {
    endpoint: Endpoint,
    channel: Channel,
}

impl Link {
    fn new(identity: &Identity) -> Result<Self, ConnectError> {
        let endpoint = endpoint(identity)?;
        let channel = endpoint.connect_lazy();
        Ok(Self { endpoint, channel })
    }
}

/// A connection can't even be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address or the certificates are not usable.
    #[error("the connection to the control plane can't be prepared")]
    Unusable(#[source] tonic::transport::Error),
}

/// How a call that was made until it was answered ended.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The control plane said no.
    #[error("the control plane refuses: {0}")]
    Refused(ApiError),
    /// The caller lost interest.
    #[error("given up")]
    GivenUp,
}

/// Hears of new certificates.
#[derive(Debug)]
pub struct Replacements(watch::Receiver<()>);

impl Replacements {
    /// Waits for a certificate that was not heard of yet. Cancel-safe.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl ControlPlane {
    /// Prepares a connection as this identity.
    pub fn prepare(identity: &Identity) -> Result<Self, ConnectError> {
        Ok(Self {
            link: Arc::new(RwLock::new(Link::new(identity)?)),
            replaced: Arc::new(watch::Sender::new(())),
        })
    }

    /// Uses another certificate from the next call on. Calls under way end on the old connection.
    pub fn replace(&self, identity: &Identity) -> Result<(), ConnectError> {
        let fresh = Link::new(identity)?;
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.replaced.send_replace(());
        Ok(())
    }

    /// Hears of each certificate that is used from now on.
    pub fn replacements(&self) -> Replacements {
        Replacements(self.replaced.subscribe())
    }

    /// A client on the connection.
    pub fn client(&self) -> Client {
        on(self.link().channel)
    }

    /// A client on a connection of its own, for a stream that its reader may hold up: held up, it would take the whole window
    /// of a shared connection, and the session's heartbeats with it.
    pub fn client_apart(&self) -> Client {
        on(self.link().endpoint.connect_lazy())
    }

    fn link(&self) -> Link {
        self.link.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a call again and again until it is answered, waiting ever longer in between, and honouring what the control
    /// plane says of when to come back.
    pub async fn call<T, F>(
        &self,
        give_up: &CancellationToken,
        mut make: impl FnMut(Client) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        for attempt in 0.. {
            let call = patience::timeout(CALL_TIMEOUT, make(self.client()));
            let answer = tokio::select! {
                answer = call => answer,
                () = give_up.cancelled() => return Err(CallError::GivenUp),
            };
            let status = match answer {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no answer in time"),
            };
            if !may_pass(status.code()) {
                return Err(CallError::Refused(ApiError::from(&status)));
            }
            let told = ApiError::from(&status).retry_after;
            let delay = told.map_or_else(|| RETRY.delay(attempt, &mut rand::rng()), apart);
            tracing::debug!(code = ?status.code(), ?delay, "the control plane did not answer; trying again");
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = give_up.cancelled() => return Err(CallError::GivenUp),
            }
        }
        Err(CallError::GivenUp)
    }
}

/// A time that the control plane asked for, or up to half as long again: it told all agents the same one, and they must not come
/// back all at once.
pub(crate) fn apart(told: Duration) -> Duration {
    told.mul_f64(rand::rng().random_range(1.0..=1.5))
}

/// Whether the same call may be answered later. A connection that broke shows as `Unknown` or `Cancelled` in tonic.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
    )
}

fn on(channel: Channel) -> Client {
    AgentServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE)
}

fn endpoint(identity: &Identity) -> Result<Endpoint, ConnectError> {
    let certificate = &identity.certificate;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&certificate.authorities_pem))
        .identity(TlsIdentity::from_pem(
            &certificate.chain_pem,
            &certificate.key_pem,
        ))
        .domain_name(&identity.endpoint.server_name);
    let host = match identity.endpoint.host.as_str() {
        v6 if v6.contains(':') => format!("[{v6}]"),
        host => host.to_owned(),
    };
    let endpoint = Endpoint::from_shared(format!("https://{host}:{}", identity.endpoint.port))
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(ConnectError::Unusable)?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(10))
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true))
}
