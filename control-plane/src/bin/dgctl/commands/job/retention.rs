//! `dgctl job retention`, and the arguments that say which backups of a job stay.

use std::time::Duration;

use clap::Args;
use dataguardian_proto::v1::retention::Policy;
use dataguardian_proto::{convert, v1};

use super::Context;
use super::kept::{self, policy};
use crate::connect::Api;
use crate::error::{Error, Result};
use crate::output::text::counted;
use crate::paging::Limit;
use crate::values::length;

/// Which backups stay; the others are deleted by themselves. Without any of these words none ever is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Retention (one of: --max-backups, --keep-…, --legacy-keep-…)")]
pub(crate) struct Words {
    /// Keep the newest K complete backups
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_backups: Option<u32>,
    /// Keep the newest of each of the last N hours that have a backup; 0 for none of them
    #[arg(long, value_name = "N", value_parser = count())]
    keep_hourly: Option<u32>,
    /// The same of days
    #[arg(long, value_name = "N", value_parser = count())]
    keep_daily: Option<u32>,
    /// The same of ISO weeks
    #[arg(long, value_name = "N", value_parser = count())]
    keep_weekly: Option<u32>,
    /// The same of months
    #[arg(long, value_name = "N", value_parser = count())]
    keep_monthly: Option<u32>,
    /// The same of years
    #[arg(long, value_name = "N", value_parser = count())]
    keep_yearly: Option<u32>,
    /// Keep all that are not older than the newest one by more than this, as in 7d; `never` takes the rule away
    #[arg(long, value_name = "TIME", value_parser = within)]
    keep_within: Option<Within>,
    /// Keep the newest D + W + M complete backups, where this is D
    #[arg(long, value_name = "D", value_parser = count())]
    legacy_keep_daily: Option<u32>,
    /// … and this W
    #[arg(long, value_name = "W", value_parser = count())]
    legacy_keep_weekly: Option<u32>,
    /// … and this M
    #[arg(long, value_name = "M", value_parser = count())]
    legacy_keep_monthly: Option<u32>,
    /// Never leave fewer complete backups than this [else: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    min_backups: Option<u32>,
    /// The time zone whose hours, days, weeks, months and years count, as in Europe/Berlin [else: UTC]
    #[arg(long, value_name = "ZONE")]
    retention_timezone: Option<String>,
}

/// The argument of `--keep-within`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    Never,
    For(Duration),
}

fn within(text: &str) -> Result<Within, String> {
    match text {
        "never" => Ok(Within::Never),
        text => length(text).map(Within::For),
    }
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=100_000)
}

/// `dgctl job retention`
#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// Name or id
    job: String,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    words: Words,
}

impl Words {
    /// Whether any was given.
    pub(super) fn is_given(&self) -> bool {
        self.is_max() || self.is_gfs() || self.is_legacy() || self.is_about_any()
    }

    fn is_max(&self) -> bool {
        self.max_backups.is_some()
    }

    fn is_gfs(&self) -> bool {
        let numbers = [
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
            self.keep_monthly,
            self.keep_yearly,
        ];
        numbers.iter().any(Option::is_some) || self.keep_within.is_some()
    }

    fn is_legacy(&self) -> bool {
        let numbers = [
            self.legacy_keep_daily,
            self.legacy_keep_weekly,
            self.legacy_keep_monthly,
        ];
        numbers.iter().any(Option::is_some)
    }

    fn is_about_any(&self) -> bool {
        self.min_backups.is_some() || self.retention_timezone.is_some()
    }

    /// What was given, over what a job has now: of the same kind of policy what was not given stays; another kind takes its
    /// place. None if nothing was given.
    pub(super) fn change(&self, before: Option<&v1::Retention>) -> Result<Option<v1::Retention>> {
        if !self.is_given() {
            return Ok(None);
        }
        let kinds = [self.is_max(), self.is_gfs(), self.is_legacy()];
        if kinds.into_iter().filter(|given| *given).count() > 1 {
            let message = "--max-backups, --keep-… and --legacy-keep-… are three ways to say what stays: give words of one of them";
            return Err(Error::usage(message));
        }
        let present = before.and_then(|before| before.policy);
        let policy = if let Some(most) = self.max_backups {
            Policy::MaxBackups(most)
        } else if self.is_gfs() {
            Policy::Gfs(self.gfs(present))
        } else if self.is_legacy() {
            Policy::Legacy(self.legacy(present))
        } else {
            let message =
                "it is not said which backups stay: give --max-backups, --keep-… or --legacy-keep-… too";
            present.ok_or_else(|| Error::usage(message))?
        };
        let (zone, least) = before.map_or(("", 0), |before| (&before.timezone, before.min_backups));
        Ok(Some(v1::Retention {
            policy: Some(policy),
            timezone: self.retention_timezone.clone().unwrap_or_else(|| zone.to_owned()),
            min_backups: self.min_backups.unwrap_or(least),
        }))
    }

