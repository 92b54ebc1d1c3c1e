//! Whatever can be found out before anything is touched.

use std::collections::BTreeSet;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::object_choice::listed;
use sqlx::mysql::MySqlConnection;

use super::objects;
use super::plan::Plan;
use crate::engines::mysql::connect::{ask, ask_names, ask_one, execute};
use crate::engines::mysql::flavour::Flavour;
use crate::engines::mysql::globals::may_read_accounts;
use crate::engines::mysql::quote;
use crate::engines::mysql::server::Server;
use crate::engines::restore::{MissingRoles, RestoreMode, RestoreRequest};

/// How many names a message has.
const SHOWN: usize = 20;
/// Without which no database can be made, filled, counted and, if something fails, dropped.
const NEEDED: [&str; 5] = ["CREATE", "DROP", "ALTER", "INSERT", "SELECT"];
/// What a packet holds besides a statement.
const PACKET_OVERHEAD: u64 = 1024;

/// What the restore has to know.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) warnings: Vec<Warning>,
    /// Accounts to make: `user@host`.
    pub(super) create_accounts: Vec<String>,
    /// Routines that are there already, in upper case.
    pub(super) used: BTreeSet<String>,
}

impl Findings {
    /// What is said where events were restored and do nothing.
    pub(super) fn events_rest(&self, database: &str) -> Warning {
        Warning {
            database: Some(database.to_owned()),
            message: "its events are disabled: a copy for a look should do nothing by itself".to_owned(),
        }
    }
}

struct Check<'a> {
    session: &'a mut MySqlConnection,
    request: &'a RestoreRequest,
    server: &'a Server,
    findings: Findings,
    problems: Vec<String>,
    kind: FailureKind,
}

/// Looks at the target. All that is wrong is told at once.
pub(super) async fn check(
    session: &mut MySqlConnection,
    request: &RestoreRequest,
    server: &Server,
    plans: &[Plan],
) -> Result<Findings, Failure> {
    let mut check = Check {
        session,
        request,
        server,
        findings: Findings::default(),
        problems: Vec::new(),
        kind: FailureKind::TargetUnfit,
    };
    check.names(plans).await?;
    check.server(plans);
    check.privileges(plans);
    check.packets(plans);
    check.collations(plans).await?;
    check.engines(plans).await?;
    if !request.no_owner {
        check.definers(plans).await?;
    }
    if request.mode == RestoreMode::Replace {
        check.references(plans).await?;
    }
    if check.problems.is_empty() {
        return Ok(check.findings);
    }
    Err(Failure::new(check.kind, check.problems.join("; ")))
}

/// Whether there is a database of that name.
pub(super) async fn exists(session: &mut MySqlConnection, name: &str) -> Result<bool, Failure> {
    let sql = format!(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = {}",
        quote::text(name)
    );
    Ok(ask_one(session, sql, "looking for a database").await?.is_some())
}

/// Makes accounts that nobody can log in with, so that things can be theirs.
pub(super) async fn create_accounts(
    session: &mut MySqlConnection,
    accounts: &[String],
) -> Result<(), Failure> {
    for account in accounts {
        let sql = format!("CREATE USER {} ACCOUNT LOCK", quote::account(account));
        execute(session, sql, &format!("creating account {account}")).await?;
    }
    Ok(())
}

