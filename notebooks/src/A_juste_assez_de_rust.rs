//! Appendix: just enough Rust for the course.

fn main() {
    // %% [markdown] fr
    // # Annexe · Juste assez de Rust
    // %% [markdown] en
    // # Appendix · Just enough Rust
    // %%
    use motamot::course::tr;
    println!("{}", tr("bonjour", "hello"));
}
