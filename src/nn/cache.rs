//! Keys and values of the tokens already seen, so that decoding computes each only once.

use motamot_kernels::attention::CacheLayout;
use motamot_tensor::Buf;

/// The keys and values of some sequences' tokens in every layer, a *row* for each sequence, in the layout that decoding
/// wants; and the working memory of decoding, so that a token allocates nothing.
///
/// Each row has its own length. A row keeps its number: when its sequence has ended it is truncated to 0 and free for
/// another, and no other row moves.
pub struct KvCache {
    layout: CacheLayout,
    layers: usize,
    /// Tokens held by each row.
    lens: Vec<usize>,
    /// (rows that there is room for, layers, parts of the layout).
    keys: Buf,
    values: Buf,
    scratch: Buf,
}

impl KvCache {
    /// `rows` empty rows for up to `capacity` tokens, in each of `layers` with `kv_heads` of `head_dim`.
    pub fn new(layers: usize, rows: usize, capacity: usize, kv_heads: usize, head_dim: usize) -> KvCache {
        let layout = CacheLayout::new(kv_heads, head_dim, capacity);
        let [keys, values, scratch] = [0; 3].map(Buf::zeros);
        let mut cache = KvCache { layout, layers, lens: vec![0; rows], keys, values, scratch };
        cache.make_room(rows);
        cache
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.lens.len()
    }

    /// Tokens held by a row.
    pub fn len(&self, row: usize) -> usize {
        self.lens[row]
    }

    /// Most tokens of a row.
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

    /// Adds an empty row and returns its number. Where there is no room left it doubles, so that rows are seldom moved.
    pub fn push_row(&mut self) -> usize {
        let row = self.rows();
        self.lens.push(0);
        if self.part_of(row + 1, 0) * self.layout.part_keys() > self.keys.len() {
            self.make_room(2 * row.max(1));
        }
        row
    }

    /// Makes room for so many rows.
    fn make_room(&mut self, rows: usize) {
        let parts = self.part_of(rows, 0);
        let grow = |old: &mut Buf, part: usize| {
            // Nothing is read that was not written, except lanes that are then dropped.
            let mut new = Buf::stale(parts * part);
            new[..old.len()].copy_from_slice(old);
            *old = new;
        };
        grow(&mut self.keys, self.layout.part_keys());
        grow(&mut self.values, self.layout.part_values());
    }

    /// Forgets the tokens of a row after its first `len`: another text may go on from there.
    pub fn truncate(&mut self, row: usize, len: usize) {
        self.lens[row] = self.lens[row].min(len);
    }

    /// Row `to` becomes a copy of row `from`; only tokens that it holds are copied.
    pub fn copy_row(&mut self, from: usize, to: usize) {
        let len = self.lens[from];
        self.lens[to] = len;
        let [from, to] = [from, to].map(|row| self.part_of(row, 0)..self.part_of(row + 1, 0));
        for (from, to) in from.zip(to) {
            self.layout.copy(len, from, to, &mut self.keys, &mut self.values);
        }
    }

    /// For the kernel of decoding: the number of tokens of each row, all keys, all values, and working memory of at least
    /// `scratch` elements.
    pub(crate) fn buffers(&mut self, scratch: usize) -> (&[usize], [&mut [f32]; 3]) {
        let (parts, l) = (self.part_of(self.rows(), 0), self.layout);
        if self.scratch.len() < scratch {
            self.scratch = Buf::stale(scratch);
        }
        let (keys, values) = (&mut self.keys[..parts * l.part_keys()], &mut self.values[..parts * l.part_values()]);
        (&self.lens, [keys, values, &mut self.scratch[..scratch]])
    }

    /// The number of the first part of a layer of a row.
    fn part_of(&self, row: usize, layer: usize) -> usize {
        (row * self.layers + layer) * self.layout.parts()
    }

    /// The keys and values of part `at`.
    fn part(&mut self, at: usize) -> (&mut [f32], &mut [f32]) {
        let l = self.layout;
        let keys = &mut self.keys[at * l.part_keys()..][..l.part_keys()];
        (keys, &mut self.values[at * l.part_values()..][..l.part_values()])
    }

