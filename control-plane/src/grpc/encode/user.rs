use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use crate::domain::user::User;

/// A user.
pub(in crate::grpc) fn user(user: User) -> v1::User {
    v1::User {
        id: user.id.to_string(),
        username: user.username,
        created_at: Some(timestamp(user.created_at)),
    }
}
