//! Named places in the programs at which a test kills them, holds them, slows them down or makes them fail.
//!
//! In a normal build [`failpoint!`] is nothing at all: it expands to no code, and no variable is read. With the feature
//! `enabled`, in a build with debug assertions, the environment variable [`VARIABLE`] arms points:
//!
//! ```text
//! DATAGUARDIAN_FAILPOINTS='agent.pack.before_put=hang:/tmp/held;agent.list.before_put=delay:200'
//! ```
//! | action | when the point is reached |
//! |---|---|
//! | `kill` | the process kills itself, as `kill -9` would |
//! | `hang:FILE` | FILE is made, and the point is held until FILE is gone |
//! | `error` | the operation fails, at points that can |
//! | `delay:MS` | so many milliseconds pass, each time |
//!
//! All but `delay` happen once in a process. An unknown point or action ends the program at once, so that no test can arm
//! what is not there.

#[cfg(all(feature = "enabled", debug_assertions))]
pub mod armed;
mod point;

pub use point::{Place, Point};

/// The environment variable that arms points.
pub const VARIABLE: &str = "DATAGUARDIAN_FAILPOINTS";

/// A point in a future. With a second argument, what the surrounding function fails with if it is told to.
#[cfg(all(feature = "enabled", debug_assertions))]
#[macro_export]
macro_rules! failpoint {
    ($point:ident) => {
        if $crate::armed::reached($crate::Point::$point).await {
            $crate::armed::cannot_fail($crate::Point::$point);
        }
    };
    ($point:ident, $failure:expr) => {
        if $crate::armed::reached($crate::Point::$point).await {
            return Err($failure);
        }
    };
}

/// A point in a future: nothing in this build.
#[cfg(not(all(feature = "enabled", debug_assertions)))]
#[macro_export]
macro_rules! failpoint {
    ($point:ident) => {};
    ($point:ident, $failure:expr) => {};
}

/// A point in code that is no future. It holds up its thread.
#[cfg(all(feature = "enabled", debug_assertions))]
#[macro_export]
macro_rules! blocking_failpoint {
    ($point:ident) => {
        $crate::armed::reached_blocking($crate::Point::$point)
    };
}

/// A point in code that is no future: nothing in this build.
#[cfg(not(all(feature = "enabled", debug_assertions)))]
#[macro_export]
macro_rules! blocking_failpoint {
    ($point:ident) => {};
}
