//! Two nodes in one program. One call is answered, then the second node falls silent.

use session::net::Net;
use std::time::Instant;

fn main() {
    let start = Instant::now();
    let mut net = Net::new(&["n1", "n2"]);
    let proxy = r#"{"src":"c1","dest":"n1","body":{"type":"proxy","msg_id":1,"target":"n2","inner":{"type":"echo","echo":7}}}"#;
    net.send(proxy);
    net.run_until(100);
    net.silent = vec!["n2"];
    net.send(proxy);
    net.run_until(10_000);
    for (at, message) in &net.log {
        let message: serde_json::Value = serde_json::from_str(message).unwrap_or_default();
        let (src, dest) = (message["src"].as_str(), message["dest"].as_str());
        let kind = message["body"]["type"].as_str().unwrap_or_default();
        println!(
            "{at:>5} ms  {} to {}  {kind}",
            src.unwrap_or_default(),
            dest.unwrap_or_default()
        );
    }
    let mut timeouts = 0;
    for _ in 0..1000 {
        let mut net = Net::new(&["n1"]);
        net.send(proxy);
        net.run_until(10_000);
        timeouts += net
            .log
            .iter()
            .filter(|(_, text)| text.contains("error"))
            .count();
    }
    let is_quick = start.elapsed().as_secs() < 100;
    println!(
        "{timeouts} more timeouts of 1 s each, one after the other, in less than 100 s: {is_quick}"
    );
}
