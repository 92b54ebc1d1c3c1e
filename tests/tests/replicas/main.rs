//! Two replicas behind a real balancer, under scheduled load: each is killed, frozen and restarted in turn. Each time in each
//! schedule has one execution, no backup is broken off, and the agents come back soon. What was measured is in
//! `target/replicas.md`.

mod coverage;
mod scene;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::invariants::{Invariants, Moment, Storages};
use nix::sys::signal::Signal;

use scene::{BACK, PERIOD, Scene, Which};

/// What becomes of a replica.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// `kill -9`.
    Killed,
    /// SIGSTOP: it is there, its connections stand, and it does nothing. Later it goes on.
    Frozen,
    /// SIGTERM, and started again.
    Restarted,
}

impl Scene {
    /// Something happens to a replica; the other one does all the work until it is back. How long the agents were away.
    fn suffer(&mut self, which: Which, fate: Fate) -> Result<Duration> {
        let gone = self.id(which)?;
        let since = Instant::now();
        match fate {
            Fate::Killed => self.replica(which).program().kill9()?,
            Fate::Frozen => self.replica(which).program().signal(Signal::SIGSTOP)?,
            Fate::Restarted => drop(self.replica(which).program().stop()?),
        }
        let took = self.recover(&gone, since)?;
        match fate {
            Fate::Killed | Fate::Restarted => self.replica(which).start_again()?,
            Fate::Frozen => self.replica(which).program().signal(Signal::SIGCONT)?,
        }
        ensure!(
            took < BACK,
            "{which:?} was {fate:?}: agents were away for {took:?}"
        );
        // It takes part again.
        self.id(which)?;
        Ok(took)
    }
}

#[test]
fn replicas_are_killed_frozen_and_restarted_and_nothing_is_lost_or_done_twice() -> Result<()> {
    let mut scene = Scene::set()?;
    let mut report = String::from(
        "# Two replicas behind HAProxy\n\nWritten by the test `replicas`. For how long no agent of the replica had a session.\n\n\
         | replica | what happened | agents back after |\n|---|---|---:|\n",
    );
    for fate in [Fate::Killed, Fate::Frozen, Fate::Restarted] {
        for which in [Which::One, Which::Two] {
            let took = scene.suffer(which, fate)?.as_secs_f64();
            writeln!(report, "| {which:?} | {fate:?} | {took:.1} s |")?;
        }
    }
    scene.show_all_machines()?;
    scene.download()?;
    scene.settle()?;
    let broken = "select coalesce(string_agg(distinct job_name || ' ' || state || ' ' || attempt || ' ' || coalesce(failure_message, ''), '; '), '') \
         from executions where state not in ('completed', 'skipped') or (state = 'completed' and attempt <> 1)";
    let broken = scene.metadata(broken)?;
    ensure!(
        broken.is_empty(),
        "backups were broken off: {broken}\n{}",
        scene.said(Which::One)
    );
    let mut times = 0;
    for (job, executions) in scene.jobs()? {
        times += coverage::check(&executions, PERIOD).with_context(|| job.clone())?;
    }
    writeln!(
        report,
        "\n{times} times in the schedules, each of which one execution stands for."
    )?;
    std::fs::write(report_file()?, report)?;
    check_invariants(&scene.database())
}

/// What must hold of every history.
fn check_invariants(database: &str) -> Result<()> {
    let invariants = Invariants {
        moment: Moment::Quiet,
        backups_per_agent: 2,
        storages: Storages::AllBut(Vec::new()),
        ..Invariants::of(database)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(invariants.check())
}

fn report_file() -> Result<std::path::PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("the target directory")?;
    Ok(target.join("replicas.md"))
}
