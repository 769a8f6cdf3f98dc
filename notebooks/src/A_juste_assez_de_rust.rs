//! Appendix: just enough Rust for the course.

fn main() {
    // %% [front]
    // id = "A"
    // minutes = 20
    // needs = []
    // exercises = "late"
    //
    // [fr]
    // title = "Juste assez de Rust"
    // aims = ["lire tout le Rust des carnets, si tu sais programmer dans un autre langage", "lire une erreur de compilation, et t'en servir", "éviter les cinq pièges de Rust dans un carnet"]
    // questions = ["Que vaut `3 / 2` en Rust ?", "Après `let b = a;`, peux-tu encore lire la liste `a` ?", "Que perd un carnet quand une cellule panique ?"]
    //
    // [en]
    // title = "Just enough Rust"
    // aims = ["read all the Rust of the notebooks, if you can program in another language", "read a compile error and make use of it", "avoid the five traps of Rust in a notebook"]
    // questions = ["What is `3 / 2` in Rust?", "After `let b = a;`, can you still read the list `a`?", "What does a notebook lose when a cell panics?"]
    // %% [markdown] fr
    // Tout le Rust dont les carnets se servent, et rien de plus. Tu sais déjà programmer (en Python, en C, en
    // JavaScript…) : voici ce qui change. Exécute les cellules dans l'ordre, modifie-les, casse-les.
    //
    // Lis les sections de [[#types]] à [[#struct]] avant le carnet 00, celle sur les erreurs ([[#erreurs]]) quand un message
    // te surprend, le reste quand tu le rencontres.
    // %% [markdown] en
    // All the Rust that the notebooks use, and no more. You can program already (in Python, C, JavaScript…): this is what
    // differs. Run the cells in order, change them, break them.
    //
    // Read the sections from [[#types]] to [[#struct]] before notebook 00, the one on errors ([[#erreurs]]) when a message
    // surprises you, the rest when you meet it.
    // %%
    use motamot::tr;

    println!(
        "{}",
        tr(
            "Bonjour ! Cette ligne vient d'une cellule Rust.",
            "Hello! This line comes from a cell of Rust."
        )
    );

    // %% [markdown] fr
    // `use` rend un nom disponible (l'`import` de Python). `println!` affiche une ligne ; le `!` dit que c'est une *macro*, une
    // sorte de fonction qui accepte n'importe quel nombre d'arguments. Une instruction finit par `;`.
    //
    // ## `let`, `mut`, et les types {#types}
    //
    // `let` nomme une valeur. Par défaut, elle ne change plus ; avec `mut`, elle le peut. Le compilateur devine presque toujours
    // le type ; on l'écrit après `:` quand il le faut, ou pour le lecteur.
    // %% [markdown] en
    // `use` makes a name available (Python's `import`). `println!` prints a line; the `!` says that it is a *macro*, a kind of
    // function that takes any number of arguments. A statement ends with `;`.
    //
    // ## `let`, `mut`, and types {#types}
    //
    // `let` names a value. By default it never changes; with `mut` it may. The compiler nearly always guesses the type; write it
    // after `:` where it is needed, or for the reader.
    // %%
    let steps = 3;
    let rate: f64 = 0.5;
    let mut total = 1.0;
    total += rate;
    total *= 2.0;
    println!("{steps} {rate} {total}");

    // %% [markdown] fr
    // Les types que tu verras :
    //
    // | type | ce que c'est |
    // |---|---|
    // | `f32`, `f64` | nombre à virgule flottante, 32 ou 64 bits : les poids du modèle sont en `f32`, les vérifications en `f64` |
    // | `usize` | entier positif ou nul : une taille, un indice |
    // | `u32` | entier positif ou nul sur 32 bits : le numéro d'un jeton |
    // | `bool`, `char` | vrai ou faux ; un caractère (Unicode), entre `'` |
    // | `String`, `&str` | du texte que l'on possède ; une vue sur du texte, entre `"` |
    // | `Vec<f64>`, `&[f64]` | une liste que l'on possède ; une vue sur une liste |
    // | `(A, B)` | une paire |
    //
    // **Rust ne convertit jamais un nombre à ta place.** `3 / 2` entre entiers vaut 1, et `2 * 1.5` est refusé : écris `2.0`, ou
    // convertis avec `as`.
    // %% [markdown] en
    // The types that you will see:
    //
    // | type | what it is |
    // |---|---|
    // | `f32`, `f64` | a floating-point number, 32 or 64 bits: the model's weights are `f32`, the checks `f64` |
    // | `usize` | a whole number, not negative: a size, an index |
    // | `u32` | a whole number of 32 bits, not negative: the id of a token |
    // | `bool`, `char` | true or false; one (Unicode) character, between `'` |
    // | `String`, `&str` | text that one owns; a view of some text, between `"` |
    // | `Vec<f64>`, `&[f64]` | a list that one owns; a view of a list |
    // | `(A, B)` | a pair |
    //
    // **Rust never converts a number on its own.** `3 / 2` between whole numbers is 1, and `2 * 1.5` is refused: write `2.0`, or
    // convert with `as`.
    // %%
    let (a, b) = (3, 2);
    println!("{} {} {}", a / b, f64::from(a) / f64::from(b), (2.9f64) as usize);
    let count: usize = 7;
    println!("{:.3}", 1.0 / count as f64);

    // %% [markdown] fr
    // `f64::from(x)` convertit sans perte ; `as` convertit toujours, quitte à perdre (avec `as usize`, 2,9 est devenu 2).
    //
    // ## Listes et tranches {#tranches}
    //
    // `Vec` est la liste qui grandit ; `vec![0.0; 4]` en fait une de quatre zéros. Les indices commencent à 0. Une **tranche**
    // (*slice*) `&v[1..3]` voit les éléments 1 et 2, sans rien copier : la borne de droite est exclue.
    // %% [markdown] en
    // `f64::from(x)` converts without loss; `as` always converts, even with a loss (with `as usize`, 2.9 became 2).
    //
    // ## Lists and slices {#tranches}
    //
    // `Vec` is the list that grows; `vec![0.0; 4]` makes one of four zeros. Indices begin at 0. A **slice** `&v[1..3]` sees the
    // elements 1 and 2 and copies nothing: the right end is excluded.
    // %%
    let mut v: Vec<f64> = vec![0.0; 4];
    v[1] = 2.5;
    v.push(7.0);
    println!("{v:?}  {}  {:?}  {:?}  {:?}", v.len(), &v[1..3], &v[3..], v.last());

    // %% [markdown] fr
    // Un indice hors de la liste arrête le programme (une *panique*, [[#option]]), au lieu de lire n'importe quoi en mémoire.
    //
    // Une matrice, dans ce cours, est souvent une liste à plat : l'élément (i, j) d'une matrice de C colonnes se trouve en
    // `i * C + j`.
    // %% [markdown] en
    // An index outside the list stops the program (a *panic*, [[#option]]) instead of reading whatever lies there in memory.
    //
    // A matrix, in this course, is often a flat list: element (i, j) of a matrix of C columns is at `i * C + j`.
    // %%
    let columns = 3;
    let matrix: Vec<f64> = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    println!("{} {:?}", matrix[columns + 2], &matrix[columns..2 * columns]);

    // %% [markdown] fr
    // ## Boucles et intervalles {#boucles}
    //
    // `0..4` va de 0 à 3, `0..=4` de 0 à 4. `for x in &v` parcourt sans prendre, `for x in &mut v` permet de modifier (`*x` est
    // la valeur que x désigne), `enumerate()` ajoute l'indice. `while` répète tant que sa condition est vraie : la seconde
    // cellule compte les pas de la suite de Syracuse (moitié si n est pair, 3n + 1 sinon) pour aller de 27 à 1.
    // %% [markdown] en
    // ## Loops and ranges {#boucles}
    //
    // `0..4` goes from 0 to 3, `0..=4` from 0 to 4. `for x in &v` walks without taking, `for x in &mut v` lets you change
    // (`*x` is the value that x points to), `enumerate()` adds the index. `while` repeats as long as its condition is true:
    // the second cell counts the steps of the Collatz sequence (half of n if n is even, otherwise 3n + 1) from 27 down to 1.
    // %%
    let mut squares = vec![1, 2, 3, 4];
    for x in &mut squares {
        *x *= *x;
    }
    let mut sum = 0;
    for i in 0..squares.len() {
        sum += squares[i];
    }
    for (i, x) in squares.iter().enumerate().skip(2) {
        println!("{i} → {x}");
    }
    println!("{squares:?} {sum}");

    // %%
    let mut n = 27;
    let mut flights = 0;
    while n != 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        flights += 1;
    }
    println!("{flights}");

    // %% [markdown] fr
    // Il en faut 111. Tu vois que `if` est une expression : il *vaut* quelque chose. Sa condition s'écrit sans parenthèses.
    //
    // ## Fonctions {#fonctions}
    //
    // Les types des arguments et du résultat s'écrivent toujours. La dernière expression, **sans point-virgule**, est le
    // résultat ; `return` sert à sortir plus tôt.
    // %% [markdown] en
    // It takes 111. You see that `if` is an expression: it *has* a value. Its condition takes no parentheses.
    //
    // ## Functions {#fonctions}
    //
    // The types of arguments and result are always written. The last expression, **without a semicolon**, is the result;
    // `return` is for leaving early.
    // %%
    fn dot(x: &[f64], y: &[f64]) -> f64 {
        let mut sum = 0.0;
        for i in 0..x.len() {
            sum += x[i] * y[i];
        }
        sum
    }

    println!("{}", dot(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]));

    // %% [markdown] fr
    // Un `;` de trop après `sum`, et la fonction ne rendrait rien : le compilateur le dirait (« expected `f64`, found `()` »).
    //
    // ## Posséder et prêter {#emprunt}
    //
    // C'est l'idée neuve de Rust ; quelques lignes suffisent ici.
    // - Chaque valeur a **un** propriétaire. `let b = a;` ou `f(a)` *déplace* une liste : `a` n'existe plus.
    // - `&a` la **prête** en lecture ; `&mut a` la prête en écriture, à un seul à la fois.
    // - `a.clone()` en fait une copie, que l'on paie.
    // - Les nombres, les `bool` et les `char` se copient d'eux-mêmes.
    //
    // Une fonction prend donc presque toujours `&[f64]` (je lis) ou `&mut [f64]` (je modifie), rarement `Vec<f64>` (je garde).
    // %% [markdown] en
    // One `;` too many after `sum`, and the function would return nothing: the compiler would say so ("expected `f64`, found
    // `()`").
    //
    // ## To own and to lend {#emprunt}
    //
    // This is Rust's new idea; a few lines are enough here.
    // - Each value has **one** owner. `let b = a;` or `f(a)` *moves* a list: `a` is no more.
    // - `&a` **lends** it to be read; `&mut a` lends it to be changed, to one at a time.
    // - `a.clone()` makes a copy, which has a cost.
    // - Numbers, `bool` and `char` copy themselves.
    //
    // So a function nearly always takes `&[f64]` (I read) or `&mut [f64]` (I change), rarely `Vec<f64>` (I keep).
    // %%
    fn largest(x: &[f64]) -> f64 {
        x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn scale(x: &mut [f64], by: f64) {
        for x in x {
            *x *= by;
        }
    }

    let mut loss = vec![4.0, 1.5, 2.0];
    scale(&mut loss, 2.0);
    let kept = loss.clone();
    let moved = loss;
    println!("{} {kept:?} {moved:?}", largest(&kept));

    // %% [markdown] fr
    // Après cette cellule, `loss` n'existe plus : sa liste appartient à `moved`. C'est ainsi que Rust se passe de
    // ramasse-miettes et ne lit jamais une mémoire libérée.
    //
    // ## Structures {#struct}
    //
    // Une `struct` regroupe des champs, `impl` lui donne des fonctions : `&self` la lit, `&mut self` la modifie.
    // `Counter::new` est une fonction du type, `c.mean()` une fonction d'une valeur. `#[derive(Debug, Clone)]` apprend au
    // type à s'afficher et à se copier.
    // %% [markdown] en
    // After this cell `loss` is no more: its list belongs to `moved`. This is how Rust does without a garbage collector and
    // never reads memory that was freed.
    //
    // ## Structures {#struct}
    //
    // A `struct` holds fields, `impl` gives it functions: `&self` reads it, `&mut self` changes it. `Counter::new` is a function
    // of the type, `c.mean()` one of a value. `#[derive(Debug, Clone)]` teaches the type to print and to copy itself.
    // %%
    #[derive(Debug, Clone)]
    struct Counter {
        sum: f64,
        times: usize,
    }

    impl Counter {
        fn new() -> Counter {
            Counter { sum: 0.0, times: 0 }
        }

        fn add(&mut self, x: f64) {
            self.sum += x;
            self.times += 1;
        }

        fn mean(&self) -> f64 {
            self.sum / self.times as f64
        }
    }
    // %%
    let mut c = Counter::new();
    c.add(2.0);
    c.add(5.0);
    println!("{c:?} {}", c.mean());

    // %% [markdown] fr
    // Les réglages de la bibliothèque sont des structures ; on n'en change que quelques champs, le reste vient de
    // `..Default::default()` :
    // %% [markdown] en
    // The library's options are structures; change a few fields, the rest comes from `..Default::default()`:
    // %%
    use motamot::tokenizer::BpeOptions;

    let options = BpeOptions { vocab_size: 300, ..Default::default() };
    println!("{} {}", options.vocab_size, options.min_frequency);

    // %% [markdown] fr
    // ## Ce qui peut manquer, ce qui peut échouer {#option}
    //
    // Il n'y a pas de `null`. Ce qui peut manquer est une `Option` : `Some(x)` ou `None`. Ce qui peut échouer est un
    // `Result` : `Ok(x)` ou `Err(e)`. On regarde avec `match`, `if let` ou `let … else` ; `unwrap()` prend la valeur et
    // **arrête tout** s'il n'y en a pas. Dans un carnet, c'est ce que l'on veut.
    // %% [markdown] en
    // ## What may be missing, what may fail {#option}
    //
    // There is no `null`. What may be missing is an `Option`: `Some(x)` or `None`. What may fail is a `Result`: `Ok(x)` or
    // `Err(e)`. Look with `match`, `if let` or `let … else`; `unwrap()` takes the value and **stops everything** if there is
    // none. In a notebook that is what we want.
    // %%
    fn first_vowel(word: &str) -> Option<char> {
        word.chars().find(|c| "aeiouy".contains(*c))
    }

    for word in ["romeo", "grr"] {
        match first_vowel(word) {
            Some(vowel) => println!("{word} → {vowel}"),
            None => println!("{word} → {}", tr("aucune", "none")),
        }
    }
    let parsed: f64 = "2.5".parse().unwrap();
    println!("{parsed} {:?} {}", "deux".parse::<f64>(), first_vowel("grr").unwrap_or('-'));

    // %% [markdown] fr
    // Une **panique** (*panic*) arrête le programme avec un message : un indice hors de la liste, un `unwrap()` sur rien, un
    // `assert!` faux. `assert!(condition)` et `assert_eq!(a, b)` sont les vérifications de ce cours : une cellule d'accord qui
    // passe est une preuve, pas une promesse.
    // %% [markdown] en
    // A **panic** stops the program with a message: an index outside the list, an `unwrap()` of nothing, an `assert!` that is
    // false. `assert!(condition)` and `assert_eq!(a, b)` are this course's checks: an agreement cell that passes is a proof,
    // not a promise.
    // %%
    let halves: Vec<f64> = vec![0.5, 0.25, 0.25];
    assert_eq!(halves.len(), 3);
    assert!((halves.iter().sum::<f64>() - 1.0).abs() < 1e-12, "probabilities must sum to 1");
    println!("{}", tr("tout est vrai", "all is true"));

    // %% [markdown] fr
    // ## Fermetures et itérateurs, en bref {#iterateurs}
    //
    // Une **fermeture** (*closure*) `|x| x * 2` est une petite fonction sans nom. Un **itérateur** enchaîne des
    // transformations, et `collect()` en fait une liste, dont il faut dire le type. Une boucle pourrait toujours faire la
    // même chose.
    // %% [markdown] en
    // ## Closures and iterators, in brief {#iterateurs}
    //
    // A **closure** `|x| x * 2` is a small function without a name. An **iterator** chains transformations, and `collect()`
    // makes a list of it, whose type must be given. A loop could always do the same.
    // %%
    let logits: Vec<f64> = vec![2.0, 1.0, 0.0];
    let exps: Vec<f64> = logits.iter().map(|x| x.exp()).collect();
    let z: f64 = exps.iter().sum();
    let p: Vec<f64> = exps.iter().map(|e| e / z).collect();
    let picked: Vec<usize> = (0..10).filter(|i| i % 3 == 1).collect();
    let pairs: Vec<(char, usize)> = "ROMEO".chars().zip(0..).collect();
    println!("{p:.3?} {picked:?} {:?}", &pairs[..2]);

    // %% [markdown] fr
    // | tu lis | cela fait |
    // |---|---|
    // | `.iter()` | parcourt sans prendre |
    // | `.map(f)`, `.filter(f)` | transforme, garde |
    // | `.sum::<f64>()`, `.count()`, `.max()` | réduit à un nombre |
    // | `.zip(b)`, `.enumerate()` | va deux par deux, numérote |
    // | `.windows(n)`, `.chunks(n)` | fenêtres qui glissent, morceaux côte à côte (sur une tranche) |
    // | `.collect()` | en fait une liste (ou un texte, un dictionnaire) |
    //
    // ### Afficher
    // %% [markdown] en
    // | you read | it does |
    // |---|---|
    // | `.iter()` | walks without taking |
    // | `.map(f)`, `.filter(f)` | transforms, keeps |
    // | `.sum::<f64>()`, `.count()`, `.max()` | reduces to a number |
    // | `.zip(b)`, `.enumerate()` | goes two by two, numbers |
    // | `.windows(n)`, `.chunks(n)` | windows that slide, pieces side by side (of a slice) |
    // | `.collect()` | makes a list (or a text, a dictionary) |
    //
    // ### Printing
    // %%
    let pi = std::f64::consts::PI;
    let name = "loss";
    println!("{name} = {pi}");
    println!("{pi:.2} | {pi:8.3} | {:<6}| {:>6} | {:06.2} | {:e}", "ab", "cd", pi, 12345.0);
    println!("{:?} {:?} {:.1?}", "été\n", Some(3), [1.0, 2.25]);

    // %% [markdown] fr
    // `{x}` affiche une variable, `{}` l'argument suivant. Après `:` vient la mise en forme : `.2` deux décimales, `8` une
    // largeur, `<` et `>` le côté, `e` la notation scientifique, `?` l'affichage de *débogage*, qui sait montrer listes et
    // structures.
    //
    // ### Un dictionnaire
    // %% [markdown] en
    // `{x}` prints a variable, `{}` the next argument. After `:` comes the format: `.2` two decimals, `8` a width, `<` and
    // `>` the side, `e` scientific notation, `?` the *debugging* form, which can show lists and structures.
    //
    // ### A dictionary
    // %%
    use std::collections::BTreeMap;

    let mut letters: BTreeMap<char, usize> = BTreeMap::new();
    for letter in "to be or not to be".chars() {
        *letters.entry(letter).or_insert(0) += 1;
    }
    println!("{letters:?}");

    // %% [markdown] fr
    // `HashMap` est plus rapide, mais son ordre change à chaque exécution ; `BTreeMap` est toujours trié. Nos carnets doivent
    // donner partout le même résultat : on trie, ou l'on prend `BTreeMap`, dès que l'ordre se voit.
    //
    // ## Lire une erreur de compilation {#erreurs}
    //
    // Le compilateur lit toute la cellule *avant* d'exécuter quoi que ce soit. S'il refuse, rien n'a été fait. Pour
    // `let total: f64 = 3;` il dit (en couleurs dans le carnet) :
    //
    // ```text
    // error[E0308]: mismatched types
    //   |
    // 2 |     let total: f64 = 3;
    //   |                ---   ^ expected `f64`, found integer
    //   |                |
    //   |                expected due to this
    //   |
    // help: use a float literal
    //   |
    // 2 |     let total: f64 = 3.0;
    //   |                       ++
    // ```
    //
    // Lis dans cet ordre : la **première** erreur seulement ; l'endroit souligné par `^` ; la ligne `help`, qui a souvent
    // raison. Les quatre que tu verras le plus :
    //
    // | message | ce qu'il veut dire | remède |
    // |---|---|---|
    // | `mismatched types` | un type pour un autre | `as f64`, `.to_vec()`, `&`, ou un `;` de trop |
    // | `cannot borrow … as mutable` | la valeur n'est pas `mut` | `let mut` |
    // | `borrow of moved value` | la liste a changé de propriétaire | passe `&x`, ou `x.clone()` |
    // | `cannot find value … in this scope` | faute de frappe, cellule non exécutée, ou variable déplacée | exécute les cellules d'avant |
    // %% [markdown] en
    // `HashMap` is faster, but its order changes with each run; `BTreeMap` is always sorted. Our notebooks must give the same
    // result everywhere: we sort, or take a `BTreeMap`, as soon as the order shows.
    //
    // ## Reading a compile error {#erreurs}
    //
    // The compiler reads the whole cell *before* it runs anything. If it refuses, nothing was done. For `let total: f64 = 3;` it
    // says (in colours in the notebook):
    //
    // ```text
    // error[E0308]: mismatched types
    //   |
    // 2 |     let total: f64 = 3;
    //   |                ---   ^ expected `f64`, found integer
    //   |                |
    //   |                expected due to this
    //   |
    // help: use a float literal
    //   |
    // 2 |     let total: f64 = 3.0;
    //   |                       ++
    // ```
    //
    // Read in this order: the **first** error only; the place underlined by `^`; the line `help`, which is often right. The four
    // that you will see most:
    //
    // | message | what it means | cure |
    // |---|---|---|
    // | `mismatched types` | one type for another | `as f64`, `.to_vec()`, `&`, or a `;` too many |
    // | `cannot borrow … as mutable` | the value is not `mut` | `let mut` |
    // | `borrow of moved value` | the list has a new owner | pass `&x`, or `x.clone()` |
    // | `cannot find value … in this scope` | a typo, a cell not run, or a variable that was moved | run the cells before |

    // %% [markdown] fr
    // ## Cinq pièges du carnet {#pieges}
    //
    // Le noyau Rust de Jupyter compile chaque cellule à part et garde les variables de l'une à l'autre. D'où cinq surprises.
    //
    // **Piège 1 : une vue ne survit pas à sa cellule.** `let s = &v;` au niveau de la cellule est refusé (« contains a reference
    // with a non-static lifetime so can't be persisted »). Garde la valeur elle-même, un indice, ou entoure le tout de `{ }` :
    // ce qui naît entre accolades meurt avec elles.
    // %% [markdown] en
    // ## Five traps of the notebook {#pieges}
    //
    // Jupyter's Rust kernel compiles each cell by itself and keeps the variables from one to the next. Hence five surprises.
    //
    // **Trap 1: a view does not outlive its cell.** `let s = &v;` at the level of the cell is refused ("contains a reference
    // with a non-static lifetime so can't be persisted"). Keep the value itself, an index, or put it all between `{ }`: what
    // is born between braces dies with them.
    // %%
    let table: Vec<f64> = vec![3.0, 1.0, 2.0];
    let best: usize = 0;
    {
        let view = &table[1..];
        println!("{view:?} {}", table[best]);
    }

    // %% [markdown] fr
    // **Piège 2 : une fermeture non plus.** `let f = |x| …;` qui doit servir dans une autre cellule donne un message obscur
    // (« borrowed data escapes outside of function »), et un itérateur gardé dans une variable est refusé. Écris une `fn`, et
    // `collect()` tes itérateurs dans un `Vec`.
    // %% [markdown] en
    // **Trap 2: nor does a closure.** `let f = |x| …;` that is to serve in another cell gives an obscure message ("borrowed
    // data escapes outside of function"), and an iterator kept in a variable is refused. Write an `fn`, and `collect()` your
    // iterators into a `Vec`.
    // %%
    fn double(x: f64) -> f64 {
        2.0 * x
    }
    let doubled: Vec<f64> = table.iter().map(|&x| double(x)).collect();
    println!("{doubled:?}");

    // %% [markdown] fr
    // **Piège 3 : ce qui est déplacé a disparu, pour les cellules suivantes aussi.** Après `let moved = loss;`, la variable
    // `loss` est introuvable partout (« cannot find value »). Réexécuter une cellule qui déplace une valeur échoue donc :
    // remonte exécuter celle qui a créé la valeur.
    // %% [markdown] en
    // **Trap 3: what was moved is gone, for the next cells too.** After `let moved = loss;` the variable `loss` is found nowhere
    // ("cannot find value"). So running a cell that moves a value fails the second time: go back and run the one that made it.
    // %%
    let corpus: Vec<u32> = vec![1, 2, 3];
    let shared = corpus.clone();
    println!("{} {}", corpus.len(), shared.len());

    // %% [markdown] fr
    // **Piège 4 : pas de `?` au niveau de la cellule.** Dans une fonction, `x?` sort avec l'erreur. Dans une cellule, le
    // noyau affiche l'erreur et… continue comme si de rien n'était. Écris `unwrap()` ou `expect("pourquoi")`.
    // %% [markdown] en
    // **Trap 4: no `?` at the level of a cell.** In a function `x?` leaves with the error. In a cell the kernel prints the
    // error and… goes on as if nothing had happened. Write `unwrap()` or `expect("why")`.
    // %%
    fn halve(text: &str) -> Result<f64, std::num::ParseFloatError> {
        let x: f64 = text.parse()?;
        Ok(x / 2.0)
    }
    println!("{} {}", halve("5").unwrap(), halve("cinq").is_err());

    // %% [markdown] fr
    // **Piège 5 : une panique efface tout, et rien ne s'affiche avant la fin de ligne.** Après une panique les variables sont
    // perdues : relance les cellules depuis le haut (*Run* → *Run All Above*). De même, redéfinir une `struct` fait perdre
    // les variables de l'ancien type. Et `print!` sans retour à la ligne attend : affiche l'avancement par lignes entières,
    // comme ceci.
    // %% [markdown] en
    // **Trap 5: a panic wipes out everything, and nothing shows before the line ends.** After a panic the variables are lost:
    // run the cells again from the top (*Run* → *Run All Above*). Likewise, defining a `struct` again loses the variables of
    // the old type. And `print!` without a new line waits: show progress by whole lines, like this.
    // %%
    for step in 0..3 {
        println!("{} {step}", tr("étape", "step"));
    }

    // %% [markdown] fr
    // ## À toi {#exercices}
    //
    // Un seul exercice, non noté : écris `mean`, la moyenne d'une tranche, à la place du 0.0. La cellule compare le résultat
    // avec la réponse attendue.
    //
    // <details><summary>Solution</summary>
    //
    // ```rust
    // fn mean(x: &[f64]) -> f64 {
    //     x.iter().sum::<f64>() / x.len() as f64
    // }
    // ```
    //
    // </details>
    // %% [markdown] en
    // ## Your turn {#exercices}
    //
    // One exercise only, not graded: write `mean`, the mean of a slice, in the place of 0.0. The cell compares the result with
    // the expected answer.
    //
    // <details><summary>Solution</summary>
    //
    // ```rust
    // fn mean(x: &[f64]) -> f64 {
    //     x.iter().sum::<f64>() / x.len() as f64
    // }
    // ```
    //
    // </details>
    // %%
    fn mean(x: &[f64]) -> f64 {
        let _ = x;
        0.0
    }
    let right = mean(&[1.0, 2.0, 6.0]) == 3.0;
    println!(
        "{}",
        if right {
            tr("✔ juste", "✔ right")
        } else {
            tr("… à toi de jouer", "… your turn")
        }
    );

    // %% [markdown] fr
    // ## Pour aller plus loin {#suite}
    //
    // *The Rust Programming Language*, chapitres 3 à 6, 8, 10 et 13 (en ligne, gratuit) ; *Rust by Example* pour les
    // exemples. Mais tu en sais assez : ouvre le [[00]].
    // %% [markdown] en
    // ## Further reading {#suite}
    //
    // *The Rust Programming Language*, chapters 3 to 6, 8, 10 and 13 (online, free); *Rust by Example* for examples. But you
    // know enough: open [[00]].
}
