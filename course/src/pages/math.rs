//! Formulas: LaTeX to MathML for pages, to readable text for a terminal.

use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

/// A formula as MathML; what is wrong with it, if it is not understood.
pub fn mathml(latex: &str, display: bool) -> Result<String, String> {
    let converter = LatexToMathML::new(MathCoreConfig::default()).map_err(|e| e.0.to_string())?;
    let display = if display { MathDisplay::Block } else { MathDisplay::Inline };
    Ok(converter.convert_with_local_state(latex.trim(), display).map_err(|e| e.to_string())?.mathml)
}

/// Commands and the signs that they are, by pairs. Any other command is its own name, such as `\log`.
const SIGNS: &str = "\
    alpha α  beta β  gamma γ  delta δ  epsilon ε  varepsilon ε  eta η  theta θ  kappa κ  lambda λ  mu μ  nu ν \
    xi ξ  pi π  rho ρ  sigma σ  tau τ  phi φ  varphi φ  chi χ  psi ψ  omega ω  Gamma Γ  Delta Δ  Theta Θ \
    Lambda Λ  Sigma Σ  Phi Φ  Psi Ψ  Omega Ω  sum Σ  prod Π  int ∫  partial ∂  nabla ∇  infty ∞  top ᵀ \
    intercal ᵀ  ell ℓ  prime ′  circ ∘  hbar ℏ  forall ∀  exists ∃  emptyset ∅  neg ¬  dots …  ldots …  cdots ⋯ \
    vdots ⋮  ddots ⋱  lfloor ⌊  rfloor ⌋  lceil ⌈  rceil ⌉  langle ⟨  rangle ⟩  lVert ‖  rVert ‖  Vert ‖  | ‖ \
    lvert |  rvert |  vert |  { {  } }  % %  _ _  # #  $ $  & &";

/// The same for signs that stand between two things, with a space on both sides.
const RELATIONS: &str = "\
    cdot ·  times ×  odot ⊙  otimes ⊗  oplus ⊕  div ÷  pm ±  mp ∓  le ≤  leq ≤  ge ≥  geq ≥  ll ≪  gg ≫  ne ≠ \
    neq ≠  approx ≈  simeq ≃  equiv ≡  sim ~  propto ∝  in ∈  notin ∉  subset ⊂  cup ∪  cap ∩  to → \
    rightarrow →  longrightarrow ⟶  leftarrow ←  gets ←  leftrightarrow ↔  mapsto ↦  Rightarrow ⇒ \
    Longrightarrow ⟹  implies ⟹  Leftrightarrow ⇔  iff ⟺  mid |  parallel ∥  land ∧  lor ∨";

const SPACES: [&str; 6] = [",", ";", ":", " ", "quad", "qquad"];

/// Commands that say how, not what.
const SILENT: &str = "! limits nolimits displaystyle textstyle left right middle big Big bigg Bigg bigl bigr Bigl Bigr";

const SUBSCRIPTS: [&str; 2] = ["0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"];
const SUPERSCRIPTS: [&str; 2] =
    ["0123456789+-=()abcdefghijklmnoprstuvwxyzTᵀ′", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀᵀ′"];

/// A formula as readable text: `\frac{a}{b}` is a/b, `x_{t-1}` is xₜ₋₁. Rows of an environment are lines.
pub fn text(latex: &str) -> String {
    let mut reader = Reader { rest: latex.trim(), gap: false };
    let text = reader.sequence(false);
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    lines.join("\n").trim().to_owned()
}

struct Reader<'a> {
    rest: &'a str,
    /// After a fraction or a root: what is not part of it needs a space.
    gap: bool,
}

