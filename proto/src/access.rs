//! What each method says of itself: the permission it needs, and whether its calls are audited.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

/// What a method's options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodAccess {
    /// `<resource>.<verb>`.
    pub permission: Permission,
    /// Whether each call leaves a row in the audit log.
    pub audited: bool,
    /// Whether it answers with a stream.
    pub streams: bool,
}

/// Who may call a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// Anybody: the method proves its caller itself.
    Open,
    /// Who has this permission.
    Named(String),
}

/// The descriptor set can't be read, or a method lacks its options.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDescriptors {
    /// Not a descriptor set.
    #[error("the descriptor set can't be read")]
    Unreadable(#[source] prost_reflect::DescriptorError),
    /// A method without one of our two options.
    #[error("method {0} does not say which permission it needs and whether it is audited")]
    Silent(String),
}

/// Every method by its path, `/package.Service/Method`.
pub fn methods() -> Result<HashMap<String, MethodAccess>, InvalidDescriptors> {
    let pool = DescriptorPool::decode(crate::DESCRIPTOR_SET).map_err(InvalidDescriptors::Unreadable)?;
    let ours = pool
        .services()
        .filter(|service| service.full_name().starts_with("dataguardian."));
    ours.flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            access(&pool, &method)
                .map(|access| (path.clone(), access))
                .ok_or(InvalidDescriptors::Silent(path))
        })
        .collect()
}

fn access(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<MethodAccess> {
    let options = method.options();
    let permission = pool.get_extension_by_name("dataguardian.v1.permission")?;
    let audited = pool.get_extension_by_name("dataguardian.v1.audited")?;
    if !options.has_extension(&permission) || !options.has_extension(&audited) {
        return None;
    }
    let Value::String(name) = options.get_extension(&permission).into_owned() else {
        return None;
    };
    let permission = match name.as_str() {
        "" => return None,
        "open" => Permission::Open,
        _ => Permission::Named(name),
    };
    Some(MethodAccess {
        permission,
        audited: options.get_extension(&audited).as_bool()?,
        streams: method.is_server_streaming(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_says_who_may_call_it() {
        let methods = methods().expect("every method has both options");
        let setup = &methods["/dataguardian.v1.AuthService/Setup"];
        assert_eq!(
            setup,
            &MethodAccess {
                permission: Permission::Open,
                audited: true,
                streams: false
            }
        );
        let run = &methods["/dataguardian.v1.JobService/RunJob"];
        assert_eq!(
            run,
            &MethodAccess {
                permission: Permission::Named("jobs.run".into()),
                audited: true,
                streams: false
            }
        );
        assert!(methods["/dataguardian.v1.ExecutionService/WatchExecution"].streams);
    }
}
