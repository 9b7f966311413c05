//! Checks that the real binary, over pipes, gives the expected output for each
//! conversation in `tests/cases`, however its input is split.

mod support;

use serde_json::Value;
use std::path::Path;
use support::{Ending, Launch};

struct Case {
    name: String,
    input: Vec<u8>,
    output: Vec<Value>,
}

/// Every pair of files in tests/cases.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("tests/cases")
        .filter_map(|entry| {
            let file = entry.expect("an entry").file_name();
            let name = file.to_str()?.strip_suffix(".in.jsonl")?;
            Some(name.to_owned())
        })
        .collect();
    names.sort();
    let read = |name: &str, end: &str| {
        let path = folder.join(format!("{name}.{end}"));
        std::fs::read_to_string(path).expect("both files of a case")
    };
    let case = |name: String| Case {
        input: read(&name, "in.jsonl").into_bytes(),
        output: read(&name, "out.jsonl").lines().map(parse).collect(),
        name,
    };
    names.into_iter().map(case).collect()
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

impl Case {
    /// Writes the input in pieces. The node reads each piece separately.
    fn run<'a>(&self, how: &str, pieces: impl IntoIterator<Item = &'a [u8]>) {
        let mut node = Launch::new().start();
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                node.wait_until_input_is_read();
            }
            node.write(piece);
        }
        self.check(how, &node.finish());
    }

    /// How many requests of the input have no reply in the output.
    fn unanswered(&self) -> usize {
        let input = String::from_utf8_lossy(&self.input);
        let requests = input.lines().map(parse);
        let requests = requests.filter(|line| line["body"].get("in_reply_to").is_none());
        let replies = self.output.iter();
        let replies = replies.filter(|line| line["body"].get("in_reply_to").is_some());
        requests.count() - replies.count()
    }

    fn check(&self, how: &str, ending: &Ending) {
        let found: Vec<Value> = ending.stdout.iter().map(|line| parse(line)).collect();
        assert_eq!(found, self.output, "{} {how}", self.name);
        // A request whose call gets no reply gets none itself, and is counted.
        let unanswered: Vec<String> = match self.unanswered() {
            0 => Vec::new(),
            count => vec![support::unanswered(count)],
        };
        assert_eq!(ending.stderr, unanswered, "{} {how}", self.name);
    }
}

/// One function runs all cases in sequence, because several of them use port 8080.
#[test]
fn every_case_gives_its_output_however_its_input_arrives() {
    let cases = cases();
    assert!(!cases.is_empty(), "there are no cases");
    for case in &cases {
        let input = &case.input[..];
        case.run("whole", [input]);
        case.run("a byte a write", input.chunks(1));
        for at in 1..input.len() {
            let (head, tail) = input.split_at(at);
            case.run(&format!("split at byte {at}"), [head, tail]);
        }
    }
}
