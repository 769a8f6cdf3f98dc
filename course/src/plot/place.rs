//! Free places for labels.

/// A place on the page: x to the right, y downwards.
pub(super) type At = (f64, f64);

/// A rectangle of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Rect {
    pub fn around((x, y): At, half: f64) -> Rect {
        Rect { left: x - half, top: y - half, right: x + half, bottom: y + half }
    }

    /// With a little air around it.
    pub fn wider(&self) -> Rect {
        Rect { left: self.left - 2.0, top: self.top - 1.0, right: self.right + 2.0, bottom: self.bottom + 1.0 }
    }

    pub fn middle(&self) -> At {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// As x, y, width, height.
    pub fn block(&self) -> [f64; 4] {
        [self.left, self.top, self.right - self.left, self.bottom - self.top]
    }

    /// The area that two rectangles share.
    pub fn shared(&self, other: &Rect) -> f64 {
        let w = self.right.min(other.right) - self.left.max(other.left);
        let h = self.bottom.min(other.bottom) - self.top.max(other.top);
        w.max(0.0) * h.max(0.0)
    }

    /// The area that lies outside of another.
    pub fn outside(&self, other: &Rect) -> f64 {
        (self.right - self.left) * (self.bottom - self.top) - self.shared(other)
    }

    /// How much of the line from `a` to `b` lies inside, in pixels.
    pub fn crossed(&self, a: At, b: At) -> f64 {
        let (mut from, mut to) = (0.0f64, 1.0f64);
        for (start, end, low, high) in [(a.0, b.0, self.left, self.right), (a.1, b.1, self.top, self.bottom)] {
            let d = end - start;
            if d == 0.0 {
                if start < low || start > high {
                    return 0.0;
                }
                continue;
            }
            let (p, q) = ((low - start) / d, (high - start) / d);
            from = from.max(p.min(q));
            to = to.min(p.max(q));
        }
        (to - from).max(0.0) * (b.0 - a.0).hypot(b.1 - a.1)
    }
}

/// Boxes for a label of this size beside a dot: near ones first, then some farther away.
pub(super) fn beside((x, y): At, (w, h): (f64, f64), radius: f64) -> impl Iterator<Item = Rect> {
    // Where the box lies seen from the dot: −1 left or above, 0 centred, 1 right or below.
    const SIDES: [(f64, f64); 8] =
        [(1.0, 0.0), (-1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
    [radius + 3.0, radius + 12.0, radius + 24.0].into_iter().flat_map(move |gap| {
        SIDES.into_iter().map(move |(sx, sy)| {
            // On a diagonal both distances add up: stay as near.
            let gap = if sx != 0.0 && sy != 0.0 { gap * 0.6 } else { gap };
            let (cx, cy) = (x + sx * (w / 2.0 + gap), y + sy * (h / 2.0 + gap));
            Rect { left: cx - w / 2.0, top: cy - h / 2.0, right: cx + w / 2.0, bottom: cy + h / 2.0 }
        })
    })
}

/// The first of the candidates with the lowest cost.
pub(super) fn cheapest(candidates: impl Iterator<Item = Rect>, cost: impl Fn(&Rect) -> f64) -> Option<Rect> {
    let mut best: Option<(f64, Rect)> = None;
    for rect in candidates {
        let cost = cost(&rect);
        if best.is_none_or(|b| cost < b.0) {
            best = Some((cost, rect));
        }
        if cost == 0.0 {
            break;
        }
    }
    best.map(|b| b.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_know_what_they_share_and_what_crosses_them() {
        let a = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 4.0 };
        assert_eq!(a.shared(&Rect { left: 8.0, top: 2.0, right: 20.0, bottom: 20.0 }), 4.0);
        assert_eq!(a.shared(&Rect { left: 11.0, top: 0.0, right: 20.0, bottom: 4.0 }), 0.0);
        assert_eq!(a.outside(&Rect { left: 5.0, top: 0.0, right: 20.0, bottom: 4.0 }), 20.0);
        assert_eq!(a.crossed((-5.0, 2.0), (15.0, 2.0)), 10.0);
        assert_eq!(a.crossed((5.0, -6.0), (5.0, 2.0)), 2.0);
        assert_eq!(a.crossed((-5.0, 5.0), (15.0, 5.0)), 0.0);
        assert_eq!(a.crossed((-5.0, 0.0), (0.0, 9.0)), 0.0);
    }

    #[test]
    fn a_taken_side_is_avoided() {
        let taken = Rect { left: 50.0, top: 0.0, right: 200.0, bottom: 200.0 };
        let place = cheapest(beside((50.0, 50.0), (30.0, 12.0), 4.0), |r| r.shared(&taken)).unwrap();
        assert_eq!(place, Rect { left: 13.0, top: 44.0, right: 43.0, bottom: 56.0 });
    }
}
