//! The page: one HTML file with recordings inside.

use super::code;
use super::recording::Recording;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// Makes a page that replays recordings in a browser, from the disk and without a
/// network. The first recording is shown first.
pub fn page(recordings: &[Recording]) -> String {
    let code = code::functions().to_string();
    let texts: Vec<String> = recordings.iter().map(|recording| with_code(recording, &code)).collect();
    let recordings = format!("[{}]", texts.join(","));
    PAGE.replace("/*STYLE*/", STYLE)
        .replace("/*RECORDINGS*/", &recordings.replace("</", "<\\/"))
}

/// The recording's text with the functions in it.
fn with_code(recording: &Recording, code: &str) -> String {
    recording.to_json().replacen('{', &format!("{{\"code\": {code},"), 1)
}
