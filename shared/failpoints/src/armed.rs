//! What happens at points, in builds that have them.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Point, VARIABLE};

/// How often is looked whether a held point may go on.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Kill,
    Hang(PathBuf),
    Error,
    Delay(Duration),
}

#[derive(Debug)]
struct Armed {
    point: Point,
    action: Action,
    spent: AtomicBool,
}

/// Does what the point is armed for. Gives whether the operation is to fail.
pub async fn reached(point: Point) -> bool {
    match action(point) {
        None => false,
        Some(Action::Kill) => die(),
        Some(Action::Error) => true,
        Some(Action::Delay(time)) => {
            tokio::time::sleep(*time).await;
            false
        }
        Some(Action::Hang(file)) => {
            hold(file);
            while file.exists() {
                tokio::time::sleep(LOOK).await;
            }
            false
        }
    }
}

/// As [`reached`], for code that is no future and can't fail.
#[expect(
    clippy::disallowed_methods,
    reason = "holding up the thread is what is asked for"
)]
pub fn reached_blocking(point: Point) {
    match action(point) {
        None => {}
        Some(Action::Kill) => die(),
        Some(Action::Error) => cannot_fail(point),
        Some(Action::Delay(time)) => std::thread::sleep(*time),
        Some(Action::Hang(file)) => {
            hold(file);
            while file.exists() {
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// Ends the program: the point was told to fail and has nothing to fail with.
pub fn cannot_fail(point: Point) {
    give_up(&format!("the point {point} can't fail"));
}

fn action(point: Point) -> Option<&'static Action> {
    static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        parse(&text).unwrap_or_else(|problem| give_up(&problem))
    });
    let found = armed.iter().find(|armed| armed.point == point)?;
    let again = matches!(found.action, Action::Delay(_));
    (again || !found.spent.swap(true, Ordering::Relaxed)).then_some(&found.action)
}

fn parse(text: &str) -> Result<Vec<Armed>, String> {
    let one = |item: &str| {
        let (point, action) = item
            .split_once('=')
            .ok_or_else(|| format!("{item:?} is not POINT=ACTION"))?;
        let action = match action.split_once(':').unwrap_or((action, "")) {
            ("kill", "") => Action::Kill,
            ("error", "") => Action::Error,
            ("hang", file) if !file.is_empty() => Action::Hang(file.into()),
            ("delay", time) => {
                let time = time
                    .parse()
                    .map_err(|_| format!("{time:?} is no number of milliseconds"))?;
                Action::Delay(Duration::from_millis(time))
            }
            _ => return Err(format!("{action:?} is no action")),
        };
        Ok(Armed {
            point: point.parse()?,
            action,
            spent: AtomicBool::new(false),
        })
    };
    text.split(';').filter(|item| !item.is_empty()).map(one).collect()
}

fn hold(file: &std::path::Path) {
    if let Err(error) = std::fs::write(file, "") {
        give_up(&format!("{} can't be written: {error}", file.display()));
    }
}

/// Nothing is tidied up, as if somebody had typed `kill -9`.
fn die() -> ! {
    if let Err(error) = kill(Pid::this(), Signal::SIGKILL) {
        give_up(&format!("the program could not kill itself: {error}"));
    }
    std::process::abort()
}

fn give_up(problem: &str) -> ! {
    eprintln!("error: {VARIABLE}: {problem}");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_actions_are_read() {
        let armed = parse(
            "agent.pack.before_put=hang:/tmp/a:b;agent.list.after_put=delay:20;control_plane.claimed=kill;",
        )
        .unwrap();
        let read: Vec<_> = armed
            .iter()
            .map(|armed| (armed.point, armed.action.clone()))
            .collect();
        assert_eq!(
            read,
            [
                (Point::PackBeforePut, Action::Hang("/tmp/a:b".into())),
                (Point::ListAfterPut, Action::Delay(Duration::from_millis(20))),
                (Point::Claimed, Action::Kill),
            ]
        );
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for text in [
            "agent.nowhere=kill",
            "agent.pack.before_put=explode",
            "agent.pack.before_put",
            "agent.pack.before_put=hang:",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_unique_and_say_where_they_are() {
        let names: std::collections::HashSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        for point in Point::ALL {
            let place = match point.place() {
                crate::Place::Agent => "agent.",
                crate::Place::ControlPlane => "control_plane.",
            };
            assert!(point.name().starts_with(place), "{point}");
        }
    }
}
