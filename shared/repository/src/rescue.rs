//! What each repository holds for a person who has lost DataGuardian: how to restore, and a script that does it.
//!
//! The texts are files of their own beside this one, so that they can be read and run as they are.

/// `RESTORE.md`.
pub const INSTRUCTIONS: &str = include_str!("rescue/RESTORE.md");
/// `restore.py`: reads a repository with Python, zstandard and cryptography.
pub const SCRIPT: &str = include_str!("rescue/restore.py");
