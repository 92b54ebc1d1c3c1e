//! The closed set of error classes that every layer speaks.

/// What kind of error it is: decides the gRPC status, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request itself is wrong; the same request will always fail.
    InvalidArgument,
    /// No such thing, or none that the caller may see.
    NotFound,
    /// There is one already.
    AlreadyExists,
    /// The request is right but the state of the system forbids it now.
    FailedPrecondition,
    /// Somebody else was quicker: a stale fence, an old etag.
    Aborted,
    /// Nobody has proved who calls.
    Unauthenticated,
    /// The caller is known and may not.
    PermissionDenied,
    /// Too much: a size, a rate, a count.
    ResourceExhausted,
    /// A part is away; trying again later can help.
    Unavailable,
    /// It took too long.
    DeadlineExceeded,
    /// What is stored is damaged.
    DataLoss,
    /// We are wrong.
    Internal,
}

impl ErrorCode {
    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Unavailable | Self::DeadlineExceeded | Self::ResourceExhausted => true,
            Self::InvalidArgument
            | Self::NotFound
            | Self::AlreadyExists
            | Self::FailedPrecondition
            | Self::Aborted
            | Self::Unauthenticated
            | Self::PermissionDenied
            | Self::DataLoss
            | Self::Internal => false,
        }
    }
}
