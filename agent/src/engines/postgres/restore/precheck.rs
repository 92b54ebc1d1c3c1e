//! What can be found out before anything is touched.

use std::collections::BTreeSet;
use std::path::Path;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::size::ByteSize;
use sqlx::PgConnection;

use super::plan::Plan;
use super::{MissingRoles, RestoreMode, RestoreRequest};
use crate::engines::postgres::server::Server;
use crate::engines::postgres::{failure, quote};

/// What the restore has to take into account.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Roles that the target lacks and that are done without.
    pub(super) missing_roles: Vec<String>,
    /// Roles that are to be created.
    pub(super) create_roles: Vec<String>,
    /// Whether tablespaces are left out, because the target lacks some.
    pub(super) no_tablespaces: bool,
    pub(super) warnings: Vec<Warning>,
}

/// Looks at the target. All that is in the way is told at once.
pub(super) async fn check(
    session: &mut PgConnection,
    request: &RestoreRequest,
    server: &Server,
    plans: &[Plan],
) -> Result<Findings, Failure> {
    let mut checks = Checks {
        session,
        request,
        server,
        problems: Vec::new(),
        kind: FailureKind::TargetUnfit,
        findings: Findings::default(),
    };
    checks.server().await?;
    checks.names(plans).await?;
    checks.roles(plans).await?;
    checks.extensions(plans).await?;
    checks.tablespaces(plans).await?;
    checks.space(plans).await?;
    if checks.problems.is_empty() {
        return Ok(checks.findings);
    }
    Err(Failure::new(checks.kind, checks.problems.join("; ")))
}

struct Checks<'a> {
    session: &'a mut PgConnection,
    request: &'a RestoreRequest,
    server: &'a Server,
    problems: Vec<String>,
    kind: FailureKind,
    findings: Findings,
}

