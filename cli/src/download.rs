//! `motamot data get`: a published text, fetched once and checked.
//!
//! The file appears, whole, only once its SHA-256 is right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use motamot::utils::fs::{read, write_atomic};
use motamot::utils::hash::{hex, sha256};
use motamot::utils::{Error, Result};

/// A text that `motamot data get` knows.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// What the user types.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Where it is published.
    pub url: &'static str,
    /// The only content that is accepted.
    pub sha256: &'static str,
    /// Its length.
    pub bytes: u64,
    /// What the file is called here.
    pub file_name: &'static str,
}

/// All texts that can be fetched.
pub const SOURCES: &[Source] = &[Source {
    name: "tiny-shakespeare",
    about: "Karpathy's canonical char-rnn file: 40,000 lines of Shakespeare (public domain)",
    url: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    bytes: 1_115_394,
    file_name: "tiny-shakespeare.txt",
}];

/// The source of that name; an underscore is as good as a hyphen.
pub fn find(name: &str) -> Result<&'static Source> {
    let wanted = name.to_ascii_lowercase().replace('_', "-");
    SOURCES.iter().find(|s| s.name == wanted).ok_or_else(|| {
        let known: Vec<_> = SOURCES.iter().map(|s| s.name).collect();
        Error::usage(format!("no data set is called {name:?}"))
            .help(format!("there is: {} (motamot data list)", known.join(", ")))
    })
}

/// Fetches `source` from `url` (or from where it is published) into the folder `out`; whether it had to be fetched, which
/// it has not if it is there already.
pub fn get(source: &Source, out: &Path, url: Option<&str>) -> Result<(PathBuf, bool)> {
    let path = out.join(source.file_name);
    if read(&path, source.bytes).is_ok_and(|bytes| hex(&sha256(&bytes)) == source.sha256) {
        return Ok((path, false));
    }
    let url = url.unwrap_or(source.url);
    let bytes = fetch(url, source.bytes)?;
    let sum = hex(&sha256(&bytes));
    if sum != source.sha256 {
        return Err(Error::new(format!("{url}: wrong content (sha256 {sum}, expected {})", source.sha256))
            .help("the file has changed or was damaged on the way, and is not kept; try again, or use --url"));
    }
    write_atomic(&path, &bytes)?;
    Ok((path, true))
}

/// What an address answers, of at most `limit` bytes.
fn fetch(url: &str, limit: u64) -> Result<Vec<u8>> {
    const SILENCE: Option<Duration> = Some(Duration::from_secs(30));
    let mut config = ureq::Agent::config_builder()
        .user_agent(concat!("motamot/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(SILENCE)
        .timeout_recv_response(SILENCE)
        .timeout_per_read(SILENCE);
    if url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost") {
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config.build().into();
    let answer = agent.get(url).call().and_then(|mut r| r.body_mut().with_config().limit(limit + 1).read_to_vec());
    answer.map_err(|e| {
        let help = match e {
            ureq::Error::BadUri(_) => "an address starts with http:// or https://",
            ureq::Error::StatusCode(_) => "the file may have moved: give its new address with --url",
            ureq::Error::BodyExceedsLimit(_) => "this is another file: give the right address with --url",
            _ => "check the connection (training needs none: the embedded corpus is used without --data)",
        };
        Error::new(format!("cannot download {url}: {e}")).help(help).caused_by(e)
    })
}

#[cfg(test)]
mod tests;
