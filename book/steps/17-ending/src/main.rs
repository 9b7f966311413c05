//! A node on stdin and stdout.

use small_node::{Loop, real::Real};
use std::io::{stdin, stdout};
use std::os::fd::AsFd;

fn main() -> std::io::Result<()> {
    let kernel = Real::new(stdin().as_fd(), stdout().as_fd())?;
    Loop::new(kernel).run()
}
