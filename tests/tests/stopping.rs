//! An agent that is asked to stop takes no more work, lets what runs come to its end, and gives up only what lasts too long.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, Metadata, System};
use dataguardian_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

/// About 20 MB.
const ROWS: u64 = 40_000;
/// Milliseconds for each 64 KiB of rows, with which a dump lasts some seconds.
const SLOW: u64 = 25;
/// The same, with which it lasts minutes.
const VERY_SLOW: u64 = 1500;

struct Scene {
    system: System,
    server: Postgres,
}

impl Scene {
    /// A dump that is at work, and how long the agent waits for it when it is asked to stop.
    fn dumping(delay: u64, grace: u64) -> Result<(Self, String)> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", ROWS)?;
        let settings = format!("stop_grace_seconds = {grace}\n");
        let mut system = System::start_with(Metadata::Embedded, &settings)?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &["--table-connections", "1", "--max-attempts", "2"])?;
        system.agent.program().stop()?;
        system
            .agent
            .start_armed(&format!("agent.dump.first_rows=delay:{delay}"))?;
        system.wait_for_agent(AGENT)?;
        let execution = system.start_job("main")?;
        system.wait_for_state(&execution, "running")?;
        let scene = Self { system, server };
        wait::until("the dump's sessions", || Ok(scene.sessions()? > 0))?;
        Ok((scene, execution))
    }

    fn sessions(&self) -> Result<usize> {
        let sql = "select count(*) from pg_stat_activity where application_name like 'dataguardian%'";
        Ok(self.server.psql("postgres", sql)?.trim().parse()?)
    }

    /// Asks the agent to stop, and waits until it has heard.
    fn ask_to_stop(&mut self) -> Result<()> {
        self.system.agent.program().signal(Signal::SIGTERM)?;
        wait::until("the agent to take no more", || {
            Ok(self.system.agent.log().contains("takes no more work"))
        })
    }

    fn wait_until_gone(&mut self) -> Result<()> {
        let agent = self.system.agent.program();
        wait::until("the agent to be gone", || Ok(agent.ended()?.is_some()))?;
        let status = agent.ended()?;
        ensure!(
            status.is_some_and(|status| status.success()),
            "it ended with {status:?}"
        );
        Ok(())
    }

    /// The attempt was given up in order, and the next agent makes another one.
    fn goes_on_with_another_attempt(mut self, execution: &str) -> Result<()> {
        ensure!(self.sessions()? == 0, "sessions are left on the server");
        let waiting = self.system.execution(execution)?;
        ensure!(!has_ended(&waiting), "{waiting:#}");
        let reason = &waiting["attempts"][0]["failure"]["reason"];
        ensure!(reason == "AGENT_RESTARTED", "{waiting:#}");
        self.system.agent.start_again()?;
        // The pause before another attempt may take a minute.
        let ended = self
            .system
            .wait_for_state_within(4 * wait::PATIENCE, execution, "completed")?;
        assert_eq!(ended["attempt"], 2, "{ended:#}");
        self.system.nothing_is_left(&self.server)?;
        self.system.check_invariants()
    }
}

fn has_ended(execution: &Value) -> bool {
    let state = execution["state"].as_str().unwrap_or_default();
    ["COMPLETED", "FAILED", "CANCELLED", "PARTIAL"]
        .iter()
        .any(|ended| state.ends_with(ended))
}

#[test]
fn a_dump_that_soon_ends_is_waited_for_and_no_other_is_begun() -> Result<()> {
    let (mut scene, running) = Scene::dumping(SLOW, 300)?;
    scene.ask_to_stop()?;
    let next = scene.system.start_job("main")?;
    scene.wait_until_gone()?;
    let ended = scene.system.wait_for_state(&running, "completed")?;
    assert_eq!(ended["attempt"], 1, "{ended:#}");
    let waiting = scene.system.execution(&next)?;
    assert_eq!(waiting["state"], "EXECUTION_STATE_QUEUED", "{waiting:#}");
    scene.system.agent.start_again()?;
    let ended = scene.system.wait_for_state(&next, "completed")?;
    assert_eq!(ended["attempt"], 1, "{ended:#}");
    scene.system.check_invariants()
}

#[test]
fn a_dump_that_lasts_longer_than_the_grace_is_tried_again_by_the_next_agent() -> Result<()> {
    let (mut scene, execution) = Scene::dumping(VERY_SLOW, 2)?;
    scene.ask_to_stop()?;
    scene.wait_until_gone()?;
    scene.goes_on_with_another_attempt(&execution)
}

#[test]
fn a_second_signal_stops_at_once() -> Result<()> {
    let (mut scene, execution) = Scene::dumping(VERY_SLOW, 3600)?;
    scene.ask_to_stop()?;
    let asked_again = Instant::now();
    scene.system.agent.program().signal(Signal::SIGINT)?;
    scene.wait_until_gone()?;
    ensure!(
        asked_again.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        asked_again.elapsed()
    );
    scene.goes_on_with_another_attempt(&execution)
}
