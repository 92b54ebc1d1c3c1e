//! Mail: one letter on a connection of its own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::causes::{chain, in_a_line};
use dataguardian_core::secret::Secret;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::connect::resolve;
use crate::domain::notification::channel::{EmailTarget, EmailTls};
use crate::domain::notification::delivery::{Fault, Stage};

/// What is sent.
pub(super) struct Letter {
    /// The same in every attempt: who gets it twice can tell.
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) body: String,
    pub(super) at: DateTime<Utc>,
}

/// Replies by which a server refuses whoever signs in (RFC 4954, section 6).
const AUTHENTICATION: [&str; 4] = ["530", "534", "535", "538"];

/// Hands a letter over to the server.
pub(super) async fn send(
    email: &EmailTarget,
    password: Option<&Secret>,
    letter: Letter,
    timeout: Duration,
) -> Result<(), Fault> {
    let message = message(email, letter)?;
    // The client resolves the name once more; looked at here, it can be told what is wrong with it.
    resolve(&email.host, email.port).await?;
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(email.host.as_str())
        .port(email.port)
        .tls(tls(email)?)
        .timeout(Some(timeout));
    if let Some(password) = password {
        let credentials = Credentials::new(email.username.clone(), password.expose().to_owned());
        transport = transport.credentials(credentials);
    }
    match transport.build().send(message).await {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(&error, email)),
    }
}

fn message(email: &EmailTarget, letter: Letter) -> Result<Message, Fault> {
    let wrong = |what: &str| Fault::new(Stage::Settings, format!("{what} is no address"));
    let from: Mailbox = email.from.parse().map_err(|_| wrong("the sender"))?;
    let mut builder = Message::builder()
        .from(from)
        .subject(letter.subject)
        .message_id(Some(letter.id))
        .date(letter.at.into())
        .header(ContentType::TEXT_PLAIN)
        // No holiday reply is wanted (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for to in &email.to {
        builder = builder.to(to.parse().map_err(|_| wrong("a recipient"))?);
    }
    builder
        .body(letter.body)
        .map_err(|error| Fault::new(Stage::Settings, in_a_line(&error)))
}

fn tls(email: &EmailTarget) -> Result<Tls, Fault> {
    let unusable = |error: SmtpError| Fault::new(Stage::Settings, in_a_line(&error));
    let mut parameters = TlsParameters::builder(email.host.clone());
    if !email.ca_pem.is_empty() {
        let authorities = Certificate::from_pem(email.ca_pem.as_bytes()).map_err(unusable)?;
        parameters = parameters
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authorities);
    }
    Ok(match email.tls {
        EmailTls::None => Tls::None,
        EmailTls::Starttls => Tls::Required(parameters.build_rustls().map_err(unusable)?),
        EmailTls::Implicit => Tls::Wrapper(parameters.build_rustls().map_err(unusable)?),
    })
}

fn fault(error: &SmtpError, email: &EmailTarget) -> Fault {
    let (host, port) = (&email.host, email.port);
    let problem = format!("{host}:{port}: {}", in_a_line(error));
    if let Some(code) = error.status() {
        let refused = match AUTHENTICATION.contains(&code.to_string().as_str()) {
            true => Stage::Authentication,
            false => Stage::Refused,
        };
        return Fault {
            lasting: error.is_permanent(),
            ..Fault::new(refused, problem)
        };
    }
    let stage = if error.is_tls() || chain(error).any(|cause| cause.is::<rustls::Error>()) {
        Stage::Tls
    } else if error.is_timeout() {
        Stage::Timeout
    } else if error.is_client() || error.is_response() {
        Stage::Protocol
    } else {
        Stage::Connect
    };
    Fault::new(stage, problem)
}