    fn gfs(&self, present: Option<Policy>) -> v1::GfsRetention {
        let before = match present {
            Some(Policy::Gfs(before)) => before,
            _ => v1::GfsRetention::default(),
        };
        v1::GfsRetention {
            keep_hourly: self.keep_hourly.unwrap_or(before.keep_hourly),
            keep_daily: self.keep_daily.unwrap_or(before.keep_daily),
            keep_weekly: self.keep_weekly.unwrap_or(before.keep_weekly),
            keep_monthly: self.keep_monthly.unwrap_or(before.keep_monthly),
            keep_yearly: self.keep_yearly.unwrap_or(before.keep_yearly),
            keep_within: match self.keep_within {
                None => before.keep_within,
                Some(Within::Never) => None,
                Some(Within::For(length)) => Some(convert::duration(length)),
            },
        }
    }

    fn legacy(&self, present: Option<Policy>) -> v1::LegacyRetention {
        let before = match present {
            Some(Policy::Legacy(before)) => before,
            _ => v1::LegacyRetention::default(),
        };
        v1::LegacyRetention {
            keep_daily: self.legacy_keep_daily.unwrap_or(before.keep_daily),
            keep_weekly: self.legacy_keep_weekly.unwrap_or(before.keep_weekly),
            keep_monthly: self.legacy_keep_monthly.unwrap_or(before.keep_monthly),
        }
    }
}

/// Asks before a policy deletes backups at once. `yes` is the answer where nobody can be asked.
pub(crate) async fn confirm(
    context: &Context,
    api: &Api,
    job: &v1::Job,
    retention: &v1::Retention,
    yes: bool,
) -> Result<()> {
    let request = v1::PreviewRetentionRequest {
        job: job.id.clone(),
        retention: Some(retention.clone()),
        page_size: 1,
        page_token: String::new(),
    };
    let preview = api.jobs().preview_retention(request).await?.into_inner();
    if preview.deleted == 0 {
        return Ok(());
    }
    let question = format!(
        "{} of job {} would be deleted at once, {} would stay ({}). Go on? It can't be undone.",
        counted(preview.deleted, "backup", "backups"),
        job.name,
        preview.kept,
        policy(retention)
    );
    context.confirm(yes, &question)
}

impl Preview {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let mut jobs = api.jobs();
        let request = v1::GetJobRequest { job: self.job };
        let job = jobs.get_job(request).await?.into_inner().job;
        let job = super::required(job, "job")?;
        let proposed = self.words.change(job.retention.as_ref())?;
        let reply: v1::PreviewRetentionResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut jobs = jobs.clone();
                let request = v1::PreviewRetentionRequest {
                    job: job.id.clone(),
                    retention: proposed.clone(),
                    page_size,
                    page_token,
                };
                async move { jobs.preview_retention(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| kept::table(&job.name, reply, look))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        words: Words,
    }

    fn given(line: &str) -> Words {
        Line::try_parse_from(std::iter::once("job").chain(line.split_whitespace()))
            .unwrap()
            .words
    }

    fn change(line: &str, before: Option<&v1::Retention>) -> v1::Retention {
        given(line).change(before).unwrap().unwrap()
    }

    #[test]
    fn nothing_given_changes_nothing() {
        assert_eq!(given("").change(None).unwrap(), None);
        assert!(!given("").is_given());
    }

    #[test]
    fn of_the_same_kind_what_is_not_given_stays() {
        let before = change(
            "--keep-daily 7 --keep-within 2d --retention-timezone Europe/Berlin",
            None,
        );
        let after = change("--keep-weekly 4 --min-backups 3", Some(&before));
        let Some(Policy::Gfs(gfs)) = after.policy else {
            panic!("{after:?}")
        };
        assert_eq!((gfs.keep_daily, gfs.keep_weekly), (7, 4));
        assert_eq!(gfs.keep_within.unwrap().seconds, 2 * 86_400);
        assert_eq!((after.timezone.as_str(), after.min_backups), ("Europe/Berlin", 3));
        let after = change("--keep-within never --keep-daily 0", Some(&after));
        let Some(Policy::Gfs(gfs)) = after.policy else {
            panic!("{after:?}")
        };
        assert_eq!((gfs.keep_daily, gfs.keep_weekly, gfs.keep_within), (0, 4, None));
        let zone = change("--retention-timezone UTC", Some(&after));
        assert_eq!((zone.policy, zone.timezone.as_str()), (after.policy, "UTC"));
    }

    #[test]
    fn another_kind_takes_the_place_of_the_one_before() {
        let before = change("--keep-daily 7", None);
        let after = change("--max-backups 3", Some(&before));
        assert_eq!(after.policy, Some(Policy::MaxBackups(3)));
        let legacy = change("--legacy-keep-daily 7 --legacy-keep-monthly 2", Some(&after));
        let sum = v1::LegacyRetention {
            keep_daily: 7,
            keep_weekly: 0,
            keep_monthly: 2,
        };
        assert_eq!(legacy.policy, Some(Policy::Legacy(sum)));
    }

    #[test]
    fn words_of_two_kinds_or_of_none_are_refused() {
        for line in [
            "--max-backups 3 --keep-daily 7",
            "--keep-daily 7 --legacy-keep-daily 7",
            "--min-backups 3",
        ] {
            assert!(given(line).change(None).is_err(), "{line}");
        }
    }
}
