//! Files in the safetensors format: 8 bytes header length, a JSON header {name: {dtype, shape, data_offsets}}, the data.
//!
//! Read through a memory map, so that a model opens in the time of looking at it once, and weights that are F32 are not
//! even copied. Everything in the header is checked against the length of the file first; a file that another program
//! cuts later, while it is open, would end the process: see [`motamot_kernels::file_map`].

use crate::utils::fs::open_regular;
use crate::utils::json::{Fields, shown};
use crate::utils::{Error, Result};
use motamot_kernels::file_map::FileMap;
use motamot_kernels::{bf16, parallel};
use motamot_tensor::Buf;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest header. The format allows 100 MB, which a hostile file could blow up to gigabytes of JSON; a model with
/// ten thousand tensors has 1 MB.
const HEADER_LIMIT: usize = 32 << 20;
/// Bytes written at once.
const CHUNK: usize = 1 << 20;
/// Numbers that a thread looks at in one go.
const PIECE: usize = 1 << 18;

/// How the numbers of a file are stored. In memory they are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 4 bytes.
    F32,
    /// 2 bytes, IEEE half.
    F16,
    /// 2 bytes, the upper half of an f32.
    Bf16,
    /// Something that no weight may be; a buffer that is skipped may.
    Other,
}

impl Dtype {
    /// The name in a header → how it is stored, bytes of a number.
    fn named(name: &str) -> Option<(Dtype, usize)> {
        Some(match name {
            "F32" => (Dtype::F32, 4),
            "F16" => (Dtype::F16, 2),
            "BF16" => (Dtype::Bf16, 2),
            "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" => (Dtype::Other, 1),
            "I16" | "U16" => (Dtype::Other, 2),
            "I32" | "U32" => (Dtype::Other, 4),
            "I64" | "U64" | "F64" => (Dtype::Other, 8),
            _ => return None,
        })
    }
}

/// One entry of a header.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How it is stored.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where its bytes are in the file.
    bytes: Range<usize>,
}

impl Entry {
    /// `data` is where the bytes of all tensors are.
    fn parse(fields: &Fields, data: &Range<usize>) -> Result<Entry> {
        fields.only(&["dtype", "shape", "data_offsets"])?;
        let name = fields.required("dtype", Fields::text)?;
        let unknown = || fields.error("dtype", format!("unknown: {}", shown(&name.into())));
        let (dtype, size) = Dtype::named(name).ok_or_else(unknown)?;
        let shape = fields.required("shape", Fields::numbers)?;
        let needed = shape.iter().try_fold(size, |n, &d| n.checked_mul(d));
        let needed = needed.ok_or_else(|| fields.error("shape", "overflows"))?;
        let wrong = |why: String| Err(fields.error("data_offsets", why));
        match fields.required("data_offsets", Fields::numbers)?[..] {
            [from, to] if from > to || to > data.len() => {
                wrong(format!("{from}..{to} is not within the {} bytes of data", data.len()))
            }
            [from, to] if to - from != needed => {
                wrong(format!("{} bytes, where the shape {shape:?} needs {needed}", to - from))
            }
            [from, to] => Ok(Entry { dtype, shape, bytes: data.start + from..data.start + to }),
            _ => wrong("not two numbers".into()),
        }
    }
}

/// A safetensors file, open for reading.
pub struct TensorFile {
    path: PathBuf,
    map: Arc<FileMap>,
    entries: BTreeMap<String, Entry>,
}

