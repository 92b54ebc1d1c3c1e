//! The permissions that a role over one thing gives. A method whose permission stands here looks itself what it is asked for; all
//! others need a role over everything, so that a new method is closed until somebody has thought of it.

/// In order.
const SCOPABLE: [&str; 38] = [
    "agents.approve_recovery",
    "agents.clear_alert",
    "agents.get",
    "agents.list",
    "agents.lock",
    "agents.revoke",
    "agents.unlock",
    "backups.copy",
    "backups.delete",
    "backups.download",
    "backups.get",
    "backups.list",
    "backups.pin",
    "backups.verify",
    "datasources.delete",
    "datasources.get",
    "datasources.list",
    "datasources.test",
    "datasources.update",
    "executions.cancel",
    "executions.get",
    "executions.list",
    "executions.logs",
    "executions.retry",
    "jobs.create",
    "jobs.delete",
    "jobs.get",
    "jobs.list",
    "jobs.pause",
    "jobs.resume",
    "jobs.run",
    "jobs.update",
    "restores.start",
    "storages.delete",
    "storages.get",
    "storages.list",
    "storages.test",
    "storages.update",
];

/// Whether a role over one thing gives this permission.
pub fn is_scopable(permission: &str) -> bool {
    SCOPABLE.binary_search(&permission).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_in_order() {
        assert!(SCOPABLE.is_sorted());
        assert!(is_scopable("jobs.run") && !is_scopable("users.create"));
    }
}
