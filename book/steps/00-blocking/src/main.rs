//! Prints its address, then serves clients for ever.

use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    loop {
        match blocking::serve_one(&listener)? {
            Ok(bytes) => println!("a client ended after {bytes} bytes"),
            Err(error) => println!("a client failed: {error}"),
        }
    }
}
