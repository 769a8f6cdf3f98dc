//! Notebook 02: embeddings, vectors that mean something.

fn main() {
    // %% [markdown] fr
    // # 02 · Les embeddings : des vecteurs qui ont du sens
    //
    // ⏱ Environ 1 heure. Avant : les carnets 00 et 01, et l'annexe « Juste assez de Rust » si le langage est nouveau pour toi.
    //
    // Le tokeniseur du carnet 01 a changé le texte en numéros. Mais le numéro 262 n'est pas « plus proche » du 263 que du 4 000, ni « plus petit » dans un sens utile : un id n'est qu'un nom. Ici, chaque id reçoit un **vecteur** appris, un *embedding* (on dit aussi « plongement »). À la fin, tu sauras :
    //
    // - pourquoi « multiplier par un vecteur one-hot » et « lire une ligne d'une table » sont la même chose, à l'aller comme au retour ;
    // - entraîner word2vec (skip-gram et CBOW, avec échantillonnage négatif) sur Shakespeare, avec des gradients dérivés à la main ;
    // - construire le concurrent sans réseau de neurones, PPMI + SVD, et dire honnêtement qui gagne ;
    // - mesurer ce que ces vecteurs savent, et surtout **ce qu'ils ne savent pas**.
    //
    // Trois questions, pour y penser pendant la lecture (réponses à la fin) :
    //
    // 1. Si un mot apparaît trois fois dans un lot, combien de gradients sa ligne reçoit-elle ?
    // 2. « love » et « hate », deux contraires, ont-ils des vecteurs proches ou éloignés ?
    // 3. king − man + woman donne-t-il queen ?
    // %% [markdown] en
    // # 02 · Embeddings: vectors that mean something
    //
    // ⏱ About 1 hour. Before: notebooks 00 and 01, and the appendix "Just enough Rust" if the language is new to you.
    //
    // The tokenizer of notebook 01 turned text into numbers. But number 262 is not "closer" to 263 than to 4,000, nor "smaller" in any useful sense: an id is only a name. Here every id gets a learned **vector**, an *embedding*. By the end you will be able to:
    //
    // - say why "multiply by a one-hot vector" and "read a row of a table" are the same thing, forward and backward;
    // - train word2vec (skip-gram and CBOW, with negative sampling) on Shakespeare, with gradients derived by hand;
    // - build the rival without a neural network, PPMI + SVD, and say honestly who wins;
    // - measure what these vectors know, and above all **what they do not know**.
    //
    // Three questions to keep in mind while reading (answers at the end):
    //
    // 1. If a word occurs three times in a batch, how many gradients does its row receive?
    // 2. "love" and "hate" are opposites: are their vectors close or far apart?
    // 3. Does king − man + woman give queen?

    // %%
    use motamot::check;
    use motamot::data::Corpus;
    use motamot::html::Table;
    use motamot::kernels::math::{exp, ln};
    use motamot::kernels::rng::Rng;
    use motamot::model::preset;
    use motamot::models::word2vec::{
        Example, Method, Vocabulary, Word2Vec, Word2VecConfig, words,
    };
    use motamot::nn::{Embedding, Pass};
    use motamot::plot::{Bars, Chart, HeatMap, Panels, Scatter, Series};
    use motamot::tensor::{Gradients, Tensor, ops};
    use motamot::{figures, show, tr};
    use std::time::Instant;
    println!("{}", tr("prêt", "ready"));

    // %% [markdown] fr
    // ## 1 · Un id est une ligne
    //
    // La façon « mathématique » de donner un id à un réseau est le vecteur **one-hot** : autant de nombres que de mots, des zéros partout et un 1 à la place de l'id. Multiplié par une matrice $E$ de taille $V \times C$ (V mots, C nombres par mot), il donne $y_j = \sum_i x_i E_{ij}$.
    //
    // *Prédis, puis exécute.* Dans cette somme, combien de termes ne sont pas nuls ? Que vaut le résultat ?
    // %% [markdown] en
    // ## 1 · An id is a row
    //
    // The "mathematical" way to hand an id to a network is the **one-hot** vector: as many numbers as words, zeros everywhere and a 1 at the id's place. Times a matrix $E$ of shape $V \times C$ (V words, C numbers per word) it gives $y_j = \sum_i x_i E_{ij}$.
    //
    // *Predict, then run.* How many terms of this sum are not zero? What does it come to?

    // %% concept
    fn one_hot(id: usize, size: usize) -> Vec<f32> {
        let mut x = vec![0.0; size];
        x[id] = 1.0;
        x
    }

    /// x (V) times m (V, C), stored row by row.
    fn vector_times_matrix(x: &[f32], m: &[f32], width: usize) -> Vec<f32> {
        let mut y = vec![0.0; width];
        for i in 0..x.len() {
            for j in 0..width {
                y[j] += x[i] * m[i * width + j];
            }
        }
        y
    }

    let table: Vec<f32> =
        vec![0.1, 0.2, 0.3, 1.1, 1.2, 1.3, 2.1, 2.2, 2.3, 3.1, 3.2, 3.3, 4.1, 4.2, 4.3];
    println!("one-hot(3) = {:?}", one_hot(3, 5));
    println!("one-hot(3) · E = {:?}", vector_times_matrix(&one_hot(3, 5), &table, 3));
    println!("E[3] = {:?}", &table[9..12]);

    // %% [markdown] fr
    // Un seul terme n'est pas nul : le produit **est** la ligne 3. Avec la table du modèle `mini` (5 000 × 256), la multiplication coûterait 1 280 000 produits par mot ; la lecture copie 256 nombres. La couche `Embedding` de la bibliothèque fait donc la lecture (en Rust, `&[3, 1, 3]` prête un tableau à la fonction sans le donner) :
    // %% [markdown] en
    // A single term is not zero: the product **is** row 3. With the table of the model `mini` (5,000 × 256) the multiplication would cost 1,280,000 products per word; reading copies 256 numbers. So the library's `Embedding` layer reads (in Rust, `&[3, 1, 3]` lends an array to the function without giving it away):

    // %% library
    let embedding: Embedding = Embedding::new(5, 3, 0.5, &mut Rng::new(1));
    let rows: Tensor = embedding.forward(&[3, 1, 3], [3], &Pass::eval());
    println!("{:?}", rows.shape());
    for row in rows.data().chunks(3) {
        println!("{row:.4?}");
    }

    // %% agreement
    for (i, id) in [3, 1, 3].into_iter().enumerate() {
        let product = vector_times_matrix(&one_hot(id, 5), embedding.weight.data(), 3);
        assert_eq!(product, rows.data()[i * 3..(i + 1) * 3]);
    }
    println!(
        "{}",
        tr(
            "✔ one-hot · E = lecture de la ligne, au bit près",
            "✔ one-hot · E = reading the row, to the bit"
        )
    );

    // %% [markdown] fr
    // ### Le retour : une somme par ligne
    //
    // Soit $\ell$ la perte. Puisque $Y = O \cdot E$, où chaque ligne de $O$ est one-hot, la règle de la chaîne donne $\frac{\partial \ell}{\partial E} = O^\top \cdot \frac{\partial \ell}{\partial Y}$. Les ids sont ici 3, 1, 3, et le gradient qui revient vaut (1, 2, 3), (10, 20, 30), (100, 200, 300).
    //
    // *Prédis, puis exécute.* Que contient la ligne 3 du gradient de la table ? Et la ligne 0 ?
    // %% [markdown] en
    // ### The way back: a sum per row
    //
    // Let $\ell$ be the loss. Since $Y = O \cdot E$, where each row of $O$ is one-hot, the chain rule gives $\frac{\partial \ell}{\partial E} = O^\top \cdot \frac{\partial \ell}{\partial Y}$. The ids are 3, 1, 3 here, and the gradient that comes back is (1, 2, 3), (10, 20, 30), (100, 200, 300).
    //
    // *Predict, then run.* What does row 3 of the table's gradient hold? And row 0?

    // %% concept
    /// Oᵀ · d_y: a product with a matrix of zeros and ones, the long way.
    fn one_hot_gradient(ids: &[usize], d_y: &[f32], size: usize, width: usize) -> Vec<f32> {
        let mut d_table = vec![0.0; size * width];
        for i in 0..ids.len() {
            let x = one_hot(ids[i], size);
            for row in 0..size {
                for j in 0..width {
                    d_table[row * width + j] += x[row] * d_y[i * width + j];
                }
            }
        }
        d_table
    }

    let d_y: Vec<f32> = vec![1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 100.0, 200.0, 300.0];
    let by_hand: Vec<f32> = one_hot_gradient(&[3, 1, 3], &d_y, 5, 3);
    for (id, row) in by_hand.chunks(3).enumerate() {
        println!("{id}: {row:?}");
    }

    // %% library
    let mut gradients = Gradients::new();
    let tracked: Tensor = embedding.forward(&[3, 1, 3], [3], &Pass::train(&mut Rng::new(0)));
    tracked.backward_from(&d_y, &mut gradients);
    let by_tape: Vec<f32> = gradients.get(embedding.weight.id()).unwrap().to_vec();
    println!("{by_tape:?}");

    // %% agreement
    assert_eq!(by_hand, by_tape);
    println!(
        "{}",
        tr(
            "✔ Oᵀ · d_y = le gradient de la bibliothèque",
            "✔ Oᵀ · d_y = the library's gradient"
        )
    );

    // %% [markdown] fr
    // Sur l'image, regarde la ligne 3 : elle porte 101, 202, 303.
    // %% [markdown] en
    // In the picture, look at row 3: it holds 101, 202, 303.

    // %%
    show(
        &HeatMap::new(
            tr(
                "Gradient de la table pour les ids 3, 1, 3",
                "Gradient of the table for the ids 3, 1, 3",
            ),
            5,
            3,
            by_hand.iter().map(|x| f64::from(*x)),
        )
        .row_labels(["0", "1", "2", "3", "4"])
        .column_labels(["0", "1", "2"])
        .x_label("dimension")
        .y_label("id")
        .digits(0)
        .size(480, 340),
    );

    // %% [markdown] fr
    // La ligne 3, lue deux fois, reçoit **la somme** de ses deux gradients ; les lignes jamais lues reçoivent zéro. Cette opération s'appelle *scatter-add* : on éparpille les lignes du gradient, et on additionne là où elles tombent au même endroit. L'erreur classique est d'écraser au lieu d'ajouter : c'est l'exercice 02.2.
    //
    // ## 2 · Proches en quel sens ?
    //
    // Deux mesures pour deux vecteurs : le **produit scalaire** $a \cdot b = \sum_j a_j b_j$, et le **cosinus** $\cos(a, b) = \frac{a \cdot b}{\|a\| \, \|b\|}$, qui ne garde que la direction (1 : même direction, 0 : perpendiculaires, −1 : opposées).
    //
    // *Prédis, puis exécute.* Pour $a = (1, 1)$ : de (5, 0), (0,5 ; 0,5) et (−2, −2), lequel a le plus grand produit scalaire ? Le plus grand cosinus ?
    // %% [markdown] en
    // Row 3, read twice, receives **the sum** of its two gradients; rows that were never read receive zero. This operation is called *scatter-add*: the gradient's rows are scattered, and added where they land on the same place. The classic mistake is to overwrite instead of adding: that is exercise 02.2.
    //
    // ## 2 · Close in what sense?
    //
    // Two measures for two vectors: the **dot product** $a \cdot b = \sum_j a_j b_j$, and the **cosine** $\cos(a, b) = \frac{a \cdot b}{\|a\| \, \|b\|}$, which keeps the direction only (1: same direction, 0: perpendicular, −1: opposite).
    //
    // *Predict, then run.* For $a = (1, 1)$: which of (5, 0), (0.5, 0.5) and (−2, −2) has the largest dot product? The largest cosine?

    // %% concept
    fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut sum = 0.0;
        for i in 0..a.len() {
            sum += a[i] * b[i];
        }
        sum
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
    }

    for b in [[5.0, 0.0], [0.5, 0.5], [-2.0, -2.0]] {
        println!(
            "(1, 1) · {b:?} = {:>4}   cos = {:.3}",
            dot(&[1.0, 1.0], &b),
            cosine(&[1.0, 1.0], &b)
        );
    }

    // %% [markdown] fr
    // Le produit scalaire préfère (5, 0), parce qu'il est long ; le cosinus préfère (0,5 ; 0,5), parce qu'il pointe dans la même direction. Pour comparer des mots, on prend le cosinus : nous verrons (section 9) que la longueur d'un vecteur de mot dépend beaucoup de sa fréquence.
    //
    // ## 3 · L'hypothèse distributionnelle
    //
    // « Tu connaîtras un mot à ses fréquentations » (J. R. Firth, 1957 ; Harris, 1954, dit la même chose autrement). Si deux mots se montrent dans les mêmes contextes, c'est qu'ils se ressemblent. C'est la seule idée de ce carnet ; le reste est de l'arithmétique.
    //
    // Le corpus : le texte de Shakespeare embarqué dans la bibliothèque, en minuscules, sans ponctuation. Nous gardons les mots vus au moins 8 fois ; avec moins d'exemples, aucun vecteur ne veut dire grand-chose.
    // %% [markdown] en
    // The dot product prefers (5, 0), because it is long; the cosine prefers (0.5, 0.5), because it points the same way. To compare words we take the cosine: the length of a word's vector, as we shall see in section 9, depends a good deal on its frequency.
    //
    // ## 3 · The distributional hypothesis
    //
    // "You shall know a word by the company it keeps" (J. R. Firth, 1957; Harris, 1954, says the same in other words). If two words show up in the same contexts, they are alike. That is the only idea of this notebook; the rest is arithmetic.
    //
    // The corpus: the text of Shakespeare embedded in the library, in lower case, without punctuation. We keep the words seen at least 8 times; with fewer examples no vector means much.

    // %%
    let corpus: Corpus = Corpus::embedded();
    let tokens: Vec<String> = words(corpus.text().unwrap()).collect();
    let vocabulary: Vocabulary = Vocabulary::new(&tokens, 8);
    let ids: Vec<u32> = vocabulary.encode(&tokens);
    println!("{} {}", tokens.len(), tr("mots dans le texte", "words in the text"));
    println!("{} {}", vocabulary.len(), tr("mots différents gardés", "different words kept"));
    println!(
        "{} {}",
        ids.len(),
        tr("mots du texte qui en font partie", "words of the text are among them")
    );
    for word in ["the", "thou", "king", "love", "romeo", "woman", "bad", "dagger"] {
        println!(
            "{word:>7} {:>5}",
            vocabulary.counts()[vocabulary.id(word).unwrap() as usize]
        );
    }

    // %% [markdown] fr
    // Comptons les fréquentations : dans une fenêtre de 4 mots de chaque côté, combien de fois chaque couple se présente-t-il ?
    //
    // *Prédis, puis exécute.* Quels sont les compagnons les plus fréquents de « romeo » ?
    // %% [markdown] en
    // Let us count the company: in a window of 4 words on each side, how often does each pair occur?
    //
    // *Predict, then run.* What are the most frequent companions of "romeo"?

    // %% concept
    /// counts[i · n + j]: how often words i and j stand at most `window` words apart.
    fn cooccurrences(ids: &[u32], n: usize, window: usize) -> Vec<f32> {
        let mut counts = vec![0.0; n * n];
        for i in 0..ids.len() {
            for j in i + 1..(i + window + 1).min(ids.len()) {
                let (a, b) = (ids[i] as usize, ids[j] as usize);
                counts[a * n + b] += 1.0;
                counts[b * n + a] += 1.0;
            }
        }
        counts
    }

    let counts: Vec<f32> = cooccurrences(&ids, vocabulary.len(), 4);

    /// The eight words with the largest values in a row.
    fn top(vocabulary: &Vocabulary, row: &[f32]) -> String {
        let mut ids: Vec<u32> = (0..row.len() as u32).collect();
        ids.sort_by(|a, b| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b)));
        let names: Vec<&str> = ids.iter().take(8).map(|id| vocabulary.word(*id)).collect();
        names.join(", ")
    }

    for word in ["romeo", "thou", "king"] {
        let id = vocabulary.id(word).unwrap() as usize;
        println!(
            "{word}: {}",
            top(&vocabulary, &counts[id * vocabulary.len()..(id + 1) * vocabulary.len()])
        );
    }

    // %% [markdown] fr
    // Déception : ce sont presque tous des mots parmi les plus fréquents de la langue, compagnons de tout le monde. La bonne question n'est pas « combien de fois ensemble ? » mais « combien de fois **de plus que par hasard** ? ». C'est l'**information mutuelle ponctuelle** (*pointwise mutual information*) :
    //
    // $$\mathrm{PMI}(i, j) = \ln \frac{p(i, j)}{p(i)\, p(j)} = \ln \frac{n_{ij} \, N}{n_i \, n_j}$$
    //
    // où $n_i$ est la somme de la ligne i et $N$ celle de toute la table. Un couple jamais vu donnerait $-\infty$ : on ne garde que la partie positive, la **PPMI** $= \max(0, \mathrm{PMI})$. Presque toutes les cases sont nulles ; nous ne stockons donc que les autres. (En Rust, `|x| …` est une fonction sans nom, et `.map(…)` l'applique à chaque élément.)
    // %% [markdown] en
    // A disappointment: nearly all of these are among the most frequent words of the language, everybody's companions. The right question is not "how often together?" but "how much more often **than by chance**?". That is **pointwise mutual information**:
    //
    // $$\mathrm{PMI}(i, j) = \ln \frac{p(i, j)}{p(i)\, p(j)} = \ln \frac{n_{ij} \, N}{n_i \, n_j}$$
    //
    // where $n_i$ is the sum of row i and $N$ that of the whole table. A pair never seen would give $-\infty$: we keep the positive part only, **PPMI** $= \max(0, \mathrm{PMI})$. Nearly all cells are zero, so we store only the others. (In Rust `|x| …` is a function without a name, and `.map(…)` applies it to each element.)

    // %% concept
    /// The cells (i, j, PPMI) that are not zero; the table of counts is symmetric.
    fn sparse_ppmi(counts: &[f32], n: usize) -> Vec<(usize, usize, f32)> {
        let sums: Vec<f64> = (0..n)
            .map(|i| counts[i * n..(i + 1) * n].iter().map(|x| f64::from(*x)).sum())
            .collect();
        let total: f64 = sums.iter().sum();
        let mut cells = Vec::new();
        for i in 0..n {
            for j in 0..n {
                let together = f64::from(counts[i * n + j]);
                if together * total > sums[i] * sums[j] {
                    cells.push((i, j, (together * total / (sums[i] * sums[j])).ln() as f32));
                }
            }
        }
        cells
    }

    let ppmi: Vec<(usize, usize, f32)> = sparse_ppmi(&counts, vocabulary.len());
    println!(
        "{} / {} {}",
        ppmi.len(),
        vocabulary.len() * vocabulary.len(),
        tr("cases non nulles", "cells are not zero")
    );
    for word in ["romeo", "thou", "king"] {
        let mut row = vec![0.0; vocabulary.len()];
        for (i, j, x) in &ppmi {
            if *i == vocabulary.id(word).unwrap() as usize {
                row[*j] = *x;
            }
        }
        println!("{word}: {}", top(&vocabulary, &row));
    }

    // %% [markdown] fr
    // Cette fois ce sont des compagnons choisis (la PMI a un faible bien connu pour les mots rares). Sur l'image, compare les lignes deux à deux : romeo et juliet, king et queen, thou et you.
    // %% [markdown] en
    // These are chosen companions this time (with PMI's known soft spot for rare words). In the picture, compare the rows in pairs: romeo and juliet, king and queen, thou and you.

    // %%
    {
        let rows = ["romeo", "juliet", "king", "queen", "thou", "you"];
        let columns = [
            "tybalt", "banished", "nurse", "richard", "margaret", "crown", "art", "hast",
            "are", "have",
        ];
        let value = |a: &str, b: &str| {
            let (i, j) =
                (vocabulary.id(a).unwrap() as usize, vocabulary.id(b).unwrap() as usize);
            ppmi.iter()
                .find(|cell| cell.0 == i && cell.1 == j)
                .map_or(0.0, |cell| f64::from(cell.2))
        };
        let values: Vec<f64> = rows
            .iter()
            .flat_map(|a| columns.iter().map(|b| value(a, b)).collect::<Vec<f64>>())
            .collect();
        show(
            &HeatMap::new(
                tr("PPMI de quelques couples", "PPMI of a few pairs"),
                6,
                10,
                values,
            )
            .row_labels(rows)
            .column_labels(columns)
            .x_label(tr("mot voisin", "neighbour"))
            .y_label(tr("mot", "word"))
            .digits(1)
            .size(800, 380),
        );
    }

    // %% [markdown] fr
    // « romeo » et « juliet » partagent Tybalt, le bannissement et la nourrice ; « king » et « queen » ont chacun leur prénom, Richard et Margaret. « thou » et « you » se ressemblent pour un humain, mais pas pour ces comptes : chacun a ses propres verbes (*thou art*, *you are*). Une ligne de PPMI est déjà un vecteur de mot, de 2 407 nombres presque tous nuls. Il reste à la comprimer.
    //
    // ## 4 · PPMI + SVD : le concurrent
    //
    // La **décomposition en valeurs singulières** (*SVD*) cherche les $k$ directions qui résument le mieux une matrice $M$. Pour une matrice symétrique, l'**itération de sous-espace** suffit : prends $k$ vecteurs au hasard, multiplie-les par $M$, redresse-les (orthonormalise), recommence. Chaque tour amplifie les directions où $M$ étire beaucoup plus que celles où elle étire peu.
    // %% [markdown] en
    // "romeo" and "juliet" share Tybalt, banishment and the nurse; "king" and "queen" each have a first name of their own, Richard and Margaret. "thou" and "you" are alike to a human, but not to these counts: each has its own verbs (*thou art*, *you are*). A row of PPMI is already a word vector, of 2,407 numbers that are nearly all zero. It remains to compress it.
    //
    // ## 4 · PPMI + SVD: the rival
    //
    // The **singular value decomposition** (*SVD*) looks for the $k$ directions that sum up a matrix $M$ best. For a symmetric matrix **subspace iteration** is enough: take $k$ random vectors, multiply them by $M$, straighten them (orthonormalise), start again. Each round amplifies the directions in which $M$ stretches a lot more than those in which it stretches little.

    // %% concept
    /// M · x for the cells (i, j, m) of M.
    fn times(cells: &[(usize, usize, f32)], x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        for (i, j, m) in cells {
            y[*i] += m * x[*j];
        }
        y
    }

    /// Makes the vectors perpendicular and of length 1 (Gram and Schmidt); returns the lengths they had left.
    fn orthonormalise(q: &mut [Vec<f32>]) -> Vec<f32> {
        let mut lengths = Vec::new();
        for i in 0..q.len() {
            let (before, rest) = q.split_at_mut(i);
            for b in before.iter() {
                let s = dot(b, &rest[0]);
                rest[0].iter_mut().zip(b).for_each(|(x, y)| *x -= s * y);
            }
            let length = dot(&rest[0], &rest[0]).sqrt();
            rest[0].iter_mut().for_each(|x| *x /= length);
            lengths.push(length);
        }
        lengths
    }

    // %% concept
    /// The k largest singular directions of a symmetric matrix, and their values.
    fn singular(
        cells: &[(usize, usize, f32)],
        n: usize,
        k: usize,
        rounds: usize,
    ) -> (Vec<Vec<f32>>, Vec<f32>) {
        let mut rng = Rng::new(3);
        let mut q: Vec<Vec<f32>> =
            (0..k).map(|_| (0..n).map(|_| rng.normal()).collect()).collect();
        orthonormalise(&mut q);
        let mut values = Vec::new();
        for _ in 0..rounds {
            q = q.iter().map(|x| times(cells, x)).collect();
            values = orthonormalise(&mut q);
        }
        (q, values)
    }

    let started: Instant = Instant::now();
    let (directions, values): (Vec<Vec<f32>>, Vec<f32>) =
        singular(&ppmi, vocabulary.len(), 64, 12);
    println!("⏱ {:.1} s", started.elapsed().as_secs_f64());
    println!("σ₁ = {:.0}, σ₂ = {:.0}, σ₆₄ = {:.0}", values[0], values[1], values[63]);

    // %% [markdown] fr
    // Le vecteur du mot $i$ : ses coordonnées sur ces 64 directions, chacune multipliée par $\sqrt{\sigma}$ (un compromis courant : Levy, Goldberg & Dagan, 2015). Pour chercher des voisins avec les fonctions de la bibliothèque, nous rangeons les vecteurs dans un `Word2Vec` non entraîné (`data_mut` prête ses poids pour qu'on les change).
    // %% [markdown] en
    // The vector of word $i$: its coordinates on these 64 directions, each multiplied by $\sqrt{\sigma}$ (a common compromise: Levy, Goldberg & Dagan, 2015). To look for neighbours with the library's functions, we put the vectors into an untrained `Word2Vec` (`data_mut` lends its weights to be changed).

    // %%
    let config: Word2VecConfig = Word2VecConfig {
        width: 64,
        window: 4,
        negatives: 5,
        subsample: 1e-3,
        learning_rate: 0.05,
        ..Word2VecConfig::default()
    };
    let untrained: Word2Vec =
        Word2Vec::new(&config, vocabulary.clone(), &mut Rng::new(2)).unwrap();
    let mut svd: Word2Vec =
        Word2Vec::new(&config, vocabulary.clone(), &mut Rng::new(2)).unwrap();
    for c in 0..64 {
        for i in 0..vocabulary.len() {
            svd.input.weight.data_mut()[i * 64 + c] = directions[c][i] * values[c].sqrt();
        }
    }

    fn neighbour_table(model: &Word2Vec, caption: &str) -> Table {
        let mut table =
            Table::new([tr("mot", "word"), tr("voisins (cosinus)", "neighbours (cosine)")])
                .caption(caption);
        for word in ["romeo", "thou", "father", "king", "love", "night", "sword", "good"] {
            let found = model.neighbours(word, 6).unwrap();
            // \u{a0} is a space at which no line breaks.
            let names: Vec<String> = found
                .iter()
                .map(|(near, cosine)| format!("{near}\u{a0}{cosine:.2}"))
                .collect();
            table = table.row([word.to_owned(), names.join(tr("\u{a0}; ", "; "))]);
        }
        table
    }
    show(&neighbour_table(&svd, "PPMI + SVD"));

    // %% [markdown] fr
    // Aucun réseau, aucun gradient, et des voisins déjà sensés pour la plupart (« good » résiste). Garde ce tableau en tête : c'est la barre à franchir. Avant d'entraîner quoi que ce soit, fixons aussi **la note**, pour ne pas la choisir d'après les résultats : 30 couples écrits d'avance, un point si le second mot est parmi les 10 plus proches voisins du premier.
    // %% [markdown] en
    // No network, no gradient, and most neighbours make sense already ("good" resists). Keep this table in mind: it is the bar to clear. Before we train anything, let us also fix **the score**, so as not to choose it by the results: 30 pairs written down in advance, a point if the second word is among the 10 nearest neighbours of the first.

    // %%
    const PAIRS: [(&str, &str); 30] = [
        ("romeo", "juliet"),
        ("thou", "thee"),
        ("thy", "thine"),
        ("king", "queen"),
        ("father", "son"),
        ("mother", "father"),
        ("brother", "sister"),
        ("lord", "lady"),
        ("love", "hate"),
        ("day", "night"),
        ("life", "death"),
        ("husband", "wife"),
        ("sun", "moon"),
        ("heaven", "earth"),
        ("good", "bad"),
        ("sword", "dagger"),
        ("eyes", "ears"),
        ("hand", "foot"),
        ("man", "woman"),
        ("hast", "art"),
        ("dead", "alive"),
        ("friend", "enemy"),
        ("lancaster", "york"),
        ("edward", "warwick"),
        ("tybalt", "mercutio"),
        ("sea", "ship"),
        ("black", "white"),
        ("priest", "church"),
        ("england", "france"),
        ("tears", "weep"),
    ];

    fn score(model: &Word2Vec) -> usize {
        let found = |word: &str, wanted: &str| {
            model.neighbours(word, 10).unwrap().iter().any(|near| near.0 == wanted)
        };
        PAIRS.iter().filter(|(word, wanted)| found(word, wanted)).count()
    }

    println!(
        "{}: {:.2}",
        tr("espérance au hasard", "expected by chance"),
        30.0 * 10.0 / (vocabulary.len() - 1) as f64
    );
    println!("{}: {}", tr("vecteurs au hasard", "random vectors"), score(&untrained));
    println!("PPMI + SVD: {}", score(&svd));

    // %% [markdown] fr
    // Le hasard donne 0,12 point sur 30. « Dix fois mieux que le hasard » n'est donc pas une barre bien haute : à partir de 2 points, c'est fait. La vraie barre est PPMI + SVD.
    //
    // ## 5 · Word2vec : prédire au lieu de compter
    //
    // En 2013, Mikolov et ses collègues prennent la question à l'envers. **Skip-gram** : le mot du milieu doit prédire chacun de ses voisins. **CBOW** (*continuous bag of words*) : la moyenne des voisins doit prédire le mot du milieu. Chaque mot a deux vecteurs : $v$ quand il prédit, $u$ quand il est prédit ; on garde $v$ à la fin.
    //
    // Un softmax sur 2 407 mots à chaque pas coûterait cher. L'**échantillonnage négatif** (*negative sampling*) le remplace par $K + 1$ questions oui/non : « ce couple vient-il du texte ? » : oui pour le vrai voisin ($u_0$), non pour $K$ mots tirés au hasard ($u_1, \ldots, u_K$) :
    //
    // $$\ell = -\ln \sigma(v \cdot u_0) - \sum_{k=1}^{K} \ln \sigma(-v \cdot u_k), \qquad \sigma(s) = \frac{1}{1 + e^{-s}}$$
    //
    // Voici des exemples réels, tels que la bibliothèque les tire autour de « wherefore art thou Romeo » :
    // %% [markdown] en
    // Chance gives 0.12 of 30 points. So "ten times better than chance" is not a high bar: two points do it. The real bar is PPMI + SVD.
    //
    // ## 5 · Word2vec: predict instead of counting
    //
    // In 2013 Mikolov and his colleagues turned the question round. **Skip-gram**: the word in the middle must predict each of its neighbours. **CBOW** (*continuous bag of words*): the mean of the neighbours must predict the word in the middle. Each word has two vectors: $v$ when it predicts, $u$ when it is predicted; $v$ is kept in the end.
    //
    // A softmax over 2,407 words at every step would be costly. **Negative sampling** replaces it by $K + 1$ yes/no questions: "does this pair come from the text?": yes for the true neighbour ($u_0$), no for $K$ words drawn at random ($u_1, \ldots, u_K$):
    //
    // $$\ell = -\ln \sigma(v \cdot u_0) - \sum_{k=1}^{K} \ln \sigma(-v \cdot u_k), \qquad \sigma(s) = \frac{1}{1 + e^{-s}}$$
    //
    // Here are real examples, as the library draws them around "wherefore art thou Romeo":

    // %%
    let sentence = tr(
        ["deux", "cœurs", "purs", "se", "trouvent"],
        ["two", "pure", "hearts", "meet", "here"],
    );
    show(
        &Panels::new(2)
            .add(figures::skip_gram(&sentence, 2, 2))
            .add(figures::cbow(&sentence, 2, 2)),
    );

    // %% [markdown] fr
    // À gauche un mot devine ses voisins ; à droite la moyenne des voisins devine le mot. Commençons par la gauche.
    // %% [markdown] en
    // On the left a word guesses its neighbours; on the right the mean of the neighbours guesses the word. Let us begin on the left.
    // %% library
    let mut examples: Vec<Example> = Vec::new();
    let phrase: Vec<u32> = vocabulary.encode(["art", "thou", "romeo"]);
    let place: usize = ids.windows(3).position(|three| three == phrase).unwrap();
    untrained.for_each_example(&ids[place - 2..place + 6], &mut Rng::new(7), |example| {
        examples.push(example.clone())
    });
    for example in examples.iter().take(8) {
        let negatives: Vec<&str> =
            example.negatives.iter().map(|id| vocabulary.word(*id)).collect();
        let (from, to) =
            (vocabulary.word(example.inputs[0]), vocabulary.word(example.target));
        println!("{from:>8} → {to:<8} {} {}", tr("et non", "and not"), negatives.join(", "));
    }

    // %% [markdown] fr
    // Trois astuces rendent cela efficace. Les deux premières corrigent la loi de Zipf (quelques mots très fréquents, une foule de mots rares), la troisième donne du poids à la proximité :
    //
    // - **Sous-échantillonnage** (*subsampling*) : un mot de fréquence relative $f$ n'est gardé qu'avec la probabilité $\min(1, \sqrt{t/f})$. Être voisin de « the » ne renseigne guère.
    // - **Négatifs en unigramme$^{3/4}$** : les mots rares sont tirés un peu plus souvent qu'ils n'apparaissent.
    // - **Fenêtre dynamique** : chaque mot tire sa portée entre 1 et 4, si bien que les voisins proches comptent davantage.
    // %% [markdown] en
    // Three tricks make this efficient. The first two correct Zipf's law (a few very frequent words, a crowd of rare ones), the third gives weight to proximity:
    //
    // - **Subsampling**: a word with share $f$ of the text is kept with probability $\min(1, \sqrt{t/f})$ only. Being a neighbour of "the" tells little.
    // - **Negatives from unigram$^{3/4}$**: rare words are drawn a little more often than they occur.
    // - **Dynamic window**: each word draws its reach from 1 to 4, so that near neighbours count more.

    // %% concept
    /// The probability to keep each word.
    fn keep_probabilities(counts: &[u64], t: f32) -> Vec<f32> {
        let total: u64 = counts.iter().sum();
        counts.iter().map(|n| (t * total as f32 / *n as f32).sqrt().min(1.0)).collect()
    }

    /// A list in which each word stands as often as it should be drawn; x^0.75 = √x · √√x.
    fn noise_list(counts: &[u64], size: usize) -> Vec<u32> {
        let weights: Vec<f64> =
            counts.iter().map(|n| (*n as f64).sqrt() * (*n as f64).sqrt().sqrt()).collect();
        let total: f64 = weights.iter().sum();
        let mut list = Vec::new();
        for (id, weight) in weights.iter().enumerate() {
            let times = (weight / total * size as f64).round() as usize;
            list.extend(std::iter::repeat_n(id as u32, times.max(1)));
        }
        list
    }

    let keep: Vec<f32> = keep_probabilities(vocabulary.counts(), 1e-3);
    let noise: Vec<u32> = noise_list(vocabulary.counts(), 200_000);

    // %% [markdown] fr
    // Le tableau compare, pour quelques mots, leur part du texte, la probabilité d'être gardés et leur part des négatifs.
    // %% [markdown] en
    // For a few words the table compares their share of the text, the probability to be kept, and their share of the negatives.

    // %%
    {
        let mut table = Table::new([
            tr("mot", "word"),
            tr("part du texte (%)", "share of the text (%)"),
            tr("gardé (%)", "kept (%)"),
            tr("part des négatifs (%)", "share of the negatives (%)"),
        ]);
        for word in ["the", "thou", "king", "romeo", "dagger"] {
            let id = vocabulary.id(word).unwrap();
            let text = 100.0 * vocabulary.counts()[id as usize] as f64 / ids.len() as f64;
            let drawn = 100.0 * noise.iter().filter(|x| **x == id).count() as f64
                / noise.len() as f64;
            let kept = format!("{:.1}", 100.0 * keep[id as usize]);
            table = table.row([
                word.to_owned(),
                format!("{text:.3}"),
                kept,
                format!("{drawn:.3}"),
            ]);
        }
        show(&table);
    }

    // %% [markdown] fr
    // « the » perd de son poids des deux côtés ; « dagger », vu 10 fois, est toujours gardé, et tiré comme négatif plus souvent que sa fréquence ne le voudrait.
    //
    // ### Les gradients, à la main
    //
    // Posons $s_k = v \cdot u_k$ et l'étiquette $y_0 = 1$, $y_k = 0$ pour les négatifs. La dérivée de $-\ln\sigma(s)$ est $\sigma(s) - 1$, celle de $-\ln\sigma(-s)$ est $\sigma(s)$. Les deux cas tiennent en une formule, $g_k = \sigma(s_k) - y_k$, « ce que le modèle croit moins ce qui est vrai », et la règle de la chaîne donne le reste :
    //
    // $$\frac{\partial \ell}{\partial u_k} = g_k\, v, \qquad \frac{\partial \ell}{\partial v} = \sum_{k=0}^{K} g_k\, u_k$$
    //
    // Attention à l'ordre : $v$ ne bouge qu'**après** la boucle, et la somme prend les $u_k$ d'**avant**. (`exp` et `ln` viennent de la bibliothèque : elles donnent les mêmes bits sur toutes les machines.)
    // %% [markdown] en
    // "the" loses weight on both sides; "dagger", seen 10 times, is always kept and drawn as a negative more often than it occurs.
    //
    // ### The gradients, by hand
    //
    // Let $s_k = v \cdot u_k$, and the label $y_0 = 1$, $y_k = 0$ for the negatives. The derivative of $-\ln\sigma(s)$ is $\sigma(s) - 1$, that of $-\ln\sigma(-s)$ is $\sigma(s)$. Both cases fit one formula, $g_k = \sigma(s_k) - y_k$, "what the model believes minus what is true", and the chain rule does the rest:
    //
    // $$\frac{\partial \ell}{\partial u_k} = g_k\, v, \qquad \frac{\partial \ell}{\partial v} = \sum_{k=0}^{K} g_k\, u_k$$
    //
    // Mind the order: $v$ moves only **after** the loop, and the sum takes the $u_k$ of **before**. (`exp` and `ln` are the library's: they give the same bits on every machine.)

    // %% concept
    /// One step on one example, v and u being tables of vectors; returns ℓ.
    fn skip_gram_step(
        v: &mut [f32],
        u: &mut [f32],
        width: usize,
        example: &Example,
        rate: f32,
    ) -> f32 {
        let centre = example.inputs[0] as usize * width;
        let h = v[centre..centre + width].to_vec();
        let mut dh = vec![0.0; width];
        let mut loss = 0.0;
        for k in 0..=example.negatives.len() {
            let (id, label) =
                if k == 0 { (example.target, 1.0) } else { (example.negatives[k - 1], 0.0) };
            let row = id as usize * width;
            let p = 1.0 / (1.0 + exp(-dot(&h, &u[row..row + width])));
            loss -= ln(if k == 0 { p } else { 1.0 - p }.max(1e-7));
            let g = p - label;
            for j in 0..width {
                dh[j] += g * u[row + j];
                u[row + j] -= rate * g * h[j];
            }
        }
        for j in 0..width {
            v[centre + j] -= rate * dh[j];
        }
        loss
    }

    // %% [markdown] fr
    // La bibliothèque a la même étape (`step`) et, en plus, la perte écrite avec les opérations du ruban d'autodifférentiation (`loss` ; le ruban, *tape*, note l'aller pour le remonter au retour). Les trois doivent donner les mêmes nombres sur un exemple, gradients compris (ici : des vecteurs au hasard et un pas de 1, si bien que le gradient est « avant − après »).
    // %% [markdown] en
    // The library has the same step (`step`) and also the loss written with the operations of its automatic differentiation tape (`loss`; the tape records the forward pass in order to walk it backward). All three must give the same numbers on an example, gradients included (here: random vectors and a rate of 1, so that the gradient is "before − after").

    // %% agreement
    {
        let small = Vocabulary::new("a a a b b c c d d e e f f".split(' '), 1);
        let config = Word2VecConfig { width: 7, ..Word2VecConfig::default() };
        let mut model = Word2Vec::new(&config, small, &mut Rng::new(5)).unwrap();
        let mut rng = Rng::new(6);
        model.input.weight.data_mut().iter_mut().for_each(|x| *x = rng.normal());
        model.output.weight.data_mut().iter_mut().for_each(|x| *x = rng.normal());
        let example = Example { inputs: vec![2], target: 4, negatives: vec![0, 1, 5] };
        let (v, u) =
            (model.input.weight.data().to_vec(), model.output.weight.data().to_vec());
        let (mut v1, mut u1) = (v.clone(), u.clone());
        let by_hand = skip_gram_step(&mut v1, &mut u1, 7, &example, 1.0);

        let mut gradients = Gradients::new();
        let by_tape =
            model.loss(std::slice::from_ref(&example), &Pass::train(&mut Rng::new(0)));
        assert!((by_tape.data()[0] - by_hand).abs() < 1e-6);
        by_tape.backward_from(&[1.0], &mut gradients);
        let (dv, du) = (
            gradients.get(model.input.weight.id()).unwrap(),
            gradients.get(model.output.weight.id()).unwrap(),
        );
        let by_step = model.step(&example, 1.0);
        assert!((by_step - by_hand).abs() < 1e-6);

        let mut largest = 0.0f32;
        for i in 0..v.len() {
            largest =
                largest.max((v[i] - v1[i] - dv[i]).abs()).max((u[i] - u1[i] - du[i]).abs());
            largest = largest.max((v1[i] - model.input.weight.data()[i]).abs());
            largest = largest.max((u1[i] - model.output.weight.data()[i]).abs());
        }
        assert!(largest < 1e-6, "{largest}");
        // CBOW: the mean of two inputs; each receives half of the gradient.
        let cbow = Example { inputs: vec![1, 2], ..example };
        let (v, mut gradients) = (model.input.weight.data().to_vec(), Gradients::new());
        model
            .loss(std::slice::from_ref(&cbow), &Pass::train(&mut Rng::new(0)))
            .backward_from(&[1.0], &mut gradients);
        let dv = gradients.get(model.input.weight.id()).unwrap();
        model.step(&cbow, 1.0);
        let moved = model.input.weight.data();
        assert!((0..v.len()).all(|i| (v[i] - moved[i] - dv[i]).abs() < 1e-6));
        println!(
            "✔ ℓ = {by_hand:.4}, {}",
            tr("pertes et gradients égaux à 1e-6 près", "losses and gradients equal to 1e-6")
        );
    }

    // %% [markdown] fr
    // ### En direct
    //
    // Il ne manque que la boucle : lire le texte plusieurs fois (une lecture complète est une *époque*), tirer la fenêtre et les négatifs, descendre d'un pas dont la taille décroît.
    //
    // *Prédis, puis exécute.* Au départ tous les $u$ sont nuls, donc tous les scores valent 0 et $\sigma = \frac{1}{2}$. Combien vaut $\ell$ avec $K = 5$ négatifs ?
    // %% [markdown] en
    // ### Live
    //
    // Only the loop is missing: read the text several times (one complete reading is an *epoch*), draw the window and the negatives, take a step whose size shrinks.
    //
    // *Predict, then run.* At the start all the $u$ are zero, so all scores are 0 and $\sigma = \frac{1}{2}$. What is $\ell$ with $K = 5$ negatives?

    // %% concept
    /// Trains in place; returns (words read, mean loss) about a hundred times.
    fn train(
        v: &mut [f32],
        u: &mut [f32],
        ids: &[u32],
        keep: &[f32],
        noise: &[u32],
        epochs: usize,
    ) -> Vec<(f64, f64)> {
        let (width, window, negatives, rate, mut rng) = (64, 4, 5, 0.05, Rng::new(4));
        let (mut curve, mut sum, mut n) = (Vec::new(), 0.0, 0);
        for epoch in 0..epochs {
            let kept: Vec<u32> =
                ids.iter().copied().filter(|id| rng.uniform() < keep[*id as usize]).collect();
            for i in 0..kept.len() {
                let done = (epoch as f32 + i as f32 / kept.len() as f32) / epochs as f32;
                let reach = 1 + rng.below(window);
                for j in i.saturating_sub(reach)..(i + reach + 1).min(kept.len()) {
                    if j != i {
                        let drawn = (0..negatives)
                            .map(|_| noise[rng.below(noise.len())])
                            .filter(|id| *id != kept[j]);
                        let example = Example {
                            inputs: vec![kept[i]],
                            target: kept[j],
                            negatives: drawn.collect(),
                        };
                        sum += f64::from(skip_gram_step(
                            v,
                            u,
                            width,
                            &example,
                            rate * (1.0 - done).max(1e-4),
                        ));
                        n += 1;
                    }
                }
                if n > 0 && (curve.is_empty() || (i + 1) % (kept.len() * epochs / 100) == 0) {
                    curve.push((f64::from(done) * epochs as f64, sum / f64::from(n)));
                    (sum, n) = (0.0, 0);
                }
            }
        }
        curve
    }

    // %%
    let mut scratch: Word2Vec =
        Word2Vec::new(&config, vocabulary.clone(), &mut Rng::new(2)).unwrap();
    let started_scratch: Instant = Instant::now();
    let curve_scratch: Vec<(f64, f64)> = train(
        scratch.input.weight.data_mut(),
        scratch.output.weight.data_mut(),
        &ids,
        &keep,
        &noise,
        5,
    );
    println!("⏱ {:.1} s", started_scratch.elapsed().as_secs_f64());
    println!(
        "ℓ: {:.2} → {:.2}",
        curve_scratch[0].1,
        curve_scratch[curve_scratch.len() - 1].1
    );
    println!("{}: {} / 30", tr("note", "score"), score(&scratch));

    // %% [markdown] fr
    // Le départ : $6 \ln 2 \approx 4{,}16$, six questions à pile ou face. La note, 9 sur 30, est déjà loin du hasard. Maintenant la même chose par la bibliothèque, avec une époque de plus ; elle fait le même calcul.
    // %% [markdown] en
    // The start: $6 \ln 2 \approx 4.16$, six questions by the toss of a coin. The score, 9 out of 30, is far from chance already. Now the same through the library, one epoch more; it does the same computation.

    // %% library
    let mut sgns: Word2Vec =
        Word2Vec::new(&config, vocabulary.clone(), &mut Rng::new(2)).unwrap();
    let mut curve: Vec<(f64, f64)> = Vec::new();
    let started_library: Instant = Instant::now();
    sgns.train(&ids, 6, &mut Rng::new(4), |progress, loss| {
        curve.push((6.0 * f64::from(progress), f64::from(loss)))
    });
    println!("⏱ {:.1} s", started_library.elapsed().as_secs_f64());
    println!("ℓ: {:.4} → {:.4}", curve[0].1, curve[curve.len() - 1].1);

    // %% [markdown] fr
    // Regarde la vitesse de la descente au début, et comme elle se calme ensuite.
    // %% [markdown] en
    // Look how fast the loss falls at first, and how it calms down later.

    // %%
    show(
        &Chart::new(
            tr("Skip-gram : la perte par exemple", "Skip-gram: the loss per example"),
            tr("époques", "epochs"),
            tr("perte (nats)", "loss (nats)"),
        )
        .series(Series::new(
            tr("à la main, 5 époques", "from scratch, 5 epochs"),
            curve_scratch.iter().copied(),
        ))
        .series(Series::new(
            tr("bibliothèque, 6 époques", "library, 6 epochs"),
            curve.iter().copied(),
        ))
        .reference(6.0 * std::f64::consts::LN_2, "6 ln 2"),
    );

    // %% [markdown] fr
    // Les deux descentes commencent à 6 ln 2 (le premier point de la bibliothèque, 3,74, est déjà une moyenne sur un centième de l'entraînement), tombent vers 2,5 dès le premier quart d'époque et n'en bougent presque plus : même algorithme, hasard différent. La perte ne peut pas tomber à zéro : un mot a beaucoup de voisins possibles, et un négatif tiré au hasard peut en être un. Les bosses reviennent à chaque époque, avec les mêmes pièces. À la fin la courbe remonte même un peu ; une explication plausible : un grand pas retient la scène en cours (qui parle, à qui), ce qui aide sur les phrases suivantes et s'efface quand le pas diminue. Cette perte mesure donc mal la qualité des vecteurs ; c'est pourquoi nous avons une note.
    //
    // **Le nombre témoin** (*golden number*). La bibliothèque donne les mêmes bits sur toutes les machines : la note et la dernière perte sont vérifiées exactement.
    // %% [markdown] en
    // Both descents start from 6 ln 2 (the library's first point, 3.74, is already a mean over a hundredth of the training), fall to about 2.5 within the first quarter of an epoch and hardly move from there: the same algorithm, other random numbers. The loss cannot fall to zero: a word has many possible neighbours, and a negative drawn at random may be one of them. The bumps come back with each epoch, with the same plays. At the end the curve even rises a little; a plausible explanation: a large step remembers the scene that is being read (who speaks, to whom), which helps on the next sentences and fades as the step shrinks. So this loss is a poor measure of the vectors' quality; that is why we have a score.
    //
    // **The golden number.** The library gives the same bits on every machine: the score and the last loss are checked exactly.

    // %% golden
    assert_eq!(
        (score(&sgns), format!("{:.4}", curve[curve.len() - 1].1)),
        (9, "2.6144".to_owned())
    );
    println!(
        "{} {} / 30, ℓ = {:.4}",
        tr("note", "score"),
        score(&sgns),
        curve[curve.len() - 1].1
    );

    // %% [markdown] fr
    // ### Les voisins, avant et après
    //
    // D'abord les vecteurs du départ, tirés au hasard :
    // %% [markdown] en
    // ### The neighbours, before and after
    //
    // First the vectors of the start, drawn at random:

    // %%
    show(&neighbour_table(&untrained, tr("avant l'entraînement", "before training")));

    // %% [markdown] fr
    // N'importe quoi, comme il se doit. Et après :
    // %% [markdown] en
    // Anything at all, as it should be. And after:

    // %%
    show(&neighbour_table(&sgns, tr("après : skip-gram", "after: skip-gram")));

    // %% [markdown] fr
    // Personne n'a dit au modèle que « juliet » est une personne ni que « father » est de la famille : cela vient des seules fréquentations. Remarque aussi les cosinus, tous élevés : les vecteurs de skip-gram sont groupés autour d'une direction commune (Mimno & Thompson, 2017), si bien que deux mots au hasard ont déjà 0,57 en moyenne (section 8). C'est l'ordre des voisins qui informe, pas la valeur du cosinus. Et regarde « sword » et « good » : beaucoup de ces voisins ne valent rien.
    //
    // ### CBOW
    //
    // La bibliothèque sait aussi faire l'inverse : la moyenne des voisins prédit le mot du milieu. Un exemple par mot au lieu d'un par couple : une époque y est plus rapide. Nous lui donnons un pas plus grand et plus d'époques.
    //
    // *Prédis, puis exécute.* Sur un petit corpus, lequel aura la meilleure note ?
    // %% [markdown] en
    // Nobody told the model that "juliet" is a person, or that "father" belongs to the family: this comes from the company they keep alone. Notice the cosines, too, all of them high: skip-gram's vectors huddle around a common direction (Mimno & Thompson, 2017), so that two words at random have 0.57 on average already (section 8). The order of the neighbours is what informs, not the cosine's value. And look at "sword" and "good": many of these neighbours are worthless.
    //
    // ### CBOW
    //
    // The library can also do the reverse: the mean of the neighbours predicts the word in the middle. One example per word instead of one per pair: an epoch takes less time. We give it a larger rate and more epochs.
    //
    // *Predict, then run.* On a small corpus, which of the two will have the better score?

    // %% library
    let cbow_config: Word2VecConfig =
        Word2VecConfig { method: Method::Cbow, learning_rate: 0.1, ..config.clone() };
    let mut cbow: Word2Vec =
        Word2Vec::new(&cbow_config, vocabulary.clone(), &mut Rng::new(2)).unwrap();
    let mut curve_cbow: Vec<f32> = Vec::new();
    let started_cbow: Instant = Instant::now();
    cbow.train(&ids, 15, &mut Rng::new(4), |_, loss| curve_cbow.push(loss));
    println!("⏱ {:.1} s", started_cbow.elapsed().as_secs_f64());
    println!("ℓ: {:.2} → {:.2}", curve_cbow[0], curve_cbow[curve_cbow.len() - 1]);
    println!("{}: {} / 30", tr("note", "score"), score(&cbow));

    // %% [markdown] fr
    // ## 6 · Qui gagne ?
    //
    // Sur l'image, compare les barres entre elles, et au hasard.
    // %% [markdown] en
    // ## 6 · Who wins?
    //
    // In the picture, compare the bars with each other, and with chance.

    // %%
    show(
        &Bars::new(
            tr(
                "Couples retrouvés parmi 30 (10 premiers voisins)",
                "Pairs found among 30 (first 10 neighbours)",
            ),
            "",
            tr("couples", "pairs"),
            [
                tr("non entraînés", "untrained"),
                "CBOW",
                tr("skip-gram à la main", "skip-gram, scratch"),
                "skip-gram",
                "PPMI + SVD",
            ],
        )
        .group(
            "",
            [&untrained, &cbow, &scratch, &sgns, &svd].map(|model| score(model) as f64),
        )
        .reference(30.0 * 10.0 / (vocabulary.len() - 1) as f64, tr("hasard", "chance"))
        .digits(0),
    );
    assert!(score(&sgns) as f64 >= 10.0 * 30.0 * 10.0 / (vocabulary.len() - 1) as f64);
    println!(
        "{}",
        tr(
            "✔ skip-gram fait plus de dix fois mieux que le hasard",
            "✔ skip-gram does more than ten times better than chance"
        )
    );

    // %% [markdown] fr
    // Avant de conclure : et si le tirage avait été différent ? Le même skip-gram, avec une autre graine pour le hasard :
    // %% [markdown] en
    // Before we conclude: what if the draws had been different? The same skip-gram with another random seed:
    // %%
    let mut second: Word2Vec =
        Word2Vec::new(&config, vocabulary.clone(), &mut Rng::new(2)).unwrap();
    second.train(&ids, 6, &mut Rng::new(5), |_, _| ());
    println!("{}: {} / 30", tr("note, autre graine", "score, another seed"), score(&second));

    // %% [markdown] fr
    // Disons-le franchement. Le hasard vaut 0,12 point ; skip-gram en obtient 9, soixante-dix fois plus ; mais **PPMI + SVD en obtient 13, sans réseau et plus vite**, et CBOW 14. Et l'autre graine donne 13 à skip-gram : un écart de 4 couples sur 30 peut n'être que du bruit. Conclusion prudente : sur un mégaoctet, les trois se valent à peu près, et skip-gram n'a pas gagné.
    //
    // Pourquoi word2vec, alors ? Parce que la table des comptes grandit comme $V^2$ et que word2vec n'en a pas besoin : il lit le texte une phrase après l'autre, aussi long soit-il. Levy, Goldberg & Dagan (2015) arrivent à la même conclusion sur de grands corpus : à réglages égaux, aucune des deux familles ne l'emporte partout.
    //
    // ### Pourquoi ils se ressemblent
    //
    // Levy & Goldberg (2014) l'ont démontré : quand la dimension suffit, l'optimum de la perte est $v_i \cdot u_j = \mathrm{PMI}(i, j) - \ln K$. Skip-gram **factorise en secret une matrice de PMI décalée** ; la SVD le fait à découvert. (Le sous-échantillonnage et l'exposant 3/4 déforment un peu la relation.) Vérifions : chaque point est un couple de mots fréquents, avec son information mutuelle en abscisse et le produit scalaire appris en ordonnée. S'alignent-ils ?
    // %% [markdown] en
    // Let us be frank. Chance is worth 0.12 points; skip-gram scores 9, seventy times as much; but **PPMI + SVD scores 13, without a network and faster**, and CBOW 14. And the other seed gives skip-gram 13: a gap of 4 pairs in 30 may be nothing but noise. A careful conclusion: on one megabyte the three are about equal, and skip-gram has not won.
    //
    // Why word2vec, then? Because the table of counts grows as $V^2$, and word2vec does not need it: it reads the text one sentence after the other, however long. Levy, Goldberg & Dagan (2015) come to the same conclusion on large corpora: with equal tuning, neither family wins everywhere.
    //
    // ### Why they are alike
    //
    // Levy & Goldberg (2014) proved it: when the dimension is large enough, the optimum of the loss is $v_i \cdot u_j = \mathrm{PMI}(i, j) - \ln K$. Skip-gram **secretly factorises a shifted matrix of PMI**; SVD does so openly. (Subsampling and the exponent 3/4 bend the relation a little.) Let us check: each dot is a pair of frequent words, with its mutual information along the bottom and the learned dot product up the side. Do they line up?

    // %%
    {
        let n = vocabulary.len();
        let sums: Vec<f64> = (0..n)
            .map(|i| counts[i * n..(i + 1) * n].iter().map(|x| f64::from(*x)).sum())
            .collect();
        let total: f64 = sums.iter().sum();
        let mut points = Vec::new();
        for i in 0..300 {
            for j in i + 1..300 {
                let together = f64::from(counts[i * n + j]);
                if together >= 20.0 {
                    let pmi = (together * total / (sums[i] * sums[j])).ln();
                    let u = &sgns.output.weight.data()[j * 64..(j + 1) * 64];
                    points.push((pmi, f64::from(dot(sgns.vector(i as u32), u))));
                }
            }
        }
        let mean = |f: &dyn Fn(&(f64, f64)) -> f64| {
            points.iter().map(f).sum::<f64>() / points.len() as f64
        };
        let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
        let (xy, xx, yy) = (
            mean(&|p| (p.0 - x) * (p.1 - y)),
            mean(&|p| (p.0 - x).powi(2)),
            mean(&|p| (p.1 - y).powi(2)),
        );
        println!(
            "{} {}",
            points.len(),
            tr("couples vus au moins 20 fois", "pairs seen at least 20 times")
        );
        println!("{} {:.2}", tr("corrélation", "correlation"), xy / (xx * yy).sqrt());
        let step = points.len() / 500 + 1;
        show(
            &Scatter::new(
                tr("Skip-gram et information mutuelle", "Skip-gram and mutual information"),
                "PMI",
                "v · u",
            )
            .group("", points.into_iter().step_by(step).map(|(x, y)| (x, y, ""))),
        );
    }

    // %% [markdown] fr
    // Une corrélation de 0,83 : pour les couples fréquents, le produit scalaire appris suit bien l'information mutuelle, et quand PMI = 0 le nuage est centré vers −1,5, comme le veut le décalage $-\ln K = -\ln 5 \approx -1{,}61$. Voilà pourquoi compter et prédire donnent des voisins semblables.
    //
    // ## 7 · Les analogies, et leurs échecs
    //
    // L'exemple célèbre : $king - man + woman \approx queen$. Avec des milliards de mots, il marche. Avec 200 000 ?
    //
    // *Prédis, puis exécute.* Combien des huit analogies ci-dessous réussiront ? La dernière colonne pose la question **sans tricher** : d'habitude, on exclut les trois mots de la question des réponses possibles ; ici, non.
    // %% [markdown] en
    // A correlation of 0.83: for frequent pairs the learned dot product follows mutual information well, and at PMI = 0 the cloud is centred near −1.5, as the shift $-\ln K = -\ln 5 \approx -1.61$ wants it. That is why counting and predicting give similar neighbours.
    //
    // ## 7 · Analogies, and their failures
    //
    // The famous example: $king - man + woman \approx queen$. With billions of words it works. With 200,000?
    //
    // *Predict, then run.* How many of the eight analogies below will succeed? The last column asks **without cheating**: usually the three words of the question are excluded from the possible answers; here they are not.

    // %%
    const ANALOGIES: [(&str, &str, &str, &str); 8] = [
        ("man", "king", "woman", "queen"),
        ("king", "queen", "lord", "lady"),
        ("man", "husband", "woman", "wife"),
        ("father", "son", "mother", "daughter"),
        ("brother", "sister", "son", "daughter"),
        ("thou", "art", "you", "are"),
        ("day", "night", "sun", "moon"),
        ("good", "better", "bad", "worse"),
    ];

    /// The nearest word to b − a + c (each made a unit vector), the words of the question included.
    fn without_excluding(model: &Word2Vec, question: [&str; 3]) -> String {
        let mut vector = vec![0.0; 64];
        for (word, sign) in question.into_iter().zip([-1.0, 1.0, 1.0]) {
            let v = model.vector(model.vocabulary().id(word).unwrap());
            let length = dot(v, v).sqrt();
            for j in 0..64 {
                vector[j] += sign * v[j] / length;
            }
        }
        model.vocabulary().word(model.nearest(&vector, 1, &[])[0].0).to_owned()
    }

    // %%
    {
        let headers = [
            "question",
            tr("attendu", "expected"),
            "skip-gram",
            "PPMI + SVD",
            tr("skip-gram, rien d'exclu", "skip-gram, nothing excluded"),
        ];
        let mut table = Table::new(headers);
        let (mut right, mut honest) = ([0, 0], 0);
        for (a, b, c, wanted) in ANALOGIES {
            let first = |model: &Word2Vec| model.analogy(a, b, c, 1).unwrap()[0].0.to_owned();
            let (by_sgns, by_svd, open) =
                (first(&sgns), first(&svd), without_excluding(&sgns, [a, b, c]));
            right[0] += usize::from(by_sgns == wanted);
            right[1] += usize::from(by_svd == wanted);
            honest += usize::from(open == wanted);
            table = table.row([
                format!("{b} − {a} + {c}"),
                wanted.to_owned(),
                by_sgns,
                by_svd,
                open,
            ]);
        }
        println!(
            "skip-gram {} / 8, PPMI + SVD {} / 8, {} {honest} / 8",
            right[0],
            right[1],
            tr("sans exclusion", "nothing excluded")
        );
        show(&table);
    }

    // %% [markdown] fr
    // $king - man + woman$ donne « lewis » à skip-gram, « iii » à PPMI + SVD, et, si l'on n'exclut rien, tout simplement « king » : le plus proche voisin du résultat est le point de départ. Une seule analogie sur huit réussit de chaque côté. Dans la dernière colonne, la réponse est sept fois sur huit un mot de la question : sans l'exclusion, on retombe presque toujours sur un mot de la question.
    //
    // Deux causes : « woman » n'apparaît que 59 fois ici, et « king » est surtout un titre devant un prénom. Une différence de vecteurs ne porte un sens que si le corpus contient assez d'exemples de cette différence. La réussite de « better − good + bad = worse », elle, tient peut-être à une seule tournure (*better or worse*) : ne bâtis rien dessus.
    //
    // ## 8 · Semblable ne veut pas dire synonyme
    //
    // « love » et « hate » occupent la même place dans une phrase : *I love thee, I hate thee*. Donc leurs contextes se ressemblent, donc leurs vecteurs aussi ? Mesurons : le cosinus, le rang du contraire parmi les 2 406 autres mots, et pour comparer le cosinus moyen de 2 000 couples tirés au hasard.
    // %% [markdown] en
    // $king - man + woman$ gives "lewis" with skip-gram, "iii" with PPMI + SVD, and, if nothing is excluded, simply "king": the nearest neighbour of the result is the starting point. One analogy in eight succeeds on either side. In the last column the answer is a word of the question seven times in eight: without the exclusion one nearly always lands on a word of the question.
    //
    // Two causes: "woman" occurs only 59 times here, and "king" is mostly a title before a first name. A difference of vectors carries a meaning only if the corpus holds enough examples of that difference. And the success of "better − good + bad = worse" may rest on a single turn of phrase (*better or worse*): build nothing on it.
    //
    // ## 8 · Similar does not mean synonym
    //
    // "love" and "hate" take the same place in a sentence: *I love thee, I hate thee*. So their contexts are alike, and so are their vectors? Let us measure: the cosine, the rank of the opposite among the 2,406 other words, and, to compare, the mean cosine of 2,000 pairs drawn at random.

    // %%
    {
        let id = |word: &str| vocabulary.id(word).unwrap();
        for (name, model) in [("PPMI + SVD", &svd), ("skip-gram", &sgns)] {
            let (mut rng, mut sum) = (Rng::new(8), 0.0);
            for _ in 0..2000 {
                let (a, b) =
                    (rng.below(vocabulary.len()) as u32, rng.below(vocabulary.len()) as u32);
                sum += f64::from(cosine(model.vector(a), model.vector(b)));
            }
            println!(
                "{name}: {} {:.2}",
                tr("cosinus moyen au hasard", "mean cosine at random"),
                sum / 2000.0
            );
        }
        let mut table = Table::new([
            tr("contraires", "opposites"),
            "cos, SVD",
            tr("rang, SVD", "rank, SVD"),
            "cos, skip-gram",
            tr("rang, skip-gram", "rank, skip-gram"),
        ]);
        for (a, b) in [
            ("good", "bad"),
            ("day", "night"),
            ("life", "death"),
            ("love", "hate"),
            ("heaven", "earth"),
            ("father", "mother"),
            ("come", "go"),
        ] {
            let mut cells = vec![format!("{a} / {b}")];
            for model in [&svd, &sgns] {
                let all = model.nearest(model.vector(id(a)), vocabulary.len(), &[id(a)]);
                let rank = all.iter().position(|near| near.0 == id(b)).unwrap();
                cells.push(format!("{:.2}", all[rank].1));
                cells.push(format!("{}", rank + 1));
            }
            table = table.row(cells);
        }
        show(&table);
    }

    // %% [markdown] fr
    // Pour PPMI + SVD, « hate » est le 2ᵉ voisin de « love », « go » le premier de « come », « death » le 5ᵉ de « life » : tous les contraires du tableau, sauf good / bad, sont bien plus proches que deux mots au hasard (0,09 en moyenne). Chez skip-gram, deux mots au hasard ont déjà un cosinus de 0,57 : seul le rang y a un sens.
    //
    // Car voici une surprise : « good » et « bad » sont **loin** l'un de l'autre ici (rangs 1 547 et 216). Chez Shakespeare, « good » est surtout une politesse (*good my lord, good night*), et « bad » n'apparaît que 32 fois. Les vecteurs décrivent **ce** corpus, pas la langue.
    //
    // ## 9 · La longueur parle de la fréquence
    //
    // *Prédis, puis exécute.* Quels mots ont les vecteurs les plus longs : les très fréquents, les rares, ou ceux d'entre les deux ? L'image donne la norme moyenne par tranche de fréquence.
    // %% [markdown] en
    // For PPMI + SVD "hate" is the 2nd neighbour of "love", "go" the first of "come", "death" the 5th of "life": all the opposites of the table, good / bad excepted, are much closer than two words at random (0.09 on average). With skip-gram two words at random have a cosine of 0.57 already: only the rank means something there.
    //
    // For here is a surprise: "good" and "bad" are **far apart** here (ranks 1,547 and 216). In Shakespeare "good" is mostly a courtesy (*good my lord, good night*), and "bad" occurs only 32 times. The vectors describe **this** corpus, not the language.
    //
    // ## 9 · Length tells about frequency
    //
    // *Predict, then run.* Which words have the longest vectors: the very frequent, the rare, or those in between? The picture gives the mean norm by band of frequency.

    // %%
    {
        let bands = |model: &Word2Vec| -> Vec<(f64, f64)> {
            let mut points = Vec::new();
            for k in 3..13 {
                let inside = |n: u64| n >= 1 << k && n < 2 << k;
                let band: Vec<u32> = (0..vocabulary.len() as u32)
                    .filter(|id| inside(vocabulary.counts()[*id as usize]))
                    .collect();
                let norms: f64 = band
                    .iter()
                    .map(|id| f64::from(dot(model.vector(*id), model.vector(*id)).sqrt()))
                    .sum();
                if !band.is_empty() {
                    points.push((1.5 * f64::from(1 << k), norms / band.len() as f64));
                }
            }
            points
        };
        for (count, norm) in bands(&sgns) {
            println!("{count:>6} × : {norm:.2}");
        }
        show(
            &Chart::new(
                tr(
                    "Norme des vecteurs selon la fréquence",
                    "Norm of the vectors by frequency",
                ),
                tr("occurrences du mot", "occurrences of the word"),
                tr("norme moyenne", "mean norm"),
            )
            .series(Series::new("skip-gram", bands(&sgns)).dots())
            .series(Series::new("PPMI + SVD", bands(&svd)).dots())
            .log_x(),
        );
    }

    // %% [markdown] fr
    // Ceux d'entre les deux, vers 200 occurrences, pour les deux méthodes. Les mots rares ont eu moins de pas pour s'allonger (ou, pour la SVD, ont peu de cases non nulles) ; les très fréquents vont avec tout le monde, et aucune direction ne l'emporte. La longueur mélange donc la fréquence du mot et la précision de ses contextes : raison de plus pour comparer des cosinus.
    //
    // ## 10 · Voir les vecteurs
    //
    // Pour dessiner 64 dimensions sur une feuille, l'**analyse en composantes principales** (*PCA*) garde les deux directions où les points s'étalent le plus. On les trouve par itération de puissance, comme la SVD plus haut : multiplier, ramener à la longueur 1, recommencer ; puis retirer cette direction et chercher la suivante.
    // %% [markdown] en
    // Those in between, around 200 occurrences, with both methods. Rare words have had fewer steps to grow long in (or, for SVD, have few cells that are not zero); the very frequent ones go with everybody, and no direction wins. So length mixes frequency and how specific the contexts are: one more reason to compare cosines.
    //
    // ## 10 · Seeing the vectors
    //
    // To draw 64 dimensions on a sheet, **principal component analysis** (*PCA*) keeps the two directions in which the points spread most. They are found by power iteration, like the SVD above: multiply, normalise, start again; then take this direction out and look for the next one.

    // %% concept
    /// The coordinates of each row on the two principal axes.
    fn pca(rows: &[Vec<f32>]) -> Vec<(f64, f64)> {
        let (n, c) = (rows.len(), rows[0].len());
        let mean: Vec<f32> =
            (0..c).map(|j| rows.iter().map(|r| r[j]).sum::<f32>() / n as f32).collect();
        let mut x: Vec<Vec<f32>> =
            rows.iter().map(|r| (0..c).map(|j| r[j] - mean[j]).collect()).collect();
        let mut coordinates: Vec<Vec<f64>> = Vec::new();
        for _ in 0..2 {
            let mut axis: Vec<f32> =
                (0..c).map(|j| if j % 3 == 0 { 1.0 } else { -0.5 }).collect();
            for _ in 0..100 {
                let mut next = vec![0.0; c];
                for r in &x {
                    let s = dot(r, &axis);
                    (0..c).for_each(|j| next[j] += s * r[j]);
                }
                let length = dot(&next, &next).sqrt();
                axis = next.iter().map(|a| a / length).collect();
            }
            coordinates.push(x.iter().map(|r| f64::from(dot(r, &axis))).collect());
            for r in &mut x {
                let s = dot(r, &axis);
                (0..c).for_each(|j| r[j] -= s * axis[j]);
            }
        }
        (0..n).map(|i| (coordinates[0][i], coordinates[1][i])).collect()
    }

    // %% [markdown] fr
    // Cinq familles de mots ; les vecteurs sont ramenés à la longueur 1, puis projetés. Cherche quelles familles se séparent.
    // %% [markdown] en
    // Five families of words; the vectors are brought to length 1, then projected. Look which families separate.

    // %%
    {
        let families = [
            (
                tr("personnages", "characters"),
                ["romeo", "juliet", "mercutio", "tybalt", "benvolio", "capulet"],
            ),
            (
                tr("famille", "family"),
                ["father", "mother", "son", "daughter", "brother", "husband"],
            ),
            (
                tr("tutoiement", "thou-words"),
                ["thou", "thee", "art", "hast", "dost", "thyself"],
            ),
            (
                tr("rois", "kings"),
                ["richard", "henry", "edward", "york", "lancaster", "warwick"],
            ),
            (tr("corps", "body"), ["eyes", "hand", "heart", "tongue", "face", "lips"]),
        ];
        let unit = |word: &str| -> Vec<f32> {
            let v = svd.vector(vocabulary.id(word).unwrap());
            v.iter().map(|x| x / dot(v, v).sqrt()).collect()
        };
        let rows: Vec<Vec<f32>> =
            families.iter().flat_map(|(_, words)| words.map(unit)).collect();
        let at = pca(&rows);
        let mut scatter = Scatter::new(
            tr("PCA des mots (PPMI + SVD)", "PCA of words (PPMI + SVD)"),
            tr("axe 1", "axis 1"),
            tr("axe 2", "axis 2"),
        );
        for (f, (name, words)) in families.into_iter().enumerate() {
            scatter = scatter
                .group(name, (0..6).map(|i| (at[f * 6 + i].0, at[f * 6 + i].1, words[i])));
        }
        show(&scatter.size(800, 560));
    }

    // %% [markdown] fr
    // Les personnages de Vérone sont à droite, les rois d'Angleterre à gauche, les mots du tutoiement en haut, le corps près du centre. La famille se partage : « son », « brother » et « father » vont vers les rois (dans les pièces historiques, on se bat entre fils et frères), « mother » et « husband » restent au milieu. Le premier axe dit surtout **de quelle pièce** vient un mot. Deux axes sur 64 ne montrent qu'une partie : des points voisins sur l'image peuvent être éloignés ailleurs.
    //
    // Et les **caractères** ? Donnons à word2vec le texte lettre par lettre (200 000 caractères, 16 dimensions, fenêtre de 2). Cherche les voyelles.
    // %% [markdown] en
    // The people of Verona are on the right, the kings of England on the left, the thou-words at the top, the body near the centre. The family is divided: "son", "brother" and "father" go towards the kings (in the histories it is sons and brothers who fight), "mother" and "husband" stay in the middle. The first axis says mostly **which play** a word comes from. Two axes of 64 show a part only: points that are close in the picture may be far apart elsewhere.
    //
    // And **characters**? Let us feed word2vec the text letter by letter (200,000 characters, 16 dimensions, a window of 2). Look for the vowels.

    // %%
    let letters: Vec<String> =
        corpus.text().unwrap().chars().take(200_000).map(String::from).collect();
    let alphabet: Vocabulary = Vocabulary::new(&letters, 100);
    let letter_config: Word2VecConfig =
        Word2VecConfig { width: 16, window: 2, subsample: 0.0, ..config.clone() };
    let mut letter_model: Word2Vec =
        Word2Vec::new(&letter_config, alphabet.clone(), &mut Rng::new(2)).unwrap();
    letter_model.train(&alphabet.encode(&letters), 1, &mut Rng::new(4), |_, _| ());
    for letter in ["a", "e", "t", "A", "."] {
        let found: Vec<&str> =
            letter_model.neighbours(letter, 5).unwrap().iter().map(|near| near.0).collect();
        println!("{letter}: {found:?}");
    }

    // %%
    {
        let names: Vec<String> =
            (0..alphabet.len() as u32).map(|id| alphabet.word(id).to_owned()).collect();
        let rows: Vec<Vec<f32>> = (0..names.len() as u32)
            .map(|id| {
                let v = letter_model.vector(id);
                v.iter().map(|x| x / dot(v, v).sqrt()).collect()
            })
            .collect();
        let at = pca(&rows);
        let kind = |name: &str| match name.chars().next().unwrap() {
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' => 0,
            c if c.is_lowercase() => 1,
            c if c.is_uppercase() => 2,
            _ => 3,
        };
        let groups = [
            tr("voyelles", "vowels"),
            tr("consonnes", "consonants"),
            tr("majuscules", "capitals"),
            tr("autres", "others"),
        ];
        let mut scatter = Scatter::new(
            tr("PCA des caractères", "PCA of characters"),
            tr("axe 1", "axis 1"),
            tr("axe 2", "axis 2"),
        );
        for (k, name) in groups.into_iter().enumerate() {
            let members = (0..names.len()).filter(|i| kind(&names[*i]) == k);
            let label = |i: usize| match names[i].as_str() {
                "\n" => tr("fin de ligne", "newline").to_owned(),
                " " => tr("espace", "space").to_owned(),
                other => other.to_owned(),
            };
            scatter = scatter.group(name, members.map(|i| (at[i].0, at[i].1, label(i))));
        }
        show(&scatter.size(800, 520));
    }

    // %% [markdown] fr
    // Personne n'a parlé de voyelles au modèle, et pourtant a, e, i, o, u sont groupées en haut à droite, les consonnes en bas à droite, les majuscules à gauche, et A, E, I, O, U au-dessus des autres majuscules. La même idée, « mêmes contextes, mêmes vecteurs », marche donc sur des symboles sans aucun sens. Mais une lettre n'a presque rien à dire : il y en a trop peu pour que chacune porte un sens, et c'est ce qui a mené aux jetons du carnet 01.
    //
    // ## 11 · Une table, deux emplois : les poids liés
    //
    // Un modèle de langage a besoin de vecteurs deux fois : à l'entrée (id → vecteur) et à la sortie (vecteur → un score par jeton du vocabulaire). Les deux tables ont la même taille $V \times C$. Les **poids liés** (*weight tying* ; Press & Wolf, 2017 ; Inan et al., 2017) n'en gardent qu'une : la sortie calcule $h \cdot E^\top$. C'est un produit scalaire avec chaque ligne de la table d'entrée.
    //
    // Combien de paramètres cela épargne-t-il ?
    // %% [markdown] en
    // Nobody told the model about vowels, and yet a, e, i, o, u are grouped at the upper right, the consonants at the lower right, the capitals on the left, and A, E, I, O, U above the other capitals. So the same idea, "same contexts, same vectors", works on symbols without any meaning. But a letter has hardly anything to say: there are too few of them for each to carry a meaning, which is what led to the tokens of notebook 01.
    //
    // ## 11 · One table, two jobs: weight tying
    //
    // A language model needs vectors twice: at the input (id → vector) and at the output (vector → a score per token of the vocabulary). Both tables have the same size $V \times C$. **Weight tying** (Press & Wolf, 2017; Inan et al., 2017) keeps one of them only: the output computes $h \cdot E^\top$, a dot product with each row of the input table.
    //
    // How many parameters does this save?

    // %%
    for name in ["mini", "gpt2"] {
        let mut config = preset(name).unwrap();
        let table = config.vocab_size * config.width;
        let tied: usize = config.parts().iter().map(|part| part.parameters).sum();
        config.tied = false;
        let untied: usize = config.parts().iter().map(|part| part.parameters).sum();
        println!("{name}: {} × {} = {table}", config.vocab_size, config.width);
        println!(
            "    {} {tied}, {} {untied} (+{:.0} %)",
            tr("liés", "tied"),
            tr("non liés", "untied"),
            100.0 * table as f64 / tied as f64
        );
    }

    // %% [markdown] fr
    // Délier coûterait 21 % de paramètres en plus à `mini`, 31 % à GPT-2.
    //
    // Mais alors, d'où vient le gradient de cette table ? *Prédis, puis exécute.* De l'entrée, de la sortie, ou des deux ? La règle de la chaîne répond : un paramètre employé deux fois reçoit **la somme** des deux gradients. Un mini-modèle de 6 mots et 4 dimensions : lire trois mots, les faire passer directement par la sortie, entropie croisée. Avec `Pass::train` la table est suivie, avec `Pass::eval` elle est une constante.
    // %% [markdown] en
    // Untying would cost `mini` 21 % more parameters, GPT-2 31 %.
    //
    // But then where does this table's gradient come from? *Predict, then run.* From the input, from the output, or from both? The chain rule answers: a parameter used twice receives **the sum** of both gradients. A tiny model of 6 words and 4 dimensions: read three words, pass them straight through the output, cross-entropy. With `Pass::train` the table is tracked, with `Pass::eval` it is a constant.

    // %% library
    /// The gradient of the table through its use as input, as output, or both.
    fn table_gradient(table: &Embedding, as_input: bool, as_output: bool) -> Vec<f32> {
        let (mut rng, mut gradients) = (Rng::new(0), Gradients::new());
        let (tracked, constant) = (Pass::train(&mut rng), Pass::eval());
        let x = table.forward(&[1, 4, 2], [3], if as_input { &tracked } else { &constant });
        let logits = table.logits(&x, if as_output { &tracked } else { &constant });
        ops::mean(&ops::cross_entropy(&logits, &[4, 2, 0])).backward(&mut gradients);
        gradients.get(table.weight.id()).unwrap().to_vec()
    }

    let tied: Embedding = Embedding::new(6, 4, 0.5, &mut Rng::new(5));
    let from_input: Vec<f32> = table_gradient(&tied, true, false);
    let from_output: Vec<f32> = table_gradient(&tied, false, true);
    let from_both: Vec<f32> = table_gradient(&tied, true, true);

    // %% agreement
    for i in 0..from_both.len() {
        assert!((from_both[i] - from_input[i] - from_output[i]).abs() < 1e-6);
    }
    println!(
        "{}",
        tr(
            "✔ gradient lié = gradient de l'entrée + gradient de la sortie",
            "✔ tied gradient = input gradient + output gradient"
        )
    );

    // %% [markdown] fr
    // Compare les trois cartes : quelles lignes sont nulles dans la première ? Et dans la deuxième ?
    // %% [markdown] en
    // Compare the three maps: which rows are zero in the first? And in the second?

    // %%
    {
        let map = |title: &str, values: &[f32]| {
            HeatMap::new(title, 6, 4, values.iter().map(|x| f64::from(*x)))
                .row_labels(["0", "1", "2", "3", "4", "5"])
                .column_labels(["0", "1", "2", "3"])
                .x_label("dimension")
                .y_label("id")
                .diverging()
                .range(-0.45, 0.45)
                .digits(2)
                .size(400, 340)
        };
        show(
            &Panels::new(2)
                .add(map(tr("par l'entrée", "through the input"), &from_input))
                .add(map(tr("par la sortie", "through the output"), &from_output))
                .add(map(tr("les deux", "both"), &from_both)),
        );
    }

    // %% [markdown] fr
    // Par l'entrée, seules les lignes lues (1, 2, 4) reçoivent un gradient ; par la sortie, **toutes**, parce que le softmax abaisse chaque mot qui n'était pas la réponse. La troisième carte est la somme des deux. Sans liaison, le vecteur d'entrée d'un mot rare n'apprend presque jamais ; avec elle, il apprend à chaque pas.
    //
    // ## 12 · Idées reçues
    //
    // **« king − man + woman = queen marche partout. »** Non : voir la section 7. Sur notre mégaoctet, c'est faux, et même sur de grands corpus une bonne part du succès vient de l'exclusion des mots de la question (Linzen, 2016 ; Nissim et al., 2020).
    //
    // **« Les embeddings d'entrée d'un GPT sont des vecteurs word2vec. »** Non. Ils sont tirés au hasard et appris avec tout le reste, par le gradient de la prédiction du jeton suivant (section 11) ; ce sont des jetons, pas des mots ; et le sens en contexte naît dans les couches au-dessus. Un vecteur de word2vec, lui, est figé, un par forme écrite :
    // %% [markdown] en
    // Through the input only the rows that were read (1, 2, 4) receive a gradient; through the output **all** of them do, because softmax lowers each word that was not the answer. The third map is the sum of both. Untied, the input vector of a rare word hardly ever learns; tied, it learns at every step.
    //
    // ## 12 · Misconceptions
    //
    // **"king − man + woman = queen works everywhere."** No: see section 7. On our megabyte it is false, and even on large corpora much of the success comes from excluding the words of the question (Linzen, 2016; Nissim et al., 2020).
    //
    // **"The input embeddings of a GPT are word2vec vectors."** No. They are drawn at random and learned with everything else, by the gradient of next-token prediction (section 11); they belong to tokens, not words; and meaning in context arises in the layers above. A vector of word2vec is fixed, one per written form:

    // %%
    for word in ["art", "will"] {
        let found: Vec<&str> =
            svd.neighbours(word, 6).unwrap().iter().map(|near| near.0).collect();
        println!("{word}: {}", found.join(", "));
    }

    // %% [markdown] fr
    // « art » (le verbe de *thou art*, et l'art) n'a qu'un vecteur, et le verbe a mangé le nom ; de même, dans « will », l'auxiliaire a mangé la volonté et le testament. Un Transformer part aussi d'une seule ligne par jeton, mais il la mélange ensuite avec son contexte : c'est le carnet 03.
    //
    // **« Proche = synonyme. »** Non : section 8. Des vecteurs proches disent « mêmes contextes » : synonymes, contraires et mots d'une même catégorie (sun / moon) s'y mélangent.
    //
    // ## 13 · Exercices
    //
    // ### 02.1 · Une étape de skip-gram
    //
    // Écris `sgns_step(v, u, rate)`. `v` est le vecteur du centre, `u[0]` celui du vrai voisin, `u[1..]` ceux des négatifs. Change `v` et tous les `u` sur place (un pas de descente de taille `rate`, tous les gradients pris **avant** le changement), et renvoie la perte $\ell$ d'avant le pas. Elle doit rester finie même pour un score de ±800 : notre cellule trichait avec `max(1e-7)`.
    //
    // <details><summary>Indice 1</summary>
    //
    // Calcule d'abord tous les scores $s_k = v \cdot u_k$, dans un `Vec<f64>`.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // $\ln \sigma(s) = \min(s, 0) - \ln(1 + e^{-|s|})$ ne déborde jamais. En Rust : `s.min(0.0) - (-s.abs()).exp().ln_1p()`.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // $g_k = \sigma(s_k) - y_k$. Additionne $g_k u_k$ dans un vecteur à part, puis change $u_k$ ; change $v$ tout à la fin.
    //
    // </details>
    // %% [markdown] en
    // "art" (the verb of *thou art*, and the craft) has one vector only, and the verb has eaten the noun; in "will", likewise, the auxiliary has eaten the wish and the testament. A Transformer starts from one row per token, too, but then mixes it with its context: that is notebook 03.
    //
    // **"Close = synonym."** No: section 8. Close vectors say "same contexts": synonyms, opposites and words of one category (sun / moon) mix there.
    //
    // ## 13 · Exercises
    //
    // ### 02.1 · One step of skip-gram
    //
    // Write `sgns_step(v, u, rate)`. `v` is the centre's vector, `u[0]` that of the true neighbour, `u[1..]` those of the negatives. Change `v` and all the `u` in place (one step of descent of size `rate`, all gradients taken **before** the change), and return the loss $\ell$ from before the step. It must stay finite even for a score of ±800: our cell cheated with `max(1e-7)`.
    //
    // <details><summary>Hint 1</summary>
    //
    // Compute all scores $s_k = v \cdot u_k$ first, into a `Vec<f64>`.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // $\ln \sigma(s) = \min(s, 0) - \ln(1 + e^{-|s|})$ never overflows. In Rust: `s.min(0.0) - (-s.abs()).exp().ln_1p()`.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // $g_k = \sigma(s_k) - y_k$. Add up $g_k u_k$ in a vector of its own, then change $u_k$; change $v$ at the very end.
    //
    // </details>

    // %% exercise
    fn sgns_step(v: &mut [f64], u: &mut [Vec<f64>], rate: f64) -> f64 {
        let _ = (v, u, rate);
        check::unfinished()
    }

    println!("{}", check::sgns_step(sgns_step));

    // %% solution
    {
        fn sgns_step(v: &mut [f64], u: &mut [Vec<f64>], rate: f64) -> f64 {
            let log_sigmoid = |s: f64| s.min(0.0) - (-s.abs()).exp().ln_1p();
            let mut loss = 0.0;
            let mut dv = vec![0.0; v.len()];
            for k in 0..u.len() {
                let s: f64 = (0..v.len()).map(|j| v[j] * u[k][j]).sum();
                loss -= log_sigmoid(if k == 0 { s } else { -s });
                let g = 1.0 / (1.0 + (-s).exp()) - if k == 0 { 1.0 } else { 0.0 };
                for j in 0..v.len() {
                    dv[j] += g * u[k][j];
                    u[k][j] -= rate * g * v[j];
                }
            }
            for j in 0..v.len() {
                v[j] -= rate * dv[j];
            }
            loss
        }
        assert!(check::sgns_step(sgns_step).is_passed());
    }

    // %% [markdown] fr
    // ### 02.2 · Lire une ligne, et revenir
    //
    // La section 1 l'a montré : un one-hot fois une table, c'est une ligne de la table. Écris les deux sens sans jamais construire de one-hot :
    // - `embedding_forward(ids, table, width)` : le produit $O \cdot E$, une ligne de `width` nombres par id. Le vérificateur le calcule par la longue multiplication et compare ;
    // - `embedding_backward(ids, d_out, vocab, width)` : `d_out` a une ligne de `width` nombres par id ; renvoie le gradient de la table, `vocab` × `width` nombres, ligne par ligne. Un id peut se répéter.
    //
    // <details><summary>Indice 1</summary>
    //
    // À l'aller, la ligne `id` de la table va de `id * width` à `(id + 1) * width`. Au retour, commence par `vec![0.0; vocab * width]`.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // La ligne `i` de `d_out` va de `i * width` à `(i + 1) * width` ; elle va dans la ligne `ids[i]`.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // `+=`, pas `=`.
    //
    // </details>
    // %% [markdown] en
    // ### 02.2 · Reading a row, and the way back
    //
    // Section 1 showed it: a one-hot vector times a table is a row of the table. Write both directions without ever building a one-hot vector:
    // - `embedding_forward(ids, table, width)`: the product $O \cdot E$, a row of `width` numbers per id. The checker takes the long multiplication and compares;
    // - `embedding_backward(ids, d_out, vocab, width)`: `d_out` has a row of `width` numbers per id; return the gradient of the table, `vocab` × `width` numbers, row by row. An id may repeat.
    //
    // <details><summary>Hint 1</summary>
    //
    // Forward, row `id` of the table goes from `id * width` to `(id + 1) * width`. On the way back start with `vec![0.0; vocab * width]`.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // Row `i` of `d_out` goes from `i * width` to `(i + 1) * width`; it goes to row `ids[i]`.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // `+=`, not `=`.
    //
    // </details>

    // %% exercise
    fn embedding_forward(ids: &[usize], table: &[f64], width: usize) -> Vec<f64> {
        let _ = (ids, table, width);
        check::unfinished()
    }

    fn embedding_backward(
        ids: &[usize],
        d_out: &[f64],
        vocab: usize,
        width: usize,
    ) -> Vec<f64> {
        let _ = (ids, d_out, vocab, width);
        check::unfinished()
    }

    println!("{}", check::embedding_forward(embedding_forward));
    println!("{}", check::embedding_backward(embedding_backward));

    // %% solution
    {
        fn embedding_forward(ids: &[usize], table: &[f64], width: usize) -> Vec<f64> {
            let mut rows = Vec::new();
            for id in ids {
                rows.extend_from_slice(&table[id * width..(id + 1) * width]);
            }
            rows
        }

        fn embedding_backward(
            ids: &[usize],
            d_out: &[f64],
            vocab: usize,
            width: usize,
        ) -> Vec<f64> {
            let mut d_table = vec![0.0; vocab * width];
            for (i, id) in ids.iter().enumerate() {
                for j in 0..width {
                    d_table[id * width + j] += d_out[i * width + j];
                }
            }
            d_table
        }
        assert!(check::embedding_forward(embedding_forward).is_passed());
        assert!(check::embedding_backward(embedding_backward).is_passed());
    }

    // %% [markdown] fr
    // ### 02.3 · Les plus proches voisins
    //
    // Écris `nearest(table, width, query, n)` : les `n` lignes (moins, s'il n'y en a pas assez) au plus grand cosinus avec la ligne `query`, sans elle-même, en couples (id, cosinus), du plus grand au plus petit, le plus petit id d'abord en cas d'égalité. Le cosinus d'une ligne nulle vaut 0.
    //
    // <details><summary>Indice 1</summary>
    //
    // Écris d'abord `cosine(a, b)`, et traite le cas où une norme vaut 0.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // Range tous les couples `(id, cosinus)` dans un `Vec`, sauf `query`.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // `found.sort_by(|a, b| b.1.total_cmp(&a.1))` trie du plus grand au plus petit et garde l'ordre des ex æquo ; puis `found.truncate(n)`.
    //
    // </details>
    // %% [markdown] en
    // ### 02.3 · The nearest neighbours
    //
    // Write `nearest(table, width, query, n)`: the `n` rows (fewer if there are not enough) with the largest cosine with row `query`, without itself, as pairs (id, cosine), from the largest to the smallest, the smaller id first among equals. The cosine of a row of zeros is 0.
    //
    // <details><summary>Hint 1</summary>
    //
    // Write `cosine(a, b)` first, and treat the case in which a norm is 0.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // Put all pairs `(id, cosine)` into a `Vec`, except `query`.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // `found.sort_by(|a, b| b.1.total_cmp(&a.1))` sorts from the largest to the smallest and keeps the order of equals; then `found.truncate(n)`.
    //
    // </details>

    // %% exercise
    fn nearest(table: &[f64], width: usize, query: usize, n: usize) -> Vec<(usize, f64)> {
        let _ = (table, width, query, n);
        check::unfinished()
    }

    println!("{}", check::nearest(nearest));

    // %% solution
    {
        fn nearest(table: &[f64], width: usize, query: usize, n: usize) -> Vec<(usize, f64)> {
            let product = |a: usize, b: usize| -> f64 {
                (0..width).map(|j| table[a * width + j] * table[b * width + j]).sum()
            };
            let mut found = Vec::new();
            for id in 0..table.len() / width {
                if id != query {
                    let norms = product(query, query).sqrt() * product(id, id).sqrt();
                    found.push((
                        id,
                        if norms > 0.0 { product(query, id) / norms } else { 0.0 },
                    ));
                }
            }
            found.sort_by(|a, b| b.1.total_cmp(&a.1));
            found.truncate(n);
            found
        }
        assert!(check::nearest(nearest).is_passed());
    }

    // %% [markdown] fr
    // ### 02.4 · PPMI (facultatif)
    //
    // Écris `ppmi_table(counts, rows, columns)` pour une table **quelconque**, pas forcément carrée : $\max(0, \ln \frac{n_{ij} N}{n_i n_j})$ dans chaque case, en logarithme naturel, et 0 là où le compte est nul.
    //
    // <details><summary>Indice 1</summary>
    //
    // Deux listes de sommes : une par ligne, une par colonne. Et le total.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // La case (i, j) est à l'indice `i * columns + j`.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // Si le compte est nul, ne calcule rien : une ligne vide donnerait 0/0.
    //
    // </details>
    // %% [markdown] en
    // ### 02.4 · PPMI (optional)
    //
    // Write `ppmi_table(counts, rows, columns)` for **any** table, not necessarily square: $\max(0, \ln \frac{n_{ij} N}{n_i n_j})$ in each cell, with the natural logarithm, and 0 where the count is zero.
    //
    // <details><summary>Hint 1</summary>
    //
    // Two lists of sums: one per row, one per column. And the total.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // Cell (i, j) is at index `i * columns + j`.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // If the count is zero, compute nothing: an empty row would give 0/0.
    //
    // </details>

    // %% exercise
    fn ppmi_table(counts: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        let _ = (counts, rows, columns);
        check::unfinished()
    }

    println!("{}", check::ppmi(ppmi_table));

    // %% solution
    {
        fn ppmi_table(counts: &[f64], rows: usize, columns: usize) -> Vec<f64> {
            let total: f64 = counts.iter().sum();
            let mut result = vec![0.0; rows * columns];
            for i in 0..rows {
                for j in 0..columns {
                    let row: f64 = (0..columns).map(|k| counts[i * columns + k]).sum();
                    let column: f64 = (0..rows).map(|k| counts[k * columns + j]).sum();
                    let together = counts[i * columns + j];
                    if together > 0.0 {
                        result[i * columns + j] =
                            (together * total / (row * column)).ln().max(0.0);
                    }
                }
            }
            result
        }
        assert!(check::ppmi(ppmi_table).is_passed());
    }

    // %% [markdown] fr
    // ### 02.5 · L'épreuve des voisins
    //
    // À toi de fabriquer des vecteurs, par la méthode de ton choix. Le vérificateur te donne deux textes l'un après l'autre, chacun dans une langue inventée de 140 mots, toujours les mêmes : 30 couples de **jumeaux** (deux mots interchangeables), parfois encadrés, deux places plus loin, par deux mots qui n'appartiennent qu'à ce couple, et vingt mots de remplissage qui font les trois quarts du texte. Écris `word_vectors(ids, vocab)` : un vecteur par mot, `vocab` lignes de même largeur, mises bout à bout. La note est celle de la section 4 : il faut que, dans 25 couples sur 30 au moins, le second jumeau soit parmi les dix plus proches voisins du premier. Le hasard en trouve 2.
    //
    // *Prédis, puis exécute.* Les comptes bruts suffisent-ils ?
    //
    // <details><summary>Indice 1</summary>
    //
    // Le plus court chemin : compter. `counts[a * vocab + b]` augmente de 1 chaque fois que `b` est à deux places au plus de `a` ; la ligne d'un mot est son vecteur.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // Avec les comptes bruts, les mots de remplissage écrasent tout. La PPMI (section 4, exercice 02.4) les ramène à leur place.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // La table est carrée et symétrique : `n * total / (sum[a] * sum[b])`, puis `ln` et `max(0.0)` là où `n` n'est pas nul. Une fenêtre de 1 ne verrait que du remplissage.
    //
    // </details>
    // %% [markdown] en
    // ### 02.5 · The test of the neighbours
    //
    // Make vectors yourself, by any method. The checker gives you two texts one after the other, each in an invented language of 140 words, always the same two: 30 pairs of **twins** (two words that are interchangeable), sometimes framed, two places away, by two words that belong to this pair alone, and twenty filler words that make up three quarters of the text. Write `word_vectors(ids, vocab)`: a vector per word, `vocab` rows of one width, side by side. The score is that of section 4: in at least 25 pairs of 30, the second twin must be among the ten nearest neighbours of the first. Chance finds 2.
    //
    // *Predict, then run.* Are raw counts enough?
    //
    // <details><summary>Hint 1</summary>
    //
    // The shortest way: count. `counts[a * vocab + b]` grows by 1 each time `b` is at most two places from `a`; a word's row is its vector.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // With raw counts the filler words drown everything. PPMI (section 4, exercise 02.4) puts them in their place.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // The table is square and symmetric: `n * total / (sum[a] * sum[b])`, then `ln` and `max(0.0)` where `n` is not zero. A window of 1 would see fillers only.
    //
    // </details>

    // %% exercise
    fn word_vectors(ids: &[u32], vocab: usize) -> Vec<f64> {
        let _ = (ids, vocab);
        check::unfinished()
    }

    println!("{}", check::word_vectors(word_vectors));

    // %% solution
    {
        fn word_vectors(ids: &[u32], vocab: usize) -> Vec<f64> {
            let mut counts = vec![0.0; vocab * vocab];
            for i in 0..ids.len() {
                for j in i + 1..(i + 3).min(ids.len()) {
                    let (a, b) = (ids[i] as usize, ids[j] as usize);
                    counts[a * vocab + b] += 1.0;
                    counts[b * vocab + a] += 1.0;
                }
            }
            let sums: Vec<f64> = counts.chunks(vocab).map(|row| row.iter().sum()).collect();
            let total: f64 = sums.iter().sum();
            for (k, n) in counts.iter_mut().enumerate() {
                if *n > 0.0 {
                    *n = (*n * total / (sums[k / vocab] * sums[k % vocab])).ln().max(0.0);
                }
            }
            counts
        }
        println!("{}", check::word_vectors(word_vectors));
        assert!(check::word_vectors(word_vectors).is_passed());
    }

    // %% [markdown] fr
    // ## 14 · Comment font les vrais
    //
    // - **word2vec** (Google, 2013) a été publié avec des vecteurs de 300 dimensions pour 3 millions de mots et locutions, appris sur environ 100 milliards de mots de presse : près d'un demi-million de fois notre corpus.
    // - **GPT-2** (le plus petit, 124 439 808 paramètres) : une table de 50 257 × 768 = 38 597 376 nombres, soit 31 % du modèle, **liée** à la sortie.
    // - **Llama 2 7B** : 32 000 × 4 096 = 131 072 000 nombres, **non liés**, donc deux tables. **Llama 3 8B** : 128 256 × 4 096, non liés aussi. Mais **Llama 3.2 1B** (128 256 × 2 048 = 262 668 288) lie les siennes : plus le modèle est petit, plus la table pèse.
    // - **Vaswani et al. (2017)** lient les tables et multiplient les vecteurs d'entrée par $\sqrt{d}$. Notre `mini` : 5 000 × 256, liés.
    // - Les tables de vecteurs n'ont pas disparu : on les trouve dans les systèmes de recommandation et dans la première couche de tout modèle de langage. Mais aujourd'hui, un « embedding » de phrase, celui qui sert à la recherche par le sens, sort du haut d'un Transformer, pas d'une table.
    //
    // ## 15 · Pour aller plus loin
    //
    // - T. Mikolov et al., 2013, *Efficient Estimation of Word Representations in Vector Space* (arXiv:1301.3781) et *Distributed Representations of Words and Phrases and their Compositionality* (arXiv:1310.4546).
    // - O. Levy, Y. Goldberg, 2014, *Neural Word Embedding as Implicit Matrix Factorization* ; Levy, Goldberg & Dagan, 2015, *Improving Distributional Similarity with Lessons Learned from Word Embeddings*.
    // - D. Mimno, L. Thompson, 2017, *The strange geometry of skip-gram with negative sampling*.
    // - T. Linzen, 2016, *Issues in evaluating semantic spaces using word analogies* ; M. Nissim, R. van Noord, R. van der Goot, 2020, *Fair Is Better than Sensational: Man Is to Doctor as Woman Is to Doctor*.
    // - O. Press, L. Wolf, 2017, *Using the Output Embedding to Improve Language Models* ; H. Inan et al., 2017, *Tying Word Vectors and Word Classifiers*.
    // - A. Vaswani et al., 2017, *Attention Is All You Need* ; A. Radford et al., 2019, *Language Models are Unsupervised Multitask Learners* ; J. Alammar, *The Illustrated Word2vec* et *The Illustrated Transformer* ; A. Karpathy, *Let's build GPT* ; *Dive into Deep Learning*, chapitre 15.
    //
    // ## 16 · En cinq lignes
    //
    // 1. One-hot × matrice = lire une ligne ; son gradient = ajouter des lignes (*scatter-add*).
    // 2. Un mot est connu par ses fréquentations : compter (PPMI) ou prédire (word2vec) exploite la même statistique.
    // 3. Échantillonnage négatif : K + 1 questions oui/non, et un gradient qui tient en $g = \sigma(s) - y$.
    // 4. Proche veut dire « mêmes contextes », pas « même sens » ; et l'arithmétique des analogies échoue sur un petit corpus.
    // 5. Une table peut servir à l'entrée et à la sortie : elle reçoit alors la somme des deux gradients.
    //
    // **Réponses.** (1) Trois, et ils s'additionnent dans la même ligne (section 1). (2) Proches : « hate » est le 2ᵉ voisin de « love » avec PPMI + SVD, le 12ᵉ avec skip-gram (section 8). (3) Pas ici (section 7).
    //
    // **Ensuite.** Ces vecteurs sont les mêmes dans toutes les phrases. Le carnet 03 leur donne le moyen de se regarder les uns les autres : l'attention.
    // %% [markdown] en
    // ## 14 · How the real ones do it
    //
    // - **word2vec** (Google, 2013) was published with vectors of 300 dimensions for 3 million words and phrases, learned from about 100 billion words of news: almost half a million times our corpus.
    // - **GPT-2** (the smallest, 124,439,808 parameters): a table of 50,257 × 768 = 38,597,376 numbers, 31 % of the model, **tied** to the output.
    // - **Llama 2 7B**: 32,000 × 4,096 = 131,072,000 numbers, **untied**, hence two tables. **Llama 3 8B**: 128,256 × 4,096, untied, too. But **Llama 3.2 1B** (128,256 × 2,048 = 262,668,288) ties its own: the smaller the model, the heavier the table.
    // - **Vaswani et al. (2017)** tie the tables and multiply the input vectors by $\sqrt{d}$. Our `mini`: 5,000 × 256, tied.
    // - Tables of vectors have not gone away: they are found in recommender systems and in the first layer of every language model. But today a sentence "embedding", the one behind search by meaning, comes from the top of a Transformer, not from a table.
    //
    // ## 15 · Further reading
    //
    // - T. Mikolov et al., 2013, *Efficient Estimation of Word Representations in Vector Space* (arXiv:1301.3781) and *Distributed Representations of Words and Phrases and their Compositionality* (arXiv:1310.4546).
    // - O. Levy, Y. Goldberg, 2014, *Neural Word Embedding as Implicit Matrix Factorization*; Levy, Goldberg & Dagan, 2015, *Improving Distributional Similarity with Lessons Learned from Word Embeddings*.
    // - D. Mimno, L. Thompson, 2017, *The strange geometry of skip-gram with negative sampling*.
    // - T. Linzen, 2016, *Issues in evaluating semantic spaces using word analogies*; M. Nissim, R. van Noord, R. van der Goot, 2020, *Fair Is Better than Sensational: Man Is to Doctor as Woman Is to Doctor*.
    // - O. Press, L. Wolf, 2017, *Using the Output Embedding to Improve Language Models*; H. Inan et al., 2017, *Tying Word Vectors and Word Classifiers*.
    // - A. Vaswani et al., 2017, *Attention Is All You Need*; A. Radford et al., 2019, *Language Models are Unsupervised Multitask Learners*; J. Alammar, *The Illustrated Word2vec* and *The Illustrated Transformer*; A. Karpathy, *Let's build GPT*; *Dive into Deep Learning*, chapter 15.
    //
    // ## 16 · In five lines
    //
    // 1. One-hot × matrix = reading a row; its gradient = adding rows (*scatter-add*).
    // 2. A word is known by its company: counting (PPMI) or predicting (word2vec) draws on the same statistics.
    // 3. Negative sampling: K + 1 yes/no questions, and a gradient that fits in $g = \sigma(s) - y$.
    // 4. Close means "same contexts", not "same meaning"; and the arithmetic of analogies fails on a small corpus.
    // 5. One table can serve as input and output: it then receives the sum of both gradients.
    //
    // **Answers.** (1) Three, and they add up in the same row (section 1). (2) Close: "hate" is the 2nd neighbour of "love" with PPMI + SVD, the 12th with skip-gram (section 8). (3) Not here (section 7).
    //
    // **Next.** These vectors are the same in every sentence. Notebook 03 gives them the means to look at each other: attention.
}
