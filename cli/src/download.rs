//! `motamot data get`: a published text, fetched once, checked, and resumed where it stopped.
//!
//! Bytes go to `NAME.part`; the file itself appears, by a rename, only once its SHA-256 is right.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ureq::http::header::{CONTENT_RANGE, RANGE};

use motamot::utils::fs::{create_dir_all, io_error, rename};
use motamot::utils::hash::{Hasher, hex};
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

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Options {
    /// Another address for the same content (a mirror).
    pub url: Option<String>,
    /// Show a progress bar.
    pub progress: bool,
    /// How often to try again after an interruption.
    pub retries: u32,
    /// The wait before the first retry; it doubles from one to the next.
    pub pause: Duration,
    /// The longest silence of the server.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            url: None,
            progress: true,
            retries: 4,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
        }
    }
}

/// What [`get`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The file.
    pub path: PathBuf,
    /// How many bytes came over the network: 0 if the file was there already.
    pub transferred: u64,
}

/// Why one attempt did not end well.
enum Failure {
    /// Worth another attempt, which continues where this one stopped.
    Interrupted(Error),
    /// No connection at all: one more attempt, no long wait.
    Unreachable(Error),
    /// Another attempt would end the same way.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Failure {
        Failure::Final(e)
    }
}

/// Fetches `source` into the folder `out`, unless it is there already.
pub fn get(source: &Source, out: &Path, options: &Options) -> Result<Fetched> {
    let path = out.join(source.file_name);
    if path.is_file() && file_sum(&path)? == source.sha256 {
        return Ok(Fetched { path, transferred: 0 });
    }
    create_dir_all(out)?;
    let part = out.join(format!("{}.part", source.file_name));
    let url = options.url.as_deref().unwrap_or(source.url);
    let bar = if options.progress { ProgressBar::new(source.bytes) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(source.name);
    let mut transferred = 0;
    let mut attempt = 0;
    let result = loop {
        let resumed = part_length(&part);
        match fetch(url, source, &part, options, &bar, &mut transferred) {
            Ok(()) => {}
            Err(Failure::Interrupted(_)) if attempt < options.retries => {
                std::thread::sleep(options.pause * (1 << attempt.min(6)));
                attempt += 1;
                continue;
            }
            Err(Failure::Unreachable(_)) if attempt < options.retries.min(1) => {
                std::thread::sleep(options.pause * (1 << attempt.min(6)));
                attempt += 1;
                continue;
            }
            Err(Failure::Interrupted(e) | Failure::Unreachable(e)) => {
                let kept = match part_length(&part) {
                    0 => String::new(),
                    n => format!("; {n} of {} bytes are kept, and the same command goes on from there", source.bytes),
                };
                break Err(e.help(format!(
                    "check the connection (training needs none: the embedded corpus is used without --data){kept}"
                )));
            }
            Err(Failure::Final(e)) => break Err(e),
        }
        let sum = file_sum(&part)?;
        if sum == source.sha256 {
            break rename(&part, &path).map(|()| Fetched { path, transferred });
        }
        fs::remove_file(&part).map_err(|e| io_error("remove", &part, e))?;
        // What an earlier run left may be what is wrong: from the start, once.
        if resumed > 0 && attempt < options.retries {
            attempt = options.retries;
            continue;
        }
        break Err(Error::new(format!("{url}: wrong content (sha256 {sum}, expected {})", source.sha256))
            .help("the file has changed or was damaged on the way, and is not kept; try again, or use --url"));
    };
    bar.finish_and_clear();
    result
}

/// One request: fills `part` to the end, from where it stops.
fn fetch(
    url: &str,
    source: &Source,
    part: &Path,
    options: &Options,
    bar: &ProgressBar,
    transferred: &mut u64,
) -> Result<(), Failure> {
    let mut have = part_length(part);
    if have > source.bytes {
        fs::remove_file(part).map_err(|e| io_error("remove", part, e))?;
        have = 0;
    }
    if have == source.bytes {
        return Ok(());
    }
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .accept_encoding("identity")
        .user_agent(concat!("motamot/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(options.timeout))
        .timeout_recv_response(Some(options.timeout))
        .timeout_per_read(Some(options.timeout));
    if url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost") {
        config = config.proxy(None);
    }
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|e| {
        let error = Error::new(format!("cannot download {url}: {e}"));
        match e {
            ureq::Error::BadUri(_) => Failure::Final(error.help("an address starts with http:// or https://")),
            e => Failure::Unreachable(error.caused_by(e)),
        }
    })?;
    let status = response.status().as_u16();
    let failed = || Error::new(format!("cannot download {url}: the server answers {}", response.status()));
    let append = match status {
        200 => false,
        206 => {
            let range = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            if !range.starts_with(&format!("bytes {have}-")) {
                return Err(Error::new(format!("{url}: asked from byte {have}, and the server sends {range:?}")).into());
            }
            true
        }
        416 => {
            // What we have is not a beginning of what they have.
            fs::remove_file(part).map_err(|e| io_error("remove", part, e))?;
            return Err(Failure::Interrupted(failed()));
        }
        408 | 429 | 500..=599 => return Err(Failure::Interrupted(failed())),
        _ => return Err(Failure::Final(failed().help("the file may have moved: give its new address with --url"))),
    };
    let io = |e| Failure::Final(io_error("write", part, e));
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(part).map_err(io)?;
    if append {
        file.seek(std::io::SeekFrom::End(0)).map_err(io)?;
    } else {
        file.set_len(0).map_err(io)?;
        have = 0;
    }
    bar.set_position(have);
    let mut body = response.body_mut().as_reader();
    let mut buffer = [0; 1 << 16];
    loop {
        let n = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) => {
                return Err(Failure::Interrupted(Error::new(format!("{url}: the download stopped: {e}")).caused_by(e)));
            }
        };
        file.write_all(&buffer[..n]).map_err(io)?;
        have += n as u64;
        *transferred += n as u64;
        bar.set_position(have);
        if have > source.bytes {
            // Longer than the file can be: the checksum will say so, there is no need to fetch the rest.
            break;
        }
    }
    file.sync_all().map_err(io)?;
    if have < source.bytes {
        return Err(Failure::Interrupted(Error::new(format!(
            "{url}: the download stopped at byte {have} of {}",
            source.bytes
        ))));
    }
    Ok(())
}

fn part_length(part: &Path) -> u64 {
    fs::metadata(part).map_or(0, |m| m.len())
}

fn file_sum(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| io_error("open", path, e))?;
    let mut sum = Hasher::default();
    let mut buffer = [0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(|e| io_error("read", path, e))? {
            0 => return Ok(hex(&sum.finish())),
            n => sum.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests;
