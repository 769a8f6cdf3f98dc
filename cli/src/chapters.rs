//! The chapters of the course that the program holds.

use motamot_course::Lang;
use motamot_course::pages::Source;

/// A notebook's files, one a language. They are part of the program, not of a library: recording them again rebuilds
/// only the command.
macro_rules! chapter {
    ($name:literal) => {
        Source {
            name: $name,
            files: &[
                (Lang::Fr, include_str!(concat!("../../notebooks/", $name, ".ipynb"))),
                (Lang::En, include_str!(concat!("../../notebooks/en/", $name, ".ipynb"))),
            ],
        }
    };
}

/// The course, in order; a test compares it with the folder.
pub const COURSE: &[Source] = &[
    chapter!("00_introduction_llms"),
    chapter!("01_tokenization"),
    chapter!("02_embeddings"),
    chapter!("03_attention_mechanism"),
    chapter!("A_juste_assez_de_rust"),
    chapter!("B_juste_assez_de_gradient"),
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_holds_each_notebook() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebooks");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut there: Vec<String> = files.filter_map(|name| name.strip_suffix(".ipynb").map(str::to_owned)).collect();
        there.sort();
        let here: Vec<&str> = super::COURSE.iter().map(|source| source.name).collect();
        assert_eq!(here, there, "COURSE in cli/src/chapters.rs has a line `chapter!(\"NAME\"),` for each notebook");
    }
}
