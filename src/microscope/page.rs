//! The page: one HTML file with recordings inside.
//!
//! The template says where each part goes. A browser opens the file from the disk, so
//! nothing in it may come from a network.

use super::code;
use super::recording::Recording;
use serde_json::Value;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// The scripts, each after those that it uses.
const SCRIPTS: [(&str, &str); 27] = [
    ("dom.js", include_str!("page/dom.js")),
    ("recording.js", include_str!("page/recording.js")),
    ("words.js", include_str!("page/words.js")),
    ("marks.js", include_str!("page/marks.js")),
    ("timeline.js", include_str!("page/timeline.js")),
    ("ribbon.js", include_str!("page/ribbon.js")),
    ("sentence.js", include_str!("page/sentence.js")),
    ("kernel.js", include_str!("page/kernel.js")),
    ("reactor.js", include_str!("page/reactor.js")),
    ("wheel.js", include_str!("page/wheel.js")),
    ("tasks.js", include_str!("page/tasks.js")),
    ("buffers.js", include_str!("page/buffers.js")),
    ("connections.js", include_str!("page/connections.js")),
    ("calls.js", include_str!("page/calls.js")),
    ("messages.js", include_str!("page/messages.js")),
    ("code.js", include_str!("page/code.js")),
    ("motion.js", include_str!("page/motion.js")),
    ("panels.js", include_str!("page/panels.js")),
    ("questions.js", include_str!("page/questions.js")),
    ("predict.js", include_str!("page/predict.js")),
    ("link.js", include_str!("page/link.js")),
    ("theme.js", include_str!("page/theme.js")),
    ("compare.js", include_str!("page/compare.js")),
    ("museum.js", include_str!("page/museum.js")),
    ("keys.js", include_str!("page/keys.js")),
    ("help.js", include_str!("page/help.js")),
    ("main.js", include_str!("page/main.js")),
];

/// Makes a page that replays recordings in a browser, from the disk and without a
/// network. The first recording is shown first.
///
/// ```
/// use eddyline::microscope::{page, record};
///
/// let page = page(&[record("echo").expect("it is one of `NAMES`")]);
/// assert!(page.starts_with("<!DOCTYPE html>"));
/// ```
pub fn page(recordings: &[Recording]) -> String {
    museum_page(recordings, &Value::Null)
}

/// Makes a page that asks which fact each recording forgets. `museum` has the facts and
/// the exhibits; the test that makes the bug museum writes them.
pub fn museum_page(recordings: &[Recording], museum: &Value) -> String {
    let code = code::functions();
    // The program has one code: the first recording carries it for all.
    let texts = recordings
        .iter()
        .enumerate()
        .map(|(place, recording)| match place {
            0 => recording.with_code(&code),
            _ => recording.to_json(),
        });
    let recordings = texts.collect::<Vec<String>>().join(",\n");
    // Each part is put in once, and recordings last: a text in them is not searched.
    let scripts = SCRIPTS.map(|(_, script)| script).join("\n");
    let page = PAGE.split_once("-->").map_or(PAGE, |(_, page)| page);
    page.trim_start()
        .replacen("/*STYLE*/", STYLE, 1)
        .replacen("/*SCRIPTS*/", &scripts, 1)
        .replacen("/*MUSEUM*/", &museum.to_string().replace('<', "\\u003c"), 1)
        // Else a text could end the script element that it stands in.
        .replacen(
            "/*RECORDINGS*/",
            &format!("[{recordings}]").replace('<', "\\u003c"),
            1,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_those_of_the_template_in_its_order() {
        let head = PAGE.split_once("-->").unwrap().0;
        let listed = head.split_once("in this order:").unwrap().1;
        let listed = listed.split_whitespace().take(SCRIPTS.len());
        assert!(listed.eq(SCRIPTS.iter().map(|(name, _)| *name)));
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/microscope/page");
        let scripts = std::fs::read_dir(folder).unwrap().filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|end| end == "js")
        });
        assert_eq!(scripts.count(), SCRIPTS.len());
    }

    #[test]
    fn no_text_of_a_recording_ends_its_script() {
        let text = super::super::record("echo").unwrap().to_json();
        let text = text.replacen("An echo", "</script><b>/*SCRIPTS*/", 1);
        let page = page(&[Recording::from_json(&text).unwrap()]);
        assert!(page.contains("\\u003c/script>\\u003cb>/*SCRIPTS*/"));
        assert!(!page.contains("/*STYLE*/") && !page.contains("/*RECORDINGS*/"));
    }
}
