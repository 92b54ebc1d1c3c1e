//! When an old certificate authority may be let go.

use chrono::{DateTime, Utc};

use super::agent::MAX_JOIN_TTL;

/// Who may still need an old authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// When the next one was made.
    pub replaced_at: DateTime<Utc>,
    /// Agents that may still use a certificate of it, to recover included.
    pub holders: u64,
}

/// Whether nobody needs it: no agent holds a certificate of it, and no join token is left that was given out with its pin.
pub fn may_retire(needed: &Needed, now: DateTime<Utc>) -> bool {
    needed.holders == 0 && now - needed.replaced_at >= MAX_JOIN_TTL
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_authority_stays_while_anybody_may_need_it() {
        let now = DateTime::UNIX_EPOCH;
        let may = |holders, days| {
            let replaced_at = now - TimeDelta::days(days);
            may_retire(&Needed { replaced_at, holders }, now)
        };
        assert!(may(0, 7));
        assert!(!may(0, 6), "a join token may be left");
        assert!(!may(1, 31), "an agent may come back");
    }
}
