//! Notebook 00: what a language model is.

fn main() {
    // %% [markdown] fr
    // # 00 · Introduction : qu'est-ce qu'un modèle de langage ?
    //
    // **Temps :** 30 minutes de lecture, 20 de plus pour les exercices.
    //
    // **À la fin, tu sauras**
    // - dire en une phrase ce que fait un grand modèle de langage (*large language model*, LLM) : prédire la suite ;
    // - écrire ton premier modèle de langage, un n-gramme, et le faire parler ;
    // - mesurer un modèle : entropie croisée, perplexité, bits par octet, et passer de l'un à l'autre ;
    // - distinguer les trois grandes façons d'apprendre : GPT, BERT et T5.
    //
    // **Prérequis :** programmer un peu, dans n'importe quel langage. Le Rust utile est expliqué au passage, et
    // l'annexe `A_juste_assez_de_rust` le reprend en vingt minutes.
    //
    // **Trois questions à garder en tête** (réponses à la fin) :
    // 1. Un modèle hésite à chaque caractère entre six suites aussi probables l'une que l'autre. Combien de bits lui
    //    coûte chaque caractère ?
    // 2. Un modèle qui regarde six caractères en arrière en sait plus que celui qui en regarde quatre. Prédit-il mieux ?
    // 3. Le modèle A a une perplexité de 6, le modèle B une perplexité de 52. Lequel est le meilleur ?
    // %% [markdown] en
    // # 00 · Introduction: what is a language model?
    //
    // **Time:** 30 minutes to read, 20 more for the exercises.
    //
    // **By the end you will be able to**
    // - say in one sentence what a large language model (LLM) does: it predicts what comes next;
    // - write your first language model, an n-gram, and make it talk;
    // - measure a model: cross-entropy, perplexity, bits per byte, and convert one into another;
    // - tell the three great ways of learning apart: GPT, BERT and T5.
    //
    // **You need** some programming, in any language. The Rust that we use is explained on the way, and the appendix
    // `A_juste_assez_de_rust` goes over it in twenty minutes.
    //
    // **Three questions to keep in mind** (answers at the end):
    // 1. At each character a model hesitates between six equally likely continuations. How many bits does a character
    //    cost it?
    // 2. A model that looks six characters back knows more than one that looks four back. Does it predict better?
    // 3. Model A has a perplexity of 6, model B a perplexity of 52. Which one is better?

    // %% [markdown] fr
    // ## 1. Une seule tâche : deviner la suite
    //
    // Lis ceci : « Il était une… ». Tu as entendu « fois ». Tu viens de faire ce que fait un modèle de langage : à partir
    // de ce qui précède, donner une **probabilité** à chaque suite possible. Rien d'autre. Un assistant qui répond à tes
    // questions est un modèle qui prédit, un morceau après l'autre, ce qui viendrait après ta question.
    //
    // Ces morceaux s'appellent des **jetons** (*tokens*). Ici ce seront des caractères, le plus simple des choix ; le
    // carnet 01 fera mieux.
    //
    // Notre texte : neuf pièces de Shakespeare, embarquées dans la bibliothèque. On garde le dernier dixième pour
    // **valider** : le modèle ne le verra jamais pendant qu'il apprend. Sans cela, on ne mesurerait que sa mémoire.
    //
    // *Rust* : `let` donne un nom à une valeur, `Vec<char>` est une liste de caractères, `println!` affiche, et
    // `unwrap()` dit « il n'y aura pas d'erreur ici ; sinon, arrête tout ».
    // %% [markdown] en
    // ## 1. One task: guess what comes next
    //
    // Read this: "Once upon a…". You heard "time". You have just done what a language model does: from what came before,
    // give a **probability** to each possible continuation. Nothing else. An assistant that answers your questions is a
    // model that predicts, one piece after the other, what would come after your question.
    //
    // Those pieces are called **tokens**. Here they will be characters, the simplest choice; notebook 01 does better.
    //
    // Our text: nine plays of Shakespeare, built into the library. The last tenth is kept for **validation**: the model
    // never sees it while it learns. Otherwise we would only measure its memory.
    //
    // *Rust*: `let` names a value, `Vec<char>` is a list of characters, `println!` prints, and `unwrap()` says "there will
    // be no error here; if there is, stop everything".
    // %%
    use motamot::data::Corpus;
    use motamot::{figures, show, tr};

    let corpus = Corpus::embedded();
    let text: Vec<char> = corpus.text().unwrap().chars().collect();
    let cut = text.len() * 9 / 10;
    println!(
        "{} {} · {} {}",
        tr("apprendre :", "to learn:"),
        cut,
        tr("valider :", "to validate:"),
        text.len() - cut
    );
    println!("{}", text[..122].iter().collect::<String>());

    // %% [markdown] fr
    // Un ordinateur compte mieux avec des nombres : chaque caractère reçoit un numéro, son rang dans l'alphabet du texte.
    // V est la taille de ce **vocabulaire**. Une fonction va du texte aux numéros, une autre revient.
    // %% [markdown] en
    // A computer counts better with numbers: each character gets one, its rank in the alphabet of the text. V is the size
    // of this **vocabulary**. One function goes from text to numbers, another one comes back.
    // %% concept
    fn encode(text: &str, alphabet: &[char]) -> Vec<u32> {
        text.chars().map(|c| alphabet.binary_search(&c).unwrap() as u32).collect()
    }

    fn decode(ids: &[u32], alphabet: &[char]) -> String {
        ids.iter().map(|&id| alphabet[id as usize]).collect()
    }

    let mut alphabet: Vec<char> = text.clone();
    alphabet.sort_unstable();
    alphabet.dedup();
    let v = alphabet.len();
    let ids: Vec<u32> = encode(corpus.text().unwrap(), &alphabet);
    let train: Vec<u32> = ids[..cut].to_vec();
    let val: Vec<u32> = ids[cut..].to_vec();
    println!("V = {v}   {:?} → {:?}", "ROMEO", encode("ROMEO", &alphabet));

    // %% [markdown] fr
    // La bibliothèque `motamot`, que ce cours construit, fait la même chose en deux appels. Chaque carnet compare ainsi ce
    // que tu écris à la main et ce que fait la bibliothèque : un `assert!` qui échoue arrête tout.
    // %% [markdown] en
    // The library `motamot`, which this course builds, does the same in two calls. Each notebook compares what you write by
    // hand with what the library does: an `assert!` that fails stops everything.
    // %% agreement
    use motamot::data::split;
    use motamot::evaluation::{Symbols, characters};

    let symbols: Symbols = {
        let parts = split(&corpus.bytes).unwrap();
        characters(parts.train, parts.val)
    };
    assert_eq!((symbols.vocab, &symbols.train, &symbols.val), (v, &train, &val));
    println!("{}", tr("mêmes numéros, même coupe, même V", "same numbers, same cut, same V"));

    // %% [markdown] fr
    // ## 2. Le plus simple des modèles : compter
    //
    // Un **n-gramme** (*n-gram*) est une suite de n symboles. Le modèle n-gramme suppose que les n − 1 derniers suffisent
    // pour deviner le suivant : on compte, dans le texte, ce qui a suivi chaque **contexte**, c'est-à-dire chaque suite de
    // n − 1 symboles. Avec n = 1 on ne regarde rien ; avec n = 5, les quatre derniers caractères.
    //
    // Voici tout l'apprentissage. *Rust* : une `HashMap` est un dictionnaire ; `windows(n)` glisse une fenêtre de n symboles
    // sur le texte ; `entry(…).or_insert_with(…)` donne la ligne du contexte, en la créant si elle manque.
    // %% [markdown] en
    // ## 2. The simplest model: counting
    //
    // An **n-gram** is a run of n symbols. The n-gram model supposes that the last n − 1 are enough to guess the next one: we
    // count, in the text, what followed each **context**, that is, each run of n − 1 symbols. With n = 1 we look at nothing;
    // with n = 5, at the last four characters.
    //
    // This is all of the learning. *Rust*: a `HashMap` is a dictionary; `windows(n)` slides a window of n symbols over the
    // text; `entry(…).or_insert_with(…)` gives the context's row, and makes it first if it is missing.
    // %% concept
    use std::collections::HashMap;

    type Counts = HashMap<Vec<u32>, Vec<u32>>;

    fn count(text: &[u32], n: usize, v: usize) -> Counts {
        let mut counts: Counts = HashMap::new();
        for window in text.windows(n) {
            let (context, next) = (window[..n - 1].to_vec(), window[n - 1] as usize);
            counts.entry(context).or_insert_with(|| vec![0; v])[next] += 1;
        }
        counts
    }

    // %%
    let tables: Vec<Counts> = (1..=5).map(|n| count(&train, n, v)).collect();
    for n in 1..=5 {
        println!(
            "n = {n} : {:6} {}",
            tables[n - 1].len(),
            tr("contextes différents", "different contexts")
        );
    }

    // %% [markdown] fr
    // **Prédis.** Après « `my l` », quel caractère vient ? Pense à ce que disent les personnages de Shakespeare. Et que
    // répondra un modèle qui ne regarde rien (n = 1), ou deux caractères seulement (n = 3) ?
    //
    // Dans l'image, chaque barre est la probabilité d'un caractère suivant ; `·` est un espace, `↵` un retour à la ligne.
    // Regarde comme la probabilité se concentre sur quelques barres quand le contexte s'allonge (l'échelle verticale change
    // d'une image à l'autre).
    // %% [markdown] en
    // **Predict.** After "`my l`", which character comes? Think of what Shakespeare's people say. And what will a model answer
    // that looks at nothing (n = 1), or at two characters only (n = 3)?
    //
    // In the picture each bar is the probability of a next character; `·` is a space, `↵` a new line. See how the probability
    // gathers on a few bars as the context grows (the vertical scale differs from picture to picture).
    // %%
    use motamot::plot::{Bars, Panels};

    fn visible(c: char) -> String {
        match c {
            ' ' => "·".into(),
            '\n' => "↵".into(),
            c => c.to_string(),
        }
    }

    fn best(p: &[f64], k: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        order.truncate(k);
        order
    }

    let mut panels = Panels::new(3);
    for n in [1, 3, 5] {
        let context = encode("my l", &alphabet);
        let row = &tables[n - 1][&context[5 - n..]];
        let total: u32 = row.iter().sum();
        let p: Vec<f64> = row.iter().map(|&c| f64::from(c) / f64::from(total)).collect();
        let top = best(&p, 8);
        let labels: Vec<String> = top.iter().map(|&w| visible(alphabet[w])).collect();
        let title = format!("n = {n} : « {} »", "my l"[5 - n..].replace(' ', "·"));
        let bars =
            Bars::new(title, tr("suite", "next"), tr("probabilité", "probability"), labels);
        panels = panels.add(bars.group("", top.iter().map(|&w| p[w])).digits(2));
        let o = encode("o", &alphabet)[0] as usize;
        println!("n = {n} : p(o) = {:.3} ({} / {total})", p[o], row[o]);
    }
    show(&panels);

    // %% [markdown] fr
    // À gauche, le modèle aveugle parie sur l'espace : c'est le caractère le plus fréquent. Au milieu, deux caractères
    // (« ` l` », un espace et un l) : *love, lord, life, let*… À droite, quatre caractères : « *my lord* » l'emporte, devant
    // « *my life* » et « *my liege* ». La probabilité du « o » passe de 0,059 à 0,349, puis à 0,672 : le contexte rend la
    // suite prévisible.
    // %% [markdown] en
    // On the left the blind model bets on the space, the most frequent character. In the middle, two characters ("` l`", a
    // space and an l): *love, lord, life, let*… On the right, four characters: "*my lord*" wins, ahead of "*my life*" and
    // "*my liege*". The probability of "o" goes from 0.059 to 0.349, then to 0.672: context makes the next character predictable.

    // %% [markdown] fr
    // ## 3. Écrire : tirer au sort, recommencer
    //
    // Un modèle qui prédit sait écrire : tire un caractère au sort selon ses probabilités, ajoute-le au texte, recommence.
    // C'est exactement ainsi que GPT écrit ; seule change la façon de calculer les probabilités.
    //
    // Le générateur de hasard est celui de la bibliothèque, avec une graine fixe : tu auras le même texte que moi.
    // %% [markdown] en
    // ## 3. Writing: draw, and start again
    //
    // A model that predicts can write: draw a character according to its probabilities, add it to the text, start again.
    // This is exactly how GPT writes; only the way the probabilities are computed differs.
    //
    // The random numbers are the library's, with a fixed seed: you will get the same text as I did.
    // %% concept
    use motamot::kernels::rng::Rng;

    fn draw(weights: &[f64], rng: &mut Rng) -> usize {
        let mut left = rng.uniform_f64() * weights.iter().sum::<f64>();
        for (i, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return i;
            }
        }
        weights.len() - 1
    }

    fn write(
        counts: &Counts,
        n: usize,
        start: &[u32],
        len: usize,
        rng: &mut Rng,
    ) -> Vec<u32> {
        let mut ids = start.to_vec();
        while ids.len() < len {
            let Some(row) = counts.get(&ids[ids.len() + 1 - n..]) else { break };
            let weights: Vec<f64> = row.iter().map(|&c| f64::from(c)).collect();
            ids.push(draw(&weights, rng) as u32);
        }
        ids
    }

    // %% [markdown] fr
    // **Prédis, puis exécute.** À quoi ressemblera le texte d'un 2-gramme ? Et celui d'un 5-gramme : des mots ? des phrases ?
    // %% [markdown] en
    // **Predict, then run.** What will the text of a 2-gram look like? And that of a 5-gram: words? sentences?
    // %%
    let start: Vec<u32> = encode("ROMEO:\n", &alphabet);
    for n in [2, 5] {
        let written = write(&tables[n - 1], n, &start, 220, &mut Rng::new(7));
        println!("── n = {n} ──\n{}\n", decode(&written, &alphabet));
    }

    // %% [markdown] fr
    // Le 2-gramme connaît les lettres qui vont ensemble. Le 5-gramme écrit surtout de vrais mots (et quelques inventions :
    // *greath*), met un nom et deux-points au début d'une réplique, mais ce qu'il écrit ne veut rien dire : au bout de quatre
    // caractères, il a oublié de quoi il parlait. Trente lignes ont suffi. Reste à savoir *de combien* l'un est meilleur que
    // l'autre : il faut un nombre.
    // %% [markdown] en
    // The 2-gram knows which letters go together. The 5-gram writes mostly real words (and a few inventions: *greath*) and
    // begins a turn with a name and a colon, but what it writes means nothing: after four characters it has forgotten what it
    // was talking about. Thirty lines were enough. But *how much* better is one than the other? We need a number.

    // %% [markdown] fr
    // ## 4. La probabilité d'un texte : la règle de la chaîne
    //
    // La probabilité d'un texte entier est le produit des probabilités de chaque symbole sachant ceux d'avant :
    //
    // $$p(x_1, x_2, \ldots, x_N) = \prod_{i=1}^{N} p(x_i \mid x_1, \ldots, x_{i-1})$$
    //
    // Ce n'est pas une approximation : c'est la définition des probabilités conditionnelles, appliquée N fois. L'approximation
    // du n-gramme est de ne garder que les n − 1 derniers symboles. Calculons $p(\text{ROMEO})$ avec le 2-gramme.
    // %% [markdown] en
    // ## 4. The probability of a text: the chain rule
    //
    // The probability of a whole text is the product of the probabilities of each symbol given those before it:
    //
    // $$p(x_1, x_2, \ldots, x_N) = \prod_{i=1}^{N} p(x_i \mid x_1, \ldots, x_{i-1})$$
    //
    // This is no approximation: it is the definition of conditional probability, used N times. The n-gram's approximation is
    // to keep the last n − 1 symbols only. Let us compute $p(\text{ROMEO})$ with the 2-gram.
    // %% concept
    let word: Vec<u32> = encode("ROMEO", &alphabet);
    let mut product = 1.0;
    let mut sum = 0.0;
    for i in 0..word.len() {
        let n = if i == 0 { 1 } else { 2 };
        let row = &tables[n - 1][&word[i + 1 - n..i]];
        let p = f64::from(row[word[i] as usize]) / f64::from(row.iter().sum::<u32>());
        product *= p;
        sum -= p.ln();
        println!(
            "p({} | {:2}) = {p:.5}",
            "ROMEO".as_bytes()[i] as char,
            &"ROMEO"[i + 1 - n..i]
        );
    }
    println!(
        "p(ROMEO) = {product:.3e}   −ln p = {sum:.4} nats = {:.4} bits",
        sum / std::f64::consts::LN_2
    );
    println!("exp(−{sum:.4}) = {:.3e}", (-sum).exp());

    // %% [markdown] fr
    // Un produit de milliers de nombres inférieurs à 1 devient vite trop petit pour la machine. On prend donc le logarithme :
    // le produit devient une **somme**, et $-\ln p$ n'est jamais négatif. Vérifions :
    // %% [markdown] en
    // A product of thousands of numbers below 1 soon becomes too small for the machine. So we take the logarithm: the product
    // becomes a **sum**, and $-\ln p$ is never negative. Let us check:
    // %%
    println!("0.1^400 = {:e}", 0.1f64.powi(400));
    println!("−ln(0.1) × 400 = {:.1} nats", -(0.1f64.ln()) * 400.0);

    // %% [markdown] fr
    // ## 5. La surprise : nats, bits, perplexité
    //
    // $-\log p$ est la **surprise** (*surprisal*) : nulle si la chose était certaine, infinie si on la croyait impossible.
    // Avec $\log_2$ elle se compte en *bits* (une pièce équilibrée : 1 bit), avec $\ln$ en *nats* (1 nat = 1/ln 2 ≈ 1,443 bit).
    //
    // - L'**entropie** (*entropy*) est la surprise moyenne d'un tirage dont on connaît les probabilités :
    //   $H(p) = -\sum_x p(x) \log p(x)$.
    // - L'**entropie croisée** (*cross-entropy*) est la surprise moyenne quand le monde suit p et que l'on croit q :
    //   $H(p, q) = -\sum_x p(x) \log q(x)$. Elle n'est jamais inférieure à $H(p)$ : se tromper coûte toujours.
    // - La **perplexité** (*perplexity*) est $e^{H}$ (H en nats) ou $2^{H}$ (H en bits) : entre combien de suites équiprobables
    //   on hésite.
    // %% [markdown] en
    // ## 5. Surprise: nats, bits, perplexity
    //
    // $-\log p$ is the **surprise** (or *surprisal*): zero if the thing was certain, infinite if it was thought impossible.
    // With $\log_2$ it is counted in *bits* (a fair coin: 1 bit), with $\ln$ in *nats* (1 nat = 1/ln 2 ≈ 1.443 bits).
    //
    // - The **entropy** is the mean surprise of a draw whose probabilities we know: $H(p) = -\sum_x p(x) \log p(x)$.
    // - The **cross-entropy** is the mean surprise when the world follows p and we believe q:
    //   $H(p, q) = -\sum_x p(x) \log q(x)$. It is never below $H(p)$: being wrong always costs.
    // - The **perplexity** is $e^{H}$ (H in nats) or $2^{H}$ (H in bits): the number of equally likely things between which we
    //   hesitate.
    // %%
    use motamot::plot::{Chart, Series};

    let curve: Vec<(f64, f64)> =
        (1..=200).map(|i| f64::from(i) / 200.0).map(|p: f64| (p, -p.log2())).collect();
    show(
        &Chart::new(
            tr("La surprise d'un évènement", "The surprise of an event"),
            tr("probabilité p qu'on lui donnait", "probability p that it was given"),
            tr("surprise −log₂ p (bits)", "surprise −log₂ p (bits)"),
        )
        .series(Series::new("−log₂ p", curve))
        .note(0.5, 1.0, tr("pièce : 1 bit", "coin: 1 bit"))
        .note(1.0 / 6.0, 6f64.log2(), tr("dé : 2,585 bits", "die: 2.585 bits"))
        .note(
            1.0 / 62.0,
            62f64.log2(),
            tr("1 caractère sur 62 : 5,954 bits", "1 character of 62: 5.954 bits"),
        ),
    );

    // %% [markdown] fr
    // La courbe explose près de 0 : se tromper avec assurance coûte bien plus qu'hésiter. **Prédis :** un dé pipé donne 6
    // une fois sur deux. Est-il plus ou moins surprenant qu'un dé équilibré ? Et que paie celui qui le croit équilibré ?
    // %% [markdown] en
    // The curve shoots up near 0: a confident error costs far more than a hesitation. **Predict:** a loaded die shows 6 half
    // of the time. Is it more or less surprising than a fair one? And what does someone pay who believes that it is fair?
    // %% concept
    fn cross_entropy(p: &[f64], q: &[f64]) -> f64 {
        let mut nats = 0.0;
        for i in 0..p.len() {
            nats -= p[i] * q[i].ln();
        }
        nats
    }

    let fair = [1.0 / 6.0; 6];
    let loaded = [0.1, 0.1, 0.1, 0.1, 0.1, 0.5];
    let bits = 1.0 / std::f64::consts::LN_2;
    for (name, p, q) in [
        (tr("dé équilibré           ", "fair die               "), fair, fair),
        (tr("dé pipé, on le sait    ", "loaded, and we know it "), loaded, loaded),
        (tr("dé pipé, cru équilibré ", "loaded, believed fair  "), loaded, fair),
        (tr("équilibré, cru pipé    ", "fair, believed loaded  "), fair, loaded),
    ] {
        let h = cross_entropy(&p, &q);
        println!(
            "{name} {h:.3} nats = {:.3} bits   {} {:.3}",
            h * bits,
            tr("perplexité", "perplexity"),
            h.exp()
        );
    }

    // %% [markdown] fr
    // Le dé équilibré a une perplexité de 6 : on hésite entre 6 faces. Le dé pipé n'en vaut que 4,472, si on sait qu'il est
    // pipé ; qui l'ignore paie encore 6. Et croire pipé un dé équilibré coûte le plus cher : 7,647.
    //
    // Pour un modèle de langage, « le monde » est le texte de validation, et chaque symbole compte autant :
    //
    // $$H = -\frac{1}{N} \sum_{i=1}^{N} \ln q(x_i \mid x_{<i})$$
    //
    // C'est **la perte** (*loss*) de tout ce cours : la surprise moyenne par symbole.
    // %% [markdown] en
    // The fair die has a perplexity of 6: we hesitate between 6 faces. The loaded one is worth 4.472 only, if we know that it
    // is loaded; whoever does not know still pays 6. And to believe that a fair die is loaded costs the most: 7.647.
    //
    // For a language model "the world" is the validation text, and each symbol counts the same:
    //
    // $$H = -\frac{1}{N} \sum_{i=1}^{N} \ln q(x_i \mid x_{<i})$$
    //
    // This is **the loss** of this whole course: the mean surprise per symbol.

    // %% [markdown] fr
    // ## 6. Le problème du zéro, et le lissage
    //
    // Un seul symbole jugé impossible, et $-\ln 0 = \infty$ : la perte entière est infinie. **Prédis :** quelle part des
    // 7-grammes du texte de validation n'apparaît *nulle part* dans le million de caractères d'apprentissage ?
    // %% [markdown] en
    // ## 6. The problem of zero, and smoothing
    //
    // A single symbol judged impossible, and $-\ln 0 = \infty$: the whole loss is infinite. **Predict:** what share of the
    // 7-grams of the validation text appears *nowhere* in the million characters of training text?
    // %%
    use std::collections::HashSet;

    for n in 1..=7 {
        let seen: HashSet<&[u32]> = train.windows(n).collect();
        let unseen = val.windows(n).filter(|window| !seen.contains(window)).count();
        let share = 100.0 * unseen as f64 / val.windows(n).count() as f64;
        println!("n = {n} : {share:6.2} % {}", tr("jamais vus", "never seen"));
    }

    // %% [markdown] fr
    // Plus d'un tiers (38 %) des 7-grammes sont nouveaux, et il y en a dès n = 2 (0,29 %). Compter ne suffit donc pas : il
    // faut **lisser** (*smoothing*), garder un peu de probabilité pour ce que l'on n'a pas vu. La recette de Witten et Bell
    // (1991) interpole chaque ordre avec l'ordre inférieur :
    //
    // $$p_n(w \mid h) = \frac{c(h, w) + T(h)\, p_{n-1}(w \mid h')}{c(h) + T(h)}, \qquad p_0 = \frac{1}{V}$$
    //
    // $c$ compte, $T(h)$ est le nombre de suites *différentes* vues après le contexte $h$, et $h'$ est $h$ sans son plus vieux
    // symbole. L'idée : un contexte suivi de beaucoup de choses différentes en réserve sans doute d'autres.
    // %% [markdown] en
    // More than a third (38 %) of the 7-grams are new, and there are some from n = 2 on (0.29 %). So counting is not enough:
    // we must **smooth**, keep some probability for what we have not seen. The recipe of Witten and Bell (1991) interpolates
    // each order with the one below:
    //
    // $$p_n(w \mid h) = \frac{c(h, w) + T(h)\, p_{n-1}(w \mid h')}{c(h) + T(h)}, \qquad p_0 = \frac{1}{V}$$
    //
    // $c$ counts, $T(h)$ is how many *different* symbols were seen after the context $h$, and $h'$ is $h$ without its oldest
    // symbol. The idea: a context that was followed by many different things probably has others in store.
    // %% concept
    fn witten_bell(tables: &[Counts], history: &[u32], v: usize) -> Vec<f64> {
        let mut p = vec![1.0 / v as f64; v];
        for (length, table) in tables.iter().enumerate() {
            if length > history.len() {
                break;
            }
            let Some(row) = table.get(&history[history.len() - length..]) else { break };
            let c = f64::from(row.iter().sum::<u32>());
            let t = row.iter().filter(|&&count| count > 0).count() as f64;
            for w in 0..v {
                p[w] = (f64::from(row[w]) + t * p[w]) / (c + t);
            }
        }
        p
    }

    for context in ["my l", "zz", ""] {
        let p = witten_bell(&tables, &encode(context, &alphabet), v);
        let least = p.iter().copied().fold(1.0, f64::min);
        println!(
            "« {context:4} » : {} {:.12}   min p = {least:.1e}",
            tr("somme", "sum"),
            p.iter().sum::<f64>()
        );
    }

    // %% [markdown] fr
    // La somme vaut toujours 1, et plus rien n'est impossible. Mesurons enfin : la perte du 5-gramme écrit à la main sur les
    // 119 250 caractères de validation.
    // %% [markdown] en
    // The sum is always 1, and nothing is impossible any more. At last we can measure: the loss of the hand-written 5-gram on
    // the 119,250 characters of validation.
    // %% concept
    let mut by_hand = 0.0;
    for i in 0..val.len() {
        by_hand -= witten_bell(&tables, &val[..i], v)[val[i] as usize].ln();
    }
    by_hand /= val.len() as f64;
    println!(
        "5-{} : {by_hand:.4} nats/{}",
        tr("gramme", "gram"),
        tr("caractère", "character")
    );

    // %% [markdown] fr
    // ## 7. L'échelle des n-grammes
    //
    // La bibliothèque fait la même chose pour tous les ordres à la fois, avec des tables plus rapides.
    // %% [markdown] en
    // ## 7. The n-gram ladder
    //
    // The library does the same for all orders at once, with faster tables.
    // %% library
    use motamot::evaluation::{Baseline, NGram, baselines};

    let rows: Vec<Baseline> = baselines(&train, &val, &corpus.bytes[cut..], 7, v).unwrap();
    println!(
        "{} {:.3}",
        tr("uniforme : nats/caractère", "uniform: nats/character"),
        (v as f64).ln()
    );
    for row in &rows {
        println!(
            "n = {} : {:.3} nats/{}   {:.3} bits/{}   {} {:5.2}",
            row.order,
            row.nats_per_symbol,
            tr("caractère", "character"),
            row.bits_per_byte,
            tr("octet", "byte"),
            tr("perplexité", "perplexity"),
            row.perplexity
        );
    }

    // %% agreement
    let difference = (by_hand - rows[4].nats_per_symbol).abs();
    assert!(difference < 1e-9, "by hand {by_hand}, library {}", rows[4].nats_per_symbol);
    println!(
        "{}",
        tr(
            "5-gramme à la main = bibliothèque, à 1e-9 près",
            "5-gram by hand = library, within 1e-9"
        )
    );

    // %% [markdown] fr
    // ### Le nombre témoin (*golden number*)
    //
    // Chaque carnet a un nombre que toute machine doit retrouver. Voici le premier : **1,8069 nat par caractère**, ce qu'un
    // simple 5-gramme atteint sur notre texte. C'est la barre à battre : un réseau de neurones qui fait moins bien
    // n'a rien appris que compter ne sache faire.
    //
    // **Sur quel fichier ?** Sur le texte embarqué, `data/tiny_shakespeare.txt`. Ce n'est *pas* le fichier classique, « Tiny
    // Shakespeare » de Karpathy (`motamot data get tiny-shakespeare`), celui des chiffres que tu liras ailleurs :
    //
    // | fichier | octets | V | uniforme | n = 1 | n = 2 | n = 3 | n = 4 | n = 5 |
    // |---|---|---|---|---|---|---|---|---|
    // | embarqué (ce carnet) | 1 192 492 | 62 | 4,127 | 3,348 | 2,503 | 2,115 | 1,879 | **1,807** |
    // | classique (enregistré) | 1 115 394 | 65 | 4,174 | 3,347 | 2,486 | 2,049 | 1,774 | **1,669** |
    //
    // Deux raisons. L'édition : le nôtre est reconstruit à partir d'éditions libres, dont l'orthographe et la ponctuation sont
    // autres. Et surtout le dernier dixième, sur lequel on mesure : chez nous, la fin de *La Mégère apprivoisée* puis *La
    // Tempête* tout entière, dont l'apprentissage n'a pas vu une ligne ; le fichier classique s'arrête au milieu de *La
    // Tempête*. Même recette, mêmes pièces, et déjà 0,14 nat d'écart : ne compare jamais deux pertes mesurées sur deux textes
    // différents.
    // %% [markdown] en
    // ### The golden number
    //
    // Each notebook has one number that every machine must reproduce. Here is the first: **1.8069 nats per character**, what
    // a mere 5-gram reaches on our text. This is the bar to beat: a neural network that does worse has learned nothing that
    // counting cannot do.
    //
    // **On which file?** On the embedded text, `data/tiny_shakespeare.txt`. It is *not* the classic file, Karpathy's "Tiny
    // Shakespeare" (`motamot data get tiny-shakespeare`), the one behind the numbers that you will read elsewhere:
    //
    // | file | bytes | V | uniform | n = 1 | n = 2 | n = 3 | n = 4 | n = 5 |
    // |---|---|---|---|---|---|---|---|---|
    // | embedded (this notebook) | 1,192,492 | 62 | 4.127 | 3.348 | 2.503 | 2.115 | 1.879 | **1.807** |
    // | classic (recorded) | 1,115,394 | 65 | 4.174 | 3.347 | 2.486 | 2.049 | 1.774 | **1.669** |
    //
    // For two reasons. The edition: ours was rebuilt from free editions, whose spelling and punctuation differ. And above all
    // the last tenth, on which we measure: ours is the end of *The Taming of the Shrew*, then the whole of *The Tempest*, of
    // which training has not seen a line; the classic file stops in the middle of *The Tempest*. The same recipe, the same
    // plays, and yet 0.14 nats apart: never compare two losses that were measured on two different texts.
    // %% golden
    assert_eq!(format!("{:.4}", rows[4].nats_per_symbol), "1.8069");
    println!("5-{} : {:.4}", tr("gramme", "gram"), rows[4].nats_per_symbol);

    // %% [markdown] fr
    // ### Trop de mémoire nuit
    //
    // **Prédis.** Mesurons aussi la perte sur un morceau du texte d'*apprentissage* : que fera chacune des deux courbes quand
    // n passe de 1 à 7 ? Regarde où elles se séparent.
    // %% [markdown] en
    // ### Too much memory hurts
    //
    // **Predict.** Let us measure the loss on a piece of the *training* text, too: what will each of the two curves do as n
    // goes from 1 to 7? See where they part.
    // %%
    let model = NGram::train(&train, 7, v);
    let on_train: Vec<f64> =
        model.score(&train[..val.len()]).iter().map(|nats| nats / val.len() as f64).collect();
    for n in 1..=7 {
        let (a, b) = (on_train[n - 1], rows[n - 1].nats_per_symbol);
        println!(
            "n = {n} : {} {a:.3}   validation {b:.3}   {} {:.3}",
            tr("vu", "seen"),
            tr("écart", "gap"),
            b - a
        );
    }
    show(
        &Chart::new(
            tr("Apprendre par cœur n'est pas apprendre", "Learning by heart is not learning"),
            tr("n, longueur des n-grammes", "n, length of the n-grams"),
            tr("nats par caractère", "nats per character"),
        )
        .series(
            Series::new(
                tr("texte appris", "text learned"),
                (1..=7).map(|n| (n as f64, on_train[n - 1])),
            )
            .dots(),
        )
        .series(
            Series::new(
                tr("texte jamais vu", "text never seen"),
                (1..=7).map(|n| (n as f64, rows[n - 1].nats_per_symbol)),
            )
            .dots(),
        )
        .note(
            5.0,
            rows[4].nats_per_symbol,
            tr("le meilleur : 1,807", "the best: 1.807"),
        ),
    );

    // %% [markdown] fr
    // Sur le texte appris, plus n est grand, plus la perte est basse (0,840 à n = 7). Sur le texte jamais vu, la perte
    // descend jusqu'à n = 5 (1,807) puis **remonte** : 1,851 à n = 6, 1,938 à n = 7. C'est le **surapprentissage**
    // (*overfitting*) : le modèle connaît par cœur des suites qui ne reviendront pas. Tu retrouveras le surapprentissage avec
    // les réseaux ; le remède commence toujours par cette image : deux courbes, dont une sur un texte mis de côté.
    // %% [markdown] en
    // On the text learned, the larger n, the lower the loss (0.840 at n = 7). On the text never seen it goes down to n = 5
    // (1.807), then **up again**: 1.851 at n = 6, 1.938 at n = 7. This is **overfitting**: the model knows by heart runs that
    // will not come back. You will meet it again with networks; the cure always begins with this picture: two curves, one of
    // them on a text set aside.

    // %% [markdown] fr
    // ### À quoi ressemble une perte
    //
    // Un nombre parle peu ; un texte, davantage. Voici, pour chaque ordre, sa perte, ce qu'il écrit, et la longueur de la plus
    // longue suite de caractères copiée telle quelle du texte d'apprentissage.
    // %% [markdown] en
    // ### What a loss reads like
    //
    // A number says little; a text says more. Here, for each order, are its loss, what it writes, and the length of the longest
    // run of characters copied verbatim from the training text.
    // %%
    use motamot::html::Table;

    fn sample(model: &NGram, start: &[u32], len: usize, seed: u64) -> Vec<u32> {
        let (mut ids, mut rng) = (start.to_vec(), Rng::new(seed));
        while ids.len() < len {
            let p = model.next_distribution(&ids);
            ids.push(draw(&p, &mut rng) as u32);
        }
        ids
    }

    fn longest_copy(sample: &str, source: &str) -> usize {
        let (mut from, mut longest) = (0, 0);
        for to in 1..=sample.len() {
            if source.contains(&sample[from..to]) {
                longest = longest.max(to - from);
            } else {
                from += 1;
            }
        }
        longest
    }

    let headers = [
        "n",
        tr("bits par octet", "bits per byte"),
        tr("texte écrit", "text written"),
        tr("copié", "copied"),
    ];
    let mut table = Table::new(headers);
    let learned: String = text[..cut].iter().collect();
    for n in [1, 2, 3, 4, 5, 7] {
        let ids = sample(&NGram::train(&train, n, v), &start, 130, 5);
        let written = decode(&ids[start.len()..], &alphabet);
        let copied = longest_copy(&written, &learned);
        let shown = written.replace('\n', " ↵ ");
        table = table.row([
            n.to_string(),
            format!("{:.3}", rows[n - 1].bits_per_byte),
            shown,
            copied.to_string(),
        ]);
    }
    show(&table);

    // %% [markdown] fr
    // De haut en bas : des lettres en vrac (n = 1), des syllabes prononçables (2 et 3), des mots (4 et 5). À n = 7 le texte
    // paraît le meilleur alors que sa perte est pire que celle de n = 4 (2,796 bits par octet contre 2,711) : il **récite**,
    // jusqu'à 16 caractères d'affilée, quand n = 5 n'en copie que 11. Bien écrire et bien prédire ne sont pas la même chose.
    // %% [markdown] en
    // From top to bottom: a jumble of letters (n = 1), syllables one can pronounce (2 and 3), words (4 and 5). At n = 7 the
    // text looks best although its loss is worse than that of n = 4 (2.796 bits per byte against 2.711): it **recites**, up to
    // 16 characters in a row, where n = 5 copies no more than 11. Writing well and predicting well are not the same thing.

    // %% [markdown] fr
    // ## 8. Où cela coûte : la surprise, caractère par caractère
    //
    // Voici une réplique de la validation : « *I gave him no order; I gave him the stuff.* » Chaque barre est la surprise du
    // 5-gramme. **Prédis :** où seront les plus hautes barres ? Et la seconde fois que vient « *I gave him* », le modèle
    // sera-t-il moins surpris ?
    // %% [markdown] en
    // ## 8. Where it costs: surprise, character by character
    //
    // Here is a line of the validation text: "*I gave him no order; I gave him the stuff.*" Each bar is the surprise of the
    // 5-gram. **Predict:** where will the tallest bars be? And the second time that "*I gave him*" comes, will the model be
    // less surprised?
    // %%
    let five = NGram::train(&train, 5, v);
    let line = "I gave him no order; I gave him the stuff.";
    let spoken: Vec<u32> = encode(&format!("GRUMIO:\n{line}"), &alphabet);
    let surprise: Vec<f64> = (8..spoken.len())
        .map(|i| -five.probability(&spoken[..i], spoken[i]).log2())
        .collect();
    let (once, again) = (line.find("ve him ").unwrap(), line.rfind("ve him ").unwrap());
    assert_eq!(surprise[once..once + 7], surprise[again..again + 7]);
    println!(
        "{} {:.1} bits · {:.3} bits/{}",
        tr("total", "total"),
        surprise.iter().sum::<f64>(),
        surprise.iter().sum::<f64>() / line.len() as f64,
        tr("caractère", "character")
    );
    show(
        &Bars::new(
            tr("Surprise du 5-gramme", "Surprise of the 5-gram"),
            tr("caractère", "character"),
            "bits",
            line.chars().map(visible),
        )
        .group("", surprise.clone())
        .size(1000, 400),
    );

    // %% [markdown] fr
    // Le début des mots surprend, leur fin coule de source : l'incertitude est dans *ce que l'on veut dire*. Les plus hautes
    // barres sont pourtant là où l'on ne les attend pas, sur le second « *gave* » : son « *ga* » coûte plus de 8 bits par
    // lettre, bien plus que la première fois, et « *ve him* » **exactement** autant (l'`assert_eq!` le vérifie), parce que
    // les quatre caractères qui précèdent sont les mêmes. Un n-gramme ne se souvient pas de ce qu'il vient de lire. Un
    // Transformer, si : au carnet 04 tu verras une tête d'attention copier « ce qui suivait la dernière fois ». C'est la
    // raison d'être de tout ce qui vient.
    // %% [markdown] en
    // The beginnings of words surprise, their ends flow: the uncertainty lies in *what one means to say*. And yet the tallest
    // bars stand where nobody expects them, on the second "*gave*": its "*ga*" costs over 8 bits a letter, far more than the
    // first time, and "*ve him*" **exactly** as much (the `assert_eq!` checks it), because the four characters before are the
    // same. An n-gram does not remember what it has just read. A Transformer does: in notebook 04 you will see an attention
    // head copy "what followed last time". That is the reason for all that comes.

    // %% [markdown] fr
    // ## 9. Le jeu de Shannon : l'humain, les n-grammes et un GPT
    //
    // En 1951, Claude Shannon fit deviner un texte anglais lettre par lettre, et nota à quel essai la bonne lettre venait. Dans
    // son exemple de 102 symboles (26 lettres et l'espace), son sujet trouva 79 fois du premier coup, 8 fois au deuxième, 3
    // au troisième, 2 au quatrième, 2 au cinquième, et 8 fois plus tard.
    //
    // Faisons jouer nos n-grammes sur la validation (un caractère sur cinq, pour aller vite) : ils proposent les caractères
    // du plus probable au moins probable. **Prédis :** combien de fois un 5-gramme a-t-il raison du premier coup ?
    // %% [markdown] en
    // ## 9. Shannon's game: a human, the n-grams and a GPT
    //
    // In 1951 Claude Shannon had an English text guessed letter by letter, and noted at which guess the right letter came. In
    // his example of 102 symbols (26 letters and the space) his subject was right 79 times at the first guess, 8 times at the
    // second, 3 at the third, 2 at the fourth, 2 at the fifth, and 8 times later.
    //
    // Let our n-grams play on the validation text (one character in five, to be quick): they offer the characters from the
    // most to the least likely. **Predict:** how often is a 5-gram right at the first guess?
    // %% concept
    fn guesses(model: &NGram, text: &[u32]) -> Vec<f64> {
        let mut share = vec![0.0; model.vocab()];
        let places: Vec<usize> = (0..text.len()).step_by(5).collect();
        for &i in &places {
            let p = model.next_distribution(&text[..i]);
            let right = text[i] as usize;
            let before = (0..p.len())
                .filter(|&w| p[w] > p[right] || (p[w] == p[right] && w < right))
                .count();
            share[before] += 1.0 / places.len() as f64;
        }
        share
    }

    fn first_six(q: &[f64]) -> Vec<f64> {
        (0..6)
            .map(|g| 100.0 * if g < 5 { q[g] } else { q[5..].iter().sum::<f64>() })
            .collect()
    }

    fn gram(n: usize) -> String {
        format!("{n}-{}", tr("gramme", "gram"))
    }

    let mut played: Vec<Vec<f64>> =
        [1, 3, 5].iter().map(|&n| guesses(&NGram::train(&train, n, v), &val)).collect();
    for (n, q) in [1, 3, 5].iter().zip(&played) {
        println!(
            "{} : {:.1} % {}",
            gram(*n),
            100.0 * q[0],
            tr("du premier coup", "at the first guess")
        );
    }

    // %% [markdown] fr
    // Et un **GPT** ? Le nôtre ne prédit pas des caractères, mais des jetons de plusieurs caractères (carnet 01). Il peut
    // jouer quand même : la probabilité qu'un texte *commence* par certaines lettres est une somme sur toutes les façons de
    // les couper en jetons, où seul le dernier jeton peut dépasser. La lettre suivante s'en déduit par une division :
    //
    // $$p(c \mid \text{lu}) = \frac{p(\text{lu} + c)}{p(\text{lu})}$$
    //
    // Essayons avec un modèle minuscule, cinq jetons toujours aussi probables. On a lu « *the* ». **Prédis :** quelles lettres
    // peuvent suivre ? Attention, « *the* » peut être le jeton entier (et la suite commence un autre jeton), ou le début de
    // « *then* ».
    // %% [markdown] en
    // And a **GPT**? Ours does not predict characters but tokens of several characters (notebook 01). It can play all the
    // same: the probability that a text *begins* with some letters is a sum over all ways to cut them into tokens, of which
    // only the last may reach beyond. The next letter follows by a division:
    //
    // $$p(c \mid \text{read}) = \frac{p(\text{read} + c)}{p(\text{read})}$$
    //
    // Let us try it with a tiny model, five tokens whose probabilities never change. We have read "*the*". **Predict:** which
    // letters may follow? Mind that "*the*" may be the whole token (and what follows begins another one), or the beginning of
    // "*then*".
    // %% concept
    fn begins(tokens: &[(&str, f64)], text: &str) -> f64 {
        let mut p = 0.0;
        for (token, q) in tokens {
            if token.starts_with(text) {
                p += q;
            } else if let Some(rest) = text.strip_prefix(token) {
                p += q * begins(tokens, rest);
            }
        }
        p
    }

    let five_tokens = [("the", 0.4), ("then", 0.1), ("is", 0.2), ("n", 0.1), ("me", 0.2)];
    for next in ["n", "t", "i", "m", "e"] {
        let p = begins(&five_tokens, &format!("the{next}")) / begins(&five_tokens, "the");
        println!("p({next} | the) = {p:.3}");
    }

    // %% [markdown] fr
    // « n » vient de deux côtés : « *then* » (0,1), ou « *the* » puis « *n* » (0,4 × 0,1) ; le tout divisé par
    // p(the…) = 0,5 : 0,28. « e » est impossible. La bibliothèque fait la même somme avec un vrai GPT (`NextByte`, dans
    // `src/generation/next_byte.rs`), un jeton après l'autre.
    //
    // *Ce qui suit est enregistré, non recalculé ici :* le GPT est le préréglage `mini` (6,1 millions de paramètres, 5 000
    // jetons), appris sur **notre texte embarqué** pendant 1 200 pas seulement, au lieu des 5 000 de la recette complète
    // (`runs/shannon.sh` refait tout). C'est donc un GPT entraîné quatre fois moins longtemps, pas le modèle final de la section 13,
    // qui a appris sur un autre fichier. Il a joué sur les mêmes caractères que nos n-grammes.
    // %% [markdown] en
    // "n" comes from two sides: "*then*" (0.1), or "*the*" and then "*n*" (0.4 × 0.1); all of it divided by p(the…) = 0.5:
    // 0.28. "e" is impossible. The library computes the same sum with a real GPT (`NextByte`, in
    // `src/generation/next_byte.rs`), one token after the other.
    //
    // *What follows is recorded, not computed here:* the GPT is the preset `mini` (6.1 million parameters, 5,000 tokens),
    // trained on **our embedded text** for 1,200 steps only, instead of the 5,000 of the whole recipe (`runs/shannon.sh` does
    // it all again). So it is a GPT trained for a quarter of the time, not the final model of section 13, which learned from
    // another file. It played on the same characters as our n-grams.
    // %% library
    let recorded = motamot::texts::guesses();
    let mut gpt = vec![0.0; v];
    for &wrong in &recorded.wrong {
        gpt[wrong] += 1.0 / recorded.wrong.len() as f64;
    }
    assert_eq!(recorded.wrong.len(), val.len().div_ceil(5));
    println!("GPT : {:.1} % {}", 100.0 * gpt[0], tr("du premier coup", "at the first guess"));
    played.push(gpt);
    let players: Vec<String> = vec![
        gram(1),
        gram(3),
        gram(5),
        tr("GPT mini, 1 200 pas", "GPT mini, 1,200 steps").to_string(),
    ];
    let losses: Vec<f64> = vec![
        rows[0].bits_per_byte,
        rows[2].bits_per_byte,
        rows[4].bits_per_byte,
        recorded.bits_per_byte,
    ];

    let human = [79.0, 8.0, 3.0, 2.0, 2.0, 8.0].map(|times| 100.0 * times / 102.0);
    let mut bars = Bars::new(
        tr(
            "À quel essai vient le bon caractère ?",
            "At which guess does the right character come?",
        ),
        tr("essai", "guess"),
        tr("part des caractères (%)", "share of the characters (%)"),
        ["1", "2", "3", "4", "5", "6+"],
    );
    for (name, q) in players.iter().zip(&played) {
        bars = bars.group(name.as_str(), first_six(q));
    }
    show(&bars.group(tr("humain (Shannon 1951)", "human (Shannon 1951)"), human));

    // %% [markdown] fr
    // Le 5-gramme trouve du premier coup une fois sur deux (50,3 %), le GPT à peine plus souvent (50,9 %), l'humain 77 fois
    // sur 100. Le texte et l'alphabet de l'humain ne sont pas les nôtres (nous avons 62 signes, majuscules et ponctuation
    // comprises) : l'ordre de grandeur compte, pas la décimale. Pour le GPT et les n-grammes, la comparaison est stricte : mêmes
    // caractères, mêmes 62 candidats. Au quart de son entraînement, le réseau n'a donc qu'une courte avance.
    //
    // Shannon en tira deux bornes de l'entropie. Si $q_i$ est la part des symboles trouvés au i-ème essai :
    //
    // $$\sum_i i\,(q_i - q_{i+1}) \log_2 i \;\le\; H \;\le\; -\sum_i q_i \log_2 q_i$$
    //
    // Avec 100 lettres de contexte il obtint, pour l'anglais en 27 symboles, **entre 0,6 et 1,3 bit par lettre**.
    // Calculons ces mêmes bornes pour nos joueurs.
    // %% [markdown] en
    // The 5-gram is right at the first guess every other time (50.3 %), the GPT hardly more often (50.9 %), the human 77 times
    // in 100. The human's text and alphabet are not ours (we have 62 signs, capitals and punctuation included): the order of
    // magnitude matters, not the decimals. Between the GPT and the n-grams the comparison is strict: the same characters, the
    // same 62 candidates. So with a quarter of the training time the network is ahead by little.
    //
    // Shannon drew two bounds on the entropy from it. If $q_i$ is the share of the symbols found at the i-th guess:
    //
    // $$\sum_i i\,(q_i - q_{i+1}) \log_2 i \;\le\; H \;\le\; -\sum_i q_i \log_2 q_i$$
    //
    // With 100 letters of context he found, for English in 27 symbols, **between 0.6 and 1.3 bits a letter**. Let us compute the
    // same bounds for our players.
    // %% concept
    fn shannon_bounds(q: &[f64]) -> (f64, f64) {
        let (mut low, mut high) = (0.0, 0.0);
        for i in 0..q.len() {
            let next = if i + 1 < q.len() { q[i + 1] } else { 0.0 };
            low += (i + 1) as f64 * (q[i] - next) * ((i + 1) as f64).log2();
            if q[i] > 0.0 {
                high -= q[i] * q[i].log2();
            }
        }
        (low, high)
    }

    for i in 0..played.len() {
        let (low, high) = shannon_bounds(&played[i]);
        println!(
            "{} : {low:.2} … {high:.2} bits   {} {:.2}",
            players[i],
            tr("sa perte :", "its loss:"),
            losses[i]
        );
    }

    // %% [markdown] fr
    // La perte du modèle tombe près de la borne haute (4,83 pour 4,81 ; 3,05 pour 3,26 ; 2,61 pour 2,77 ; 2,53 pour
    // 2,86). Le GPT a la perte la plus basse, mais pas la borne la plus basse : quand il se trompe, le bon caractère vient
    // souvent loin dans sa liste. Le rang ne dit pas tout de la probabilité. La perte peut même dépasser un peu la borne, comme celle du 1-gramme : les bornes encadrent l'entropie, ce que paierait un joueur idéal avec le
    // même contexte. On peut donc *estimer la perte de quelqu'un qui ne donne pas de probabilités*, en le laissant deviner :
    // c'est ainsi que Shannon mesura des humains. Mettons tout sur une même échelle. Regarde ce qui reste entre nos modèles
    // et le lecteur humain.
    // %% [markdown] en
    // The model's loss falls near the upper bound (4.83 for 4.81, 3.05 for 3.26, 2.61 for 2.77, 2.53 for 2.86). The GPT has the
    // lowest loss but not the lowest bound: when it is wrong, the right character often stands far down its list. A rank does
    // not tell all about a probability. The loss may even lie a little above the bound, as the 1-gram's does: the bounds enclose the entropy, what an ideal player with the same context would pay. So one can
    // *estimate the loss of someone who gives no probabilities* by letting them guess: this is how Shannon measured humans. Let
    // us put everything on one scale. See what is left between our models and the human reader.
    // %%
    let levels: Vec<(String, f64)> = vec![
        (tr("uniforme", "uniform").into(), (v as f64).log2()),
        (gram(1), rows[0].bits_per_byte),
        (gram(2), rows[1].bits_per_byte),
        (gram(3), rows[2].bits_per_byte),
        (gram(5), rows[4].bits_per_byte),
        (players[3].clone(), recorded.bits_per_byte),
        (tr("5-gramme, Tiny Shakespeare *", "5-gram, Tiny Shakespeare *").into(), 2.408),
        (tr("notre GPT, Tiny Shakespeare *", "our GPT, Tiny Shakespeare *").into(), 2.181),
        (tr("humain, borne haute **", "human, upper bound **").into(), 1.3),
        (tr("humain, borne basse **", "human, lower bound **").into(), 0.6),
    ];
    show(
        &Bars::new(
            tr("Combien coûte un caractère ?", "What does a character cost?"),
            "",
            tr("bits par caractère", "bits per character"),
            levels.iter().map(|level| level.0.clone()),
        )
        .group("", levels.iter().map(|level| level.1))
        .horizontal()
        .digits(2),
    );

    // %% [markdown] fr
    // \* Enregistré, non recalculé ici : le préréglage `mini` de ce projet (6,1 millions de paramètres), entraîné 47 minutes
    // sur deux cœurs partagés, atteint 2,181 bits par octet sur le fichier classique, où le 5-gramme fait 2,408. \*\* Shannon
    // 1951, autre texte, 27 symboles. Le GPT à 1 200 pas (2,53) est celui du jeu, sur notre texte. Compter fait la plus grande
    // part du chemin ; le réseau va plus loin ; l'humain est loin devant.
    // %% [markdown] en
    // \* Recorded, not computed here: this project's preset `mini` (6.1 million parameters), trained for 47 minutes on two
    // shared cores, reaches 2.181 bits per byte on the classic file, where the 5-gram has 2.408. \*\* Shannon 1951, another
    // text, 27 symbols. The GPT after 1,200 steps (2.53) is the one of the game, on our text. Counting goes most of the way;
    // the network goes further; the human is far ahead.

    // %% [markdown] fr
    // ## 10. Les unités, et comment passer de l'une à l'autre
    //
    // Le même modèle, la même mesure, quatre écritures :
    //
    // | de | vers | on calcule |
    // |---|---|---|
    // | nats par jeton | bits par jeton | ÷ ln 2 |
    // | nats par jeton | perplexité | exp |
    // | bits par jeton | bits par octet | × jetons ÷ octets |
    // | bits par caractère | bits par octet | × caractères ÷ octets |
    //
    // Notre texte est en ASCII : un caractère y occupe un octet. Ce n'est pas vrai en français :
    // %% [markdown] en
    // ## 10. The units, and how to convert them
    //
    // The same model, the same measurement, written in four ways:
    //
    // | from | to | compute |
    // |---|---|---|
    // | nats per token | bits per token | ÷ ln 2 |
    // | nats per token | perplexity | exp |
    // | bits per token | bits per byte | × tokens ÷ bytes |
    // | bits per character | bits per byte | × characters ÷ bytes |
    //
    // Our text is ASCII: a character takes one byte there. That does not hold in French:
    // %%
    for word in ["window", "fenêtre", "été", "窓"] {
        println!(
            "{word} : {} = {}, {} = {}",
            tr("caractères", "characters"),
            word.chars().count(),
            tr("octets", "bytes"),
            word.len()
        );
    }

    // %% [markdown] fr
    // **Prédis.** Un second modèle découpe le texte en 1 024 jetons plus longs qu'un caractère (BPE, carnet 01) et compte des
    // 3-grammes de *jetons*. Sa perplexité sera-t-elle plus grande ou plus petite que celle du 5-gramme de caractères (6,09) ?
    // Et est-il meilleur ?
    // %% [markdown] en
    // **Predict.** A second model cuts the text into 1,024 tokens longer than a character (BPE, notebook 01) and counts 3-grams
    // of *tokens*. Will its perplexity be larger or smaller than that of the character 5-gram (6.09)? And is it better?
    // %% library
    use motamot::tokenizer::{BpeOptions, Tokenizer};

    let options = BpeOptions { vocab_size: 1024, ..Default::default() };
    let bpe = Tokenizer::train_bpe([&learned], &options).unwrap();
    let train_tokens: Vec<u32> = bpe.encode(&learned).unwrap();
    let val_tokens: Vec<u32> = bpe.encode_bytes(&corpus.bytes[cut..]).unwrap();
    let tri: Baseline =
        baselines(&train_tokens, &val_tokens, &corpus.bytes[cut..], 3, bpe.vocab_size())
            .unwrap()
            .remove(2);
    let mut table = Table::new([
        tr("modèle", "model"),
        tr("jetons", "tokens"),
        tr("nats par jeton", "nats per token"),
        tr("perplexité", "perplexity"),
        tr("bits par octet", "bits per byte"),
    ]);
    let names = tr(
        ["5-gramme de caractères", "3-gramme de jetons BPE"],
        ["character 5-gram", "3-gram of BPE tokens"],
    );
    for (name, tokens, row) in
        [(names[0], val.len(), &rows[4]), (names[1], val_tokens.len(), &tri)]
    {
        let numbers = [row.nats_per_symbol, row.perplexity, row.bits_per_byte]
            .map(|x| format!("{x:.3}"));
        let [nats, perplexity, bits] = numbers;
        table = table.row([name.to_string(), tokens.to_string(), nats, perplexity, bits]);
    }
    show(&table);

    // %% agreement
    let tokens_per_byte = val_tokens.len() as f64 / (text.len() - cut) as f64;
    let converted = tri.nats_per_symbol / std::f64::consts::LN_2 * tokens_per_byte;
    assert!((converted - tri.bits_per_byte).abs() < 1e-12);
    assert!((tri.nats_per_symbol.exp() - tri.perplexity).abs() < 1e-9 * tri.perplexity);
    assert!(tri.perplexity > rows[4].perplexity && tri.bits_per_byte < rows[4].bits_per_byte);
    println!(
        "{:.3} {} ÷ ln 2 × {tokens_per_byte:.4} {} = {converted:.3}",
        tri.nats_per_symbol,
        tr("nats/jeton", "nats/token"),
        tr("jetons/octet", "tokens/byte")
    );

    // %% [markdown] fr
    // Une perplexité huit fois et demie plus grande (51,95 contre 6,09), et pourtant un **meilleur** modèle : 2,524 bits par
    // octet contre 2,607. La perplexité par jeton dépend de la longueur des jetons ; les bits par octet, non. C'est pourquoi ce
    // cours compte en bits par octet.
    // %% [markdown] en
    // A perplexity eight and a half times as large (51.95 against 6.09), and yet a **better** model: 2.524 bits per byte against
    // 2.607. Perplexity per token depends on the length of the tokens; bits per byte do not. That is why this course counts in
    // bits per byte.

    // %% [markdown] fr
    // ## 11. Un peu d'histoire
    //
    // | | idée | ce qu'elle voit |
    // |---|---|---|
    // | 1913 | Markov compte voyelles et consonnes dans *Eugène Onéguine* | la lettre d'avant |
    // | 1948, 1951 | Shannon : entropie, textes tirés au sort, jeu de devinettes | quelques lettres |
    // | années 1970 à 2000 | n-grammes lissés, dans la reconnaissance de la parole et la traduction | 2 à 5 mots |
    // | 2003 | Bengio et al. : un réseau de neurones et des vecteurs de mots (carnet 02) | quelques mots |
    // | 2010 | Mikolov et al. : modèles de langue récurrents, RNN ; puis avec le LSTM, inventé en 1997 (Hochreiter et Schmidhuber) | en principe tout le passé, résumé dans *un* vecteur |
    // | 2014 | Bahdanau et al. : l'attention, pour traduire (carnet 03) | chaque mot de la source |
    // | 2017 | Vaswani et al. : le **Transformer**, l'attention seule (carnets 03 à 06) | toute la fenêtre, directement |
    // | 2018, 2019 | GPT, BERT, GPT-2, T5 | 512 à 1 024 jetons |
    // | 2020 → | GPT-3 et la suite : les mêmes idées, beaucoup plus grand | des milliers de jetons et plus |
    //
    // Le **n-gramme** oublie tout au-delà de n − 1 symboles, et ne sait pas que « chat » et « chien » se ressemblent. Le
    // **réseau récurrent** (*recurrent neural network*, RNN) lit un symbole à la fois et met à jour un vecteur, sa mémoire :
    // le passé lointain s'y efface, et il faut avoir traité le symbole précédent pour passer au suivant. Le **Transformer**
    // laisse chaque position regarder directement toutes les précédentes, toutes en parallèle : le carnet 03 mesure cette
    // différence.
    // %% [markdown] en
    // ## 11. A little history
    //
    // | | idea | what it sees |
    // |---|---|---|
    // | 1913 | Markov counts vowels and consonants in *Eugene Onegin* | the letter before |
    // | 1948, 1951 | Shannon: entropy, texts drawn at random, the guessing game | a few letters |
    // | 1970s to 2000s | smoothed n-grams, in speech recognition and translation | 2 to 5 words |
    // | 2003 | Bengio et al.: a neural network and word vectors (notebook 02) | a few words |
    // | 2010 | Mikolov et al.: recurrent language models, RNN; then with the LSTM, invented in 1997 (Hochreiter and Schmidhuber) | in principle all the past, summed up in *one* vector |
    // | 2014 | Bahdanau et al.: attention, to translate (notebook 03) | each word of the source |
    // | 2017 | Vaswani et al.: the **Transformer**, attention alone (notebooks 03 to 06) | the whole window, directly |
    // | 2018, 2019 | GPT, BERT, GPT-2, T5 | 512 to 1,024 tokens |
    // | 2020 → | GPT-3 and after: the same ideas, far larger | thousands of tokens and more |
    //
    // The **n-gram** forgets all beyond n − 1 symbols, and does not know that "cat" and "dog" are alike. The **recurrent
    // neural network** (RNN) reads one symbol at a time and updates a vector, its memory: the distant past fades there, and
    // each symbol must wait for the one before it. The **Transformer** lets each position look directly at all those before
    // it, all in parallel: notebook 03 measures this difference.

    // %% [markdown] fr
    // ### Où en sommes-nous sur l'échelle ?
    //
    // Le nombre de **paramètres** (les nombres que l'apprentissage règle) de quelques modèles dont la taille est publiée, et du
    // nôtre. L'échelle est logarithmique : chaque graduation multiplie par dix.
    // %% [markdown] en
    // ### Where are we on the scale?
    //
    // The number of **parameters** (the numbers that training adjusts) of some models whose size is published, and of ours. The
    // scale is logarithmic: each step multiplies by ten.
    // %%
    let models = [
        (tr("notre mini", "our mini"), 6.1e6),
        ("BERT-base (2018)", 110e6),
        ("GPT-1 (2018)", 117e6),
        ("GPT-2 (2019)", 1.5e9),
        ("T5-11B (2019)", 11e9),
        ("Llama 2 70B (2023)", 70e9),
        ("GPT-3 (2020)", 175e9),
        ("Llama 3.1 405B (2024)", 405e9),
    ];
    println!(
        "{} {:.0}",
        tr("Llama 3.1 ÷ notre mini :", "Llama 3.1 ÷ our mini:"),
        405e9 / 6.1e6
    );
    show(
        &Bars::new(
            tr("Taille des modèles", "Size of the models"),
            "",
            tr("millions de paramètres", "millions of parameters"),
            models.map(|m| m.0),
        )
        .group("", models.map(|m| m.1 / 1e6))
        .horizontal()
        .log(),
    );

    // %% [markdown] fr
    // Le plus grand de cette liste a environ 66 000 fois plus de paramètres que le nôtre. Les idées, elles, sont les mêmes :
    // tout ce que tu construiras ici se retrouve dans les grands.
    // %% [markdown] en
    // The largest of this list has about 66,000 times as many parameters as ours. The ideas are the same, though: all that
    // you will build here is found in the large ones.

    // %% [markdown] fr
    // ## 12. Trois façons d'apprendre : GPT, BERT, T5
    //
    // Personne n'étiquette le texte : le texte fournit lui-même les questions *et* les réponses (apprentissage
    // autosupervisé, *self-supervision*). Il y a trois façons classiques de poser les questions, et elles portent le nom des
    // modèles qui les ont rendues célèbres : GPT (*Generative Pre-trained Transformer*), BERT (*Bidirectional Encoder
    // Representations from Transformers*) et T5 (*Text-to-Text Transfer Transformer*). Prenons une phrase de Roméo, coupée en
    // mots ; chaque mot a un numéro.
    // %% [markdown] en
    // ## 12. Three ways to learn: GPT, BERT, T5
    //
    // Nobody labels the text: the text itself gives the questions *and* the answers (*self-supervision*). There are three
    // classic ways to ask, named after the models that made them famous: GPT (Generative Pre-trained Transformer), BERT
    // (Bidirectional Encoder Representations from Transformers) and T5 (Text-to-Text Transfer Transformer). Let us take a
    // sentence of Romeo's, cut into words; each word has a number.
    // %%
    use motamot::tensor::ops::IGNORE;

    let words =
        ["But", "soft", "!", "what", "light", "through", "yonder", "window", "breaks", "?"];
    let sentence: Vec<u32> = (10..20).collect();
    const MASK: u32 = 1;
    const END: u32 = 2;
    const SENTINEL: u32 = 3;

    fn spell(ids: &[u32], words: &[&str]) -> Vec<String> {
        ids.iter()
            .map(|&id| match id {
                MASK => "[MASK]".into(),
                END => "⟨/s⟩".into(),
                IGNORE => "–".into(),
                id if id < 10 => format!("⟨{}⟩", ["X", "Y", "Z"][(id - SENTINEL) as usize]),
                id => words[id as usize - 10].into(),
            })
            .collect()
    }
    println!("{}", spell(&sentence, &words).join(" "));

    // %% [markdown] fr
    // ### GPT : le mot suivant (objectif *causal*)
    //
    // À chaque position, prédire le mot qui suit, sans regarder à droite. Une phrase de n mots pose n − 1 questions d'un coup.
    // Dans l'image : en haut ce que le modèle lit, dessous ce qu'il doit répondre.
    // %% [markdown] en
    // ### GPT: the next word (the *causal* objective)
    //
    // At each position, predict the word that follows, without looking to the right. A sentence of n words asks n − 1
    // questions at once. In the picture: above, what the model reads; below, what it must answer.
    // %% concept
    use motamot::html::Tokens;

    let n = sentence.len();
    let (read, asked) = (sentence[..n - 1].to_vec(), sentence[1..].to_vec());
    for i in [0, 3, 8] {
        println!(
            "{} → {}",
            spell(&read[..=i], &words).join(" "),
            spell(&asked[i..=i], &words)[0]
        );
    }
    show(&Tokens::new(spell(&read, &words).into_iter().zip(spell(&asked, &words))).ids());

    // %% agreement
    use motamot::data::TokenDataset;

    let batch = TokenDataset::new(sentence.clone()).sample(1, n - 1, |_| 0);
    assert_eq!((&batch.inputs, &batch.targets), (&read, &asked));
    println!(
        "{}",
        tr(
            "les lots de la bibliothèque sont ces paires",
            "the library's batches are these pairs"
        )
    );

    // %% [markdown] fr
    // ### BERT : le mot caché (objectif *masqué*)
    //
    // On cache quelques mots, le modèle voit **des deux côtés** et retrouve les mots cachés. Le tiret veut dire : rien n'est
    // demandé ici. La bibliothèque choisit les positions au hasard ; on en cache trois sur dix pour y voir quelque chose
    // (BERT : 15 %).
    // %% [markdown] en
    // ### BERT: the hidden word (the *masked* objective)
    //
    // Some words are hidden, the model sees **both sides** and finds the hidden words again. The dash says: nothing is asked
    // here. The library chooses the positions at random; we hide three of ten, to have something to see (BERT: 15 %).
    // %% library
    use motamot::models::{Masking, mask_tokens};

    let all_masked =
        Masking { rate: 0.3, masked: 1.0, random: 0.0, ..Masking::new(MASK, 20) };
    let (read, asked) = mask_tokens(&sentence, &all_masked, &mut Rng::new(4));
    show(&Tokens::new(spell(&read, &words).into_iter().zip(spell(&asked, &words))).ids());

    // %% agreement
    for i in 0..n {
        let by_hand =
            if asked[i] == IGNORE { (sentence[i], IGNORE) } else { (MASK, sentence[i]) };
        assert_eq!((read[i], asked[i]), by_hand);
    }
    assert_eq!(asked.iter().filter(|&&id| id != IGNORE).count(), 3);
    let bert = Masking::new(MASK, 20);
    assert_eq!((bert.rate, bert.masked, bert.random), (0.15, 0.8, 0.1));
    println!(
        "{}",
        tr("à la main : même entrée, mêmes réponses", "by hand: same input, same answers")
    );

    // %% [markdown] fr
    // Un détail du vrai BERT : parmi les jetons choisis, 80 % deviennent `[MASK]`, 10 % un jeton au hasard, 10 % restent. Sinon
    // le modèle apprendrait que seules les positions marquées `[MASK]` comptent, et il n'y en a jamais quand on s'en sert.
    // Vérifions les proportions sur 100 000 caractères.
    // %% [markdown] en
    // A detail of the real BERT: of the tokens chosen, 80 % become `[MASK]`, 10 % a random token, 10 % stay. Otherwise the model
    // would learn that only positions marked `[MASK]` matter, and there are none when it is used. Let us check the shares on
    // 100,000 characters.
    // %%
    let masking = Masking::new(v as u32, v);
    let (read, asked) = mask_tokens(&train[..100_000], &masking, &mut Rng::new(1));
    let chosen: Vec<usize> = (0..read.len()).filter(|&i| asked[i] != IGNORE).collect();
    let masked = chosen.iter().filter(|&&i| read[i] == v as u32).count();
    let kept = chosen.iter().filter(|&&i| read[i] == train[i]).count();
    let percent = 100.0 / chosen.len() as f64;
    println!("{} {}", tr("choisis :", "chosen:"), chosen.len());
    println!(
        "[MASK] {:.1} %   {} {:.1} %   {} {:.1} %",
        percent * masked as f64,
        tr("au hasard", "random"),
        percent * (chosen.len() - masked - kept) as f64,
        tr("inchangés", "unchanged"),
        percent * kept as f64
    );

    // %% [markdown] fr
    // Le compte y est : 15 000 choisis (15 %), dont 79,7 % masqués, 10,3 % remplacés au hasard, 9,9 % inchangés.
    //
    // ### T5 : les morceaux manquants (*span corruption*)
    //
    // On retire des **morceaux** (*spans*). Dans la source, une sentinelle ⟨X⟩, ⟨Y⟩ prend la place de chacun ; la cible redonne
    // chaque sentinelle et son morceau, puis une dernière sentinelle et la fin ⟨/s⟩. Un **encodeur** lit la source des deux
    // côtés, un **décodeur** écrit la cible de gauche à droite. À la main, d'abord :
    // %% [markdown] en
    // The shares are right: 15,000 chosen (15 %), of which 79.7 % masked, 10.3 % replaced at random, 9.9 % unchanged.
    //
    // ### T5: the missing spans (*span corruption*)
    //
    // **Spans** are cut out. In the source a sentinel ⟨X⟩, ⟨Y⟩ takes the place of each; the target gives each sentinel and its
    // span, then one last sentinel and the end ⟨/s⟩. An **encoder** reads the source on both sides, a **decoder** writes the
    // target from left to right. By hand, first:
    // %% concept
    let source_by_hand =
        ["But", "soft", "!", "⟨X⟩", "through", "yonder", "⟨Y⟩", "breaks", "?"];
    let target_by_hand = ["⟨X⟩", "what", "light", "⟨Y⟩", "window", "⟨Z⟩", "⟨/s⟩"];
    println!("{} {}", tr("source :", "source:"), source_by_hand.join(" "));
    println!("{} {}", tr("cible  :", "target:"), target_by_hand.join(" "));

    // %% agreement
    use motamot::models::{SpanCorruption, corrupt};

    let (source, target) = corrupt(&sentence, &[(3, 2), (7, 1)], SENTINEL, END);
    assert_eq!(spell(&source, &words), source_by_hand);
    assert_eq!(spell(&target, &words), target_by_hand);
    let shifted: Vec<String> =
        std::iter::once("▶".to_string()).chain(spell(&target, &words)).collect();
    println!(
        "{}",
        tr(
            "le décodeur lit (en haut) et répond (dessous) :",
            "the decoder reads (above) and answers (below):"
        )
    );
    show(&Tokens::new(shifted.into_iter().zip(spell(&target, &words))).ids());

    // %%
    show(&figures::encoder_decoder(&["what", "⟨X⟩", "wind."], &["⟨X⟩", "light", "thro."]));

    // %% [markdown] fr
    // Remarque que le décodeur de T5 est lui-même causal : il reçoit sa propre cible décalée d'un rang (▶ marque le début).
    //
    // ### Ce que chacun a le droit de voir
    //
    // Chaque ligne est une position, chaque colonne ce qu'elle regarde ; une case foncée est un regard permis. Ces
    // **masques** font à peu près toute la différence entre les trois architectures : le carnet 03 construit le premier, le
    // carnet 07 fait tourner les trois.
    // %% [markdown] en
    // Note that T5's decoder is itself causal: it gets its own target shifted by one (▶ marks the beginning).
    //
    // ### What each is allowed to see
    //
    // Each row is a position, each column what it looks at; a dark cell is a look that is allowed. These **masks** are nearly
    // all the difference between the three architectures: notebook 03 builds the first, notebook 07 runs all three.
    // %%
    show(&figures::what_each_sees(
        &["what", "light", "thro.", "yond.", "wind."],
        &["what", "⟨X⟩", "wind."],
        &["▶", "⟨X⟩", "light"],
    ));

    // %% [markdown] fr
    // GPT : un triangle, chaque mot ne voit que le passé. BERT : tout, ce qui interdit d'écrire de gauche à droite. T5 : le haut
    // (encodeur) se voit entier, le bas (décodeur) voit tout l'encodeur et son propre passé.
    //
    // **Prédis :** sur 1 000 jetons, combien de réponses chaque objectif demande-t-il ?
    // %% [markdown] en
    // GPT: a triangle, each word sees the past only. BERT: everything, which rules out writing from left to right. T5: the top
    // (encoder) sees itself whole, the bottom (decoder) sees the whole encoder and its own past.
    //
    // **Predict:** on 1,000 tokens, how many answers does each objective ask for?
    // %%
    let thousand: Vec<u32> = train[..1000].to_vec();
    let (_, asked) = mask_tokens(&thousand, &masking, &mut Rng::new(2));
    let spans = SpanCorruption {
        rate: 0.15,
        mean_span: 3.0,
        first_sentinel: 100,
        sentinels: 100,
        end: 99,
    };
    let (source, target) = spans.example(&thousand, &mut Rng::new(2));
    let hidden = asked.iter().filter(|&&id| id != IGNORE).count();
    let headers = [
        tr("objectif", "objective"),
        tr("jetons lus", "tokens read"),
        tr("réponses", "answers"),
        tr("voit", "sees"),
        tr("écrit", "writes"),
    ];
    show(
        &Table::new(headers)
            .row(["GPT (causal)", "999", "999", tr("le passé", "the past"), tr("oui", "yes")])
            .row([
                "BERT (15 %)",
                "1000",
                &hidden.to_string(),
                tr("tout", "everything"),
                tr("non", "no"),
            ])
            .row([
                "T5 (15 %)",
                &source.len().to_string(),
                &target.len().to_string(),
                tr("tout + le passé", "everything + the past"),
                tr("oui", "yes"),
            ]),
    );

    // %% [markdown] fr
    // GPT reçoit une réponse par jeton, BERT 150, T5 202 (les 150 cachés, leurs 50 sentinelles, la dernière et la fin). Le
    // causal reçoit donc le plus de réponses par texte lu, *et* il sait écrire : deux raisons pour lesquelles les modèles de conversation
    // d'aujourd'hui sont presque tous de la famille GPT. BERT reste un excellent lecteur, pour classer ou chercher.
    // %% [markdown] en
    // GPT gets one answer per token, BERT 150, T5 202 (the 150 hidden ones, their 50 sentinels, the last one and the end). So
    // the causal objective gets the most answers for each text read *and* can write: two reasons why nearly all of today's chat models
    // are of the GPT family. BERT is still an excellent reader, to classify or to search.

    // %% [markdown] fr
    // ## 13. Où nous allons : ce qu'écrit le modèle final
    //
    // *Texte enregistré, non recalculé ici :* l'entraînement a pris 47 minutes sur deux cœurs partagés (carnet 09). Le modèle
    // est le préréglage `mini` : 6 blocs, 256 canaux (tu sauras aux carnets 06 et 07 ce que c'est), 6,1 millions de
    // paramètres, entraîné sur le fichier Tiny Shakespeare classique (`motamot train --preset mini`), **2,181 bits par
    // octet** en validation, quand le 5-gramme y fait 2,408. Voici, mot pour mot, ce qu'écrit
    // `motamot generate --prompt "ROMEO:" --max-tokens 150 --seed 1` :
    //
    // ```text
    // ROMEO:
    // No more than my master, the prince's son,
    // As he shall make him from the crown;
    // And none, a king is not a king of Clarence?
    //
    // ROMEO:
    // Then, in this day, I'll follow thee, a crown.
    //
    // ROMEO:
    // I will not weep thy soul, yet to live:
    // The right of men of this arm of this land:
    // In that I hope which thou art thy father'st
    // To do I to thy lips make the world afford
    // Hath not in thy mother's death.
    //
    // LADY CAPULET:
    // I would I not; and I warrant thee, nurse, and I will not.
    //
    // LADY CAPULET:
    // What art thou, sir, thou
    // ```
    //
    // Des vers, des répliques, des noms ; Lady Capulet, qui est de la bonne pièce, s'adresse à la nourrice : tout cela est
    // appris, rien n'est programmé. Mais Clarence vient d'un autre drame, et d'une phrase à l'autre le sens se perd. Six
    // millions de paramètres et un mégaoctet de texte imitent un style ; ils ne savent rien du monde.
    // %% [markdown] en
    // ## 13. Where we are going: what the final model writes
    //
    // *Recorded text, not computed here:* training took 47 minutes on two shared cores (notebook 09). The model is the preset
    // `mini`: 6 blocks, 256 channels (notebooks 06 and 07 will tell what these are), 6.1 million parameters, trained on the
    // classic Tiny Shakespeare file (`motamot train --preset mini`), **2.181 bits per byte** in validation, where the 5-gram
    // has 2.408. This is, word for word, what `motamot generate --prompt "ROMEO:" --max-tokens 150 --seed 1` writes:
    //
    // ```text
    // ROMEO:
    // No more than my master, the prince's son,
    // As he shall make him from the crown;
    // And none, a king is not a king of Clarence?
    //
    // ROMEO:
    // Then, in this day, I'll follow thee, a crown.
    //
    // ROMEO:
    // I will not weep thy soul, yet to live:
    // The right of men of this arm of this land:
    // In that I hope which thou art thy father'st
    // To do I to thy lips make the world afford
    // Hath not in thy mother's death.
    //
    // LADY CAPULET:
    // I would I not; and I warrant thee, nurse, and I will not.
    //
    // LADY CAPULET:
    // What art thou, sir, thou
    // ```
    //
    // Verse, turns, names; Lady Capulet, who is of the right play, speaks to the nurse: all this was learned, nothing was
    // programmed. But Clarence comes from another drama, and from one sentence to the next the sense gets lost. Six million
    // parameters and one megabyte of text imitate a style; they know nothing of the world.

    // %% [markdown] fr
    // ## 14. Idées reçues
    //
    // **« Le modèle cherche la réponse dans une base de données. »** S'il cherchait, il lui faudrait trouver. Quelle part des
    // passages de la validation figure dans le texte appris ?
    // %% [markdown] en
    // ## 14. Misconceptions
    //
    // **"The model looks the answer up in a database."** To look up, it would have to find. What share of the passages of the
    // validation text stands in the text learned?
    // %%
    for length in [5, 10, 15, 20, 30] {
        let seen: HashSet<&[u32]> = train.windows(length).collect();
        let found = val.windows(length).filter(|window| seen.contains(window)).count();
        let share = 100.0 * found as f64 / val.windows(length).count() as f64;
        println!(
            "{length:2} {} : {share:.3} %",
            tr("caractères déjà vus", "characters seen before")
        );
    }

    // %% [markdown] fr
    // Vingt caractères d'affilée, trois ou quatre mots, et 99,8 % des passages sont **nouveaux**. Une recherche ne
    // répondrait rien ; le modèle, lui, donne une probabilité à chaque suite, parce qu'il a appris des régularités. Cela
    // n'exclut pas qu'il récite : plus il est grand, plus il retient (souviens-toi de n = 7). Dans l'extrait de la section 13
    // (504 caractères), la plus longue suite qui se trouve telle quelle dans notre texte d'apprentissage en compte 22 :
    // « `LADY CAPULET: What` » et les signes qui l'entourent.
    //
    // **« Le modèle comprend. »** Le 5-gramme écrit des mots, mais la question « qui parle ? » n'existe pas pour lui :
    // %% [markdown] en
    // Twenty characters in a row, three or four words, and 99.8 % of the passages are **new**. A search would answer nothing;
    // the model gives a probability to every continuation, for it has learned regularities. This does not mean that it never
    // recites: the larger, the more it retains (remember n = 7). In the excerpt of section 13 (504 characters) the longest run
    // that stands as it is in our training text has 22: "`LADY CAPULET: What`" and the signs around it.
    //
    // **"The model understands."** The 5-gram writes words, but the question "who is speaking?" does not exist for it:
    // %%
    let romeo =
        five.next_distribution(&encode("ROMEO:\nI hate thee, Tybalt; I love", &alphabet));
    let other = five
        .next_distribution(&encode("TYBALT:\nPeace? I hate the word, as I love", &alphabet));
    assert_eq!(romeo, other);
    println!(
        "{}",
        tr(
            "les deux distributions sont les mêmes, bit pour bit",
            "the two distributions are the same, bit for bit"
        )
    );

    // %% [markdown] fr
    // Et notre GPT ? À « The capital of France is », il répond (enregistré, `--max-tokens 25 --seed 1`, première ligne) :
    // « *The capital of France is banish'd his face.* ». La forme est juste, le fait absent : il n'a lu que du théâtre. Les
    // grands modèles savent des faits parce que ces faits étaient dans ce qu'ils ont lu, et ils en inventent avec la même
    // assurance quand ils n'y étaient pas. Ce que « comprendre » veut dire pour eux se discute ; ce qu'ils calculent est ce que
    // tu as vu : la probabilité de la suite.
    //
    // **« La perplexité permet de comparer deux modèles. »** Seulement avec le même découpage : à la section 10, le modèle qui a
    // la plus grande perplexité est le meilleur en bits par octet.
    // %% [markdown] en
    // And our GPT? To "The capital of France is" it answers (recorded, `--max-tokens 25 --seed 1`, first line): "*The capital
    // of France is banish'd his face.*". The form is right, the fact is missing: it has read nothing but plays. Large models
    // know facts because those facts were in what they read, and they invent some with the same assurance when they were not.
    // What "understanding" means for them is open to debate; what they compute is what you have seen: the probability of what
    // comes next.
    //
    // **"Perplexity compares two models."** Only with the same tokens: in section 10 the model with the larger perplexity is the
    // better one in bits per byte.

    // %% [markdown] fr
    // ## 15. Exercices
    //
    // Écris la fonction à la place de `unfinished()`, exécute la cellule : la dernière ligne te répond. Elle reconnaît les
    // erreurs habituelles.
    //
    // ### Exercice 00.1 · La perplexité
    //
    // `p[i]` est la probabilité que le modèle donnait au symbole qui est *vraiment* venu en i. Rends la perplexité. Un dé
    // équilibré donne 6 ; une probabilité nulle, l'infini ; et deux mille symboles ne doivent ni faire déborder le calcul ni
    // l'écraser à zéro.
    //
    // <details><summary>Indice 1</summary>
    //
    // Section 5 : la perplexité est l'exponentielle de la surprise *moyenne*.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // Additionne `-p.ln()` dans une boucle `for p in p`, puis divise par `p.len() as f64`.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // `ln` va avec `exp`, `log2` avec `exp2`. `-0.0f64.ln()` vaut déjà l'infini : aucun cas particulier.
    //
    // </details>
    // %% [markdown] en
    // ## 15. Exercises
    //
    // Write the function in the place of `unfinished()`, run the cell: the last line answers you. It recognises the usual
    // mistakes.
    //
    // ### Exercise 00.1 · Perplexity
    //
    // `p[i]` is the probability that the model gave to the symbol that *really* came at i. Return the perplexity. A fair die
    // gives 6; a probability of zero, infinity; and two thousand symbols must not make the computation overflow or underflow.
    //
    // <details><summary>Hint 1</summary>
    //
    // Section 5: the perplexity is the exponential of the *mean* surprise.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // Add up `-p.ln()` in a loop `for p in p`, then divide by `p.len() as f64`.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // `ln` goes with `exp`, `log2` with `exp2`. `-0.0f64.ln()` is infinity already: no special case.
    //
    // </details>
    // %% exercise
    use motamot::check::{self, unfinished};

    fn perplexity(p: &[f64]) -> f64 {
        let _ = p;
        unfinished()
    }
    println!("{}", check::perplexity(perplexity));

    // %% solution
    {
        fn perplexity(p: &[f64]) -> f64 {
            let mut nats = 0.0;
            for p in p {
                nats -= p.ln();
            }
            (nats / p.len() as f64).exp()
        }
        println!("{}", check::perplexity(perplexity));
        assert!(check::perplexity(perplexity).is_passed());
    }

    // %% [markdown] fr
    // ### Exercice 00.2 · Un lissage plus simple
    //
    // Avant Witten et Bell, il y avait Laplace : ajouter k à *chaque* compte. Rends les probabilités des v symboles (0 à v − 1)
    // après un contexte, comptées dans `text` :
    //
    // $$p(w) = \frac{c(h, w) + k}{c(h) + k\,v}$$
    //
    // La somme doit valoir 1 après n'importe quel contexte, vide, vu ou jamais vu.
    //
    // <details><summary>Indice 1</summary>
    //
    // Glisse une fenêtre de `context.len() + 1` symboles ; ceux qui commencent par le contexte finissent par sa suite.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // Pars de `vec![k; v]` et ajoute 1.0 à chaque suite trouvée : `if window[..n] == *context { … }`.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // Le dénominateur est la somme de ce que tu viens de remplir ; divise chaque case par elle.
    //
    // </details>
    // %% [markdown] en
    // ### Exercise 00.2 · A simpler smoothing
    //
    // Before Witten and Bell there was Laplace: add k to *each* count. Return the probabilities of the v symbols (0 to v − 1)
    // after a context, counted in `text`:
    //
    // $$p(w) = \frac{c(h, w) + k}{c(h) + k\,v}$$
    //
    // The sum must be 1 after any context: empty, seen, or never seen.
    //
    // <details><summary>Hint 1</summary>
    //
    // Slide a window of `context.len() + 1` symbols; those that begin with the context end with what follows it.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // Start from `vec![k; v]` and add 1.0 for each follower found: `if window[..n] == *context { … }`.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // The denominator is the sum of what you have just filled; divide each entry by it.
    //
    // </details>
    // %% exercise
    fn add_k(text: &[u32], context: &[u32], v: usize, k: f64) -> Vec<f64> {
        let _ = (text, context, v, k);
        unfinished()
    }
    println!("{}", check::add_k(add_k));

    // %% solution
    {
        fn add_k(text: &[u32], context: &[u32], v: usize, k: f64) -> Vec<f64> {
            let n = context.len();
            let mut p = vec![k; v];
            for window in text.windows(n + 1) {
                if window[..n] == *context {
                    p[window[n] as usize] += 1.0;
                }
            }
            let total: f64 = p.iter().sum();
            for x in &mut p {
                *x /= total;
            }
            p
        }
        println!("{}", check::add_k(add_k));
        assert!(check::add_k(add_k).is_passed());
    }

    // %% [markdown] fr
    // ### Exercice 00.3 · Une phrase, trois paires
    //
    // Construis ce que lit et ce que doit répondre un modèle causal, un modèle masqué, un modèle à morceaux manquants. Les trois
    // fonctions rendent (ce qui est lu, ce qui est répondu) :
    // - `causal_pair(ids)` : le jeton suivant, à chaque position ;
    // - `masked_pair(ids, places, mask, ignore)` : `mask` aux positions données, `ignore` là où rien n'est demandé ;
    // - `span_pair(ids, spans, sentinel, end)` : la sentinelle du morceau i (à partir de 0) est `sentinel + i` ; un morceau
    //   est (début, longueur) ; la cible finit par la sentinelle suivante, puis `end`.
    //
    // <details><summary>Indice 1</summary>
    //
    // Relis les trois images de la section 12 : en haut ce qui est lu, dessous ce qui est répondu.
    //
    // </details>
    // <details><summary>Indice 2</summary>
    //
    // `ids[..n - 1].to_vec()` copie le début d'une liste, `vec![ignore; n]` la remplit d'une valeur.
    //
    // </details>
    // <details><summary>Indice 3</summary>
    //
    // Pour les morceaux, garde un indice `at` : copie `ids[at..start]` dans la source, pousse la sentinelle des deux côtés,
    // copie le morceau dans la cible, puis `at = start + length`. N'oublie pas ce qui reste après le dernier.
    //
    // </details>
    // %% [markdown] en
    // ### Exercise 00.3 · One sentence, three pairs
    //
    // Build what a causal, a masked and a span model read, and what they must answer. The three functions return (what is read,
    // what is answered):
    // - `causal_pair(ids)`: the next token, at each position;
    // - `masked_pair(ids, places, mask, ignore)`: `mask` at the positions given, `ignore` where nothing is asked;
    // - `span_pair(ids, spans, sentinel, end)`: the sentinel of span i (from 0) is `sentinel + i`; a span is (start, length);
    //   the target ends with the next sentinel, then `end`.
    //
    // <details><summary>Hint 1</summary>
    //
    // Look again at the three pictures of section 12: above what is read, below what is answered.
    //
    // </details>
    // <details><summary>Hint 2</summary>
    //
    // `ids[..n - 1].to_vec()` copies the beginning of a list, `vec![ignore; n]` fills one with a value.
    //
    // </details>
    // <details><summary>Hint 3</summary>
    //
    // For spans keep an index `at`: copy `ids[at..start]` into the source, push the sentinel on both sides, copy the span
    // into the target, then `at = start + length`. Do not forget what is left after the last one.
    //
    // </details>
    // %% exercise
    fn causal_pair(ids: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let _ = ids;
        unfinished()
    }

    fn masked_pair(
        ids: &[u32],
        places: &[usize],
        mask: u32,
        ignore: u32,
    ) -> (Vec<u32>, Vec<u32>) {
        let _ = (ids, places, mask, ignore);
        unfinished()
    }

    fn span_pair(
        ids: &[u32],
        spans: &[(usize, usize)],
        sentinel: u32,
        end: u32,
    ) -> (Vec<u32>, Vec<u32>) {
        let _ = (ids, spans, sentinel, end);
        unfinished()
    }
    println!("{}", check::causal_pair(causal_pair));
    println!("{}", check::masked_pair(masked_pair));
    println!("{}", check::span_pair(span_pair));

    // %% solution
    {
        fn causal_pair(ids: &[u32]) -> (Vec<u32>, Vec<u32>) {
            (ids[..ids.len() - 1].to_vec(), ids[1..].to_vec())
        }

        fn masked_pair(
            ids: &[u32],
            places: &[usize],
            mask: u32,
            ignore: u32,
        ) -> (Vec<u32>, Vec<u32>) {
            let (mut read, mut asked) = (ids.to_vec(), vec![ignore; ids.len()]);
            for &place in places {
                read[place] = mask;
                asked[place] = ids[place];
            }
            (read, asked)
        }

        fn span_pair(
            ids: &[u32],
            spans: &[(usize, usize)],
            sentinel: u32,
            end: u32,
        ) -> (Vec<u32>, Vec<u32>) {
            let (mut source, mut target, mut at) = (Vec::new(), Vec::new(), 0);
            for (i, &(start, length)) in spans.iter().enumerate() {
                source.extend(&ids[at..start]);
                source.push(sentinel + i as u32);
                target.push(sentinel + i as u32);
                target.extend(&ids[start..start + length]);
                at = start + length;
            }
            source.extend(&ids[at..]);
            target.extend([sentinel + spans.len() as u32, end]);
            (source, target)
        }
        let reports = [
            check::causal_pair(causal_pair),
            check::masked_pair(masked_pair),
            check::span_pair(span_pair),
        ];
        for report in reports {
            println!("{report}");
            assert!(report.is_passed());
        }
    }

    // %% [markdown] fr
    // ## 16. Comment font les vrais
    //
    // - **GPT-2** (2019) prédit le jeton suivant, avec un vocabulaire de 50 257 jetons (BPE sur octets, carnet 01) et un
    //   contexte de 1 024 jetons ; la plus grande version a 1,5 milliard de paramètres. C'est exactement le premier objectif
    //   de la section 12.
    // - **BERT** (2018) : 15 % des jetons, 80/10/10, vocabulaire WordPiece d'environ 30 000 ; **T5** (2019) : 15 % en
    //   morceaux de 3 en moyenne, 100 sentinelles.
    // - **Llama** et les modèles ouverts d'aujourd'hui : l'objectif causal encore ; Llama 3.1 a lu environ 15 000 milliards de
    //   jetons. Le nôtre apprend sur environ un million de caractères.
    // - Les **assistants** sont d'abord entraînés ainsi, puis *affinés* pour dialoguer (carnet 11). Leur base reste un
    //   prédicteur de la suite.
    // - Les n-grammes servent toujours : comme barre à battre, et là où chaque microseconde compte.
    // %% [markdown] en
    // ## 16. How the real ones do it
    //
    // - **GPT-2** (2019) predicts the next token, with a vocabulary of 50,257 tokens (byte-level BPE, notebook 01) and a context
    //   of 1,024 tokens; its largest version has 1.5 billion parameters. It is exactly the first objective of section 12.
    // - **BERT** (2018): 15 % of the tokens, 80/10/10, a WordPiece vocabulary of about 30,000; **T5** (2019): 15 % in spans
    //   of 3 on average, 100 sentinels.
    // - **Llama** and the open models of today: the causal objective again; Llama 3.1 has read about 15 trillion tokens. Ours
    //   learns from about a million characters.
    // - **Assistants** are first trained this way, then *fine-tuned* for dialogue (notebook 11). Their base is still a
    //   predictor of what comes next.
    // - N-grams are still in use: as the bar to beat, and where each microsecond counts.

    // %% [markdown] fr
    // ## 17. Pour aller plus loin
    //
    // - C. Shannon, *Prediction and Entropy of Printed English*, 1951 : le jeu de devinettes, quinze pages limpides.
    // - S. Chen, J. Goodman, *An Empirical Study of Smoothing Techniques for Language Modeling*, 1998 : tout sur le lissage.
    // - Y. Bengio et al., *A Neural Probabilistic Language Model*, 2003 : le pas suivant.
    // - A. Vaswani et al., *Attention Is All You Need*, 2017 ; J. Alammar, *The Illustrated Transformer*, 2018 (en images).
    // - A. Radford et al., *Language Models are Unsupervised Multitask Learners* (GPT-2), 2019 ; J. Devlin et al., *BERT*,
    //   2018 ; C. Raffel et al., *T5*, 2019.
    // - A. Karpathy, *Let's build GPT: from scratch, in code, spelled out* (vidéo, 2023) : le même chemin, en Python.
    //
    // ## 18. En cinq lignes
    //
    // 1. Un modèle de langage donne une probabilité à chaque suite ; écrire, c'est tirer au sort et recommencer.
    // 2. La perte est la surprise moyenne ; perplexité, bits par octet et nats disent la même chose dans d'autres unités.
    // 3. Compter suffit pour descendre à 1,807 nat par caractère (n = 5) ; au-delà, on récite et on prédit plus mal.
    // 4. GPT prédit la suite, BERT les trous, T5 les morceaux : le texte fournit les questions et les réponses.
    // 5. Un n-gramme oublie vite et ne généralise pas : il faut une mémoire, et le sens des ressemblances. C'est le reste du
    //    cours.
    //
    // **Réponses aux trois questions.** (1) log₂ 6 = 2,585 bits : c'est le dé, de perplexité 6. (2) Sur notre texte, non :
    // n = 7 regarde six caractères et fait 1,938, n = 5 en regarde quatre et fait 1,807. (3) On ne peut pas le dire sans
    // connaître leurs jetons : à la section 10, le modèle de plus grande perplexité est le meilleur.
    //
    // **La suite :** le carnet 01 remplace les caractères par de meilleurs jetons, et mesure ce que l'on y gagne.
    // %% [markdown] en
    // ## 17. Further reading
    //
    // - C. Shannon, *Prediction and Entropy of Printed English*, 1951: the guessing game, in fifteen lucid pages.
    // - S. Chen, J. Goodman, *An Empirical Study of Smoothing Techniques for Language Modeling*, 1998: all about smoothing.
    // - Y. Bengio et al., *A Neural Probabilistic Language Model*, 2003: the next step.
    // - A. Vaswani et al., *Attention Is All You Need*, 2017; J. Alammar, *The Illustrated Transformer*, 2018 (in pictures).
    // - A. Radford et al., *Language Models are Unsupervised Multitask Learners* (GPT-2), 2019; J. Devlin et al., *BERT*, 2018;
    //   C. Raffel et al., *T5*, 2019.
    // - A. Karpathy, *Let's build GPT: from scratch, in code, spelled out* (video, 2023): the same way, in Python.
    //
    // ## 18. In five lines
    //
    // 1. A language model gives a probability to each continuation; to write is to draw and to start again.
    // 2. The loss is the mean surprise; perplexity, bits per byte and nats say the same in other units.
    // 3. Counting is enough to reach 1.807 nats per character (n = 5); beyond that one recites, and predicts worse.
    // 4. GPT predicts what follows, BERT the gaps, T5 the spans: the text gives the questions and the answers.
    // 5. An n-gram forgets fast and does not generalise: we need a memory, and a sense of likeness. That is the rest of the
    //    course.
    //
    // **Answers to the three questions.** (1) log₂ 6 = 2.585 bits: it is the die, of perplexity 6. (2) Not on our text: n = 7
    // looks at six characters and has 1.938, n = 5 looks at four and has 1.807. (3) One cannot tell without knowing their
    // tokens: in section 10 the model with the larger perplexity is the better one.
    //
    // **Next:** notebook 01 replaces the characters with better tokens, and measures what that gains.
}
