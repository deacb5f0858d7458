//! Lines over axes, as SVG: nothing that a file of text can't do, on light ground and on dark.

use std::fmt::Write;

use super::scale::{Scale, Unit, extent};

pub(super) const WIDTH: f64 = 760.0;
/// The part within the axes.
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 28.0;
/// A line of the title, and of the names below it.
const LINE: f64 = 16.0;
const BOTTOM: f64 = 44.0;

/// The width of a character of the size that is used, about: what is longer is cut rather than drawn over
/// something else.
const CHARACTER: f64 = 6.6;

/// More points than these are a line, and not marked one by one.
const MARKED: usize = 64;

/// Distinct also for most of the colour-blind: Okabe and Ito. On light ground, and lighter on dark.
const COLOURS: [(&str, &str); 7] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff8c42"),
    ("#009e73", "#3ddbb0"),
    ("#cc79a7", "#e9a3cb"),
    ("#b07700", "#f0b93a"),
    ("#5b4fa3", "#a99df0"),
    ("#777777", "#aaaaaa"),
];

pub(super) type Points = Vec<(f64, f64)>;

/// A line, and the points of it that are marked.
pub(super) struct Line {
    name: String,
    points: Points,
    marks: Points,
}

/// Lines over a pair of axes.
pub(super) struct Panel {
    title: Vec<String>,
    x: Unit,
    y: Unit,
    lines: Vec<Line>,
}

impl Line {
    /// Through points that were measured, each of them marked.
    pub(super) fn through(name: &str, points: Points) -> Line {
        let marks = if points.len() <= MARKED { points.clone() } else { Points::new() };
        Line::marked(name, points, marks)
    }

    pub(super) fn marked(name: &str, points: Points, marks: Points) -> Line {
        Line { name: name.to_owned(), points, marks }
    }
}

/// One picture: panels one below the other.
pub(super) fn svg(panels: &[Panel]) -> String {
    let height: f64 = panels.iter().map(Panel::height).sum();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    style(&mut out);
    out.push_str("<rect width=\"100%\" height=\"100%\" class=\"ground\"/>\n");
    let mut top = 0.0;
    for panel in panels {
        let _ = writeln!(out, "<g transform=\"translate(0 {top})\">");
        panel.draw(&mut out);
        out.push_str("</g>\n");
        top += panel.height();
    }
    out + "</svg>\n"
}

/// Colours by class, so that whoever looks at it in the dark sees others.
fn style(out: &mut String) {
    let rules = |ground: &str, ink: &str, grid: &str, dark: bool| {
        let mut rules =
            format!(".ground{{fill:{ground}}} text{{fill:{ink}}} .grid{{stroke:{grid}}}");
        for (index, colours) in COLOURS.iter().enumerate() {
            let colour = if dark { colours.1 } else { colours.0 };
            let _ = write!(rules, " .line{index}{{stroke:{colour}}} .mark{index}{{fill:{colour}}}");
        }
        rules
    };
    let light = rules("#ffffff", "#1a1a1a", "#dddddd", false);
    let dark = rules("#16181c", "#e6e6e6", "#3a3d44", true);
    let _ = writeln!(
        out,
        "<style>{light} polyline{{fill:none;stroke-width:2}} .grid{{stroke-width:1}}\n\
         @media (prefers-color-scheme: dark){{{dark}}}</style>"
    );
}

impl Panel {
    pub(super) fn new(title: &str, x: Unit, y: Unit) -> Panel {
        Panel { title: wrapped(title, WIDTH - LEFT - RIGHT), x, y, lines: Vec::new() }
    }

    pub(super) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    fn top(&self) -> f64 {
        12.0 + LINE * (self.title.len() + self.lines.len()) as f64
    }

    fn height(&self) -> f64 {
        self.top() + HEIGHT + BOTTOM
    }

