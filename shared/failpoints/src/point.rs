//! The points there are.

use std::fmt;
use std::str::FromStr;

/// Which program a point is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// `dataguardian-agent`.
    Agent,
    /// `dataguardian`.
    ControlPlane,
}

macro_rules! points {
    ($($(#[$doc:meta])* $point:ident, $place:ident, $name:literal;)+) => {
        /// A place in a program.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $point,)+
        }

        impl Point {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// Its name in the environment variable.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)+ }
            }

            /// Its name in the code.
            #[must_use]
            pub const fn ident(self) -> &'static str {
                match self { $(Self::$point => stringify!($point),)+ }
            }

            /// The program that it is in.
            #[must_use]
            pub const fn place(self) -> Place {
                match self { $(Self::$point => Place::$place,)+ }
            }
        }
    };
}

points! {
    /// An execution is leased, and not offered yet.
    Claimed, ControlPlane, "control_plane.claimed";
    /// The offer is on its way.
    Offered, ControlPlane, "control_plane.offered";
    /// The offer has arrived; the journal does not know it.
    OfferReceived, Agent, "agent.offer.received";
    /// The journal knows the attempt; the control plane does not know that.
    JournalWritten, Agent, "agent.journal.written";
    /// The acceptance has arrived and is not written down.
    AcceptReceived, ControlPlane, "control_plane.accept.received";
    /// The attempt has begun in the database.
    AcceptStored, ControlPlane, "control_plane.accept.stored";
    /// The first rows of a dump have come.
    FirstRows, Agent, "agent.dump.first_rows";
    /// A pack is about to be put into a storage.
    PackBeforePut, Agent, "agent.pack.before_put";
    /// A pack is in a storage, and nobody was told.
    PackAfterPut, Agent, "agent.pack.after_put";
    /// Packs are written down; the agent has no answer.
    PacksStored, ControlPlane, "control_plane.packs.stored";
    /// A list is about to be put into a storage.
    ListBeforePut, Agent, "agent.list.before_put";
    /// A list is in a storage.
    ListAfterPut, Agent, "agent.list.after_put";
    /// Everything but the manifest is stored.
    CompleteBeforeSend, Agent, "agent.complete.before_send";
    /// The result has arrived and is not written down.
    CompleteReceived, ControlPlane, "control_plane.complete.received";
    /// The result is written down; the agent has no answer.
    CompleteStored, ControlPlane, "control_plane.complete.stored";
    /// The control plane has signed; the agent has not used the answer.
    CompleteAnswered, Agent, "agent.complete.answered";
    /// The signed manifest is in the journal and about to be put into a storage.
    ManifestBeforePut, Agent, "agent.manifest.before_put";
    /// The manifest is in one storage.
    ManifestAfterPut, Agent, "agent.manifest.after_put";
    /// The manifest is in every storage; the control plane was not told.
    ConfirmBeforeSend, Agent, "agent.confirm.before_send";
    /// The confirmation has arrived and is not written down.
    ConfirmReceived, ControlPlane, "control_plane.confirm.received";
    /// The confirmation is written down; the agent has no answer.
    ConfirmStored, ControlPlane, "control_plane.confirm.stored";
    /// The confirmation is answered; the journal still has the attempt.
    ConfirmAnswered, Agent, "agent.confirm.answered";
    /// Notifications are claimed, and none is sent.
    NotificationClaimed, ControlPlane, "control_plane.notification.claimed";
    /// A backup is being deleted, and nobody was told to delete its manifests.
    DeletionStored, ControlPlane, "control_plane.deletion.stored";
    /// The manifest of a backup that is being deleted is gone; the control plane was not told.
    LeavingManifestDeleted, Agent, "agent.leaving_manifest.deleted";
    /// The word that a manifest is gone has come, and is not written down.
    ManifestGoneReceived, ControlPlane, "control_plane.manifest_gone.received";
    /// Objects are condemned in the database, and none is deleted.
    CondemnedStored, ControlPlane, "control_plane.condemned.stored";
    /// Condemned objects are deleted; the control plane was not told.
    CondemnedDeleted, Agent, "agent.condemned.deleted";
    /// A restore has made its database.
    RestoreCreated, Agent, "agent.restore.created";
    /// Rows of a restore are on their way into a table.
    RestoreRows, Agent, "agent.restore.rows";
    /// All rows are loaded, and no index is built.
    RestoreBeforeIndexes, Agent, "agent.restore.before_indexes";
    /// The restored database is whole and about to take its name.
    SwapBefore, Agent, "agent.swap.before";
    /// It has its name, and the one that it replaced is still there.
    SwapAfter, Agent, "agent.swap.after";
    /// A copy of a backup is about to be looked into.
    VerifyBegun, Agent, "agent.verify.begun";
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|point| point.name() == name);
        found
            .copied()
            .ok_or_else(|| format!("there is no failpoint {name:?}"))
    }
}
