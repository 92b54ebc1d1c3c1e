use dataguardian_core::ids::StorageId;
use dataguardian_proto::convert::{duration, timestamp};
use dataguardian_proto::v1;
use dataguardian_proto::v1::retention::Policy as Wire;

use crate::domain::job::Job;
use crate::domain::retention::{Candidate, Class, Decision, Policy, Reason, Retention, Rule, Verdict};
use crate::services::retention::Preview;

/// Which backups of a job stay.
pub(in crate::grpc) fn retention(retention: &Retention) -> v1::Retention {
    let policy = match retention.policy {
        Policy::MaxBackups(most) => Wire::MaxBackups(most),
        Policy::Legacy(legacy) => Wire::Legacy(v1::LegacyRetention {
            keep_daily: legacy.daily,
            keep_weekly: legacy.weekly,
            keep_monthly: legacy.monthly,
        }),
        Policy::Gfs(gfs) => Wire::Gfs(v1::GfsRetention {
            keep_hourly: gfs.hourly,
            keep_daily: gfs.daily,
            keep_weekly: gfs.weekly,
            keep_monthly: gfs.monthly,
            keep_yearly: gfs.yearly,
            keep_within: gfs.within.map(duration),
        }),
    };
    v1::Retention {
        policy: Some(policy),
        timezone: retention.zone.name().to_owned(),
        min_backups: retention.min_backups,
    }
}

/// What would become of a job's backups.
pub(in crate::grpc) fn preview(preview: Preview) -> v1::PreviewRetentionResponse {
    let job = &preview.job;
    let decisions = preview.backups.items.iter();
    v1::PreviewRetentionResponse {
        retention: preview.rules.as_ref().map(retention),
        kept: preview.kept as u64,
        deleted: preview.deleted as u64,
        decisions: decisions
            .map(|(candidate, decided)| decision(job, candidate, decided))
            .collect(),
        next_page_token: preview.backups.next_page_token,
    }
}

fn decision(job: &Job, candidate: &Candidate, decided: &Decision) -> v1::RetentionDecision {
    let reasons = match &decided.verdict {
        Verdict::Keep(reasons) => reasons.iter().map(|one| reason(job, one)).collect(),
        Verdict::Delete => Vec::new(),
    };
    v1::RetentionDecision {
        backup_id: candidate.backup.to_string(),
        completed_at: Some(timestamp(candidate.completed_at)),
        class: class(decided.class).into(),
        verified: candidate.whole.iter().any(|copy| copy.verified),
        deleted: decided.deletes(),
        reasons,
    }
}

fn reason(job: &Job, reason: &Reason) -> v1::RetentionReason {
    let name = |id: StorageId| {
        let named = job.storages.iter().find(|storage| storage.id == id);
        named.map_or_else(|| id.to_string(), |storage| storage.name.to_string())
    };
    v1::RetentionReason {
        rule: rule(reason.rule).into(),
        storage: reason.storage.map(name).unwrap_or_default(),
    }
}

const fn class(class: Class) -> v1::RetentionClass {
    match class {
        Class::Complete => v1::RetentionClass::Complete,
        Class::Partial => v1::RetentionClass::Partial,
        Class::Unfit => v1::RetentionClass::Unfit,
    }
}

const fn rule(rule: Rule) -> v1::RetentionRule {
    match rule {
        Rule::Newest => v1::RetentionRule::Newest,
        Rule::NewestVerified => v1::RetentionRule::NewestVerified,
        Rule::MinBackups => v1::RetentionRule::MinBackups,
        Rule::MaxBackups => v1::RetentionRule::MaxBackups,
        Rule::Legacy => v1::RetentionRule::Legacy,
        Rule::Hourly => v1::RetentionRule::Hourly,
        Rule::Daily => v1::RetentionRule::Daily,
        Rule::Weekly => v1::RetentionRule::Weekly,
        Rule::Monthly => v1::RetentionRule::Monthly,
        Rule::Yearly => v1::RetentionRule::Yearly,
        Rule::Within => v1::RetentionRule::Within,
        Rule::Pinned => v1::RetentionRule::Pinned,
        Rule::InUse => v1::RetentionRule::InUse,
    }
}
