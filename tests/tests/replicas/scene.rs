//! Two replicas on one PostgreSQL and one Redis, a balancer before them, two agents that come to it, and jobs that fall due all
//! the time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::haproxy::{Haproxy, TRUSTED};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{Agent, ControlPlane, Dgctl, Ports, Servers, Setup};
use dataguardian_tests::wait;
use serde_json::Value;
use tempfile::TempDir;

/// The agents.
const AGENTS: [&str; 2] = ["host1", "host2"];
/// The jobs of each agent, each by the second of every minute at which it is due: those that take some seconds, and those that are over
/// at once.
const LONG: [u32; 3] = [0, 20, 40];
const QUICK: [u32; 3] = [10, 30, 50];
/// Seconds between two times of a job.
pub(crate) const PERIOD: u32 = 60;
/// Some megabytes, so that a dump that is held up between blocks lasts some seconds.
const ROWS: &str = "create table note (id int primary key, text text not null);
    insert into note select g, repeat(md5(g::text), 30) from generate_series(1, 3000) g";
/// How soon agents have to be back with a replica that works.
pub(crate) const BACK: Duration = Duration::from_secs(30);
/// For all that is under way to come to its end.
const PATIENCE: Duration = Duration::from_secs(180);

/// One of the replicas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    One,
    Two,
}

/// All of it. What depends on something else is dropped first.
pub(crate) struct Scene {
    _agents: Vec<Agent>,
    _balancer: Haproxy,
    replicas: [ControlPlane; 2],
    /// The administrator at each replica, and through the balancer.
    direct: [Dgctl; 2],
    pub(crate) dgctl: Dgctl,
    servers: Servers,
    source: Postgres,
    folder: TempDir,
}

impl Scene {
    pub(crate) fn set() -> Result<Self> {
        let source = Postgres::start(Version::V16)?;
        let servers = Servers::start()?;
        let folder = tempfile::tempdir()?;
        let listens = Ports::free()?;
        let setup = || -> Result<Setup> {
            Ok(Setup {
                agents_at: Some(listens.agents()),
                config: TRUSTED.to_owned(),
                ..servers.setup()?
            })
        };
        let (first, second) = (setup()?, setup()?);
        let ports = [first.ports, second.ports];
        let one = ControlPlane::start(folder.path(), first)?;
        let two = ControlPlane::join(&folder.path().join("two"), second, &one)?;
        let balancer = Haproxy::start(folder.path(), listens, ports, &one.ca_file())?;
        let direct = [one.dgctl(), one.dgctl_at(two.url())?];
        let dgctl = one.dgctl_at(balancer.url())?;
        let config = agent_config()?;
        let mut agents = Vec::new();
        for name in AGENTS {
            let mut agent = Agent::enroll(folder.path(), &one, name, &config)?;
            agent.program().stop()?;
            agent.start_armed("agent.dump.first_rows=delay:150")?;
            agents.push(agent);
        }
        let scene = Self {
            _agents: agents,
            _balancer: balancer,
            replicas: [one, two],
            direct,
            dgctl,
            servers,
            source,
            folder,
        };
        wait::until("the agents to be connected", || {
            Ok(scene.metadata(CONNECTED)? == "2")
        })?;
        for agent in AGENTS {
            scene.furnish(agent)?;
        }
        Ok(scene)
    }

    /// A storage, and a datasource with a job of the same name for each second that one is due at.
    fn furnish(&self, agent: &str) -> Result<()> {
        let path = self
            .folder
            .path()
            .join(format!("{agent}.vault"))
            .display()
            .to_string();
        let storage = format!("vault-{agent}");
        self.call(&[
            "storage", "create", "local", "--name", &storage, "--agent", agent, "--path", &path,
        ])?;
        let connection = self.source.connection();
        let port = connection.port.to_string();
        let password = self.folder.path().join("source.password");
        std::fs::write(&password, &connection.password)?;
        let password = password.display().to_string();
        for (kind, second) in kinds() {
            let name = job(kind, second, agent);
            let (database, schedule) = (name.replace('-', "_"), format!("{second} * * * * *"));
            self.source.create_database(&database)?;
            let rows = match kind {
                "long" => ROWS,
                _ => "create table t (a int primary key); insert into t values (1)",
            };
            self.source.psql(&database, rows)?;
            self.call(&[
                "datasource",
                "create",
                "postgres",
                "--name",
                &name,
                "--agent",
                agent,
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--username",
                &connection.user,
                "--password-file",
                &password,
                "--database",
                &database,
            ])?;
            self.call(&[
                "job",
                "create",
                "--name",
                &name,
                "--datasource",
                &name,
                "--storage",
                &storage,
                "--schedule",
                &schedule,
                "--timezone",
                "UTC",
                "--max-attempts",
                "1",
                "--table-connections",
                "1",
            ])?;
        }
        Ok(())
    }

    fn call(&self, words: &[&str]) -> Result<()> {
        self.dgctl.run(words).succeed()?;
        Ok(())
    }

