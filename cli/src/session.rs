//! A conversation with a model, without a terminal: history, prompt, trimming, answer.
//!
//! A base model plays a scene in the form of its training text; a fine-tuned one gets the chat template:
//! ```text
//! ROMEO:                    <|system|>…<|end|>
//! what you say              <|user|>what you say<|end|><|assistant|>
//!
//! JULIET:
//! ```

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use motamot_kernels::rng::Rng;
use serde_json::json;

use motamot::generation::{
    CausalModel, FinishReason, Request, SamplingOptions, Stats, TextCodec, TokenStream, generate, heading_so_far,
    start_tokens,
};
use motamot::utils::{Error, Result};

/// What a model was trained for, which decides how one talks with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelKind {
    /// It continues text: chat is a scene between two characters.
    Base,
    /// It was fine-tuned on the chat template.
    Chat,
}

/// How the conversation is written down for the model.
#[derive(Clone, Debug)]
enum Script {
    Scene { character: String, you: String },
    Template { system: u32, user: u32, assistant: u32, end: u32 },
}

/// What was said and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The message as the model saw it.
    pub user: String,
    /// The answer, without white space at its ends.
    pub assistant: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer, without white space at its ends.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Whether the beginning of the message had to be left out because it alone exceeds the context.
    pub message_cut: bool,
    /// How many of the oldest turns the model no longer sees.
    pub forgotten_turns: usize,
    /// How much was done, and how fast.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests measure prompts by it"))]
    pub stats: Stats,
}

/// A conversation: the model sees the system text and as many of the last whole turns as fit into its context.
pub struct Session<'a, M, C> {
    model: &'a M,
    codec: &'a C,
    script: Script,
    sampling: SamplingOptions,
    max_tokens: usize,
    stops: Vec<String>,
    system: String,
    turns: Vec<Turn>,
    /// The first turn that still fits into the context.
    first: usize,
    /// Answers drawn so far: each has a random stream of its own.
    answers: u64,
}

