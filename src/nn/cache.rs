//! Keys and values of the tokens already seen, so that decoding computes each only once.

use motamot_tensor::Buf;

/// For each layer, the keys and values of every sequence decoded side by side.
///
/// Layout of a layer's keys (and values): (rows, capacity, width), width = key–value heads × head dim.
pub struct KvCache {
    layers: Vec<(Buf, Buf)>,
    rows: usize,
    capacity: usize,
    width: usize,
    len: usize,
}

impl KvCache {
    /// Room for `capacity` tokens of `rows` sequences.
    pub fn new(layers: usize, rows: usize, capacity: usize, width: usize) -> KvCache {
        let size = rows * capacity * width;
        KvCache {
            layers: (0..layers).map(|_| (Buf::zeros(size), Buf::zeros(size))).collect(),
            rows,
            capacity,
            width,
            len: 0,
        }
    }

    /// Sequences side by side.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Tokens held per sequence.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Most tokens per sequence.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Elements between one token's keys and the next's.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Forgets all tokens; the memory stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets the tokens of each row after its first `len`: another text may go on from there.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The keys and values of a layer, each (rows, capacity, width).
    pub fn layer(&self, layer: usize) -> (&[f32], &[f32]) {
        let (k, v) = &self.layers[layer];
        (k, v)
    }

    /// Writes the keys and values of `n` new tokens per row behind those held, without counting them yet: the model
    /// calls [`KvCache::advance`] once all layers have done so. Each of `source`'s rows (rows·n of `stride` elements)
    /// holds the keys at `k_at` and the values at `v_at`. Panics if they do not fit.
    #[track_caller]
    pub fn append(&mut self, layer: usize, n: usize, source: &[f32], stride: usize, k_at: usize, v_at: usize) {
        assert!(self.len + n <= self.capacity, "cache: {} + {n} tokens exceed {}", self.len, self.capacity);
        assert_eq!(
            source.len(),
            self.rows * n * stride,
            "cache: {} values for {} rows of {n} tokens",
            source.len(),
            self.rows
        );
        let (k, v) = &mut self.layers[layer];
        for (i, row) in source.chunks_exact(stride).enumerate() {
            let at = ((i / n) * self.capacity + self.len + i % n) * self.width;
            k[at..][..self.width].copy_from_slice(&row[k_at..][..self.width]);
            v[at..][..self.width].copy_from_slice(&row[v_at..][..self.width]);
        }
    }

    /// Counts `n` more tokens per row.
    pub fn advance(&mut self, n: usize) {
        self.len += n;
    }

    /// Row i becomes a copy of row `from[i]`; there may be more or fewer rows than before. Panics if one is out of range.
    #[track_caller]
    pub fn select(&mut self, from: &[usize]) {
        assert!(from.iter().all(|&r| r < self.rows), "cache: rows {from:?} of {}", self.rows);
        let (row, used) = (self.capacity * self.width, self.len * self.width);
        let gather = |old: &Buf| {
            let mut new = Buf::zeros(from.len() * row);
            for (new, &r) in new.chunks_exact_mut(row).zip(from) {
                new[..used].copy_from_slice(&old[r * row..][..used]);
            }
            new
        };
        for (k, v) in &mut self.layers {
            (*k, *v) = (gather(k), gather(v));
        }
        self.rows = from.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn append_select_clear() {
        let mut cache = KvCache::new(1, 2, 3, 2);
        // Rows of four: q, k k, v v would be five; here k at 0, v at 2.
        cache.append(0, 1, &[1., 2., 3., 4., 5., 6., 7., 8.], 4, 0, 2);
        cache.advance(1);
        assert_eq!(cache.layer(0).0, &[1., 2., 0., 0., 0., 0., 5., 6., 0., 0., 0., 0.]);
        assert_eq!(cache.layer(0).1[6..8], [7., 8.]);
        cache.select(&[1, 1, 0]);
        assert_eq!((cache.rows(), cache.len()), (3, 1));
        assert_eq!(cache.layer(0).0[..2], [5., 6.]);
        assert_eq!(cache.layer(0).0[12..14], [1., 2.]);
        cache.truncate(2);
        assert_eq!(cache.len(), 1);
        cache.truncate(0);
        assert!(cache.is_empty());
    }
}
