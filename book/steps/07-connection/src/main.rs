//! Prints its address, then serves clients: for ever, or with the argument `once` until
//! its last client has gone.

use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let is_once = std::env::args().nth(1).is_some_and(|word| word == "once");
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut server = connection::server::Server::new(listener)?;
    let mut had_clients = false;
    while !(is_once && had_clients && server.clients() == 0) {
        server.turn(None)?;
        had_clients |= server.clients() > 0;
    }
    Ok(())
}
