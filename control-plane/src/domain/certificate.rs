//! Agents' certificates: what the authority issues and what the catalogue remembers.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::AgentId;
use dataguardian_core::name::ResourceName;

/// A certificate as the authority issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// DER, the agent's own first.
    pub chain: Vec<Vec<u8>>,
    /// SHA-256 of the agent's own certificate, DER.
    pub fingerprint: [u8; 32],
    /// The serial number, in lower-case hexadecimal.
    pub serial: String,
    /// The pin of the authority that made it.
    pub issuer: String,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

/// An agent with a fresh certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The agent's id.
    pub agent: AgentId,
    /// Its name.
    pub name: ResourceName,
    /// Whether it is an agent that was there before, on a new host.
    pub is_rebuilt: bool,
    /// Its certificate.
    pub certificate: IssuedCertificate,
}

/// Who a presented certificate belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The agent.
    pub agent: AgentId,
    /// The certificate's generation: one more with each renewal.
    pub generation: u32,
}

/// How long after its end a certificate is still good for fetching a new one, without anybody being asked.
pub const RECOVERY: TimeDelta = TimeDelta::days(30);

/// How long an operator lets an agent recover whose certificate ended before that.
pub const APPROVAL: TimeDelta = TimeDelta::hours(24);

/// So much later than the newer generation a handshake must have been for the older one to count as a copy's. The agent's own
/// older connections began before; replicas' clocks differ a little.
const MARGIN: TimeDelta = TimeDelta::seconds(2);

/// A certificate that was presented at a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Its serial number, in lower-case hexadecimal.
    pub serial: String,
    /// When the handshake was.
    pub at: DateTime<Utc>,
    /// The address it came from.
    pub from: String,
}

/// The newest certificate of an agent that was seen at a handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its generation; 0 if none was seen.
    pub generation: u32,
    /// Its serial number; none if this very generation was not presented yet.
    pub serial: Option<String>,
    /// When it was seen first.
    pub at: Option<DateTime<Utc>>,
}

/// What a handshake means for an agent's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationVerdict {
    /// The one in use.
    Current,
    /// Newer than the one in use: from now on this one is in use and all others are dead.
    FirstSeen,
    /// Replaced by a newer one that was seen after this handshake: the agent's own older connection.
    Dead,
    /// Replaced by a newer one that had been seen before this handshake: a clone, or a restored disk.
    Copied,
}

/// Judges a presented certificate of that generation against the newest that was seen.
///
/// Of one generation only the certificate counts that was seen: an answer that was lost is asked for again with the same key,
/// and the agent uses the one it received. A second one in use is a copy's.
pub fn judge_generation(generation: u32, presented: &Presented, seen: &Seen) -> GenerationVerdict {
    if generation > seen.generation {
        return GenerationVerdict::FirstSeen;
    }
    if generation == seen.generation {
        match &seen.serial {
            None => return GenerationVerdict::FirstSeen,
            Some(serial) if *serial == presented.serial => return GenerationVerdict::Current,
            Some(_) => {}
        }
    }
    match seen.at {
        Some(at) if presented.at < at + MARGIN => GenerationVerdict::Dead,
        Some(_) | None => GenerationVerdict::Copied,
    }
}

/// The generation of a certificate that is asked for. A key that was answered already gets the same generation again, as long
/// as nothing of it was seen.
pub const fn next_generation(newest: Option<(u32, bool)>, seen: u32) -> u32 {
    match newest {
        None => 1,
        Some((newest, true)) if newest > seen => newest,
        Some((newest, _)) => newest.saturating_add(1),
    }
}

/// How a certificate stands to the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateAge {
    /// It is good.
    Good,
    /// It has ended, and is good for fetching a new one.
    Ended,
    /// It ended so long ago that a person has to say whether a new one may be fetched with it.
    LongEnded,
}

/// Judges a certificate's end.
pub fn judge_age(not_after: DateTime<Utc>, now: DateTime<Utc>) -> CertificateAge {
    if now <= not_after {
        CertificateAge::Good
    } else if now - not_after <= RECOVERY {
        CertificateAge::Ended
    } else {
        CertificateAge::LongEnded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn presented(serial: &str, after: i64) -> Presented {
        Presented {
            serial: serial.into(),
            at: NOW + TimeDelta::seconds(after),
            from: String::new(),
        }
    }

    fn seen(generation: u32, serial: Option<&str>) -> Seen {
        Seen {
            generation,
            serial: serial.map(str::to_owned),
            at: Some(NOW),
        }
    }

    #[test]
    fn the_old_one_is_good_until_the_new_one_is_seen() {
        use GenerationVerdict::{Copied, Current, Dead, FirstSeen};
        let judge = |generation, serial, after, seen: &Seen| {
            judge_generation(generation, &presented(serial, after), seen)
        };
        let first = seen(1, Some("a"));
        assert_eq!(judge(1, "a", 60, &first), Current);
        assert_eq!(judge(2, "b", 60, &first), FirstSeen);
        let second = seen(2, Some("b"));
        assert_eq!(judge(2, "b", 60, &second), Current);
        assert_eq!(judge(1, "a", -60, &second), Dead, "a connection from before");
        assert_eq!(judge(1, "a", 60, &second), Copied);
        assert_eq!(judge(1, "a", 1, &Seen::default()), FirstSeen);
    }

    #[test]
    fn of_two_answers_for_one_key_only_one_can_be_in_use() {
        let both = seen(2, Some("b"));
        let other = judge_generation(2, &presented("c", 60), &both);
        assert_eq!(other, GenerationVerdict::Copied);
        let unseen = judge_generation(2, &presented("c", 60), &seen(2, None));
        assert_eq!(unseen, GenerationVerdict::FirstSeen);
    }

    #[test]
    fn the_same_key_gets_the_same_generation_until_it_is_seen() {
        assert_eq!(next_generation(None, 0), 1);
        assert_eq!(next_generation(Some((2, true)), 1), 2, "asked again");
        assert_eq!(next_generation(Some((2, true)), 2), 3, "that one is in use");
        assert_eq!(next_generation(Some((2, false)), 1), 3, "another key");
    }

    #[test]
    fn a_certificate_ages() {
        let age = |days| judge_age(NOW, NOW + TimeDelta::days(days));
        assert_eq!([age(-1), age(0)], [CertificateAge::Good; 2]);
        assert_eq!([age(1), age(30)], [CertificateAge::Ended; 2]);
        assert_eq!(age(31), CertificateAge::LongEnded);
    }
}
