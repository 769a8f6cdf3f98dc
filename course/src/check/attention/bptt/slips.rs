//! The usual mistakes of back-propagation through time, in words.

use super::super::Slip;
use super::Bug::{self, *};

pub(super) const IN_DZ: [Slip<Bug>; 22] = [
    (
        NoDerivative,
        "missing-tanh-derivative",
        "tu as oublié tanh′ : le gradient qui arrive à h_t doit être multiplié par 1 − h_t² pour devenir dz_t",
        "you forgot tanh′: the gradient that reaches h_t must be multiplied by 1 − h_t² to become dz_t",
    ),
    (
        NoFuture,
        "missing-future",
        "il manque le gradient qui vient du futur : h_t sert aussi à calculer h_{t+1}, donc dh_t = d_h[t] + Wᵀ·dz_{t+1}",
        "the gradient from the future is missing: h_t is also used for h_{t+1}, so dh_t = d_h[t] + Wᵀ·dz_{t+1}",
    ),
    (
        NotTransposed,
        "not-transposed",
        "W n'est pas transposée : à l'aller h_i reçoit W[i][j]·h_j, donc au retour c'est h_j qui reçoit Σ_i W[i][j]·dz_i (ici les vecteurs sont des colonnes, au contraire de la cellule du cours)",
        "W is not transposed: going forward h_i gets W[i][j]·h_j, so going back h_j gets Σ_i W[i][j]·dz_i (vectors are columns here, unlike in the notebook's cell)",
    ),
    (
        PreviousState,
        "derivative-at-previous-state",
        "tanh′ est prise au mauvais instant : c'est 1 − h_t², et h_t est la ligne t + 1 de `h` (la ligne 0 est l'état de départ)",
        "tanh′ is taken at the wrong step: it is 1 − h_t², and h_t is row t + 1 of `h` (row 0 is the starting state)",
    ),
    (
        NotSquared,
        "derivative-not-squared",
        "tanh′(z) = 1 − tanh²(z) : il manque le carré, tu as pris 1 − h",
        "tanh′(z) = 1 − tanh²(z): the square is missing, you took 1 − h",
    ),
    (
        TanhTwice,
        "tanh-twice",
        "h est déjà tanh(z) : ne reprends pas la tangente hyperbolique, tanh′ = 1 − h²",
        "h already is tanh(z): do not take tanh again, tanh′ = 1 − h²",
    ),
    (
        Sigmoid,
        "sigmoid-derivative",
        "h·(1 − h) est la dérivée de la sigmoïde ; celle de tanh est 1 − h²",
        "h·(1 − h) is the sigmoid's derivative; that of tanh is 1 − h²",
    ),
    (
        FutureBeforeTanh,
        "future-before-tanh",
        "ce qui remonte au pas précédent est Wᵀ·dz (après la multiplication par tanh′), pas Wᵀ·dh",
        "what goes back to the step before is Wᵀ·dz (after the multiplication by tanh′), not Wᵀ·dh",
    ),
    (
        TanhOnlyOwn,
        "future-not-through-tanh",
        "le gradient du futur arrive lui aussi à h_t, donc avant la tanh : (d_h + futur)·(1 − h²), pas d_h·(1 − h²) + futur",
        "the gradient from the future arrives at h_t, too, so before tanh: (d_h + future)·(1 − h²), not d_h·(1 − h²) + future",
    ),
    (
        TanhOnlyFuture,
        "own-not-through-tanh",
        "ta propre perte passe elle aussi par la tanh : (d_h + futur)·(1 − h²), pas d_h + futur·(1 − h²)",
        "the step's own loss goes through tanh, too: (d_h + future)·(1 − h²), not d_h + future·(1 − h²)",
    ),
    (
        FutureAccumulates,
        "future-accumulated",
        "le gradient du futur s'accumule d'un pas à l'autre : h_t ne nourrit que h_{t+1}, remplace `futur` à chaque pas (c'est dW qui s'accumule)",
        "the gradient from the future piles up from step to step: h_t feeds h_{t+1} only, replace `future` at each step (it is dW that accumulates)",
    ),
    (
        OwnLost,
        "own-gradient-lost",
        "seul le dernier pas reçoit sa propre perte : à chaque pas, ajoute d_h[t] à ce qui vient du futur",
        "only the last step gets its own loss: at each step add d_h[t] to what comes from the future",
    ),
    (
        ForwardOrder,
        "forward-order",
        "tu parcours le temps dans le sens de l'aller : le retour va du dernier pas au premier, `(0..t).rev()`",
        "you walk through time in the forward direction: the backward goes from the last step to the first, `(0..t).rev()`",
    ),
    (
        NoWeights,
        "missing-weights",
        "le gradient du futur doit traverser W : c'est Wᵀ·dz_{t+1}, pas dz_{t+1}",
        "the gradient from the future has to go through W: it is Wᵀ·dz_{t+1}, not dz_{t+1}",
    ),
    (
        Sign,
        "wrong-sign",
        "le signe est inversé : on demande le gradient lui-même, pas le pas de descente",
        "the sign is reversed: the gradient itself is wanted, not the descent step",
    ),
    (
        LastSkipped,
        "last-step-skipped",
        "le dernier pas est oublié : la boucle doit commencer à t − 1, `(0..t).rev()`",
        "the last step is left out: the loop must start at t − 1, `(0..t).rev()`",
    ),
    (
        FirstSkipped,
        "first-step-skipped",
        "le premier pas est oublié : la boucle doit aller jusqu'à 0 compris",
        "the first step is left out: the loop must go down to 0 and include it",
    ),
    (Squared, "derivative-without-one", "tanh′ vaut 1 − h², tu as pris h²", "tanh′ is 1 − h², you took h²"),
    (
        TimeReversed,
        "time-reversed",
        "tes dz sont justes, mais le temps est à l'envers (des `push` ou `extend` dans une boucle qui recule ?) : la ligne 0 de dz est le premier pas",
        "your dz are right, but time runs backwards (`push` or `extend` in a loop that goes back?): row 0 of dz is the first step",
    ),
    (
        GradientOfState,
        "gradient-before-tanh",
        "tu rends le gradient de h_t (d_h + futur) : dz_t est celui d'avant la tanh, multiplié par 1 − h_t²",
        "you return the gradient of h_t (d_h + future): dz_t is the one before tanh, multiplied by 1 − h_t²",
    ),
    (
        OneStep,
        "one-step-only",
        "le gradient du futur ne remonte que d'un pas : il doit venir du dz_{t+1} complet, qui contient lui-même son futur, pas de d_h[t+1]·(1 − h²) seul",
        "the gradient from the future goes back one step only: it must come from the whole dz_{t+1}, which holds its own future, not from d_h[t+1]·(1 − h²) alone",
    ),
    (
        FutureInLoop,
        "future-changed-inside-loop",
        "`futur` change pendant la boucle sur i : les i suivants se servent d'un futur déjà remplacé. Calcule d'abord tous les dz_t, puis le nouveau futur",
        "`future` changes within the loop over i: the next i use a future that has been replaced. Compute all of dz_t first, then the new future",
    ),
];

