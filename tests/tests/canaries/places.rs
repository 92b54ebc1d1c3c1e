//! What is watched while the flows run: what programs show as their arguments, what goes through Redis, and what a collector of traces
//! and log lines gets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dataguardian_tests::redis::PASSWORD;
use dataguardian_tests::system::Servers;
use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::trace::v1 as traces;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::CANARIES;

/// A place, and what is in it.
pub(crate) type Place = (String, Vec<u8>);

/// What is watched.
pub(crate) struct Watched {
    pub(crate) servers: Servers,
    /// Where the collector is.
    pub(crate) collector: SocketAddr,
    collected: Collected,
    stop: Arc<AtomicBool>,
    /// Nothing is sent: that it is dropped says to stop.
    watching: Sender<()>,
    arguments: JoinHandle<Vec<u8>>,
    signals: JoinHandle<Vec<u8>>,
}

/// Everything that the collector got, as text.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<String>>);

impl Watched {
    pub(crate) async fn begin() -> Result<Self> {
        let servers = Servers::start()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let collector = listener.local_addr()?;
        let collected = Collected::default();
        let serving = tonic::transport::Server::builder()
            .add_service(traces::trace_service_server::TraceServiceServer::new(
                collected.clone(),
            ))
            .add_service(logs::logs_service_server::LogsServiceServer::new(
                collected.clone(),
            ))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio_util::task::TaskTracker::new().spawn(serving);
        let stop = Arc::new(AtomicBool::new(false));
        let ((watching, watched), signals) = (channel(), Arc::clone(&stop));
        let redis = subscribe(&servers)?;
        Ok(Self {
            servers,
            collector,
            collected,
            stop,
            watching,
            arguments: std::thread::spawn(move || watch_arguments(&watched)),
            signals: std::thread::spawn(move || read_until(redis, &signals)),
        })
    }

    /// What was seen until now, and the servers.
    pub(crate) fn end(self) -> Result<(Vec<Place>, Servers)> {
        self.stop.store(true, Ordering::SeqCst);
        drop(self.watching);
        let seen = |thread: JoinHandle<Vec<u8>>| thread.join().ok().context("a thread that watches");
        let collected = self.collected.0.lock().unwrap_or_else(PoisonError::into_inner);
        let places = vec![
            ("some program's arguments".to_owned(), seen(self.arguments)?),
            ("what goes through Redis".to_owned(), seen(self.signals)?),
            ("traces and log lines".to_owned(), collected.clone().into_bytes()),
        ];
        Ok((places, self.servers))
    }
}

/// The arguments of programs in which a secret was, however short they ran.
fn watch_arguments(watched: &Receiver<()>) -> Vec<u8> {
    let mut found = Vec::new();
    while watched.recv_timeout(Duration::from_millis(2)) == Err(RecvTimeoutError::Timeout) {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            // Most of what is there is no process, or gone by now.
            let Ok(arguments) = std::fs::read(process.path().join("cmdline")) else {
                continue;
            };
            let is_secret = |(_, secret): &(&str, &str)| crate::contains(&arguments, secret.as_bytes());
            if CANARIES.iter().any(is_secret) {
                found.extend(arguments);
            }
        }
    }
    found
}

/// A connection to Redis that hears all that anybody tells.
fn subscribe(servers: &Servers) -> Result<TcpStream> {
    let url = servers.redis.url();
    let address = url.rsplit('@').next().context("Redis's address")?;
    let mut stream = TcpStream::connect(address.trim_end_matches('/'))?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    stream.write_all(format!("AUTH {PASSWORD}\r\nPSUBSCRIBE *\r\n").as_bytes())?;
    Ok(stream)
}

fn read_until(mut stream: TcpStream, stop: &AtomicBool) -> Vec<u8> {
    let (mut seen, mut some) = (Vec::new(), [0; 4096]);
    while !stop.load(Ordering::SeqCst) {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(count) => seen.extend(&some[..count]),
            // Nothing was told meanwhile.
            Err(_) => {}
        }
    }
    seen
}

impl Collected {
    fn keep(&self, what: &impl std::fmt::Debug) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&format!("{what:?}\n"));
    }
}

#[tonic::async_trait]
impl traces::trace_service_server::TraceService for Collected {
    async fn export(
        &self,
        request: Request<traces::ExportTraceServiceRequest>,
    ) -> Result<Response<traces::ExportTraceServiceResponse>, Status> {
        self.keep(request.get_ref());
        Ok(Response::new(traces::ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl logs::logs_service_server::LogsService for Collected {
    async fn export(
        &self,
        request: Request<logs::ExportLogsServiceRequest>,
    ) -> Result<Response<logs::ExportLogsServiceResponse>, Status> {
        self.keep(request.get_ref());
        Ok(Response::new(logs::ExportLogsServiceResponse::default()))
    }
}
