//! The rules of the protocol on a session: no process, and time that moves only
//! when a test says so.

#![allow(clippy::unwrap_used, reason = "tests")]

mod calls;
mod handlers;
mod life;
mod limits;
mod messages;
mod observer;
mod odd_orders;
mod random_run;
mod setup;
mod time;
mod world;