pub(super) const IN_DW: [Slip<Bug>; 10] = [
    (
        OverwrittenFirst,
        "overwritten",
        "dW est écrasée à chaque pas au lieu d'être accumulée : la même W sert à tous les pas, donc `+=`",
        "dW is overwritten at each step instead of accumulated: the same W serves all steps, so `+=`",
    ),
    (
        OverwrittenLast,
        "overwritten",
        "dW ne contient qu'un seul pas : la même W sert à tous, il faut faire la somme sur le temps, `+=`",
        "dW holds a single step only: the same W serves all of them, sum over time, `+=`",
    ),
    (
        StateAfter,
        "state-after",
        "dW = Σ_t dz_t·h_{t−1}ᵀ : W multiplie l'état d'avant (la ligne t de `h`), tu as pris celui d'après",
        "dW = Σ_t dz_t·h_{t−1}ᵀ: W multiplies the state before (row t of `h`), you took the one after",
    ),
    (
        Transposed,
        "gradient-transposed",
        "dW est transposée : W[i][j] relie h_j à z_i, donc dW[i][j] = Σ_t dz_i·h_j",
        "dW is transposed: W[i][j] links h_j to z_i, so dW[i][j] = Σ_t dz_i·h_j",
    ),
    (
        Mean,
        "mean-over-time",
        "dW est divisée par T : la dérivée d'une somme de pertes est la somme sur les pas, pas leur moyenne",
        "dW is divided by T: the derivative of a sum of losses is the sum over the steps, not their mean",
    ),
    (
        BeforeTanh,
        "weights-before-tanh",
        "dW utilise le gradient de h_t au lieu de dz_t : W agit avant la tanh, multiplie d'abord par 1 − h_t²",
        "dW uses the gradient of h_t instead of dz_t: W acts before tanh, multiply by 1 − h_t² first",
    ),
    (
        OwnOnly,
        "weights-own-loss-only",
        "dW n'utilise que la perte de chaque pas (d_h) : il faut dz_t, qui contient aussi ce qui vient du futur",
        "dW uses each step's own loss only (d_h): it needs dz_t, which also holds what comes from the future",
    ),
    (
        SignW,
        "wrong-sign",
        "le signe de dW est inversé : on demande le gradient lui-même, pas le pas de descente",
        "the sign of dW is reversed: the gradient itself is wanted, not the descent step",
    ),
    (
        FirstMissing,
        "first-step-missing",
        "le premier pas manque dans dW : l'état de départ h_0 (ligne 0) n'est pas forcément nul",
        "the first step is missing in dW: the starting state h_0 (row 0) need not be zero",
    ),
    (
        LastMissing,
        "last-step-missing",
        "le dernier pas manque dans dW : la somme va de t = 0 à T − 1 compris",
        "the last step is missing in dW: the sum goes from t = 0 to T − 1, both included",
    ),
];
