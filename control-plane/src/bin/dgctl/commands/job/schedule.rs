//! When a job runs by itself: the arguments, `dgctl job next`, and how it reads in a job.

use std::time::Duration;

use clap::Args;
use dataguardian_proto::{convert, v1};

use crate::commands::Context;
use crate::error::{Error, Result};
use crate::output::table::{Field, List};
use crate::output::{schedule::in_zone, text};
use crate::values::{MisfireWord, length, misfire_word, state_word};

/// When a job runs. What is not given stays as it is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Schedule {
    /// When it runs by itself: five cron fields as in "30 2 * * *", six with a second before them, or @hourly, @daily, @weekly,
    /// @monthly, @yearly
    #[arg(long = "schedule", value_name = "CRON", conflicts_with = "no_schedule")]
    cron: Option<String>,
    /// The zone by whose clocks the schedule goes, as in Europe/Berlin [else: UTC]
    #[arg(long, value_name = "TZ", conflicts_with = "no_schedule")]
    timezone: Option<String>,
    /// What is done with times that passed while the control plane was away: one run for all, or none [else: run-once]
    #[arg(long, value_enum, value_name = "POLICY", conflicts_with = "no_schedule")]
    misfire: Option<MisfireWord>,
    /// The longest that a run may be late, as in 6h [else: 24h]
    #[arg(long, value_name = "TIME", value_parser = length, conflicts_with = "no_schedule")]
    catch_up: Option<Duration>,
    /// Each run begins later by up to this, as in 5m, so that many jobs do not begin at once [else: nothing]
    #[arg(long, value_name = "TIME", value_parser = length, conflicts_with = "no_schedule")]
    jitter: Option<Duration>,
    /// No schedule: it runs when somebody begins it
    #[arg(long)]
    no_schedule: bool,
}

impl Schedule {
    /// Whether any was given.
    pub(super) const fn is_given(&self) -> bool {
        self.no_schedule || self.names_any()
    }

    const fn names_any(&self) -> bool {
        self.cron.is_some()
            || self.timezone.is_some()
            || self.misfire.is_some()
            || self.catch_up.is_some()
            || self.jitter.is_some()
    }

    /// This schedule where it was given, `before` where not; none if there is to be none.
    pub(super) fn change(self, before: Option<v1::Schedule>) -> Result<Option<v1::Schedule>> {
        if self.no_schedule || (before.is_none() && !self.names_any()) {
            return Ok(None);
        }
        let before = match (before, &self.cron) {
            (None, None) => {
                return Err(Error::usage(
                    "there is no schedule to change: give it with --schedule CRON",
                ));
            }
            (before, _) => before.unwrap_or_default(),
        };
        Ok(Some(v1::Schedule {
            cron: self.cron.unwrap_or(before.cron),
            timezone: self.timezone.unwrap_or(before.timezone),
            misfire_policy: self
                .misfire
                .map_or(before.misfire_policy, |word| v1::MisfirePolicy::from(word).into()),
            catch_up_window: self.catch_up.map(convert::duration).or(before.catch_up_window),
            jitter: self.jitter.map(convert::duration).or(before.jitter),
        }))
    }
}

/// `dgctl job next`
#[derive(Debug, Args)]
pub(crate) struct Next {
    /// Name or id
    #[arg(required_unless_present = "schedule")]
    job: Option<String>,
    /// In place of a job: a schedule to try out
    #[arg(long, value_name = "CRON", conflicts_with = "job")]
    schedule: Option<String>,
    /// The zone of that schedule [else: UTC]
    #[arg(long, value_name = "TZ", requires = "schedule")]
    timezone: Option<String>,
    /// How many times, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=100))]
    count: i32,
}

const TIMES: List<3> = List {
    titles: ["scheduled for", "zone", "begins (your time)"],
    spare: &[],
    none: "It is never due again.",
};

impl Next {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let request = v1::ListNextFireTimesRequest {
            job: self.job.unwrap_or_default(),
            schedule: self.schedule.map(|cron| v1::Schedule {
                cron,
                timezone: self.timezone.unwrap_or_default(),
                ..Default::default()
            }),
            count: self.count,
        };
        let mut jobs = context.api().await?.jobs();
        let reply = jobs.list_next_fire_times(request).await?.into_inner();
        context.output.show(&reply, |reply, look| {
            let row = |time: &v1::FireTime| {
                [
                    Field::text(&in_zone(time.scheduled_for.as_ref(), &reply.timezone)),
                    Field::text(&reply.timezone),
                    Field::text(&text::time_and_distance(time.fire_at.as_ref())),
                ]
            };
            let times = TIMES.show(look, &reply.times.iter().map(row).collect::<Vec<_>>());
            paused(reply.paused_at.as_ref()) + &times
        })
    }
}

