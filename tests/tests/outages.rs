//! The control plane, the network or a process is away during a dump: the dump goes on, and completes when all is back.
//!
//! How long is away is a setting, `DATAGUARDIAN_TEST_OUTAGE_SECONDS`. Without it, the outage is a little longer than every
//! time-out that could break the dump: an agent's call has 30 s, and so much silence ends a session on either side (three
//! heartbeats of 10 s); HTTP/2 pings give up after 25 s (agent) and 30 s (control plane); the wait between two tries rises to
//! 60 s and no further. So whatever an outage of ten minutes sets off, 120 s set off too, and with 600 the same tests show it:
//!
//! ```text
//! cd tests && DATAGUARDIAN_TEST_OUTAGE_SECONDS=600 cargo test --workspace --test outages
//! ```
//! All faults happen at the same time, each to a system of its own: a test that waits costs little.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::fault_report::{Line, Section};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::setting;
use dataguardian_tests::system::{AGENT, Setup, System};
use dataguardian_tests::tcp_proxy::{Side, TcpProxy};
use dataguardian_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

/// Without a setting. See above.
const OUTAGE: Duration = Duration::from_secs(120);
/// From the end of an outage to the end of the dump: the longest wait between two tries is 60 s, and what is left of the
/// dump takes some seconds.
const BACK: Duration = Duration::from_secs(150);
/// About 20 MB in small rows: some hundred blocks, each of which is delayed.
const ROWS: &str = "create table note (id int primary key, text text not null);
    insert into note select g, repeat(md5(g::text), 30) from generate_series(1, 20000) g";

/// What happens during a dump.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    ControlPlaneKilled,
    ControlPlaneStopped,
    AgentStopped,
    Cut,
    Stalled,
    HalfOpen(Side),
    Forgotten,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::ControlPlaneKilled,
        Self::ControlPlaneStopped,
        Self::AgentStopped,
        Self::Cut,
        Self::Stalled,
        Self::HalfOpen(Side::Client),
        Self::HalfOpen(Side::Server),
        Self::Forgotten,
    ];

    fn name(self, outage: Duration) -> String {
        let seconds = outage.as_secs();
        match self {
            Self::ControlPlaneKilled => format!("control plane killed and away for {seconds} s"),
            Self::ControlPlaneStopped => format!("control plane stopped (SIGSTOP) for {seconds} s"),
            Self::AgentStopped => format!("agent stopped (SIGSTOP) for {seconds} s"),
            Self::Cut => format!("network cut twice a second for {seconds} s"),
            Self::Stalled => format!("network stalled for {seconds} s"),
            Self::HalfOpen(Side::Client) => {
                "connection half open: the agent believes that it lives".to_owned()
            }
            Self::HalfOpen(Side::Server) => {
                "connection half open: the control plane believes that it lives".to_owned()
            }
            Self::Forgotten => "firewall forgets connections that are idle for 20 s".to_owned(),
        }
    }

    /// How long the dump works: so that it ends while the fault lasts, or is at work from its beginning to its end. A stopped
    /// agent works afterwards, and a connection is half open in a moment.
    fn dump_lasts(self, outage: Duration) -> Duration {
        match self {
            Self::ControlPlaneKilled | Self::Stalled => outage / 3,
            Self::ControlPlaneStopped | Self::Cut | Self::Forgotten => outage + Duration::from_secs(5),
            Self::AgentStopped | Self::HalfOpen(_) => Duration::from_secs(45),
        }
    }
}

struct Scene<'a> {
    server: &'a Postgres,
    system: System,
    proxy: TcpProxy,
}

impl<'a> Scene<'a> {
    async fn set(server: &'a Postgres) -> Result<Self> {
        let mut setup = Setup::usual()?;
        let proxy = TcpProxy::start(setup.ports.agents()).await?;
        setup.agents_at = Some(proxy.address());
        let system = System::start_as(setup, "")?;
        system.add_datasource("main", server, &["shop"])?;
        system.add_job("main", &["--table-connections", "1"])?;
        Ok(Self {
            server,
            system,
            proxy,
        })
    }

    /// Begins a dump that lasts about so long, and waits until rows come.
    fn begin_dump(&mut self, lasting: Duration) -> Result<String> {
        self.system.run_job("main").succeed()?;
        let bytes: u128 = {
            let backups = self.system.json(&["backup", "list"])?;
            let raw = &backups["backups"][0]["rawBytes"];
            raw.as_str()
                .with_context(|| format!("the size in {backups:#}"))?
                .parse()?
        };
        let blocks = (bytes >> 16).max(1);
        let delay = lasting.as_millis() / blocks;
        self.system.agent.program().stop()?;
        self.system
            .agent
            .start_armed(&format!("agent.dump.first_rows=delay:{delay}"))?;
        self.system.wait_for_agent(AGENT)?;
        let execution = self.system.start_job("main")?;
        self.system.wait_for_state(&execution, "running")?;
        wait::until("the dump's sessions", || Ok(self.server_sessions()? > 0))?;
        Ok(execution)
    }

