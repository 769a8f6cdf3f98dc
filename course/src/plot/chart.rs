//! Line charts.

use super::axis::Scale;
use super::page::Page;
use super::{Picture, lines, sane, usual};

/// A line through points, in the order given; it is broken where a value is not finite.
#[derive(Clone, Debug)]
pub struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) color: Option<usize>,
    pub(super) faint: bool,
    pub(super) dots: bool,
}

impl Series {
    /// A line; an empty name keeps it out of the legend.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series { name: name.into(), points: points.into_iter().collect(), color: None, faint: false, dots: false }
    }

    /// A colour of [`PALETTE`](super::PALETTE) instead of the next one.
    pub fn color(self, index: usize) -> Series {
        Series { color: Some(index), ..self }
    }

    /// Thin and pale: raw values behind their average.
    pub fn faint(self) -> Series {
        Series { faint: true, ..self }
    }

    /// A dot on each point.
    pub fn dots(self) -> Series {
        Series { dots: true, ..self }
    }
}

/// A chart: built up, then rendered.
#[derive(Clone, Debug)]
pub struct Chart {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) series: Vec<Series>,
    pub(super) references: Vec<(f64, String)>,
    pub(super) notes: Vec<(f64, f64, String)>,
    pub(super) x_scale: Scale,
    pub(super) y_scale: Scale,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) size: Option<(u32, u32)>,
}

impl Chart {
    /// An empty chart, 800 × 460 if it stands alone.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Chart {
        Chart {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            series: Vec::new(),
            references: Vec::new(),
            notes: Vec::new(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            y_range: None,
            size: None,
        }
    }

    /// Adds a line.
    pub fn series(mut self, series: Series) -> Chart {
        self.series.push(series);
        self
    }

    /// Adds a dashed horizontal line with a label: something to compare with.
    pub fn reference(mut self, y: f64, label: impl Into<String>) -> Chart {
        self.references.push((y, label.into()));
        self
    }

    /// Adds a dot with a label beside it.
    pub fn note(mut self, x: f64, y: f64, label: impl Into<String>) -> Chart {
        self.notes.push((x, y, label.into()));
        self
    }

    /// A logarithmic x axis; points that are not positive are left out.
    pub fn log_x(self) -> Chart {
        Chart { x_scale: Scale::Log, ..self }
    }

    /// A logarithmic y axis.
    pub fn log_y(self) -> Chart {
        Chart { y_scale: Scale::Log, ..self }
    }

    /// The values to show; lines are cut at the edges. Without it, all of them.
    pub fn y_range(self, low: f64, high: f64) -> Chart {
        Chart { y_range: Some((low, high)), ..self }
    }

    /// Width and height in pixels of the page.
    pub fn size(self, width: u32, height: u32) -> Chart {
        Chart { size: sane(width, height), ..self }
    }
}

impl Picture for Chart {
    fn size(&self, free: u32) -> (u32, u32) {
        self.size.unwrap_or_else(|| usual(free))
    }

    fn draw(&self, page: &mut Page, size: (u32, u32)) {
        lines::draw(self, page, size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Chart {
        let line = (1..200).map(|i| (f64::from(i), 4.0 / f64::from(i).sqrt() + 2.0));
        Chart::new("A title", "step", "bits per byte").series(Series::new("train", line)).reference(2.4, "5-gram")
    }

    #[test]
    fn an_svg_has_its_texts_its_lines_and_its_size() {
        let svg = sample().to_svg().unwrap();
        for text in [
            "A title",
            "step",
            "bits per byte",
            "5-gram",
            "#0072B2",
            "width=\"800\" height=\"460\" viewBox=\"0 0 800 460\"",
        ] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn nothing_strange_in_the_values_can_break_a_chart() {
        let nan = f64::NAN;
        let strange = [(0.0, nan), (1.0, 3.0), (2.0, f64::INFINITY), (nan, 1.0), (-4.0, -1.0), (3.0, 1e300)];
        for points in [vec![], vec![(1.0, 1.0)], vec![(0.0, 0.0); 3], strange.to_vec()] {
            let chart = Chart::new("", "", "").series(Series::new("<&>", points.clone()).dots()).reference(nan, "none");
            for chart in [chart.clone(), chart.clone().log_x(), chart.clone().log_y(), chart.y_range(3.0, 3.0)] {
                assert!(chart.to_svg().unwrap().contains("</svg>"));
            }
        }
    }

    #[test]
    fn a_png_is_written_whole_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plots/loss.png");
        sample().save_png(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&bytes[16..24], [0, 0, 6, 64, 0, 0, 3, 152]);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(sample().save_png(dir.path()).is_err());
    }
}
