//! Lists of what their reader may see.

use sea_orm::{ColumnTrait, Condition};

use crate::domain::access::{ResourceKind, Within};

/// The condition under which a row may be seen. `columns` say which thing of each kind it is or belongs to; a row that belongs
/// to nothing of a kind is not seen for the sake of one.
pub(super) fn visible<C: ColumnTrait>(within: &Within, columns: &[(ResourceKind, C)]) -> Condition {
    within.0.iter().fold(Condition::all(), |all, resources| {
        let any = columns.iter().fold(Condition::any(), |any, (kind, column)| {
            let of_kind = resources.iter().filter(|resource| resource.kind() == *kind);
            any.add(column.is_in(of_kind.map(|resource| *resource.uuid())))
        });
        all.add(any)
    })
}
