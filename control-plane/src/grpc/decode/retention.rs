use std::time::Duration;

use dataguardian_proto::v1;
use dataguardian_proto::v1::retention::Policy as Given;

use super::length;
use crate::domain::field::{BadField, Checks};
use crate::domain::retention::{Gfs, Legacy, Policy, Retention, zone};

/// Which backups of a job stay. Defaults stand in for zeros and absent values.
pub(in crate::grpc) fn retention(checks: &mut Checks, given: v1::Retention) -> Option<Retention> {
    let zone = checks.take(zone("retention.timezone", &given.timezone));
    let policy = policy(checks, given.policy);
    let retention = Retention {
        policy: policy?,
        zone: zone?,
        min_backups: given.min_backups.max(1),
    };
    for bad in retention.check().err().unwrap_or_default() {
        checks.take::<()>(Err(bad));
    }
    Some(retention)
}

fn policy(checks: &mut Checks, given: Option<Given>) -> Option<Policy> {
    let Some(given) = given else {
        let problem = "must have exactly one of max_backups, legacy and gfs";
        return checks.take(Err(BadField::new("retention", problem)));
    };
    Some(match given {
        Given::MaxBackups(most) => Policy::MaxBackups(most),
        Given::Legacy(legacy) => Policy::Legacy(Legacy {
            daily: legacy.keep_daily,
            weekly: legacy.keep_weekly,
            monthly: legacy.keep_monthly,
        }),
        Given::Gfs(gfs) => {
            let within = gfs.keep_within.map(|within| {
                let within = length("retention.gfs.keep_within", Some(&within), Duration::ZERO);
                checks.take(within)
            });
            Policy::Gfs(Gfs {
                hourly: gfs.keep_hourly,
                daily: gfs.keep_daily,
                weekly: gfs.keep_weekly,
                monthly: gfs.keep_monthly,
                yearly: gfs.keep_yearly,
                within: match within {
                    None => None,
                    Some(within) => Some(within?),
                },
            })
        }
    })
}
