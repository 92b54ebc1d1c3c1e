//! Redis stopped, frozen, emptied and started again while work is under way: what stops, what goes on, how quickly, and that
//! nothing is lost or done twice. What each call answered, and when, is in `target/queue.md`.

mod calls;
mod report;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::redis::RedisServer;
use dataguardian_tests::system::{AGENT, Backing, System};
use dataguardian_tests::wait;
use serde_json::Value;

use calls::{Client, measure};
use report::Report;

/// The longest that going offline and coming back may take.
const TURN: TimeDelta = TimeDelta::seconds(5);
/// For what takes some dumps.
const PATIENCE: Duration = Duration::from_secs(180);
/// A few megabytes, so that a dump that is held up between blocks lasts some seconds.
const ROWS: &str = "create table note (id int primary key, text text not null);
    insert into note select g, repeat(md5(g::text), 30) from generate_series(1, 2000) g";

/// Waits until the queue and both workers are as they should be; gives how long that took, by the control plane's own word.
fn turned(system: &System, online: bool, cause: DateTime<Utc>) -> Result<TimeDelta> {
    let state = match online {
        true => "WORKER_STATE_RUNNING",
        false => "WORKER_STATE_PAUSED",
    };
    wait::until(&format!("the queue to be online = {online}"), || {
        let info = system.json(&["system", "info"])?;
        let is_online = info["queue"]["online"] == true;
        let workers = info["workers"].as_array().context("workers")?;
        let mut concerned = workers
            .iter()
            .filter(|worker| worker["name"] == "backup" || worker["name"] == "restore");
        Ok(is_online == online && concerned.all(|worker| worker["state"] == state))
    })?;
    let info = system.json(&["system", "info"])?;
    let since = info["queue"]["since"].as_str().context("since when")?;
    let took = since.parse::<DateTime<Utc>>()? - cause;
    ensure!(took < TURN, "to online = {online} took {took}");
    Ok(took)
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with what the control plane writes down"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn states(system: &System) -> Result<Vec<String>> {
    let listed = system.json(&["execution", "list"])?;
    let executions = listed["executions"].as_array().context("executions")?;
    let state = |execution: &Value| execution["state"].as_str().unwrap_or_default().to_owned();
    Ok(executions.iter().map(state).collect())
}

/// A system whose dumps take some seconds, and what is told of it.
struct Scene {
    _source: Postgres,
    system: System,
    report: Report,
}

impl Scene {
    fn set() -> Result<Self> {
        let source = Postgres::start(Version::V16)?;
        source.create_database("shop")?;
        source.psql("shop", ROWS)?;
        let mut system = System::start_on(Backing::Servers)?;
        system.add_datasource("main", &source, &["shop"])?;
        system.add_job("main", &["--table-connections", "1"])?;
        system.run_job("main").succeed()?;
        system.agent.program().stop()?;
        system.agent.start_armed("agent.dump.first_rows=delay:150")?;
        system.wait_for_agent(AGENT)?;
        Ok(Self {
            _source: source,
            system,
            report: Report::begin(),
        })
    }

    fn redis(&mut self) -> Result<&mut RedisServer> {
        Ok(&mut self.system.servers.as_mut().context("servers")?.redis)
    }

    /// Does something to Redis, waits for what comes of it, and tells how long that took.
    fn turn(
        &mut self,
        what: &str,
        online: bool,
        cause: impl FnOnce(&mut RedisServer) -> Result<()>,
    ) -> Result<()> {
        let began = now();
        cause(self.redis()?)?;
        let took = turned(&self.system, online, began)?.as_seconds_f64();
        let became = if online { "Online" } else { "Offline" };
        self.report.say(&format!("{became} {took:.1} s after {what}."))
    }

    async fn measure(&mut self, title: &str, online: bool) -> Result<()> {
        let client = Client::connect(&self.system).await?;
        self.report.condition(title, &measure(&client, online).await?)
    }

    /// While a dump runs and another one waits: the one runs on to its end, and the other is kept.
    async fn freeze(&mut self) -> Result<()> {
        let running = self.system.start_job("main")?;
        self.system.wait_for_state_within(PATIENCE, &running, "running")?;
        let waiting = self.system.start_job("main")?;
        self.turn("Redis froze (SIGSTOP)", false, |redis| redis.freeze())?;
        self.measure("Redis frozen (SIGSTOP)", false).await?;
        self.system.wait_for_state(&running, "completed")?;
        let kept = self.system.execution(&waiting)?;
        ensure!(
            kept["state"] == "EXECUTION_STATE_QUEUED" && kept["waiting"]["reason"] == "WAITING_REASON_QUEUE",
            "nothing begins meanwhile: {kept:#}"
        );
        self.turn("it went on (SIGCONT)", true, |redis| redis.thaw())?;
        self.system.wait_for_state(&waiting, "completed")?;
        Ok(())
    }

    /// And started again with nothing in it, the control plane meanwhile without it.
    async fn stop(&mut self) -> Result<()> {
        let waiting = [self.system.start_job("main")?, self.system.start_job("main")?];
        self.turn("Redis was killed", false, RedisServer::kill)?;
        self.measure("Redis stopped", false).await?;
        self.system.control_plane.program().stop()?;
        let began = now();
        self.system.control_plane.start_again()?;
        turned(&self.system, false, began)?;
        self.measure("The control plane started while Redis is stopped", false)
            .await?;
        self.turn("Redis was started again", true, RedisServer::start_again)?;
        for execution in &waiting {
            self.system
                .wait_for_state_within(PATIENCE, execution, "completed")?;
        }
        Ok(())
    }

    /// There was nothing in it that counts.
    async fn empty(&mut self) -> Result<()> {
        let waiting = self.system.start_job("main")?;
        self.redis()?.flush_all()?;
        self.measure("Redis emptied (FLUSHALL)", true).await?;
        self.system
            .wait_for_state_within(PATIENCE, &waiting, "completed")?;
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        wait::until_within(PATIENCE, "all work to end", || {
            let unended = ["QUEUED", "LEASED", "RUNNING", "COMMITTING", "RETRY_WAIT"];
            let over = |state: &String| !unended.iter().any(|word| state.ends_with(word));
            Ok(states(&self.system)?.iter().all(over))
        })?;
        let states = states(&self.system)?;
        ensure!(
            states.iter().all(|state| state == "EXECUTION_STATE_COMPLETED"),
            "not all went well: {states:?}"
        );
        let told = format!(
            "All {} executions that were accepted completed, each once.",
            states.len()
        );
        self.report.say(&told)?;
        self.system.check_invariants()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_and_goes_and_no_work_is_lost_or_done_twice() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut scene = Scene::set()?;
    scene.measure("Redis there", true).await?;
    scene.freeze().await?;
    scene.stop().await?;
    scene.empty().await?;
    scene.settle()
}
