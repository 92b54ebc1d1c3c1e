//! Failpoints are where their names say, each is killed at by a test (`kill/points.rs`), and no normal build has them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dataguardian_failpoints::{Place, Point};
use regex::Regex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The points in a program's code, by their names there.
fn points_in(program: &str) -> Result<Vec<String>> {
    let point = Regex::new(r"failpoint!\(\s*(\w+)")?;
    let mut found = Vec::new();
    for path in files(&root().join(program).join("src"), "rs")? {
        let code = fs::read_to_string(&path)?;
        found.extend(point.captures_iter(&code).map(|captures| captures[1].to_owned()));
    }
    found.sort();
    Ok(found)
}

#[test]
fn every_point_is_in_the_code_of_its_program_once() -> Result<()> {
    for (program, place) in [("agent", Place::Agent), ("control-plane", Place::ControlPlane)] {
        let points = Point::ALL.iter().filter(|point| point.place() == place);
        let mut named: Vec<_> = points.map(|point| point.ident().to_owned()).collect();
        named.sort();
        assert_eq!(points_in(program)?, named, "{program}");
    }
    Ok(())
}

/// Features add up over all that is built together: one more crate that asks for them, and packages would have them.
#[test]
fn only_the_harness_asks_for_failpoints() -> Result<()> {
    let mut asking = Vec::new();
    for folder in fs::read_dir(root())? {
        let folder = folder?.path();
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest)?;
        if text
            .lines()
            .any(|line| line.contains("dataguardian-failpoints") && line.contains("features"))
        {
            asking.push(
                folder
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
            );
        }
    }
    assert_eq!(asking, ["tests"]);
    Ok(())
}

/// Whatever a scenario does to a system, the invariants hold afterwards.
#[test]
fn every_scenario_with_a_system_checks_the_invariants() -> Result<()> {
    let starts = Regex::new(r"\bSystem::start|\bControlPlane::start")?;
    for entry in fs::read_dir(root().join("tests/tests"))? {
        let path = entry?.path();
        let sources = if path.is_dir() {
            files(&path, "rs")?
        } else {
            vec![path.clone()]
        };
        let code = sources
            .iter()
            .map(fs::read_to_string)
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        if !path.ends_with("failpoints.rs") && starts.is_match(&code) {
            assert!(
                code.contains("check_invariants") || code.contains("Invariants::of"),
                "{}",
                path.display()
            );
        }
    }
    Ok(())
}
