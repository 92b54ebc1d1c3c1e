//! Whether the executions of a job stand for each of its times, and each for times of its own.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Checks it; gives the number of times. Executions are objects with `at` in seconds, `state` and `gap`.
pub(crate) fn check(executions: &[Value], period: u32) -> Result<u32> {
    let period = i64::from(period);
    let mut taken: BTreeMap<i64, &Value> = BTreeMap::new();
    for execution in executions {
        for time in times(execution, period)? {
            if let Some(before) = taken.insert(time, execution) {
                anyhow::bail!("two stand for the same time: {before} and {execution}");
            }
        }
    }
    let (first, _) = taken.first_key_value().context("no times")?;
    let (last, _) = taken.last_key_value().context("no times")?;
    let missing: Vec<_> = (0..=(last - first) / period)
        .map(|nth| first + nth * period)
        .filter(|time| !taken.contains_key(time))
        .collect();
    ensure!(
        missing.is_empty(),
        "no execution stands for {missing:?} among {executions:#?}"
    );
    Ok(u32::try_from(taken.len())?)
}

/// The times that an execution stands for.
fn times(execution: &Value, period: i64) -> Result<Vec<i64>> {
    let at = execution["at"].as_i64().context("a time in the schedule")?;
    let gap = &execution["gap"];
    if gap.is_null() {
        return Ok(vec![at]);
    }
    let time = |field: &str| -> Result<i64> {
        let text = gap[field].as_str().context("a time of a gap")?;
        Ok(text.parse::<DateTime<Utc>>()?.timestamp())
    };
    let (first, last) = (time("first")?, time("last")?);
    let mut times: Vec<_> = (0..=(last - first) / period)
        .map(|nth| first + nth * period)
        .collect();
    let count = gap["count"].as_i64().context("a gap's count")?;
    ensure!(
        i64::try_from(times.len())? == count,
        "a gap of {count} has {times:?}"
    );
    if !times.contains(&at) {
        times.push(at);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_or_doubled_is_found() {
        let gap = json!({ "first": "1970-01-01T00:00:20Z", "last": "1970-01-01T00:00:30Z", "count": 2 });
        let one = |at: i64| json!({ "at": at, "state": "completed", "gap": null });
        let late = |at: i64| json!({ "at": at, "state": "completed", "gap": gap });
        let skipped = json!({ "at": 20, "state": "skipped", "gap": gap });
        assert_eq!(check(&[one(10), late(40), one(50)], 10).unwrap(), 5);
        assert_eq!(check(&[one(10), skipped.clone(), one(40)], 10).unwrap(), 4);
        for wrong in [
            vec![one(10), one(30)],
            vec![one(10), one(10)],
            vec![one(10), skipped, one(30), one(40)],
        ] {
            assert!(check(&wrong, 10).is_err(), "{wrong:?}");
        }
    }
}
