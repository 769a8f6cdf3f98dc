//! Notebook 02: vectors for words.

fn main() {
    // %% [markdown] fr
    // # 02 · Les embeddings
    // %% [markdown] en
    // # 02 · Embeddings
    // %%
    use motamot::course::tr;
    println!("{}", tr("bonjour", "hello"));
}
