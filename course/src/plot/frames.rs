//! What changes from one picture to the next.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::colors::INK;
use super::page::{Height, Page, Side};
use super::picture::Picture;
use super::text::{TEXT, wrapped};
use crate::html::{Rich, escaped};
use crate::lang;

/// Pictures, or texts in colours and tables, each with a caption: a strip, and in the HTML edition a slider that shows one
/// at a time (buttons, arrow keys, play). On paper and where no script runs, the strip stays.
///
/// ```
/// use motamot_course::html::Tokens;
/// use motamot_course::plot::{Bars, Frames};
///
/// let bars = |t: f64| Bars::new("", "", "p", ["a", "b"]).group("", [1.0 - t, t]);
/// let weights = [0.0, 0.25, 0.5].into_iter().fold(Frames::new(), |f, t| f.picture(bars(t), format!("t = {t}")));
/// let merges = Frames::new()
///     .html(Tokens::new([("a", ""), ("a", "")]), "2 tokens")
///     .html(Tokens::new([("aa", "")]), "1 token");
/// assert!(weights.len() == 3 && merges.len() == 2);
/// ```
#[derive(Clone, Default)]
pub struct Frames {
    frames: Vec<(Frame, String)>,
    stacked: bool,
}

#[derive(Clone)]
enum Frame {
    Picture(Arc<dyn Picture>),
    Html(Arc<dyn Rich + Send + Sync>),
}

/// The width that a frame's picture may take, that of the strip, and the gap between two frames.
const FREE: u32 = 320;
const STRIP: u32 = 1000;
const GAP: u32 = 14;
/// The height of a caption's line.
const LINE: u32 = 17;

impl Frames {
    /// No frame yet.
    pub fn new() -> Frames {
        Frames::default()
    }

    /// Adds a picture. It has the size that was chosen for it, or one that suits a strip.
    pub fn picture(mut self, picture: impl Picture + 'static, caption: impl Into<String>) -> Frames {
        self.frames.push((Frame::Picture(Arc::new(picture)), caption.into()));
        self
    }

    /// Adds [`Tokens`](crate::html::Tokens) or a [`Table`](crate::html::Table). Frames that are all pictures become one
    /// picture, which every site shows; pictures among texts are lost where a site drops pictures in HTML.
    pub fn html(mut self, html: impl Rich + Send + Sync + 'static, caption: impl Into<String>) -> Frames {
        self.frames.push((Frame::Html(Arc::new(html)), caption.into()));
        self
    }

    /// All at once, one under the other, in the HTML edition, too: things to compare rather than steps.
    pub fn stacked(self) -> Frames {
        Frames { stacked: true, ..self }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The pictures, if there is nothing else.
    fn pictures(&self) -> Option<Vec<&dyn Picture>> {
        self.frames
            .iter()
            .map(|(frame, _)| match frame {
                Frame::Picture(picture) => Some(picture.as_ref()),
                Frame::Html(_) => None,
            })
            .collect()
    }

    /// What the slider's buttons say; nothing if there is none.
    fn slider(&self) -> String {
        if self.stacked || self.len() < 2 {
            return String::new();
        }
        format!(" class=\"frames\" data-labels=\"{}\"", escaped(lang().text("show.slider")))
    }

    /// One picture with all pictures in it, in rows.
    fn svg(&self, pictures: &[&dyn Picture]) -> String {
        let sizes: Vec<(u32, u32)> = pictures.iter().map(|p| p.size(FREE)).collect();
        let w = sizes.iter().map(|s| s.0).max().unwrap_or(FREE);
        let captions: Vec<Vec<String>> =
            self.frames.iter().map(|(_, caption)| wrapped(caption, TEXT, f64::from(w) - 20.0)).collect();
        let head = captions.iter().map(|lines| lines.len() as u32 * LINE).max().unwrap_or(0) + 10;
        let h = sizes.iter().map(|s| s.1).max().unwrap_or(60) + head;
        let columns = if self.stacked { 1 } else { ((STRIP + GAP) / (w + GAP)).clamp(1, pictures.len().max(1) as u32) };
        let rows = (pictures.len() as u32).div_ceil(columns).max(1);
        let mut page = Page::default();
        let mut views = Vec::new();
        for (i, picture) in pictures.iter().enumerate() {
            let (column, row) = (i as u32 % columns, i as u32 / columns);
            let (x, y) = (column * (w + GAP), row * (h + GAP));
            page.origin((f64::from(x), f64::from(y)));
            for (line, text) in captions[i].iter().enumerate() {
                let at = (f64::from(w) / 2.0, 8.0 + f64::from(LINE) * line as f64);
                page.text(text, at, TEXT + 1.0, INK, Side::Center, Height::Top);
            }
            let free = w - sizes[i].0;
            page.origin((f64::from(x + free / 2), f64::from(y + head)));
            page.describe(self.frames[i].1.clone());
            picture.draw(&mut page, sizes[i]);
            views.push(format!("{x} {y} {w} {h}"));
        }
        page.origin((0.0, 0.0));
        let size = (columns * (w + GAP) - GAP, rows * (h + GAP) - GAP);
        let slider = match self.slider() {
            slider if slider.is_empty() => slider,
            slider => {
                let captions: Vec<String> = self.frames.iter().map(|f| f.1.replace('|', "¦")).collect();
                let captions = escaped(&captions.join("|"));
                format!("{slider} data-views=\"{}\" data-captions=\"{captions}\"", views.join("|"))
            }
        };
        page.into_svg_with(size, &slider)
    }

    fn figures(&self) -> String {
        // Where a page strips the styles, the frames stand one under the other.
        let columns =
            "display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:.4rem 1.5rem";
        let style = if self.stacked { "display:block" } else { columns };
        let mut html = format!("<div{} style=\"{style}\">\n", self.slider());
        for (frame, caption) in &self.frames {
            let content = match frame {
                Frame::Picture(picture) => picture.to_svg(),
                Frame::Html(html) => html.content(),
            };
            let _ = writeln!(
                html,
                "<figure style=\"margin:0 0 .5rem;min-width:0;overflow-x:auto\"><figcaption \
                 style=\"font-weight:bold;margin:.4rem 0 .1rem\">{}</figcaption>{content}</figure>",
                escaped(caption)
            );
        }
        html + "</div>"
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames.iter().map(|frame| &frame.1)).finish()
    }
}

