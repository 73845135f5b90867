//! A report as a picture: bars with the range of the rounds, one panel for each measure.

use std::fmt::Write as _;

use super::measure::{Better, Measure, figure};
use super::report::{Report, Row};

const PANELS: [Measure; 8] = [
    Measure::Tcp1,
    Measure::Tcp8,
    Measure::Udp64,
    Measure::Udp1400,
    Measure::PingP50,
    Measure::LoadedP99,
    Measure::TunnelCpu,
    Measure::LoadRss,
];

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 20.0;
const NAMES: f64 = 130.0;
/// For the figure behind a bar.
const FIGURE: f64 = 74.0;
const HEAD: f64 = 80.0;
const PANEL_HEAD: f64 = 34.0;
const LINE: f64 = 19.0;
const BAR: f64 = 12.0;
const COLUMNS: usize = 2;

/// All of a report; readable on white and on black.
#[must_use]
pub fn svg(report: &Report) -> String {
    let panels: Vec<(Measure, Vec<&Row>)> = PANELS
        .into_iter()
        .map(|measure| (measure, report.rows.iter().filter(|row| row.median(measure).is_some()).collect::<Vec<_>>()))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let height_of = |rows: usize| PANEL_HEAD + rows as f64 * LINE + MARGIN;
    let width = (WIDTH - MARGIN * (COLUMNS as f64 + 1.0)) / COLUMNS as f64;
    let (mut body, mut top) = (String::new(), HEAD);
    for pair in panels.chunks(COLUMNS) {
        for (column, (measure, rows)) in pair.iter().enumerate() {
            let left = MARGIN + column as f64 * (width + MARGIN);
            body.push_str(&panel(*measure, rows, left, top, width));
        }
        top += pair.iter().map(|(_, rows)| height_of(rows.len())).fold(0.0, f64::max);
    }
    let rounds = if report.rounds == 1 {
        "one round".to_owned()
    } else {
        format!("medians of {} rounds with their range", report.rounds)
    };
    let measured = format!("{rounds}; load by {}", report.load);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top:.0}\" viewBox=\"0 0 {WIDTH} {top:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<style>text{{fill:#222}}.dim{{fill:#666}}.ours{{fill:#0b6e4f}}\
         .other{{fill:#9aa7b0}}.range{{stroke:#444;stroke-width:1.2}}.paper{{fill:#fff}}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text x=\"{MARGIN}\" y=\"26\" font-size=\"17\" font-weight=\"bold\">zt and other tunnels</text>\n\
         <text class=\"dim\" x=\"{MARGIN}\" y=\"46\">{}</text>\n\
         <text class=\"dim\" x=\"{MARGIN}\" y=\"62\">{}</text>\n{body}</svg>\n",
        escaped(&report.machine.line()),
        escaped(&measured)
    )
}

fn panel(measure: Measure, rows: &[&Row], left: f64, top: f64, width: f64) -> String {
    let better = if measure.better() == Better::More { "more is better" } else { "less is better" };
    let mut text = format!(
        "<text x=\"{left:.1}\" y=\"{:.1}\" font-weight=\"bold\">{}, {} <tspan class=\"dim\" font-weight=\"normal\">({better})</tspan></text>\n",
        top + 18.0,
        escaped(measure.title()),
        escaped(measure.unit()),
    );
    let most =
        rows.iter().filter_map(|row| row.series.get(&measure)?.range()).map(|(_, most)| most).fold(0.0, f64::max);
    let room = width - NAMES - FIGURE;
    let scale = if most > 0.0 { room / most } else { 0.0 };
    let start = left + NAMES;
    for (number, row) in rows.iter().enumerate() {
        let Some(series) = row.series.get(&measure) else { continue };
        let (Some(median), Some((least, most))) = (series.median(), series.range()) else { continue };
        let y = top + PANEL_HEAD + number as f64 * LINE;
        let (middle, base) = (y + BAR / 2.0, y + BAR - 1.5);
        let class = if row.id.starts_with("ours") { "ours" } else { "other" };
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>",
            start - 6.0,
            escaped(row.id)
        );
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{start:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>",
            (median * scale).max(0.5)
        );
        let _ = writeln!(
            text,
            "<line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>",
            start + least * scale,
            start + most * scale
        );
        let _ = writeln!(
            text,
            "<text class=\"dim\" x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
            start + most * scale + 6.0,
            figure(median)
        );
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::report::Section;
    use super::super::report::made_up::{report, row};
    use super::*;

    /// Names of the elements that are open at the end; panics at one that closes another.
    fn open_elements(text: &str) -> Vec<&str> {
        let mut open = Vec::new();
        for part in text.split('<').skip(1) {
            let (tag, _) = part.split_once('>').expect("a tag ends");
            let name = tag.split([' ', '/']).find(|word| !word.is_empty()).expect("a tag has a name");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "{text}");
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        open
    }

    #[test]
    fn a_picture_is_whole_and_its_bars_are_in_proportion() {
        let ours = row("ours", Section::Direct, &[(Measure::Tcp1, &[100.0]), (Measure::LoadRss, &[10.0, 12.0])]);
        let raw = row("raw", Section::Direct, &[(Measure::Tcp1, &[200.0])]);
        let picture = svg(&report(vec![ours, raw]));
        assert_eq!(open_elements(&picture), Vec::<&str>::new());
        assert!(picture.contains("Some &lt;CPU&gt;") && !picture.contains("<CPU>"));
        let widths: Vec<f64> = picture
            .lines()
            .filter(|line| line.starts_with("<rect class=\"o"))
            .filter_map(|line| line.split("width=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(widths.len(), 3);
        assert!((widths[1] / widths[0] - 2.0).abs() < 0.01, "{widths:?}");
    }

    #[test]
    fn a_report_without_figures_is_a_picture_too() {
        assert_eq!(open_elements(&svg(&report(Vec::new()))), Vec::<&str>::new());
    }
}
