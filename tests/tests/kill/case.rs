//! One kill, and what has to follow.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dataguardian_failpoints::Place;
use dataguardian_tests::fault_report::Line;
use dataguardian_tests::system::AGENT;
use dataguardian_tests::wait;
use serde_json::Value;

use crate::points::{AtPoint, Ends};
use crate::scene::Scene;

/// How long anything may take to come to its end after a kill: an offer that was lost lapses after 10 s and is made again
/// 5 s later; an agent comes back within seconds.
const END: Duration = Duration::from_secs(90);

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Agent,
    ControlPlane,
    Both,
}

impl Victim {
    fn places(self) -> &'static [Place] {
        match self {
            Self::Agent => &[Place::Agent],
            Self::ControlPlane => &[Place::ControlPlane],
            Self::Both => &[Place::ControlPlane, Place::Agent],
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::ControlPlane => "control plane",
            Self::Both => "both",
        })
    }
}

/// A kill at a point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) point: AtPoint,
    pub(crate) victim: Victim,
}

impl Case {
    pub(crate) async fn run(self, scene: &mut Scene) -> Result<Line> {
        let point = self.point.at;
        let hold = scene.hold();
        scene.arm(point.place(), &format!("{point}=hang:{}", hold.display()))?;
        let restores = self.point.group == "restore";
        let execution = match self.point.group {
            "restore" => scene.start_replacing()?,
            "verify" => scene.start_verifying()?,
            _ => {
                scene.change_everything()?;
                scene.system.start_job("main")?
            }
        };
        wait::until(
            &format!("{point} to be reached; was it built with `cargo build --workspace`?"),
            || Ok(hold.exists()),
        )?;
        for place in self.victim.places() {
            scene.kill(*place)?;
        }
        let killed = Instant::now();
        std::fs::remove_file(&hold)?;
        // The agent first: it must also bear to find nobody.
        if self.victim != Victim::ControlPlane {
            scene.system.agent.start_again()?;
        }
        if self.victim != Victim::Agent {
            scene.system.control_plane.start_again()?;
        }
        let ended = self.wait_for_end(scene, &execution)?;
        let took = killed.elapsed();
        self.check_end(&ended)?;
        if ended["state"] == "EXECUTION_STATE_COMPLETED" && ended["kind"] == "EXECUTION_KIND_BACKUP" {
            scene.backups += 1;
        }
        scene.system.wait_for_agent(AGENT)?;
        scene.is_quiet().context("after the fault")?;
        let next_run = self.next_run(scene, restores).await.context("the next run")?;
        let outcome = outcome(&ended);
        Ok(Line::new(
            format!("{} killed at {point}", self.victim),
            outcome,
            took,
            next_run,
        ))
    }

    fn wait_for_end(&self, scene: &Scene, execution: &str) -> Result<Value> {
        let mut last = Value::Null;
        let waited = wait::until_within(END, "the execution to end", || {
            last = scene.system.execution(execution)?;
            let state = last["state"].as_str().unwrap_or_default();
            Ok(["COMPLETED", "CANCELLED", "FAILED", "SKIPPED"]
                .iter()
                .any(|end| state.ends_with(end)))
        });
        waited.with_context(|| format!("{last:#}"))?;
        Ok(last)
    }

    fn check_end(&self, ended: &Value) -> Result<()> {
        let completed = ended["state"] == "EXECUTION_STATE_COMPLETED";
        let restarted =
            ended["state"] == "EXECUTION_STATE_FAILED" && ended["failure"]["reason"] == "AGENT_RESTARTED";
        let ends = if self.victim == Victim::ControlPlane {
            Ends::Completes
        } else {
            self.point.ends
        };
        let fine = match ends {
            Ends::Completes => completed,
            Ends::Fails => restarted,
            Ends::Either => completed || restarted,
        };
        ensure!(fine, "it should have ended as {ends:?}: {ended:#}");
        Ok(())
    }

    async fn next_run(&self, scene: &mut Scene, restores: bool) -> Result<&'static str> {
        if !restores {
            scene.next_run_is_equal().await?;
            return Ok("backed up, restored, equal");
        }
        // Whatever was replaced was replaced by the same.
        let replaced = scene.start_replacing()?;
        let ended = self.wait_for_end(scene, &replaced)?;
        if ended["state"] != "EXECUTION_STATE_COMPLETED" {
            bail!("the next restore failed: {ended:#}");
        }
        scene.databases_are_whole(&ended.to_string()).await?;
        scene.is_quiet()?;
        Ok("replaced, equal")
    }
}

fn outcome(ended: &Value) -> String {
    let state = ended["state"].as_str().unwrap_or_default();
    let state = state.trim_start_matches("EXECUTION_STATE_").to_lowercase();
    match ended["failure"]["reason"].as_str() {
        Some(reason) => format!("{state} ({reason})"),
        None => state,
    }
}