impl Rich for Frames {
    fn mime(&self) -> &'static str {
        if self.pictures().is_some() { "image/svg+xml" } else { "text/html" }
    }

    fn content(&self) -> String {
        self.pictures().map_or_else(|| self.figures(), |pictures| self.svg(&pictures))
    }

    fn text(&self) -> Option<String> {
        let texts = self.frames.iter().map(|(frame, caption)| match frame {
            Frame::Picture(_) => None,
            Frame::Html(html) => Some(format!("{caption}\n{}\n", html.text()?)),
        });
        texts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bars, Diagram};
    use super::*;
    use crate::html::{Table, Tokens};

    fn bars(value: f64) -> Bars {
        Bars::new("", "", "", ["a"]).group("", [value])
    }

    #[test]
    fn pictures_become_one_picture_with_a_view_of_each() {
        let frames = Frames::new().picture(bars(1.0), "one & only").picture(bars(2.0), "two").picture(bars(3.0), "3");
        assert_eq!((frames.mime(), frames.text(), frames.len()), ("image/svg+xml", None, 3));
        let svg = frames.content();
        assert_eq!(svg.matches("<svg").count(), 1);
        for part in [">one &amp; only<", ">two<", "aria-label=\"one &amp; only. two. 3\"", "class=\"frames\""] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        let of = |name: &str| svg.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap();
        assert_eq!(of("data-captions"), "one &amp; only|two|3");
        let views: Vec<Vec<u32>> =
            of("data-views").split('|').map(|v| v.split(' ').map(|n| n.parse().unwrap()).collect()).collect();
        assert!(views.len() == 3 && views[1][0] >= views[0][2] && views[2][2..] == views[0][2..], "{views:?}");
        let (w, h): (u32, u32) = (of("width").parse().unwrap(), of("height").parse().unwrap());
        assert!(views.iter().all(|v| v[0] + v[2] <= w && v[1] + v[3] <= h) && w <= STRIP, "{views:?} in {w} × {h}");
    }

    #[test]
    fn texts_become_figures_and_text_for_a_terminal() {
        let frames = Frames::new().html(Tokens::new([("a", "")]), "<1>").html(Table::new(["x"]).row(["2"]), "2");
        assert_eq!((frames.mime(), frames.text().as_deref()), ("text/html", Some("<1>\na\n2\nx\n─\n2\n")));
        let html = frames.content();
        assert!(html.starts_with("<div class=\"frames\"") && html.matches("<figure").count() == 2, "{html}");
        assert!(html.contains("&lt;1&gt;") && html.contains("<table>"));
        let mixed = frames.picture(bars(1.0), "p");
        assert!(mixed.mime() == "text/html" && mixed.content().contains("<svg") && mixed.text().is_none());
    }

    #[test]
    fn one_frame_and_what_is_stacked_have_no_slider() {
        let two = Frames::new().picture(Diagram::new("").row(["a"]), "1").picture(Diagram::new("").row(["b"]), "2");
        assert!(two.content().contains("class=\"frames\""));
        let stacked = two.stacked().content();
        assert!(!stacked.contains("class=\"frames\"") && stacked.contains("1. a. 2. b"), "{stacked}");
        assert!(!Frames::new().html(Tokens::new([("a", "")]), "").content().contains("class=\"frames\""));
        assert!(Frames::new().is_empty() && Frames::new().content().ends_with("</svg>\n"));
    }
}