    fn draw(&self, out: &mut String) {
        let (top, bottom) = (self.top(), self.top() + HEIGHT);
        for (index, words) in self.title.iter().enumerate() {
            let at = 18.0 + LINE * index as f64;
            text(out, (LEFT, at), "start", " font-weight=\"bold\"", words);
        }
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let x = Scale::new(self.x, extent(all().map(|point| point.0)), LEFT, WIDTH - RIGHT);
        let y = Scale::new(self.y, extent(all().map(|point| point.1)), bottom, top);
        self.axes(out, &x, &y);
        for (index, line) in self.lines.iter().enumerate() {
            let place = |&(px, py): &(f64, f64)| (x.at(px), y.at(py));
            let colour = index % COLOURS.len();
            let mut path = String::new();
            for (px, py) in line.points.iter().map(place) {
                let _ = write!(path, "{px:.1},{py:.1} ");
            }
            let path = path.trim_end();
            let _ = writeln!(out, "<polyline points=\"{path}\" class=\"line{colour}\"/>");
            for (px, py) in line.marks.iter().map(place) {
                mark(out, (px, py), colour);
            }
            let at = 18.0 + LINE * (self.title.len() + index) as f64;
            let _ = writeln!(
                out,
                "<polyline points=\"{LEFT:.1},{0:.1} {1:.1},{0:.1}\" class=\"line{colour}\"/>",
                at - 4.0,
                LEFT + 20.0,
            );
            let room = WIDTH - LEFT - RIGHT - 28.0;
            text(out, (LEFT + 28.0, at), "start", "", &fitted(&line.name, room));
        }
    }

    /// Lines of the grid, each with what it stands for.
    fn axes(&self, out: &mut String, x: &Scale, y: &Scale) {
        let (top, bottom) = (self.top(), self.top() + HEIGHT);
        let mut free = f64::MIN; // Where there is room for a label again.
        for value in x.ticks() {
            let at = x.at(value);
            grid(out, (at, top), (at, bottom));
            let label = self.x.label(value);
            let half = label.chars().count() as f64 * CHARACTER / 2.0;
            if at - half > free {
                text(out, (at, bottom + 18.0), "middle", "", &label);
                free = at + half + CHARACTER;
            }
        }
        for value in y.ticks() {
            let at = y.at(value);
            grid(out, (LEFT, at), (WIDTH - RIGHT, at));
            text(out, (LEFT - 8.0, at + 4.0), "end", "", &self.y.label(value));
        }
    }
}

fn grid(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"grid\"/>"
    );
}

fn mark(out: &mut String, (x, y): (f64, f64), colour: usize) {
    let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" class=\"mark{colour}\"/>");
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{words}</text>"
    );
}

/// As much of it as there is room for, the middle left out.
fn fitted(words: &str, room: f64) -> String {
    let most = (room / CHARACTER) as usize;
    let all: Vec<char> = words.chars().collect();
    if all.len() <= most {
        return words.to_owned();
    }
    let half = (most - 1) / 2;
    all[..half].iter().chain(&['…']).chain(&all[all.len() - half..]).collect()
}

/// In as many lines as it needs, with bold letters, which are wider.
fn wrapped(words: &str, room: f64) -> Vec<String> {
    let most = (room / CHARACTER / 1.1) as usize;
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let word = fitted(word, room / 1.1);
        let line = lines.last_mut().expect("there is always one");
        if line.chars().count() + 1 + word.chars().count() > most && !line.is_empty() {
            lines.push(word);
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_cut_or_goes_on_in_the_next_line() {
        assert_eq!(fitted("short", 100.0), "short");
        assert_eq!(fitted("abcdefghijklmnopqrstuvwxyz", CHARACTER * 9.0), "abcd…wxyz");
        let lines = wrapped(&"word ".repeat(60), 640.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() < 92), "{lines:?}");
    }

    #[test]
    fn a_picture_of_nothing_or_of_one_value_is_still_a_picture() {
        for points in [vec![], vec![(64.0, 1.0)], vec![(0.0, 0.0)]] {
            for (x, y) in [(Unit::Percentile, Unit::Time), (Unit::Second, Unit::Count)] {
                let mut panel = Panel::new("<&>", x, y);
                panel.add(Line::through("one", points.clone()));
                let svg = svg(&[panel]);
                assert!(svg.contains("&lt;&amp;&gt;"));
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
    }
}
