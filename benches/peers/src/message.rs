//! The requests to the nodes.

/// A payload that makes the line about 100 bytes long.
pub const SHORT: &str = "Please echo 35 and more";

/// An echo request in the format of Maelstrom, with its newline.
pub fn line(payload: &str) -> Vec<u8> {
    format!(
        "{{\"id\":42,\"src\":\"c1\",\"dest\":\"n1\",\"body\":{{\"type\":\"echo\",\"msg_id\":1234,\"echo\":\"{payload}\"}}}}\n"
    )
    .into_bytes()
}

/// The same as nodes and clients on NATS write it: `src` comes first.
pub fn line_by_nats(payload: &str) -> Vec<u8> {
    let line = String::from_utf8_lossy(&line(payload)).replacen("\"id\":42,", "", 1);
    line.into_bytes()
}

/// The first message to a node.
pub const INIT: &[u8] = b"{\"id\":0,\"src\":\"c0\",\"dest\":\"n1\",\"body\":{\"type\":\"init\",\"msg_id\":1,\"node_id\":\"n1\",\"node_ids\":[\"n1\"]}}\n";
