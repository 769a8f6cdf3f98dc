//! The tokenizers against Hugging Face's library (same merges, same ids, both directions) and against hostile files.

mod hf;
mod hostile;

/// Numbers that are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// The embedded corpus.
fn shakespeare() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tiny_shakespeare.txt");
    std::fs::read_to_string(path).expect("the corpus is part of the repository")
}

/// Molière, Le Bourgeois gentilhomme (1670), act II, scene 4.
const FRENCH: &str = "MONSIEUR JOURDAIN.\nIl n'y a que la prose, ou les vers ?\n\nMAÎTRE DE PHILOSOPHIE.\n\
    Non, Monsieur : tout ce qui n'est point prose, est vers ; et tout ce qui n'est point vers, est prose.\n\n\
    MONSIEUR JOURDAIN.\nEt comme l'on parle, qu'est-ce que c'est donc que cela ?\n\nMAÎTRE DE PHILOSOPHIE.\n\
    De la prose.\n\nMONSIEUR JOURDAIN.\nQuoi, quand je dis : « Nicole, apportez-moi mes pantoufles, et me donnez mon \
    bonnet de nuit », c'est de la prose ?\n\nMAÎTRE DE PHILOSOPHIE.\nOui, Monsieur.\n\nMONSIEUR JOURDAIN.\n\
    Par ma foi ! il y a plus de quarante ans que je dis de la prose, sans que j'en susse rien ; et je vous suis le \
    plus obligé du monde, de m'avoir appris cela. Je voudrais donc lui mettre dans un billet : Belle Marquise, vos \
    beaux yeux me font mourir d'amour ; mais je voudrais que cela fût mis d'une manière galante ; que cela fût \
    tourné gentiment.\n";

/// Texts on which ids must be equal: scripts, white space of all kinds, quotes, digits, typed special tokens aside.
fn texts() -> Vec<String> {
    let mut random = Random(7);
    let bytes: Vec<u8> = (0..4000).map(|_| random.next() as u8).collect();
    let chars: String = (0..3000).filter_map(|_| char::from_u32(random.below(0x11_0000) as u32)).collect();
    let spaces = [" ", "  ", "\n", "\t", "\u{a0}", "\u{3000}", "\r\n", "a", "é", "1", "½", "'", "'s", "!", "한", "🙂"];
    let mixed: String = (0..4000).map(|_| spaces[random.below(spaces.len())]).collect();
    vec![
        String::new(),
        " ".into(),
        "\n".into(),
        "ROMEO:\nBut, soft! what light through yonder window breaks?\n".into(),
        FRENCH.into(),
        "🙂👨‍👩‍👧‍👦🇫🇷 émoji 👍🏽, ok?  🏴‍☠️".into(),
        "나랏말싸미 듕귁에 달아 문자와로 서르 사맛디 아니할쎄, 한국어 텍스트 2024년!".into(),
        "中文字符，日本語テキスト。Русский текст, العربية ١٢٣ हिन्दी ไทย Ελληνικά ΣΟΦΟΣ".into(),
        "don't we'll I'VE they're 's 't ''' '  's x'y'z".into(),
        "a".repeat(500),
        "abcab ".repeat(100),
        String::from_utf8_lossy(&bytes).into_owned(),
        chars,
        mixed,
    ]
}