impl<'a, M: CausalModel, C: TextCodec> Session<'a, M, C> {
    /// A scene with a base model, which answers as `character`.
    pub fn scene(model: &'a M, codec: &'a C, character: &str, you: &str) -> Result<Session<'a, M, C>> {
        let script = scene_script(character, you)?;
        Ok(Session::new(model, codec, script))
    }

    /// A conversation with a fine-tuned model.
    pub fn template(model: &'a M, codec: &'a C) -> Result<Session<'a, M, C>> {
        let id = |name: &str| {
            codec.special(name).ok_or_else(|| {
                Error::new(format!("the tokenizer has no {name} token"))
                    .help("this model was not fine-tuned for chat; talk with a base model in a scene instead")
            })
        };
        let (system, user) = (id("<|system|>")?, id("<|user|>")?);
        let script = Script::Template { system, user, assistant: id("<|assistant|>")?, end: id("<|end|>")? };
        Ok(Session::new(model, codec, script))
    }

    fn new(model: &'a M, codec: &'a C, script: Script) -> Session<'a, M, C> {
        Session {
            model,
            codec,
            script,
            sampling: SamplingOptions::default(),
            max_tokens: 200,
            stops: Vec::new(),
            system: String::new(),
            turns: Vec::new(),
            first: 0,
            answers: 0,
        }
    }

    /// How tokens are chosen from now on.
    pub fn set_sampling(&mut self, sampling: SamplingOptions) -> Result<()> {
        sampling.validate()?;
        self.sampling = sampling;
        Ok(())
    }

    /// How tokens are chosen.
    pub fn sampling(&self) -> &SamplingOptions {
        &self.sampling
    }

    /// Most tokens of an answer, and strings that end it.
    pub fn set_limits(&mut self, max_tokens: usize, stops: &[String]) -> Result<()> {
        if max_tokens == 0 {
            return Err(Error::usage("an answer of 0 tokens was asked for").help("give --max-tokens 1 or more"));
        }
        self.max_tokens = max_tokens;
        self.stops = stops.to_vec();
        Ok(())
    }

    /// The text that stands before the conversation: instructions, or how a scene begins. Empty for none.
    /// An error, and no change, if it leaves too little room in the context.
    pub fn set_system(&mut self, text: &str) -> Result<()> {
        let before = std::mem::replace(&mut self.system, tidy_lines(text));
        let outcome = self.prompt(self.turns.len(), "").and_then(|tokens| {
            let room = self.budget() / 2;
            if self.system.is_empty() || tokens.len() <= room {
                return Ok(());
            }
            Err(Error::usage(format!(
                "the system text takes {} tokens with what belongs to it; this model has room for {room}",
                tokens.len()
            ))
            .help(format!("shorten it: the model sees {} tokens at a time in all", self.model.context())))
        });
        if outcome.is_err() {
            self.system = before;
        }
        outcome
    }

    /// The text that stands before the conversation.
    #[cfg(test)]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Who answers and who you are; only a scene has characters.
    pub fn characters(&self) -> Option<(&str, &str)> {
        match &self.script {
            Script::Scene { character, you } => Some((character, you)),
            Script::Template { .. } => None,
        }
    }

    /// Other characters for the scene; what was said before stays, under the new names.
    pub fn set_characters(&mut self, character: &str, you: &str) -> Result<()> {
        if self.characters().is_none() {
            return Err(Error::usage("this model answers as itself: it was fine-tuned for chat, not for scenes")
                .help("leave out --as and --you; --system can tell it who to be"));
        }
        self.script = scene_script(character, you)?;
        Ok(())
    }

    /// Takes the last turn back, and returns it.
    pub fn undo(&mut self) -> Option<Turn> {
        let turn = self.turns.pop();
        // What was forgotten may fit again.
        self.first = 0;
        turn
    }

    /// Goes on with a conversation that [`Session::messages`] wrote. An error, and no change, if it is none.
    pub fn load(&mut self, messages: &serde_json::Value) -> Result<()> {
        let wrong = |i: usize, why: &str| {
            Err(Error::new(format!("message {}: {why}", i + 1))
                .help("a conversation is a list of {\"role\": …, \"content\": …}: maybe one of \"system\", then \"user\" and \"assistant\" in turns"))
        };
        let Some(list) = messages.as_array() else { return wrong(0, "not a list of messages") };
        let (mut system, mut turns, mut user) = (String::new(), Vec::new(), None);
        for (i, message) in list.iter().enumerate() {
            let (Some(role), Some(content)) = (message["role"].as_str(), message["content"].as_str()) else {
                return wrong(i, "no role, or no content");
            };
            match (role, user.take()) {
                ("system", None) if i == 0 => system = content.to_owned(),
                ("user", None) => user = Some(content.to_owned()),
                ("assistant", Some(user)) => turns.push(Turn { user, assistant: content.to_owned() }),
                _ => return wrong(i, "out of turn"),
            }
        }
        if user.is_some() {
            return wrong(list.len() - 1, "without an answer");
        }
        self.set_system(&system)?;
        (self.turns, self.first) = (turns, 0);
        Ok(())
    }

    /// Forgets what was said; system text and options stay.
    pub fn reset(&mut self) {
        self.turns.clear();
        self.first = 0;
    }

    /// What was said, oldest first.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Answers a message; `on_text` gets the answer piece by piece. A cancelled answer stays in the history as far as
    /// it went; after an error the history is as before.
    pub fn reply(
        &mut self,
        message: &str,
        cancel: &AtomicBool,
        mut on_text: impl FnMut(&str) -> Result<()>,
    ) -> Result<Reply> {
        let mut message = self.tidy_message(message);
        let mut message_cut = false;
        let prompt = loop {
            let prompt = self.prompt(self.first, &message)?;
            let excess = prompt.len().saturating_sub(self.budget());
            if excess == 0 {
                break prompt;
            } else if self.first < self.turns.len() {
                self.first += 1;
            } else if message.is_empty() {
                return Err(Error::new(format!(
                    "a conversation does not fit into this model's context of {} tokens",
                    self.model.context()
                ))
                .help("shorten the names or the system text, or train with a longer context"));
            } else {
                message = self.without_beginning(&message, excess)?;
                message_cut = true;
            }
        };
        let stop_tokens = self.codec.ends();
        let seed = Rng::new(self.sampling.seed).stream(1 << 32 | self.answers).next_u64();
        let request = Request {
            prompts: vec![&prompt],
            num: 1,
            max_tokens: self.max_tokens.min(self.model.context() - prompt.len() + 1),
            sampling: &SamplingOptions { seed, ..self.sampling.clone() },
            vocab_size: self.codec.vocab_size(),
            stop_tokens: &stop_tokens,
            cancel: Some(cancel),
        };
        let mut stream = self.answer_stream();
        let mut text = String::new();
        let mut show = |piece: String| {
            text.push_str(&piece);
            if piece.is_empty() { Ok(()) } else { on_text(&piece) }
        };
        let generated = generate(self.model, &request, |_, token| {
            show(stream.push(&self.codec.token_bytes(token)))?;
            Ok(if stream.stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        show(stream.finish())?;
        self.answers += 1;
        let text = text.trim().to_string();
        self.turns.push(Turn { user: message, assistant: text.clone() });
        Ok(Reply {
            text,
            finish: generated.samples[0].finish,
            message_cut,
            forgotten_turns: self.first,
            stats: generated.stats,
        })
    }

    /// The conversation as text, in the form of the script.
    pub fn transcript(&self) -> String {
        let (character, you) = self.characters().unwrap_or(("Assistant", "You"));
        self.dialogue(character, you, 0)
    }

    /// The conversation as a list of messages with `role` and `content`.
    pub fn messages(&self) -> serde_json::Value {
        let message = |role: &str, content: &str| json!({"role": role, "content": content});
        let system = (!self.system.is_empty()).then(|| message("system", &self.system));
        let turns = self.turns.iter().flat_map(|t| [message("user", &t.user), message("assistant", &t.assistant)]);
        system.into_iter().chain(turns).collect()
    }

    /// Most tokens of a prompt: the rest of the context is for the answer.
    fn budget(&self) -> usize {
        let context = self.model.context();
        context - self.max_tokens.min(context / 2)
    }

    fn answer_stream(&self) -> TokenStream {
        match &self.script {
            Script::Scene { character, you } => {
                let own = ["\n\n".to_string(), format!("\n{you}:"), format!("\n{character}:")];
                let all: Vec<String> = own.into_iter().chain(self.stops.iter().cloned()).collect();
                TokenStream::new(&all).stop_at_headings().skip_leading_whitespace()
            }
            Script::Template { .. } => TokenStream::new(&self.stops).skip_leading_whitespace(),
        }
    }

    /// What the model sees: the system text, the turns from `first` on, the message, and whose turn it is.
    fn prompt(&self, first: usize, message: &str) -> Result<Vec<u32>> {
        match self.script {
            Script::Scene { ref character, ref you } => {
                let text = self.dialogue(character, you, first) + &format!("{you}:\n{message}\n\n{character}:\n");
                start_tokens(self.codec, &text)
            }
            Script::Template { system, user, assistant, end } => {
                let mut tokens = Vec::new();
                let mut part = |role: u32, text: &str| -> Result<()> {
                    tokens.push(role);
                    tokens.extend(self.codec.encode(text)?);
                    tokens.push(end);
                    Ok(())
                };
                if !self.system.is_empty() {
                    part(system, &self.system)?;
                }
                for turn in &self.turns[first..] {
                    part(user, &turn.user)?;
                    part(assistant, &turn.assistant)?;
                }
                part(user, message)?;
                tokens.push(assistant);
                Ok(tokens)
            }
        }
    }

    fn dialogue(&self, character: &str, you: &str, first: usize) -> String {
        let mut text = self.system.clone();
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        for turn in &self.turns[first..] {
            text += &format!("{you}:\n{}\n\n{character}:\n{}\n\n", turn.user, turn.assistant);
        }
        text
    }

    /// The message without its first `excess` tokens, or one character more where a token ends within one.
    fn without_beginning(&self, message: &str, excess: usize) -> Result<String> {
        let tokens = self.codec.encode(message)?;
        let rest = tokens.iter().skip(excess).flat_map(|&t| self.codec.token_bytes(t).into_owned());
        let rest = motamot::generation::decode(&rest.collect::<Vec<_>>());
        let rest = rest.trim_start_matches('\u{FFFD}').trim_start();
        // Tokens of some other tokenizer may not spell their text: halving always ends.
        let half = message.char_indices().nth(message.chars().count().div_ceil(2)).map_or(message.len(), |(at, _)| at);
        Ok(if rest.len() < message.len() && message.ends_with(rest) { rest } else { &message[half..] }.to_string())
    }

    /// In a scene a message is one speech: no blank line, and no line that looks like a speaker's name.
    fn tidy_message(&self, message: &str) -> String {
        match &self.script {
            Script::Template { .. } => message.trim().to_string(),
            Script::Scene { character, you } => {
                let speech = |line: &str| match line.strip_suffix(':') {
                    Some(name) if heading_so_far(line) || name == character || name == you => {
                        name.trim_end().to_string()
                    }
                    _ => line.to_string(),
                };
                let lines: Vec<String> = tidy_lines(message).lines().map(speech).filter(|l| !l.is_empty()).collect();
                lines.join("\n")
            }
        }
    }
}

/// Every kind of line break becomes a line feed and other control characters a space; lines are trimmed.
fn tidy_lines(text: &str) -> String {
    let breaks = |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let lines: Vec<String> = text.split(breaks).map(|l| l.chars().map(plain).collect::<String>()).collect();
    lines.iter().map(|l| l.trim()).collect::<Vec<_>>().join("\n").trim().to_string()
}

fn scene_script(character: &str, you: &str) -> Result<Script> {
    let name = |option: &str, name: &str| {
        let tidy = name.trim();
        let bad = tidy.is_empty() || tidy.chars().count() > 40 || tidy.contains(|c: char| c == ':' || c.is_control());
        if bad {
            return Err(Error::usage(format!("{name:?} cannot be a character's name ({option})"))
                .help("a name is one line of at most 40 characters without a colon, such as JULIET"));
        }
        Ok(tidy.to_string())
    };
    let (character, you) = (name("--as", character)?, name("--you", you)?);
    if character == you {
        return Err(Error::usage(format!("you and the model cannot both be {you}"))
            .help("choose two characters: --as is the model's, --you is yours"));
    }
    Ok(Script::Scene { character, you })
}

#[cfg(test)]
mod tests;
