//! A nats-server for one test.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running nats-server. It is killed when dropped.
pub(crate) struct Server {
    child: Child,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    pub(crate) port: u16,
    /// The port for other servers of its cluster; 0 without one.
    pub(crate) cluster_port: u16,
    folder: PathBuf,
}

impl Server {
    /// A server on a free port. `None`, after saying so, if nats-server is missing.
    pub(crate) fn start(options: &[&str]) -> Option<Server> {
        Server::with_environment(options, &[])
    }

    /// The same with variables of its environment, to which its configuration may refer.
    pub(crate) fn with_environment(
        options: &[&str],
        environment: &[(String, String)],
    ) -> Option<Server> {
        program_if_there()?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Some(Server::on(-1, options, environment.to_vec()))
    }

    fn on(port: i32, options: Vec<String>, environment: Vec<(String, String)>) -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nats-{}-{count}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut child = Command::new(program())
            .args([
                "-a",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "--ports_file_dir",
            ])
            .arg(&folder)
            .args(&options)
            .envs(environment.clone())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        let ports = ports(&mut child, &folder);
        let port = |kind: &str| {
            let url = ports[kind][0].as_str().unwrap_or_default();
            url.rsplit(':')
                .next()
                .and_then(|port| port.parse().ok())
                .unwrap_or(0)
        };
        Server {
            port: port("nats"),
            cluster_port: port("cluster"),
            child,
            options,
            environment,
            folder,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.folder);
    }

    /// Starts it again, on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = i32::from(self.port);
        let options = std::mem::take(&mut self.options);
        *self = Server::on(port, options, std::mem::take(&mut self.environment));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program of a nats-server. `None`, after saying so, if it is missing.
pub(crate) fn program_if_there() -> Option<String> {
    let program = program();
    if Command::new(&program).arg("--version").output().is_err() {
        let why = "nats-server is not there (Debian: apt-get install nats-server)";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("skipped: {why}");
        return None;
    }
    program.to_str().map(str::to_owned)
}

fn program() -> PathBuf {
    // Debian installs it where only root looks for programs.
    let debian = PathBuf::from("/usr/sbin/nats-server");
    if debian.exists() {
        debian
    } else {
        "nats-server".into()
    }
}

/// The ports, from the file that the server writes when it listens.
fn ports(child: &mut Child, folder: &PathBuf) -> Value {
    let mut ports = Value::Null;
    super::support::wait_until("nats-server listens", || {
        assert!(
            child.try_wait().expect("wait").is_none(),
            "nats-server ended"
        );
        let files = std::fs::read_dir(folder).expect("the folder");
        for file in files.flatten() {
            let text = std::fs::read(file.path()).unwrap_or_default();
            ports = serde_json::from_slice(&text).unwrap_or_default();
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        !ports.is_null()
    });
    ports
}
