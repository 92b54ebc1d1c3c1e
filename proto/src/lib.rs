//! The wire: messages, clients and servers of DataGuardian's two packages, and the conversions between wire and
//! vocabulary. The only crate that knows both.
//!
//! With the features of a client this crate is the Rust SDK: see `examples/`.

pub mod access;
pub mod changes;
pub mod convert;
pub mod redacted;
pub mod status;

/// The public API.
pub mod v1 {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::allow_attributes_without_reason,
        clippy::large_futures,
        clippy::too_many_lines,
        reason = "generated; the protos carry the documentation"
    )]
    tonic::include_proto!("dataguardian.v1");
}

/// What agents and the control plane say to each other.
pub mod agent {
    /// The first version.
    pub mod v1 {
        #![allow(
            missing_docs,
            unreachable_pub,
            clippy::all,
            clippy::allow_attributes_without_reason,
            clippy::large_futures,
            clippy::too_many_lines,
            reason = "generated; the protos carry the documentation"
        )]
        tonic::include_proto!("dataguardian.agent.v1");
    }
}

/// All protos, compiled: for reflection, for JSON, and for reading our method options.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// `google/rpc/error_details.proto`, compiled: with it tools can show the details of our errors.
pub const ERROR_DETAILS_DESCRIPTOR_SET: &[u8] = tonic_types::pb::FILE_DESCRIPTOR_SET;
