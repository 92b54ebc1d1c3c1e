//! Logs of executions.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::Assignment;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::logs::{KEPT_HEAD, KEPT_TAIL, LogLevel, LogLine, MAX_LINE};
use dataguardian_control_plane::services::Error;
use dataguardian_control_plane::services::logs::Follow;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::ExecutionId;

use crate::simulated::SimulatedAgent;
use crate::world::{World, on_both};

fn line(world: &World, message: impl Into<String>) -> LogLine {
    LogLine {
        time: world.now(),
        level: LogLevel::Info,
        message: message.into(),
    }
}

async fn append(
    world: &World,
    agent: &SimulatedAgent,
    to: &Assignment,
    offset: u64,
    lines: Vec<LogLine>,
) -> Result<u64, Error> {
    world
        .services
        .logs
        .append(agent.id, to.fence, offset, lines)
        .await
}

/// Number and text of every line that is kept.
async fn read(world: &World, execution: ExecutionId, offset: u64) -> Vec<(u64, String)> {
    let mut tail = world
        .services
        .logs
        .tail(execution, offset, Follow::No)
        .await
        .unwrap();
    let mut lines = Vec::new();
    while let Some(chunk) = tail.next().await.unwrap() {
        lines.extend((chunk.offset..).zip(chunk.lines.into_iter().map(|line| line.message)));
    }
    lines
}

fn texts(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
    lines
        .iter()
        .map(|(number, text)| (*number, (*text).to_owned()))
        .collect()
}

/// The place after the line of that number.
fn gap_end(lines: &[(u64, String)], number: u64) -> usize {
    lines.iter().position(|line| line.0 == number).unwrap() + 1
}

on_both! {
    async fn lines_are_kept_once_and_in_order_over_attempts(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { max_attempts: 2, ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        let first = agent.begin().await;
        let lines = |texts: &[&str]| texts.iter().map(|text| line(world, *text)).collect::<Vec<_>>();
        assert_eq!(append(world, &agent, &first, 0, lines(&["a", "b"])).await.unwrap(), 2);
        assert_eq!(append(world, &agent, &first, 0, lines(&["a", "b"])).await.unwrap(), 2);
        assert_eq!(append(world, &agent, &first, 1, lines(&["b", "c\0"])).await.unwrap(), 3);
        assert_eq!(append(world, &agent, &first, 7, lines(&["gap"])).await.unwrap(), 3);
        agent.fail(first.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        assert_eq!(append(world, &agent, &first, 3, lines(&["last words"])).await.unwrap(), 4);

        world.advance(TimeDelta::hours(2));
        world.services.executions.expire().await.unwrap();
        let second = agent.begin().await;
        assert_eq!(append(world, &agent, &first, 4, lines(&["too late"])).await.unwrap_err().reason(), "STALE_FENCE");
        assert_eq!(append(world, &agent, &second, 0, lines(&["anew"])).await.unwrap(), 1);
        let expected = [(0, "a"), (1, "b"), (2, "c\u{2400}"), (3, "last words"), (4, "anew")];
        assert_eq!(read(world, execution.id, 0).await, texts(&expected));
        assert_eq!(read(world, execution.id, 3).await, texts(&expected[3..]));
        assert_eq!(read(world, execution.id, 9).await, []);
        let other = world.agent("db2").await;
        assert_eq!(append(world, &other, &second, 1, lines(&["x"])).await.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn of_a_long_log_beginning_and_end_are_kept(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let long = "x".repeat(MAX_LINE * 2);
        let mut offset = 0;
        for _ in 0..22 {
            let lines = vec![line(world, long.as_str()); 40];
            offset = append(world, &agent, &assignment, offset, lines).await.unwrap();
        }
        let kept = read(world, execution.id, 0).await;
        let bytes: usize = kept.iter().map(|(_, text)| text.len()).sum();
        assert!(bytes as u64 <= KEPT_HEAD + KEPT_TAIL + (1 << 20), "{bytes}");
        assert_eq!(kept.first().unwrap().0, 0);
        assert_eq!(kept.last().unwrap().0, offset - 1);
        let gaps: Vec<_> = kept.windows(2).filter(|pair| pair[0].0 + 1 != pair[1].0).collect();
        assert_eq!(gaps.len(), 1);
        let (last, told) = (gaps[0][0].0, &gaps[0][1]);
        let count = told.0 - last;
        assert!(told.1.starts_with(&format!("{count} lines were left out here")), "{}", told.1);
        assert!(kept.iter().filter(|line| *line != told).all(|(_, text)| text.len() == MAX_LINE));
        assert_eq!(read(world, execution.id, told.0 + 1).await[..], kept[gap_end(&kept, told.0)..]);
    }

    async fn a_follower_gets_lines_until_the_end(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let mut tail = world.services.logs.tail(execution.id, 0, Follow::UntilEnded).await.unwrap();
        let following = async {
            let mut lines = Vec::new();
            while let Some(chunk) = tail.next().await.unwrap() {
                lines.extend(chunk.lines.into_iter().map(|line| line.message));
            }
            lines
        };
        let writing = async {
            let assignment = agent.begin().await;
            for (offset, text) in (0..).zip(["one", "two", "three"]) {
                append(world, &agent, &assignment, offset, vec![line(world, text)]).await.unwrap();
            }
            agent.fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        };
        let following = tokio::time::timeout(std::time::Duration::from_secs(30), following);
        let (lines, ()) = tokio::join!(following, writing);
        assert_eq!(lines.unwrap(), ["one", "two", "three"]);
    }
}
