//! The most memory that this process has had.

/// Peak resident memory in MB (10⁶ bytes), where the system tells (Linux: `VmHWM`).
pub(super) fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(peak_kib(&status)? as f64 * 1024.0 / 1e6)
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found() {
        assert_eq!(peak_kib("Name:\tmotamot\nVmPeak:\t   9000 kB\nVmHWM:\t    1234 kB\n"), Some(1234));
        assert_eq!(peak_kib("VmPeak:\t 9 kB\n"), None);
        assert_eq!(peak_kib("VmHWM:\t many kB\n"), None);
        // Where there is such a file, this process has it, too.
        if cfg!(target_os = "linux") {
            assert!(peak_mb().unwrap() > 1.0);
        }
    }
}
