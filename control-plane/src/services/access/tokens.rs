//! API tokens for programs: with roles of their own, and never more than their user has.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{ApiTokenId, RoleBindingId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::Secret;

use super::{Access, NamedScope, grant, must_cover, roles_named};
use crate::domain::access::{RoleBinding, RoleHolder};
use crate::domain::field::BadField;
use crate::domain::session::Whence;
use crate::domain::user::Caller;
use crate::secrets::token::{NewToken, TokenKind};
use crate::services::{Error, Noun};
use crate::store::role_bindings::{BindingsOf, NewBinding, role_binding_insert_in_tx, role_binding_list};
use crate::store::users::{self, ApiTokenRow};

/// The shortest and the longest life of a token.
const LIFE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 3600);

/// A token that is to be.
#[derive(Debug)]
pub struct NewApiToken {
    /// What it is for.
    pub name: ResourceName,
    /// How long it is good.
    pub ttl: Duration,
    /// The roles that it has.
    pub roles: Vec<String>,
    /// Over what.
    pub scope: NamedScope,
    /// Who asks.
    pub whence: Whence,
}

/// A token, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// What it is for.
    pub name: ResourceName,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The roles that it has.
    pub bindings: Vec<RoleBinding>,
}

/// A new token, shown this once.
#[derive(Debug)]
pub struct MadeToken {
    /// The token.
    pub token: ApiToken,
    /// What proves it.
    pub secret: Secret,
}

impl Access {
    /// Makes a token of the caller's.
    pub async fn create_token(&self, caller: &Caller, new: NewApiToken) -> Result<MadeToken, Error> {
        if !LIFE.contains(&new.ttl) {
            return Err(BadField::new("ttl", "must be a minute to 366 days").into());
        }
        if new.roles.is_empty() {
            return Err(
                BadField::new("roles", "must name a role: without one a token may do nothing").into(),
            );
        }
        let now = self.context.now();
        let tx = self.context.store.begin().await?;
        let roles = roles_named(&tx, "roles", &new.roles).await?;
        let scope = self.scope(&tx, &new.scope).await?;
        let grants: Vec<_> = roles.iter().map(|role| grant(role, scope)).collect();
        must_cover(&caller.rights, &grants)?;
        let id = ApiTokenId::new();
        let made = NewToken::generate(TokenKind::Api, id.as_uuid())?;
        let row = ApiTokenRow {
            id,
            user: caller.user.id,
            secret_sha256: made.sha256.to_vec(),
            created_at: now,
            expires_at: now + TimeDelta::from_std(new.ttl).unwrap_or(TimeDelta::zero()),
            last_used_at: None,
            whence: new.whence,
            name: Some(new.name.clone()),
        };
        users::api_token_insert_in_tx(&tx, &row).await?;
        for role in roles {
            let binding = NewBinding {
                id: RoleBindingId::new(),
                role: role.id,
                holder: RoleHolder::Token(id),
                scope,
                created_at: now,
            };
            role_binding_insert_in_tx(&tx, &binding).await?;
        }
        let bindings = role_binding_list(&tx, BindingsOf::Tokens(&[id])).await?;
        tx.commit().await?;
        Ok(MadeToken {
            token: shown(row, new.name, bindings),
            secret: made.text,
        })
    }

    /// The caller's tokens that are good, the newest first.
    pub async fn list_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>, Error> {
        let (store, now) = (&self.context.store, self.context.now());
        let rows = users::api_token_list_of(store, caller.user.id).await?;
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|row| row.expires_at > now)
            .filter_map(|row| Some((row.name.clone()?, row)))
            .collect();
        let ids: Vec<_> = rows.iter().map(|(_, row)| row.id).collect();
        let bindings = role_binding_list(store, BindingsOf::Tokens(&ids)).await?;
        let show = |(name, row): (ResourceName, ApiTokenRow)| {
            let own = |binding: &&RoleBinding| binding.holder == RoleHolder::Token(row.id);
            let bindings = bindings.iter().filter(own).cloned().collect();
            shown(row, name, bindings)
        };
        Ok(rows.into_iter().map(show).collect())
    }

    /// Ends one of the caller's tokens.
    pub async fn revoke_token(&self, caller: &Caller, id: ApiTokenId) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        if !users::api_token_delete_in_tx(&tx, caller.user.id, id).await? {
            return Err(Error::not_found(Noun::ApiToken, id));
        }
        tx.commit().await?;
        Ok(())
    }
}

fn shown(row: ApiTokenRow, name: ResourceName, bindings: Vec<RoleBinding>) -> ApiToken {
    ApiToken {
        id: row.id,
        name,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        bindings,
    }
}
