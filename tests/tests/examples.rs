//! The programs in `examples/` do what they say, against the real control plane: each lists the jobs, runs one and follows it to its end.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::cache;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{System, binary};

/// A system with a job `nightly`, and what the examples are told of it.
struct Scene {
    _server: Postgres,
    system: System,
    token: String,
}

impl Scene {
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        server.create_database("shop")?;
        server.psql(
            "shop",
            "create table t (a int primary key); insert into t values (1)",
        )?;
        let system = System::start()?;
        system.add_datasource("nightly", &server, &["shop"])?;
        system.add_job("nightly", &[])?;
        let password = system.folder().join("admin.password").display().to_string();
        let signed_in = system.json(&["login", "--username", "admin", "--password-file", &password])?;
        let token = signed_in["apiToken"].as_str().context("a token")?.to_owned();
        Ok(Self {
            _server: server,
            system,
            token,
        })
    }

    /// Runs a program as its first lines say.
    fn run(&self, mut command: Command) -> Result<String> {
        command
            .env("DATAGUARDIAN_SERVER", self.system.control_plane.url())
            .env("DATAGUARDIAN_CA", self.system.control_plane.ca_file())
            .env("NODE_EXTRA_CA_CERTS", self.system.control_plane.ca_file())
            .env("DATAGUARDIAN_TOKEN", &self.token);
        let output = command.output().with_context(|| format!("{command:?}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}{errors}");
        Ok(said)
    }

    /// It lists the job, and runs it.
    fn lists_and_runs(&self, program: impl Fn() -> Result<Command>) -> Result<()> {
        let listed = self.run(program()?)?;
        ensure!(listed.contains("nightly") && listed.contains("vault"), "{listed}");
        let mut running = program()?;
        running.arg("nightly");
        let followed = self.run(running)?;
        ensure!(followed.to_lowercase().contains("completed"), "{followed}");
        self.system.check_invariants()
    }
}

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(path)
}

#[test]
fn rust() -> Result<()> {
    let scene = Scene::set()?;
    scene.lists_and_runs(|| Ok(Command::new(binary("run_and_watch")?)))?;
    let newest = scene.run(Command::new(binary("newest_backups")?))?;
    ensure!(newest.contains("nightly"), "{newest}");
    Ok(())
}

#[test]
fn python() -> Result<()> {
    let folders = [
        "grpcio",
        "grpcio.reflection",
        "grpcio.protobuf",
        "grpcio.typing_extensions",
    ];
    let folders = folders.map(cache::part).into_iter().collect::<Result<Vec<_>>>()?;
    let path = std::env::join_paths(folders)?;
    Scene::set()?.lists_and_runs(|| {
        let mut command = Command::new("python3");
        command
            .arg(example("python/run_and_watch.py"))
            .env("PYTHONPATH", &path);
        Ok(command)
    })
}

#[test]
fn grpcurl() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::os::unix::fs::symlink(cache::part("grpcurl")?, folder.path().join("grpcurl"))?;
    let mut paths = vec![folder.path().to_owned()];
    paths.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let mut command = Command::new("bash");
    command
        .arg(example("grpcurl/tour.sh"))
        .env("PATH", std::env::join_paths(paths)?);
    let said = Scene::set()?.run(command)?;
    for expected in [
        "dataguardian.v1.JobService",
        "\"SERVING\"",
        "\"username\": \"admin\"",
        "\"name\": \"nightly\"",
    ] {
        ensure!(said.contains(expected), "{expected}: {said}");
    }
    Ok(())
}

/// Built in a copy, so that nothing is left in the sources.
#[test]
fn typescript() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("examples/typescript");
    std::fs::create_dir_all(copy.join("src"))?;
    let files = [
        ".npmrc",
        "package.json",
        "package-lock.json",
        "buf.gen.yaml",
        "tsconfig.json",
        "src/run_and_watch.ts",
    ];
    for file in files {
        std::fs::copy(example("typescript").join(file), copy.join(file))?;
    }
    std::os::unix::fs::symlink(example("../proto").canonicalize()?, folder.path().join("proto"))?;
    let mut paths = vec![cache::part("node")?];
    paths.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let path = std::env::join_paths(paths)?;
    let npm = |words: &[&str]| -> Result<()> {
        let output = Command::new("npm")
            .args(words)
            .env("PATH", &path)
            .current_dir(&copy)
            .output()
            .context("npm")?;
        ensure!(
            output.status.success(),
            "npm {words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    npm(&["ci", "--no-progress"])?;
    npm(&["run", "build"])?;
    Scene::set()?.lists_and_runs(|| {
        let mut command = Command::new("node");
        command.env("PATH", &path).arg(copy.join("dist/run_and_watch.js"));
        Ok(command)
    })
}
