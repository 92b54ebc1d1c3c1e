//! Words of the command line for notifications, and their counterparts in the API.

use clap::ValueEnum;
use dataguardian_proto::v1;

macro_rules! words {
    ($(#[$doc:meta])* $word:ident for $wire:ident { $($(#[$each:meta])* $name:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub(super) enum $word {
            $($(#[$each])* $name,)+
        }

        impl From<$word> for v1::$wire {
            fn from(word: $word) -> Self {
                match word {
                    $($word::$name => Self::$name,)+
                }
            }
        }
    };
}

words! {
    /// How much something matters.
    SeverityWord for Severity {
        /// Everything.
        Info,
        /// What somebody should see to soon.
        Warning,
        /// What does not work.
        Error,
    }
}

words! {
    /// How a connection to a mail server is encrypted.
    EmailTlsWord for EmailTls {
        /// In plain text first, then STARTTLS; never without.
        Starttls,
        /// From the first byte on.
        Implicit,
        /// Not at all: only to this machine itself, and without a password.
        None,
    }
}

words! {
    /// What is told of.
    EventWord for NotificationEvent {
        /// The newest backup of a job failed.
        BackupFailed,
        /// By its schedule a job should have made a backup, and has not.
        BackupMissing,
        /// The newest backup of a datasource is older than it may be.
        BackupTooOld,
        /// The newest verified backup of a datasource is older than it may be.
        VerifiedBackupTooOld,
        /// A restore failed.
        RestoreFailed,
        /// A verification failed.
        VerificationFailed,
        /// Copies of backups are damaged in a storage.
        DamageFound,
        /// An agent is away.
        AgentOffline,
        /// A datasource could not be backed up now.
        DatasourceUnhealthy,
        /// A storage could not be used now.
        StorageUnhealthy,
        /// A storage has little room left.
        StorageNearlyFull,
        /// A certificate ends soon.
        CertificateExpiring,
        /// An API token ends soon.
        TokenExpiring,
        /// Nothing can be queued.
        QueueOffline,
        /// Nothing arrives through a channel; told by the others.
        ChannelFailing,
        /// So many wrong passwords were tried for a user that it has to wait.
        SignInsFailing,
    }
}

/// A name of the API as a word: `BACKUP_FAILED` without its prefix becomes `backup-failed`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_lowercase()
        .replace('_', "-")
}

pub(super) fn severity(severity: v1::Severity) -> String {
    word(severity.as_str_name(), "SEVERITY_")
}

pub(super) fn event(event: v1::NotificationEvent) -> String {
    word(event.as_str_name(), "NOTIFICATION_EVENT_")
}

pub(super) fn phase(phase: v1::NotificationPhase) -> String {
    word(phase.as_str_name(), "NOTIFICATION_PHASE_")
}

pub(super) fn delivery(state: v1::DeliveryState) -> String {
    word(state.as_str_name(), "DELIVERY_STATE_")
}

pub(super) fn email_tls(tls: v1::EmailTls) -> String {
    word(tls.as_str_name(), "EMAIL_TLS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_that_a_rule_may_name_has_the_same_word_both_ways() {
        for given in EventWord::value_variants() {
            let wire = v1::NotificationEvent::from(*given);
            let said = given.to_possible_value().map(|value| value.get_name().to_owned());
            assert_eq!(said, Some(event(wire)));
        }
        // All but the unspecified one and the test.
        assert_eq!(EventWord::value_variants().len(), 16);
    }
}
