//! What ends a program from outside: Ctrl-C, a terminal that is closed, a system that shuts down.

use motamot::utils::{Error, Result};

/// Ctrl-C.
pub const INTERRUPT: u8 = 2;

/// Calls `f` with the number of each signal that asks the program to end: SIGHUP (1), [`INTERRUPT`] or SIGTERM (15). Elsewhere
/// than on Unix all of them count as [`INTERRUPT`].
pub fn on_end(f: impl Fn(u8) + Send + 'static) -> Result<()> {
    listen(f).map_err(|e| Error::new(format!("cannot listen for Ctrl-C: {e}")))
}

#[cfg(unix)]
fn listen(f: impl Fn(u8) + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let wanted = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new().spawn(move || signals.forever().for_each(|signal| f(signal as u8)))?;
    Ok(())
}

/// Whether the program was started to ignore a signal, as `nohup` does with SIGHUP. Known on Linux only.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(not(unix))]
fn listen(f: impl Fn(u8) + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(move || f(INTERRUPT)).map_err(std::io::Error::other)
}
