//! Callers who mean harm, or whose network does: thousands of connections that come to nothing, messages of a gigabyte, ten thousand
//! watches. Others are served meanwhile, and memory stays bounded.

mod connections;
mod messages;
mod scene;
mod watches;
