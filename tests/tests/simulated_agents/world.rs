//! The control plane, its agents, the network between them, and what goes wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dataguardian_agent::enroll::Enrollment;
use dataguardian_core::secret::Secret;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_tests::fault_report::{Line, Section};
use dataguardian_tests::invariants::{Invariants, Moment};
use dataguardian_tests::system::{ControlPlane, Setup};
use dataguardian_tests::tcp_proxy::{Side, TcpProxy};
use dataguardian_tests::wait;
use futures::{StreamExt as _, TryStreamExt as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent::{End, SimulatedAgent};
use crate::engine::{FakeEngine, Tally};
use crate::site::Site;
use crate::work::{Outcomes, keep_busy};

/// Agents that share a proxy, and so a network's fate.
const PER_PROXY: usize = 20;
/// How long what is under way when the faults end may take to its own end: a hung dump has 20 s, a wait between two tries
/// of an agent 60 s.
const SETTLE: Duration = Duration::from_secs(240);

/// How much, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) agents: usize,
    pub(crate) lasting: Duration,
    pub(crate) seed: u64,
}

/// An agent's life, and how to end it.
#[derive(Debug)]
struct Alive {
    end: oneshot::Sender<End>,
    thread: std::thread::JoinHandle<Result<()>>,
}

pub(crate) struct World {
    scale: Scale,
    random: StdRng,
    agents: Vec<SimulatedAgent>,
    alive: Vec<Option<Alive>>,
    proxies: Vec<TcpProxy>,
    site: Site,
    control_plane: ControlPlane,
    tally: Arc<Tally>,
    outcomes: Arc<Mutex<Outcomes>>,
    faults: BTreeMap<&'static str, u64>,
    peak_kib: u64,
    began: Instant,
    folder: TempDir,
}

