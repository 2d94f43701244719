//! The only place that knows all rooms: one file a role builds them and joins them.

mod evidence;
pub mod examination;
pub mod one_shot;
mod parts;
