//! What is kept of a job's backups, as people read it.

use dataguardian_proto::v1::retention::Policy;
use dataguardian_proto::{convert, v1};

use crate::output::table::{Field, List, Look, Tone};
use crate::output::text::{self, counted};

const DECISIONS: List<5> = List {
    titles: ["backup", "completed", "verified", "becomes", "why"],
    spare: &["verified"],
    none: "No backups.",
};

/// Nothing is deleted by itself.
const EVERYTHING: &str = "everything stays";

/// A policy in a line: `the newest 7`, `7 daily, 4 weekly, all within 2 d 00 h, days of Europe/Berlin`.
pub(super) fn policy(retention: &v1::Retention) -> String {
    let mut parts = match &retention.policy {
        None => return EVERYTHING.to_owned(),
        Some(Policy::MaxBackups(most)) => vec![format!("the newest {most}")],
        Some(Policy::Legacy(legacy)) => {
            let (daily, weekly, monthly) = (legacy.keep_daily, legacy.keep_weekly, legacy.keep_monthly);
            let sum = u64::from(daily) + u64::from(weekly) + u64::from(monthly);
            vec![format!("the newest {sum} ({daily} + {weekly} + {monthly})")]
        }
        Some(Policy::Gfs(gfs)) => generations(gfs),
    };
    if retention.min_backups > 1 {
        parts.push(format!("at least {}", retention.min_backups));
    }
    if matches!(retention.policy, Some(Policy::Gfs(_))) {
        parts.push(format!("by the calendar of {}", retention.timezone));
    }
    text::cell(&parts.join(", "))
}

fn generations(gfs: &v1::GfsRetention) -> Vec<String> {
    let numbers = [
        (gfs.keep_hourly, "hourly"),
        (gfs.keep_daily, "daily"),
        (gfs.keep_weekly, "weekly"),
        (gfs.keep_monthly, "monthly"),
        (gfs.keep_yearly, "yearly"),
    ];
    let given = numbers.into_iter().filter(|(number, _)| *number > 0);
    let mut parts: Vec<_> = given.map(|(number, word)| format!("{number} {word}")).collect();
    let within = gfs.keep_within.as_ref();
    let within = within.and_then(|within| convert::length("keep_within", within).ok());
    parts.extend(within.map(|within| format!("all within {}", text::length(within))));
    parts
}

/// What becomes of each backup.
pub(super) fn table(job: &str, preview: &v1::PreviewRetentionResponse, look: Look) -> String {
    let Some(retention) = &preview.retention else {
        return format!("Job {job} has no retention: nothing of it is deleted by itself.");
    };
    let row = |decision: &v1::RetentionDecision| {
        let becomes = match decision.deleted {
            true => Field::text("deleted").toned(Tone::Bad),
            false => Field::text("kept").toned(Tone::Good),
        };
        [
            Field::id(&decision.backup_id),
            Field::text(&text::short_time(decision.completed_at.as_ref(), look.width)),
            Field::yes_or_no(decision.verified),
            becomes,
            Field::text(&why(decision)),
        ]
    };
    let rows: Vec<_> = preview.decisions.iter().map(row).collect();
    format!(
        "Kept of job {job}: {}.\n{}; {} would be deleted.\n\n{}",
        policy(retention),
        counted(preview.kept, "backup stays", "backups stay"),
        preview.deleted,
        DECISIONS.show(look, &rows)
    )
}

/// `newest, daily, weekly`; `partial: beyond the policy`.
fn why(decision: &v1::RetentionDecision) -> String {
    let class = match decision.class() {
        v1::RetentionClass::Partial => "partial: ",
        v1::RetentionClass::Unfit => "whole in no storage: ",
        v1::RetentionClass::Complete | v1::RetentionClass::Unspecified => "",
    };
    if decision.deleted {
        return format!("{class}beyond the policy");
    }
    let reason = |reason: &v1::RetentionReason| {
        let rule = rule_word(reason.rule());
        match reason.storage.as_str() {
            "" => rule.to_owned(),
            storage => format!("{rule} in {storage}"),
        }
    };
    let reasons: Vec<_> = decision.reasons.iter().map(reason).collect();
    format!("{class}{}", reasons.join(", "))
}

const fn rule_word(rule: v1::RetentionRule) -> &'static str {
    use v1::RetentionRule as Rule;
    match rule {
        Rule::Unspecified => "a rule that this program does not know",
        Rule::Newest => "newest",
        Rule::NewestVerified => "newest verified",
        Rule::MinBackups => "min-backups",
        Rule::MaxBackups => "max-backups",
        Rule::Legacy => "legacy",
        Rule::Hourly => "hourly",
        Rule::Daily => "daily",
        Rule::Weekly => "weekly",
        Rule::Monthly => "monthly",
        Rule::Yearly => "yearly",
        Rule::Within => "within",
        Rule::Pinned => "pinned",
        Rule::InUse => "in use",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(
        id: &str,
        class: v1::RetentionClass,
        rules: &[(v1::RetentionRule, &str)],
    ) -> v1::RetentionDecision {
        let reason = |(rule, storage): &(v1::RetentionRule, &str)| v1::RetentionReason {
            rule: (*rule).into(),
            storage: (*storage).to_owned(),
        };
        v1::RetentionDecision {
            backup_id: id.into(),
            completed_at: None,
            class: class.into(),
            verified: id.ends_with('2'),
            deleted: rules.is_empty(),
            reasons: rules.iter().map(reason).collect(),
        }
    }

    #[test]
    fn a_preview_says_what_becomes_of_each_and_why() {
        use v1::{RetentionClass as Class, RetentionRule as Rule};
        let gfs = v1::GfsRetention {
            keep_daily: 7,
            keep_weekly: 4,
            keep_within: Some(prost_types::Duration {
                seconds: 172_800,
                nanos: 0,
            }),
            ..Default::default()
        };
        let preview = v1::PreviewRetentionResponse {
            retention: Some(v1::Retention {
                policy: Some(Policy::Gfs(gfs)),
                timezone: "Europe/Berlin".into(),
                min_backups: 2,
            }),
            kept: 3,
            deleted: 2,
            decisions: vec![
                decision(
                    "0192-5",
                    Class::Complete,
                    &[(Rule::Newest, ""), (Rule::Daily, "")],
                ),
                decision("0192-4", Class::Partial, &[(Rule::Within, "")]),
                decision("0192-3", Class::Unfit, &[]),
                decision("0192-2", Class::Complete, &[(Rule::NewestVerified, "spare")]),
                decision("0192-1", Class::Complete, &[]),
            ],
            next_page_token: String::new(),
        };
        insta::assert_snapshot!(table("nightly", &preview, Look::PLAIN));
    }

    #[test]
    fn policies_read_as_sentences() {
        let line = |policy| {
            super::policy(&v1::Retention {
                policy: Some(policy),
                timezone: "UTC".into(),
                min_backups: 1,
            })
        };
        assert_eq!(line(Policy::MaxBackups(7)), "the newest 7");
        let legacy = v1::LegacyRetention {
            keep_daily: 7,
            keep_weekly: 4,
            keep_monthly: 6,
        };
        assert_eq!(line(Policy::Legacy(legacy)), "the newest 17 (7 + 4 + 6)");
        let preview = v1::PreviewRetentionResponse::default();
        let told = table("nightly", &preview, Look::PLAIN);
        assert!(told.contains("nothing of it is deleted by itself"), "{told}");
    }
}