/// A line before the times of a job that is paused: it runs at none of them.
fn paused(since: Option<&prost_types::Timestamp>) -> String {
    since.map_or_else(String::new, |since| {
        format!(
            "The job is paused since {}: it runs at none of these times before `dgctl job resume`.\n",
            text::time_and_distance(Some(since))
        )
    })
}

/// `30 2 * * * Europe/Berlin`.
pub(super) fn pattern(job: &v1::Job) -> String {
    let schedule = job.schedule.as_ref();
    schedule.map_or_else(String::new, |schedule| {
        format!("{} {}", schedule.cron, schedule.timezone)
    })
}

/// When it runs next, by its zone's clocks; `paused` while it does not.
pub(super) fn next(job: &v1::Job) -> String {
    match (&job.schedule, &job.next_fire_at) {
        (Some(_), _) if job.paused => "paused".into(),
        (Some(schedule), Some(next)) => in_zone(Some(next), &schedule.timezone),
        (Some(_), None) | (None, _) => String::new(),
    }
}

/// The lines of a job's details that tell of its schedule.
pub(super) fn details(job: &v1::Job) -> Vec<(&'static str, Field)> {
    let length = |duration: Option<prost_types::Duration>| {
        let length = duration.and_then(|duration| convert::length("schedule", &duration).ok());
        let length = length.filter(|length| !length.is_zero());
        Field::text(&length.map(text::length).unwrap_or_default())
    };
    let paused = job.paused_at.as_ref();
    let mut lines = vec![
        ("Schedule", Field::text(&pattern(job))),
        ("Next run", Field::text(&next(job))),
        (
            "Paused since",
            Field::text(&paused.map_or_else(String::new, |at| text::time_and_distance(Some(at)))),
        ),
    ];
    if let Some(schedule) = &job.schedule {
        lines.extend([
            (
                "Missed runs",
                Field::text(&misfire_word(schedule.misfire_policy())),
            ),
            ("Catch-up window", length(schedule.catch_up_window)),
            ("Jitter", length(schedule.jitter)),
        ]);
    }
    if let (Some(last), Some(schedule)) = (&job.last_scheduled, &job.schedule) {
        let time = in_zone(last.scheduled_for.as_ref(), &schedule.timezone);
        let told = format!(
            "{} for {time}: execution {}",
            state_word(last.state()),
            last.execution_id
        );
        lines.push(("Last scheduled", Field::text(&told)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        schedule: Schedule,
    }

    fn given(line: &[&str]) -> Schedule {
        let line = std::iter::once("job").chain(line.iter().copied());
        Line::try_parse_from(line).unwrap().schedule
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = given(&[
            "--schedule",
            "0 3 * * *",
            "--timezone",
            "Europe/Berlin",
            "--misfire",
            "skip",
        ]);
        let before = before.change(None).unwrap().unwrap();
        assert_eq!(before.misfire_policy(), v1::MisfirePolicy::Skip);
        let after = given(&["--catch-up", "6h", "--jitter", "5m"])
            .change(Some(before.clone()))
            .unwrap()
            .unwrap();
        assert_eq!((&after.cron, &after.timezone), (&before.cron, &before.timezone));
        assert_eq!(after.misfire_policy, before.misfire_policy);
        assert_eq!(
            (
                after.catch_up_window.unwrap().seconds,
                after.jitter.unwrap().seconds
            ),
            (21_600, 300)
        );
        assert_eq!(given(&["--no-schedule"]).change(Some(before)).unwrap(), None);
    }

    #[test]
    fn nothing_given_is_no_schedule_and_half_of_one_is_refused() {
        assert!(!given(&[]).is_given());
        assert_eq!(given(&[]).change(None).unwrap(), None);
        assert!(given(&["--no-schedule"]).is_given());
        assert!(given(&["--jitter", "5m"]).change(None).is_err());
        let both = ["job", "--no-schedule", "--schedule", "@daily"];
        assert!(Line::try_parse_from(both).is_err());
    }
}
