//! Errors of the use cases as statuses. What is our own fault is logged here, once, and told to nobody.

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::{ApiError, BadField};
use tonic::Status;

use crate::domain::field;
use crate::services::Error;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        // That the queue is offline was logged when it went.
        let is_known = matches!(error, Error::QueueOffline);
        let ours = matches!(
            error.code(),
            ErrorCode::Internal | ErrorCode::DataLoss | ErrorCode::Unavailable
        );
        if ours && !is_known {
            tracing::error!(reason = error.reason(), error = %chain(&error), "a call failed through no fault of its caller");
        }
        let mut told = ApiError::new(error.code(), error.reason(), error.public_message());
        told.fields = error.fields().iter().map(told_field).collect();
        told.retry_after = error.retry_after();
        told.into()
    }
}

impl From<field::BadField> for Status {
    fn from(bad: field::BadField) -> Self {
        Error::from(bad).into()
    }
}

/// A status for bad fields.
pub(super) fn bad_request(bad: Vec<field::BadField>) -> Status {
    Error::BadRequest(bad).into()
}

fn told_field(bad: &field::BadField) -> BadField {
    BadField {
        field: bad.field.clone(),
        description: bad.description.clone(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