impl TensorFile {
    /// Opens a file and checks its header.
    pub fn open(path: impl AsRef<Path>) -> Result<TensorFile> {
        let path = path.as_ref().to_path_buf();
        let map = FileMap::open(&open_regular(&path)?).map_err(|e| Error::io("map", &path, e))?;
        let entries = parse_header(&map, &path.display().to_string())
            .map_err(|e| e.help("the file is damaged or incomplete: copy or download it again"))?;
        Ok(TensorFile { path, map: Arc::new(map), entries })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors by name.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// An error about one tensor of this file.
    pub fn error(&self, name: &str, why: impl std::fmt::Display) -> Error {
        Error::new(format!("{}: {name}: {why}", self.path.display()))
    }

    /// A tensor of which name and shape are known. It must be there, of this shape, of type F32, F16 or BF16, and finite
    /// throughout. F32 that is aligned stays in the file's memory; else it is copied.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Buf> {
        let entry = self.expect(name, shape)?;
        let bytes = &entry.bytes;
        let mapped = (entry.dtype == Dtype::F32).then(|| Buf::mapped(self.map.clone(), bytes.clone())).flatten();
        let data = mapped.unwrap_or_else(|| {
            let mut data = Buf::stale(shape.iter().product());
            let (bytes, size) = (&self.map[bytes.clone()], if entry.dtype == Dtype::F32 { 4 } else { 2 });
            parallel::chunks_mut(&mut data, PIECE, |i, out| {
                let bytes = &bytes[i * PIECE * size..][..out.len() * size];
                match entry.dtype {
                    Dtype::F32 => convert(bytes, out, f32::from_le_bytes),
                    Dtype::F16 => convert(bytes, out, |b| f16_to_f32(u16::from_le_bytes(b))),
                    _ => convert(bytes, out, |b| bf16::to_f32(u16::from_le_bytes(b))),
                }
            });
            data
        });
        match first_not_finite(&data) {
            None => Ok(data),
            Some(bad) => Err(self
                .error(name, format!("element {bad} is {}", data[bad]))
                .help("a weight must be a finite number; the file is damaged or its training diverged")),
        }
    }

    /// The same, copied into `out`.
    pub fn read(&self, name: &str, shape: &[usize], out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(&self.tensor(name, shape)?);
        Ok(())
    }

    /// A tensor that must be there, of this shape and of a type that can be read.
    pub fn expect(&self, name: &str, shape: &[usize]) -> Result<&Entry> {
        let entry = self.entries.get(name).ok_or_else(|| self.error(name, "missing"))?;
        if entry.shape != shape {
            return Err(self
                .error(name, format!("shape {:?}, where {shape:?} belongs", entry.shape))
                .help("the file and the configuration beside it do not belong together"));
        }
        if entry.dtype == Dtype::Other {
            return Err(self
                .error(name, "its dtype is none of F32, F16, BF16")
                .help("convert the model to one of these"));
        }
        Ok(entry)
    }
}

/// The entries of a header, each checked against the file that begins with it.
fn parse_header(file: &[u8], place: &str) -> Result<BTreeMap<String, Entry>> {
    let wrong = |field: &str, why: String| Err(Error::new(format!("{place}: {field}: {why}")));
    let Some((size, rest)) = file.split_first_chunk::<8>() else {
        return wrong("header length", format!("the file has {} bytes; a safetensors file has at least 8", file.len()));
    };
    let size = u64::from_le_bytes(*size);
    let header = usize::try_from(size).ok().filter(|&n| n <= HEADER_LIMIT).and_then(|n| rest.get(..n));
    let Some(header) = header else {
        return wrong("header length", format!("{size} bytes, in a file of {}", file.len()));
    };
    let data = 8 + header.len()..file.len();
    let header = Fields::parse(header, place)?;
    if let Some(metadata) = header.object("__metadata__")? {
        metadata.names().try_for_each(|name| metadata.required(name, Fields::text).map(drop))?;
    }
    let mut entries = BTreeMap::new();
    for name in header.names().filter(|name| *name != "__metadata__") {
        let fields = header.required(name, Fields::object)?;
        entries.insert(name.clone(), Entry::parse(&fields, &data)?);
    }
    // The tensors must cover the data without hole or overlap, as the format wants: nothing hides in between.
    let mut order: Vec<(&String, &Range<usize>)> = entries.iter().map(|(name, e)| (name, &e.bytes)).collect();
    order.sort_by_key(|(_, bytes)| (bytes.start, bytes.end));
    let mut end = data.start;
    for (name, bytes) in order {
        if bytes.start != end {
            let what = if bytes.start < end { "overlaps the tensor before it" } else { "leaves a hole before it" };
            return wrong(name, format!("data_offsets: {what}"));
        }
        end = bytes.end;
    }
    match end == data.end {
        true => Ok(entries),
        false => wrong("data", format!("the tensors end at byte {end}, the file at byte {}", data.end)),
    }
}

