//! `kill -9` of the agent, of the control plane, and of both, at every failpoint.
//!
//! A program is held at a point; then one or both are killed, and started again. Whatever was hit must come to one end, with
//! one manifest at most; nothing may be left running; the next backup must work and restore equal; and no invariant may be
//! violated. One line each goes into `target/faults.md`.

mod case;
mod points;
mod scene;

use anyhow::{Result, ensure};
use dataguardian_tests::fault_report::{Line, Section};

use case::{Case, Victim};
use scene::Scene;

/// Goes through all points of a group with one victim. A case that fails costs its system, and the others go on.
async fn go_through(group: &str, victim: Victim) -> Result<()> {
    let mut section = Section::begin(&format!("kill -9: {group}, {victim}"))?;
    let mut failed = Vec::new();
    let mut scene = None;
    for point in points::of(group) {
        let case = Case { point, victim };
        let mut at = match scene.take() {
            Some(scene) => scene,
            None => Scene::set()?,
        };
        match case.run(&mut at).await {
            Ok(line) => {
                section.add(line)?;
                scene = Some(at);
            }
            Err(error) => {
                let what = format!("{victim} killed at {}", point.at);
                eprintln!(
                    "{what}: {error:#}\n--- control plane\n{}\n--- agent\n{}",
                    at.system.control_plane.log(),
                    at.system.agent.log()
                );
                section.add(Line {
                    fault: what.clone(),
                    outcome: format!("NOT AS IT SHOULD BE: {error:#}"),
                    ..Line::default()
                })?;
                failed.push(format!("{what}: {error:#}"));
            }
        }
    }
    ensure!(
        failed.is_empty(),
        "{} cases failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    Ok(())
}

macro_rules! groups {
    ($($test:ident: $group:literal, $victim:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() -> Result<()> {
            go_through($group, Victim::$victim).await
        }
    )+

        #[test]
        fn every_group_is_gone_through_with_every_victim() {
            let through: Vec<_> = [$(($group, Victim::$victim)),+].into();
            for group in points::GROUPS {
                for victim in [Victim::Agent, Victim::ControlPlane, Victim::Both] {
                    assert!(through.contains(&(group, victim)), "{group}, {victim}");
                }
            }
        }
    };
}

groups! {
    agent_while_work_is_handed_over: "handover", Agent;
    control_plane_while_work_is_handed_over: "handover", ControlPlane;
    both_while_work_is_handed_over: "handover", Both;
    agent_while_dumping: "dump", Agent;
    control_plane_while_dumping: "dump", ControlPlane;
    both_while_dumping: "dump", Both;
    agent_while_committing: "commit", Agent;
    control_plane_while_committing: "commit", ControlPlane;
    both_while_committing: "commit", Both;
    agent_while_restoring: "restore", Agent;
    control_plane_while_restoring: "restore", ControlPlane;
    both_while_restoring: "restore", Both;
    agent_while_verifying: "verify", Agent;
    control_plane_while_verifying: "verify", ControlPlane;
    both_while_verifying: "verify", Both;
}
