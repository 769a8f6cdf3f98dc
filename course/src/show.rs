//! Pictures and tables from a cell.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::html::Rich;
use crate::lang;
use crate::numbers::with_marks;
use motamot::utils::fs::{create_dir_all, write_atomic};

/// Shows a picture or a table under the cell. A cell shows at most one picture and one table (the kernel keeps the last).
///
/// In a notebook it is an output of its type. In a terminal a table is printed, and a picture becomes a file whose path
/// is printed.
///
/// The numbers in it have the marks of the course's language.
pub fn show(x: &impl Rich) {
    let (content, text) = with_marks(lang().marks(), || (x.content(), x.text()));
    if in_notebook() {
        println!("EVCXR_BEGIN_CONTENT {}\n{content}\nEVCXR_END_CONTENT", x.mime());
    } else if let Some(text) = text {
        println!("{text}");
    } else {
        match save(x.mime(), &content) {
            Ok(path) => println!("→ {}", path.display()),
            Err(e) => println!("{}: {e}", lang().text("show.not-saved")),
        }
    }
}

/// The kernel sets the first, `cargo xtask notebooks` the second.
fn in_notebook() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some() || recorded()
}

fn recorded() -> bool {
    std::env::var_os("MOTAMOT_NOTEBOOK").is_some()
}

/// A file in the user's cache: `motamot/pictures/NAME-3.svg`.
fn save(mime: &str, content: &str) -> motamot::utils::Result<PathBuf> {
    static SAVED: AtomicUsize = AtomicUsize::new(1);
    let program = std::env::current_exe().ok().and_then(|p| Some(p.file_stem()?.to_string_lossy().into_owned()));
    let extension = if mime == "image/svg+xml" { "svg" } else { "html" };
    let number = SAVED.fetch_add(1, Ordering::Relaxed);
    let folder = user_folder("pictures");
    create_dir_all(&folder)?;
    let path = folder.join(format!("{}-{number}.{extension}", program.as_deref().unwrap_or("picture")));
    write_atomic(&path, content.as_bytes())?;
    Ok(path)
}

/// A folder of this user's for what can be made again: in the user's cache, or in the system's temporary folder under the
/// number of this process, where nobody else can have put anything.
pub fn user_folder(name: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    let temporary = || std::env::temp_dir().join(format!("motamot-{}", std::process::id()));
    base.map_or_else(temporary, |base| base.join("motamot")).join(name)
}

/// What stands before a cell's number where a recorded notebook begins a cell.
pub const CELL_MARK: &str = "\u{1}cell ";

/// Says that a cell begins, to the program that records the notebook; nobody else sees it.
pub fn cell(number: usize) {
    if recorded() {
        println!("{CELL_MARK}{number}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::{Table, Tokens};
    use crate::plot::{Bars, Chart, HeatMap, Panels, Scatter};

    #[test]
    fn pictures_are_svg_and_tables_are_html_and_text() {
        let pictures: [&dyn Rich; 5] = [
            &Chart::new("t", "", ""),
            &Bars::new("t", "", "", ["a"]),
            &HeatMap::new("t", 1, 1, [1.0]),
            &Scatter::new("t", "", ""),
            &Panels::new(1),
        ];
        for picture in pictures {
            assert_eq!((picture.mime(), picture.text()), ("image/svg+xml", None));
            assert!(picture.content().starts_with("<svg "));
        }
        let tables: [&dyn Rich; 2] = [&Table::new(["a"]).row(["1"]), &Tokens::new([("a", "1")])];
        for table in tables {
            assert_eq!(table.mime(), "text/html");
            assert!(table.content().starts_with('<') && table.text().is_some_and(|t| t.starts_with('a')));
        }
    }
}
