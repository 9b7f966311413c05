//! Nkeys and credentials.

use super::folder::Folder;
use super::{OnNats, PLAIN_TLS, call, server, url};
use eddyline::{Credentials, Nkey};
use std::os::unix::fs::PermissionsExt as _;

/// The key of a file: its seed, and its public part on the next line.
fn nkey(folder: &Folder, name: &str) -> (Nkey, String) {
    let text = String::from_utf8(folder.read(name)).expect("text");
    let (seed, public) = text.split_once('\n').expect("two lines");
    let nkey = Nkey::from_seed(seed).expect("a seed");
    (nkey, public.trim().to_owned())
}

#[test]
fn a_server_knows_a_node_by_its_nkey_and_refuses_another() {
    let folder = Folder::new("nkeys");
    let (key, public) = nkey(&folder, "n1.nkey");
    assert_eq!(key.public(), public);
    let users = format!("authorization {{ users: [ {{ nkey: {public} }} ] }}");
    let Some(server) = server(&folder, &format!("{PLAIN_TLS}\n{users}")) else {
        return;
    };
    let url = url(&server, "localhost");
    let (ca, own, other) = (
        folder.path("ca.pem"),
        folder.path("n1.nkey"),
        folder.path("other.nkey"),
    );
    let mut node = OnNats::launch(&url, &["--ca-file", &ca, "--nkey-file", &own]);
    node.wait_for("connected to");
    let reply = call(&folder, &url, Credentials::Nkey(key));
    assert!(reply.contains("through TLS"), "{reply}");
    // A file that everyone can read is used, and said.
    let everyone = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&other, everyone).expect("permissions");
    let mut stranger = OnNats::launch(&url, &["--ca-file", &ca, "--nkey-file", &other]);
    stranger.wait_for(&format!(
        "every user of this machine can read it: chmod 600 {other}"
    ));
    let line = stranger.wait_for("Authorization Violation");
    let (_, public) = nkey(&folder, "other.nkey");
    let said = format!("there is no user with the nkey {public}");
    assert!(line.contains(&said), "{line}");
    let mut nameless = OnNats::launch(&url, &["--ca-file", &ca]);
    nameless.wait_for("this node has given no token, user or nkey");
}

#[test]
fn a_server_of_an_operator_knows_a_node_by_its_credentials() {
    let folder = Folder::new("creds");
    let operator = String::from_utf8(folder.read("operator.conf")).expect("text");
    let Some(server) = server(&folder, &format!("{PLAIN_TLS}\n{operator}")) else {
        return;
    };
    let url = url(&server, "localhost");
    let (ca, own) = (folder.path("ca.pem"), folder.path("n1.creds"));
    let mut node = OnNats::launch(&url, &["--ca-file", &ca, "--creds-file", &own]);
    node.wait_for("connected to");
    let creds = String::from_utf8(folder.read("n1.creds")).expect("text");
    let creds = Credentials::from_creds(&creds).expect("credentials");
    let reply = call(&folder, &url, creds);
    assert!(reply.contains("through TLS"), "{reply}");
}
