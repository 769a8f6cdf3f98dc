//! Line charts in one style: SVG for pages and notebooks, PNG for everything else.
//!
//! White ground, so that a chart reads the same on a light and on a dark page; the colours of Okabe & Ito, which
//! colour-blind readers can tell apart; the font is compiled in (`src/utils/font/`), so no machine needs to have one.

mod axis;
mod draw;

use std::path::Path;
use std::sync::OnceLock;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::fs::{create_dir_all, io_error, rename, write_atomic};
use super::{Error, Result};

pub use axis::{Scale, number};

/// Blue, vermilion, green, purple, orange, sky blue, black: Okabe & Ito 2008 without its yellow, too pale on white.
pub const PALETTE: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x00, 0x00, 0x00),
];

/// A line through points, in the order given; it is broken where a value is not finite.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    color: Option<usize>,
    faint: bool,
    dots: bool,
}

impl Series {
    /// A line; an empty name keeps it out of the legend.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series { name: name.into(), points: points.into_iter().collect(), color: None, faint: false, dots: false }
    }

    /// A colour of [`PALETTE`] instead of the next one.
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
    title: String,
    x_label: String,
    y_label: String,
    series: Vec<Series>,
    references: Vec<(f64, String)>,
    notes: Vec<(f64, f64, String)>,
    x_scale: Scale,
    y_scale: Scale,
    y_range: Option<(f64, f64)>,
    size: (u32, u32),
}

impl Chart {
    /// An empty chart, 800 × 460.
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
            size: (800, 460),
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
        Chart { size: (width.clamp(200, 4000), height.clamp(150, 4000)), ..self }
    }

    /// The chart as SVG.
    pub fn to_svg(&self) -> Result<String> {
        // The backend only knows whole pixels: draw four times as large, and let the viewer scale it down.
        const FINE: u32 = 4;
        let (w, h) = self.size;
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, (w * FINE, h * FINE)), FINE, 0.0)?;
        let large = format!("width=\"{}\" height=\"{}\" viewBox", w * FINE, h * FINE);
        Ok(svg.replacen(&large, &format!("width=\"{w}\" height=\"{h}\" viewBox"), 1))
    }

    /// Writes the chart as SVG, atomically.
    pub fn save_svg(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_svg()?.as_bytes())
    }

    /// Writes the chart as PNG, twice as fine as its size, for screens that show it so.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        const FINE: u32 = 2;
        create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        // The encoder chooses by extension, so the temporary file must end as the real one.
        // Its name is always the same: what a killed process left is overwritten by the next.
        let temporary = path.with_extension("new.png");
        // The bitmap backend centres the box of a text, which lies a little above its middle.
        let backend = BitMapBackend::new(&temporary, (self.size.0 * FINE, self.size.1 * FINE));
        let drawn = self.draw(backend, FINE, 2.0);
        let renamed = drawn
            .and_then(|()| {
                std::fs::File::open(&temporary).and_then(|f| f.sync_all()).map_err(|e| io_error("write", path, e))
            })
            .and_then(|()| rename(&temporary, path));
        if renamed.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        renamed.map_err(|e| e.at(path.display()))
    }

    fn draw<DB: DrawingBackend>(&self, backend: DB, scale: u32, lower: f64) -> Result<()>
    where
        DB::ErrorType: 'static,
    {
        load_font()?;
        let area = backend.into_drawing_area();
        draw::chart(self, &area, f64::from(scale), lower)
            .and_then(|()| area.present())
            .map_err(|e| Error::new(format!("cannot draw the chart: {e}")))
    }
}

/// The name under which the compiled-in font is known; in an SVG, the viewer's own one of that kind is used.
const FONT: &str = "sans-serif";

fn load_font() -> Result<()> {
    static LOADED: OnceLock<bool> = OnceLock::new();
    let bytes = include_bytes!("../font/DejaVuSans-subset.ttf");
    match LOADED.get_or_init(|| register_font(FONT, FontStyle::Normal, bytes).is_ok()) {
        true => Ok(()),
        false => Err(Error::new("the compiled-in font of the charts is damaged")),
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
            "width=\"800\" height=\"460\" viewBox=\"0 0 3200 1840\"",
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
