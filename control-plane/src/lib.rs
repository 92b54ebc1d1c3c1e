//! The control plane of DataGuardian (dataguardian) and its command line (dgctl).