impl Checks<'_> {
    async fn server(&mut self) -> Result<(), Failure> {
        let (source, target) = (self.request.source_version_num / 10_000, self.server.major());
        if target < source {
            self.problems.push(format!(
                "the backup comes from PostgreSQL {source}, the target is the older version {target}"
            ));
        }
        if self.server.in_recovery {
            self.problems
                .push("the target is a standby, which can't be written to".to_owned());
        }
        const SQL: &str = "SELECT rolcreatedb FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let may_create: bool = self.ask(SQL, "asking for privileges").await?;
        let creates = self.request.mode != RestoreMode::Into;
        if creates && !may_create && !self.server.superuser {
            let user = &self.request.target.username;
            self.problems.push(format!(
                "{user} may not create databases: ALTER ROLE {} CREATEDB",
                quote::name(user)
            ));
        }
        Ok(())
    }

    async fn names(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        match self.request.mode {
            RestoreMode::CreateNew => self.names_are_free(plans).await,
            RestoreMode::Replace => self.no_template_is_replaced(plans).await,
            RestoreMode::Into => self.names_are_there(plans).await,
            RestoreMode::Scratch { .. } => Ok(()),
        }
    }

    async fn names_are_there(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        for plan in plans {
            if !exists(self.session, &plan.to).await? {
                self.problems
                    .push(format!("the target has no database {:?}", plan.to));
            }
        }
        Ok(())
    }

    /// New databases are made from templates, and by those who own none only from what is marked as one.
    async fn no_template_is_replaced(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        const SQL: &str = "SELECT datname::text FROM pg_catalog.pg_database WHERE datistemplate";
        let templates: Vec<String> = sqlx::query_scalar(SQL)
            .fetch_all(&mut *self.session)
            .await
            .map_err(failure::at("listing the template databases"))?;
        for plan in plans {
            if templates.contains(&plan.to) && !plan.description.is_template {
                self.problems.push(format!(
                    "{:?} is a template on the target, which new databases are made from, and {:?} was none: restore it under \
                     another name",
                    plan.to, plan.description.name
                ));
            }
        }
        Ok(())
    }

    async fn names_are_free(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        for plan in plans {
            if exists(self.session, &plan.to).await? {
                self.kind = FailureKind::TargetExists;
                self.problems
                    .push(format!("there is a database {:?} on the target", plan.to));
            }
        }
        Ok(())
    }

    async fn roles(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let needed: BTreeSet<&String> = plans
            .iter()
            .flat_map(|plan| match self.request.no_owner {
                true => &plan.description.needs.indispensable_roles,
                false => &plan.description.needs.roles,
            })
            .collect();
        let used_in_settings = plans.iter().flat_map(|plan| &plan.description.settings);
        let named: BTreeSet<&String> = used_in_settings
            .filter_map(|setting| setting.role.as_ref())
            .collect();
        let known: Vec<(String, bool)> = sqlx::query_as(
            "SELECT rolname::text, pg_catalog.pg_has_role(current_user, oid, 'MEMBER') FROM pg_catalog.pg_roles",
        )
        .fetch_all(&mut *self.session)
        .await
        .map_err(failure::at("listing the roles"))?;
        let is_known = |role: &str| known.iter().any(|(name, _)| name == role);
        let missing: Vec<String> = needed
            .iter()
            .filter(|role| !is_known(role))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            match self.request.missing_roles {
                MissingRoles::Create => self.findings.create_roles = missing,
                MissingRoles::Refuse => self.problems.push(format!(
                    "the target has no role {}: create them, have them created unable to log in (--create-missing-roles), or restore without \
                     owners (--no-owner)",
                    missing.join(", ")
                )),
            }
        }
        let created = &self.findings.create_roles;
        let left_out = named
            .iter()
            .filter(|role| !is_known(role) && !created.contains(role));
        self.findings.missing_roles = left_out.map(ToString::to_string).collect();
        if !self.request.no_owner {
            let foreign = |(name, member): &&(String, bool)| needed.contains(name) && !member;
            let foreign: Vec<&str> = known
                .iter()
                .filter(foreign)
                .map(|(name, _)| name.as_str())
                .collect();
            if !foreign.is_empty() {
                self.problems.push(format!(
                    "{} can give nothing to {}, not being a member: use a superuser, or restore without owners (--no-owner)",
                    self.request.target.username,
                    foreign.join(", ")
                ));
            }
        }
        Ok(())
    }

    async fn extensions(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let needed: BTreeSet<&String> = plans
            .iter()
            .flat_map(|plan| &plan.description.needs.extensions)
            .collect();
        // Trusted ones may be created by whoever may create things in the database.
        const SQL: &str = "
            SELECT e.name::text, COALESCE(NOT v.superuser OR v.trusted, true)
            FROM pg_catalog.pg_available_extensions e LEFT JOIN pg_catalog.pg_available_extension_versions v
                ON v.name = e.name AND v.version = e.default_version";
        let available: Vec<(String, bool)> = sqlx::query_as(SQL)
            .fetch_all(&mut *self.session)
            .await
            .map_err(failure::at("listing the available extensions"))?;
        for extension in needed {
            match available.iter().find(|(name, _)| name == extension) {
                None => self
                    .problems
                    .push(format!("the target does not offer the extension {extension}")),
                Some((_, false)) if !self.server.superuser => {
                    self.problems
                        .push(format!("only a superuser can create the extension {extension}"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn tablespaces(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let needed: BTreeSet<&String> = plans
            .iter()
            .flat_map(|plan| {
                let description = &plan.description;
                description
                    .needs
                    .tablespaces
                    .iter()
                    .chain(&description.tablespace)
            })
            .collect();
        let known: Vec<String> = sqlx::query_scalar("SELECT spcname::text FROM pg_catalog.pg_tablespace")
            .fetch_all(&mut *self.session)
            .await
            .map_err(failure::at("listing the tablespaces"))?;
        let missing: Vec<&str> = needed
            .into_iter()
            .filter(|name| !known.contains(name))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            self.findings.no_tablespaces = true;
            self.findings.warnings.push(Warning {
                database: None,
                message: format!(
                    "the target has no tablespace {}: everything goes into the default one",
                    missing.join(", ")
                ),
            });
        }
        Ok(())
    }

    /// Best effort: only where the server's files are on this host and may be looked at.
    async fn space(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let host = &self.request.target.host;
        let local = host.starts_with('/') || matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if !local {
            return Ok(());
        }
        const SQL: &str = "
            SELECT CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
                THEN pg_catalog.current_setting('data_directory') END";
        let directory: Option<String> = self.ask(SQL, "asking for the data directory").await?;
        let Some(free) = directory
            .as_deref()
            .and_then(|directory| free_space(Path::new(directory)))
        else {
            return Ok(());
        };
        let needed: ByteSize = plans.iter().map(|plan| ByteSize::bytes(plan.bytes)).sum();
        if needed > free {
            self.problems.push(format!(
                "the rows alone are {needed} long, and the target's disk has {free} free"
            ));
        }
        Ok(())
    }

    async fn ask<T>(&mut self, sql: &'static str, what: &str) -> Result<T, Failure>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql)
            .fetch_one(&mut *self.session)
            .await
            .map_err(failure::at(what))
    }
}

/// Creates roles that can do nothing, so that things can be theirs.
pub(super) async fn create_roles(session: &mut PgConnection, roles: &[String]) -> Result<(), Failure> {
    for role in roles {
        let sql = format!("CREATE ROLE {} NOLOGIN", quote::name(role));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *session)
            .await
            .map_err(failure::at(&format!("creating role {role}")))?;
    }
    Ok(())
}

/// Whether there is a database of that name.
pub(super) async fn exists(session: &mut PgConnection, name: &str) -> Result<bool, Failure> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(session)
        .await
        .map_err(failure::at("looking for a database"))
}

fn free_space(directory: &Path) -> Option<ByteSize> {
    let found = nix::sys::statvfs::statvfs(directory).ok()?;
    Some(ByteSize::bytes(
        found.blocks_available().saturating_mul(found.fragment_size()),
    ))
}
