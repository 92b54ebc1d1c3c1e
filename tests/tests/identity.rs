//! An agent's identity with the real programs: certificates that live for seconds, copies, crashes, a new authority. A part
//! of `target/faults.md`.

use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use dataguardian_tests::fault_report::{Line, Section};
use dataguardian_tests::invariants::Invariants;
use dataguardian_tests::system::{Agent, ControlPlane, Setup};
use dataguardian_tests::tcp_proxy::{Direction, TcpProxy};
use dataguardian_tests::wait;
use serde_json::Value;
use tempfile::TempDir;

/// The part of the report that this is.
const IDENTITY: &str = "identity; the time runs from the fault to the agent's return, or to the notice";

/// A control plane whose certificates live for some seconds, and an agent.
struct Scene {
    agent: Agent,
    control_plane: ControlPlane,
    folder: TempDir,
}

impl Scene {
    fn set(life_seconds: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let setup = Setup {
            config: format!(
                "[agents]\ncertificate_life_seconds = {life_seconds}\nrenew_within_seconds = 1\n"
            ),
            ..Setup::usual()?
        };
        let control_plane = ControlPlane::start(folder.path(), setup)?;
        let agent = Agent::enroll(folder.path(), &control_plane, "db1", "")?;
        let scene = Self {
            agent,
            control_plane,
            folder,
        };
        scene.wait_until("the agent to connect", |agent| agent["connected"] == true)?;
        Ok(scene)
    }

    fn shown(&self) -> Result<Value> {
        let reply = self.control_plane.dgctl().json(&["agent", "get", "db1"])?;
        Ok(reply["agent"].clone())
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
        wait::until(what, || Ok(holds(&self.shown()?)))
    }