/// An IEEE half: sign, 5 bits e of exponent, 10 bits m of mantissa. It is ±2^(e−15)·(1 + m/2¹⁰), or ±2⁻¹⁴·m/2¹⁰ if e = 0.
fn f16_to_f32(half: u16) -> f32 {
    let (sign, e, m) = (u32::from(half >> 15) << 31, u32::from(half >> 10 & 31), u32::from(half & 0x3ff));
    let size = match e {
        0 => (m as f32 / (1 << 24) as f32).to_bits(),
        31 => 0x7f80_0000 | m << 13, // an infinity, or a NaN
        _ => (e + 127 - 15) << 23 | m << 13,
    };
    f32::from_bits(sign | size)
}

fn convert<const N: usize>(bytes: &[u8], out: &mut [f32], f: impl Fn([u8; N]) -> f32) {
    let (parts, _) = bytes.as_chunks::<N>();
    out.iter_mut().zip(parts).for_each(|(x, &b)| *x = f(b));
}

/// The index of the first NaN or infinity.
pub fn first_not_finite(x: &[f32]) -> Option<usize> {
    let bad = |x: &f32| x.to_bits() & 0x7f80_0000 == 0x7f80_0000;
    let first = AtomicUsize::new(usize::MAX);
    parallel::for_each_chunk(x.len().div_ceil(PIECE), |i| {
        let piece = &x[i * PIECE..x.len().min((i + 1) * PIECE)];
        // By blocks, because a loop without an early exit vectorises.
        if piece.chunks(4096).any(|c| c.iter().fold(false, |any, x| any | bad(x)))
            && let Some(at) = piece.iter().position(bad)
        {
            first.fetch_min(i * PIECE + at, Ordering::Relaxed);
        }
    });
    Some(first.into_inner()).filter(|&at| at < x.len())
}

/// A tensor to write: its name, its shape, and its data, made when its turn comes.
pub struct Item<'a> {
    /// Unique in the file.
    pub name: String,
    /// Axes.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Box<dyn Fn() -> Cow<'a, [f32]> + 'a>,
}

