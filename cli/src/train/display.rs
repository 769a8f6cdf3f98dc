//! What a person sees while a model learns.

use crate::output::{note, visible};
use indicatif::{ProgressBar, ProgressStyle};
use motamot::training::{Event, Metrics, Run};
use motamot_course::numbers::duration;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a person sees while the model learns: a bar on a terminal, plain lines elsewhere.
pub struct Display {
    bar: ProgressBar,
    steps: usize,
    /// Whether control characters would steer a terminal.
    terminal: bool,
    /// Whether there is no bar: elsewhere than on a terminal, and on one that cannot move its cursor.
    plain: bool,
    quiet: bool,
    partial: bool,
    last_line: Instant,
    val: Option<f64>,
    bars: Vec<(String, f64)>,
    /// Where the curve goes, and what turns nats per token into bits per byte.
    dir: PathBuf,
    bytes_per_token: f64,
    /// When the steps of the last minute were made.
    recent: VecDeque<(Instant, usize)>,
}

impl Display {
    pub fn new(run: &Run, dir: &Path, quiet: bool) -> Display {
        let steps = run.config.train.steps;
        let terminal = std::io::stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(steps as u64) };
        // As wide as the terminal is: a line that wraps could not be drawn over.
        if let Ok(style) = ProgressStyle::with_template("{bar:16} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_position(run.trainer.progress.step as u64);
        Display {
            steps,
            terminal,
            plain: bar.is_hidden(),
            bar,
            quiet,
            partial: run.evaluates_a_part(),
            last_line: Instant::now(),
            val: None,
            bars: run.bars.clone(),
            dir: dir.to_owned(),
            bytes_per_token: run.data.train_bytes as f64 / run.data.train.len() as f64,
            recent: VecDeque::from([(Instant::now(), run.trainer.progress.step)]),
        }
    }

    fn print(&self, text: &str) {
        match (self.quiet, self.plain) {
            (true, _) => {}
            (false, true) => note(text),
            // Not by the bar, which pads each line to the width that the terminal has now.
            (false, false) => self.bar.suspend(|| note(text)),
        }
    }

    pub fn show(&mut self, event: Event) {
        match event {
            Event::Step(row) => self.step(row),
            Event::Evaluated { step, result, best, rows } => {
                self.val = Some(result.bits_per_byte);
                let below =
                    self.bars.iter().filter(|(_, bar)| result.bits_per_byte < *bar).map(|(name, _)| name.as_str());
                let below: Vec<&str> = below.collect();
                self.print(&format!(
                    "step {step}: validation{} {:.4} nats/token, {:.4} bits/byte, perplexity {:.1}{}{}",
                    if self.partial { " (a part)" } else { "" },
                    result.nats_per_token,
                    result.bits_per_byte,
                    result.perplexity,
                    if best { ", best so far" } else { "" },
                    if below.is_empty() { String::new() } else { format!(" · beats the {}", below.join(" and the ")) }
                ));
                if let Err(e) = motamot_course::curve::draw(&self.dir, rows, &self.bars, self.bytes_per_token) {
                    self.print(&format!("warning: the curve could not be drawn: {e}"));
                }
            }
            Event::Warning(text) => self.print(&format!("warning: {text}")),
            Event::Sample(text) => {
                let text = if self.terminal { visible(text) } else { text.into() };
                // A young model writes many empty lines.
                let lines: Vec<&str> = text.trim().lines().filter(|line| !line.trim().is_empty()).collect();
                self.print(&format!("  │ {}", lines.join("\n  │ ")));
            }
        }
    }

    fn step(&mut self, row: &Metrics) {
        // By the last minute: evaluations, samples and saves take their time, too, and the machine may be busy for a while.
        let now = Instant::now();
        while self.recent.len() > 1 && now - self.recent[0].0 > Duration::from_secs(60) {
            self.recent.pop_front();
        }
        let (then, step) = self.recent[0];
        self.recent.push_back((now, row.step));
        let seconds_per_step = (now - then).as_secs_f64() / (row.step - step).max(1) as f64;
        let left = duration(seconds_per_step * (self.steps - row.step) as f64);
        let val = self.val.map_or(String::new(), |v| format!(" · val {v:.3}"));
        let message = format!("loss {:.3}{val} · {:.0} tokens/s · {left} left", row.train_loss, row.tokens_per_s);
        self.bar.set_position(row.step as u64);
        self.bar.set_message(message.clone());
        if self.plain && (self.last_line.elapsed() > Duration::from_secs(10) || row.step == 1) {
            self.last_line = Instant::now();
            self.print(&format!("step {}/{} · {message}", row.step, self.steps));
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
