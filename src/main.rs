//! The node that people run.

fn main() {}