impl<'a> Reader<'a> {
    /// Everything, or everything up to the brace that closes the group.
    fn sequence(&mut self, group: bool) -> String {
        let mut out = String::new();
        while let Some(c) = self.rest.chars().next() {
            if c == '}' && group {
                self.rest = &self.rest[1..];
                break;
            }
            match c {
                '_' | '^' => {
                    self.rest = &self.rest[1..];
                    let script = self.argument();
                    out.truncate(out.trim_end().len());
                    out += &scripted(c, &script);
                }
                _ => {
                    let (before, gap) = (out.len(), std::mem::take(&mut self.gap));
                    self.atom(&mut out);
                    if gap && out[before..].starts_with(|c: char| c.is_alphanumeric() || "√∂(".contains(c)) {
                        out.insert(before, ' ');
                    }
                }
            }
        }
        out
    }

    /// One sign, group or command with its arguments.
    fn atom(&mut self, out: &mut String) {
        let Some(c) = self.rest.chars().next() else { return };
        self.rest = &self.rest[c.len_utf8()..];
        match c {
            '{' => *out += &self.sequence(true),
            '\\' => self.command(out),
            '&' => out.push(' '),
            '~' | '\n' => out.push(' '),
            '\'' => out.push('′'),
            // A minus between two things, not the sign of one.
            '-' if !out.trim_end().is_empty()
                && !out.trim_end().ends_with(['(', '[', '{', '=', ',', '|', '<', '·']) =>
            {
                *out += " − ";
            }
            '-' => out.push('−'),
            '=' | '+' | '<' | '>' => {
                out.push(' ');
                out.push(c);
                out.push(' ');
            }
            _ => out.push(c),
        }
    }

    fn command(&mut self, out: &mut String) {
        let letters = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let length = if letters > 0 { letters } else { self.rest.chars().next().map_or(0, char::len_utf8) };
        let (name, rest) = self.rest.split_at(length);
        // A space ends the name, and is not one.
        self.rest = if letters > 0 { rest.trim_start_matches(' ') } else { rest };
        match name {
            "frac" | "dfrac" | "tfrac" => {
                let (above, below) = (self.argument(), self.argument());
                if out.ends_with(char::is_alphanumeric) {
                    out.push(' ');
                }
                self.gap = true;
                *out += &format!("{}/{}", together(&above), together(&below));
            }
            "binom" => *out += &format!("C({}, {})", self.argument(), self.argument()),
            "sqrt" => {
                *out += &format!("√{}", together(&self.argument()));
                self.gap = true;
            }
            "hat" | "widehat" => *out += &format!("{}\u{302}", self.argument()),
            "tilde" | "widetilde" => *out += &format!("{}\u{303}", self.argument()),
            "bar" | "overline" => *out += &format!("{}\u{304}", self.argument()),
            "vec" => *out += &format!("{}\u{20d7}", self.argument()),
            "text" | "mathrm" | "mathbf" | "mathit" | "mathsf" | "mathtt" | "mathcal" | "boldsymbol"
            | "operatorname" | "textbf" | "textit" | "underbrace" | "overbrace" | "boxed" => *out += &self.argument(),
            "mathbb" => {
                let letter = self.argument();
                let [from, to] = ["RNEPZQC", "ℝℕ𝔼ℙℤℚℂ"];
                *out += &letter.chars().map(|c| replaced(c, from, to).unwrap_or(c)).collect::<String>();
            }
            "begin" => {
                let kind = self.argument();
                *out += if kind == "cases" { " { " } else { " " };
            }
            "end" => {
                self.argument();
            }
            "\\" => out.push('\n'),
            "left" | "right" if self.rest.starts_with('.') => self.rest = &self.rest[1..],
            _ => {
                let find = |table: &'static str| {
                    let mut words = table.split_whitespace();
                    std::iter::from_fn(|| Some((words.next()?, words.next()?))).find(|pair| pair.0 == name).map(|p| p.1)
                };
                match (find(SIGNS), find(RELATIONS)) {
                    (Some(sign), _) => *out += sign,
                    (None, Some(relation)) => *out += &format!(" {relation} "),
                    _ if SPACES.contains(&name) => out.push(' '),
                    _ if SILENT.split(' ').any(|silent| silent == name) => {}
                    _ => word(out, name, self.rest),
                }
            }
        }
    }

    /// The next group, command or sign.
    fn argument(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let mut out = String::new();
        self.atom(&mut out);
        out.trim().to_owned()
    }
}

