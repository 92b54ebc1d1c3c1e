//! What a file declares: storages, datasources, jobs, and who is told. Nothing here asks a server.
//!
//! A declaration is the message that makes the thing, written in YAML with the protos' own field names: what the API can do can be
//! declared, and what it can't is refused by name. What a file does not name is left as it is. Words of enums may be short
//! (`postgres` for `ENGINE_POSTGRES`), lengths of time as people write them (`90m`), and a secret comes from a file: `password_file`
//! in place of `password`.

mod difference;
mod file;
mod kind;
mod shape;

pub(crate) use difference::{Change, Difference, difference};
pub(crate) use file::{Declared, parse, write};
pub(crate) use kind::Kind;
pub(crate) use shape::{Json, Object, merged, shortened};
