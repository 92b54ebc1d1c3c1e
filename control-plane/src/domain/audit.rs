//! The audit log: who did what to which thing, and how it ended. Never a secret, never a payload.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, UserId};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has proven who: the open methods.
    Anonymous,
    /// A signed-in user.
    User(UserId, String),
    /// An agent with its certificate.
    Agent(AgentId),
    /// The control plane by itself.
    System,
}

impl Actor {
    /// The kind's name in tables.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User(..) => "user",
            Self::Agent(_) => "agent",
            Self::System => "system",
        }
    }
}

/// One thing that was done or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who.
    pub actor: Actor,
    /// What: a method's path, such as `/dataguardian.v1.JobService/RunJob`.
    pub method: String,
    /// To what, by name or id; empty where it concerns nothing in particular.
    pub resource: String,
    /// `ok`, or the error's reason.
    pub outcome: String,
    /// From which address, if known.
    pub remote: Option<String>,
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place in the log.
    pub number: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub entry: AuditEntry,
    /// What more is known of it.
    pub particulars: Particulars,
}

/// What is written down of a call besides who, what and how it ended. Nothing of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// What was asked, in JSON.
    pub request: Option<String>,
    /// What it has changed, in JSON: a list of fields with what they were and are.
    pub changes: Option<String>,
}

/// Tries to sign in as a user that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSignIns {
    /// How many.
    pub count: u64,
    /// When the last of them was made.
    pub last_at: DateTime<Utc>,
    /// From which address, if known.
    pub last_from: Option<String>,
}

/// Which rows are wanted; what is none narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// A user's name, an id, or a kind of actor.
    pub actor: Option<String>,
    /// A part of the method.
    pub method: Option<String>,
    /// Exactly what it concerned.
    pub resource: Option<String>,
    /// `ok`, or a reason.
    pub outcome: Option<String>,
    /// Not before this.
    pub since: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
    /// Exactly this row.
    pub number: Option<u64>,
}

/// Something wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFault {
    /// The day whose part of the chain it is in.
    pub day: String,
    /// The row, if it is one.
    pub number: Option<u64>,
    /// What is wrong.
    pub problem: &'static str,
}

/// What a look at the whole log came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditCheck {
    /// Days that were looked at.
    pub days: u32,
    /// Rows that are as they were.
    pub rows: u64,
    /// What is wrong.
    pub faults: Vec<AuditFault>,
}
