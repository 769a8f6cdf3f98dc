//! Notebook 00: what a language model is.

fn main() {
    // %% [markdown] fr
    // # Bonjour
    // %% [markdown] en
    // # Hello
    // %%
    use motamot::course::{show, tr};
    use motamot::utils::plot::{Chart, Series};
    println!("{}", tr("bonjour", "hello"));

    // %% concept
    show(&Chart::new("x", "a", "b").series(Series::new("l", [(0.0, 1.0), (1.0, 2.0)])));
}
