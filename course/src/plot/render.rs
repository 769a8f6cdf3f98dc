//! From the marks of a page to a file: SVG written here, PNG through `plotters`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::Pos;
use plotters::style::{FontStyle, FontTransform, register_font};

use super::page::{At, HPos, Mark, Page, VPos};
use super::{Picture, WIDTH};
use motamot::utils::fs::{create_dir_all, io_error, rename};
use motamot::utils::{Error, Result};

/// The name under which the compiled-in font is known; in an SVG, the viewer's own one of that kind is used.
pub(super) const FONT: &str = "sans-serif";
/// The height that the font library wants for a font of size 1: from the lowest descender to the highest accent.
pub(super) const PER_EM: f64 = 1.164;

pub(super) fn load_font() -> Result<()> {
    static LOADED: OnceLock<bool> = OnceLock::new();
    let bytes = include_bytes!("../font/DejaVuSans-subset.ttf");
    match LOADED.get_or_init(|| register_font(FONT, FontStyle::Normal, bytes).is_ok()) {
        true => Ok(()),
        false => Err(Error::new("the compiled-in font of the pictures is damaged")),
    }
}

/// The page of a picture that stands alone.
fn page(picture: &dyn Picture) -> Result<(Page, (u32, u32))> {
    load_font()?;
    let (size, mut page) = (picture.size(WIDTH), Page::default());
    picture.draw(&mut page, size);
    Ok((page, size))
}

/// A picture as SVG.
pub fn to_svg(picture: &dyn Picture) -> Result<String> {
    let (page, (w, h)) = page(picture)?;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
         font-family=\"{FONT}\">\n<rect width=\"{w}\" height=\"{h}\" fill=\"#FFFFFF\"/>\n"
    );
    for mark in &page.marks {
        svg_mark(&mut svg, mark);
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn svg_mark(svg: &mut String, mark: &Mark) {
    match mark {
        Mark::Line { points, color, width } => {
            let _ = write!(svg, "<path fill=\"none\" stroke=\"{}\"", hex(color.rgb()));
            opacity(svg, "stroke", color);
            let _ = write!(svg, " stroke-width=\"{}\" d=\"", Short(*width));
            for (i, p) in points.iter().enumerate() {
                let _ = write!(svg, "{}{} {}", if i == 0 { 'M' } else { 'L' }, Short(p.0), Short(p.1));
            }
            svg.push_str("\"/>\n");
        }
        Mark::Blocks { blocks, color } => {
            let _ = write!(svg, "<path fill=\"{}\"", hex(color.rgb()));
            opacity(svg, "fill", color);
            // No seams between neighbours.
            svg.push_str(if blocks.len() > 1 { " shape-rendering=\"crispEdges\" d=\"" } else { " d=\"" });
            for [x, y, w, h] in blocks.iter().copied() {
                let _ = write!(svg, "M{} {}h{}v{}h{}z", Short(x), Short(y), Short(w), Short(h), Short(-w));
            }
            svg.push_str("\"/>\n");
        }
        Mark::Dot { at, radius, color } => {
            let (x, y) = (Short(at.0), Short(at.1));
            let _ = write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{}\" fill=\"{}\"", Short(*radius), hex(color.rgb()));
            opacity(svg, "fill", color);
            svg.push_str("/>\n");
        }
        Mark::Text { text, at, size, color, h, turned } => {
            let (x, y) = (Short(at.0), Short(at.1));
            let _ =
                write!(svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"", Short(*size), hex(color.rgb()));
            match h {
                HPos::Left => {}
                HPos::Center => svg.push_str(" text-anchor=\"middle\""),
                HPos::Right => svg.push_str(" text-anchor=\"end\""),
            }
            if *turned {
                let _ = write!(svg, " transform=\"rotate(-90 {x} {y})\"");
            }
            let _ = writeln!(svg, ">{}</text>", crate::html::escaped(text));
        }
    }
}

fn opacity(svg: &mut String, of: &str, color: &RGBAColor) {
    if color.3 < 1.0 {
        let _ = write!(svg, " {of}-opacity=\"{}\"", Short(color.3));
    }
}

fn hex((r, g, b): (u8, u8, u8)) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// A number with at most two decimals, as short as it gets.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        let (whole, rest) = (hundredths.abs() / 100, hundredths.abs() % 100);
        let sign = if hundredths < 0 { "-" } else { "" };
        match (rest, rest % 10) {
            (0, _) => write!(f, "{sign}{whole}"),
            (_, 0) => write!(f, "{sign}{whole}.{}", rest / 10),
            _ => write!(f, "{sign}{whole}.{rest:02}"),
        }
    }
}

/// Writes a picture as PNG, twice as fine as its size.
pub(super) fn save_png(picture: &dyn Picture, path: &Path) -> Result<()> {
    const FINE: u32 = 2;
    let (page, (w, h)) = page(picture)?;
    create_dir_all(path.parent().unwrap_or(Path::new("")))?;
    // The encoder chooses by extension, so the temporary file must end as the real one.
    // Its name is always the same: what a killed process left is overwritten by the next.
    let temporary = path.with_extension("new.png");
    let area = BitMapBackend::new(&temporary, (w * FINE, h * FINE)).into_drawing_area();
    let drawn = area
        .fill(&WHITE)
        .and_then(|()| page.marks.iter().try_for_each(|mark| png_mark(&area, mark, f64::from(FINE))))
        .and_then(|()| area.present())
        .map_err(|e| Error::new(format!("cannot draw the picture: {e}")));
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

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn png_mark<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, mark: &Mark, scale: f64) -> Drawn<DB> {
    let pixel = |(x, y): At| ((x * scale).round() as i32, (y * scale).round() as i32);
    match mark {
        Mark::Line { points, color, width } => {
            let style = color.stroke_width((width * scale).round().max(1.0) as u32);
            area.draw(&PathElement::new(points.iter().map(|&p| pixel(p)).collect::<Vec<_>>(), style))
        }
        Mark::Blocks { blocks, color } => blocks.iter().try_for_each(|&[x, y, w, h]| {
            // The last pixel is filled, too.
            let ((x0, y0), (x1, y1)) = (pixel((x, y)), pixel((x + w, y + h)));
            area.draw(&Rectangle::new([(x0, y0), ((x1 - 1).max(x0), (y1 - 1).max(y0))], color.filled()))
        }),
        Mark::Dot { at, radius, color } => {
            area.draw(&Circle::new(pixel(*at), (radius * scale).round() as i32, color.filled()))
        }
        Mark::Text { text, at, size, color, h, turned } => {
            let size = size * PER_EM * scale;
            // Text that hangs from a place has its baseline half its height lower.
            let (x, y) = pixel(*at);
            let lower = (size / 2.0) as i32;
            let (at, turn) = match turned {
                false => ((x, y - lower), FontTransform::None),
                true => ((x - lower, y), FontTransform::Rotate270),
            };
            let style = (FONT, size).into_font().transform(turn).color(color).pos(Pos::new(*h, VPos::Top));
            area.draw(&Text::new(text.clone(), at, style))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let short = |v| Short(v).to_string();
        assert_eq!([3.0, -0.5, 2.256, -0.001, 0.07].map(short), ["3", "-0.5", "2.26", "0", "0.07"]);
    }
}
