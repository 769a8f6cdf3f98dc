//! A server of our own on the loopback address, which behaves well or badly as told.

use super::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// How the server answers one request.
#[derive(Clone, Copy)]
enum Answer {
    /// As asked: the range, or the whole.
    Well,
    /// Announces everything asked for, and closes after so many bytes.
    Cut(usize),
    /// The whole, whatever was asked.
    NoRange,
    /// Only this status.
    Status(&'static str),
    /// As many bytes as the file has, but others.
    Wrong,
}

struct Server {
    url: String,
    /// The `Range` header of each request, or nothing.
    ranges: Arc<Mutex<Vec<String>>>,
}

fn content() -> Vec<u8> {
    (0..200_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn source() -> Source {
    let content = content();
    let sha256: &'static str = Box::leak(hex(&motamot::utils::hash::sha256(&content)).into_boxed_str());
    Source {
        name: "test",
        about: "",
        url: "http://127.0.0.1:9/never",
        sha256,
        bytes: content.len() as u64,
        file_name: "test.txt",
    }
}

/// Gives the answers in order; the last one again for each further request.
fn serve(answers: &'static [Answer]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ranges);
    std::thread::spawn(move || {
        let content = content();
        for (i, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut range = String::new();
            for line in BufReader::new(&stream).lines() {
                let line = line.unwrap_or_default().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(r) = line.strip_prefix("range: ") {
                    range = r.to_string();
                }
            }
            let from =
                range.strip_prefix("bytes=").and_then(|r| r.trim_end_matches('-').parse().ok()).unwrap_or(0usize);
            log.lock().unwrap().push(range);
            let ranged = |stream: &mut std::net::TcpStream, cut: usize| {
                let rest = &content[from..];
                let status = match from {
                    0 => "200 OK".to_string(),
                    _ => format!(
                        "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
                        content.len() - 1,
                        content.len()
                    ),
                };
                let _ =
                    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
                let _ = stream.write_all(&rest[..cut.min(rest.len())]);
            };
            match answers[i.min(answers.len() - 1)] {
                Answer::Well => ranged(&mut stream, usize::MAX),
                Answer::Cut(n) => ranged(&mut stream, n),
                Answer::NoRange => {
                    let _ = write!(
                        stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        content.len()
                    );
                    let _ = stream.write_all(&content);
                }
                Answer::Status(s) => {
                    let _ = write!(stream, "HTTP/1.1 {s}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                }
                Answer::Wrong => {
                    let _ = write!(
                        stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        content.len()
                    );
                    let _ = stream.write_all(&vec![b'x'; content.len()]);
                }
            }
        }
    });
    Server { url, ranges }
}

fn options(server: &Server, retries: u32) -> Options {
    let (pause, timeout) = (Duration::from_millis(1), Duration::from_secs(5));
    Options { url: Some(server.url.clone()), progress: false, retries, pause, timeout }
}

fn requests(server: &Server) -> Vec<String> {
    server.ranges.lock().unwrap().clone()
}

#[test]
fn a_file_comes_whole_and_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(&[Answer::Well]));
    let out = dir.path().join("downloads");
    let fetched = get(&source(), &out, &options(&server, 0)).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), content());
    assert_eq!(fetched.transferred, source().bytes);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    let again = get(&source(), &out, &options(&server, 0)).unwrap();
    assert_eq!(again.transferred, 0);
    assert_eq!(requests(&server).len(), 1);
}

#[test]
fn an_interrupted_transfer_goes_on_where_it_stopped() {
    let (dir, server) =
        (tempfile::tempdir().unwrap(), serve(&[Answer::Cut(300_000), Answer::Cut(100_000), Answer::Well]));
    let fetched = get(&source(), dir.path(), &options(&server, 3)).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), content());
    assert_eq!(fetched.transferred, source().bytes);
    assert_eq!(requests(&server), ["", "bytes=300000-", "bytes=400000-"]);
}

#[test]
fn a_later_run_goes_on_too_and_the_error_says_so() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(&[Answer::Cut(300_000), Answer::Well]));
    let err = get(&source(), dir.path(), &options(&server, 0)).unwrap_err();
    assert!(err.help_line().unwrap().contains("300000 of 800000 bytes are kept"), "{err} {:?}", err.help_line());
    assert!(!dir.path().join("test.txt").exists());
    let fetched = get(&source(), dir.path(), &options(&server, 0)).unwrap();
    assert_eq!(fetched.transferred, 500_000);
    assert_eq!(fs::read(&fetched.path).unwrap(), content());
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_again() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(&[Answer::Cut(1000), Answer::NoRange]));
    let fetched = get(&source(), dir.path(), &options(&server, 1)).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), content());
    assert_eq!(requests(&server), ["", "bytes=1000-"]);
}

#[test]
fn wrong_content_is_refused_and_not_kept() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(&[Answer::Wrong]));
    let err = get(&source(), dir.path(), &options(&server, 3)).unwrap_err();
    assert!(err.to_string().contains("wrong content") && err.to_string().contains(source().sha256), "{err}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(requests(&server).len(), 1);
}

#[test]
fn a_stale_part_is_thrown_away_and_the_file_fetched_from_the_start() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(&[Answer::Well]));
    for stale in [vec![b'y'; 5000], vec![b'y'; 800_000], vec![b'y'; 900_000]] {
        fs::write(dir.path().join("test.txt.part"), stale).unwrap();
        let fetched = get(&source(), dir.path(), &options(&server, 1)).unwrap();
        assert_eq!(fs::read(&fetched.path).unwrap(), content());
        fs::remove_file(&fetched.path).unwrap();
    }
}

#[test]
fn a_wrong_file_in_the_way_is_replaced() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(&[Answer::Well]));
    fs::write(dir.path().join("test.txt"), b"something else").unwrap();
    let fetched = get(&source(), dir.path(), &options(&server, 0)).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), content());
}

#[test]
fn not_found_is_final_and_a_busy_server_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&[Answer::Status("404 Not Found")]);
    let err = get(&source(), dir.path(), &options(&server, 3)).unwrap_err();
    assert!(err.to_string().contains("404") && err.help_line().unwrap().contains("--url"), "{err}");
    assert_eq!(requests(&server).len(), 1);
    let server = serve(&[Answer::Status("503 Service Unavailable"), Answer::Well]);
    assert!(get(&source(), dir.path(), &options(&server, 1)).is_ok());
    assert_eq!(requests(&server).len(), 2);
}

#[test]
fn without_a_connection_the_error_names_the_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server { url: format!("http://127.0.0.1:{port}/file"), ranges: Arc::default() };
    let dir = tempfile::tempdir().unwrap();
    let err = get(&source(), dir.path(), &options(&server, 1)).unwrap_err();
    assert!(err.to_string().contains(&server.url) && err.help_line().unwrap().contains("connection"), "{err}");
}

#[test]
fn an_unknown_name_is_a_usage_error_that_tells_the_known_ones() {
    assert_eq!(find("Tiny_Shakespeare").unwrap().bytes, 1_115_394);
    let err = find("wikipedia").unwrap_err();
    assert_eq!(err.exit_code(), 2);
    assert!(err.help_line().unwrap().contains("tiny-shakespeare"));
}
