//! Notebook 01: text into numbers.

fn main() {
    // %% [markdown] fr
    // # 01 · La tokenisation
    // %% [markdown] en
    // # 01 · Tokenization
    // %%
    use motamot::course::tr;
    println!("{}", tr("bonjour", "hello"));
}
