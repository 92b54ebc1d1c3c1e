//! A small real HTTPS server on loopback that keeps what it is sent, for webhooks and pings. It can go away and come back, and answer
//! as a test likes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ring::hmac;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::ports;

/// A request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST /path`.
    pub line: String,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Such as `200 OK`.
    pub status: String,
    /// Further header lines, each with its end.
    pub headers: String,
    /// The body.
    pub body: String,
}

#[derive(Debug, Default)]
struct Kept {
    requests: Vec<Request>,
    answer: Option<Answer>,
}

/// The server. Stopped when dropped.
#[derive(Debug)]
pub struct Receiver {
    port: u16,
    kept: Arc<Mutex<Kept>>,
    config: Arc<ServerConfig>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    folder: TempDir,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dg-receiver-").tempdir()?;
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        std::fs::write(folder.path().join("server.crt"), made.cert.pem())?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        let [port] = ports::free()?;
        let mut receiver = Self {
            port,
            kept: Arc::default(),
            config: Arc::new(config),
            running: None,
            folder,
        };
        receiver.come_back()?;
        Ok(receiver)
    }

    /// Listens again where it was.
    ///
    /// # Errors
    /// If the port was taken meanwhile.
    pub fn come_back(&mut self) -> Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, config, kept) = (
            Arc::clone(&stop),
            Arc::clone(&self.config),
            Arc::clone(&self.kept),
        );
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let served = stream
                    .map_err(anyhow::Error::from)
                    .and_then(|stream| serve(stream, &config, &kept));
                if let Err(error) = served {
                    tracing::debug!(%error, "a connection came to nothing");
                }
            }
        });
        self.running = Some((stop, thread));
        Ok(())
    }

    /// Goes away: nobody listens any more.
    pub fn go_away(&mut self) {
        let Some((stop, thread)) = self.running.take() else {
            return;
        };
        stop.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is to stop.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if thread.join().is_err() {
            tracing::warn!("a receiver's thread panicked");
        }
    }

    /// Where it takes requests: a path that is a secret.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }

    /// A file with its certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// A folder for a test's own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Answers like this from now on; with 200 if none.
    pub fn answer(&self, answer: Option<Answer>) {
        self.lock().answer = answer;
    }

    /// What has come, in its order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    /// Whether it is signed with that secret, as the documentation says.
    #[must_use]
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let header = |name: &str| self.headers.get(name).map(String::as_str).unwrap_or_default();
        let signed = format!("{}.{}", header("x-dataguardian-timestamp"), self.body);
        let given = header("x-dataguardian-signature")
            .strip_prefix("v1=")
            .unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hex::decode(given).is_ok_and(|given| hmac::verify(&key, signed.as_bytes(), &given).is_ok())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn serve(stream: TcpStream, config: &Arc<ServerConfig>, kept: &Mutex<Kept>) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let connection = ServerConnection::new(Arc::clone(config))?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let request = read(&mut stream)?;
    let answer = {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.requests.push(request);
        kept.answer.clone()
    };
    let answer = answer.unwrap_or_else(|| Answer {
        status: "200 OK".to_owned(),
        headers: String::new(),
        body: String::new(),
    });
    let (status, headers, body) = (answer.status, answer.headers, answer.body);
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
    let stream = stream.get_mut();
    stream.write_all(text.as_bytes())?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

fn read(stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>) -> Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let wanted = line.rsplit_once(' ').context("a request")?.0.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(Ok(0), |length| length.parse::<usize>())?;
    let mut body = vec![0; length.min(1 << 20)];
    stream.read_exact(&mut body)?;
    Ok(Request {
        line: wanted,
        headers,
        body: String::from_utf8(body)?,
    })
}
