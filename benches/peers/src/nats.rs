//! A flood through a nats-server, and the server.

use crate::flood::Flooded;
use crate::node::cpu_of_children;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many requests are written at once. Twice as many are on their way.
const BATCH: usize = 500;

/// How long a program may take to subscribe.
const PATIENCE: Duration = Duration::from_secs(10);

/// A nats-server. It is killed when dropped.
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// A server on a free port of loopback.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &str) -> Result<Server, Box<dyn Error>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        Ok(Server { child, port })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A client that writes the protocol by hand.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &Server) -> Result<Client, Box<dyn Error>> {
        let began = Instant::now();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", server.port)) {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        stream.set_nodelay(true)?;
        let mut client = Client(BufReader::with_capacity(256 << 10, stream));
        client.line()?;
        client.write(
            b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n\
              SUB eddyline.bench.c1.* 1\r\nSUB probe 2\r\n",
        )?;
        Ok(client)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if line.is_empty() {
            return Err("the server has closed the connection".into());
        }
        Ok(line)
    }

    /// Reads so many messages, and skips what they say.
    fn read(&mut self, mut messages: usize) -> Result<(), Box<dyn Error>> {
        let mut payload = Vec::new();
        while messages > 0 {
            let line = self.line()?;
            if line.starts_with("PING") {
                self.write(b"PONG\r\n")?;
            }
            if line.starts_with("MSG") {
                let length = line.split_whitespace().last().ok_or("no length")?;
                payload.resize(length.parse::<usize>()? + 2, 0);
                self.0.read_exact(&mut payload)?;
                messages -= 1;
            }
        }
        Ok(())
    }

    /// Waits until a program has subscribed, and has answered a request.
    fn await_node(&mut self, payload: &[u8]) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.write(format!("PUB eddyline.bench.n1.c1 probe {}\r\n", payload.len()).as_bytes())?;
            self.write(payload)?;
            self.write(b"\r\nPING\r\n")?;
            let (mut is_there, mut is_answered) = (true, false);
            loop {
                let line = self.line()?;
                is_there &= !line.starts_with("HMSG");
                is_answered |= line.starts_with("MSG");
                if line.starts_with("PONG") {
                    break;
                }
            }
            if is_there {
                return self.read(usize::from(!is_answered));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the program does not subscribe".into())
    }
}

/// Starts `program` as the node n1 on the server, sends it `line` `messages` times, and reads the
/// replies. The processor time includes the start of the program.
///
/// # Errors
/// When the program or the server fails.
pub fn flood_by_nats(
    server: &Server,
    program: &str,
    line: &[u8],
    messages: usize,
) -> Result<Flooded, Box<dyn Error>> {
    let payload = line.trim_ascii_end();
    let mut client = Client::connect(server)?;
    let before = cpu_of_children()?;
    let mut child = Command::new(program)
        .args(["--node", "n1", "--nodes", "n1", "--cluster", "bench"])
        .args(["--nats", &server.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let flooded = client.await_node(payload).and_then(|()| {
        let head = format!("PUB eddyline.bench.n1.c1 {}\r\n", payload.len());
        let batch = [head.as_bytes(), payload, b"\r\n"].concat().repeat(BATCH);
        let start = Instant::now();
        client.write(&batch)?;
        for _ in 1..messages / BATCH {
            client.write(&batch)?;
            client.read(BATCH)?;
        }
        client.read(BATCH)?;
        Ok(start.elapsed())
    });
    child.kill()?;
    child.wait()?;
    let cpu = cpu_of_children()? - before;
    Ok(Flooded {
        cpu_micros: cpu.as_secs_f64() * 1e6 / messages as f64,
        per_second: messages as f64 / flooded?.as_secs_f64(),
    })
}
