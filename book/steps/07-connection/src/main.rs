//! Prints its address, then serves clients for ever.

use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut server = connection::server::Server::new(listener)?;
    loop {
        server.turn(None)?;
    }
}