    /// Sessions in this system's own dump: its agent's marker has the execution's id, so others' are not counted.
    fn server_sessions(&self) -> Result<usize> {
        let running = self.system.json(&["execution", "list"])?;
        let id = running["executions"][0]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.sessions_of(&id)
    }

    fn sessions_of(&self, execution: &str) -> Result<usize> {
        let sql = format!(
            "select count(*) from pg_stat_activity where application_name like 'dataguardian:{execution}:%'"
        );
        Ok(self.server.psql("postgres", &sql)?.trim().parse()?)
    }

    async fn suffer(&mut self, fault: Fault, outage: Duration, execution: &str) -> Result<()> {
        match fault {
            Fault::ControlPlaneKilled => {
                self.system.control_plane.program().kill9()?;
                tokio::time::sleep(outage).await;
                ensure!(
                    self.sessions_of(execution)? == 0,
                    "the dump should have gone on to its end"
                );
                self.system.control_plane.start_again()
            }
            Fault::ControlPlaneStopped => {
                self.system.control_plane.program().signal(Signal::SIGSTOP)?;
                tokio::time::sleep(outage).await;
                self.system.control_plane.program().signal(Signal::SIGCONT)
            }
            Fault::AgentStopped => {
                self.system.agent.program().signal(Signal::SIGSTOP)?;
                tokio::time::sleep(outage).await;
                self.system.agent.program().signal(Signal::SIGCONT)
            }
            Fault::Cut => {
                let end = Instant::now() + outage;
                while Instant::now() < end {
                    self.proxy.cut();
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Ok(())
            }
            Fault::Stalled => {
                self.proxy.stall();
                tokio::time::sleep(outage).await;
                ensure!(
                    self.sessions_of(execution)? == 0,
                    "the dump should have gone on to its end"
                );
                self.proxy.resume();
                Ok(())
            }
            Fault::HalfOpen(left) => {
                let before = self.proxy.totals().connections;
                self.proxy.half_open(left);
                self.proxy
                    .wait_until(|totals| totals.connections > before)
                    .await?;
                Ok(())
            }
            Fault::Forgotten => {
                self.proxy.forget_idle(Duration::from_secs(20));
                self.proxy.cut();
                tokio::time::sleep(outage).await;
                let forgotten = self.proxy.totals().forgotten;
                ensure!(forgotten == 0, "{forgotten} connections were idle for 20 s");
                Ok(())
            }
        }
    }

    /// The dump completed in its first attempt, and all is as it should be.
    fn ended_well(&self, ended: &Value) -> Result<()> {
        let attempts = ended["attempt"].as_u64();
        ensure!(attempts == Some(1), "not in its first attempt: {ended:#}");
        let manifests = self.system.manifests()?.len();
        ensure!(manifests == 2, "{manifests} manifests of two backups");
        self.system.check_invariants()
    }
}

/// Waits longer than [`System::wait_for_state`] does: the next try may be a minute away.
fn wait_for_completion(system: &System, execution: &str) -> Result<Value> {
    let mut last = Value::Null;
    wait::until_within(BACK, "the dump to complete", || {
        last = system.execution(execution)?;
        ensure!(
            !["FAILED", "CANCELLED"]
                .iter()
                .any(|end| last["state"].as_str().unwrap_or_default().ends_with(end)),
            "{last:#}"
        );
        Ok(last["state"] == "EXECUTION_STATE_COMPLETED")
    })
    .with_context(|| format!("{last:#}"))?;
    Ok(last)
}

async fn happen(fault: Fault, server: &Postgres, outage: Duration) -> Result<Line> {
    let mut scene = Scene::set(server).await?;
    let lasting = fault.dump_lasts(outage);
    let execution = scene.begin_dump(lasting)?;
    let suffered = scene.suffer(fault, outage, &execution).await;
    let logs = |scene: &Scene<'_>| {
        format!(
            "--- control plane\n{}\n--- agent\n{}",
            scene.system.control_plane.log(),
            scene.system.agent.log()
        )
    };
    suffered.with_context(|| logs(&scene))?;
    let back = Instant::now();
    let ended = wait_for_completion(&scene.system, &execution).with_context(|| logs(&scene))?;
    let took = back.elapsed();
    scene.ended_well(&ended)?;
    scene.system.agent.program().stop()?;
    scene.system.agent.start_again()?;
    scene.system.run_job("main").succeed()?;
    scene.system.restore_latest("main", &["--scratch"]).succeed()?;
    scene.system.check_invariants()?;
    Ok(Line::new(
        fault.name(outage),
        "completed in attempt 1",
        took,
        "completed, restored",
    ))
}

