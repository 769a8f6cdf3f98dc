"""Fits the polynomials of crates/kernels/src/math.rs and prints their coefficients, lowest power first.

Weighted least squares at Chebyshev nodes, in 60-digit arithmetic, then each coefficient is rounded to f32 and
the later ones are fitted again (so the rounding of the first is paid for by the rest). Needs mpmath and numpy.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 60


def fit(f, weight, lo, hi, degree, nodes=200):
    """Coefficients c so that weight·(Σ c_k x^k − f) is small on [lo, hi]; and the largest weighted error."""
    xs = [(mp.mpf(lo) + hi) / 2 + (mp.mpf(hi) - lo) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * nodes)) for i in range(nodes)]
    fs = [f(x) for x in xs]
    lawson = [mp.mpf(1)] * nodes
    for _ in range(12):  # Lawson's reweighting turns least squares into minimax
        ws = [weight(x) * mp.sqrt(l) for x, l in zip(xs, lawson)]
        fixed = []
        while len(fixed) <= degree:
            rest = range(len(fixed), degree + 1)
            a = mp.matrix([[w * x**k for k in rest] for x, w in zip(xs, ws)])
            b = mp.matrix([w * (y - sum(c * x**k for k, c in enumerate(fixed))) for x, y, w in zip(xs, fs, ws)])
            fixed.append(mp.mpf(float(np.float32(float(mp.lu_solve(a, b)[0])))))
        errors = [abs(weight(x) * (sum(c * x**k for k, c in enumerate(fixed)) - y)) for x, y in zip(xs, fs)]
        total = sum(l * e for l, e in zip(lawson, errors))
        lawson = [l * e / total * nodes for l, e in zip(lawson, errors)]
    return fixed, max(errors)


def show(name, c, error):
    print(f"{name}: weighted error {float(error):.2e}")
    print("    [" + ", ".join(f"{float(v):.9g}" for v in c) + "]")


half = mp.log(2) / 2 + mp.mpf("0.0001")
show("EXP    e^r = 1 + r + r^2 P(r)",
     *fit(lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / abs(mp.expm1(r)), -half, half, 4, 160))
lo, hi = mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(2) - 1
show("LN     ln(1+f) = f - f^2/2 + f^3 P(f)",
     *fit(lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3, lambda f: abs(f**3 / mp.log1p(f)), lo, hi, 8, 120))
show("EXP2   2^f = P(f), |f| <= 1/2, in bf16", *fit(lambda f: mp.mpf(2)**f, lambda f: mp.mpf(2)**-f, -mp.mpf("0.5001"), mp.mpf("0.5001"), 3, 120))
edge = mp.mpf("0.92")
show("ERF    erf(x) = x + x P(x^2), |x| < 0.92",
     *fit(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), mp.mpf("1e-8"), edge**2, 6, 120))
show("ERFC   erfc(a) = exp(-P(a)), 0.92 <= a < 4",
     *fit(lambda a: -mp.log(mp.erfc(a)), lambda a: mp.erfc(a) / mp.erf(a), edge, mp.mpf(4), 8, 120))
q = mp.mpf("0.2501")
show("SIN    sin(pi/2 r) = r P(r^2), |r| <= 1/2", *fit(lambda z: mp.sin(mp.pi / 2 * mp.sqrt(z)) / mp.sqrt(z), lambda z: mp.sqrt(z) / mp.sin(mp.pi / 2 * mp.sqrt(z)), mp.mpf("1e-8"), q, 4, 100))
show("COS    cos(pi/2 r) = 1 + r^2 P(r^2), |r| <= 1/2", *fit(lambda z: (mp.cos(mp.pi / 2 * mp.sqrt(z)) - 1) / z, lambda z: z, mp.mpf("1e-8"), q, 3, 100))
