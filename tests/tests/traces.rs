//! Traces and log lines of both programs, at a collector that is ours: one trace goes from the offer to the last byte stored.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{Setup, System};
use dataguardian_tests::wait;
use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::trace::v1 as traces;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    program: String,
    name: String,
    /// In hexadecimal.
    trace: String,
}

/// Keeps what it gets.
#[derive(Debug, Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    /// The program and the trace of each log line.
    lines: Arc<Mutex<Vec<(String, String)>>>,
}

impl Collector {
    /// Listens on loopback for as long as the runtime lives.
    async fn start() -> Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let collector = Self::default();
        let serving = tonic::transport::Server::builder()
            .add_service(traces::trace_service_server::TraceServiceServer::new(
                collector.clone(),
            ))
            .add_service(logs::logs_service_server::LogsServiceServer::new(
                collector.clone(),
            ))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio_util::task::TaskTracker::new().spawn(serving);
        Ok((collector, address))
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lines(&self) -> Vec<(String, String)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans of a trace, as `program: name`.
    fn trace(&self, id: &str) -> BTreeSet<String> {
        let spans = self.spans().into_iter().filter(|span| span.trace == id);
        spans
            .map(|span| format!("{}: {}", span.program, span.name))
            .collect()
    }
}

fn program(resource: Option<&Resource>) -> String {
    let attributes = resource
        .map(|resource| resource.attributes.as_slice())
        .unwrap_or_default();
    let named = attributes
        .iter()
        .find(|attribute| attribute.key == "service.name");
    match named.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(name)) => name,
        _ => String::new(),
    }
}

#[tonic::async_trait]
impl traces::trace_service_server::TraceService for Collector {
    async fn export(
        &self,
        request: Request<traces::ExportTraceServiceRequest>,
    ) -> Result<Response<traces::ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let program = program(resource.resource.as_ref());
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    program: program.clone(),
                    name: span.name,
                    trace: hex::encode(span.trace_id),
                });
            }
        }
        Ok(Response::new(traces::ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl logs::logs_service_server::LogsService for Collector {
    async fn export(
        &self,
        request: Request<logs::ExportLogsServiceRequest>,
    ) -> Result<Response<logs::ExportLogsServiceResponse>, Status> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_logs {
            let program = program(resource.resource.as_ref());
            for line in resource
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records)
            {
                lines.push((program.clone(), hex::encode(line.trace_id)));
            }
        }
        Ok(Response::new(logs::ExportLogsServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_offer_to_dump_upload_and_commit() -> Result<()> {
    let (collector, address) = Collector::start().await?;
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    server.psql(
        "shop",
        "CREATE TABLE orders AS SELECT * FROM generate_series(1, 1000) AS id",
    )?;
    let telemetry = format!("\n[telemetry]\notlp_endpoint = 'http://{address}'\n");
    let setup = Setup {
        config: telemetry.clone(),
        ..Setup::usual()?
    };
    let system = System::start_as(setup, &telemetry)?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    let execution = system.start_job("main")?;
    system.wait_for_state(&execution, "completed")?;
    let id = execution.replace('-', "");
    let wanted: BTreeSet<String> = [
        "dataguardian: offer",
        "dataguardian: complete_attempt",
        "dataguardian: confirm_commit",
        "dataguardian-agent: attempt",
        "dataguardian-agent: dump",
        "dataguardian-agent: upload",
        "dataguardian-agent: commit",
    ]
    .map(str::to_owned)
    .into();
    wait::until("all spans of the backup's trace", || {
        Ok(collector.trace(&id).is_superset(&wanted))
    })?;
    // Whoever reads a line in the collector finds its trace.
    let from_agent = |(program, trace): &(String, String)| program == "dataguardian-agent" && *trace == id;
    wait::until("log lines of the agent in that trace", || {
        Ok(collector.lines().iter().any(from_agent))
    })?;
    ensure!(
        collector
            .lines()
            .iter()
            .any(|(program, _)| program == "dataguardian"),
        "{:?}",
        collector.lines()
    );
    system.check_invariants()
}

#[tokio::test]
async fn a_collector_that_is_away_costs_a_backup_nothing() -> Result<()> {
    let [nobody]: [u16; 1] = dataguardian_tests::ports::free()?;
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    let telemetry = format!("\n[telemetry]\notlp_endpoint = 'http://127.0.0.1:{nobody}'\n");
    let setup = Setup {
        config: telemetry.clone(),
        ..Setup::usual()?
    };
    let system = System::start_as(setup, &telemetry)?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    system.check_invariants()
}
