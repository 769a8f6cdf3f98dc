//! Keys and values of the tokens already seen, so that decoding computes each only once.

use motamot_kernels::attention::CacheLayout;
use motamot_tensor::Buf;

/// For each layer, the keys and values of every sequence decoded side by side, in the layout that decoding wants; and
/// the working memory of decoding, so that a token allocates nothing.
pub struct KvCache {
    layout: CacheLayout,
    layers: usize,
    rows: usize,
    len: usize,
    /// (layers, rows, parts of the layout).
    keys: Buf,
    values: Buf,
    scratch: Buf,
}

impl KvCache {
    /// Room for `capacity` tokens of `rows` sequences, in each of `layers` with `kv_heads` of `head_dim`.
    pub fn new(layers: usize, rows: usize, capacity: usize, kv_heads: usize, head_dim: usize) -> KvCache {
        let layout = CacheLayout::new(kv_heads, head_dim, capacity);
        let parts = layers * rows * layout.parts();
        // Nothing is read that was not written, except lanes that are then dropped.
        let (keys, values) = (Buf::stale(parts * layout.part_keys()), Buf::stale(parts * layout.part_values()));
        KvCache { layout, layers, rows, len: 0, keys, values, scratch: Buf::zeros(0) }
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
        self.layout.capacity
    }

    /// How a layer's keys and values lie.
    pub fn layout(&self) -> CacheLayout {
        self.layout
    }

    /// Elements of one token's keys.
    fn width(&self) -> usize {
        self.layout.kv_heads * self.layout.head_dim
    }

    /// Forgets all tokens; the memory stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// All keys, all values and the working memory, for the kernel of decoding.
    pub(crate) fn buffers(&mut self) -> [&mut Buf; 3] {
        [&mut self.keys, &mut self.values, &mut self.scratch]
    }

    /// The keys and values of part `part` of a layer's row.
    fn part(&mut self, layer: usize, row: usize, part: usize) -> (&mut [f32], &mut [f32]) {
        let (at, l) = ((layer * self.rows + row) * self.layout.parts() + part, self.layout);
        let keys = &mut self.keys[at * l.part_keys()..][..l.part_keys()];
        (keys, &mut self.values[at * l.part_values()..][..l.part_values()])
    }

    /// A copy of the first `tokens` keys and values of each row of a layer, (rows, tokens, width) both.
    pub fn layer(&mut self, layer: usize, tokens: usize) -> (Buf, Buf) {
        let (width, layout, parts) = (self.width(), self.layout, self.layout.parts());
        let [mut k, mut v] = [0; 2].map(|_| Buf::stale(self.rows * tokens * width));
        let columns = width / parts;
        for i in 0..self.rows * tokens * parts {
            let (row, token, part) = (i / parts / tokens, i / parts % tokens, i % parts);
            let (keys, values) = self.part(layer, row, part);
            let at = i * columns..(i + 1) * columns;
            layout.get(token, keys, values, &mut k[at.clone()], &mut v[at]);
        }
        (k, v)
    }

    /// Forgets the tokens of each row after its first `len`: another text may go on from there.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Writes the keys and values of `n` new tokens per row behind those held, without counting them yet: the model
    /// calls [`KvCache::advance`] once all layers have done so. Each of `source`'s rows (rows·n of `stride` elements)
    /// holds the keys at `k_at` and the values at `v_at`. Panics if they do not fit.
    #[track_caller]
    pub fn append(&mut self, layer: usize, n: usize, source: &[f32], stride: usize, k_at: usize, v_at: usize) {
        let (len, rows, layout) = (self.len, self.rows, self.layout);
        assert!(len + n <= layout.capacity, "cache: {len} + {n} tokens exceed {}", layout.capacity);
        assert_eq!(source.len(), rows * n * stride, "cache: {} values for {rows} rows of {n} tokens", source.len());
        let columns = self.width() / layout.parts();
        for (i, values) in source.chunks_exact(stride).enumerate() {
            let (k, v) = (values[k_at..].chunks_exact(columns), values[v_at..].chunks_exact(columns));
            for (part, (k, v)) in k.zip(v).take(layout.parts()).enumerate() {
                let (keys, values) = self.part(layer, i / n, part);
                layout.put(len + i % n, k, v, keys, values);
            }
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
        let (layers, rows) = (self.layers, self.rows);
        let gather = |old: &Buf| {
            let row = old.len() / (layers * rows);
            let mut new = Buf::stale(layers * from.len() * row);
            for (i, new) in new.chunks_exact_mut(row).enumerate() {
                new.copy_from_slice(&old[(i / from.len() * rows + from[i % from.len()]) * row..][..row]);
            }
            new
        };
        (self.keys, self.values) = (gather(&self.keys), gather(&self.values));
        self.rows = from.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn append_select_clear() {
        // Two rows, three tokens, two heads of one element.
        let mut cache = KvCache::new(1, 2, 3, 2, 1);
        // Rows of four: k at 0, v at 2.
        cache.append(0, 1, &[1., 2., 3., 4., 5., 6., 7., 8.], 4, 0, 2);
        cache.advance(1);
        let (k, v) = cache.layer(0, 1);
        assert_eq!((&k[..], &v[..]), (&[1., 2., 5., 6.][..], &[3., 4., 7., 8.][..]));
        cache.select(&[1, 1, 0]);
        assert_eq!((cache.rows(), cache.len()), (3, 1));
        cache.append(0, 1, &[9.; 12], 4, 0, 2);
        let (k, v) = cache.layer(0, 2);
        assert_eq!(k[..], [5., 6., 9., 9., 5., 6., 9., 9., 1., 2., 9., 9.]);
        assert_eq!(v[..], [7., 8., 9., 9., 7., 8., 9., 9., 3., 4., 9., 9.]);
        cache.truncate(2);
        assert_eq!(cache.len(), 1);
        cache.truncate(0);
        assert!(cache.is_empty());
    }
}
