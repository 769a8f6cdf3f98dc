//! Files that are wrong, by accident or on purpose: an error that names the field, never a panic.

use super::{FRENCH, Random};
use motamot::tokenizer::{BpeOptions, Tokenizer, WordPieceOptions};
use serde_json::{Value, json};

fn good() -> Value {
    Tokenizer::train_bpe([FRENCH], &BpeOptions { vocab_size: 300, ..Default::default() }).unwrap().to_json()
}

#[track_caller]
fn refused(file: &Value, wanted: &[&str]) {
    let error = Tokenizer::from_json_bytes(file.to_string().as_bytes()).expect_err("must be refused");
    let text = format!("{error} {}", error.help_line().unwrap_or(""));
    for word in wanted {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(text.len() < 500, "too long: {} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "control characters in: {text:?}");
}

#[test]
fn wrong_fields_are_named() {
    type Edit = fn(&mut Value);
    let cases: &[(Edit, &[&str])] = &[
        (|j| *j = json!([1, 2]), &["should be an object"]),
        (|j| *j = json!({}), &["model", "missing"]),
        (|j| j["version"] = json!("2.0"), &["version", "not known"]),
        (|j| j["model"] = json!("BPE"), &["model.type", "missing"]),
        (|j| j["model"]["type"] = json!("Unigram"), &["model.type", "Unigram", "supported are"]),
        (|j| j["model"]["type"] = json!(7), &["model.type", "a string"]),
        (|j| j["model"]["vocab"] = json!([]), &["model.vocab", "an object"]),
        (|j| j["model"]["vocab"] = json!({}), &["model.vocab", "no tokens"]),
        (|j| j["model"]["vocab"]["a"] = json!(-1), &["model.vocab.\"a\"", "a token id"]),
        (|j| j["model"]["vocab"]["a"] = json!(1.5), &["model.vocab.\"a\"", "a token id"]),
        (|j| j["model"]["vocab"]["a"] = json!("1"), &["model.vocab.\"a\"", "a token id"]),
        (|j| j["model"]["vocab"]["a"] = json!(u64::MAX), &["model.vocab.\"a\"", "too large"]),
        (|j| j["model"]["vocab"]["a"] = json!(u32::MAX), &["model.vocab.\"a\"", "too large"]),
        (|j| j["model"]["vocab"]["a"] = json!(100_000), &["model.vocab.\"a\"", "holes"]),
        (|j| j["model"]["vocab"]["a"] = json!(7), &["model.vocab", "id 7 already belongs"]),
        (|j| drop(j["model"]["vocab"].as_object_mut().unwrap().remove("a")), &["model.vocab", "holes"]),
        (|j| j["model"]["vocab"]["한\u{7}\u{1b}[31m"] = json!(300), &["model.vocab", "no byte"]),
        (|j| j["model"]["merges"] = json!(null), &["model.merges", "missing"]),
        (|j| j["model"]["merges"] = json!({"a": 1}), &["model.merges", "a list"]),
        (|j| j["model"]["merges"][3] = json!("a b c"), &["model.merges[3]", "two tokens"]),
        (|j| j["model"]["merges"][3] = json!(["a"]), &["model.merges[3]", "two tokens"]),
        (|j| j["model"]["merges"][3] = json!(["a", 7]), &["model.merges[3]", "two tokens"]),
        (|j| j["model"]["merges"][3] = json!("zz q"), &["model.merges[3]", "zz", "not in model.vocab"]),
        (|j| j["model"]["merges"][3] = json!("q q"), &["model.merges[3]", "qq", "not in model.vocab"]),
        (|j| j["model"]["merges"][0] = json!("x".repeat(1 << 20)), &["model.merges[0]", "…"]),
        (|j| j["model"]["merges"][0] = json!(format!("{} a", "x".repeat(1 << 20))), &["model.merges[0]", "…"]),
        (|j| j["model"]["dropout"] = json!(0.1), &["model.dropout"]),
        (|j| j["model"]["end_of_word_suffix"] = json!("</w>"), &["model.end_of_word_suffix", "</w>"]),
        (|j| j["model"]["continuing_subword_prefix"] = json!("##"), &["model.continuing_subword_prefix"]),
        (|j| j["model"]["ignore_merges"] = json!("yes"), &["model.ignore_merges", "true or false"]),
        (|j| j["pre_tokenizer"] = json!(null), &["pre_tokenizer", "missing"]),
        (|j| j["pre_tokenizer"]["type"] = json!("Metaspace"), &["pre_tokenizer.type", "Metaspace"]),
        (|j| j["pre_tokenizer"]["add_prefix_space"] = json!(3), &["pre_tokenizer.add_prefix_space"]),
        (|j| j["normalizer"] = json!({"type": "Precompiled"}), &["normalizer.type", "Precompiled"]),
        (|j| j["post_processor"] = json!({"type": "Magic"}), &["post_processor.type", "Magic"]),
        (|j| j["added_tokens"] = json!(3), &["added_tokens", "a list"]),
        (|j| j["added_tokens"][1]["id"] = json!(9), &["added_tokens[1].id", "gives"]),
        (|j| j["added_tokens"][1] = j["added_tokens"][0].clone(), &["added_tokens[1]", "twice"]),
        (|j| j["added_tokens"][1]["content"] = json!(""), &["added_tokens[1].content", "empty"]),
        (|j| j["added_tokens"][1]["content"] = json!("new"), &["added_tokens[1].id", "next free id"]),
        (|j| j["added_tokens"][1]["single_word"] = json!(true), &["added_tokens[1].single_word"]),
        (|j| j["added_tokens"][0]["special"] = json!(1), &["added_tokens[0].special"]),
        (
            |j| {
                // A merge whose result is declared special: ordinary text could become it.
                let token = j["model"]["merges"][0].as_str().unwrap().replace(' ', "");
                let id = j["model"]["vocab"][&token].clone();
                let special = json!({"id": id, "content": token, "special": true});
                j["added_tokens"].as_array_mut().unwrap().push(special);
            },
            &["model.merges[0]", "special token"],
        ),
    ];
    for (i, (edit, wanted)) in cases.iter().enumerate() {
        let mut file = good();
        edit(&mut file);
        println!("case {i}: {wanted:?}");
        refused(&file, wanted);
    }
}

#[test]
fn deep_cut_and_scrambled_files_are_refused_without_panic() {
    let text = good().to_string();
    let mut random = Random(3);
    for _ in 0..60 {
        let mut cut = random.below(text.len());
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let error = Tokenizer::from_json_bytes(&text.as_bytes()[..cut]).unwrap_err();
        assert!(error.to_string().contains("not a JSON file"), "{error}");
    }
    assert!(Tokenizer::from_json_bytes("[".repeat(1 << 20).as_bytes()).is_err());
    let deep = format!("{{\"normalizer\":{}", r#"{"type":"Sequence","normalizers":["#.repeat(100_000));
    assert!(Tokenizer::from_json_bytes(deep.as_bytes()).is_err());
    // Some changed bytes leave a good file; whatever is accepted must also work.
    for _ in 0..400 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        if let Ok(tokenizer) = Tokenizer::from_json_bytes(&bytes) {
            let ids = tokenizer.encode(FRENCH);
            let _ = ids.map(|ids| tokenizer.decode(&ids));
        }
    }
}

#[test]
fn files_are_written_whole_and_errors_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::train_wordpiece([FRENCH], &WordPieceOptions { vocab_size: 200, ..Default::default() });
    let tokenizer = tokenizer.unwrap();
    let path = dir.path().join("tokenizer.json");
    tokenizer.save(&path).unwrap();
    let read = Tokenizer::load(&path).unwrap();
    assert_eq!(read.fingerprint(), tokenizer.fingerprint());
    let [(_, file), (name, config)] = tokenizer.pretrained_files(64);
    assert_eq!((file, name), (tokenizer.to_json(), "tokenizer_config.json"));
    assert_eq!((&config["unk_token"], &config["model_max_length"]), (&json!("[UNK]"), &json!(64)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "temporary files are left");

    std::fs::write(&path, "{\"model\":{\"type\":\"BPE\",\"vocab\":7}}").unwrap();
    let error = Tokenizer::load(&path).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json: model.vocab:"), "{error}");
    let error = Tokenizer::load(dir.path().join("none.json")).unwrap_err().to_string();
    assert!(error.contains("none.json"), "{error}");
    tokenizer.save(dir.path().join("new").join("tokenizer.json")).unwrap();
    let below_a_file = dir.path().join("new/tokenizer.json/tokenizer.json");
    assert!(tokenizer.save(&below_a_file).unwrap_err().to_string().contains("new/tokenizer.json"));
}

#[test]
fn a_vocabulary_without_all_bytes_says_which_one_is_missing() {
    let file = json!({
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    });
    let tokenizer = Tokenizer::from_json_bytes(file.to_string().as_bytes()).unwrap();
    assert_eq!(tokenizer.encode("abba").unwrap(), [2, 1, 0]);
    let error = tokenizer.encode("abc").unwrap_err().to_string();
    assert!(error.contains("0x63") && error.contains("offset 2"), "{error}");
}

/// `transformers` puts these tokens around a prompt, and so do we; ordinary encoding does not.
#[test]
fn what_a_file_puts_around_a_text_is_put_around_a_prompt() {
    let tokenizer = Tokenizer::train_bpe(["to be or not to be"], &Default::default()).unwrap();
    let with = |post_processor: Value| {
        let mut json = tokenizer.to_json();
        json["post_processor"] = post_processor;
        Tokenizer::from_json_bytes(json.to_string().as_bytes())
    };
    let text = tokenizer.encode("to be").unwrap();
    let special = |name: &str, id: u32| json!({name: {"id": name, "ids": [id], "tokens": [name]}});
    let template = json!({
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [],
        "special_tokens": special("<|endoftext|>", 0),
    });
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let roberta = json!({"type": "RobertaProcessing", "sep": ["<|end|>", 4], "cls": ["<|user|>", 2], "trim_offsets": true,
        "add_prefix_space": true});
    let sequence = json!({"type": "Sequence", "processors": [byte_level, template]});
    for (processor, before, after) in [
        (Value::Null, &[][..], &[][..]),
        (byte_level.clone(), &[], &[]),
        (template.clone(), &[0], &[]),
        (sequence, &[0], &[]),
        (roberta, &[2], &[4]),
    ] {
        let tokenizer = with(processor).unwrap();
        assert_eq!(tokenizer.encode_prompt("to be").unwrap(), [before, &text, after].concat());
        assert_eq!(tokenizer.encode("to be").unwrap(), text);
        assert_eq!(Tokenizer::from_json_bytes(tokenizer.to_json().to_string().as_bytes()).unwrap().prefix(), before);
    }
    let mut beyond = template.clone();
    beyond["special_tokens"]["<|endoftext|>"]["ids"] = json!([99_999]);
    let mut unnamed = template;
    unnamed["special_tokens"] = json!({});
    for (wrong, field) in
        [(beyond, "post_processor: there is no token 99999"), (unnamed, "special_tokens.<|endoftext|>")]
    {
        let error = with(wrong).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    for limit in ["truncation", "padding"] {
        let mut json = tokenizer.to_json();
        json[limit] = json!({"max_length": 8});
        let error = Tokenizer::from_json_bytes(json.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(limit) && error.help_line().is_some(), "{error}");
    }
}
