//! A program that sets O_NONBLOCK on its stdin, and ends. Then `cat` reads from the same
//! pipe. Both were started by one shell.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::process::Command;

fn main() -> std::io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("set the flag") {
        let stdin = std::io::stdin();
        fcntl_setfl(&stdin, fcntl_getfl(&stdin)? | OFlags::NONBLOCK)?;
        return Ok(());
    }
    let me = std::env::current_exe()?;
    for first in ["true", "\"$0\" 'set the flag'"] {
        let script = format!("(sleep 0.3; echo hello) | ({first}; cat)");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(&me)
            .env("LC_ALL", "C")
            .output()?;
        println!("$ {}", script.replace("\"$0\" 'set the flag'", "rude"));
        print!("{}", String::from_utf8_lossy(&output.stdout));
        print!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
