//! Small programs on the generated SDK.
