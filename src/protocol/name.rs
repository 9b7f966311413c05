//! The names of Maelstrom's services.

/// Maelstrom's built-in services, which every node may call.
const SERVICES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// Whether `name` is one of Maelstrom's services.
///
/// ```
/// assert!(eddyline::protocol::is_service("lin-kv"));
/// assert!(!eddyline::protocol::is_service("n1"));
/// ```
pub fn is_service(name: &str) -> bool {
    SERVICES.contains(&name)
}
