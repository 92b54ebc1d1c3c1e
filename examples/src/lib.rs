//! Small programs on the generated SDK (`dataguardian-proto`): how a program of yours speaks to the control plane.
//!
//! - `run_and_watch`: lists jobs, runs one and follows it to its end.
//! - `newest_backups`: tells how old each datasource's newest backup is, for a monitoring system.
//!
//! All of them take server, authority and token from `DATAGUARDIAN_SERVER`, `DATAGUARDIAN_CA` and `DATAGUARDIAN_TOKEN`,
//! as `dgctl` does.

use anyhow::{Context as _, Result};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// A connection on which every call carries the token: what each generated client takes.
pub type Connection = InterceptedService<Channel, Bearer>;

/// Puts the token on each call.
#[derive(Debug, Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Connects to the control plane that the environment names.
///
/// # Errors
/// If a variable is missing, the authority's file can't be read, or the server does not answer or is not who it should be.
pub async fn connect() -> Result<Connection> {
    // The process says once which cryptography TLS uses; a second time is refused, and changes nothing.
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = variable("DATAGUARDIAN_SERVER")?;
    let authority = variable("DATAGUARDIAN_CA")?;
    let authority = std::fs::read_to_string(&authority).with_context(|| format!("reading {authority}"))?;
    let mut token: MetadataValue<Ascii> = format!("Bearer {}", variable("DATAGUARDIAN_TOKEN")?).parse()?;
    token.set_sensitive(true);

    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    let channel = Endpoint::from_shared(server.clone())?
        .tls_config(tls)?
        .connect()
        .await
        .with_context(|| format!("connecting to {server}"))?;
    Ok(InterceptedService::new(channel, Bearer(token)))
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("set {name}"))
}
