//! The one map between error codes and gRPC statuses, both ways.
//!
//! Every error that leaves the server carries `ErrorInfo{reason, domain}`; a bad request lists every bad field in
//! `BadRequest`; `RetryInfo` is there where trying again helps (google.rpc error model, AIP-193).

use std::collections::HashMap;
use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The `domain` of every `ErrorInfo` of ours.
pub const ERROR_DOMAIN: &str = "dataguardian";

/// An error as it is told to a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Its class.
    pub code: ErrorCode,
    /// A stable name in capitals for programs, such as `JOB_NOT_FOUND`.
    pub reason: String,
    /// One sentence for people, with the next step where there is one. No secret, nothing internal.
    pub message: String,
    /// Bad fields of the request, with what is wrong with each.
    pub fields: Vec<BadField>,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// The field's path in the request: `options.compression_level`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl ApiError {
    /// An error without further particulars.
    pub fn new(code: ErrorCode, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            fields: Vec::new(),
            retry_after: None,
        }
    }

    /// A request with bad fields; the message names the first one.
    pub fn bad_fields(fields: Vec<BadField>) -> Self {
        let message = fields
            .iter()
            .map(|bad| format!("{}: {}", bad.field, bad.description))
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            fields,
            ..Self::new(ErrorCode::InvalidArgument, "BAD_REQUEST", message)
        }
    }

    /// A request with one bad field.
    pub fn bad_field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::bad_fields(vec![BadField {
            field: field.into(),
            description: description.into(),
        }])
    }

    /// The same error, with word of when to try again.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        Self {
            retry_after: Some(delay),
            ..self
        }
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(error.reason, ERROR_DOMAIN, HashMap::new());
        if !error.fields.is_empty() {
            let violation = |bad: BadField| FieldViolation::new(bad.field, bad.description);
            details.set_bad_request(error.fields.into_iter().map(violation).collect::<Vec<_>>());
        }
        if let Some(delay) = error.retry_after {
            details.set_retry_info(Some(delay));
        }
        Self::with_error_details(code_to_wire(error.code), error.message, details)
    }
}

impl From<&Status> for ApiError {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason = details
            .error_info()
            .map_or("UNKNOWN", |info| info.reason.as_str())
            .to_owned();
        let fields = details
            .bad_request()
            .map(|bad| bad.field_violations.clone())
            .unwrap_or_default();
        let bad_field = |v: FieldViolation| BadField {
            field: v.field,
            description: v.description,
        };
        Self {
            code: code_from_wire(status.code()),
            reason,
            message: status.message().to_owned(),
            fields: fields.into_iter().map(bad_field).collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

const fn code_to_wire(code: ErrorCode) -> Code {
    match code {
        ErrorCode::InvalidArgument => Code::InvalidArgument,
        ErrorCode::NotFound => Code::NotFound,
        ErrorCode::AlreadyExists => Code::AlreadyExists,
        ErrorCode::FailedPrecondition => Code::FailedPrecondition,
        ErrorCode::Aborted => Code::Aborted,
        ErrorCode::Unauthenticated => Code::Unauthenticated,
        ErrorCode::PermissionDenied => Code::PermissionDenied,
        ErrorCode::ResourceExhausted => Code::ResourceExhausted,
        ErrorCode::Unavailable => Code::Unavailable,
        ErrorCode::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorCode::DataLoss => Code::DataLoss,
        ErrorCode::Internal => Code::Internal,
    }
}

const fn code_from_wire(code: Code) -> ErrorCode {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorCode::InvalidArgument,
        Code::NotFound => ErrorCode::NotFound,
        Code::AlreadyExists => ErrorCode::AlreadyExists,
        Code::FailedPrecondition => ErrorCode::FailedPrecondition,
        Code::Aborted => ErrorCode::Aborted,
        Code::Unauthenticated => ErrorCode::Unauthenticated,
        Code::PermissionDenied => ErrorCode::PermissionDenied,
        Code::ResourceExhausted => ErrorCode::ResourceExhausted,
        Code::Unavailable | Code::Cancelled => ErrorCode::Unavailable,
        Code::DeadlineExceeded => ErrorCode::DeadlineExceeded,
        Code::DataLoss => ErrorCode::DataLoss,
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal => ErrorCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_wire() {
        let error = ApiError {
            retry_after: Some(Duration::from_secs(5)),
            ..ApiError::bad_fields(vec![
                BadField {
                    field: "name".into(),
                    description: "must not be empty".into(),
                },
                BadField {
                    field: "page_size".into(),
                    description: "must not be negative".into(),
                },
            ])
        };
        assert_eq!(ApiError::from(&Status::from(error.clone())), error);
    }

    #[test]
    fn codes_survive_the_wire() {
        for code in [
            ErrorCode::NotFound,
            ErrorCode::Unavailable,
            ErrorCode::DataLoss,
            ErrorCode::Aborted,
        ] {
            assert_eq!(code_from_wire(code_to_wire(code)), code);
        }
    }
}
