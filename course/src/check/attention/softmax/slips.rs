//! The usual mistakes of softmax's backward, in words.

use super::super::Slip;
use super::Bug::{self, *};

pub(super) const SLIPS: [Slip<Bug>; 32] = [
    (
        OnlyDiagonal,
        "only-diagonal",
        "tu n'as que la diagonale de la jacobienne, p_i·(1 − p_i) : bouger x_j change aussi les autres p_i, de −p_i·p_j",
        "you only have the diagonal of the Jacobian, p_i·(1 − p_i): moving x_j changes the other p_i, too, by −p_i·p_j",
    ),
    (
        NoSum,
        "missing-sum",
        "il manque le terme de somme : dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ ; sans lui, les dx d'une ligne ne somment pas à 0",
        "the sum is missing: dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ; without it the dx of a row do not add up to 0",
    ),
    (
        NoP,
        "missing-p",
        "il manque le facteur p_i devant la parenthèse : dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "the factor p_i in front of the bracket is missing: dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        Sign,
        "wrong-sign",
        "le signe est inversé : dp_i moins la somme, pas la somme moins dp_i",
        "the sign is reversed: dp_i minus the sum, not the sum minus dp_i",
    ),
    (
        PlusSum,
        "added-sum",
        "la somme doit être retranchée, pas ajoutée : la jacobienne hors diagonale est −p_i·p_j",
        "the sum must be subtracted, not added: off its diagonal the Jacobian is −p_i·p_j",
    ),
    (
        PlainSum,
        "unweighted-sum",
        "la somme doit être pondérée par p : Σ_j p_j·dp_j, pas Σ_j dp_j",
        "the sum must be weighted by p: Σ_j p_j·dp_j, not Σ_j dp_j",
    ),
    (
        Mean,
        "mean-instead-of-weighted-sum",
        "tu retranches la moyenne des dp ; c'est leur moyenne pondérée par p, Σ_j p_j·dp_j",
        "you subtract the mean of the dp; it is their mean weighted by p, Σ_j p_j·dp_j",
    ),
    (
        WholeMatrix,
        "sum-over-everything",
        "la somme va sur toute la matrice : chaque ligne de n est un softmax à elle seule",
        "the sum goes over the whole matrix: each row of n is a softmax of its own",
    ),
    (
        Columns,
        "wrong-axis",
        "la somme descend les colonnes : un softmax est une ligne de n valeurs qui se suivent",
        "the sum goes down the columns: a softmax is a row of n values side by side",
    ),
    (
        NoTemperature,
        "missing-temperature",
        "il manque 1/τ : le softmax reçoit x/τ, et la règle de la chaîne rend ce facteur",
        "1/τ is missing: softmax gets x/τ, and the chain rule gives that factor back",
    ),
    (
        TimesTemperature,
        "multiplied-by-temperature",
        "tu multiplies par τ : x est divisé par τ à l'aller, son gradient l'est aussi au retour",
        "you multiply by τ: x is divided by τ going forward, and so is its gradient going back",
    ),
    (
        SoftmaxAgain,
        "softmax-again",
        "p est déjà la sortie du softmax : n'applique pas softmax à p une seconde fois",
        "p already is softmax's output: do not apply softmax to p a second time",
    ),
    (
        LogSoftmax,
        "log-softmax",
        "dp − p·Σ dp est le gradient de log-softmax ; ici la sortie est p, pas ln p",
        "dp − p·Σ dp is the gradient of log-softmax; here the output is p, not ln p",
    ),
    (
        SumWithoutSelf,
        "sum-without-itself",
        "la somme doit contenir j = i : le terme diagonal est p_i·(1 − p_i), et le −p_i² vient de là",
        "the sum must include j = i: the diagonal is p_i·(1 − p_i), and the −p_i² comes from there",
    ),
    (
        JacobianRow,
        "diagonal-without-gradient",
        "le terme diagonal p_i·(1 − p_i) doit être multiplié par dp_i, et chaque −p_i·p_j par dp_j",
        "the diagonal p_i·(1 − p_i) must be multiplied by dp_i, and each −p_i·p_j by dp_j",
    ),
    (
        TanhLike,
        "tanh-derivative",
        "1 − p² est la dérivée de tanh ; celle de softmax est la matrice diag(p) − p·pᵀ",
        "1 − p² is the derivative of tanh; that of softmax is the matrix diag(p) − p·pᵀ",
    ),
    (
        TemperatureOnSum,
        "temperature-on-one-term",
        "tu ne divises par τ que la somme : toute la parenthèse est divisée, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "you divide only the sum by τ: the whole bracket is divided, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        TemperatureOnGradient,
        "temperature-on-one-term",
        "tu ne divises par τ que dp_i : toute la parenthèse est divisée, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "you divide only dp_i by τ: the whole bracket is divided, dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        RootTemperature,
        "root-of-temperature",
        "tu divises par √τ : c'est τ lui-même (dans l'attention, τ vaut déjà √d)",
        "you divide by √τ: it is τ itself (in attention τ already is √d)",
    ),
    (
        TemperatureTwice,
        "temperature-twice",
        "tu divises deux fois par τ : un seul facteur 1/τ vient de x/τ",
        "you divide by τ twice: x/τ gives a single factor 1/τ",
    ),
    (
        RootWidth,
        "root-of-width",
        "tu divises par √n, la racine de la longueur d'une ligne : le facteur est 1/τ, qui t'est donné",
        "you divide by √n, the root of a row's length: the factor is 1/τ, which you are given",
    ),
    (
        Average,
        "sum-divided-by-n",
        "tu divises Σ_j p_j·dp_j par n : p somme à 1, c'est donc déjà une moyenne",
        "you divide Σ_j p_j·dp_j by n: p adds up to 1, so it already is a mean",
    ),
    (
        MinusGradient,
        "cross-entropy-gradient",
        "p − y est le gradient de l'entropie croisée, où y est la cible ; ici on te donne dp, un gradient quelconque : dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
        "p − y is the gradient of the cross-entropy, y being the target; here you are given dp, any gradient: dx_i = p_i·(dp_i − Σ_j p_j·dp_j)/τ",
    ),
    (
        PlusOffDiagonal,
        "off-diagonal-sign",
        "hors diagonale, la jacobienne vaut −p_i·p_j : il te manque le signe moins",
        "off its diagonal the Jacobian is −p_i·p_j: you are missing the minus sign",
    ),
    (
        OffDiagonalOnly,
        "missing-diagonal",
        "il manque la diagonale de la jacobienne : le terme p_i·(1 − p_i)·dp_i",
        "the diagonal of the Jacobian is missing: the term p_i·(1 − p_i)·dp_i",
    ),
    (
        SumKept,
        "sum-not-reset",
        "la somme n'est pas remise à zéro entre deux lignes : chaque ligne a la sienne",
        "the sum is not set back to zero between two rows: each row has its own",
    ),
    (
        Running,
        "running-sum",
        "tu te sers de la somme avant qu'elle soit finie : calcule Σ_j p_j·dp_j sur toute la ligne dans une première boucle, puis dx dans une seconde",
        "you use the sum before it is complete: compute Σ_j p_j·dp_j over the whole row in a first loop, then dx in a second",
    ),
    (
        SumOfP,
        "sum-of-p",
        "la somme retranchée vaut 1 : tu additionnes les p_j seuls, il faut Σ_j p_j·dp_j",
        "the sum you subtract is 1: you add up the p_j alone, it takes Σ_j p_j·dp_j",
    ),
    (
        Exchanged,
        "p-and-gradient-exchanged",
        "p et dp sont échangés : c'est p_i·(dp_i − Σ), pas dp_i·(p_i − Σ)",
        "p and dp are exchanged: it is p_i·(dp_i − Σ), not dp_i·(p_i − Σ)",
    ),
    (
        LastTermMissing,
        "last-term-missing",
        "la somme oublie le dernier terme de la ligne : j va de 0 à n − 1 compris",
        "the sum leaves out the row's last term: j goes from 0 to n − 1, included",
    ),
    (
        LastRowMissing,
        "last-row-missing",
        "la dernière ligne est restée à zéro : il y en a p.len()/n",
        "the last row is still zero: there are p.len()/n of them",
    ),
    (
        RowsForWidth,
        "rows-for-width",
        "tu prends n pour le nombre de lignes : c'est leur longueur, et il y en a p.len()/n",
        "you take n for the number of rows: it is their length, and there are p.len()/n of them",
    ),
];
