//! Which server, which authority, which token; and the connection made of them.
//!
//! Flags go before the environment, the environment before the stored login. What belongs to the stored login (authority,
//! token) is only ever used with the stored login's server: another server must not see its token.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dataguardian_core::secret::Secret;
use dataguardian_proto::v1::access_service_client::AccessServiceClient;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::notification_service_client::NotificationServiceClient;
use dataguardian_proto::v1::restore_service_client::RestoreServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use http::Uri;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::error::{Error, Result};
use crate::profile::Profile;

/// The control plane's usual API port.
const DEFAULT_PORT: u16 = 8443;

/// Where distributions keep the public authorities, for servers with a certificate of their own.
const SYSTEM_AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// What flags and environment say about the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The server's address.
    pub(crate) server: Option<String>,
    /// A PEM file with the authority of its certificate.
    pub(crate) ca: Option<PathBuf>,
    /// The token to call with.
    pub(crate) token: Option<Secret>,
}

/// Where to connect, whom to trust and what to say.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// With scheme and port.
    pub(crate) server: String,
    /// The authority in PEM; none for the system's own.
    pub(crate) ca_pem: Option<String>,
    /// None for the methods that anybody may call.
    pub(crate) token: Option<Secret>,
}

impl Target {
    /// What is wanted, completed by the stored login where that is for the same server.
    pub(crate) fn resolve(wanted: Wanted, stored: Option<&Profile>) -> Result<Self> {
        let server = match (&wanted.server, stored) {
            (Some(server), _) => normalise(server)?,
            (None, Some(profile)) => profile.server.clone(),
            (None, None) => {
                return Err(Error::usage(
                    "no server is known: give --server or DATAGUARDIAN_SERVER, or sign in with `dgctl login`",
                ));
            }
        };
        let stored = stored.filter(|profile| profile.server == server);
        let ca_pem = match &wanted.ca {
            Some(path) => Some(read_authorities(path)?),
            None => stored.and_then(|profile| profile.ca_pem.clone()),
        };
        let token = wanted
            .token
            .or_else(|| stored.map(|profile| profile.token.clone()));
        Ok(Self {
            server,
            ca_pem,
            token,
        })
    }

    /// Connects, so that an address that is wrong is told at once.
    pub(crate) async fn connect(&self) -> Result<Api> {
        let bearer = Bearer::new(self.token.as_ref())?;
        let channel = self
            .endpoint()?
            .connect()
            .await
            .map_err(|source| Error::Connect {
                server: self.server.clone(),
                source,
            })?;
        Ok(Api(InterceptedService::new(channel, bearer)))
    }

    fn endpoint(&self) -> Result<Endpoint> {
        let wrong = |error: tonic::transport::Error| Error::usage(format!("server {}: {error}", self.server));
        let uri: Uri = parse(&self.server)?;
        let endpoint = Endpoint::from(uri.clone())
            .user_agent(concat!("dgctl/", env!("CARGO_PKG_VERSION")))
            .map_err(wrong)?
            .connect_timeout(Duration::from_secs(10))
            // Until the answer begins: what an agent is asked for may take it a while.
            .timeout(Duration::from_secs(120))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true);
        if uri.scheme_str() == Some("http") {
            return Ok(endpoint);
        }
        let pem = match &self.ca_pem {
            Some(pem) => pem.clone(),
            None => system_authorities()?,
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let tls = ClientTlsConfig::new()
            .domain_name(host)
            .ca_certificate(Certificate::from_pem(pem));
        endpoint.tls_config(tls).map_err(wrong)
    }
}

/// The generated clients, on one connection.
#[derive(Debug, Clone)]
pub(crate) struct Api(Connection);

type Connection = InterceptedService<Channel, Bearer>;

macro_rules! clients {
    ($($name:ident: $client:ident;)+) => {
        impl Api {
            $(pub(crate) fn $name(&self) -> $client<Connection> {
                $client::new(self.0.clone())
            })+
        }
    };
}

clients! {
    access: AccessServiceClient;
    agents: AgentServiceClient;
    auth: AuthServiceClient;
    backups: BackupServiceClient;
    datasources: DatasourceServiceClient;
    executions: ExecutionServiceClient;
    jobs: JobServiceClient;
    notifications: NotificationServiceClient;
    restores: RestoreServiceClient;
    storages: StorageServiceClient;
    system: SystemServiceClient;
}

