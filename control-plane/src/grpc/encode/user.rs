use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use crate::domain::audit::FailedSignIns;
use crate::domain::session::{Session, SessionKind};
use crate::domain::user::{Caller, User};

/// A user.
pub(in crate::grpc) fn user(user: User) -> v1::User {
    v1::User {
        id: user.id.to_string(),
        username: user.username,
        created_at: Some(timestamp(user.created_at)),
    }
}

/// A sign-in, as its own user sees it.
pub(in crate::grpc) fn session(session: Session, caller: &Caller) -> v1::Session {
    let kind = match session.kind {
        SessionKind::Browser => v1::SessionKind::Browser,
        SessionKind::Program => v1::SessionKind::Program,
    };
    v1::Session {
        id: session.id.to_string(),
        kind: kind.into(),
        created_at: Some(timestamp(session.created_at)),
        last_used_at: Some(timestamp(session.last_used_at)),
        expires_at: Some(timestamp(session.expires_at)),
        address: session.whence.address.unwrap_or_default(),
        user_agent: session.whence.user_agent,
        current: session.id == caller.credential.session(),
    }
}

/// Tries to sign in that failed.
pub(in crate::grpc) fn failed_sign_ins(failed: FailedSignIns) -> v1::FailedSignIns {
    v1::FailedSignIns {
        count: failed.count,
        last_at: Some(timestamp(failed.last_at)),
        last_from: failed.last_from.unwrap_or_default(),
    }
}
