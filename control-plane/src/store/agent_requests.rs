//! Questions to other replicas, and to agents whose session another replica has: a row lives for as long as somebody waits for its answer.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::RequestId;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::entity::agent_requests::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::addressee::Addressee;

/// A question that nobody has put yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// Which.
    pub id: RequestId,
    /// To whom.
    pub addressee: Addressee,
    /// The question, sealed.
    pub question_sealed: Vec<u8>,
    /// When nobody waits for the answer any more.
    pub expires_at: DateTime<Utc>,
}

/// How far a question is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestProgress {
    /// No replica has taken it.
    Open,
    /// One has.
    Taken,
    /// Here is the answer, sealed.
    Answered(Vec<u8>),
}

/// Enters a question.
pub async fn agent_request_insert_in_tx(tx: &Tx, request: &OpenRequest) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(*request.id.as_uuid()),
        addressee_id: Set(*request.addressee.as_uuid()),
        question_sealed: Set(request.question_sealed.clone()),
        expires_at: Set(convert::time(request.expires_at)),
        taken_at: Set(None),
        answer_sealed: Set(None),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// The questions to these that nobody has taken and somebody waits for, the oldest first.
pub async fn agent_request_open(
    on: &impl Connected,
    addressees: &[Addressee],
    now: DateTime<Utc>,
) -> Result<Vec<OpenRequest>, StoreError> {
    let rows = Entity::find()
        .filter(Column::TakenAt.is_null())
        .filter(Column::ExpiresAt.gt(convert::time(now)))
        .filter(Column::AddresseeId.is_in(addressees.iter().map(|each| *each.as_uuid())))
        .order_by_asc(Column::Id)
        .all(&on.executor())
        .await?;
    let open = |row: Model| {
        let addressee = *addressees
            .iter()
            .find(|each| *each.as_uuid() == row.addressee_id)?;
        Some(OpenRequest {
            id: RequestId::from_uuid(row.id),
            addressee,
            question_sealed: row.question_sealed,
            expires_at: row.expires_at,
        })
    };
    Ok(rows.into_iter().filter_map(open).collect())
}

/// Takes a question on; false if somebody else has.
pub async fn agent_request_take_in_tx(
    tx: &Tx,
    id: RequestId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::TakenAt, Expr::value(convert::time(now)))
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(Column::TakenAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Gives a question back that was taken and not put.
pub async fn agent_request_give_back_in_tx(tx: &Tx, id: RequestId) -> Result<(), StoreError> {
    let nobody: Option<DateTime<Utc>> = None;
    Entity::update_many()
        .col_expr(Column::TakenAt, Expr::value(nobody))
        .filter(Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Enters the answer; false if nobody waits for it any more.
pub async fn agent_request_answer_in_tx(tx: &Tx, id: RequestId, sealed: Vec<u8>) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::AnswerSealed, Expr::value(sealed))
        .filter(Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// How far a question is; none if it is gone.
pub async fn agent_request_progress(
    on: &impl Connected,
    id: RequestId,
) -> Result<Option<RequestProgress>, StoreError> {
    let row = Entity::find_by_id(*id.as_uuid()).one(&on.executor()).await?;
    Ok(row.map(|row| match (row.answer_sealed, row.taken_at) {
        (Some(sealed), _) => RequestProgress::Answered(sealed),
        (None, Some(_)) => RequestProgress::Taken,
        (None, None) => RequestProgress::Open,
    }))
}

/// Takes a question away.
pub async fn agent_request_delete_in_tx(tx: &Tx, id: RequestId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

/// Takes questions away whose time was over before that; says how many.
pub async fn agent_request_forget_in_tx(tx: &Tx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let result = Entity::delete_many()
        .filter(Column::ExpiresAt.lt(convert::time(before)))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected)
}
