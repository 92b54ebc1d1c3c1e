//! What a revoked agent had goes on with another one: its datasource, its local storage with all backups, its jobs.

use std::fs;

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, Agent, STORAGE, System, files};

/// The agent of the rebuilt host.
const NEXT: &str = "host2";

fn scene() -> Result<(Postgres, System)> {
    let server = Postgres::start(Version::V15)?;
    load_bulk(&server, "shop", 1000)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    Ok((server, system))
}

#[test]
fn a_rebuilt_host_takes_over_what_the_revoked_agent_had() -> Result<()> {
    let (_server, mut system) = scene()?;
    system.dgctl(&["agent", "revoke", AGENT, "--yes"]).succeed()?;
    system.agent.program().stop()?;
    let config = fs::read_to_string(system.folder().join(format!("{AGENT}.toml")))?;
    let next = Agent::enroll(system.folder(), &system.control_plane, NEXT, &config)?;
    system.wait_for_agent(NEXT)?;

    // One after the other; in between, what does not fit together is told and nothing is lost.
    let moved = system.json(&["datasource", "update", "main", "--agent", NEXT])?;
    ensure!(moved["datasource"]["agent"] == NEXT, "{moved:#}");
    let said = system.run_job("main").fail(1)?;
    ensure!(said.contains(STORAGE) && said.contains(NEXT), "{said}");

    // The disk was put in at another place.
    let place = system.folder().join("mnt");
    let path = place.display().to_string();
    let to_next = ["storage", "update", STORAGE, "--agent", NEXT, "--path", &path];
    let said = system.dgctl(&to_next).fail(1)?;
    ensure!(
        said.contains("mounted"),
        "a folder without the repository was taken: {said}"
    );
    ensure!(!place.exists(), "something was made there");
    fs::rename(system.vault(), &place)?;
    let moved = system.json(&to_next)?;
    let local = &moved["storage"]["local"];
    ensure!(
        local["agent"] == NEXT && local["path"] == path.as_str(),
        "{moved:#}"
    );

    let before = files(&place)?.len();
    system.run_job("main").succeed()?;
    ensure!(files(&place)?.len() > before, "the next backup went elsewhere");
    let backups = system.json(&["backup", "list"])?;
    ensure!(
        backups["backups"].as_array().map(Vec::len) == Some(2),
        "{backups:#}"
    );
    for backup in backups["backups"].as_array().into_iter().flatten() {
        let id = backup["id"].as_str().unwrap_or_default();
        system
            .dgctl(&["restore", "--backup", id, "--scratch", "--wait"])
            .succeed()?;
    }
    system.check_invariants()?;
    drop(next);
    Ok(())
}

#[test]
fn nothing_moves_while_it_is_used_or_to_where_another_is() -> Result<()> {
    let (_server, mut system) = scene()?;
    let other = system.folder().join("other");
    system.add_storage("other", &other)?;
    let path = other.display().to_string();
    let said = system
        .dgctl(&["storage", "update", STORAGE, "--path", &path])
        .fail(1)?;
    ensure!(said.contains("PLACE_TAKEN"), "{said}");
    let said = system
        .dgctl(&["datasource", "update", "main", "--agent", "nobody"])
        .fail(1)?;
    ensure!(said.contains("AGENT_NOT_FOUND"), "{said}");

    system.agent.program().stop()?;
    let waiting = system.start_job("main")?;
    let elsewhere = system.folder().join("elsewhere").display().to_string();
    let said = system
        .dgctl(&["storage", "update", STORAGE, "--path", &elsewhere])
        .fail(1)?;
    ensure!(
        said.contains("STORAGE_IN_USE") && said.contains("cancel"),
        "{said}"
    );
    system.agent.start_again()?;
    system.wait_for_state(&waiting, "completed")?;
    system.check_invariants()
}
