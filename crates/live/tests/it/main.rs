//! Live testbeds: what clusters say, and what that comes to.

mod admission;
mod detection;
mod evidence;
