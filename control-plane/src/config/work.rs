//! How much runs at the same time.

use serde::Deserialize;

use super::InvalidSetting;
use crate::domain::eligibility::Limits;

/// Limits on executions. What is beyond them waits, and says what for. Each agent has a limit of its own beside these
/// (`slots` in its `agent.toml`), and a storage may have one (`dgctl storage update --max-concurrent`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkConfig {
    /// Dumps that one agent runs at the same time, if it has the slots.
    pub dumps_per_agent: u32,
    /// Restores that one agent runs at the same time, if it has the slots.
    pub restores_per_agent: u32,
    /// Executions on all agents together; as many as come if 0.
    pub max_at_work: u32,
}

impl Default for WorkConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            dumps_per_agent: limits.dumps_per_agent,
            restores_per_agent: limits.restores_per_agent,
            max_at_work: limits.total.unwrap_or(0),
        }
    }
}

impl WorkConfig {
    /// The limits.
    pub fn limits(&self) -> Limits {
        Limits {
            dumps_per_agent: self.dumps_per_agent,
            restores_per_agent: self.restores_per_agent,
            verifications_per_agent: Limits::default().verifications_per_agent,
            total: (self.max_at_work != 0).then_some(self.max_at_work),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let check = |key: &'static str, value: u32, range: std::ops::RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            let problem = format!("is {value}: it must be {} to {}", range.start(), range.end());
            Err(InvalidSetting::new(key, problem))
        };
        check("work.dumps_per_agent", self.dumps_per_agent, 1..=64)?;
        check("work.restores_per_agent", self.restores_per_agent, 1..=64)?;
        check("work.max_at_work", self.max_at_work, 0..=100_000)
    }
}