    /// The certificate in the agent's state directory.
    fn certificate(&self) -> Result<String> {
        let text = fs::read_to_string(self.agent.state_dir().join("identity.json"))?;
        let identity: Value = serde_json::from_str(&text)?;
        Ok(identity["certificate"]["chain_pem"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    fn wait_for_renewal(&self) -> Result<()> {
        let before = self.certificate()?;
        wait::until("a renewal", || Ok(self.certificate()? != before))
    }

    fn has_no_notice(&self) -> Result<()> {
        let notices = self.shown()?["notices"].clone();
        ensure!(notices == Value::Array(Vec::new()), "{notices:#}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_whose_answer_is_lost_and_a_killed_agent_lock_nobody_out() -> Result<()> {
    let mut section = Section::begin_part(IDENTITY, "renewal")?;
    let mut scene = Scene::set(12)?;
    // From now on the agent goes through a proxy that can hold answers back.
    let proxy =
        TcpProxy::start((std::net::Ipv4Addr::LOCALHOST, scene.control_plane.agent_port()).into()).await?;
    scene.agent.program().stop()?;
    let file = scene.agent.state_dir().join("identity.json");
    let mut identity: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    identity["endpoint"]["port"] = proxy.address().port().into();
    fs::write(&file, serde_json::to_vec(&identity)?)?;
    scene.agent.start_again()?;
    scene.wait_for_renewal()?;
    let pending = scene.agent.state_dir().join("pending.json");
    wait::until("the pending key to be forgotten", || Ok(!pending.exists()))?;
    for _ in 0..2 {
        let before = scene.certificate()?;
        // The open connection ends in the middle of the answer, and no other one comes to be.
        proxy.refuse();
        proxy.cut_after(Direction::FromServer, 600);
        wait::until("a renewal to be asked for", || Ok(pending.exists()))?;
        proxy.wait_until(|totals| totals.open == 0).await?;
        let asked_with = fs::read_to_string(&pending)?;
        scene.agent.program().kill9()?;
        proxy.resume();
        ensure!(scene.certificate()? == before, "the answer came through");
        ensure!(fs::read_to_string(&pending)? == asked_with);
        scene.agent.start_again()?;
        let back = Instant::now();
        wait::until("a renewal", || Ok(scene.certificate()? != before))?;
        let text = fs::read_to_string(&file)?;
        let identity: Value = serde_json::from_str(&text)?;
        let key: Value = serde_json::from_str(&asked_with)?;
        ensure!(
            identity["certificate"]["key_pem"] == key["key_pem"],
            "it asked with another key"
        );
        scene.wait_until("the agent to be back", |agent| agent["connected"] == true)?;
        section.add(Line::new(
            "the answer to a renewal is lost and the agent killed (kill -9)",
            "renewed with the same key, connected",
            back.elapsed(),
            "renewed again",
        ))?;
    }
    scene.wait_for_renewal()?;
    scene.has_no_notice()?;
    Invariants::of(&scene.control_plane.database()).check().await
}

#[test]
fn of_an_agent_and_its_copy_one_goes_on_and_people_are_told() -> Result<()> {
    let mut section = Section::begin_part(IDENTITY, "copy")?;
    let scene = Scene::set(30)?;
    let copy = scene.agent.start_copy("copy")?;
    let copied = Instant::now();
    scene.wait_until("people to be told", |agent| {
        let reason = &agent["notices"][0]["reason"];
        agent["connected"] == true && (reason == "IDENTITY_SHARED" || reason == "IDENTITY_COPIED")
    })?;
    let notice = scene.shown()?["notices"][0].clone();
    let took = copied.elapsed();
    ensure!(
        notice["advice"]
            .as_str()
            .is_some_and(|advice| advice.contains("dgctl agent clear-alert db1")),
        "{notice:#}"
    );
    wait::until("one of the two to say what to type", || {
        Ok([&scene.agent, &copy]
            .iter()
            .any(|agent| agent.log().contains("`dgctl agent ")))
    })?;
    let listed = scene.control_plane.dgctl().run(&["agent", "list"]).succeed()?;
    ensure!(listed.stdout.contains("identity "), "{}", listed.stdout);
    let reason = notice["reason"].as_str().unwrap_or_default();
    section.add(Line::new(
        "two agents run from copies of one state directory",
        format!("{reason}: people are told, one goes on"),
        took,
        "",
    ))
}

#[test]
fn a_host_that_was_refused_becomes_its_agent_again() -> Result<()> {
    let mut scene = Scene::set(30)?;
    scene.agent.program().stop()?;
    let token = scene.folder.path().join("again.token");
    let (state, file) = (
        scene.agent.state_dir().display().to_string(),
        token.display().to_string(),
    );
    let made = scene.control_plane.dgctl().json(&[
        "agent",
        "token",
        "create",
        "--for",
        "db1",
        "--save-token",
        &file,
    ])?;
    let pin = made["caPin"].as_str().unwrap_or_default().to_owned();
    let enroll = |more: &[&str]| -> Result<std::process::Output> {
        let url = scene.control_plane.url();
        let mut words = vec![
            "enroll",
            "--server",
            &url,
            "--ca-pin",
            &pin,
            "--token-file",
            &file,
            "--state-dir",
            &state,
        ];
        words.extend(more);
        Ok(
            std::process::Command::new(dataguardian_tests::system::binary("dataguardian-agent")?)
                .args(words)
                .output()?,
        )
    };
    let refused = enroll(&[])?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(
        !refused.status.success() && said.contains("enroll --again"),
        "{said}"
    );
    let before = scene.certificate()?;
    let again = enroll(&["--again"])?;
    ensure!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    ensure!(scene.certificate()? != before);
    scene.agent.start_again()?;
    scene.wait_until("the agent to be back", |agent| agent["connected"] == true)
}

#[test]
fn a_new_authority_locks_out_neither_who_is_connected_nor_who_is_away() -> Result<()> {
    let mut scene = Scene::set(3600)?;
    let before = scene.certificate()?;
    let old_ca = fs::read_to_string(scene.control_plane.ca_file())?;
    let dgctl = scene.control_plane.dgctl();
    dgctl.run(&["system", "rotate-ca", "--yes"]).succeed()?;
    ensure!(fs::read_to_string(scene.control_plane.ca_file())? != old_ca);
    wait::until("the agent to renew", || Ok(scene.certificate()? != before))?;
    scene.wait_until("the agent to be connected", |agent| agent["connected"] == true)?;

    scene.agent.program().stop()?;
    let before = scene.certificate()?;
    dgctl.run(&["system", "rotate-ca", "--yes"]).succeed()?;
    scene.control_plane.program().stop()?;
    scene.control_plane.start_again()?;
    scene.agent.start_again()?;
    wait::until("the agent to renew", || Ok(scene.certificate()? != before))?;
    scene.wait_until("the agent to be connected", |agent| agent["connected"] == true)?;
    let info = dgctl.json(&["system", "info"])?;
    ensure!(
        info["authorities"].as_array().is_some_and(|all| all.len() == 3),
        "{info:#}"
    );
    scene.has_no_notice()
}
