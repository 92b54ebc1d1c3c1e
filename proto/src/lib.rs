//! Wire protocol of DataGuardian: protos, generated code, conversions.