/// Puts the token on each call.
#[derive(Debug, Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: Option<&Secret>) -> Result<Self> {
        let header = |token: &Secret| {
            let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose())
                .parse()
                .map_err(|_| Error::usage("the token holds characters that no token has"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        token.map(header).transpose().map(Self)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// The address in full: `https` and port 8443 where it only names a host. Plain text is for this machine alone.
pub(crate) fn normalise(server: &str) -> Result<String> {
    let full = match server.split_once("://") {
        Some(_) => server.trim_end_matches('/').to_owned(),
        None => {
            let uri = parse(&format!("https://{server}"))?;
            match uri.port() {
                Some(_) => format!("https://{server}"),
                None => format!("https://{server}:{DEFAULT_PORT}"),
            }
        }
    };
    let uri = parse(&full)?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback => {}
        Some("http") => {
            return Err(Error::usage(
                "http:// is only for this machine itself: use https://",
            ));
        }
        _ => return Err(Error::usage(format!("{server}: expected https://HOST:PORT"))),
    }
    match uri.path() {
        "" | "/" => Ok(full),
        path => Err(Error::usage(format!(
            "{server}: no path is expected, but there is {path}"
        ))),
    }
}

fn parse(server: &str) -> Result<Uri> {
    let uri: Result<Uri, _> = server.parse();
    match uri {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(Error::usage(format!(
            "{server}: not an address; expected https://HOST:PORT"
        ))),
    }
}

/// The file's text, once it is sure that there is a certificate in it: an authority that is skipped in silence would show
/// only as a failed handshake.
fn read_authorities(path: &Path) -> Result<String> {
    let pem = fs::read_to_string(path).map_err(|source| Error::File {
        action: "reading",
        path: path.to_owned(),
        source,
    })?;
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(Error::Content {
            path: path.to_owned(),
            problem: "holds no certificate in PEM".into(),
        }),
    }
}

fn system_authorities() -> Result<String> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = SYSTEM_AUTHORITIES.into_iter().map(PathBuf::from);
    let found = named.into_iter().chain(usual).find(|path| path.exists());
    match found {
        Some(path) => read_authorities(&path),
        None => Err(Error::usage(
            "no authority is known that could vouch for the server: give --ca or DATAGUARDIAN_CA",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            server: "https://dg.example:8443".into(),
            username: "ada".into(),
            ca_pem: Some("stored authority".into()),
            token: Secret::new("dg_stored"),
        }
    }

    #[test]
    fn addresses_are_completed() {
        for (given, full) in [
            ("dg.example", "https://dg.example:8443"),
            ("dg.example:9000", "https://dg.example:9000"),
            ("[::1]", "https://[::1]:8443"),
            ("https://dg.example/", "https://dg.example"),
            ("http://127.0.0.1:8443", "http://127.0.0.1:8443"),
            ("http://localhost:1", "http://localhost:1"),
        ] {
            assert_eq!(normalise(given).unwrap(), full, "{given}");
        }
    }

    #[test]
    fn addresses_that_would_leak_or_lie_are_refused() {
        for bad in [
            "",
            "http://dg.example:8443",
            "ftp://dg.example",
            "https://dg.example/api",
            "a b",
            "https://",
        ] {
            assert!(matches!(normalise(bad), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn the_stored_login_serves_its_own_server() {
        let target = Target::resolve(Wanted::default(), Some(&profile())).unwrap();
        assert_eq!(target.server, "https://dg.example:8443");
        assert_eq!(target.ca_pem.as_deref(), Some("stored authority"));
        assert_eq!(target.token, Some(Secret::new("dg_stored")));
    }

    #[test]
    fn another_server_never_sees_the_stored_token() {
        let wanted = Wanted {
            server: Some("https://evil.example:8443".into()),
            ..Wanted::default()
        };
        let target = Target::resolve(wanted, Some(&profile())).unwrap();
        assert_eq!((target.ca_pem, target.token), (None, None));
    }

    #[test]
    fn a_given_token_goes_before_the_stored_one() {
        let wanted = Wanted {
            token: Some(Secret::new("dg_given")),
            ..Wanted::default()
        };
        let target = Target::resolve(wanted, Some(&profile())).unwrap();
        assert_eq!(target.token, Some(Secret::new("dg_given")));
    }

    #[test]
    fn an_authority_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "not a certificate").unwrap();
        let wanted = Wanted {
            ca: Some(file.path().into()),
            ..Wanted::default()
        };
        assert!(matches!(
            Target::resolve(wanted, Some(&profile())),
            Err(Error::Content { .. })
        ));
    }
}
