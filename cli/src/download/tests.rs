//! A server of our own on the loopback address, which behaves well or badly as told.

use super::*;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How the server answers.
#[derive(Clone, Copy)]
enum Answer {
    /// The whole file.
    Well,
    /// Announces everything, and closes after so many bytes.
    Cut(usize),
    /// Only this status.
    Status(&'static str),
    /// As many bytes as the file has, but others.
    Wrong,
    /// The file and then some more.
    Longer,
}

struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

fn content() -> Vec<u8> {
    (0..200_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn source() -> Source {
    let content = content();
    let sha256: &'static str = Box::leak(hex(&sha256(&content)).into_boxed_str());
    Source {
        name: "test",
        about: "",
        url: "http://127.0.0.1:9/never",
        sha256,
        bytes: content.len() as u64,
        file_name: "test.txt",
    }
}

fn serve(answer: Answer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            BufReader::new(&stream).lines().map_while(|line| line.ok()).find(|line| line.is_empty());
            count.fetch_add(1, Ordering::Relaxed);
            let (status, body, sent) = match answer {
                Answer::Well => ("200 OK", content(), usize::MAX),
                Answer::Cut(sent) => ("200 OK", content(), sent),
                Answer::Status(status) => (status, vec![], 0),
                Answer::Wrong => ("200 OK", vec![b'x'; content().len()], usize::MAX),
                Answer::Longer => ("200 OK", content().repeat(2), usize::MAX),
            };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(&body[..sent.min(length)]);
        }
    });
    Server { url, requests }
}

impl Server {
    fn get(&self, out: &Path) -> Result<(PathBuf, bool)> {
        get(&source(), out, Some(&self.url))
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

#[test]
fn a_file_comes_whole_and_once() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(Answer::Well));
    let out = dir.path().join("downloads");
    let (path, fetched) = server.get(&out).unwrap();
    assert!(fetched);
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    assert_eq!(server.get(&out).unwrap(), (path, false));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_transfer_that_is_cut_off_leaves_nothing() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(Answer::Cut(300_000)));
    let err = server.get(dir.path()).unwrap_err();
    assert!(err.to_string().contains(&server.url) && err.help_line().unwrap().contains("connection"), "{err}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn wrong_content_is_refused_and_not_kept() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(Answer::Wrong));
    let err = server.get(dir.path()).unwrap_err();
    assert!(err.to_string().contains("wrong content") && err.to_string().contains(source().sha256), "{err}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(server.requests(), 1);
}

#[test]
fn no_more_is_read_than_the_file_can_have() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(Answer::Longer));
    let err = server.get(dir.path()).unwrap_err();
    assert!(err.help_line().unwrap().contains("another file"), "{err}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_wrong_file_in_the_way_is_replaced() {
    let (dir, server) = (tempfile::tempdir().unwrap(), serve(Answer::Well));
    fs::write(dir.path().join("test.txt"), b"something else").unwrap();
    let (path, fetched) = server.get(dir.path()).unwrap();
    assert!(fetched);
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[test]
fn what_the_server_refuses_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for status in ["404 Not Found", "503 Service Unavailable"] {
        let server = serve(Answer::Status(status));
        let err = server.get(dir.path()).unwrap_err();
        assert!(err.to_string().contains(&status[..3]) && err.help_line().unwrap().contains("--url"), "{err}");
        assert_eq!(server.requests(), 1);
    }
}

#[test]
fn without_a_connection_the_error_names_the_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server { url: format!("http://127.0.0.1:{port}/file"), requests: Arc::default() };
    let dir = tempfile::tempdir().unwrap();
    let err = server.get(dir.path()).unwrap_err();
    assert!(err.to_string().contains(&server.url) && err.help_line().unwrap().contains("connection"), "{err}");
}

#[test]
fn an_unknown_name_is_a_usage_error_that_tells_the_known_ones() {
    assert_eq!(find("Tiny_Shakespeare").unwrap().bytes, 1_115_394);
    let err = find("wikipedia").unwrap_err();
    assert_eq!(err.exit_code(), 2);
    assert!(err.help_line().unwrap().contains("tiny-shakespeare"));
}
