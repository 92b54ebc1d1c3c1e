//! One simulated agent: the real session and runner on a state directory and a certificate of its own, in a runtime of its
//! own, so that it can be killed: all its tasks are dropped where they stand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dataguardian_agent::config::AgentConfig;
use dataguardian_agent::control_plane::ControlPlane;
use dataguardian_agent::engines::engine::DatabaseEngine;
use dataguardian_agent::enroll::{Enrollment, enroll};
use dataguardian_agent::host_info::HostInfo;
use dataguardian_agent::identity::{AgentKeys, Identity};
use dataguardian_agent::renewal::RenewalCall;
use dataguardian_agent::runner::{Host, Runner};
use dataguardian_agent::sending::Sending;
use dataguardian_agent::session::Sessions;
use dataguardian_agent::state::StateDir;
use dataguardian_core::clock::SystemClock;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_telemetry::system_monitor::{MonitorConfig, SystemMonitor};
use tokio_util::sync::CancellationToken;

/// An agent that has enrolled.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedAgent {
    pub(crate) name: String,
    state: PathBuf,
    /// The port of the proxy that it connects through.
    port: u16,
    cpu: CpuPool,
    engine: Arc<dyn DatabaseEngine>,
}

/// How an agent's process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order, as on SIGTERM.
    Stopped,
    /// As by `kill -9`.
    Killed,
}

impl SimulatedAgent {
    pub(crate) async fn enroll(
        folder: &Path,
        name: &str,
        enrollment: &Enrollment,
        port: u16,
        cpu: CpuPool,
        engine: Arc<dyn DatabaseEngine>,
    ) -> Result<Self> {
        let state = folder.join(name);
        enroll(
            &StateDir::open(&state)?,
            enrollment,
            &host(),
            &SystemClock::shared(),
        )
        .await
        .context("enrolling")?;
        Ok(Self {
            name: name.to_owned(),
            state,
            port,
            cpu,
            engine,
        })
    }

    /// Runs its process until told how to end it. Blocks; to be called on a thread of its own.
    pub(crate) fn live(&self, end: tokio::sync::oneshot::Receiver<End>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()?;
        let lived = runtime.block_on(self.run(end));
        // Nothing is waited for: whatever was under way is dropped, as a killed process drops it.
        runtime.shutdown_background();
        lived
    }

    async fn run(&self, end: tokio::sync::oneshot::Receiver<End>) -> Result<()> {
        let state = StateDir::open(&self.state)?;
        let _lock = state.lock()?;
        let mut identity = Identity::load(&state)?;
        identity.endpoint.port = self.port;
        let keys = AgentKeys::load(&state)?.context("keys")?;
        let clock = SystemClock::shared();
        let runner = Runner::start(Host {
            cpu: self.cpu.clone(),
            // It looks at nothing: all of them are on one machine.
            monitor: Arc::new(SystemMonitor::new(MonitorConfig::default(), clock.clone())?),
            // Looking for client programs starts them: not two hundred times over.
            config: AgentConfig::default(),
            state,
            agent: identity.agent_id,
            owner: identity.control_plane_id,
            signing: keys.signing,
            engine: self.engine.clone(),
            control_plane: ControlPlane::prepare(&identity)?,
            sending: Sending::default(),
            clock: clock.clone(),
        })?;
        let stop = CancellationToken::new();
        let session = Sessions::new(runner.clone(), host(), clock, RenewalCall::default()).run(stop.clone());
        tokio::pin!(session);
        let end = tokio::select! {
            () = &mut session => return Ok(()),
            end = end => end.unwrap_or(End::Killed),
        };
        if end == End::Stopped {
            tokio::join!(
                async {
                    runner.shut_down(Duration::from_secs(5)).await;
                    stop.cancel();
                },
                session
            );
        }
        Ok(())
    }
}

fn host() -> HostInfo {
    HostInfo {
        boot_id: format!("{:016x}", rand::random::<u64>()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: "simulated".to_owned(),
        operating_system: "none".to_owned(),
    }
}
