//! A server has said its last word, and closes. The client is still sending.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

fn main() -> std::io::Result<()> {
    for lingers in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let (mut server, _address) = listener.accept()?;
        client.write_all(b"bye\nmore\n")?;
        server.peek(&mut [0; 16])?; // until the bytes have arrived
        server.write_all(b"bye\n")?;
        match lingers {
            false => println!("the server closes, with input that it has not read"),
            true => println!("the server ends its direction, and reads on"),
        }
        if lingers {
            server.shutdown(Shutdown::Write)?;
        } else {
            drop(server);
        }
        println!("  the client writes: {:?}", client.write(b"even more\n"));
        let mut answer = [0; 16];
        println!("  the client reads:  {:?}", client.read(&mut answer));
    }
    Ok(())
}