    /// A copy of the keys and values of a row's first `tokens` tokens in a layer, (tokens, width) both.
    pub fn layer(&mut self, row: usize, layer: usize, tokens: usize) -> (Buf, Buf) {
        let (width, layout, parts) = (self.width(), self.layout, self.layout.parts());
        let [mut k, mut v] = [0; 2].map(|_| Buf::stale(tokens * width));
        let (first, columns) = (self.part_of(row, layer), width / parts);
        let pieces = k.chunks_exact_mut(columns).zip(v.chunks_exact_mut(columns));
        for (i, (k, v)) in pieces.enumerate() {
            let (keys, values) = self.part(first + i % parts);
            layout.get(i / parts, keys, values, k, v);
        }
        (k, v)
    }

    /// Writes the keys and values of new tokens in a layer behind those that a row holds, without counting them yet: the
    /// model calls [`KvCache::advance`] once all layers have done so. `source` has `stride` elements for each token,
    /// the keys at `k_at` and the values at `v_at` of them. Panics if they do not fit.
    #[track_caller]
    pub fn append(&mut self, row: usize, layer: usize, source: &[f32], stride: usize, k_at: usize, v_at: usize) {
        let (len, n, layout) = (self.lens[row], source.len() / stride, self.layout);
        assert!(len + n <= layout.capacity, "cache: {len} + {n} tokens exceed {}", layout.capacity);
        let (first, columns) = (self.part_of(row, layer), self.width() / layout.parts());
        for (i, values) in source.chunks_exact(stride).enumerate() {
            let (k, v) = (values[k_at..].chunks_exact(columns), values[v_at..].chunks_exact(columns));
            for (part, (k, v)) in k.zip(v).take(layout.parts()).enumerate() {
                let (keys, values) = self.part(first + part);
                layout.put(len + i, k, v, keys, values);
            }
        }
    }

    /// Counts `n` more tokens of a row.
    pub fn advance(&mut self, row: usize, n: usize) {
        self.lens[row] += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_lengths_of_their_own() {
        // Two rows, three tokens, two heads of one element.
        let mut cache = KvCache::new(1, 2, 3, 2, 1);
        // Four numbers for a token: k at 0, v at 2.
        let append = |cache: &mut KvCache, row, source: &[f32]| {
            cache.append(row, 0, source, 4, 0, 2);
            cache.advance(row, source.len() / 4);
        };
        append(&mut cache, 0, &[1., 2., 3., 4.]);
        append(&mut cache, 1, &[5., 6., 7., 8., 9., 10., 11., 12.]);
        let (k, v) = cache.layer(1, 0, 2);
        assert_eq!((&k[..], &v[..]), (&[5., 6., 9., 10.][..], &[7., 8., 11., 12.][..]));
        // More rows than there is room for, some of which become copies.
        let added: Vec<usize> = (0..5).map(|_| cache.push_row()).collect();
        assert_eq!((added, cache.rows()), (vec![2, 3, 4, 5, 6], 7));
        cache.copy_row(1, 3);
        cache.copy_row(0, 1);
        append(&mut cache, 1, &[0.; 4]);
        append(&mut cache, 3, &[0.; 4]);
        assert_eq!((0..5).map(|row| cache.len(row)).collect::<Vec<_>>(), [1, 2, 0, 3, 0]);
        for (row, k, v) in [
            (0, &[1., 2.][..], &[3., 4.][..]),
            (1, &[1., 2., 0., 0.], &[3., 4., 0., 0.]),
            (3, &[5., 6., 9., 10., 0., 0.], &[7., 8., 11., 12., 0., 0.]),
        ] {
            let (keys, values) = cache.layer(row, 0, cache.len(row));
            assert_eq!((&keys[..], &values[..]), (k, v), "row {row}");
        }
        cache.truncate(3, 7);
        assert_eq!(cache.len(3), 3);
        cache.truncate(3, 0);
        assert_eq!((cache.len(3), cache.len(1)), (0, 2));
    }
}
