use dataguardian_core::clock::{Clock as _, ManualClock};
use proptest::prelude::*;

use super::*;

const SILENT: Probe = Probe::Lost(Outage::Silent);

fn turns(gate: &Gate) -> Vec<Turn> {
    gate.unrecorded().iter().map(|edge| edge.turn).collect()
}

fn gate() -> (Gate, Arc<ManualClock>) {
    let clock = ManualClock::at(DateTime::UNIX_EPOCH);
    (Gate::new(clock.clone()), clock)
}

#[test]
fn one_lost_probe_turns_nothing_and_two_do() {
    let (gate, _) = gate();
    for probe in [Probe::Answered, SILENT, Probe::Answered, SILENT] {
        gate.note(probe);
        assert!(gate.is_online(), "{probe:?}");
    }
    gate.note(SILENT);
    assert!(!gate.is_online());
    gate.note(Probe::Answered);
    assert_eq!(turns(&gate), [Turn::Offline(Outage::Silent), Turn::Online]);
}

#[test]
fn a_redis_that_is_down_at_the_start_is_an_edge_and_one_that_is_up_is_none() {
    let (down, _) = gate();
    down.note(Probe::Lost(Outage::Unreachable));
    assert_eq!(turns(&down), [Turn::Offline(Outage::Unreachable)]);
    let (up, _) = gate();
    up.note(Probe::Answered);
    assert!(turns(&up).is_empty());
}

#[test]
fn the_status_says_since_when_and_why() {
    let (gate, clock) = gate();
    gate.note(Probe::Answered);
    clock.advance(chrono::TimeDelta::seconds(60));
    gate.note(SILENT);
    assert_eq!(gate.status().outage, None, "nothing is wrong until it is sure");
    gate.note(Probe::Lost(Outage::Disconnected));
    let status = gate.status();
    assert_eq!(
        (status.since, status.outage),
        (clock.now(), Some(Outage::Disconnected))
    );
    clock.advance(chrono::TimeDelta::seconds(60));
    gate.note(Probe::Lost(Outage::Unreachable));
    let later = gate.status();
    assert_eq!(
        (later.since, later.outage),
        (status.since, Some(Outage::Unreachable))
    );
    gate.note(Probe::Answered);
    let status = gate.status();
    assert_eq!(
        (status.outage, status.turned_online, status.turned_offline),
        (None, 1, 1)
    );
}

#[test]
fn what_is_written_down_is_not_told_again() {
    let (gate, _) = gate();
    gate.note(SILENT);
    let first = gate.unrecorded();
    gate.note(Probe::Answered);
    gate.recorded(first[0]);
    assert_eq!(turns(&gate), [Turn::Online]);
}

/// However the moment falls: the pause before a probe, the wait for it, and for the one that makes sure.
#[test]
fn a_redis_that_freezes_is_offline_within_five_seconds() {
    let (online, doubtful) = (GateState::Online.pace(), GateState::Doubtful.pace());
    let longest = online.pause + online.patience + doubtful.pause + doubtful.patience;
    assert!(longest <= Duration::from_millis(4_250), "{longest:?}");
    let back = GateState::Offline.pace();
    assert!(back.pause + back.patience < Duration::from_secs(3));
}

proptest! {
    /// Edges alternate, are numbered without a gap, and the counts are theirs.
    #[test]
    fn edges_alternate(probes in proptest::collection::vec(any::<bool>(), 0..200)) {
        let (gate, _) = gate();
        for answered in probes {
            gate.note(if answered { Probe::Answered } else { SILENT });
        }
        let edges = gate.unrecorded();
        for (place, pair) in edges.windows(2).enumerate() {
            prop_assert_ne!(pair[0].turn, pair[1].turn);
            prop_assert_eq!(pair[0].number, place as u64 + 1);
        }
        let status = gate.status();
        prop_assert_eq!(status.turned_online + status.turned_offline, edges.len() as u64);
        if let Some(last) = edges.last() {
            prop_assert_eq!(last.turn == Turn::Online, status.is_online());
        }
    }
}
