//! Appendix: just enough of the gradient for the course.

fn main() {
    // %% [front]
    // id = "B"
    // minutes = 20
    // needs = ["A"]
    // exercises = "late"
    //
    // [fr]
    // title = "Juste assez de gradient"
    // aims = ["mesurer une pente, et descendre une perte", "expliquer la règle de la chaîne avec deux nombres", "écrire en 40 lignes le ruban qui calcule tous les gradients de ce cours, et le vérifier"]
    // questions = ["Pour 5 millions de poids, combien de fois faut-il calculer la perte si l'on mesure chaque pente à part ?", "Un nombre sert deux fois dans un calcul. Que fait-on de ses deux pentes ?", "Pourquoi le gradient de l'entropie croisée est-il si court : $p - y$ ?"]
    //
    // [en]
    // title = "Just enough of the gradient"
    // aims = ["measure a slope, and go down a loss", "explain the chain rule with two numbers", "write in 40 lines the tape that computes every gradient of this course, and check it"]
    // questions = ["For 5 million weights, how often must the loss be computed if each slope is measured on its own?", "A number is used twice in a computation. What becomes of its two slopes?", "Why is the gradient of the cross-entropy so short: $p - y$?"]
    // %%
    use motamot::plot::{Chart, Series};
    use motamot::tensor::{Buf, Gradients, ParamId, Tensor, ops};
    use motamot::{show, tr};
    use std::sync::Arc;

    // %% [markdown] fr
    // ## La pente {#pente}
    //
    // Apprendre, c'est diminuer un nombre, la perte, en changeant d'autres nombres, les poids. Il faut donc savoir : si je pousse
    // ce poids *un peu*, la perte monte-t-elle ou descend-elle, et de combien ?
    //
    // On peut le mesurer. Prenons $f(x) = x^2$ en $x = 3$, et poussons $x$ de $h$.
    // %% [markdown] en
    // ## The slope {#pente}
    //
    // To learn is to lower a number, the loss, by changing other numbers, the weights. So one has to know: if I push this weight
    // *a little*, does the loss go up or down, and by how much?
    //
    // That can be measured. Take $f(x) = x^2$ at $x = 3$, and push $x$ by $h$.
    // %% concept
    fn f(x: f64) -> f64 {
        x * x
    }
    for h in [1.0, 0.1, 0.01, 0.001] {
        println!("h = {h:<5}  {:.3}", (f(3.0 + h) - f(3.0)) / h);
    }

    // %% [markdown] fr
    // Plus le pas $h$ est petit, plus le rapport s'approche de 6 : c'est la **pente** (ou *dérivée*) de $f$ en 3. Elle dit : pour une
    // petite poussée de $x$, $f$ change six fois autant. On l'écrit
    //
    // $$f'(3) = \lim_{h \to 0} \frac{f(3 + h) - f(3)}{h} = 6.$$
    //
    // En poussant des deux côtés, l'erreur diminue bien plus vite. Gardons cette mesure-là. (`fn(f64) -> f64` est le type d'une
    // fonction, [[A#fonctions]].)
    // %% [markdown] en
    // The smaller the step $h$, the closer the quotient comes to 6: that is the **slope** (or *derivative*) of $f$ at 3. It says: for a
    // small push of $x$, $f$ changes six times as much. One writes
    //
    // $$f'(3) = \lim_{h \to 0} \frac{f(3 + h) - f(3)}{h} = 6.$$
    //
    // Pushing on both sides, the error shrinks much faster. Let us keep that measure. (`fn(f64) -> f64` is the type of a function,
    // [[A#fonctions]].)
    // %% concept
    fn slope(f: fn(f64) -> f64, x: f64) -> f64 {
        let h = 1e-5;
        (f(x + h) - f(x - h)) / (2.0 * h)
    }
    for x in [-2.0, 0.0, 3.0] {
        println!("x = {x:>4}  {:>7.4}  2x = {:>2}", slope(f, x), 2.0 * x);
    }

    // %% figure
    let parabola: Vec<(f64, f64)> =
        (-40..=40).map(|i| f64::from(i) / 10.0).map(|x| (x, f(x))).collect();
    let tangent = [(1.0, -3.0), (4.0, 15.0)];
    show(
        &Chart::new(tr("La pente de x² en 3", "The slope of x² at 3"), "x", "f(x)")
            .series(Series::new("x²", parabola))
            .series(Series::new(tr("pente 6", "slope 6"), tangent))
            .note(3.0, 9.0, "(3, 9)"),
    );

    // %% [markdown] fr
    // La pente de $x^2$ est $2x$ : négative à gauche (pousser $x$ fait descendre $f$), nulle au fond, positive à droite. Le calcul
    // exact n'a besoin que de quelques règles : $a + b$ a les pentes 1 et 1, $a \cdot b$ les pentes $b$ et $a$, $e^a$ la pente $e^a$.
    //
    // ## Descendre {#descendre}
    //
    // Pour faire baisser $f$, on pousse $x$ *contre* la pente, d'un pas proportionnel à elle : $x \leftarrow x - \eta f'(x)$. Le facteur
    // $\eta$ est le **taux d'apprentissage**.
    // %% [markdown] en
    // The slope of $x^2$ is $2x$: negative on the left (pushing $x$ lowers $f$), zero at the bottom, positive on the right. To compute
    // exactly takes three rules, here with their slopes: $a + b$ (1 and 1), $a \cdot b$ ($b$ and $a$), $e^a$ ($e^a$).
    //
    // ## Going down {#descendre}
    //
    // To lower $f$, push $x$ *against* the slope, by a step in proportion to it: $x \leftarrow x - \eta f'(x)$. The factor $\eta$ is
    // the **learning rate**.
    // %% concept
    let mut x = 3.0;
    for step in 0..=5 {
        println!("{step}  x = {x:.3}  f = {:.3}", f(x));
        x -= 0.1 * slope(f, x);
    }

    // %% [markdown] fr predict
    // À chaque pas, $x$ est multiplié par $1 - 2\eta$ : ici par 0,8. Que fait la descente avec un taux de 1,1 ?
    //
    // - [ ] elle arrive au fond plus vite
    // - [ ] elle tourne en rond entre 3 et −3
    // - [ ] elle s'éloigne du fond, de plus en plus
    // %% [markdown] en predict
    // In each step $x$ is multiplied by $1 - 2\eta$: here by 0.8. What does the descent do with a rate of 1.1?
    //
    // - [ ] it reaches the bottom sooner
    // - [ ] it goes round between 3 and −3
    // - [ ] it moves away from the bottom, further and further
    // %% concept
    let mut x = 3.0;
    for step in 0..=5 {
        println!("{step}  x = {x:.3}  f = {:.3}", f(x));
        x -= 1.1 * slope(f, x);
    }

    // %% [markdown] fr answer
    // Elle s'éloigne : chaque pas multiplie $x$ par −1,2. La pente ne parle que du voisinage ; un pas trop grand saute par-dessus le
    // creux. On dit que l'entraînement **diverge**.
    // %% [markdown] en answer
    // It moves away: each step multiplies $x$ by −1.2. The slope only speaks of the neighbourhood; a step that is too large jumps over
    // the hollow. One says that the training **diverges**.
    // %% [markdown] fr
    // ## Plusieurs poids {#gradient}
    //
    // Une perte dépend de beaucoup de poids. Chacun a sa pente, mesurée pendant que les autres ne bougent pas ; la liste de ces
    // pentes est le **gradient**, $\nabla f$. (`&[f64]` est une tranche : [[A#tranches]].)
    // %% [markdown] en
    // ## Several weights {#gradient}
    //
    // A loss depends on many weights. Each has its slope, measured while the others stay; the list of these slopes is the
    // **gradient**, $\nabla f$. (`&[f64]` is a slice: [[A#tranches]].)
    // %% concept
    fn numeric_gradient(f: fn(&[f64]) -> f64, w: &[f64]) -> Vec<f64> {
        let mut slopes = vec![];
        for i in 0..w.len() {
            let (mut up, mut down) = (w.to_vec(), w.to_vec());
            up[i] += 1e-5;
            down[i] -= 1e-5;
            slopes.push((f(&up) - f(&down)) / 2e-5);
        }
        slopes
    }

    // %% concept
    //fr 2·w₀ + w₁ devrait valoir 5.
    //en 2·w₀ + w₁ should be 5.
    fn error(w: &[f64]) -> f64 {
        (2.0 * w[0] + w[1] - 5.0).powi(2)
    }
    println!("{:.3?}", numeric_gradient(error, &[1.0, 1.0]));

    // %% [markdown] fr
    // En (1, 1), il manque 2 : les deux pentes sont négatives, il faut monter les deux poids, et $w_0$ compte double. Pousser les deux
    // contre le gradient est le chemin qui descend le plus vite.
    //
    // Mais regarde le prix : *deux* calculs de la perte par poids. Un modèle de 5 millions de poids demanderait 10 millions de passages
    // pour un seul pas. Il nous faut tous les gradients pour le prix de quelques passages : c'est à quoi sert la règle qui suit.
    // %% [markdown] en
    // At (1, 1) 2 are missing: both slopes are negative, both weights have to go up, and $w_0$ counts twice. Pushing both against
    // the gradient is the way that goes down fastest.
    //
    // But look at the price: *two* computations of the loss for each weight. A model of 5 million weights would ask for 10 million passes
    // for a single step. We need all gradients for the price of a few passes: that is what the next rule is for.
    // %% [markdown] fr
    // ## La règle de la chaîne {#chaine}
    //
    // Deux engrenages : $u = 3x$, puis $y = u^2$. En $x = 2$ : $u = 6$ et $y = 36$. Poussons $x$ de 0,001. Le premier engrenage le
    // multiplie par 3 : $u$ avance de 0,003. Le second a la pente $2u = 12$ : $y$ avance de $12 \times 0{,}003 = 0{,}036$. Pour
    // l'ensemble : 36 fois la poussée.
    // %% [markdown] en
    // ## The chain rule {#chaine}
    //
    // Two gears: $u = 3x$, then $y = u^2$. At $x = 2$: $u = 6$ and $y = 36$. Push $x$ by 0.001. The first gear multiplies it by 3: $u$
    // moves by 0.003. The second has the slope $2u = 12$: $y$ moves by $12 \times 0.003 = 0.036$. For the whole: 36 times the push.
    // %% concept
    fn gears(x: f64) -> f64 {
        let u = 3.0 * x;
        u * u
    }
    println!("{} = {:.4}", 3.0 * 12.0, slope(gears, 2.0));

    // %% [markdown] fr
    // **Les pentes se multiplient le long du chemin** : $\dfrac{dy}{dx} = \dfrac{dy}{du} \cdot \dfrac{du}{dx}$. Un réseau n'est qu'un long
    // chemin de petits engrenages, additions, produits, exponentielles, dont chacun connaît sa pente.
    //
    // ## Un ruban de 40 lignes {#ruban}
    //
    // Notons donc chaque opération au fur et à mesure, comme sur un ruban (*tape*) : sa valeur, et pour chacune de ses entrées la pente
    // locale. Le résultat de chaque opération est son numéro sur le ruban. (`struct` et `impl` : [[A#struct]].)
    // %% [markdown] en
    // **Slopes are multiplied along the way**: $\dfrac{dy}{dx} = \dfrac{dy}{du} \cdot \dfrac{du}{dx}$. A network is but a long chain of
    // small gears, additions, products, exponentials, each of which knows its slope.
    //
    // ## A tape of 40 lines {#ruban}
    //
    // So let us write down each operation as it comes, as on a tape: its value, and for each of its inputs the local slope. The
    // result of an operation is its number on the tape. (`struct` and `impl`: [[A#struct]].)
    // %% concept
    #[derive(Default)]
    struct Tape {
        values: Vec<f64>,
        inputs: Vec<Vec<(usize, f64)>>, //fr (entrée, pente locale) //en (input, local slope)
    }
    fn push(tape: &mut Tape, value: f64, inputs: Vec<(usize, f64)>) -> usize {
        tape.values.push(value);
        tape.inputs.push(inputs);
        tape.values.len() - 1
    }
    fn leaf(tape: &mut Tape, x: f64) -> usize {
        push(tape, x, vec![])
    }
    // %% concept
    fn add(tape: &mut Tape, a: usize, b: usize) -> usize {
        push(tape, tape.values[a] + tape.values[b], vec![(a, 1.0), (b, 1.0)])
    }
    fn mul(tape: &mut Tape, a: usize, b: usize) -> usize {
        let (x, y) = (tape.values[a], tape.values[b]);
        push(tape, x * y, vec![(a, y), (b, x)])
    }
    fn exp(tape: &mut Tape, a: usize) -> usize {
        let y = tape.values[a].exp();
        push(tape, y, vec![(a, y)])
    }
    fn ln(tape: &mut Tape, a: usize) -> usize {
        let x = tape.values[a];
        push(tape, x.ln(), vec![(a, 1.0 / x)])
    }

    // %% [markdown] fr
    // Le **retour** (*backward*) lit le ruban de la fin au début. La pente du résultat par rapport à lui-même vaut 1. Chaque
    // opération transmet la sienne à ses entrées, multipliée par la pente locale : la règle de la chaîne, et rien d'autre.
    // %% [markdown] en
    // The **backward pass** reads the tape from the end to the beginning. The slope of the result with respect to itself is 1. Each
    // operation hands its own on to its inputs, times the local slope: the chain rule, and nothing else.
    // %% concept
    fn backward(tape: &Tape, end: usize) -> Vec<f64> {
        let mut slopes = vec![0.0; tape.values.len()];
        slopes[end] = 1.0;
        for i in (0..=end).rev() {
            for &(input, local) in &tape.inputs[i] {
                slopes[input] += slopes[i] * local;
            }
        }
        slopes
    }
    let mut tape = Tape::default();
    let (x, three) = (leaf(&mut tape, 2.0), leaf(&mut tape, 3.0));
    let u = mul(&mut tape, three, x);
    let y = mul(&mut tape, u, u);
    println!("y = {}, dy/dx = {}", tape.values[y], backward(&tape, y)[x]);

    // %% [markdown] fr
    // Le même 36, sans rien pousser : exact, et tous les gradients d'un seul retour.
    //
    // ## Deux chemins s'ajoutent {#somme}
    //
    // Pourquoi `+=` dans `backward`, et pas `=` ? Parce qu'un nombre peut servir plusieurs fois. Dans $y = x \cdot x + x$, la poussée de
    // $x$ arrive à $y$ par trois chemins.
    // %% [markdown] en
    // The same 36 without pushing anything: exact, and all gradients by a single backward pass.
    //
    // ## Two ways add up {#somme}
    //
    // Why `+=` in `backward`, and not `=`? Because a number may be used several times. In $y = x \cdot x + x$ the push of $x$ reaches
    // $y$ by three ways.
    // %% [markdown] fr predict
    // En $x = 5$, quelle est la pente de $x \cdot x + x$ ?
    //
    // - [ ] 5
    // - [ ] 10
    // - [ ] 11
    // %% [markdown] en predict
    // At $x = 5$, what is the slope of $x \cdot x + x$?
    //
    // - [ ] 5
    // - [ ] 10
    // - [ ] 11
    // %% concept
    let mut tape = Tape::default();
    let x = leaf(&mut tape, 5.0);
    let square = mul(&mut tape, x, x);
    let y = add(&mut tape, square, x);
    println!("{}", backward(&tape, y)[x]);

    // %% [markdown] fr answer
    // 11 : les chemins donnent 5, 5 et 1, et **les pentes des chemins s'ajoutent**. C'est la seconde moitié de la règle. Un jeton
    // répété dans un texte, un poids partagé entre deux couches : partout dans le cours, leurs gradients s'ajoutent pour cette raison.
    // %% [markdown] en answer
    // 11: the ways give 5, 5 and 1, and **the slopes of the ways add up**. That is the other half of the rule. A token repeated in a
    // text, a weight shared by two layers: everywhere in the course their gradients add up for this reason.
    // %% [markdown] fr
    // ## Le gradient que tu verras partout {#entropie}
    //
    // Un modèle de langage donne à chaque jeton un score $s_i$ ; le softmax en fait des probabilités $p_i = e^{s_i} / \sum_j e^{s_j}$ ; la
    // perte est $-\ln p_y$ pour le bon jeton $y$ ([[00]]). Avec trois jetons, et le deuxième pour bonne réponse :
    // $-\ln p_1 = \ln(e^{s_0} + e^{s_1} + e^{s_2}) - s_1$. Sur le ruban :
    // %% [markdown] en
    // ## The gradient that you will see everywhere {#entropie}
    //
    // A language model gives each token a score $s_i$; the softmax makes probabilities of them, $p_i = e^{s_i} / \sum_j e^{s_j}$; the loss
    // is $-\ln p_y$ for the right token $y$ ([[00]]). With three tokens, and the second one for the right answer:
    // $-\ln p_1 = \ln(e^{s_0} + e^{s_1} + e^{s_2}) - s_1$. On the tape:
    // %% golden
    let scores = [1.0, 2.0, 0.5];
    let mut tape = Tape::default();
    let s = scores.map(|score| leaf(&mut tape, score));
    let e = s.map(|score| exp(&mut tape, score));
    let first = add(&mut tape, e[0], e[1]);
    let total = add(&mut tape, first, e[2]);
    let log = ln(&mut tape, total);
    let minus = leaf(&mut tape, -1.0);
    let right = mul(&mut tape, minus, s[1]);
    let loss = add(&mut tape, log, right);
    let slopes = backward(&tape, loss);
    let p = e.map(|e| tape.values[e] / tape.values[total]);
    println!("{} {:.4}", tr("perte", "loss"), tape.values[loss]);
    println!("p        {p:.4?}");
    println!("{} {:.4?}", tr("gradient", "gradient"), s.map(|s| slopes[s]));

    // %% [markdown] fr
    // Le gradient est **ce que le modèle a dit, moins ce qui était juste** : $\partial \ell / \partial s_i = p_i - y_i$, où $y$ vaut 1 pour
    // le bon jeton et 0 ailleurs. Chaque score faux descend à proportion de la confiance qu'il a reçue ; le bon monte de ce qui lui
    // manque.
    //
    // ## Vérifier {#verifier}
    //
    // Un gradient faux n'arrête pas un programme : il apprend seulement plus mal. On le compare donc toujours à la pente mesurée, et à la
    // bibliothèque.
    // %% [markdown] en
    // The gradient is **what the model said minus what was right**: $\partial \ell / \partial s_i = p_i - y_i$, where $y$ is 1 for the right
    // token and 0 elsewhere. Each wrong score goes down in proportion to the confidence that it was given; the right one goes up by what it
    // lacks.
    //
    // ## Checking {#verifier}
    //
    // A wrong gradient does not stop a program: it only learns worse. So one always compares it with the measured slope, and with the
    // library.
    // %% concept
    fn cross_entropy(s: &[f64]) -> f64 {
        s.iter().map(|s| s.exp()).sum::<f64>().ln() - s[1]
    }
    let measured = numeric_gradient(cross_entropy, &scores);
    for i in 0..3 {
        println!("{:.9}  {:.9}", measured[i], slopes[s[i]]);
    }

    // %% agreement
    let (id, mut gradients) = (ParamId::new(), Gradients::new());
    let as_f32 = Buf::from(&scores.map(|s| s as f32)[..]);
    let parameter = Tensor::parameter(id, Arc::new(as_f32), [1, 3]);
    ops::cross_entropy(&parameter, &[1]).backward(&mut gradients);
    let library = gradients.get(id).expect("a gradient").to_vec();
    println!("{library:.4?}");
    assert!((0..3).all(|i| (f64::from(library[i]) - slopes[s[i]]).abs() < 1e-6));

    // %% [markdown] fr
    // La bibliothèque fait la même chose, avec deux différences : ses opérations prennent des listes entières (un produit de matrices est
    // *une* ligne du ruban), et elle oublie une ligne dès que plus personne n'en a besoin. (`expect`
    // s'arrête s'il n'y a rien, `map` et `sum` parcourent une liste : [[A#option]], [[A#iterateurs]].)
    //
    // ## Idées fausses {#idees}
    //
    // - « Le gradient dit où est le minimum. » Il dit dans quelle direction descendre *ici*, rien de plus : d'où les petits pas.
    // - « La rétropropagation est une théorie à part. » C'est la règle de la chaîne, lue de la fin au début, pour ne payer qu'une fois ce
    //   que tous les poids partagent.
    // - « Une pente nulle, c'est gagné. » C'est aussi un plateau, ou un sommet.
    //
    // ## Les trois questions {#reponses}
    //
    // 1. 10 millions de fois, deux par poids ; le ruban demande un aller et un retour.
    // 2. On les ajoute.
    // 3. Parce que le logarithme défait l'exponentielle : il reste la probabilité, moins 1 pour le bon jeton.
    //
    // ## Comment font les vrais {#vrais}
    //
    // PyTorch, JAX et la bibliothèque de ce cours ont ce ruban ; ils l'appellent *autograd*. Pour lire plus : Karpathy, *micrograd* (cent
    // lignes de Python, la même idée) ; Baydin et al. 2018, *Automatic Differentiation in Machine Learning: a Survey* ; l'annexe A de *Build
    // a Large Language Model (From Scratch)* de Raschka. Retourne maintenant au [[00]].
    // %% [markdown] en
    // The library does the same, with two differences: its operations take whole lists (a product of matrices is *one* line of the tape), and
    // it forgets a line as soon as nobody needs it any more. (`expect` stops if there is nothing, `map` and `sum` go through a list:
    // [[A#option]], [[A#iterateurs]].)
    //
    // ## Misconceptions {#idees}
    //
    // - "The gradient tells where the minimum is." It tells which way is down *here*, no more: hence the small steps.
    // - "Backpropagation is a theory of its own." It is the chain rule, read from the end to the beginning, so that what all weights share is
    //   paid for once.
    // - "A slope of zero means success." It may as well be a plateau, or a summit.
    //
    // ## The three questions {#reponses}
    //
    // 1. 10 million times, twice for each weight; the tape takes one pass forward and one back.
    // 2. They are added.
    // 3. Because the logarithm undoes the exponential: what is left is the probability, minus 1 for the right token.
    //
    // ## How the real ones do it {#vrais}
    //
    // PyTorch, JAX and the library of this course have this tape; they call it *autograd*. To read more: Karpathy, *micrograd* (a hundred lines
    // of Python, the same idea); Baydin et al. 2018, *Automatic Differentiation in Machine Learning: a Survey*; appendix A of Raschka's *Build a
    // Large Language Model (From Scratch)*. Now go back to [[00]].
}
