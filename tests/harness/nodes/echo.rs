//! A blocking echo node on std alone. With `--wrong` it echoes a fixed text.

use std::io::{BufRead, Write, stdin, stdout};

/// The text of a line between two others.
fn between<'a>(line: &'a str, before: &str, after: &str) -> &'a str {
    let rest = line.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or(rest, |(text, _)| text)
}

fn main() {
    let is_wrong = std::env::args().any(|word| word == "--wrong");
    for line in stdin().lock().lines().map_while(Result::ok) {
        let src = between(&line, r#""src":""#, "\"");
        let dest = between(&line, r#""dest":""#, "\"");
        let number = between(&line, r#""msg_id":"#, ",");
        let number = number.trim_end_matches('}');
        let body = if line.contains(r#""type":"init""#) {
            format!(r#"{{"type":"init_ok","in_reply_to":{number}}}"#)
        } else {
            // The tester puts `echo` last.
            let (_, echo) = line.split_once(r#""echo":"#).expect("an echo");
            let (_, echo) = echo.rsplit_once(r#""echo":"#).unwrap_or(("", echo));
            let echo = if is_wrong { "\"no\"" } else { &echo[..echo.len() - 2] };
            format!(r#"{{"type":"echo_ok","in_reply_to":{number},"echo":{echo}}}"#)
        };
        println!(r#"{{"src":"{dest}","dest":"{src}","body":{body}}}"#);
        stdout().flush().expect("a reader");
    }
}