impl World {
    /// Everybody enrolled, connected, and with a job.
    pub(crate) async fn set(scale: Scale) -> Result<Self> {
        if rustls::crypto::ring::default_provider()
            .install_default()
            .is_err()
        {
            eprintln!("a TLS provider was there already");
        }
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("vaults"))?;
        let setup = Setup::usual()?;
        let agents_at = setup.ports.agents();
        let control_plane = ControlPlane::start(folder.path(), setup)?;
        let site = Site::sign_in(&control_plane).await?;
        let mut proxies = Vec::new();
        for _ in 0..scale.agents.div_ceil(PER_PROXY) {
            proxies.push(TcpProxy::start(agents_at).await?);
        }
        let mut world = Self {
            scale,
            random: StdRng::seed_from_u64(scale.seed),
            agents: Vec::new(),
            alive: Vec::new(),
            proxies,
            site,
            control_plane,
            tally: Arc::default(),
            outcomes: Arc::default(),
            faults: BTreeMap::new(),
            peak_kib: 0,
            began: Instant::now(),
            folder,
        };
        world.enroll_all().await?;
        for index in 0..scale.agents {
            world.revive(index)?;
        }
        world.make_jobs().await?;
        Ok(world)
    }

    async fn enroll_all(&mut self) -> Result<()> {
        let cpu = CpuPool::new(1);
        for index in 0..self.scale.agents {
            let name = format!("agent{index}");
            let token = self.site.join_token(&name).await?;
            let enrollment = Enrollment {
                server: self.control_plane.url(),
                ca_pin: token.ca_pin.parse()?,
                join_token: Secret::new(token.token),
                again: false,
                name: None,
            };
            let random = StdRng::seed_from_u64(self.random.random());
            let engine = Arc::new(FakeEngine::new(random, self.tally.clone()));
            let port = self.proxies[index / PER_PROXY].address().port();
            let enrolled =
                SimulatedAgent::enroll(self.folder.path(), &name, &enrollment, port, cpu.clone(), engine)
                    .await?;
            self.agents.push(enrolled);
            self.alive.push(None);
        }
        Ok(())
    }

    async fn make_jobs(&self) -> Result<()> {
        let vaults = self.vaults();
        let making = self.agents.iter().map(|agent| {
            let (site, vaults) = (&self.site, &vaults);
            async move {
                wait::until_async("an agent to connect", || site.is_connected(&agent.name)).await?;
                site.make_job(&agent.name, vaults)
                    .await
                    .with_context(|| agent.name.clone())
            }
        });
        futures::stream::iter(making)
            .buffer_unordered(8)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    fn vaults(&self) -> PathBuf {
        self.folder.path().join("vaults")
    }

    fn revive(&mut self, index: usize) -> Result<()> {
        let agent = self.agents[index].clone();
        let (end, ending) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(agent.name.clone())
            .spawn(move || agent.live(ending))?;
        self.alive[index] = Some(Alive { end, thread });
        Ok(())
    }

    /// Ends an agent's process and waits for it.
    async fn end(&mut self, index: usize, how: End) -> Result<()> {
        let Some(alive) = self.alive[index].take() else {
            return Ok(());
        };
        ensure!(
            alive.end.send(how).is_ok(),
            "agent {index} had ended by itself: {:?}",
            alive.thread.join()
        );
        let joined = tokio::task::spawn_blocking(move || alive.thread.join()).await?;
        joined.map_err(|_| anyhow::anyhow!("agent {index} panicked"))?
    }

    /// Faults for the time that was asked for, then quiet, then the check.
    pub(crate) async fn live(&mut self) -> Result<()> {
        self.began = Instant::now();
        let stop = CancellationToken::new();
        let mut busy = JoinSet::new();
        for agent in &self.agents {
            let random = StdRng::seed_from_u64(self.random.random());
            busy.spawn(keep_busy(
                self.site.clone(),
                agent.name.clone(),
                random,
                self.outcomes.clone(),
                stop.clone(),
            ));
        }
        let mut checked = Instant::now();
        while self.began.elapsed() < self.scale.lasting {
            let pause = self
                .random
                .random_range(20..(40_000 / self.scale.agents as u64).max(40));
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.fault().await?;
            self.look_at_memory()?;
            if checked.elapsed() > Duration::from_secs(10) {
                self.check(Moment::Busy).await?;
                checked = Instant::now();
            }
        }
        stop.cancel();
        while let Some(ended) = busy.join_next().await {
            ended?;
        }
        self.settle().await?;
        self.check(Moment::Quiet).await
    }

    async fn fault(&mut self) -> Result<()> {
        let index = self.random.random_range(0..self.scale.agents);
        let proxy = self.random.random_range(0..self.proxies.len());
        let name = match self.random.random_range(0..100) {
            0..45 => {
                self.end(index, End::Killed).await?;
                self.revive(index)?;
                "agent killed"
            }
            45..60 => {
                self.end(index, End::Stopped).await?;
                self.revive(index)?;
                "agent stopped in order"
            }
            60..80 => {
                self.proxies[proxy].cut();
                "connections of a group of agents cut"
            }
            80..88 => {
                let side = if self.random.random_bool(0.5) {
                    Side::Client
                } else {
                    Side::Server
                };
                self.proxies[proxy].half_open(side);
                "connections of a group half open"
            }
            88..98 => {
                self.proxies[proxy].stall();
                let stall = self.random.random_range(100..2_000);
                tokio::time::sleep(Duration::from_millis(stall)).await;
                self.proxies[proxy].resume();
                "network of a group stalled"
            }
            _ => {
                self.control_plane.program().kill9()?;
                self.control_plane.start_again()?;
                "control plane killed"
            }
        };
        *self.faults.entry(name).or_default() += 1;
        Ok(())
    }

    /// Waits until everything has ended. What waits for another attempt is cancelled: that wait may last minutes.
    async fn settle(&self) -> Result<()> {
        for proxy in &self.proxies {
            proxy.resume();
        }
        let deadline = Instant::now() + SETTLE;
        loop {
            let unfinished = self.site.unfinished().await?;
            if unfinished.is_empty() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "stuck: {unfinished:#?}\n{}",
                self.control_plane.log()
            );
            for execution in unfinished
                .iter()
                .filter(|execution| execution.state() == dataguardian_proto::v1::ExecutionState::RetryWait)
            {
                // It may be due at this very moment.
                self.site.cancel(&execution.id).await.ok();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn check(&self, moment: Moment) -> Result<()> {
        let invariants = Invariants {
            moment,
            ..Invariants::of(&self.control_plane.database())
        };
        // Storages are read apart from the database: while work goes on, one may be ahead of the other.
        match moment {
            Moment::Quiet => invariants.check().await,
            Moment::Busy => {
                let storages = dataguardian_tests::invariants::Storages::None;
                Invariants {
                    storages,
                    ..invariants
                }
                .check()
                .await
            }
        }
    }

    fn look_at_memory(&mut self) -> Result<()> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.control_plane.program().pid()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        self.peak_kib = self.peak_kib.max(kib);
        Ok(())
    }

    /// A section of the report, whatever came of it.
    pub(crate) fn report(&self, lived: &Result<()>) -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let faults: Vec<_> = self
            .faults
            .iter()
            .map(|(name, count)| format!("{count} × {name}"))
            .collect();
        let tally = &self.tally;
        let engines = format!(
            "{} dumps ({} slow, {} failing, {} hanging), {} restores",
            tally.dumps.load(Relaxed),
            tally.slow.load(Relaxed),
            tally.failures.load(Relaxed),
            tally.hung.load(Relaxed),
            tally.restores.load(Relaxed)
        );
        let outcome = match lived {
            Ok(()) => "invariants hold".to_owned(),
            Err(error) => format!("NOT AS IT SHOULD BE: {error:#}")
                .chars()
                .take(2_000)
                .collect(),
        };
        let figures = format!(
            "{outcome}; {engines}; {} completed, {} failed, {} cancelled, {} refused; half within {:.1} s, 99 % within {:.1} s; \
             control plane at most {} MiB",
            outcomes.completed,
            outcomes.failed,
            outcomes.cancelled,
            outcomes.refused,
            outcomes.latency(0.5).as_secs_f64(),
            outcomes.latency(0.99).as_secs_f64(),
            self.peak_kib >> 10
        );
        let mut section = Section::begin("simulated agents under random faults")?;
        let fault = format!(
            "{} agents, seed {}: {}",
            self.scale.agents,
            self.scale.seed,
            faults.join(", ")
        );
        section.add(Line::new(
            fault,
            figures,
            self.began.elapsed(),
            "every storage checked",
        ))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for alive in self.alive.drain(..).flatten() {
            if alive.end.send(End::Killed).is_ok() && alive.thread.join().is_err() {
                eprintln!("a simulated agent panicked");
            }
        }
    }
}
