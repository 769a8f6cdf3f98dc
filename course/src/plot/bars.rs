//! Bars: one value for each label, or several side by side.

use super::axis::Scale;
use super::page::Page;
use super::{Picture, bars_draw, sane, usual};

/// A bar chart: built up, then rendered.
///
/// Standing bars suit short labels: long ones are turned. Lying bars ([`Bars::horizontal`]) have room for long labels.
#[derive(Clone, Debug)]
pub struct Bars {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) labels: Vec<String>,
    pub(super) groups: Vec<(String, Vec<f64>)>,
    pub(super) references: Vec<(f64, String)>,
    pub(super) horizontal: bool,
    pub(super) digits: Option<usize>,
    pub(super) scale: Scale,
    size: Option<(u32, u32)>,
}

impl Bars {
    /// Bars under these labels; `x_label` names the labels, `y_label` the values.
    pub fn new(
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
        labels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Bars {
        Bars {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            labels: labels.into_iter().map(Into::into).collect(),
            groups: Vec::new(),
            references: Vec::new(),
            horizontal: false,
            digits: None,
            scale: Scale::Linear,
            size: None,
        }
    }

    /// Adds a value for each label; several groups stand side by side, and the legend names them. An empty name keeps a
    /// group out of the legend.
    pub fn group(mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Bars {
        self.groups.push((name.into(), values.into_iter().collect()));
        self
    }

    /// Lays the bars down, the first one on top; the names of the axes go with their axes.
    pub fn horizontal(self) -> Bars {
        Bars { horizontal: true, ..self }
    }

    /// Prints the values at the bars, with so many decimals.
    pub fn digits(self, decimals: usize) -> Bars {
        Bars { digits: Some(decimals.min(12)), ..self }
    }

    /// Adds a dashed line at a value, with a label: something to compare with.
    pub fn reference(mut self, value: f64, label: impl Into<String>) -> Bars {
        self.references.push((value, label.into()));
        self
    }

    /// A logarithmic axis for the values; those that are not positive have no bar.
    pub fn log(self) -> Bars {
        Bars { scale: Scale::Log, ..self }
    }

    /// Width and height in pixels of the page.
    pub fn size(self, width: u32, height: u32) -> Bars {
        Bars { size: sane(width, height), ..self }
    }

    /// How many places for bars there are.
    pub(super) fn places(&self) -> usize {
        self.groups.iter().map(|g| g.1.len()).fold(self.labels.len(), usize::max)
    }
}

impl Picture for Bars {
    fn size(&self, free: u32) -> (u32, u32) {
        let (w, h) = usual(free);
        let lying = || {
            let bars = self.places().max(1) as u32;
            let each = if self.groups.len() > 1 { 15 * self.groups.len() as u32 + 9 } else { 27 };
            (w, (130 + each.saturating_mul(bars)).clamp(180, 1400))
        };
        self.size.unwrap_or_else(|| if self.horizontal { lying() } else { (w, h) })
    }

    fn draw(&self, page: &mut Page, size: (u32, u32)) {
        bars_draw::draw(self, page, size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_labels_groups_values_and_references() {
        let bars = Bars::new("Heads", "head", "entropy (bits)", ["first", "<b>&"])
            .group("trained", [1.5, -0.25])
            .group("random", [3.0, 2.0])
            .digits(2)
            .reference(2.5, "uniform");
        for bars in [bars.clone(), bars.horizontal()] {
            let svg = bars.to_svg().unwrap();
            for text in ["Heads", "head", "entropy (bits)", "first", "&lt;b&gt;&amp;", "trained", "random", "uniform"] {
                assert!(svg.contains(text), "{text} in {svg}");
            }
            for value in [">1.50<", ">−0.25<", ">3.00<", ">2.00<"] {
                assert!(svg.contains(value), "{value} in {svg}");
            }
            assert_eq!(svg.matches("fill=\"#0072B2\"").count(), 3, "two bars and the legend");
            assert!(!svg.contains("<b>"));
        }
    }

    #[test]
    fn nothing_strange_can_break_bars() {
        let strange = [f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, f64::NEG_INFINITY];
        for values in [vec![], vec![0.0], vec![f64::NAN], strange.to_vec(), vec![1e-9; 300]] {
            for labels in [vec![], vec!["one"], vec!["a very long label that never fits anywhere"; 300]] {
                let bars =
                    Bars::new("", "", "", labels).group("", values.clone()).digits(3).reference(f64::NAN, "none");
                for bars in [bars.clone(), bars.clone().log(), bars.clone().size(1, 1), bars.clone().group("b", [2.0])]
                {
                    assert!(bars.to_svg().unwrap().ends_with("</svg>\n"));
                    assert!(bars.horizontal().to_svg().unwrap().ends_with("</svg>\n"));
                }
            }
        }
    }

    #[test]
    fn many_labels_are_thinned() {
        let svg = Bars::new("", "", "", (0..500).map(|i| i.to_string())).group("", vec![1.0; 500]).to_svg().unwrap();
        let texts = svg.matches("<text").count();
        assert!((10..80).contains(&texts), "{texts} texts");
    }
}
