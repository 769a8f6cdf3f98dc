//! Notebook 03: from the recurrent network to attention.

fn main() {
    // %% [markdown] fr
    // # 03 · Le mécanisme d'attention
    // %% [markdown] en
    // # 03 · The attention mechanism
    // %%
    use motamot::course::tr;
    println!("{}", tr("bonjour", "hello"));
}
