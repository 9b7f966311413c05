//! Finds the fields of an echo request, again and again: `parse plain 1000`, or
//! `parse fast 1000`. To be run under a counter of instructions.

use serde_json::Value;

fn main() {
    let line = r#"{"id":5,"src":"c1","dest":"n1","body":{"type":"echo","msg_id":1,"echo":"Please echo 42"}}"#;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments
        .get(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(1000);
    let mut found = [0, 0];
    for _ in 0..count {
        if arguments.first().is_none_or(|way| way == "plain") {
            let message: Value = serde_json::from_str(line).unwrap_or_default();
            found[0] += message["body"]["echo"].as_str().map_or(0, str::len);
        }
        if arguments.first().is_none_or(|way| way == "fast") {
            let found_here = outline::outline(line).and_then(|outline| outline.echo);
            found[1] += found_here.map_or(0, |echo| echo.len() - 2);
        }
    }
    println!(
        "plain: {} bytes of echoes, fast: {} bytes of echoes",
        found[0], found[1]
    );
}