/// Longer than the agent waits for a server's answer (15 s).
const LONGER_THAN_A_CONNECT: Duration = Duration::from_secs(20);

/// Who answers while the agent is stopped in the middle of a connect.
enum Meanwhile {
    /// Nobody: the answers come once the agent goes on.
    NothingComes,
    /// The server, which asks for the password, waits for it in vain and closes the connection.
    TheServerGivesUp,
}

/// The host sleeps while a connection is being made, and the server's answer takes several steps: when it wakes up, the time
/// for it is over by the clock, but nobody has failed to answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_stopped_while_it_connects_goes_on() -> Result<()> {
    let fault = "agent stopped (SIGSTOP) for 20 s while it connects to the database";
    stop_in_a_connect(fault, Meanwhile::NothingComes).await
}

/// The same, with a server that waits for less long than the host sleeps: the connection is gone when it wakes up, and nothing
/// is wrong with the server.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_the_server_gave_up_while_it_connected_goes_on() -> Result<()> {
    let fault = "agent stopped (SIGSTOP) while it connects, for longer than the database waits";
    stop_in_a_connect(fault, Meanwhile::TheServerGivesUp).await
}

async fn stop_in_a_connect(fault: &str, meanwhile: Meanwhile) -> Result<()> {
    let mut section = Section::begin_part("the agent is stopped in the middle of a step", fault)?;
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    server.psql(
        "shop",
        "create table note (text text); insert into note values ('one')",
    )?;
    server.psql("postgres", "alter system set authentication_timeout = '5s'")?;
    server.psql("postgres", "select pg_reload_conf()")?;
    let connection = server.connection();
    let proxy = TcpProxy::start((Ipv4Addr::LOCALHOST, connection.port).into()).await?;
    let mut system = System::start()?;
    let port = proxy.address().port();
    system.add_datasource_at("main", port, &connection.user, &connection.password, &["shop"])?;
    system.add_job("main", &[])?;
    match meanwhile {
        Meanwhile::NothingComes => proxy.stall(),
        Meanwhile::TheServerGivesUp => server.freeze(),
    }
    let before = proxy.totals().connections;
    let execution = system.start_job("main")?;
    proxy.wait_until(|totals| totals.connections > before).await?;
    system.agent.program().signal(Signal::SIGSTOP)?;
    server.thaw();
    tokio::time::sleep(LONGER_THAN_A_CONNECT).await;
    proxy.resume();
    system.agent.program().signal(Signal::SIGCONT)?;
    let back = Instant::now();
    let ended = wait_for_completion(&system, &execution).with_context(|| system.agent.log())?;
    ensure!(ended["attempt"] == 1, "not in its first attempt: {ended:#}");
    system.check_invariants()?;
    section.add(Line::new(fault, "completed in attempt 1", back.elapsed(), ""))
}

#[test]
fn a_dump_outlasts_whatever_is_away() -> Result<()> {
    let outage = setting::seconds("DATAGUARDIAN_TEST_OUTAGE_SECONDS", OUTAGE)?;
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    server.psql("shop", ROWS)?;
    let mut section = Section::begin("outages during a dump; the time runs from the end of the outage")?;
    let outcomes = std::thread::scope(|scope| {
        let happening = Fault::ALL.map(|fault| {
            let server = &server;
            let run = move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()?;
                runtime.block_on(happen(fault, server, outage))
            };
            (fault, scope.spawn(run))
        });
        happening.map(|(fault, thread)| {
            let outcome = thread
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
            (fault, outcome)
        })
    });
    let mut failed = Vec::new();
    for (fault, outcome) in outcomes {
        let line = outcome.unwrap_or_else(|error| {
            failed.push(format!("{fault:?}: {error:#}"));
            Line {
                fault: fault.name(outage),
                outcome: "NOT AS IT SHOULD BE".to_owned(),
                ..Line::default()
            }
        });
        section.add(line)?;
    }
    ensure!(
        failed.is_empty(),
        "{} faults were not outlasted:\n{}",
        failed.len(),
        failed.join("\n")
    );
    ensure!(server.server_sessions("dataguardian")? == 0, "sessions were left");
    Ok(())
}