/// `\log`, `\max` and the like are their names, apart from what stands beside them.
fn word(out: &mut String, name: &str, rest: &str) {
    if out.ends_with(char::is_alphanumeric) {
        out.push(' ');
    }
    *out += name;
    if rest.trim_start().starts_with(|c: char| c.is_alphanumeric() || c == '\\') {
        out.push(' ');
    }
}

/// Between parentheses, unless it is one thing.
fn together(text: &str) -> String {
    let text = text.trim();
    let one = !text.contains([' ', '/', '·']);
    if one { text.to_owned() } else { format!("({text})") }
}

fn replaced(c: char, from: &str, to: &str) -> Option<char> {
    from.chars().position(|known| known == c).and_then(|i| to.chars().nth(i))
}

fn scripted(sign: char, script: &str) -> String {
    let [from, to] = if sign == '_' { SUBSCRIPTS } else { SUPERSCRIPTS };
    let tight: String = script.chars().filter(|c| *c != ' ').map(|c| if c == '−' { '-' } else { c }).collect();
    let small: Option<String> = tight.chars().map(|c| replaced(c, from, to)).collect();
    match small {
        Some(small) => small,
        None if tight.chars().count() == 1 || tight.chars().all(char::is_alphanumeric) => format!("{sign}{tight}"),
        None => format!("{sign}({})", script.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_read_as_text() {
        let cases = [
            (r"p(x_1,\dots,x_T) = \prod_{t=1}^{T} p(x_t \mid x_{<t})", "p(x₁,…,x_T) = Πₜ₌₁ᵀ p(xₜ | x_(< t))"),
            (r"\mathrm{softmax}(z)_i = \frac{\exp(z_i)}{\sum_j \exp(z_j)}", "softmax(z)ᵢ = exp(zᵢ)/(Σⱼ exp(zⱼ))"),
            (r"\left(\frac{QK^\top}{\sqrt{d_k}}\right)V", "(QKᵀ/√dₖ)V"),
            (r"\log \frac{a+b}{2} \cdot 10^{-3}", "log (a + b)/2 · 10⁻³"),
            (r"\begin{aligned} h_t &= \tanh(W h_{t-1}) \\ y &= 2 \end{aligned}", "hₜ = tanh(W hₜ₋₁)\ny = 2"),
            (r"2\frac{1}{\sqrt d}\sum_j \frac{\partial L}{\partial x}", "2 1/√d Σⱼ ∂L/∂x"),
            (r"x \in \mathbb{R}^{d_{\text{modèle}}}", "x ∈ ℝ^(d_modèle)"),
            (r"-\sum_i \hat p_i \log_2 p_i", "−Σᵢ p\u{302}ᵢ log₂ pᵢ"),
            (r"\alpha\beta \le 1 - \varepsilon", "αβ ≤ 1 − ε"),
        ];
        for (latex, wanted) in cases {
            assert_eq!(text(latex), wanted, "{latex}");
        }
        for odd in [r"\", r"\frac", "x_", "{", "}", r"\frac{a", r"\unknown{x}", "^^"] {
            text(odd);
        }
    }

    #[test]
    fn pages_get_mathml_or_the_reason() {
        let page = mathml(r"x_{<t} \le \frac{1}{2}", true).unwrap();
        assert!(page.starts_with("<math display=\"block\"") && page.contains("&lt;") && page.contains("<mfrac>"));
        assert!(!mathml("x", false).unwrap().contains("block"));
        for (wrong, why) in [(r"\foo{x}", "foo"), ("x_{i", "}"), ("a & b", "&")] {
            let said = mathml(wrong, false).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