impl<'a> Item<'a> {
    /// A tensor that lies in memory as it will in the file.
    pub fn slice(name: impl Into<String>, shape: impl Into<Vec<usize>>, data: &'a [f32]) -> Item<'a> {
        Item { name: name.into(), shape: shape.into(), data: Box::new(move || Cow::Borrowed(data)) }
    }
}

/// Writes tensors as F32, ordered by name. Refuses a NaN or an infinity: nobody could load the file. `place` is for errors.
pub fn write_tensors(
    out: &mut impl Write,
    place: &Path,
    mut items: Vec<Item<'_>>,
    metadata: &[(&str, &str)],
) -> Result<()> {
    items.sort_by(|a, b| a.name.cmp(&b.name));
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), metadata.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect());
    }
    let mut end = 0;
    for item in &items {
        let start = end;
        end += 4 * item.shape.iter().product::<usize>();
        let entry = json!({"dtype": "F32", "shape": item.shape, "data_offsets": [start, end]});
        assert!(header.insert(item.name.clone(), entry).is_none(), "write_tensors: {} comes twice", item.name);
    }
    let mut text = Value::from(header).to_string();
    while !text.len().is_multiple_of(8) {
        text.push(' '); // the data begins aligned
    }
    let cannot = |e| Error::io("write", place, e);
    out.write_all(&(text.len() as u64).to_le_bytes()).map_err(cannot)?;
    out.write_all(text.as_bytes()).map_err(cannot)?;
    let mut bytes = Vec::with_capacity(CHUNK);
    for item in &items {
        let data = (item.data)();
        assert_eq!(data.len(), item.shape.iter().product::<usize>(), "write_tensors: {}", item.name);
        if let Some(i) = first_not_finite(&data) {
            return Err(Error::new(format!("{}: {}: element {i} is {}", place.display(), item.name, data[i]))
                .help("the training diverged; what was saved before is unchanged. Try a lower learning rate"));
        }
        for part in data.chunks(CHUNK / 4) {
            bytes.clear();
            part.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            out.write_all(&bytes).map_err(cannot)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn open(bytes: &[u8]) -> Result<TensorFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        std::fs::write(&path, bytes).unwrap();
        TensorFile::open(path)
    }

    fn why(bytes: &[u8]) -> String {
        let error = open(bytes).err().expect("must be refused");
        assert_eq!(error.exit_code(), 1);
        let text = error.to_string();
        assert!(text.contains("x.safetensors"), "{text}");
        text
    }

    #[test]
    fn the_safetensors_crate_reads_what_we_write_and_we_what_it_writes() {
        let (a, b): (Vec<f32>, Vec<f32>) = ((0..6).map(|i| i as f32 / 7.0).collect(), vec![-0.0, 1e-40, f32::MAX]);
        let items =
            || vec![Item::slice("z", [2, 3], &a), Item::slice("a\"é", [3], &b), Item::slice("one", [1], &a[..1])];
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, Path::new("x"), items(), &[("format", "pt")]).unwrap();
        let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(theirs.tensor("z").unwrap().shape(), [2, 3]);
        assert_eq!(theirs.tensor("z").unwrap().data(), a.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
        let ours = open(&bytes).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
        assert_eq!(*ours.tensor("z", &[2, 3]).unwrap(), a);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&ours.tensor("a\"é", &[3]).unwrap()), bits(&b));
        let again = safetensors::serialize(theirs.tensors(), None).unwrap();
        assert_eq!(*open(&again).unwrap().tensor("z", &[2, 3]).unwrap(), a);
    }

    #[test]
    fn halves_become_floats() {
        use safetensors::tensor::{Dtype, TensorView};
        let f: Vec<u8> = [0x3e00u16, 0xb400, 0x7bff].iter().flat_map(|x| x.to_le_bytes()).collect();
        let b: Vec<u8> = [1.5f32, -0.25, 3.0e38].iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        let view = |dtype, data| TensorView::new(dtype, vec![3], data).unwrap();
        let bytes = safetensors::serialize([("f", view(Dtype::F16, &f)), ("b", view(Dtype::BF16, &b))], None).unwrap();
        let file = open(&bytes).unwrap();
        assert_eq!(*file.tensor("f", &[3]).unwrap(), [1.5, -0.25, 65504.0]);
        assert!((file.tensor("b", &[3]).unwrap()[2] / 3.0e38 - 1.0).abs() < 0.01);
    }

    /// Against the formula in f64, and by arithmetic instead of by bits.
    #[test]
    fn every_half_is_the_number_that_the_standard_says() {
        for half in 0..=u16::MAX {
            let (sign, e, m) =
                (if half < 1 << 15 { 1.0 } else { -1.0 }, half / 1024 % 32, f64::from(half % 1024) / 1024.0);
            let right = sign
                * match e {
                    0 => 2f64.powi(-14) * m,
                    31 if m == 0.0 => f64::INFINITY,
                    31 => f64::NAN,
                    e => 2f64.powi(i32::from(e) - 15) * (1.0 + m),
                };
            let ours = f64::from(f16_to_f32(half));
            let same_sign = ours.is_sign_negative() == (half >= 1 << 15);
            assert!(
                same_sign && (ours == right || ours.is_nan() && right.is_nan()),
                "{half:#06x}: {ours}, not {right}"
            );
            let (sign, e, m) =
                (if half < 1 << 15 { 1.0 } else { -1.0 }, half / 128 % 256, f64::from(half % 128) / 128.0);
            let right = sign
                * match e {
                    0 => 2f64.powi(-126) * m,
                    255 if m == 0.0 => f64::INFINITY,
                    255 => f64::NAN,
                    e => 2f64.powi(i32::from(e) - 127) * (1.0 + m),
                };
            let ours = f64::from(bf16::to_f32(half));
            assert!(ours == right || ours.is_nan() && right.is_nan(), "bf16 {half:#06x}: {ours}, not {right}");
        }
    }

    #[test]
    fn hostile_headers_are_refused() {
        let entry =
            |dtype, shape, offsets| format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#);
        let one = |dtype, shape, offsets| file(&format!("{{\"w\":{}}}", entry(dtype, shape, offsets)), &[0; 8]);
        open(&one("F32", "[2]", "[0,8]")).unwrap();
        assert!(why(b"").contains("header length"));
        assert!(why(&[1, 2, 3]).contains("header length"));
        assert!(why(&u64::MAX.to_le_bytes()).contains("header length"));
        assert!(why(&[&(1u64 << 40).to_le_bytes()[..], &[0; 64]].concat()).contains("header length"));
        assert!(why(&one("F32", "[3]", "[0,8]")).contains("w: data_offsets: 8 bytes"));
        assert!(why(&one("F32", "[2]", "[8,0]")).contains("w: data_offsets"));
        assert!(why(&one("F32", "[2]", "[0,800]")).contains("w: data_offsets"));
        assert!(why(&one("F32", "[-2]", "[0,8]")).contains("w: shape"));
        assert!(why(&one("F32", "[4294967296,4294967296,4]", "[0,8]")).contains("w: shape: overflows"));
        assert!(why(&one("F99", "[2]", "[0,8]")).contains("w: dtype"));
        assert!(why(&one("F32", "2", "[0,8]")).contains("w: shape"));
        assert!(why(&one("F32", "[1]", "[0,4]")).contains("data: the tensors end"));
        assert!(why(&one("F32", "[1]", "[4,8]")).contains("w: data_offsets: leaves a hole"));
        let two =
            |a, b| file(&format!("{{\"a\":{},\"b\":{}}}", entry("F32", "[1]", a), entry("F32", "[1]", b)), &[0; 8]);
        open(&two("[4,8]", "[0,4]")).unwrap();
        assert!(why(&two("[0,4]", "[0,4]")).contains("b: data_offsets: overlaps"));
        let e = entry("F32", "[2]", "[0,8]");
        assert!(why(&file(&format!("{{\"w\":{e},\"w\":{e}}}"), &[0; 8])).contains("\"w\" stands there twice"));
        assert!(why(&file("{\"w\": \u{7f}", &[])).contains("JSON"));
        assert!(why(&file(&"[".repeat(100_000), &[])).contains("JSON"));
        let good = one("F32", "[2]", "[0,8]");
        for cut in 0..good.len() {
            why(&good[..cut]);
        }
        assert!(why(&[&good[..], &[0]].concat()).contains("data:"));
    }

    #[test]
    fn every_flipped_byte_is_refused_or_harmless() {
        let mut bytes = Vec::new();
        write_tensors(&mut bytes, Path::new("x"), vec![Item::slice("w", [2, 2], &[1.0; 4])], &[("format", "pt")])
            .unwrap();
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[i] ^= 1 << bit;
                if let Ok(file) = open(&bytes) {
                    let _ = file.tensor("w", &[2, 2]);
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let nan = [0.0, 1.0, f32::NAN];
        let mut bytes = Vec::new();
        let error = write_tensors(&mut bytes, Path::new("out"), vec![Item::slice("w", [3], &nan)], &[]).err().unwrap();
        assert_eq!(error.to_string(), "out: w: element 2 is NaN");
        let data: Vec<u8> = [0.0, f32::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
        let f = open(&file(r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, &data)).unwrap();
        assert!(f.tensor("w", &[2]).err().unwrap().to_string().ends_with("w: element 1 is inf"));
        assert!(f.tensor("w", &[3]).err().unwrap().to_string().contains("shape [2]"));
        assert!(f.tensor("v", &[2]).err().unwrap().to_string().ends_with("v: missing"));
        let long: Vec<f32> = (0..10_000).map(|i| if i == 9_000 { f32::NEG_INFINITY } else { 1.0 }).collect();
        assert_eq!(first_not_finite(&long), Some(9_000));
    }
}