impl Check<'_> {
    async fn names(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        if self.request.mode == RestoreMode::Into {
            return self.names_within(plans).await;
        }
        if self.request.mode != RestoreMode::CreateNew {
            return Ok(());
        }
        for plan in plans {
            if exists(self.session, &plan.to).await? {
                self.kind = FailureKind::TargetExists;
                self.problems
                    .push(format!("database {} exists at the target", plan.to));
            }
        }
        Ok(())
    }

    /// What goes into a database that exists must find its names free there; routines that are there are used.
    async fn names_within(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        for plan in plans {
            if !exists(self.session, &plan.to).await? {
                self.problems
                    .push(format!("the target has no database {:?}", plan.to));
                continue;
            }
            let objects = plan.part.as_ref().map_or(&[][..], |part| &part.objects);
            let taken = objects::taken(self.session, &plan.to, objects).await?;
            let (in_the_way, used): (Vec<_>, Vec<_>) = taken
                .into_iter()
                .partition(|(kind, _)| ["TABLE", "SEQUENCE", "TRIGGER"].contains(kind));
            if !in_the_way.is_empty() {
                let shown = in_the_way
                    .iter()
                    .map(|(kind, name)| format!("{} {name}", kind.to_lowercase()));
                let shown: Vec<String> = shown.collect();
                let message = format!("{} has {} already", plan.to, listed(&shown, SHOWN));
                return Err(Failure::new(FailureKind::NamesTaken, message));
            }
            for (kind, name) in used {
                self.findings.warnings.push(Warning {
                    database: Some(plan.description.name.clone()),
                    message: format!(
                        "{} {name} is in {} already and is used as it is there",
                        kind.to_lowercase(),
                        plan.to
                    ),
                });
                self.findings.used.insert(name.to_uppercase());
            }
        }
        Ok(())
    }

    fn server(&mut self, plans: &[Plan]) {
        let series = |version: u32| version / 100;
        if series(self.server.version_num) < series(self.request.source_version_num) {
            self.problems.push(format!(
                "the target is {} {}, older than the server that the backup is of",
                self.server.flavour.engine().product(),
                self.server.version
            ));
        }
        if self.server.read_only && !self.server.is_super() {
            self.problems
                .push("the target takes no writes: read_only is on".to_owned());
        }
        let has_programs = plans.iter().any(|plan| !plan.description.needs.roles.is_empty());
        if has_programs
            && self.server.flavour == Flavour::MySql
            && self.server.distrusts_creators
            && !self.server.is_super()
        {
            self.problems.push(format!(
                "{} may not create functions and triggers while the binary log is on: SET GLOBAL \
                 log_bin_trust_function_creators = 1, or GRANT SUPER ON *.* TO {0}",
                quote::account(&self.server.grants.account)
            ));
        }
    }

    /// A database that is made beside gets a name that nobody knows before, so that all names have to be allowed.
    fn privileges(&mut self, plans: &[Plan]) {
        for plan in plans {
            let grants = &self.server.grants;
            let lacks = |name: &str| NEEDED.iter().any(|privilege| !grants.on(name, privilege));
            let is_fresh = plan.beside != plan.to || matches!(self.request.mode, RestoreMode::Scratch { .. });
            if !lacks(&plan.to) && !lacks(&plan.beside) {
                continue;
            }
            let place = match is_fresh {
                true => "*".to_owned(),
                false => quote::name(&plan.to.replace('_', "\\_").replace('%', "\\%")),
            };
            let problem = format!(
                "{} may not make and fill a database of that name: GRANT ALL PRIVILEGES ON {place}.* TO {}",
                grants.account,
                quote::account(&grants.account)
            );
            self.problems.push(format!("{}: {problem}", plan.to));
        }
    }

    fn packets(&mut self, plans: &[Plan]) {
        let longest = plans
            .iter()
            .filter_map(|plan| plan.description.longest_statement)
            .max()
            .unwrap_or(0);
        if longest + PACKET_OVERHEAD > self.server.max_allowed_packet {
            let needed = (longest + PACKET_OVERHEAD).div_ceil(1 << 20) << 20;
            self.problems.push(format!(
                "the longest statement is {longest} bytes long, and the target takes no more than {} (max_allowed_packet): SET \
                 GLOBAL max_allowed_packet = {needed}",
                self.server.max_allowed_packet
            ));
        }
    }

    async fn collations(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let known = ask_names(
            self.session,
            "SELECT collation_name FROM information_schema.collations",
            "listing the collations",
        )
        .await?;
        for plan in plans {
            let wanted = plan
                .description
                .locale
                .as_ref()
                .map(|locale| locale.collate.as_str())
                .unwrap_or_default();
            // MariaDB lists its newest ones without their character set.
            let is_known = |name: &String| {
                name == wanted || (wanted.ends_with(name.as_str()) && name.starts_with("uca"))
            };
            if !wanted.is_empty() && !known.iter().any(is_known) {
                self.problems.push(format!(
                    "the target does not know the collation {wanted} of {}",
                    plan.description.name
                ));
            }
        }
        Ok(())
    }

    async fn engines(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let sql = "SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')";
        let known = ask_names(self.session, sql, "listing the storage engines").await?;
        let needed: BTreeSet<&String> = plans
            .iter()
            .flat_map(|plan| &plan.description.needs.extensions)
            .collect();
        for engine in needed {
            if !known.iter().any(|known| known.eq_ignore_ascii_case(engine)) {
                self.problems
                    .push(format!("the target does not have the storage engine {engine}"));
            }
        }
        Ok(())
    }

    async fn definers(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        let needed: BTreeSet<&String> = plans
            .iter()
            .flat_map(|plan| &plan.description.needs.roles)
            .collect();
        let others: Vec<&&String> = needed
            .iter()
            .filter(|account| ***account != self.server.grants.account)
            .collect();
        if !others.is_empty() && !self.server.may_set_definers() {
            let privilege = match self.server.flavour {
                Flavour::MySql => "SET_ANY_DEFINER",
                Flavour::MariaDb => "SET USER",
            };
            self.problems.push(format!(
                "things belong to other accounts, {} for one, and {} may not give them away: GRANT {privilege} ON *.* TO {}, or \
                 restore with --no-owner",
                others[0],
                self.server.grants.account,
                quote::account(&self.server.grants.account)
            ));
        }
        if !may_read_accounts(self.server) {
            self.findings.warnings.push(Warning {
                database: None,
                message: "whether the accounts exist that things belong to was not looked at: the user may not read mysql.user".to_owned(),
            });
            return Ok(());
        }
        let rows = ask(
            self.session,
            "SELECT user, host FROM mysql.user",
            "listing the accounts",
        )
        .await?;
        let known: BTreeSet<String> = rows
            .iter()
            .map(|row| format!("{}@{}", row.text(0), row.text(1)))
            .collect();
        let is_known = |account: &str| {
            known.contains(account)
                || known.contains(&format!("{account}@"))
                || known.contains(account.trim_end_matches('@'))
        };
        let missing: Vec<String> = needed
            .into_iter()
            .filter(|account| !is_known(account))
            .cloned()
            .collect();
        match self.request.missing_roles {
            _ if missing.is_empty() => {}
            MissingRoles::Create => self.findings.create_accounts = missing,
            MissingRoles::Refuse => self.problems.push(format!(
                "the target lacks accounts that things belong to: {}; create them, let them be created with \
                 --create-missing-roles, or leave owners out with --no-owner",
                missing.join(", ")
            )),
        }
        Ok(())
    }

    /// Foreign keys of other databases would follow the old tables.
    async fn references(&mut self, plans: &[Plan]) -> Result<(), Failure> {
        for plan in plans {
            let own = quote::text(&plan.to);
            let sql = format!(
                "SELECT CONCAT(constraint_schema, '.', table_name) FROM information_schema.referential_constraints \
                 WHERE unique_constraint_schema = {own} AND constraint_schema <> {own} ORDER BY 1"
            );
            if let Some(table) =
                ask_one(self.session, sql, "looking for foreign keys of other databases").await?
            {
                self.problems.push(format!(
                    "tables of other databases refer to {}, {table} for one: they would go on referring to the tables that are \
                     replaced; restore it under another name",
                    plan.to
                ));
            }
        }
        Ok(())
    }
}
