//! The protocol on the wire, row by row, through the real binary.

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod counter;
mod echo;
mod identity;
mod ignored;
mod malformed;
mod proxy;
mod shapes;
