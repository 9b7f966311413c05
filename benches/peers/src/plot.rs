//! The plot: one bar for each node, with a logarithmic length.

use crate::stats::Sample;
use std::fmt::Write;

const BAR: u32 = 18;
const LEFT: f64 = 150.0;
const WIDTH: f64 = 420.0;

/// An SVG of the processor time per short echo.
pub fn plot(names: &[String], samples: &[[Sample; 4]]) -> String {
    let medians: Vec<f64> = samples.iter().map(|own| own[0].spread().median).collect();
    let least = medians.iter().copied().fold(f64::MAX, f64::min) / 2.0;
    let greatest = medians.iter().copied().fold(0.0, f64::max);
    let height = 40 + (BAR + 8) * u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"680\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"680\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"20\" font-weight=\"bold\">CPU per echo over pipes, \
         100-byte lines (µs, logarithmic; shorter is better)</text>\n"
    );
    for (index, (name, median)) in names.iter().zip(&medians).enumerate() {
        let top = 34 + (BAR + 8) * u32::try_from(index).unwrap_or(u32::MAX);
        let length = WIDTH * (median / least).ln() / (greatest / least).ln();
        let fill = if name == "eddyline" {
            "#0a7f8c"
        } else {
            "#b8c4c6"
        };
        let (base, end) = (top + 14, LEFT + length + 6.0);
        let _infallible = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{base}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>\n\
             <text x=\"{end:.0}\" y=\"{base}\">{median:.2}</text>\n",
            LEFT - 8.0,
        );
    }
    svg + "</svg>\n"
}