    /// What the metadata database answers.
    pub(crate) fn metadata(&self, query: &str) -> Result<String> {
        self.servers.metadata(query)
    }

    pub(crate) fn replica(&mut self, which: Which) -> &mut ControlPlane {
        &mut self.replicas[which as usize]
    }

    /// The id of a replica's process.
    pub(crate) fn id(&self, which: Which) -> Result<String> {
        let info = self.direct[which as usize].json(&["system", "info"])?;
        Ok(info["replicaId"].as_str().context("a replica's id")?.to_owned())
    }

    /// Waits until every agent's session is with another replica than the one that went away, and until jobs have been fired and have
    /// completed that were due after that. How long the former took.
    pub(crate) fn recover(&self, gone: &str, since: Instant) -> Result<Duration> {
        let lost_at = self.metadata("select now()")?;
        let back = format!(
            "select count(*) from agents where session_replica <> '{gone}' and last_seen_at > '{lost_at}'"
        );
        wait::until("the agents to come to the other replica", || {
            Ok(self.metadata(&back)? == "2")
        })?;
        let took = since.elapsed();
        let fired = format!(
            "select count(distinct agent_name) from executions where job_name like 'long-%' and scheduled_for > '{lost_at}' and \
             state = 'completed'"
        );
        wait::until_within(
            PATIENCE,
            "jobs of both agents to be fired and to complete",
            || Ok(self.metadata(&fired)? == "2"),
        )?;
        // Whoever calls gets an answer.
        self.call(&["job", "list"])?;
        Ok(took)
    }

    /// Each replica's dashboard shows both replicas and both agents, and none that was killed or stopped before.
    pub(crate) fn show_all_machines(&self) -> Result<()> {
        let wanted = ["", "", AGENTS[0], AGENTS[1]];
        for dgctl in &self.direct {
            wait::until("every machine to be on the dashboard", || {
                let dashboard = dgctl.json(&["system", "dashboard"])?;
                let nodes = dashboard["performance"].as_array().context("machines")?;
                let names: Vec<_> = nodes
                    .iter()
                    .map(|node| node["agent"].as_str().unwrap_or_default())
                    .collect();
                Ok(names == wanted)
            })?;
        }
        Ok(())
    }

    /// Downloads a backup of each agent: whichever replica a call comes to, the one that has the agent is found.
    pub(crate) fn download(&self) -> Result<()> {
        for agent in AGENTS {
            for _ in 0..4 {
                let name = job("quick", QUICK[0], agent);
                let words = ["backup", "download", "latest", "--datasource", &name];
                let script = self.dgctl.run(&words).succeed()?.stdout;
                ensure!(script.contains("COPY \"public\".\"t\""), "{script}");
            }
        }
        Ok(())
    }

    /// Stops all schedules and waits for the end of what is under way.
    pub(crate) fn settle(&self) -> Result<()> {
        for agent in AGENTS {
            for (kind, second) in kinds() {
                self.call(&["job", "pause", &job(kind, second, agent)])?;
            }
        }
        let unended = "select count(*) from executions where state not in ('completed', 'skipped', 'failed', 'cancelled')";
        wait::until_within(PATIENCE, "all work to end", || Ok(self.metadata(unended)? == "0"))
    }

    /// Each job's executions, the oldest first.
    pub(crate) fn jobs(&self) -> Result<Vec<(String, Vec<Value>)>> {
        let mut jobs = Vec::new();
        for agent in AGENTS {
            for (kind, second) in kinds() {
                let name = job(kind, second, agent);
                let rows = self.metadata(&format!(
                    "select coalesce(json_agg(json_build_object('at', extract(epoch from scheduled_for)::bigint, 'state', state, \
                     'gap', schedule_gap) order by scheduled_for), '[]') from executions where job_name = '{name}'"
                ))?;
                let rows: Vec<Value> = serde_json::from_str(&rows)?;
                ensure!(!rows.is_empty(), "{name} never fired");
                jobs.push((name, rows));
            }
        }
        Ok(jobs)
    }

    /// The URL of the metadata database.
    pub(crate) fn database(&self) -> String {
        self.replicas[0].database()
    }

    /// What a replica has said.
    pub(crate) fn said(&self, which: Which) -> String {
        self.replicas[which as usize].log()
    }
}

/// How many agents have a session.
const CONNECTED: &str = "select count(*) from agents where session_replica is not null";

/// The configuration of the agents: two dumps at the same time, and where the client programs are.
fn agent_config() -> Result<String> {
    let directory: PathBuf = Version::V16.bin_dir()?;
    Ok(format!(
        "slots = 2\nclient_directories = [{:?}, {:?}]\n",
        directory,
        Version::V18.bin_dir()?
    ))
}

/// What an agent's jobs are, and the second that each is due at.
fn kinds() -> impl Iterator<Item = (&'static str, u32)> {
    let long = LONG.into_iter().map(|second| ("long", second));
    long.chain(QUICK.into_iter().map(|second| ("quick", second)))
}

fn job(kind: &str, second: u32, agent: &str) -> String {
    format!("{kind}-{second}-{agent}")
}
