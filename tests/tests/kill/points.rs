//! Which points there are, and how an attempt ends whose agent is killed there.

use dataguardian_failpoints::Point;

/// How an attempt ends whose agent is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Nothing was begun, or all that a commit needs is stored: it completes.
    Completes,
    /// The journal says that it was at work: it fails as `AGENT_RESTARTED`.
    Fails,
    /// Either, by who is quicker: the agent is not held there.
    Either,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtPoint {
    pub(crate) group: &'static str,
    pub(crate) at: Point,
    pub(crate) ends: Ends,
}

pub(crate) const GROUPS: [&str; 5] = ["handover", "dump", "commit", "restore", "verify"];

const fn row(group: &'static str, at: Point, ends: Ends) -> AtPoint {
    AtPoint { group, at, ends }
}

const TABLE: &[AtPoint] = &[
    row("handover", Point::Claimed, Ends::Completes),
    row("handover", Point::Offered, Ends::Either),
    row("handover", Point::OfferReceived, Ends::Completes),
    row("handover", Point::JournalWritten, Ends::Fails),
    row("handover", Point::AcceptReceived, Ends::Fails),
    row("handover", Point::AcceptStored, Ends::Fails),
    row("dump", Point::FirstRows, Ends::Fails),
    row("dump", Point::PackBeforePut, Ends::Fails),
    row("dump", Point::PackAfterPut, Ends::Fails),
    row("dump", Point::PacksStored, Ends::Fails),
    row("dump", Point::ListBeforePut, Ends::Fails),
    row("dump", Point::ListAfterPut, Ends::Fails),
    row("commit", Point::CompleteBeforeSend, Ends::Fails),
    row("commit", Point::CompleteReceived, Ends::Fails),
    row("commit", Point::CompleteStored, Ends::Completes),
    row("commit", Point::CompleteAnswered, Ends::Completes),
    row("commit", Point::ManifestBeforePut, Ends::Completes),
    row("commit", Point::ManifestAfterPut, Ends::Completes),
    row("commit", Point::ConfirmBeforeSend, Ends::Completes),
    row("commit", Point::ConfirmReceived, Ends::Completes),
    row("commit", Point::ConfirmStored, Ends::Completes),
    row("commit", Point::ConfirmAnswered, Ends::Completes),
    row("restore", Point::RestoreCreated, Ends::Fails),
    row("restore", Point::RestoreRows, Ends::Fails),
    row("restore", Point::RestoreBeforeIndexes, Ends::Fails),
    row("restore", Point::SwapBefore, Ends::Fails),
    row("restore", Point::SwapAfter, Ends::Fails),
    // It is tried again: it only reads.
    row("verify", Point::VerifyBegun, Ends::Completes),
];

pub(crate) fn of(group: &str) -> impl Iterator<Item = AtPoint> {
    TABLE.iter().copied().filter(move |row| row.group == group)
}

/// No attempt is at work at these: they are killed at in `deleting_backups.rs`.
const OF_DELETION: [Point; 5] = [
    Point::DeletionStored,
    Point::LeavingManifestDeleted,
    Point::ManifestGoneReceived,
    Point::CondemnedStored,
    Point::CondemnedDeleted,
];

/// Nor at this: it is killed at in `notifications.rs`.
const OF_NOTIFICATIONS: [Point; 1] = [Point::NotificationClaimed];

#[test]
fn every_point_is_in_the_table_once() {
    let elsewhere = OF_DELETION.into_iter().chain(OF_NOTIFICATIONS);
    let mut named: Vec<_> = TABLE.iter().map(|row| row.at).chain(elsewhere).collect();
    named.sort_unstable();
    assert_eq!(named, Point::ALL, "each failpoint is killed at, and once");
    assert!(TABLE.iter().all(|row| GROUPS.contains(&row.group)));
}
